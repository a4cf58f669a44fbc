// SPDX-License-Identifier: Apache-2.0
//
// vec<T, I>: one register of T on the instruction set I, T = f32 or s32. Registers and
// architecture tags are xsimd's; the operations are ours, because xsimd 8.1 has no AVX-512 fma, no
// masked tails and no forced inlining, and its batch header alone takes most of two seconds to
// compile. `native()` gives the register, from which an xsimd::batch can be made.
//
// Every ISA has the same members, so kernels are written once:
//
//   size                        lanes
//   zero() broadcast(x)         constants
//   load(p) load(p, n)          from T, or converted from bf16, s8, u8, s32; lanes >= n read as zero
//   store(p) store(p, n)        to T, or converted: bf16 to nearest even; s8 and u8 to nearest even
//                               with saturation, NaN to the lowest value
//   store_high(p, a, b)         of f32: the upper halves of the lanes of a, then of b, to bf16
//   store_low(p) store_low(p, n)  of s32: the low 8 bits of each lane, to s8 or u8
//   stream(p)                   of f32, to f32 or bf16, p aligned to the register: past the caches;
//                               fence_streams() before another thread may read what was written
//   + - * /, fma(a, b, c)       fma rounds once: a * b + c
//   min(a, b) max(a, b)         one instruction: b if either is a NaN, so max(zero, x) hands a NaN on
//   minimum(a, b) maximum(a, b) a NaN if either is one: for operands that both may be
//   a < b, a <= b (f32), a == b, select(m, a, b), abs, sqrt, round (nearest even)
//   to_s32 (nearest even), to_f32, bits (reinterpretation), & | ^ << >> on s32
//   v.pin()                     the value has to be in a register here: what follows is not moved into
//                               a loop before it
//   sum(v), highest(v), lowest(v)   reductions, in a fixed order; a NaN if any lane is one
//   any_nan(v)                  true if any lane is one (f32)
#pragma once

#include <ia_nn/arch/isa.hpp>

#include <ia_nn/begin.hpp>

namespace detail {
// The tag whose registers I uses: vnni, bf16 and amx add instructions, not registers.
template <class I> struct vec_tag { using type = I; };
template <> struct vec_tag<isa::avx2_vnni> { using type = isa::avx2; };
template <class I>
  requires isa::has<I, isa::avx512>
struct vec_tag<I> { using type = isa::avx512; };

template <class T, class VecTag> struct vec_impl; // arch/<isa>/vec.hpp

/// x, loaded from memory behind this place and not before: what it holds takes no registers of a loop
/// that comes first.
template <class T> IA_NN_INLINE T const& read_here(T const& x) noexcept {
  T const* p = &x;
  asm volatile("" : "+r"(p) : : "memory");
  return *p;
}
} // namespace detail

template <class T, isa::tag I>
  requires(std::same_as<T, f32> || std::same_as<T, s32>)
using vec = detail::vec_impl<T, typename detail::vec_tag<I>::type>;

namespace detail {
/// Puts all streamed stores of this thread in front of what it stores from now on.
IA_NN_INLINE void fence_streams() noexcept { __builtin_ia32_sfence(); }
} // namespace detail

/// A register of f32 or s32 on some instruction set.
template <class V>
concept vector_register = requires(V v) {
  typename V::value_type;
  { V::size } -> std::convertible_to<int>;
  { V::zero() } -> std::same_as<V>;
};

namespace detail {
template <vector_register V> IA_NN_INLINE V minimum(V a, V b) noexcept {
  return select(a == a, min(a, b), a);
}
template <vector_register V> IA_NN_INLINE V maximum(V a, V b) noexcept {
  return select(a == a, max(a, b), a);
}
} // namespace detail

IA_NN_END

#include <ia_nn/arch/scalar/vec.hpp>
#if defined(__AVX2__) && defined(__FMA__)
#include <ia_nn/arch/avx2/vec.hpp>
#endif
#if defined(__AVX512F__) && defined(__AVX512BW__) && defined(__AVX512DQ__) && defined(__AVX512VL__)
#include <ia_nn/arch/avx512/vec.hpp>
#endif

// SPDX-License-Identifier: Apache-2.0
//
// dot<I, A, B>: how the instruction set I multiplies A by B. One step takes kr consecutive k:
//
//   acc[n] += a[0] * b[n][0] + ... + a[kr-1] * b[n][kr-1]      n = 0 .. width-1
//
//   kr, width        consecutive k per step; columns of one accumulator register
//   acc              vec<f32, I> or vec<s32, I>
//   load_b(p)        width * kr elements, the kr of one column side by side
//   load_a(p)        kr elements of one row, to every column
//   mac(acc, a, b)   one step. Integers are exact (mod 2^32) on every ISA.
//   from_words(w)    u8 only: the A operand from kr elements of its own for each lane, the first in
//                    the lowest bits
//   fitting          u8 x s8 without VNNI: the dot for weights whose pairs of products fit 16 bits
//   a_registers, b_registers, temporaries    for the count that `tiling` must respect
//
// An ISA that lacks a product inherits the one of the ISA that it extends.
#pragma once

#include <ia_nn/arch/vec.hpp>

#include <ia_nn/begin.hpp>

namespace detail {

template <class I, class A, class B> struct dot_impl;

template <class I> struct parent { using type = void; };
template <> struct parent<isa::avx2> { using type = isa::scalar; };
template <> struct parent<isa::avx2_vnni> { using type = isa::avx2; };
template <> struct parent<isa::avx512> { using type = isa::avx2; };
template <> struct parent<isa::avx512_vnni> { using type = isa::avx512; };
template <> struct parent<isa::avx512_bf16> { using type = isa::avx512_vnni; };
template <> struct parent<isa::amx> { using type = isa::avx512_bf16; };

// f32 by f32, or by weights that stay narrow in memory and widen when loaded.
template <class I, class B> struct f32_dot {
  using acc = vec<f32, I>;
  static constexpr int kr = 1, width = acc::size;
  static constexpr int a_registers = 1, b_registers = 1, temporaries = std::same_as<B, f32> ? 0 : 1;
  static IA_NN_INLINE acc load_b(B const* p) noexcept { return acc::load(p); }
  static IA_NN_INLINE acc load_a(f32 const* p) noexcept { return acc::broadcast(*p); }
  static IA_NN_INLINE void mac(acc& c, acc a, acc b) noexcept { c = fma(a, b, c); }
};

// bf16 by bf16 where no instruction does it: the two halves of each 32-bit lane become f32.
template <class I> struct bf16_dot {
  using acc = vec<f32, I>;
  using word = vec<s32, I>;
  struct pair {
    acc low, high;
  };
  static constexpr int kr = 2, width = acc::size;
  static constexpr int a_registers = 2, b_registers = 2, temporaries = 1;
  static IA_NN_INLINE pair load_b(bf16 const* p) noexcept {
    return split(word::load(reinterpret_cast<s32 const*>(p)));
  }
  static IA_NN_INLINE pair load_a(bf16 const* p) noexcept {
    s32 both;
    __builtin_memcpy(&both, p, sizeof both);
    return split(word::broadcast(both));
  }
  static IA_NN_INLINE void mac(acc& c, pair a, pair b) noexcept {
    c = fma(a.high, b.high, fma(a.low, b.low, c));
  }

private:
  static IA_NN_INLINE pair split(word w) noexcept {
    return {bits(w << 16), bits(w & word::broadcast(static_cast<s32>(0xffff0000U)))};
  }
};

// The definition of the exact integer product, and the scalar ISA's kernel.
template <> struct dot_impl<isa::scalar, u8, s8> {
  using acc = vec<s32, isa::scalar>;
  struct four {
    s32 k[4];
  };
  static constexpr int kr = 4, width = 1;
  static constexpr int a_registers = 4, b_registers = 4, temporaries = 0;
  static IA_NN_INLINE four load_b(s8 const* p) noexcept { return {{p[0], p[1], p[2], p[3]}}; }
  static IA_NN_INLINE four load_a(u8 const* p) noexcept { return {{p[0], p[1], p[2], p[3]}}; }
  static IA_NN_INLINE four from_words(acc w) noexcept {
    return {{w.r & 255, w.r >> 8 & 255, w.r >> 16 & 255, w.r >> 24 & 255}};
  }
  static IA_NN_INLINE void mac(acc& c, four a, four b) noexcept {
    c = c + acc{a.k[0] * b.k[0] + a.k[1] * b.k[1] + a.k[2] * b.k[2] + a.k[3] * b.k[3]};
  }
};

/// What multiplies, and the instruction set that it needs.
template <class Dot, class I> struct found_dot {
  using type = Dot;
  using isa_type = I;
};

template <class I, class A, class B> constexpr auto find_dot() {
  using vectors = typename vec_tag<I>::type;
  if constexpr (requires { sizeof(dot_impl<I, A, B>); }) return found_dot<dot_impl<I, A, B>, I>{};
  else if constexpr (std::same_as<A, f32>) return found_dot<f32_dot<I, B>, vectors>{};
  else if constexpr (!std::is_void_v<typename parent<I>::type> &&
                     !(std::same_as<A, bf16> && (std::same_as<I, isa::avx2> ||
                                                 std::same_as<I, isa::avx512>)))
    return find_dot<typename parent<I>::type, A, B>();
  else return found_dot<bf16_dot<I>, vectors>{};
}

/// What vec::pin is to a value: GCC would keep each multiple of an address in a register, more than
/// there are.
template <class T> IA_NN_INLINE void hold(T*& p) noexcept { __asm__("" : "+r"(p)); }

} // namespace detail

template <isa::tag I, element A, element B>
using dot = typename decltype(detail::find_dot<I, A, B>())::type;

/// The instruction set that dot<I, A, B> comes from: I or one that it extends.
template <isa::tag I, element A, element B>
using dot_isa = typename decltype(detail::find_dot<I, A, B>())::isa_type;

IA_NN_END

#if defined(__AVX2__) && defined(__FMA__)
#include <ia_nn/arch/avx2/dot.hpp>
#include <ia_nn/arch/avx2_vnni/dot.hpp>
#endif
#if defined(__AVX512F__) && defined(__AVX512BW__) && defined(__AVX512DQ__) && defined(__AVX512VL__)
#include <ia_nn/arch/avx512/dot.hpp>
#if defined(__AVX512VNNI__)
#include <ia_nn/arch/avx512_vnni/dot.hpp>
#endif
#if defined(__AVX512BF16__)
#include <ia_nn/arch/avx512_bf16/dot.hpp>
#endif
#endif

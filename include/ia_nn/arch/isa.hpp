// SPDX-License-Identifier: Apache-2.0
//
// Instruction sets as tag types. Whatever depends on one in code or in data layout takes the tag
// as a template argument.
//
//   scalar <- avx2 <- avx2_vnni
//                  <- avx512 <- avx512_vnni <- avx512_bf16 <- amx
//
// A tag inherits from what it extends, so a kernel that exists for avx512 serves amx as well until
// somebody writes a better one.
#pragma once

#include <ia_nn/core/meta.hpp>

#include <ia_nn/begin.hpp>

namespace isa {

struct scalar {};                    ///< portable C++
struct avx2 : scalar {};             ///< AVX2 and FMA
struct avx2_vnni : avx2 {};          ///< with AVX-VNNI: desktops without AVX-512
struct avx512 : avx2 {};             ///< F, BW, DQ, VL
struct avx512_vnni : avx512 {};      ///< with AVX512-VNNI
struct avx512_bf16 : avx512_vnni {}; ///< with AVX512-BF16
struct amx : avx512_bf16 {};         ///< with AMX tiles, int8 and bf16

template <class I>
concept tag = std::derived_from<I, scalar>;

/// True if I is Base or extends it.
template <tag I, tag Base> inline constexpr bool has = std::derived_from<I, Base>;

template <tag I> constexpr char const* name() noexcept {
  if constexpr (std::same_as<I, amx>) return "amx";
  else if constexpr (std::same_as<I, avx512_bf16>) return "avx512_bf16";
  else if constexpr (std::same_as<I, avx512_vnni>) return "avx512_vnni";
  else if constexpr (std::same_as<I, avx512>) return "avx512";
  else if constexpr (std::same_as<I, avx2_vnni>) return "avx2_vnni";
  else if constexpr (std::same_as<I, avx2>) return "avx2";
  else return "scalar";
}

namespace detail {
#if defined(__AVX2__) && defined(__FMA__)
inline constexpr bool avx2_flags = true;
#else
inline constexpr bool avx2_flags = false;
#endif
#if defined(__AVXVNNI__)
inline constexpr bool avx2_vnni_flags = true;
#else
inline constexpr bool avx2_vnni_flags = false;
#endif
#if defined(__AVX512F__) && defined(__AVX512BW__) && defined(__AVX512DQ__) && defined(__AVX512VL__)
inline constexpr bool avx512_flags = true;
#else
inline constexpr bool avx512_flags = false;
#endif
#if defined(__AVX512VNNI__)
inline constexpr bool avx512_vnni_flags = avx512_flags;
#else
inline constexpr bool avx512_vnni_flags = false;
#endif
#if defined(__AVX512BF16__)
inline constexpr bool avx512_bf16_flags = avx512_vnni_flags;
#else
inline constexpr bool avx512_bf16_flags = false;
#endif
#if defined(__AMX_TILE__) && defined(__AMX_INT8__) && defined(__AMX_BF16__)
inline constexpr bool amx_flags = avx512_bf16_flags;
#else
inline constexpr bool amx_flags = false;
#endif
} // namespace detail

/// What this translation unit can instantiate, best first. AVX-VNNI and AMX instructions are
/// written in assembly, so the flags of their base suffice; `available` tells what the CPU has.
using compiled = prepend_if_t<
    detail::avx512_bf16_flags, amx,
    prepend_if_t<detail::avx512_bf16_flags, avx512_bf16,
                 prepend_if_t<detail::avx512_vnni_flags, avx512_vnni,
                              prepend_if_t<detail::avx512_flags, avx512,
                                           prepend_if_t<detail::avx2_flags, avx2_vnni,
                                                        prepend_if_t<detail::avx2_flags, avx2,
                                                                     type_list<scalar>>>>>>>;

/// The best instruction set that the flags of this translation unit promise.
using native = front_t<prepend_if_t<
    detail::amx_flags, amx,
    prepend_if_t<
        detail::avx512_bf16_flags, avx512_bf16,
        prepend_if_t<
            detail::avx512_vnni_flags, avx512_vnni,
            prepend_if_t<detail::avx512_flags, avx512,
                         prepend_if_t<detail::avx2_flags && detail::avx2_vnni_flags, avx2_vnni,
                                      prepend_if_t<detail::avx2_flags, avx2, type_list<scalar>>>>>>>>;

/// True if this translation unit can instantiate kernels for I.
template <tag I> inline constexpr bool is_compiled = contains<I, compiled>;

} // namespace isa

IA_NN_END

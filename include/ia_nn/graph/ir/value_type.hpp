// SPDX-License-Identifier: Apache-2.0
//
// How the elements of a value are stored.
#pragma once

#include <ia_nn/core/types.hpp>

#include <ia_nn/begin.hpp>
namespace graph {

enum class value_type : unsigned char { f32, bf16, u8, s8, s32 };

constexpr char const* name_of(value_type t) {
  constexpr char const* names[] = {"f32", "bf16", "u8", "s8", "s32"};
  return names[static_cast<int>(t)];
}
/// Bytes of an element.
constexpr index_t size_of(value_type t) {
  return t == value_type::f32 || t == value_type::s32 ? 4 : t == value_type::bf16 ? 2 : 1;
}
constexpr bool is_quantized(value_type t) { return t == value_type::u8 || t == value_type::s8; }

/// The element type of a storage type: `element_of<value_type::bf16>` is bf16.
template <value_type T> struct element_of_type;
template <> struct element_of_type<value_type::f32> { using type = f32; };
template <> struct element_of_type<value_type::bf16> { using type = bf16; };
template <> struct element_of_type<value_type::u8> { using type = u8; };
template <> struct element_of_type<value_type::s8> { using type = s8; };
template <> struct element_of_type<value_type::s32> { using type = s32; };
template <value_type T> using element_of = typename element_of_type<T>::type;
/// And the other way round.
template <class T>
inline constexpr value_type type_of_element = std::same_as<T, bf16>  ? value_type::bf16
                                              : std::same_as<T, u8>  ? value_type::u8
                                              : std::same_as<T, s8>  ? value_type::s8
                                              : std::same_as<T, s32> ? value_type::s32
                                                                     : value_type::f32;

} // namespace graph
IA_NN_END

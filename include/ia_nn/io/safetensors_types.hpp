// SPDX-License-Identifier: Apache-2.0
//
// What safetensors files hold: types of elements, and tensors with a name.
#pragma once

#include <ia_nn/io/npy_header.hpp>

#include <map>
#include <span>

#include <ia_nn/begin.hpp>

// clang-format off
/// Types of elements.
enum class safetensors_type {
  float64, float32, float16, bfloat16, int64, int32, int16, int8, uint64, uint32, uint16, uint8,
  float8_e5m2, float8_e4m3, boolean,
  other ///< one that is not known here
};
// clang-format on

/// A tensor and the name it is stored under. The elements are somebody else's, one behind the
/// other, the last dimension fastest.
struct safetensors_entry {
  std::string name;
  safetensors_type type = safetensors_type::float32;
  std::vector<index_t> shape; ///< empty for a single number
  std::span<std::byte const> bytes;
  std::string other = {}; ///< what the file calls the type, if that is safetensors_type::other
};

/// The strings stored under "__metadata__".
using safetensors_metadata = std::map<std::string, std::string>;

namespace detail {

// Names and bytes, in the order of safetensors_type.
inline constexpr char const* safetensors_names[] = {"F64", "F32", "F16",     "BF16",    "I64",
                                                    "I32", "I16", "I8",      "U64",     "U32",
                                                    "U16", "U8",  "F8_E5M2", "F8_E4M3", "BOOL"};
inline constexpr char safetensors_bytes[] = {8, 4, 2, 2, 8, 4, 2, 1, 8, 4, 2, 1, 1, 1, 1, 1};
inline constexpr std::size_t safetensors_rank = 64;
inline constexpr std::uint64_t safetensors_header_limit = 100'000'000; ///< the format's own
inline constexpr char const* safetensors_metadata_key = "__metadata__";

/// A name as error messages show it: control characters replaced, 80 bytes at most.
inline std::string shown_name(std::string_view name) {
  std::size_t n = name.size();
  if (n > 80) // not within a character of UTF-8
    for (n = 80; n > 0 && (static_cast<unsigned char>(name[n]) & 0xc0U) == 0x80;) --n;
  std::string text = "'";
  for (char const c : name.substr(0, n))
    text += static_cast<unsigned char>(c) < 0x20 || c == 0x7f ? '?' : c;
  return text + (n < name.size() ? "...'" : "'");
}

/// The type of this name in files.
inline safetensors_type safetensors_type_named(std::string_view name) noexcept {
  int i = 0;
  for (; i < static_cast<int>(safetensors_type::other); ++i)
    if (name == safetensors_names[i]) break;
  return static_cast<safetensors_type>(i);
}

/// Bytes of a tensor, or -1 if they are more than 2^63. A zero does not excuse the other extents:
/// whoever multiplies some of them need not look.
inline index_t safetensors_size(safetensors_type type, std::vector<index_t> const& shape) noexcept {
  index_t bytes = safetensors_bytes[static_cast<int>(type)];
  bool empty = false;
  for (index_t const n : shape) {
    if (n == 0) empty = true;
    else if (n < 0 || __builtin_mul_overflow(bytes, n, &bytes)) return -1;
  }
  return empty ? 0 : bytes;
}

} // namespace detail

/// The name of the type in files: "F32", "BF16".
constexpr char const* name_of(safetensors_type t) noexcept {
  return t == safetensors_type::other ? "another type"
                                      : detail::safetensors_names[static_cast<int>(t)];
}
/// Bytes of an element; 1 for another type.
constexpr index_t bytes_of(safetensors_type t) noexcept {
  return detail::safetensors_bytes[static_cast<int>(t)];
}

/// The type that stores T: f32, double, bf16, or an integer other than bool.
template <class T> constexpr safetensors_type safetensors_type_of() noexcept {
  static_assert(std::same_as<T, f32> || std::same_as<T, double> || std::same_as<T, bf16> ||
                    (std::is_integral_v<T> && !std::same_as<T, bool>),
                "ia_nn: safetensors_type_of: T must be f32, double, bf16 or an integer");
  using type = safetensors_type;
  constexpr bool negative = std::is_signed_v<T>;
  if constexpr (std::same_as<T, f32>) return type::float32;
  else if constexpr (std::same_as<T, double>) return type::float64;
  else if constexpr (std::same_as<T, bf16>) return type::bfloat16;
  else if constexpr (sizeof(T) == 8) return negative ? type::int64 : type::uint64;
  else if constexpr (sizeof(T) == 4) return negative ? type::int32 : type::uint32;
  else if constexpr (sizeof(T) == 2) return negative ? type::int16 : type::uint16;
  else return negative ? type::int8 : type::uint8;
}

IA_NN_END

// SPDX-License-Identifier: Apache-2.0
//
// Text that a constexpr value can hold: names of layers and sentences about mistakes.
#pragma once

#include <ia_nn/core/types.hpp>

#include <string_view>

#include <ia_nn/begin.hpp>
namespace graph {

/// Up to Capacity - 1 characters. What does not fit is cut off, and `cut` says so.
template <int Capacity> struct fixed_text {
  char chars[static_cast<std::size_t>(Capacity)]{};
  int length = 0;
  bool cut = false;

  constexpr fixed_text() = default;
  constexpr fixed_text(char const* s) { *this += std::string_view(s); }
  constexpr fixed_text(std::string_view s) { *this += s; }

  constexpr fixed_text& operator+=(std::string_view s) {
    for (char const c : s) {
      if (length == Capacity - 1) {
        cut = true;
        break;
      }
      chars[length++] = c;
    }
    return *this;
  }
  constexpr fixed_text& operator+=(index_t n) {
    char digits[24]{};
    int at = 24;
    bool const negative = n < 0;
    do {
      index_t const d = n % 10;
      digits[--at] = static_cast<char>('0' + (d < 0 ? -d : d));
      n /= 10;
    } while (n != 0);
    if (negative) digits[--at] = '-';
    return *this += std::string_view(digits + at, static_cast<std::size_t>(24 - at));
  }
  friend constexpr fixed_text operator+(fixed_text a, std::string_view b) { return a += b; }
  friend constexpr fixed_text operator+(fixed_text a, index_t b) { return a += b; }

  constexpr std::string_view view() const { return {chars, static_cast<std::size_t>(length)}; }
  constexpr bool empty() const { return length == 0; }
  friend constexpr bool operator==(fixed_text const& a, fixed_text const& b) {
    return a.view() == b.view();
  }
};

/// The name of a layer: `label("stage") + 2 + ".conv1"`.
using label = fixed_text<48>;
using sentence = fixed_text<240>;

} // namespace graph
IA_NN_END

// SPDX-License-Identifier: Apache-2.0
//
// Numbers as text that is the same in every locale: std::to_string, printf and streams write a
// comma where the program's user has one.
#pragma once

#include <ia_nn/config.hpp>

#include <charconv>
#include <concepts>
#include <string>

#include <ia_nn/begin.hpp>
namespace detail {

/// The shortest text that names this number and no other: "0.1", "1e-09", "inf".
template <std::floating_point T> std::string number_text(T x) {
  char text[32];
  return {text, std::to_chars(text, text + sizeof text, x).ptr};
}
/// With so many digits behind the point, 9 at most.
inline std::string number_text(double x, int digits) {
  char text[320]; // 1.8e308 has 309 before it
  return {text, std::to_chars(text, text + sizeof text, x, std::chars_format::fixed, digits).ptr};
}

} // namespace detail
IA_NN_END

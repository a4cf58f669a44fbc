// SPDX-License-Identifier: Apache-2.0
//
// Writes ranges as C++: an array of constants for a network (ir/constant_ranges.hpp).
#pragma once

#include <ia_nn/graph/ir/constant_ranges.hpp>
#include <ia_nn/graph/kernels/value_ranges.hpp>

#include <ia_nn/begin.hpp>
namespace graph {

namespace detail {

/// The same number in C++: hexadecimal, so that no compiler rounds it.
inline std::string hex_literal(f32 x) {
  if (x == 0) return "0.0F";
  char text[32];
  char* const end = std::to_chars(text, text + sizeof text, x < 0 ? -x : x, std::chars_format::hex).ptr;
  return (x < 0 ? "-0x" : "0x") + std::string(text, end) + "F";
}

/// The text in quotes. Escapes have three octal digits: more could not follow, as behind \x.
inline std::string cpp_literal(std::string_view s) {
  std::string t = "\"";
  for (char const c : s) {
    auto const u = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\' || c == '?') t += '\\', t += c; // ??/ would be a trigraph
    else if (u >= 0x20 && u < 0x7f) t += c;
    else
      for (int const digit : {-1, u >> 6, u >> 3 & 7, u & 7})
        t += digit < 0 ? '\\' : static_cast<char>('0' + digit);
  }
  return t + '"';
}

inline bool is_identifier(std::string_view s) noexcept {
  auto const letter = [](char c) {
    return c == '_' || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
  };
  for (char const c : s)
    if (!letter(c) && !(c >= '0' && c <= '9')) return false;
  return !s.empty() && letter(s[0]);
}

} // namespace detail

/// A header with `inline constexpr std::array<ia_nn::graph::constant_range, N> name`. Errors:
/// errc::bad_parameter if `name` is no identifier.
inline std::string ranges_header(value_ranges const& ranges, std::string_view name) {
  if (!detail::is_identifier(name))
    throw_error(errc::bad_parameter, "ranges_header: '" + std::string(name) + "' is no identifier");
  std::string t = "// Ranges of a network's values, written by ia_nn.\n#pragma once\n\n"
                  "#include <ia_nn/graph/ir/constant_ranges.hpp>\n\n#include <array>\n\n"
                  "inline constexpr std::array<ia_nn::graph::constant_range, " +
                  std::to_string(ranges.all().size()) + "> " + std::string(name) + "{{\n";
  for (named_range const& r : ranges.all())
    t += "    {" + detail::cpp_literal(r.name) + ", " + detail::hex_literal(r.range.low) + ", " +
         detail::hex_literal(r.range.high) + "},\n";
  return t + "}};\n";
}

} // namespace graph
IA_NN_END

// SPDX-License-Identifier: Apache-2.0
//
// A comparison of two networks (run/compare.hpp) as text.
#pragma once

#include <ia_nn/graph/run/compare.hpp>
#include <ia_nn/graph/show/dump.hpp>

#include <ia_nn/begin.hpp>
namespace graph {

namespace detail {

/// "12.3", or "exact" for infinitely many.
inline std::string decibel_text(double x) {
  return x == std::numeric_limits<double>::infinity() ? "exact" : ia_nn::detail::number_text(x, 1);
}
/// With four digits, whatever the size.
inline std::string short_number(double x) {
  char text[32];
  return {text, std::to_chars(text, text + sizeof text, x, std::chars_format::general, 4).ptr};
}

inline std::string difference_line(value_difference const& d) {
  std::string const stored = std::string(name_of(d.first)) + "-" + name_of(d.second);
  return padded(d.name, 28) + padded(d.what, 18) + padded(stored, 9) +
         right(short_number(d.largest), 11) + right(short_number(d.relative()), 11) +
         right(decibel_text(d.decibels()), 8) +
         (d.unlike ? "  " + std::to_string(d.unlike) + " finite in one only" : "");
}

} // namespace detail

/// One line for each value, then one for each output with the share of rows that agree about the
/// largest element.
inline std::string comparison_table(network_comparison const& c) {
  std::string t = detail::padded("value", 28) + detail::padded("layer", 18) +
                  detail::padded("stored", 9) + detail::right("max |a-b|", 11) +
                  detail::right("relative", 11) + detail::right("SQNR/dB", 8) + "\n";
  for (value_difference const& d : c.values) t += detail::difference_line(d) + "\n";
  for (output_difference const& d : c.outputs)
    t += detail::difference_line(d) + "  top-1 agrees in " +
         ia_nn::detail::number_text(100 * d.same_top, 2) + " %\n";
  return t + std::to_string(c.samples) + " samples\n";
}

} // namespace graph
IA_NN_END

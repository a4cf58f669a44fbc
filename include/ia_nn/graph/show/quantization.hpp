// SPDX-License-Identifier: Apache-2.0
//
// A quantization report (run/quantization_report.hpp) as text, JSON and a picture.
#pragma once

#include <ia_nn/graph/run/quantization_report.hpp>
#include <ia_nn/graph/show/comparison.hpp>
#include <ia_nn/graph/show/drawing.hpp>

#include <ia_nn/begin.hpp>
namespace graph {

/// One line for each value.
inline std::string quantization_table(quantization_report const& all) {
  std::string t = detail::padded("value", 28) + detail::padded("layer", 18) + detail::right("low", 11) +
                  detail::right("high", 11) + detail::right("scale", 11) + detail::right("zero", 5) +
                  detail::right("SQNR/dB", 8) + detail::right("saturated", 11) + "\n";
  for (quantized_value const& v : all) {
    auto const number = [](f32 x) { return detail::right(detail::short_number(static_cast<double>(x)), 11); };
    t += detail::padded(v.name, 28) + detail::padded(v.what, 18) + number(v.range.low) +
         number(v.range.high) + number(v.scaling.scale) +
         detail::right(std::to_string(v.scaling.zero_point), 5) +
         detail::right(detail::decibel_text(v.decibels()), 8) +
         detail::right(ia_nn::detail::number_text(100 * v.saturated_share(), 3) + " %", 11) +
         (v.not_finite ? "  " + std::to_string(v.not_finite) + " NaN or infinite" : "") + "\n";
  }
  return t;
}

namespace detail {

/// In quotes; a name has no other characters that JSON does not take as they are.
inline std::string json_quoted(std::string_view s) {
  std::string t = "\"";
  for (char const c : s) {
    auto const u = static_cast<unsigned char>(c);
    if (u >= 0x20) t += escaped(std::string_view(&c, 1));
    else t += std::string("\\u00") + (u < 16 ? '0' : '1') + "0123456789abcdef"[u & 15];
  }
  return t + '"';
}
/// JSON has no infinity: `null` for no noise at all.
inline std::string json_number(double x) {
  return std::isfinite(x) ? ia_nn::detail::number_text(x) : "null";
}

} // namespace detail

/// A list of objects; "sqnr" is in dB, null where nothing was lost.
inline std::string quantization_json(quantization_report const& all) {
  std::string t = "[";
  char const* comma = "\n ";
  for (quantized_value const& v : all) {
    t += comma;
    t += "{\"name\": " + detail::json_quoted(v.name) + ", \"layer\": " + detail::json_quoted(v.what) +
         ", \"low\": " + ia_nn::detail::number_text(v.range.low) +
         ", \"high\": " + ia_nn::detail::number_text(v.range.high) +
         ", \"scale\": " + ia_nn::detail::number_text(v.scaling.scale) +
         ", \"zero_point\": " + std::to_string(v.scaling.zero_point) +
         ", \"sqnr\": " + detail::json_number(v.decibels()) +
         ", \"values\": " + std::to_string(v.count) + ", \"saturated\": " + std::to_string(v.saturated) +
         ", \"not_finite\": " + std::to_string(v.not_finite) + "}";
    comma = ",\n ";
  }
  return t + "\n]\n";
}

/// Two bars for each value: SQNR to the right, 60 dB at most, and the share that is saturated, 1 % at
/// most.
inline std::string quantization_svg(quantization_report const& all) {
  double const line = 14;
  std::string t = drawing::begin(760, 40 + line * static_cast<double>(all.size())) +
                  drawing::words(240, 14, "SQNR, 60 dB") + drawing::words(600, 14, "saturated, 1 %");
  double y = 22;
  for (quantized_value const& v : all) {
    double const db = v.decibels() < 60 ? (v.decibels() > 0 ? v.decibels() : 0) : 60;
    double const share = v.saturated_share() < 0.01 ? v.saturated_share() : 0.01;
    std::string const title = v.name + ": " + detail::decibel_text(v.decibels()) + " dB, " +
                              ia_nn::detail::number_text(100 * v.saturated_share(), 3) +
                              " % saturated, range " + ia_nn::detail::number_text(v.range.low) +
                              " to " + ia_nn::detail::number_text(v.range.high);
    t += drawing::words(10, y + 9, v.name) +
         drawing::rectangle(240, y, 5.5 * db, line - 4, "hsl(210,55%,60%)", title) +
         drawing::rectangle(600, y, 14000 * share, line - 4, "hsl(0,65%,60%)", title);
    y += line;
  }
  return t + "</svg>\n";
}

} // namespace graph
IA_NN_END

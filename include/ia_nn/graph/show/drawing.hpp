// SPDX-License-Identifier: Apache-2.0
//
// Pieces of pictures, as text of SVG.
//
//   std::string const t = drawing::begin(100, 20) + drawing::rectangle(0, 0, 50, 20, "#eeeeee", "half") +
//                         drawing::words(5, 12, "0.5") + "</svg>\n";
#pragma once

#include <ia_nn/core/text.hpp>

#include <string>
#include <string_view>

#include <ia_nn/begin.hpp>
namespace graph::drawing {

/// For text between tags.
inline std::string markup(std::string_view s) {
  std::string t;
  for (char const c : s)
    if (c == '<') t += "&lt;";
    else if (c == '>') t += "&gt;";
    else if (c == '&') t += "&amp;";
    else t += c;
  return t;
}
/// With one digit behind the point.
inline std::string number(double v) {
  std::string const s = ia_nn::detail::number_text(v, 6);
  return s.substr(0, s.find('.') + 2);
}
inline std::string attribute(char const* name, double v) {
  return std::string(" ") + name + "=\"" + number(v) + "\"";
}
/// The head of a picture, which ends with "</svg>\n".
inline std::string begin(double width, double height) {
  return "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 " + number(width) + " " +
         number(height) + "\" font-family=\"monospace\" font-size=\"9\">\n";
}
/// `title` is shown where a mouse points.
inline std::string rectangle(double x, double y, double width, double height, std::string fill,
                             std::string const& title) {
  return "<rect" + attribute("x", x) + attribute("y", y) + attribute("width", width) +
         attribute("height", height) + " fill=\"" + fill + "\"><title>" + markup(title) +
         "</title></rect>\n";
}
/// A line of text; y: where it stands.
inline std::string words(double x, double y, std::string const& text) {
  return "<text" + attribute("x", x) + attribute("y", y) + ">" + markup(text) + "</text>\n";
}
/// Different ones for neighbouring numbers.
inline std::string color(int i) { return "hsl(" + std::to_string(i * 47 % 360) + ",55%,70%)"; }

} // namespace graph::drawing
IA_NN_END

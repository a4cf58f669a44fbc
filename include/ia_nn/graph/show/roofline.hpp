// SPDX-License-Identifier: Apache-2.0
//
// The steps of a network under the roofs of a machine: each a point, at the operations for a byte that must
// move and the operations a second that a trace has seen (Williams, Waterman and Patterson, Roofline, 2009).
//
//   std::string const svg = roofline_svg(timed_steps(trace, batch), {.gflops = 120, .gbytes = 20});
#pragma once

#include <ia_nn/graph/show/drawing.hpp>
#include <ia_nn/graph/show/trace.hpp>

#include <cmath>
#include <string>
#include <vector>

#include <ia_nn/begin.hpp>
namespace graph {

/// A step of a network and what one run of it took.
struct timed_step {
  std::string name;
  double microseconds, flops, bytes; ///< of the whole batch; bytes that must move if nothing is cached
};
template <class Trace> std::vector<timed_step> timed_steps(Trace const& trace, index_t items = 1) {
  using net = typename Trace::network;
  auto const& nodes = typed<net, Trace::usual>;
  auto const& p = schedule<net, Trace::usual>;
  std::vector<timed_step> all;
  for (int i = 0; i < p.count; ++i) {
    step_cost const c = cost_of(nodes, p.steps[i]);
    double const n = static_cast<double>(items);
    all.push_back({detail::text_of(nodes[p.steps[i].anchor]), trace.microseconds(i), n * static_cast<double>(c.flops),
                   n * static_cast<double>(c.read + c.written) + static_cast<double>(c.weights)});
  }
  return all;
}

/// What a machine can do at best with the threads that ran: 1e9 operations and 1e9 bytes in a second.
struct roofs {
  double gflops = 0; ///< of the products' precision, a multiply-add counts 2
  double gbytes = 0; ///< from memory
};

/// Both axes are logarithmic, a line for each power of ten. The area of a point is its share of the time.
/// Points above the slope work on bytes that lay in a cache. Steps without operations are left out.
inline std::string roofline_svg(std::vector<timed_step> const& steps, roofs const& r) {
  constexpr double left = 50, top = 20, width = 600, height = 330, decades_x = 6, decades_y = 5;
  // From 0.01 to 10,000 operations for a byte; five powers of ten up to the one above the peak.
  double const most = std::ceil(std::log10(std::fmax(r.gflops, 1)));
  auto const x = [&](double v) { return left + width * (std::log10(v) + 2) / decades_x; };
  auto const y = [&](double v) { return top + height * (most - std::log10(v)) / decades_y; };
  auto const inside = [](double v, double low, double high) { return std::fmin(std::fmax(v, low), high); };
  auto const line = [](double x1, double y1, double x2, double y2, char const* stroke) {
    return "<line" + drawing::attribute("x1", x1) + drawing::attribute("y1", y1) + drawing::attribute("x2", x2) +
           drawing::attribute("y2", y2) + " stroke=\"" + stroke + "\"/>\n";
  };
  std::string t = drawing::begin(left + width + 20, top + height + 40);
  for (int d = 0; d <= decades_x; ++d) {
    double const at = left + width * d / decades_x;
    t += line(at, top, at, top + height, "#e4e4e4") + drawing::words(at - 10, top + height + 14, "1e" + std::to_string(d - 2));
  }
  for (int d = 0; d <= decades_y; ++d) {
    double const at = top + height * d / decades_y;
    t += line(left, at, left + width, at, "#e4e4e4") +
         drawing::words(8, at + 3, "1e" + std::to_string(static_cast<int>(most) - d));
  }
  if (r.gflops > 0 && r.gbytes > 0) {
    double const ridge = inside(r.gflops / r.gbytes, 0.01, 1e4);
    double const foot = inside(std::pow(10, most - decades_y) / r.gbytes, 0.01, ridge);
    t += line(x(foot), y(foot * r.gbytes), x(ridge), y(r.gflops), "#444444") +
         line(x(ridge), y(r.gflops), left + width, y(r.gflops), "#444444") +
         drawing::words(left + width - 130, y(r.gflops) - 4, drawing::number(r.gflops, 0) + " GFLOP/s") +
         drawing::words(x(foot) + 4, y(foot * r.gbytes) - 4, drawing::number(r.gbytes, 0) + " GB/s");
  }
  double sum = 0;
  for (timed_step const& s : steps) sum += s.microseconds;
  for (timed_step const& s : steps) {
    if (s.flops <= 0 || s.bytes <= 0 || s.microseconds <= 0) continue;
    double const share = s.microseconds / sum, speed = 1e-3 * s.flops / s.microseconds;
    t += "<circle" + drawing::attribute("cx", inside(x(s.flops / s.bytes), left, left + width)) +
         drawing::attribute("cy", inside(y(speed), top, top + height)) +
         drawing::attribute("r", 2 + 30 * std::sqrt(share)) +
         " fill=\"hsl(210,55%,60%)\" fill-opacity=\"0.6\"><title>" +
         drawing::markup(s.name + ": " + drawing::number(s.microseconds) + " us, " + drawing::number(speed) +
                         " GFLOP/s, " + drawing::number(100 * share) + " %") +
         "</title></circle>\n";
  }
  return t + drawing::words(left, top + height + 30, "operations for each byte; upwards GFLOP/s; areas are shares of the time") +
         "</svg>\n";
}

} // namespace graph
IA_NN_END

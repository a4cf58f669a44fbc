// SPDX-License-Identifier: Apache-2.0
//
// Pictures of a network, as SVG. Not needed for running one.
//
//   memory_svg<Net>()              the memory plan: time to the right, bytes upwards
//   cost_svg<Net>()                operations and bytes of each step
//   fusion_svg<Net>(from, count)   nodes to the left, the steps they became part of to the right
#pragma once

#include <ia_nn/graph/show/drawing.hpp>
#include <ia_nn/graph/show/dump.hpp>

#include <ia_nn/begin.hpp>
namespace graph {

/// One rectangle for each buffer: the steps it lives through by the bytes it takes.
template <class Net, precision P = precision::f32> std::string memory_svg() {
  auto const& d = typed<Net, P>;
  auto const& p = schedule<Net, P>;
  double const x = 960.0 / (p.count > 0 ? p.count : 1);
  double const y = 420 / static_cast<double>(p.bytes > 0 ? p.bytes : 1);
  std::string t =
      drawing::begin(1000, 480) + drawing::rectangle(20, 20, 960, 420, "#f4f4f4", "workspace");
  int i = 0;
  for (buffer const& b : p.live()) {
    double const height = y * static_cast<double>(b.bytes);
    t += drawing::rectangle(20 + x * b.first, 440 - y * static_cast<double>(b.offset) - height,
                            x * (b.last - b.first + 1), height, drawing::color(i++),
                            std::string(d[b.node].name.view()) + ": " + std::to_string(b.bytes) +
                                " bytes at " + std::to_string(b.offset) + ", steps " +
                                std::to_string(b.first) + " to " + std::to_string(b.last));
  }
  return t +
         drawing::words(20, 460,
                        std::to_string(p.count) + " steps, " + std::to_string(p.buffer_count) +
                            " buffers in " + std::to_string(p.bytes) +
                            (d[0].shape.dynamic() ? " bytes for each item" : " bytes")) +
         "</svg>\n";
}

/// Two bars for each step: operations upwards, bytes downwards.
template <class Net, precision P = precision::f32> std::string cost_svg() {
  auto const& d = typed<Net, P>;
  auto const& p = schedule<Net, P>;
  index_t most_flops = 1, most_bytes = 1;
  for (int i = 0; i < p.count; ++i) {
    step_cost const c = cost_of(d, p.steps[i]);
    if (most_flops < c.flops) most_flops = c.flops;
    if (most_bytes < c.bytes()) most_bytes = c.bytes();
  }
  double const x = 960.0 / (p.count > 0 ? p.count : 1);
  std::string t = drawing::begin(1000, 300);
  for (int i = 0; i < p.count; ++i) {
    step_cost const c = cost_of(d, p.steps[i]);
    double const up = 120 * static_cast<double>(c.flops) / static_cast<double>(most_flops);
    double const down = 120 * static_cast<double>(c.bytes()) / static_cast<double>(most_bytes);
    std::string const name =
        detail::text_of(d[p.steps[i].anchor]) + ": " + detail::step_text(d, p.steps[i]) + ", ";
    t += drawing::rectangle(20 + x * i, 145 - up, 0.8 * x, up, "hsl(210,55%,60%)",
                            name + detail::amount(c.flops) + " flops");
    t += drawing::rectangle(20 + x * i, 147, 0.8 * x, down, "hsl(30,75%,60%)",
                            name + detail::amount(c.bytes()) + " bytes");
  }
  return t +
         drawing::words(20, 15, "operations, at most " + detail::amount(most_flops) + " a step") +
         drawing::words(20, 290, "bytes, at most " + detail::amount(most_bytes) + " a step") +
         "</svg>\n";
}

/// `count` nodes from number `from` on, and a line from each to its step.
template <class Net, precision P = precision::f32> std::string fusion_svg(int from, int count) {
  auto const& d = typed<Net, P>;
  auto const& p = schedule<Net, P>;
  int const end = from + count < d.count() ? from + count : d.count();
  auto const part_of = [&](step const& s, int id) {
    bool part = s.anchor == id || s.batch_norm == id || s.depthwise.node == id ||
                s.depthwise.batch_norm == id || (s.depthwise.node >= 0 && s.depthwise.between.source == id);
    for (stage const& g : s.stages) part = part || g.source == id;
    return part;
  };
  std::string nodes, steps, lines;
  double right = 20;
  for (int i = 0; i < p.count; ++i) {
    double first = -1;
    for (int id = from; id < end; ++id) {
      if (!part_of(p.steps[i], id)) continue;
      double const left = 20.0 + 14 * (id - from);
      if (first < 0) first = left < right ? right : left;
      lines += "<path d=\"M 250 " + drawing::number(left) + " C 290 " + drawing::number(left) +
               ", 290 " + drawing::number(first) + ", 330 " + drawing::number(first) +
               "\" fill=\"none\" stroke=\"" + drawing::color(i) + "\" stroke-width=\"2\"/>\n";
    }
    if (first < 0) continue;
    steps += drawing::rectangle(330, first - 7, 370, 13, drawing::color(i), "step") +
             drawing::words(335, first + 3, detail::step_text(d, p.steps[i]));
    right = first + 14;
  }
  for (int id = from; id < end; ++id) {
    double const y = 20.0 + 14 * (id - from);
    nodes += drawing::rectangle(20, y - 7, 230, 13, "#eeeeee", detail::text_of(d[id].shape)) +
             drawing::words(25, y + 3, detail::padded(shown(d[id]), 12) + detail::text_of(d[id]));
  }
  return drawing::begin(720, 40.0 + 14 * (end - from)) + lines + nodes + steps + "</svg>\n";
}

} // namespace graph
IA_NN_END

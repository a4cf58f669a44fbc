// SPDX-License-Identifier: Apache-2.0
//
// A network to look at. Not needed for running one.
//
//   dump_nodes<Net>()      the nodes as written, as text      dot_nodes<Net>()   as Graphviz
//   dump_steps<Net>()      the steps with their costs         dot_steps<Net>()   after fusion
//
// Steps are those of a network in f32; dump_steps<Net, precision::bf16>() has those of one in bf16, with
// what it stores and converts.
//
// Pictures are in svg.hpp.
#pragma once

#include <ia_nn/core/text.hpp>
#include <ia_nn/graph/show/cost.hpp>
#include <ia_nn/graph/ir/text.hpp>

#include <ia_nn/begin.hpp>
namespace graph {

namespace detail {

/// At least one blank behind it.
inline std::string padded(std::string s, std::size_t width) {
  s.append(s.size() < width ? width - s.size() : 1, ' ');
  return s;
}
inline std::string right(std::string const& s, std::size_t width) {
  return s.size() < width ? std::string(width - s.size(), ' ') + s : s;
}
/// With three digits: "12.3 M".
inline std::string amount(index_t n) {
  constexpr char const* units[] = {"", " k", " M", " G", " T"};
  double x = static_cast<double>(n);
  int u = 0;
  while (x >= 999.5 && u < 4) x /= 1000, ++u;
  std::string const s = ia_nn::detail::number_text(x, 6);
  return (u == 0 ? std::to_string(n) : s.substr(0, x < 10 ? 4 : x < 100 ? 4 : 3)) + units[u];
}
inline std::string escaped(std::string_view s) {
  std::string t;
  for (char const c : s) {
    if (c == '"' || c == '\\') t += '\\';
    t += c;
  }
  return t;
}

template <class Nodes> std::string chain_text(Nodes const& d, step const& s) {
  std::string t;
  if (s.batch_norm >= 0) t += " (batch_norm)";
  for (stage const& g : s.stages) {
    constexpr char const* signs[] = {"",    " + ",    " - ",   " from ", " * ",
                                     " / ", " over ", " min ", " max "};
    if (g.kind == stage_kind::function) t += std::string(" > ") + name_of(g.act);
    else if (g.kind == stage_kind::batch_norm) t += " > batch_norm";
    else t += signs[static_cast<int>(g.kind)] + text_of(d[root(d, g.operand)]);
  }
  return t;
}
template <class Nodes> std::string step_text(Nodes const& d, step const& s) {
  std::string t = s.kind == op::activation ? (s.stages.count > 0 ? "elementwise" : "convert")
                  : s.kind == op::output   ? "copy"
                                           : shown(d[s.anchor]);
  if (s.depthwise.node >= 0) {
    std::string first = "depthwise";
    if (s.depthwise.batch_norm >= 0) first += " (batch_norm)";
    if (s.depthwise.between.act != function::identity)
      first += std::string(" > ") + name_of(s.depthwise.between.act);
    t = first + " -> " + t;
  }
  return t + chain_text(d, s);
}
template <class Plan> std::string place_text(Plan const& p, int id) {
  place const& a = p.places[id];
  std::string const column = a.column ? " + " + std::to_string(a.column) : "";
  switch (a.where) {
  case storage::input:
    return "input " + std::to_string(a.index);
  case storage::output:
    return "output " + std::to_string(a.index) + column;
  case storage::workspace:
    return "@" + std::to_string(p.buffers[a.index].offset) + column;
  case storage::none:
    break;
  }
  return "-";
}

template <class Nodes> std::string dot_of_nodes(Nodes const& d) {
  std::string t = "digraph network {\n  node [shape=box, fontname=\"monospace\"];\n";
  for (int i = 0; i < d.count(); ++i) {
    node const& n = d[i];
    t += "  n" + std::to_string(i) + " [label=\"" + escaped(text_of(n)) + "\\n" + shown(n) + " " +
         text_of(n.shape) + "\"];\n";
    for (int const in : n.inputs)
      t += "  n" + std::to_string(in) + " -> n" + std::to_string(i) + ";\n";
  }
  return t + "}\n";
}

} // namespace detail

/// One line for each node: number, operation, name, shape, what it reads.
template <class Net> std::string dump_nodes() {
  auto const& d = original<Net>;
  std::string t;
  for (int i = 0; i < d.count(); ++i) {
    t += detail::right(std::to_string(i), 4) + " " + detail::padded(shown(d[i]), 22) +
         detail::padded(detail::text_of(d[i]), 26) +
         detail::padded(detail::text_of(d[i].shape), 24);
    for (int const in : d[i].inputs) t += " " + std::to_string(in);
    t += "\n";
  }
  return t;
}

/// One line for each step: what it does, where it reads and writes, its cost; then the sums.
template <class Net, precision P = precision::f32> std::string dump_steps() {
  auto const& d = typed<Net, P>;
  auto const& p = schedule<Net, P>;
  std::string t = detail::padded("step", 27) + detail::padded("kernel and stages", 46) +
                  detail::padded("shape", 22) + detail::right("flops", 8) +
                  detail::right("bytes", 8) + "  writes\n";
  step_cost sum;
  auto const type_suffix = [](value_type type) {
    return type == value_type::f32 ? std::string() : std::string(" ") + name_of(type);
  };
  for (int i = 0; i < p.count; ++i) {
    step const& s = p.steps[i];
    step_cost const c = cost_of(d, s);
    sum.flops += c.flops, sum.read += c.bytes();
    t += detail::padded((s.group >= 0 ? "|" : " ") + detail::text_of(d[s.anchor]), 27) +
         detail::padded(detail::step_text(d, s), 46) +
         detail::padded(detail::text_of(d[s.out].shape) + type_suffix(d[s.out].type), 22) +
         detail::right(detail::amount(c.flops), 8) + detail::right(detail::amount(c.bytes()), 8) +
         "  " + detail::place_text(p, s.out) + "\n";
  }
  t += std::to_string(d.count()) + " nodes, " + std::to_string(p.count) + " steps, " +
       std::to_string(p.groups) + " parallel groups, " + std::to_string(p.buffer_count) +
       " buffers in " + std::to_string(p.bytes) + " bytes, " + detail::amount(sum.flops) +
       " flops, " + detail::amount(sum.read) + " bytes" +
       (d[0].shape.dynamic() ? " for each item of the batch\n" : "\n");
  return t;
}

template <class Net> std::string dot_nodes() { return detail::dot_of_nodes(original<Net>); }

template <class Net, precision P = precision::f32> std::string dot_steps() {
  auto const& d = typed<Net, P>;
  auto const& p = schedule<Net, P>;
  std::string t = "digraph steps {\n  node [shape=box, fontname=\"monospace\"];\n";
  auto const name = [](int id) { return "n" + std::to_string(id); };
  for (int i = 0; i < d.count(); ++i) {
    node const& n = d[i];
    if (n.kind == op::input || n.kind == op::parameter)
      t += "  " + name(i) + " [shape=oval, label=\"" + detail::escaped(detail::text_of(n)) + "\\n" +
           detail::text_of(n.shape) + "\"];\n";
    else if (n.kind == op::reshape)
      t += "  " + name(i) + " [shape=plain, label=\"" + detail::text_of(n.shape) + "\"];\n  " +
           name(n.inputs[0]) + " -> " + name(i) + " [style=dotted];\n";
    else if (n.kind == op::output)
      t += "  " + name(i) + " [shape=oval, label=\"" + detail::escaped(detail::text_of(n)) +
           "\"];\n  " + name(n.inputs[0]) + " -> " + name(i) + ";\n";
  }
  int group = -1;
  for (int i = 0; i < p.count; ++i) {
    step const& s = p.steps[i];
    if (s.kind == op::output) continue;
    if (group >= 0 && s.group != group) t += "  }\n";
    if (s.group >= 0 && s.group != group)
      t += "  subgraph cluster" + std::to_string(s.group) + " { label=\"parallel\";\n";
    group = s.group;
    step_cost const c = cost_of(d, s);
    t += "  " + name(s.out) + " [label=\"" + detail::escaped(detail::text_of(d[s.anchor])) + "\\n" +
         detail::escaped(detail::step_text(d, s)) + "\\n" + detail::text_of(d[s.out].shape) + " " +
         detail::amount(c.flops) + " flops\"];\n";
  }
  if (group >= 0) t += "  }\n";
  for (int i = 0; i < p.count; ++i) {
    step const& s = p.steps[i];
    if (s.kind == op::output) continue;
    for (int const in : s.inputs) t += "  " + name(in) + " -> " + name(s.out) + ";\n";
    for (stage const& g : s.stages)
      if (g.operand >= 0) t += "  " + name(g.operand) + " -> " + name(s.out) + " [style=dashed];\n";
    if (s.slice_of >= 0) {
      t += "  " + name(s.out) + " -> " + name(s.slice_of) + " [style=dotted];\n";
      t += "  " + name(s.slice_of) + " [label=\"" +
           detail::escaped(detail::text_of(d[s.slice_of])) + "\"];\n";
    }
  }
  return t + "}\n";
}

} // namespace graph
IA_NN_END

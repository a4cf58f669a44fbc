// SPDX-License-Identifier: Apache-2.0
//
// From the struct that defines a network to constexpr values:
//
//   original<Net>     the nodes as they were written
//   simplified<Net>   after the network's own pass, simplify.hpp, fold.hpp, orders.hpp
//   typed<Net>        with the storage types of its values, and conversions between them
//   schedule<Net>     steps, groups, places and buffers
//
// The last two take what layers multiply that do not say, `precision::f32` or another: typed<Net,
// precision::bf16>. `schedule_of` makes the same of nodes at run time. They are evaluated one after the
// other, since compilers limit the length of one evaluation. A network may have
//
//   static constexpr ia_nn::graph::options passes{.concat_slices = false};
//   static constexpr ia_nn::graph::quantize_rules quantize{.in_float = {"softmax"}};
//   static constexpr auto ranges = ...;                      // ir/constant_ranges.hpp
//   static constexpr void pass(ia_nn::graph::draft&);        // runs before the others
#pragma once

#include <ia_nn/graph/ir/builder.hpp>
#include <ia_nn/graph/passes/fuse.hpp>
#include <ia_nn/graph/passes/orders.hpp>
#include <ia_nn/graph/passes/pairs.hpp>
#include <ia_nn/graph/passes/parallel.hpp>
#include <ia_nn/graph/passes/plan.hpp>
#include <ia_nn/graph/passes/precision.hpp>
#include <ia_nn/graph/passes/fold.hpp>

#include <ia_nn/begin.hpp>
namespace graph {

/// Steps and memory of a network of Nodes nodes.
template <int Nodes, int Steps, int Buffers> struct plan {
  step steps[static_cast<std::size_t>(Steps > 0 ? Steps : 1)]{};
  int times[static_cast<std::size_t>(Steps > 0 ? Steps : 1)]{};
  place places[static_cast<std::size_t>(Nodes)]{};
  buffer buffers[static_cast<std::size_t>(Buffers > 0 ? Buffers : 1)]{};
  index_t bytes =
      0; ///< of workspace, without the kernels' scratch; of one item, if the batch is open
  int groups = 0;

  static constexpr int count = Steps;
  static constexpr int buffer_count = Buffers;
  struct range {
    buffer const *from, *to;
    constexpr buffer const* begin() const { return from; }
    constexpr buffer const* end() const { return to; }
  };
  constexpr range live() const { return {buffers, buffers + Buffers}; }
};

template <class Net> constexpr options options_of() {
  if constexpr (requires { Net::passes; }) return Net::passes;
  else return {};
}

template <class Net> constexpr quantize_rules rules_of() {
  if constexpr (requires { Net::quantize; }) return Net::quantize;
  else return {};
}

/// Constants of the program, or none.
template <class Net> constexpr std::span<constant_range const> ranges_of() {
  if constexpr (requires { Net::ranges; }) return Net::ranges;
  else return {};
}

namespace detail {

/// Refuses a network with a mistake, with its sentence.
template <class Net> consteval bool is_right() {
  if constexpr (mistake_of<Net>.length > 0) return refuse<mistake_of<Net>>();
  return true;
}

template <class Net> constexpr network<built_count<Net>> original_of() {
  static_assert(is_right<Net>());
  return frozen<built_count<Net>>(built<Net>());
}

} // namespace detail

/// The sentence about what is wrong, or nothing: for tests of functions that build networks.
template <class Net> constexpr std::string_view mistake() { return detail::mistake_of<Net>.view(); }

template <class Net> inline constexpr auto original = detail::original_of<Net>();

namespace detail {
template <class Net>
inline constexpr sentence mistake_in_rules = mistake_in(rules_of<Net>(), original<Net>);
template <class Net> consteval bool has_right_rules() {
  if constexpr (mistake_in_rules<Net>.length > 0) return refuse<mistake_in_rules<Net>>();
  return true;
}
} // namespace detail

/// The passes of simplify.hpp, rewrite.hpp and orders.hpp in their order.
constexpr void simplify(draft& d, options const& o = {}) {
  if (o.fold_constants) fold_constants(d);
  if (o.remove_identities) remove_identities(d);
  if (o.merge_common) merge_common(d);
  if (o.concat_slices) merge_concats(d);
  if (o.fold_padding) fold_padding(d);
  if (o.hoist_functions) hoist_functions(d);
  remove_dead(d);
  settle_orders(d, o.fold_orders);
}

namespace detail {

template <class Net> constexpr draft simplified_draft() {
  draft d = original<Net>.edit();
  if constexpr (requires { Net::pass(d); }) Net::pass(d);
  simplify(d, options_of<Net>());
  return d;
}
template <class Net> inline constexpr int simplified_count = simplified_draft<Net>().count();

template <class Nodes> constexpr std::vector<step> steps_of(Nodes const& d, options const& o) {
  std::vector<step> steps = fuse(d, o);
  if (o.fuse_pairs) pair_convolutions(d, steps);
  if (o.concat_slices) slice_concats(d, steps);
  return steps;
}
constexpr bool groups_any(options const& o) {
  return o.parallel_separate || o.parallel_all_to_one || o.parallel_one_to_all;
}

} // namespace detail

/// A schedule of nodes that are made at run time, by the functions that the compiler evaluates.
struct schedule_draft {
  std::vector<step> steps{};
  memory_draft memory{};
  int groups = 0;
};
/// `d`: nodes behind `simplify`; they get types and conversions. `usual`: what layers multiply that
/// do not say.
constexpr schedule_draft schedule_of(draft& d, options const& o, precision usual = precision::f32,
                                     quantize_rules const& rules = {},
                                     std::span<constant_range const> ranges = {}) {
  schedule_draft s;
  s.steps = detail::steps_of(d, o);
  choose_types(d, s.steps, usual, rules, ranges);
  if (detail::groups_any(o)) s.groups = group_parallel(d, s.steps, o);
  s.memory = plan_memory(d, s.steps, o);
  return s;
}

namespace detail {

/// Steps and memory in arrays that are large enough: what is evaluated once, before the lengths are
/// known.
template <int Nodes> struct wide_steps {
  step steps[static_cast<std::size_t>(Nodes > 0 ? Nodes : 1)]{};
  int count = 0, groups = 0;

  constexpr void assign(std::vector<step> const& from) {
    count = static_cast<int>(from.size());
    for (int i = 0; i < count; ++i) steps[i] = from[static_cast<std::size_t>(i)];
  }
  constexpr std::vector<step> edit() const { return {steps, steps + count}; }
};
template <int Nodes> struct wide_plan {
  wide_steps<Nodes> list{};
  int times[static_cast<std::size_t>(Nodes > 0 ? Nodes : 1)]{};
  place places[static_cast<std::size_t>(Nodes > 0 ? Nodes : 1)]{};
  buffer buffers[static_cast<std::size_t>(Nodes > 0 ? Nodes : 1)]{};
  int buffer_count = 0;
  index_t bytes = 0;
};

} // namespace detail

template <class Net>
inline constexpr auto simplified =
    detail::frozen<detail::simplified_count<Net>>(detail::simplified_draft<Net>());

namespace detail {

template <class Net> constexpr auto fused_of() {
  wide_steps<simplified_count<Net>> out;
  out.assign(steps_of(simplified<Net>, options_of<Net>()));
  return out;
}
template <class Net> inline constexpr auto fused = fused_of<Net>();

/// Nodes and steps of a network whose layers multiply P.
struct typed_draft {
  draft nodes{};
  std::vector<step> steps{};
};
template <class Net, precision P> constexpr typed_draft typed_draft_of() {
  static_assert(has_right_rules<Net>());
  typed_draft t{simplified<Net>.edit(), fused<Net>.edit()};
  choose_types(t.nodes, t.steps, P, rules_of<Net>(), ranges_of<Net>());
  return t;
}
template <class Net, precision P>
inline constexpr sentence mistake_in_ranges = typed_draft_of<Net, P>().nodes.mistake;
template <class Net, precision P> constexpr int typed_count_of() {
  if constexpr (!ranges_of<Net>().empty())
    if constexpr (mistake_in_ranges<Net, P>.length > 0) static_assert(refuse<mistake_in_ranges<Net, P>>());
  return typed_draft_of<Net, P>().nodes.count();
}
template <class Net, precision P> inline constexpr int typed_count = typed_count_of<Net, P>();

} // namespace detail

template <class Net, precision P = precision::f32>
inline constexpr auto typed =
    detail::frozen<detail::typed_count<Net, P>>(detail::typed_draft_of<Net, P>().nodes);

namespace detail {

template <class Net, precision P> constexpr auto grouped_of() {
  options const o = options_of<Net>();
  wide_steps<typed_count<Net, P>> out;
  std::vector<step> steps = typed_draft_of<Net, P>().steps;
  if (groups_any(o)) out.groups = group_parallel(typed<Net, P>, steps, o);
  out.assign(steps);
  return out;
}
template <class Net, precision P> inline constexpr auto grouped = grouped_of<Net, P>();

template <class Net, precision P> constexpr auto wide_plan_of() {
  wide_plan<typed_count<Net, P>> out;
  std::vector<step> steps = grouped<Net, P>.edit();
  memory_draft const m = plan_memory(typed<Net, P>, steps, options_of<Net>());
  out.list.assign(steps);
  out.list.groups = grouped<Net, P>.groups;
  for (std::size_t i = 0; i < steps.size(); ++i) out.times[i] = m.times[i];
  for (std::size_t i = 0; i < m.places.size(); ++i) out.places[i] = m.places[i];
  for (std::size_t i = 0; i < m.buffers.size(); ++i) out.buffers[i] = m.buffers[i];
  out.buffer_count = static_cast<int>(m.buffers.size());
  out.bytes = m.bytes;
  return out;
}
template <class Net, precision P> inline constexpr auto planned_in = wide_plan_of<Net, P>();

template <class Net, precision P> constexpr auto schedule_value() {
  constexpr auto const& from = planned_in<Net, P>;
  plan<typed_count<Net, P>, from.list.count, from.buffer_count> p;
  for (int i = 0; i < from.list.count; ++i) {
    p.steps[i] = from.list.steps[i];
    p.times[i] = from.times[i];
  }
  for (int i = 0; i < typed_count<Net, P>; ++i) p.places[i] = from.places[i];
  for (int i = 0; i < from.buffer_count; ++i) p.buffers[i] = from.buffers[i];
  p.bytes = from.bytes;
  p.groups = from.list.groups;
  return p;
}

} // namespace detail

template <class Net, precision P = precision::f32>
inline constexpr auto schedule = detail::schedule_value<Net, P>();

/// Every plan is proved when it is made.
template <class Net>
concept planned = never_overlaps(schedule<Net>.live(), schedule<Net>.bytes);

} // namespace graph
IA_NN_END

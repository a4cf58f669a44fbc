// SPDX-License-Identifier: Apache-2.0
//
// Passes that leave fewer nodes and the same results. Each is a function on the array of nodes that
// returns how many nodes it changed or removed.
//
//   fold_constants      functions of constants; x + constant, x * constant become a x + b
//   remove_identities   dropout, identity, 1 x + 0, pools of 1 element, concat of 1, moves and
//                       reshapes that change nothing
//   merge_common        equal operations on equal inputs, if they have no weights
//   merge_concats       a concat that only another concat along the same axis reads
//   remove_dead         what no output needs (inputs stay)
#pragma once

#include <ia_nn/graph/ir/weights.hpp>
#include <ia_nn/graph/layers/concat.hpp>
#include <ia_nn/graph/layers/custom.hpp>
#include <ia_nn/graph/layers/elementwise.hpp>

#include <ia_nn/begin.hpp>
namespace graph {

namespace detail {

/// Makes whatever reads node i read node to[i] instead.
constexpr void redirect(draft& d, std::vector<int> const& to) {
  for (node& n : d.nodes)
    for (int k = 0; k < n.inputs.count; ++k)
      n.inputs[k] = to[static_cast<std::size_t>(n.inputs[k])];
}

constexpr bool changes_nothing(draft const& d, node const& n) {
  return n.kind->changes_nothing(n, input_nodes(d, n).of);
}

/// f(x) where it can be computed without rounding questions.
constexpr bool folds(function f) {
  return f == function::relu || f == function::leaky_relu || f == function::clip ||
         f == function::square || f == function::abs || f == function::identity;
}
constexpr f32 folded(function f, f32 x, f32 a, f32 b) {
  switch (f) {
  case function::relu:
    return x < 0 ? 0 : x;
  case function::leaky_relu:
    return x < 0 ? a * x : x;
  case function::clip:
    return x < a ? a : x > b ? b : x;
  case function::square:
    return x * x;
  case function::abs:
    return x < 0 ? -x : x + 0.0F; // of -0 as well
  default:
    return x;
  }
}

constexpr void become_constant(node& n, f32 number) {
  n.kind = op::constant;
  n.attributes = {};
  n.attributes.number = number;
  n.inputs = {};
}
constexpr f32 folded(op_kind kind, f32 x, f32 y) {
  if (kind == op::add) return x + y;
  if (kind == op::subtract) return x - y;
  if (kind == op::multiply) return x * y;
  if (kind == op::divide) return x / y;
  if (kind == op::minimum) return y < x || y != y ? y : x; // a NaN on either side is handed on
  return x < y || y != y ? y : x;
}
constexpr void become_function(node& n, int from, function f, f32 a, f32 b) {
  n.kind = op::activation;
  n.attributes = {};
  n.attributes.act = f;
  n.attributes.a = a, n.attributes.b = b;
  n.inputs = {};
  n.inputs.add(from);
}

} // namespace detail

constexpr int fold_constants(draft& d) {
  int changed = 0;
  for (int i = 0; i < d.count(); ++i) {
    node& n = d[i];
    auto const is_constant = [&](int k) { return d[n.inputs[k]].kind == op::constant; };
    auto const number = [&](int k) { return d[n.inputs[k]].attributes.number; };
    if (n.kind == op::activation && is_constant(0) && detail::folds(n.attributes.act)) {
      detail::become_constant(n, detail::folded(n.attributes.act, number(0), n.attributes.a, n.attributes.b));
    } else if (is_binary(n.kind)) {
      bool const l = is_constant(0), r = is_constant(1);
      if (!l && !r) continue;
      op_kind const kind = n.kind;
      if (l && r) {
        f32 const x = number(0), y = number(1);
        if (kind == op::divide && y == 0) continue;
        detail::become_constant(n, detail::folded(kind, x, y));
      } else {
        f32 const c = number(l ? 0 : 1);
        int const from = n.inputs[l ? 1 : 0];
        if (!(d[from].shape == n.shape)) continue; // it is repeated
        if (c != c && (kind == op::minimum || kind == op::maximum)) continue; // no bound of a clip
        if (kind == op::add) detail::become_function(n, from, function::linear, 1, c);
        else if (kind == op::multiply) detail::become_function(n, from, function::linear, c, 0);
        else if (kind == op::minimum)
          detail::become_function(n, from, function::clip, -__builtin_inff(), c);
        else if (kind == op::maximum)
          detail::become_function(n, from, function::clip, c, __builtin_inff());
        else if (kind == op::divide) continue; // 1 / c is rounded
        else if (l) detail::become_function(n, from, function::linear, -1, c);
        else detail::become_function(n, from, function::linear, 1, -c);
      }
    } else {
      continue;
    }
    ++changed;
  }
  return changed;
}

constexpr int remove_dead(draft& d) {
  std::vector<int> to(d.nodes.size(), -1);
  for (int i = d.count() - 1; i >= 0; --i) {
    node const& n = d[i];
    int& mark = to[static_cast<std::size_t>(i)];
    if (n.kind == op::output || n.kind == op::input) mark = 0;
    if (mark == 0)
      for (int const from : n.inputs) to[static_cast<std::size_t>(from)] = 0;
  }
  int kept = 0;
  for (int i = 0; i < d.count(); ++i) {
    int& mark = to[static_cast<std::size_t>(i)];
    if (mark < 0) continue;
    mark = kept++;
    node& n = d[i];
    for (int k = 0; k < n.inputs.count; ++k)
      n.inputs[k] = to[static_cast<std::size_t>(n.inputs[k])];
    if (mark != i) d[mark] = n;
  }
  int const removed = d.count() - kept;
  d.nodes.erase(d.nodes.begin() + kept, d.nodes.end());
  return removed;
}

constexpr int remove_identities(draft& d) {
  std::vector<int> to(d.nodes.size(), 0);
  int changed = 0;
  for (int i = 0; i < d.count(); ++i) {
    bool const same = detail::changes_nothing(d, d[i]);
    changed += same;
    to[static_cast<std::size_t>(i)] = same ? to[static_cast<std::size_t>(d[i].inputs[0])] : i;
  }
  if (changed == 0) return 0;
  detail::redirect(d, to);
  remove_dead(d);
  return changed;
}

constexpr int merge_concats(draft& d) {
  if (d.count_of(op::concat) < 2) return 0;
  std::vector<int> const uses = d.uses();
  int changed = 0;
  for (int i = 0; i < d.count(); ++i) {
    node& outer = d[i];
    if (outer.kind != op::concat) continue;
    short_list<int, max_inputs> all;
    bool merged = false;
    for (int k = 0; k < outer.inputs.count; ++k) {
      int const in = outer.inputs[k];
      int const left = outer.inputs.count - k - 1; // at least one place each
      bool const inner = d[in].kind == op::concat && d[in].attributes.axis == outer.attributes.axis &&
                         uses[static_cast<std::size_t>(in)] == 1 &&
                         all.count + d[in].inputs.count + left <= max_inputs;
      if (!inner) all.add(in);
      else
        for (int const from : d[in].inputs) all.add(from);
      merged = merged || inner;
    }
    if (!merged) continue;
    outer.inputs = all;
    ++changed;
  }
  if (changed > 0) remove_dead(d);
  return changed;
}

constexpr int merge_common(draft& d) {
  std::vector<int> to(d.nodes.size(), 0);
  // Nodes by the value they read first: only those can be equal.
  std::vector<int> head(d.nodes.size(), -1), next(d.nodes.size(), -1);
  int changed = 0;
  for (int i = 0; i < d.count(); ++i) {
    node& n = d[i];
    for (int k = 0; k < n.inputs.count; ++k)
      n.inputs[k] = to[static_cast<std::size_t>(n.inputs[k])];
    to[static_cast<std::size_t>(i)] = i;
    if (n.inputs.count == 0 || has_weights(d, i) || n.kind == op::output || n.kind == op::custom)
      continue;
    int& first = head[static_cast<std::size_t>(n.inputs[0])];
    int same = first;
    for (; same >= 0; same = next[static_cast<std::size_t>(same)]) {
      node const& m = d[same];
      if (m.kind == n.kind && m.type == n.type && m.inputs == n.inputs && m.shape == n.shape &&
          m.attributes == n.attributes)
        break;
    }
    if (same >= 0) {
      to[static_cast<std::size_t>(i)] = same;
      ++changed;
    } else {
      next[static_cast<std::size_t>(i)] = first;
      first = i;
    }
  }
  if (changed > 0) remove_dead(d);
  return changed;
}

} // namespace graph
IA_NN_END

// SPDX-License-Identifier: Apache-2.0
//
// How values between steps are stored. In a network whose layers multiply bf16 they are bf16
// wherever every step that writes or reads them has kernels for that, which halves what crosses the
// memory bus; f32 in front of what is computed in f32 (softmax, norms, recurrent layers, operations
// of the user), and where the caller reads and writes. Layers that multiply bf16 would round what
// they read in any case.
//
// Where a layer that multiplies bf16 reads f32 nonetheless, a conversion stands in front of it, one
// for all that read the same value.
#pragma once

#include <ia_nn/graph/layers/concat.hpp>
#include <ia_nn/graph/layers/dense.hpp>
#include <ia_nn/graph/layers/elementwise.hpp>
#include <ia_nn/graph/layers/reshape.hpp>
#include <ia_nn/graph/passes/steps.hpp>

#include <ia_nn/begin.hpp>
namespace graph {

namespace op {
/// The same numbers in another storage type. Made by this pass.
inline constexpr operator_row convert{
    .name = "convert", .by_item = true, .shape = takes_source, .by_channel = rules::always};
} // namespace op

/// What a layer multiplies in a network where those that do not say multiply `usual`. Terms of bf16
/// are for dense layers: in a network of them the others multiply f32.
constexpr precision precision_of(node const& n, precision usual) {
  if (!n.kind->multiplies) return precision::f32;
  precision const p =
      n.attributes.precision == precision::of_net ? usual : n.attributes.precision;
  return n.kind == op::dense || p == precision::bf16 ? p : precision::f32;
}

namespace detail {

class type_chooser {
public:
  constexpr type_chooser(draft& d, std::vector<step>& steps, precision usual)
      : d_(d), steps_(steps), usual_(usual), narrow_(d.nodes.size(), 0) {}

  constexpr void run() {
    if (usual_ == precision::bf16) {
      for (step const& s : steps_) narrow_[at(s.out)] = may_write_bf16(s);
      for (node const& n : d_.nodes) // slices make concats that have no step
        if (n.kind == op::concat) narrow_[at(id_of(n))] = 1;
      while (demote()) {}
      for (int i = 0; i < d_.count(); ++i)
        if (narrow_[at(root(d_, i))] && d_[i].type == value_type::f32) d_[i].type = value_type::bf16;
    }
    convert();
  }

private:
  static constexpr std::size_t at(int i) { return static_cast<std::size_t>(i); }
  constexpr int id_of(node const& n) const { return static_cast<int>(&n - d_.nodes.data()); }
  constexpr bool multiplies_bf16(step const& s) const {
    return precision_of(d_[s.anchor], usual_) == precision::bf16;
  }
  constexpr bool may_write_bf16(step const& s) const {
    operator_row const& row = *s.kind.operator->();
    return (row.multiplies ? row.narrow && multiplies_bf16(s) : row.narrow || row.moves) &&
           s.kind != op::output && s.inputs.count > 0;
  }
  constexpr bool is_narrow(int value) const { return narrow_[at(root(d_, value))] != 0; }
  constexpr bool widen(int value) {
    char& n = narrow_[at(root(d_, value))];
    bool const was = n != 0;
    n = 0;
    return was;
  }
  /// Makes values f32 that somebody cannot have in bf16. False if nothing changed.
  constexpr bool demote() {
    bool changed = false;
    auto const same = [&](int a, int b) { // both or none
      if (is_narrow(a) == is_narrow(b)) return;
      changed = true;
      widen(a), widen(b);
    };
    for (node const& n : d_.nodes) {
      if (n.kind == op::output) changed |= widen(n.inputs[0]);
      if (n.kind == op::concat)
        for (int const in : n.inputs) same(in, id_of(n));
    }
    for (step const& s : steps_) {
      operator_row const& row = *s.kind.operator->();
      if (s.kind == op::concat) continue; // above, all its parts
      for (int const in : s.inputs) {
        if (s.kind == op::activation) continue; // chains take each type by itself
        if (row.multiplies ? !multiplies_bf16(s) || !row.narrow : !row.narrow && !row.moves)
          changed |= widen(in);
        else if (!row.multiplies) same(in, s.out);
      }
    }
    return changed;
  }
  constexpr void convert() {
    std::vector<int> copy(d_.nodes.size(), -1);
    std::vector<step> all;
    all.reserve(steps_.size());
    for (step& s : steps_) {
      if (d_[s.anchor].kind->multiplies && d_[s.anchor].kind->narrow && multiplies_bf16(s) &&
          d_[s.inputs[0]].type == value_type::f32) {
        int const from = s.inputs[0];
        if (copy[at(from)] < 0) {
          node n{.kind = op::convert, .type = value_type::bf16, .name = d_[from].name + ".bf16"};
          n.meaning = d_[from].meaning;
          n.shape = d_[from].shape;
          n.attributes.lies = channel_order::as_read();
          n.inputs.add(from);
          int const id = d_.count();
          d_.nodes.push_back(n);
          copy[at(from)] = id;
          step c{.kind = op::activation, .anchor = id, .out = id};
          c.inputs.add(from);
          all.push_back(c);
        }
        s.inputs[0] = copy[at(from)];
      }
      all.push_back(s);
    }
    steps_ = static_cast<std::vector<step>&&>(all);
  }

  draft& d_;
  std::vector<step>& steps_;
  precision usual_;
  std::vector<char> narrow_;
};

} // namespace detail

/// Sets the types of nodes, and adds conversions to nodes and steps.
constexpr void choose_types(draft& d, std::vector<step>& steps, precision usual) {
  detail::type_chooser(d, steps, usual).run();
}

} // namespace graph
IA_NN_END

// SPDX-License-Identifier: Apache-2.0
//
// How values between steps are stored. In a network whose layers multiply bf16 they are bf16
// wherever every step that writes or reads them has kernels for that, which halves what crosses the
// memory bus; f32 in front of what is computed in f32 (softmax, norms, recurrent layers, operations
// of the user), and where the caller reads and writes. Layers that multiply bf16 would round what
// they read in any case.
//
// In a network in 8 bits, and around single layers in 8 bits, passes/quantize.hpp decides.
#pragma once

#include <ia_nn/graph/layers/concat.hpp>
#include <ia_nn/graph/layers/dense.hpp>
#include <ia_nn/graph/layers/elementwise.hpp>
#include <ia_nn/graph/layers/reshape.hpp>
#include <ia_nn/graph/passes/convert.hpp>
#include <ia_nn/graph/passes/scalings.hpp>

#include <ia_nn/begin.hpp>
namespace graph {

/// What a layer multiplies in a network where those that do not say multiply `usual`. Terms of bf16
/// and narrow weights alone are for dense layers: in a network of them the others multiply f32.
constexpr precision precision_of(node const& n, precision usual) {
  if (!n.kind->multiplies) return precision::f32;
  precision const p =
      n.attributes.precision == precision::of_net ? usual : n.attributes.precision;
  bool const has_bytes = n.kind->eight_bits == quantizes::may || n.kind->eight_bits == quantizes::reads;
  if (p == precision::s8) return has_bytes && n.kind->takes_bytes(n) ? p : precision::f32;
  if (p == precision::dynamic_s8) return has_bytes ? p : precision::f32;
  return n.kind == op::dense || p == precision::bf16 ? p : precision::f32;
}

namespace detail {

class type_chooser {
public:
  constexpr type_chooser(draft& d, std::vector<step>& steps, precision usual,
                         quantize_rules const& rules, std::span<constant_range const> ranges)
      : d_(d), steps_(steps), usual_(usual), rules_(rules), ranges_(ranges), narrow_(d.nodes.size(), 0) {}

  constexpr void run() {
    bool const bytes = settle_precisions();
    if (usual_ == precision::bf16) {
      for (step const& s : steps_) narrow_[at(s.out)] = may_write_bf16(s);
      for (node const& n : d_.nodes) // slices make concats that have no step
        if (n.kind == op::concat) narrow_[at(id_of(n))] = 1;
      while (demote()) {}
      for (int i = 0; i < d_.count(); ++i)
        if (narrow_[at(root(d_, i))] && d_[i].type == value_type::f32) d_[i].type = value_type::bf16;
    }
    if (bytes) {
      quantizer q(d_, steps_, rules_, ranges_);
      q.run();
      converter(d_, steps_, &q).run();
    } else {
      converter(d_, steps_, nullptr).run();
    }
  }

private:
  static constexpr std::size_t at(int i) { return static_cast<std::size_t>(i); }
  constexpr int id_of(node const& n) const { return static_cast<int>(&n - d_.nodes.data()); }
  /// Says of every layer with weights what it multiplies. True if some multiply bytes.
  constexpr bool settle_precisions() {
    int first = -1, last = -1;
    for (int i = 0; i < d_.count(); ++i)
      if (d_[i].kind->multiplies) first = first < 0 ? i : first, last = i;
    bool bytes = false;
    for (int i = 0; i < d_.count(); ++i) {
      node& n = d_[i];
      if (!n.kind->multiplies) continue;
      precision const asked = n.attributes.precision;
      n.attributes.precision = precision_of(n, usual_);
      bool const in_float = asked == precision::of_net &&
                            ((rules_.first_in_float && i == first) ||
                             (rules_.last_in_float && i == last) || is_named(rules_.in_float, n));
      if (!has_byte_products(n.attributes.precision)) continue;
      if (in_float) n.attributes.precision = precision::f32;
      else bytes = bytes || n.attributes.precision == precision::s8;
      n.attributes.one_weight_scale = rules_.weights_per_tensor;
      n.attributes.weights_up_to = rules_.weights;
    }
    for (step const& s : steps_) // pairs have kernels for f32 and bf16
      if (s.depthwise.node >= 0)
        for (int const i : {s.anchor, s.depthwise.node})
          if (has_byte_products(d_[i].attributes.precision))
            d_[i].attributes.precision = precision::f32;
    return bytes;
  }
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
        if (d_[in].type == value_type::s32) continue; // indices are what they are
        if (row.multiplies ? !multiplies_bf16(s) || !row.narrow : !row.narrow && !row.moves)
          changed |= widen(in);
        else if (!row.multiplies) same(in, s.out);
      }
    }
    return changed;
  }
  draft& d_;
  std::vector<step>& steps_;
  precision usual_;
  quantize_rules const& rules_;
  std::span<constant_range const> ranges_;
  std::vector<char> narrow_;
};

} // namespace detail

/// Sets the types of nodes, and adds conversions to nodes and steps. With `ranges`, constants of the
/// program, it sets scales as well; the name of a value that has none is in the mistake of `d`.
constexpr void choose_types(draft& d, std::vector<step>& steps, precision usual,
                            quantize_rules const& rules = {},
                            std::span<constant_range const> ranges = {}) {
  detail::type_chooser(d, steps, usual, rules, ranges).run();
  if (ranges.empty()) return;
  scaling_draft const s = find_scalings(
      d, d.count(), [&](std::string_view name) { return find_range(ranges, name); });
  if (s.missing >= 0)
    d.mistake = detail::say(sentence("ia_nn: network: .ranges has none for '"),
                            ranged_name(d, s.missing), "': it is of another network");
  else
    for (int i = 0; i < d.count(); ++i)
      if (d[i].scaled_as >= 0) d[i].scaling = s.of_node[static_cast<std::size_t>(i)];
}

} // namespace graph
IA_NN_END

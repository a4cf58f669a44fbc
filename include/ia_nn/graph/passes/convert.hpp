// SPDX-License-Identifier: Apache-2.0
//
// Conversions between storage types, where a step reads another type than a value has: a step each, one
// for all that read the same value. What writes into a concat of another type writes into memory of its
// own, and the conversion into the concat.
#pragma once

#include <ia_nn/graph/layers/concat.hpp>
#include <ia_nn/graph/layers/elementwise.hpp>
#include <ia_nn/graph/passes/quantize.hpp>

#include <ia_nn/begin.hpp>
namespace graph {

namespace op {
/// The same numbers in another storage type. Made by this pass.
inline constexpr operator_row convert{
    .name = "convert", .by_item = true, .shape = takes_source, .by_channel = rules::always};
} // namespace op

namespace detail {

class converter {
public:
  /// `bytes` knows the 8-bit types of values; null where there are none.
  constexpr converter(draft& d, std::vector<step>& steps, quantizer const* bytes)
      : d_(d), steps_(steps), bytes_(bytes) {}

  constexpr void run() {
    std::vector<step> all;
    all.reserve(steps_.size());
    for (step& s : steps_) {
      for (int k = 0; k < s.inputs.count; ++k) {
        int const from = s.inputs[k];
        value_type const to = wanted(s, from);
        if (d_[from].type == to) continue;
        int const copy = converted(from, to, all);
        if (s.kind == op::concat) replace(d_[s.anchor], from, copy);
        s.inputs[k] = copy;
      }
      all.push_back(s);
      int const whole = s.slice_of;
      if (whole < 0 || d_[whole].type == d_[s.out].type) continue;
      all.back().slice_of = -1, all.back().column = 0;
      int const copy = converted(s.out, d_[whole].type, all); // first: it adds to d_
      replace(d_[whole], s.out, copy);
      all.back().slice_of = whole, all.back().column = s.column;
    }
    steps_ = static_cast<std::vector<step>&&>(all);
  }

private:
  static constexpr std::size_t at(int i) { return static_cast<std::size_t>(i); }

  constexpr value_type wanted(step const& s, int value) const {
    value_type const is = d_[value].type;
    operator_row const& row = *s.kind.operator->();
    if (s.kind == op::activation || is == value_type::s32) return is; // chains read each type
    if (row.multiplies) {
      precision const p = d_[s.anchor].attributes.precision;
      if (p == precision::s8) return is_quantized(is) ? is : bytes_->byte_type_of(value);
      return p == precision::bf16 && row.narrow ? value_type::bf16 : value_type::f32;
    }
    return row.moves || row.narrow || row.eight_bits != quantizes::never ? d_[s.out].type
                                                                         : value_type::f32;
  }
  constexpr int converted(int from, value_type to, std::vector<step>& all) {
    for (conversion const& m : made_)
      if (m.from == from && m.to == to) return m.id;
    int const id = d_.count();
    made_.push_back({from, id, to});
    node n{.kind = op::convert, .type = to, .name = d_[from].name + "." + name_of(to)};
    n.meaning = d_[from].meaning;
    n.shape = d_[from].shape;
    n.attributes.lies = channel_order::as_read();
    if (is_quantized(to)) n.scaled_as = bytes_->class_of(from);
    n.inputs.add(from);
    d_.nodes.push_back(n);
    step c{.kind = op::activation, .anchor = id, .out = id};
    c.inputs.add(from);
    all.push_back(c);
    return id;
  }
  static constexpr void replace(node& n, int from, int to) {
    for (int k = 0; k < n.inputs.count; ++k)
      if (n.inputs[k] == from) n.inputs[k] = to;
  }

  struct conversion {
    int from, id;
    value_type to;
  };
  draft& d_;
  std::vector<step>& steps_;
  quantizer const* bytes_;
  std::vector<conversion> made_{};
};

} // namespace detail
} // namespace graph
IA_NN_END

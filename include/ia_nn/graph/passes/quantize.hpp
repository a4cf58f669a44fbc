// SPDX-License-Identifier: Apache-2.0
//
// Which values lie in 8 bits between steps, and which of them share scale and zero point.
//
// A layer with weights whose precision is s8 reads bytes: they meet 8-bit weights, sums are exact, and
// what follows them is computed in f32. What it writes is in 8 bits if somebody reads it so, and f32
// if not: an output of the network, what softmax reads. Recurrent layers write f32. Rows of tables are
// looked up in 8 bits where they are read so. Operations without weights:
//
//   smart   pools, moves and chains between two such layers: bytes come in, and bytes are wanted
//   full    every one that has kernels for it, in front of such layers and behind them; pools and moves
//           only where their result is wanted in 8 bits
//
// Where ranges are constants of the program, they say whether a value is ever negative; else functions
// at the end of its step do.
//
// Pools, moves and concat give the numbers that they read, so source and result have one scale, and so
// has all that writes into one concat. The range of such a class is that of all its values.
//
// Where a step reads another type than there is, a conversion is inserted (passes/convert.hpp).
#pragma once

#include <ia_nn/graph/ir/constant_ranges.hpp>
#include <ia_nn/graph/ir/quantize_rules.hpp>
#include <ia_nn/graph/layers/concat.hpp>
#include <ia_nn/graph/layers/conv.hpp>
#include <ia_nn/graph/layers/elementwise.hpp>
#include <ia_nn/graph/layers/norm.hpp>
#include <ia_nn/graph/layers/parameter.hpp>
#include <ia_nn/graph/layers/reshape.hpp>
#include <ia_nn/graph/passes/steps.hpp>

#include <ia_nn/begin.hpp>
namespace graph {

/// True if the name is that of the node or of its kind.
constexpr bool is_named(label const& l, node const& n) {
  return l == n.name || l.view() == shown(n) || l.view() == n.kind->name;
}
constexpr bool is_named(name_list const& names, node const& n) {
  for (label const& l : names)
    if (is_named(l, n)) return true;
  return false;
}

/// What is wrong with the rules of a network, or nothing. `d`: its nodes as they were written.
template <class Nodes> constexpr sentence mistake_in(quantize_rules const& r, Nodes const& d) {
  sentence const begin("ia_nn: network: .in_float ");
  if (r.in_float.cut) return detail::say(begin, "has more than ", max_in_float, " names");
  for (label const& l : r.in_float) {
    bool found = false;
    for (int i = 0; i < d.count() && !found; ++i) found = is_named(l, d[i]);
    if (!found)
      return detail::say(begin, "names '", l.view(), "', which is no layer and no kind of layer of it");
  }
  return {};
}

/// Functions that are never negative.
constexpr bool is_never_negative(stage const& s) {
  if (s.kind != stage_kind::function) return false;
  switch (s.act) {
  case function::relu:
  case function::sigmoid:
  case function::hard_sigmoid:
  case function::softplus:
  case function::square:
  case function::sqrt:
  case function::abs:
  case function::exp:
    return true;
  case function::clip:
    return s.a >= 0;
  default:
    return false;
  }
}

namespace detail {

class quantizer {
public:
  /// `ranges`: those that are constants of the program.
  constexpr quantizer(draft& d, std::vector<step> const& steps, quantize_rules const& r,
                      std::span<constant_range const> ranges)
      : d_(d), steps_(steps), rules_(r), ranges_(ranges), up_(d.nodes.size(), 0), down_(up_), bytes_(up_),
        class_(up_.size(), -1), negative_(up_.size(), 1) {}

  /// Sets types and classes of values.
  constexpr void run() {
    find_up();
    find_down();
    for (step const& s : steps_) decide(s);
    for (int i = 0; i < d_.count(); ++i) // a concat whose parts all write into it has no step
      if (d_[i].kind == op::concat && !has_step(i) && !is_named(rules_.in_float, d_[i]))
        bytes_[at(i)] = wanted(i);
    demote();
    for (int i = 0; i < d_.count(); ++i) class_[at(i)] = i;
    for (step const& s : steps_) tie(s);
    for (int i = 0; i < d_.count(); ++i)
      if (d_[i].kind == op::concat && bytes_[at(i)])
        for (int const in : d_[i].inputs) join(in, i);
    find_signs();
    for (int i = 0; i < d_.count(); ++i)
      if (is_byte(i)) d_[i].scaled_as = class_of(i), d_[i].type = byte_type_of(i);
  }

  /// Also of values that are bytes only behind a conversion: the first value of those that share scale
  /// and zero point, and the type.
  constexpr int class_of(int value) const {
    int v = root(d_, value);
    while (class_[at(v)] != v) v = class_[at(v)];
    return v;
  }
  constexpr value_type byte_type_of(int value) const {
    bool const may_be = negative_[at(class_of(value))] != 0;
    return rules_.values == byte_values::symmetric && may_be ? value_type::s8 : value_type::u8;
  }

private:
  static constexpr std::size_t at(int i) { return static_cast<std::size_t>(i); }
  constexpr bool is_byte(int value) const { return bytes_[at(root(d_, value))] != 0; }
  constexpr bool has_step(int value) const {
    for (step const& s : steps_)
      if (s.out == value) return true;
    return false;
  }
  /// In 8 bits, by its weights.
  constexpr bool multiplies_bytes(step const& s) const {
    return s.kind->multiplies && d_[s.anchor].attributes.precision == precision::s8;
  }
  constexpr bool is_excluded(step const& s) const {
    if (is_named(rules_.in_float, d_[s.anchor])) return true;
    for (stage const& g : s.stages)
      if (is_named(rules_.in_float, d_[g.source])) return true;
    return false;
  }
  /// Without weights, and with kernels for bytes.
  constexpr bool may_take_bytes(step const& s) const {
    return !s.kind->multiplies && s.kind != op::output &&
           (s.kind == op::activation || s.kind->eight_bits != quantizes::never) && !is_excluded(s);
  }

  /// f(value) for all that a step reads: what it works on, and operands of stages.
  template <class F> constexpr void each_source(step const& s, F const& f) const {
    for (int const in : s.inputs) f(root(d_, in));
    for (stage const& g : s.stages)
      if (g.operand >= 0 && d_[root(d_, g.operand)].kind != op::parameter) f(root(d_, g.operand));
  }
  constexpr void find_up() { // steps stand behind what they read
    for (step const& s : steps_) {
      if (multiplies_bytes(s) || (s.kind->reads_indices && may_take_bytes(s))) up_[at(s.out)] = 1;
      else if (may_take_bytes(s) || s.kind == op::concat)
        each_source(s, [&](int v) { up_[at(s.out)] |= up_[at(v)]; });
      if (s.slice_of >= 0) up_[at(s.slice_of)] |= up_[at(s.out)];
    }
  }
  constexpr void find_down() { // and behind them their readers
    auto const mark = [&](int v) { down_[at(v)] = 1; };
    for (std::size_t i = steps_.size(); i-- > 0;) {
      step const& s = steps_[i];
      if (s.slice_of >= 0 && down_[at(s.slice_of)]) mark(s.out);
      // What keeps numbers reads what it writes; chains read 8 bits and write f32 as well.
      bool const takes = s.kind == op::activation && rules_.mode == quantize_mode::full;
      if (multiplies_bytes(s) || (may_take_bytes(s) && (takes || down_[at(s.out)])))
        each_source(s, mark);
    }
  }
  constexpr bool wanted(int v) const {
    return down_[at(v)] && (rules_.mode == quantize_mode::full || up_[at(v)]);
  }
  constexpr void decide(step const& s) {
    bool const can = multiplies_bytes(s) ? s.kind->eight_bits == quantizes::may : may_take_bytes(s);
    bytes_[at(s.out)] = can && d_[s.out].type != value_type::s32 && wanted(s.out);
  }
  /// What the caller reads is f32; what writes into a concat has its type if it can.
  constexpr void demote() {
    for (node const& n : d_.nodes)
      if (n.kind == op::output) bytes_[at(root(d_, n.inputs[0]))] = 0;
    for (step const& s : steps_)
      if (s.slice_of >= 0 && !bytes_[at(s.slice_of)]) bytes_[at(s.out)] = 0;
  }

  constexpr void join(int a, int b) {
    a = class_of(a), b = class_of(b);
    class_[at(a < b ? b : a)] = a < b ? a : b;
  }
  constexpr bool keeps_numbers(step const& s) const {
    return s.kind != op::activation && !s.kind->multiplies && s.kind != op::concat &&
           !s.kind->reads_indices;
  }
  constexpr void tie(step const& s) {
    if (bytes_[at(s.out)] && keeps_numbers(s)) join(s.inputs[0], s.out);
  }

  constexpr void find_signs() {
    for (int i = 0; i < d_.count(); ++i) // as its parts are, which come before those that read it
      if (d_[i].kind == op::concat) negative_[at(i)] = 0;
    for (int i = 0; i < d_.count(); ++i)
      if (d_[i].kind == op::input)
        if (constant_range const* const r = find_range(ranges_, d_[i].name.view()))
          negative_[at(i)] = r->low < 0;
    for (step const& s : steps_) {
      bool negative = true;
      if (s.stages.count > 0) {
        stage const& last = s.stages[s.stages.count - 1];
        negative = !is_never_negative(last) && !adds_what_is_not(s, last);
      } else if (keeps_numbers(s) || s.kind == op::concat) {
        negative = d_[s.anchor].attributes.number < 0 || // of a pad
                   (s.kind == op::concat && negative_[at(s.out)]);
        each_source(s, [&](int v) { negative = negative || negative_[at(v)]; });
      }
      constant_range const* const r = find_range(ranges_, d_[s.out].name.view());
      negative_[at(s.out)] = r ? r->low < 0 : negative;
      if (s.slice_of >= 0) negative_[at(s.slice_of)] |= negative_[at(s.out)];
    }
    for (int i = 0; i < d_.count(); ++i) // of a class, if one value may be
      negative_[at(class_of(i))] |= negative_[at(root(d_, i))];
  }
  /// A sum of a function's result and of another value, neither of them ever negative.
  constexpr bool adds_what_is_not(step const& s, stage const& last) const {
    return (last.kind == stage_kind::add || last.kind == stage_kind::maximum) && s.stages.count > 1 &&
           is_never_negative(s.stages[s.stages.count - 2]) && last.operand >= 0 &&
           d_[root(d_, last.operand)].kind != op::parameter && !negative_[at(root(d_, last.operand))];
  }

  draft& d_;
  std::vector<step> const& steps_;
  quantize_rules const& rules_;
  std::span<constant_range const> ranges_;
  std::vector<char> up_, down_, bytes_;
  std::vector<int> class_;
  std::vector<char> negative_;
};

} // namespace detail
} // namespace graph
IA_NN_END

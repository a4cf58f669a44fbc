// SPDX-License-Identifier: Apache-2.0
//
// Where each value lies. Inputs and outputs of the network are the caller's arrays; what is between
// lies in one workspace, and values that live at different times share its bytes.
//
//   time      0   1   2   3   4      a buffer lives from the first step that writes it to the last
//   A         w   r   .   .   .      that reads it; members of a parallel group share one time
//   B         .   w   .   r   .
//   C         .   .   w   r   .      C may lie where A lay
//
// A step that works element by element writes over what it read last (in place). Sizes are multiples of
// 64 bytes (passes/arrange.hpp); with an open batch they are those of one item, and all of them are
// multiplied by the batch.
#pragma once

#include <ia_nn/graph/layers/elementwise.hpp>
#include <ia_nn/graph/layers/reshape.hpp>
#include <ia_nn/graph/passes/arrange.hpp>
#include <ia_nn/graph/passes/steps.hpp>

#include <ia_nn/begin.hpp>
namespace graph {

enum class storage : unsigned char { none, input, output, workspace };

/// Where the value of a node lies: `column` elements into rows that are `ld` apart.
struct place {
  storage where = storage::none;
  int index = 0; ///< number of the input, output or buffer
  index_t column = 0;
  index_t ld = 0;
};

/// A plan while it is made. `places` has one entry for each node, `times` one for each step.
struct memory_draft {
  std::vector<place> places{};
  std::vector<int> times{};
  std::vector<buffer> buffers{};
  index_t bytes = 0;
};

namespace detail {

template <class Nodes> class planner {
public:
  constexpr planner(Nodes const& d, std::vector<step>& steps, options const& o)
      : d_(d), steps_(steps), o_(o), last_read_(static_cast<std::size_t>(d.count()), -1),
        readers_(last_read_.size(), 0), slice_(last_read_.size(), -1),
        column_(last_read_.size(), 0) {
    plan_.places.assign(last_read_.size(), place{});
  }

  constexpr memory_draft run() {
    bind_inputs_and_outputs();
    set_times();
    for (std::size_t i = 0; i < steps_.size(); ++i) {
      step const& s = steps_[i];
      slice_[at(s.out)] = s.slice_of;
      column_[at(s.out)] = s.column;
    }
    for (std::size_t i = 0; i < steps_.size(); ++i) note_reads(steps_[i], plan_.times[i]);
    for (std::size_t i = 0; i < steps_.size(); ++i) assign(steps_[i], plan_.times[i]);
    for (int id = 0; id < d_.count(); ++id)
      if (d_[id].kind == op::reshape) {
        place& p = plan_.places[at(id)];
        p = plan_.places[at(root(d_, id))];
        p.ld = d_[id].shape.last();
      }
    plan_.bytes = arrange(plan_.buffers);
    return plan_;
  }

private:
  static constexpr std::size_t at(int i) { return static_cast<std::size_t>(i); }

  /// The first output of a value is its memory; another one, or one of an input, is a copy.
  constexpr void bind_inputs_and_outputs() {
    int inputs = 0, outputs = 0;
    for (int id = 0; id < d_.count(); ++id) {
      node const& n = d_[id];
      if (n.kind == op::input) plan_.places[at(id)] = {storage::input, inputs++, 0, n.shape.last()};
      if (n.kind != op::output) continue;
      int const from = root(d_, n.inputs[0]);
      place& p = plan_.places[at(from)];
      place const own{storage::output, outputs++, 0, n.shape.last()};
      plan_.places[at(id)] = own;
      if (p.where == storage::none) {
        p = own;
        p.ld = d_[from].shape.last(); // of a reshape, the output has other rows
      } else {
        step copy{.kind = op::output, .anchor = id, .out = id};
        copy.inputs.add(from);
        steps_.push_back(copy);
      }
    }
  }
  constexpr void set_times() {
    plan_.times.assign(steps_.size(), 0);
    for (std::size_t i = 0; i < steps_.size(); ++i) {
      bool const together = i > 0 && steps_[i].group >= 0 && steps_[i].group == steps_[i - 1].group;
      plan_.times[i] = together ? plan_.times[i - 1] : static_cast<int>(i);
    }
  }
  constexpr void read(int value, int time) {
    std::size_t const r = at(root(d_, value));
    if (last_read_[r] < time) readers_[r] = 0;
    last_read_[r] = time;
    ++readers_[r];
  }
  constexpr void note_reads(step const& s, int time) {
    for (int const in : s.inputs) read(in, time);
    for (stage const& g : s.stages)
      if (g.operand >= 0) read(g.operand, time);
  }

  /// The value whose buffer `id` is part of, and at which column.
  constexpr int whole(int id, index_t& column) const {
    while (slice_[at(id)] >= 0) {
      column += column_[at(id)];
      id = slice_[at(id)];
    }
    return id;
  }

  /// A value that this step may write over, or -1.
  constexpr int dying(step const& s, int time) const {
    if (!o_.in_place) return -1;
    dims const& shape = d_[s.out].shape;
    auto const fits = [&](int value) {
      int const r = root(d_, value);
      place const& p = plan_.places[at(r)];
      return p.where == storage::workspace && last_read_[at(r)] == time && readers_[at(r)] == 1 &&
             p.column == 0 && p.ld == d_[r].shape.last() && d_[r].shape.size() == shape.size() &&
             d_[r].type == d_[s.out].type && shape.last() == d_[value].shape.last() && slice_[at(r)] < 0;
    };
    if (s.kind->in_place && fits(s.inputs[0])) return root(d_, s.inputs[0]);
    if (s.kind->has_epilogue || s.kind == op::activation)
      for (stage const& g : s.stages)
        if (g.operand >= 0 && fits(g.operand)) return root(d_, g.operand);
    return -1;
  }

  constexpr void assign(step const& s, int time) {
    index_t column = 0;
    int const base = whole(s.out, column);
    place& b = plan_.places[at(base)];
    if (b.where == storage::none) {
      int const over = base == s.out ? dying(s, time) : -1;
      if (over >= 0) {
        b = plan_.places[at(over)];
        b.ld = d_[base].shape.last();
      } else {
        b = {storage::workspace, static_cast<int>(plan_.buffers.size()), 0, d_[base].shape.last()};
        index_t const bytes = (d_[base].shape.size() * size_of(d_[base].type) + 63) / 64 * 64;
        plan_.buffers.push_back({bytes, time, time, 0, base});
      }
    }
    if (b.where == storage::workspace) {
      buffer& m = plan_.buffers[at(b.index)];
      if (m.last < time) m.last = time;
      if (m.last < last_read_[at(base)]) m.last = last_read_[at(base)];
    }
    if (base != s.out) {
      plan_.places[at(s.out)] = b;
      plan_.places[at(s.out)].column = column;
    }
  }

  Nodes const& d_;
  std::vector<step>& steps_;
  options o_;
  std::vector<int> last_read_, readers_, slice_;
  std::vector<index_t> column_;
  memory_draft plan_{};
};

} // namespace detail

/// Adds the copies that outputs need to `steps`, and says where everything lies.
template <class Nodes>
constexpr memory_draft plan_memory(Nodes const& d, std::vector<step>& steps,
                                   options const& o = {}) {
  return detail::planner<Nodes>(d, steps, o).run();
}

} // namespace graph
IA_NN_END

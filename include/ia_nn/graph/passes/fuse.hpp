// SPDX-License-Identifier: Apache-2.0
//
// From nodes to steps. Behind a convolution, a transposed one or a dense layer follow, as long as
// nothing else reads what lies between:
//
//   batch norm directly behind it      into the weights, when they are loaded
//   functions, batch norms             stages
//   + - * / min max with a value       a stage that reads the other value, of the same shape, or a
//                                      parameter with one row
//
// in any order. A value that is read twice, or is an output, ends the chain: it must be in memory.
// Of two kernels whose results are added the later one takes the addition: then the other value is
// there. A fused step runs where its last node stood, so what it reads has been computed.
//
// Element-wise operations that are left form chains of their own; there the other value may be one
// that is repeated. A parameter that only stages read has no step.
#pragma once

#include <ia_nn/graph/layers/concat.hpp>
#include <ia_nn/graph/layers/elementwise.hpp>
#include <ia_nn/graph/layers/norm.hpp>
#include <ia_nn/graph/layers/parameter.hpp>
#include <ia_nn/graph/layers/reshape.hpp>
#include <ia_nn/graph/passes/steps.hpp>

#include <ia_nn/begin.hpp>
namespace graph {

namespace detail {

/// Operators that can be a stage of a chain. An element-wise operator of somebody else's is a step.
constexpr bool is_stage(op_kind k) {
  return k == op::activation || k == op::batch_norm || is_binary(k);
}

/// The stage that node n is behind `from`, whose shape it has.
template <class Nodes> constexpr stage stage_of(Nodes const& d, int id, int from) {
  node const& n = d[id];
  stage s{.source = id};
  if (n.kind == op::activation) {
    s.act = n.attributes.act;
    s.a = n.attributes.a, s.b = n.attributes.b;
    return s;
  }
  if (n.kind == op::batch_norm) {
    s.kind = stage_kind::batch_norm;
    return s;
  }
  bool const right = n.inputs[1] == from && n.inputs[0] != from;
  s.operand = n.inputs[right ? 0 : 1];
  node const& other = d[s.operand];
  s.how = other.kind == op::parameter ? spread_of_parameter(n.shape, other.shape)
                                      : spread_of(n.shape, other.shape);
  s.kind = n.kind == op::add        ? stage_kind::add
           : n.kind == op::multiply ? stage_kind::multiply
           : n.kind == op::minimum  ? stage_kind::minimum
           : n.kind == op::maximum  ? stage_kind::maximum
           : n.kind == op::divide   ? (right ? stage_kind::divide_from : stage_kind::divide)
           : right                  ? stage_kind::subtract_from
                                    : stage_kind::subtract;
  return s;
}

template <class Nodes> class fuser {
public:
  constexpr fuser(Nodes const& d, options const& o)
      : d_(d), o_(o), uses_(uses_of(d)), readers_(readers_of(d)),
        taken_(static_cast<std::size_t>(d.count()), -1) {}

  constexpr std::vector<step> run() {
    // Later kernels first: they take the additions.
    for (int i = d_.count() - 1; i >= 0; --i)
      if (d_[i].kind->has_epilogue) {
        step s{.kind = d_[i].kind, .anchor = i, .out = i};
        s.inputs = d_[i].inputs;
        grow(s, o_.fuse_epilogues);
        take(s);
      }
    for (int i = 0; i < d_.count(); ++i) {
      op_kind const kind = d_[i].kind;
      if (taken(i) || kind == op::input || kind == op::reshape || kind == op::output) continue;
      step s{.kind = kind, .anchor = i, .out = i};
      if (is_stage(kind)) {
        s.kind = op::activation;
        int const first = first_of(d_[i]);
        s.inputs.add(first);
        s.stages.add(stage_of(d_, i, first));
        grow(s, o_.fuse_elementwise);
      } else {
        s.inputs = d_[i].inputs;
      }
      take(s);
    }
    drop_loaded();
    return sorted();
  }

private:
  constexpr bool taken(int id) const { return taken_[static_cast<std::size_t>(id)] >= 0; }
  /// What a chain that starts with node n begins with: an operand of its shape, not a parameter if
  /// there is another one.
  constexpr int first_of(node const& n) const {
    auto const fits = [&](int k) { return d_[n.inputs[k]].shape == n.shape; };
    bool const second = n.inputs.count > 1 && fits(1) &&
                        (!fits(0) || d_[n.inputs[0]].kind == op::parameter);
    return n.inputs[second ? 1 : 0];
  }
  /// Parameters that only stages read need not be in memory once more.
  constexpr void drop_loaded() {
    bool any = false;
    for (step const& s : steps_) any = any || s.kind == op::parameter;
    if (!any) return;
    std::vector<char> read(taken_.size(), 0);
    auto const mark = [&](int id) { read[static_cast<std::size_t>(root(d_, id))] = 1; };
    for (step const& s : steps_) {
      for (int const in : s.inputs) mark(in);
      for (stage const& g : s.stages)
        if (g.operand >= 0 && !is_loaded(g.how)) mark(g.operand);
    }
    for (int i = 0; i < d_.count(); ++i)
      if (d_[i].kind == op::output) mark(d_[i].inputs[0]);
    std::size_t kept = 0;
    for (std::size_t i = 0; i < steps_.size(); ++i) {
      if (steps_[i].kind == op::parameter && !read[static_cast<std::size_t>(at_[i])]) continue;
      steps_[kept] = steps_[i];
      at_[kept++] = at_[i];
    }
    steps_.erase(steps_.begin() + static_cast<std::ptrdiff_t>(kept), steps_.end());
    at_.erase(at_.begin() + static_cast<std::ptrdiff_t>(kept), at_.end());
  }

  constexpr void grow(step& s, bool stages) {
    while (uses_[static_cast<std::size_t>(s.out)] == 1) {
      int const next = readers_[static_cast<std::size_t>(s.out)];
      node const& n = d_[next];
      if (taken(next) || !is_stage(n.kind) || !(n.shape == d_[s.out].shape)) return;
      bool const kernel = s.kind->has_epilogue;
      if (n.kind == op::batch_norm && kernel && s.out == s.anchor && o_.fold_batch_norm) {
        s.batch_norm = next;
      } else {
        if (!stages || s.stages.full()) return;
        stage const g = stage_of(d_, next, s.out);
        if (kernel && g.how != spread::none && g.how != spread::every_row)
          return; // epilogues know no items
        s.stages.add(g);
      }
      taken_[static_cast<std::size_t>(next)] = 0;
      s.out = next;
    }
  }
  constexpr void take(step const& s) {
    taken_[static_cast<std::size_t>(s.anchor)] = 0;
    at_.push_back(s.out);
    steps_.push_back(s);
  }
  constexpr std::vector<step> sorted() const {
    std::vector<int> place(static_cast<std::size_t>(d_.count()), -1);
    for (std::size_t i = 0; i < at_.size(); ++i)
      place[static_cast<std::size_t>(at_[i])] = static_cast<int>(i);
    std::vector<step> all;
    all.reserve(steps_.size());
    for (int const i : place)
      if (i >= 0) all.push_back(steps_[static_cast<std::size_t>(i)]);
    return all;
  }

  Nodes const& d_;
  options o_;
  std::vector<int> uses_, readers_, taken_, at_{};
  std::vector<step> steps_{};
};

} // namespace detail

template <class Nodes> constexpr std::vector<step> fuse(Nodes const& d, options const& o = {}) {
  return detail::fuser<Nodes>(d, o).run();
}

/// Concatenations along the channels: a step whose result is read by the concat alone writes into
/// its place there. A concat without other inputs needs no step. Returns how many slices there are.
template <class Nodes> constexpr int slice_concats(Nodes const& d, std::vector<step>& steps) {
  std::vector<int> const uses = detail::uses_of(d);
  std::vector<int> writer(static_cast<std::size_t>(d.count()), -1);
  for (std::size_t s = 0; s < steps.size(); ++s)
    writer[static_cast<std::size_t>(steps[s].out)] = static_cast<int>(s);
  int slices = 0;
  for (step& c : steps) {
    if (c.kind != op::concat || d[c.anchor].attributes.axis != d[c.anchor].shape.rank - 1) continue;
    short_list<int, max_inputs> copied;
    index_t column = 0;
    for (int const in : c.inputs) {
      int const w = writer[static_cast<std::size_t>(in)];
      index_t const width = d[in].shape.last();
      if (uses[static_cast<std::size_t>(in)] == 1 && w >= 0 &&
          steps[static_cast<std::size_t>(w)].kind->writes_slices) {
        steps[static_cast<std::size_t>(w)].slice_of = c.anchor;
        steps[static_cast<std::size_t>(w)].column = column;
        ++slices;
      } else {
        copied.add(in);
      }
      column += width;
    }
    c.inputs = copied;
  }
  std::erase_if(steps, [](step const& s) { return s.kind == op::concat && s.inputs.count == 0; });
  return slices;
}

} // namespace graph
IA_NN_END

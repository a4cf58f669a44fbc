// SPDX-License-Identifier: Apache-2.0
//
// From the nodes of a network to the tasks of a training step, and where everything they read and write
// lies:
//
//   forward    each node writes its value
//   loss       reads the value of the output and writes its gradient
//   backward   each node, last to first, takes the gradient of its value and gives those of what it read
//
// What a gradient reads besides stands in the operator's row (`gradient_needs`). A value is kept until its
// last reader; one that is dropped is made again in front of the first backward task that reads it, with what it
// depends on; of that, what is cheap is dropped once more if that task does not read it. Of a
// value with several readers the first one writes the gradient, the others add. Reshapes and identities have
// no tasks: their value is that of what they read. Where it can, a task writes over what it reads last. The
// slope of a relu is applied by the product that reads it, while its gradient is in the cache.
#pragma once

#include <ia_nn/graph/layers/conv.hpp>
#include <ia_nn/graph/layers/dense.hpp>
#include <ia_nn/graph/layers/elementwise.hpp>
#include <ia_nn/graph/layers/move.hpp>
#include <ia_nn/graph/layers/reshape.hpp>
#include <ia_nn/graph/passes/arrange.hpp>

#include <cstdint>

#include <ia_nn/begin.hpp>
namespace graph {

enum class task_kind : unsigned char {
  forward,
  again, ///< forward, of a value that was dropped
  loss,
  backward
};

/// Numbers are those of values; -1: none.
struct training_task {
  task_kind kind = task_kind::forward;
  int node = -1; ///< of a loss: that whose value it reads
  int result = -1, diff_result = -1, reserve = -1;
  short_list<int, max_inputs> sources{};      ///< of the node's inputs
  short_list<int, max_inputs> diff_sources{}; ///< -1 where nobody wants the gradient
  std::uint32_t adds = 0;                     ///< bit k: to what is in diff_sources[k]
  int in_front = -1; ///< the activation whose slope diff_sources[0] is multiplied by, which has no task
};

/// Memory of a training step: a value of a node, a gradient, a reserve; or an input, which is the caller's.
struct training_value {
  int node = -1;
  int input = -1;    ///< number of the input
  index_t bytes = 0; ///< 0 of an input
  int first = 0, last = 0;
  int buffer = -1;
};

/// Which values are dropped after the forward pass.
enum class keep_values : unsigned char {
  all,
  products,       ///< what is not element-wise, moved or pooled is kept: the rest is cheap to make again
  every_second,   ///< of the products, every second
  every_fourth,
  every_eighth
};

struct training_options {
  index_t batch = 1; ///< the largest, of a network whose batch is open
  keep_values keep = keep_values::all;
  bool in_place = true;
  bool fuse_slopes = true; ///< of a relu or clip in front of the product that alone reads it
};

struct training_plan {
  std::vector<training_task> tasks{};
  std::vector<training_value> values{};
  std::vector<buffer> buffers{};
  index_t bytes = 0;
  int output = -1;         ///< the node whose value the loss reads; it may have another shape than the output
  std::vector<char> learns{}; ///< of each node: its value depends on something that is learned
};

namespace detail {

/// The node whose value this is.
template <class Nodes> constexpr int value_of(Nodes const& d, int id) {
  while (d[id].kind == op::reshape || d[id].kind == op::identity || d[id].kind == op::output)
    id = d[id].inputs[0];
  return id;
}
template <class Nodes> constexpr bool has_task(Nodes const& d, int id) {
  return d[id].kind != op::input && value_of(d, id) == id;
}
template <class Nodes> constexpr bool has_learned(Nodes const& d, int id) {
  for (weight const& w : weights_of(d, id))
    if (w.learned) return true;
  return false;
}

template <class Nodes> class differentiator {
public:
  /// reserves[id]: bytes that the kernel of node id leaves for its gradient.
  constexpr differentiator(Nodes const& d, std::vector<index_t> const& reserves, training_options const& o)
      : d_(d), reserves_(reserves), o_(o), count_(static_cast<std::size_t>(d.count())), now_(count_, -1),
        diff_(count_, -1), reserve_(count_, -1), readers_(count_, 0), dropped_(count_, 0), written_(count_, 0),
        passes_(count_, 0) {}

  constexpr training_plan run() {
    find_learning();
    find_dropped();
    find_passing();
    for (int id = 0; id < d_.count(); ++id)
      for (int const in : d_[id].inputs) readers_[at(value_of(d_, in))] += has_task(d_, id);
    for (int id = 0, input = 0; id < d_.count(); ++id) {
      if (d_[id].kind == op::input)
        now_[at(id)] = add({.node = id, .input = input++});
      else if (has_task(d_, id)) forward(id, task_kind::forward);
    }
    loss();
    for (int id = d_.count() - 1; id >= 0; --id)
      if (has_task(d_, id) && plan_.learns[at(id)] && diff_[at(id)] >= 0) backward(id);
    place();
    return plan_;
  }

private:
  static constexpr std::size_t at(int i) { return static_cast<std::size_t>(i); }
  constexpr int time() const { return static_cast<int>(plan_.tasks.size()); }
  constexpr index_t size_of(int id) const {
    dims const& s = d_[id].shape;
    return s.size() * (s.dynamic() ? o_.batch : 1);
  }
  constexpr index_t bytes_of(int id) const { return (size_of(id) * 4 + 63) / 64 * 64; }
  constexpr int add(training_value v) {
    v.first = v.last = time();
    plan_.values.push_back(v);
    return static_cast<int>(plan_.values.size()) - 1;
  }
  constexpr int read(int value) {
    plan_.values[at(value)].last = time();
    return value;
  }

  constexpr void find_learning() {
    plan_.learns.assign(count_, 0);
    for (int id = 0; id < d_.count(); ++id) {
      bool learns = has_learned(d_, id);
      for (int const in : d_[id].inputs) learns = learns || plan_.learns[at(in)];
      plan_.learns[at(id)] = learns;
      if (d_[id].kind == op::output) plan_.output = value_of(d_, id);
    }
  }
  constexpr void find_dropped() {
    if (o_.keep == keep_values::all) return;
    int const each = o_.keep == keep_values::every_second   ? 2
                     : o_.keep == keep_values::every_fourth ? 4
                     : o_.keep == keep_values::every_eighth ? 8
                                                            : 1;
    int product = 0;
    for (int id = 0; id < d_.count(); ++id) {
      if (!has_task(d_, id) || id == plan_.output) continue;
      node const& n = d_[id];
      bool const cheap = is_cheap(n);
      dropped_[at(id)] = cheap || product++ % each != 0;
    }
  }

  static constexpr bool is_cheap(node const& n) { return !n.kind->multiplies && !n.kind->reads_indices; }

  /// The value of what node `id` reads, made again if it has been dropped.
  constexpr int source(int id) {
    int const from = value_of(d_, id);
    if (now_[at(from)] < 0) {
      forward(from, task_kind::again);
      again_.push_back(from);
    }
    return now_[at(from)];
  }
  /// Of products that are made again one behind the other, what stands between them would wait for its own gradient
  /// with all the others: it is dropped once more, where a few tasks make it a third time from what is there.
  constexpr void drop_between(training_task const& t) {
    for (int const id : again_) {
      int const value = now_[at(id)];
      bool read = t.result == value;
      for (int const v : t.sources) read = read || v == value;
      if (!read && passes_[at(id)]) now_[at(id)] = -1;
    }
    again_.clear();
  }
  /// Which values that are. They are not products, and depend on products whose values gradients read (of a relu
  /// behind a convolution, nobody reads the convolution: it would be in memory for the relu alone).
  constexpr void find_passing() {
    if (o_.keep <= keep_values::products) return;
    std::vector<char> wanted(count_, 0);
    for (int id = 0; id < d_.count(); ++id) {
      if (!has_task(d_, id) || !plan_.learns[at(id)]) continue;
      gradient_needs const needs = d_[id].kind->gradient(d_[id]);
      if (needs.result) wanted[at(id)] = 1;
      for (int const in : d_[id].inputs)
        if (needs.source) wanted[at(value_of(d_, in))] = 1;
    }
    constexpr int most = 9; // a concat of four branches, each with norm and activation; sums of three blocks
    std::vector<int> tasks(count_, 0); // that make the value from others that are there
    for (int id = 0; id < d_.count(); ++id) {
      if (!has_task(d_, id) || !is_cheap(d_[id])) continue;
      int n = 1;
      for (int const in : d_[id].inputs) {
        int const from = value_of(d_, in);
        if (passes_[at(from)]) n += tasks[at(from)];
        else if (d_[from].kind != op::input && !wanted[at(from)]) n += most;
      }
      tasks[at(id)] = n;
      passes_[at(id)] = n <= most;
    }
  }
  constexpr void forward(int id, task_kind kind) {
    training_task t{.kind = kind, .node = id};
    for (int const in : d_[id].inputs) t.sources.add(source(in)); // may add tasks
    for (int const v : t.sources) read(v);
    t.result = add({.node = id, .bytes = bytes_of(id)});
    now_[at(id)] = t.result;
    index_t const kept = reserves_[at(id)];
    if (kept > 0 && kind == task_kind::forward)
      reserve_[at(id)] = add({.node = id, .bytes = (kept + 63) / 64 * 64});
    if (reserve_[at(id)] >= 0) t.reserve = read(reserve_[at(id)]);
    plan_.tasks.push_back(t);
  }
  constexpr void loss() {
    training_task t{.kind = task_kind::loss, .node = plan_.output};
    t.sources.add(read(now_[at(plan_.output)]));
    if (plan_.learns[at(plan_.output)]) {
      t.diff_result = diff_[at(plan_.output)] = add({.node = plan_.output, .bytes = bytes_of(plan_.output)});
      written_[at(plan_.output)] = 1;
    }
    plan_.tasks.push_back(t);
    for (int id = 0; id < d_.count(); ++id)
      if (dropped_[at(id)]) now_[at(id)] = -1;
  }
  constexpr void backward(int id) {
    node const& n = d_[id];
    gradient_needs const needs = n.kind->gradient(n);
    training_task t{.kind = task_kind::backward, .node = id};
    if (needs.result) source(id);
    for (int k = 0; k < n.inputs.count; ++k) t.sources.add(needs.source ? source(n.inputs[k]) : -1);
    for (int const v : t.sources)
      if (v >= 0) read(v);
    if (needs.result) t.result = read(source(id));
    t.diff_result = read(diff_[at(id)]);
    if (reserve_[at(id)] >= 0) t.reserve = read(reserve_[at(id)]);
    for (int k = 0; k < n.inputs.count; ++k) {
      int from = value_of(d_, n.inputs[k]);
      if (k == 0 && is_fused(from, n)) {
        t.in_front = from;
        from = value_of(d_, d_[from].inputs[0]);
      }
      if (!plan_.learns[at(from)] || d_[from].type == value_type::s32) {
        t.diff_sources.add(-1);
        continue;
      }
      if (diff_[at(from)] < 0) diff_[at(from)] = add({.node = from, .bytes = bytes_of(from)});
      if (written_[at(from)]) t.adds |= std::uint32_t{1} << k;
      written_[at(from)] = 1;
      t.diff_sources.add(read(diff_[at(from)]));
    }
    plan_.tasks.push_back(t);
    drop_between(t);
  }

  /// True for an activation whose slope the product n applies.
  constexpr bool is_fused(int value, node const& n) const {
    node const& a = d_[value];
    bool const clips = a.kind == op::activation &&
                       (a.attributes.act == function::relu || a.attributes.act == function::clip);
    bool const multiplies = n.kind == op::conv || n.kind == op::deconv || n.kind == op::dense;
    return o_.fuse_slopes && clips && multiplies && readers_[at(value)] == 1 && value != plan_.output;
  }

  // ---- memory ---------------------------------------------------------------------------------
  /// A value that the task reads last, of as many elements as the one that it makes; or -1. Bytes say less: a
  /// row that is repeated over an image may have as many when both are small.
  constexpr int dying(training_task const& t, int now, int made) const {
    auto const fits = [&](int v) {
      if (v < 0) return false;
      training_value const& x = plan_.values[at(v)];
      return x.input < 0 && x.last == now && size_of(x.node) == size_of(plan_.values[at(made)].node);
    };
    auto const once = [&](int v) {
      int n = 0;
      for (int const s : t.sources) n += s == v;
      return n == 1;
    };
    if (!o_.in_place) return -1;
    node const& n = d_[t.node];
    if (t.kind == task_kind::backward) {
      gradient_needs const needs = n.kind->gradient(n);
      bool const one = n.inputs.count < 2 || value_of(d_, n.inputs[0]) != value_of(d_, n.inputs[1]);
      return needs.in_place && one && made == t.diff_sources[0] && (t.adds & 1U) == 0 && fits(t.diff_result)
                 ? t.diff_result
                 : -1;
    }
    if (t.kind == task_kind::loss || made != t.result) return -1;
    if (!n.kind->element_wise && n.kind != op::dropout) return -1;
    for (int const s : t.sources)
      if (fits(s) && once(s)) return s;
    return -1;
  }
  constexpr void place() {
    std::vector<training_value>& all = plan_.values;
    std::size_t next = 0;
    for (int now = 0; now < time(); ++now)
      for (; next < all.size() && all[next].first <= now; ++next) {
        training_value& v = all[next];
        if (v.input >= 0) continue;
        int const over = dying(plan_.tasks[at(now)], now, static_cast<int>(next));
        if (over >= 0) {
          v.buffer = all[at(over)].buffer;
          plan_.buffers[at(v.buffer)].last = v.last;
        } else {
          v.buffer = static_cast<int>(plan_.buffers.size());
          plan_.buffers.push_back({v.bytes, v.first, v.last, 0, v.node});
        }
      }
    plan_.bytes = arrange(plan_.buffers);
  }

  Nodes const& d_;
  std::vector<index_t> const& reserves_;
  training_options o_;
  std::size_t count_;
  std::vector<int> now_, diff_, reserve_; ///< of each node: its value, gradient, reserve; -1: none
  std::vector<int> readers_;              ///< tasks that read its value
  std::vector<char> dropped_, written_;
  std::vector<char> passes_; ///< dropped a second time
  std::vector<int> again_; ///< nodes whose values were made again for the task that is made
  training_plan plan_{};
};

} // namespace detail

/// Nodes: those of the network, behind `simplify_for_training`.
template <class Nodes>
constexpr training_plan differentiate(Nodes const& d, std::vector<index_t> const& reserves,
                                      training_options const& o) {
  return detail::differentiator<Nodes>(d, reserves, o).run();
}

/// Why the network cannot be trained, or nothing.
template <class Nodes> constexpr sentence mistake_in_training(Nodes const& d) {
  int outputs = 0, output = 0, learned = 0;
  for (int id = 0; id < d.count(); ++id) {
    node const& n = d[id];
    if (n.kind == op::output) ++outputs, output = id;
    learned += detail::has_learned(d, id);
    if (n.kind == op::input || n.kind == op::output || n.kind->gradient(n).exists) continue;
    return detail::say(about(n.kind->name, n.name), "this operator has no gradient: give its row .gradient");
  }
  if (outputs != 1) return detail::say(sentence("ia_nn: training: "), outputs, " outputs; a loss reads one");
  if (d[output].type != value_type::f32)
    return "ia_nn: training: the output is of integers, which have no gradient";
  if (learned == 0) return "ia_nn: training: no layer has weights";
  return {};
}

} // namespace graph
IA_NN_END

// SPDX-License-Identifier: Apache-2.0
//
// The tasks of a training step with their kernels and memory: what a trainer runs. Compiled once, whatever
// the network.
#pragma once

#include <ia_nn/core/memory.hpp>
#include <ia_nn/graph/passes/differentiate.hpp>
#include <ia_nn/graph/train/kernel.hpp>
#include <ia_nn/graph/train/parameters.hpp>
#include <ia_nn/graph/train/rounded_weights.hpp>

#include <algorithm>
#include <cmath>
#include <span>

#include <ia_nn/begin.hpp>
namespace graph {

/// Bytes of a trainer, known when it is made.
struct training_bytes {
  index_t values = 0;     ///< values, their gradients and reserves, which share what they can
  index_t workspace = 0;  ///< of one kernel at a time
  index_t weights = 0, gradients = 0; ///< of weights
  keep_values keep = keep_values::all; ///< which values are made twice
};

struct pass_options {
  index_t batch = 1; ///< the largest
  int workers = 1;
  std::uint64_t seed = 1;  ///< of dropout
  index_t byte_limit = 0;  ///< of values and workspace, or 0
  keep_values keep = keep_values::all; ///< or less, to meet the limit
  bool in_place = true, fuse_slopes = true;
};

class training_pass {
public:
  /// Nodes are those of `trained<Net>`, makers has a function for each. Errors: errc::bad_parameter for a batch
  /// or workers below 1, or a limit that cannot be met; those of the kernels.
  training_pass(std::span<node const> nodes, std::span<detail::make_function const> makers,
                pass_options const& o)
      : nodes_{nodes}, o_(o) {
    if (o.batch < 1 || o.workers < 1)
      throw_error(errc::bad_parameter, "training: batch is " + std::to_string(o.batch) + " and workers " +
                                           std::to_string(o.workers) + ", both must be at least 1");
    std::vector<index_t> reserves(nodes.size(), 0);
    for (int id = 0; id < nodes_.count(); ++id) {
      kernels_.emplace_back();
      if (!detail::has_task(nodes_, id)) continue;
      arrays_.resize(std::max(arrays_.size(), weights_of(nodes_, id).size()));
      any_training_kernel& k = *(kernels_.back() = makers[at(id)](layer(id, o.batch)));
      reserves[at(id)] = k.reserve_bytes();
      workspace_ = max_of(workspace_, k.workspace_bytes());
    }
    requests_.resize(arrays_.size());
    choose_plan(reserves);
  }

  /// Room for a kernel that is no node: the loss.
  void need_workspace(index_t bytes) { workspace_ = max_of(workspace_, bytes); }
  /// Once all is known.
  void allocate(trained_weights& weights) {
    first_weight_ = weights.values().data();
    bool const rounds = std::ranges::any_of(nodes_.all, [](node const& n) { return n.attributes.rounded_weights; });
    if (rounds) rounded_ = aligned_array<f32>(std::ssize(weights.values()));
    memory_ = aligned_array<std::byte>(plan_.bytes + round_up(workspace_, 64));
  }

  training_plan const& plan() const noexcept { return plan_; }
  keep_values keep() const noexcept { return keep_; }
  index_t workspace_bytes() const noexcept { return workspace_; }
  /// What the loss reads, in the shape in which the network gives it.
  node const& output() const noexcept {
    int id = 0;
    while (nodes_[id].kind != op::output) ++id;
    return nodes_[id];
  }

  /// What does not change within one call.
  struct call {
    index_t batch;
    std::span<void const* const> inputs;
    trained_weights& weights;
    std::uint64_t round;
    bool add; ///< to the gradients of weights that are there
    bool whole_tables = false; ///< gradients of all rows of tables are written
  };

  /// What is wrong with indices of embeddings, or nothing. They are inputs, since nothing makes integers.
  sentence wrong_index(index_t batch, std::span<void const* const> inputs) const noexcept {
    for (training_task const& t : plan_.tasks) {
      if (t.kind != task_kind::forward || nodes_[t.node].kind != op::embedding) continue;
      node const& n = nodes_[t.node];
      int const input = plan_.values[at(t.sources[0])].input;
      if (input < 0) continue; // of an operator of the program
      dims const& s = nodes_[n.inputs[0]].shape;
      auto const* const ids = static_cast<s32 const*>(inputs[at(input)]);
      for (index_t i = 0; i < s.size() * (s.dynamic() ? batch : 1); ++i)
        if (ids[i] < 0 || ids[i] >= n.attributes.table_rows)
          return detail::say(sentence("ia_nn: training: "), n.kind->name, " '", n.name.view(), "': index ", i, " is ",
                             ids[i], ", the table has ", n.attributes.table_rows, " rows");
    }
    return {};
  }
  /// loss(output, gradient, scratch) -> f32 stands between forward and backward, which is left out where
  /// the loss is not finite.
  template <class Loss> f32 run(call const& c, any_executor& e, Loss const& loss) noexcept {
    f32 value = 0;
    for (training_task const& t : plan_.tasks) {
      if (t.kind == task_kind::loss) {
        value = loss(data(c, t.sources[0]), t.diff_result < 0 ? nullptr : written(t.diff_result), scratch());
        if (!std::isfinite(value)) break;
      } else if (t.kind == task_kind::backward) backward(t, c, e);
      else forward(t, c, e, t.kind == task_kind::again);
    }
    return value;
  }
  /// The first node whose value has a number that is not finite, or -1. Runs forward; running statistics
  /// stay as they are.
  int first_not_finite(call const& c, any_executor& e) noexcept {
    for (training_task const& t : plan_.tasks) {
      if (t.kind == task_kind::loss) break;
      forward(t, c, e, true);
      f32 const* const v = written(t.result);
      dims const& s = nodes_[t.node].shape;
      index_t const size = s.size() * (s.dynamic() ? c.batch : 1);
      for (index_t i = 0; i < size; ++i)
        if (!std::isfinite(v[i])) return t.node;
    }
    return -1;
  }

private:
  struct node_list {
    std::span<node const> all;
    int count() const noexcept { return static_cast<int>(all.size()); }
    node const& operator[](int id) const noexcept { return all[at(id)]; }
  };
  static std::size_t at(int i) noexcept { return static_cast<std::size_t>(i); }
  using any_training_kernel = detail::any_training_kernel;

  training_layer layer(int id, index_t batch) const noexcept {
    return {nodes_.all.data(), nodes_[id], batch, o_.workers, seed_of_layer(o_.seed, id)};
  }
  void choose_plan(std::vector<index_t> const& reserves) {
    index_t least = 0;
    for (int k = static_cast<int>(o_.keep); k <= static_cast<int>(keep_values::every_eighth); ++k) {
      auto const keep = static_cast<keep_values>(k);
      training_plan p = differentiate(nodes_, reserves, {o_.batch, keep, o_.in_place, o_.fuse_slopes});
      index_t const bytes = p.bytes + workspace_;
      if (least == 0 || bytes < least) least = bytes;
      if (o_.byte_limit > 0 && bytes > o_.byte_limit) continue;
      plan_ = std::move(p), keep_ = keep;
      return;
    }
    throw_error(errc::bad_parameter, "training: .byte_limit is " + std::to_string(o_.byte_limit) +
                                         ", a step needs at least " + std::to_string(least) +
                                         " bytes of values and workspace");
  }

  /// The weights as they will be in 8 bits, made by the forward pass.
  f32* rounded(trained_weights::entry const& w, task_kind kind) noexcept {
    f32* const to = rounded_.data() + (w.values.data() - first_weight_);
    if (kind != task_kind::forward) return to;
    round_weights(nodes_[w.node], w.shape, w.values, to);
    return to;
  }
  f32* written(int value) const noexcept {
    training_value const& v = plan_.values[at(value)];
    return reinterpret_cast<f32*>(memory_.data() + plan_.buffers[at(v.buffer)].offset);
  }
  void const* read(call const& c, int value) const noexcept {
    if (value < 0) return nullptr;
    training_value const& v = plan_.values[at(value)];
    return v.input >= 0 ? c.inputs[at(v.input)] : written(value);
  }
  f32 const* data(call const& c, int value) const noexcept { return static_cast<f32 const*>(read(c, value)); }
  workspace_view scratch() const noexcept {
    return {memory_.data() + plan_.bytes, round_up(workspace_, 64)};
  }

  template <class Run>
  void with_call(training_task const& t, call const& c, any_executor& e, bool again, Run const& run) noexcept {
    training_layer const l = layer(t.node, c.batch);
    bool const rounds = nodes_[t.node].attributes.rounded_weights;
    std::size_t n = 0;
    table_rows* named = nullptr;
    for (trained_weights::entry const& w : c.weights.of(t.node)) {
      arrays_[n] = rounds && w.shape.size() > 1 ? rounded(w, t.kind) : w.values.data();
      requests_[n++] = {w.gradient.data(), c.add};
      if (!c.whole_tables && w.rows) named = w.rows;
    }
    training_call k{.of = l,
                    .executor = &e,
                    .scratch = scratch(),
                    .reserve = t.reserve < 0 ? nullptr : reinterpret_cast<std::byte*>(written(t.reserve)),
                    .round = c.round,
                    .again = again,
                    .result = t.result < 0 ? nullptr : written(t.result),
                    .diff_result = t.diff_result < 0 ? nullptr : written(t.diff_result),
                    .sources = {},
                    .diff_sources = {},
                    .in_front = t.in_front < 0 ? nullptr : &nodes_[t.in_front],
                    .weights = arrays_.data(),
                    .diff_weights = requests_.data(),
                    .named = named};
    for (int i = 0; i < t.sources.count; ++i) k.sources[i] = read(c, t.sources[i]);
    for (int i = 0; i < t.diff_sources.count; ++i)
      if (t.diff_sources[i] >= 0) k.diff_sources[i] = {written(t.diff_sources[i]), (t.adds >> i & 1U) != 0};
    run(k);
  }
  void forward(training_task const& t, call const& c, any_executor& e, bool again) noexcept {
    with_call(t, c, e, again, [&](training_call const& k) { kernels_[at(t.node)]->forward(k); });
  }
  void backward(training_task const& t, call const& c, any_executor& e) noexcept {
    with_call(t, c, e, false, [&](training_call const& k) { kernels_[at(t.node)]->backward(k); });
  }

  node_list nodes_;
  pass_options o_;
  index_t workspace_ = 0;
  keep_values keep_ = keep_values::all;
  std::vector<std::unique_ptr<any_training_kernel>> kernels_;
  training_plan plan_;
  std::vector<f32*> arrays_;       ///< weights of the kernel that runs
  std::vector<gradient> requests_; ///< of their gradients
  f32 const* first_weight_ = nullptr;
  aligned_array<f32> rounded_; ///< a place for each weight, where some are rounded
  mutable aligned_array<std::byte> memory_;
};

} // namespace graph
IA_NN_END

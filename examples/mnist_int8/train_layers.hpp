// SPDX-License-Identifier: Apache-2.0
//
// The nodes of a network as layers that learn: each runs forward, and backward hands the gradient
// of what it gives on to what it reads and to its weights.
#pragma once

#include "train.hpp"

#include <ia_nn/ops/conv.hpp>
#include <ia_nn/ops/elementwise.hpp>
#include <ia_nn/ops/expr_activation.hpp>
#include <ia_nn/train/train.hpp>

namespace demo {

using I = isa::native;

/// Numbers with their gradient: weights, or what a node gives for a batch.
struct tensor_pair {
  f32 *value = nullptr, *diff = nullptr; ///< no gradient for images
  index_t size = 0;
  bool written = false; ///< somebody has written the gradient in this step

  tensor_view<f32, shape<dyn>> view() { return {value, shape<dyn>(size)}; }
  /// Whoever reads a value writes its gradient, or adds to what others have written.
  gradient request() { return {diff, std::exchange(written, true)}; }
};

class training_layers {
public:
  /// Training changes the weights. Until `finish`, those of dense layers have their columns in the
  /// order of memory.
  training_layers(network const& n, named_arrays& weights, index_t batch, int workers)
      : net_(n), weights_(weights), batch_(batch), workers_(workers),
        tensors_(n.nodes.nodes.size()) {
    std::vector<int> const uses = n.nodes.uses();
    for (int id = 0; id < n.nodes.count(); ++id) {
      graph::node const& node = n.nodes[id];
      index_t const size = batch * n.size(id);
      if (!in_place(node))
        *tensor(id) = {store_.array<f32>(size), id == 0 ? nullptr : store_.array<f32>(size), size};
      else if (node.kind->in_place && uses[at(node.inputs[0])] > 1)
        throw error(errc::bad_parameter, "training changes what '" + n.name(id) +
                                             "' reads, and others read it too");
      tensor_pair* const y = tensor(id);
      auto const x = [&](int input) { return tensor(node.inputs[input]); };
      if (node.kind == op::conv) add_conv(id, x(0), y);
      else if (node.kind == op::batch_norm) add_norm(id, x(0), y);
      else if (node.kind == op::dense) add_dense(id, x(0), y);
      else if (node.kind == op::max_pool) add_pool(id, x(0), y);
      else if (node.kind == op::activation) add_relu(y);
      else if (node.kind == op::add) add_sum(x(1), y);
    }
  }
  training_layers(training_layers const&) = delete; // the layers refer to it
  training_layers& operator=(training_layers const&) = delete;

  tensor_pair& image() { return *tensor(0); }
  tensor_pair& logits() { return *tensor(net_.steps.back().out); }
  parameter_list const& parameters() const { return list_; }
  layer_store& store() { return store_; }

  void forward(thread_pool& threads) {
    for (tensor_pair& t : tensors_) t.written = false;
    for (layer const& l : layers_) l.forward(threads);
  }
  void backward(thread_pool& threads) {
    for (std::size_t i = layers_.size(); i-- > 0;) layers_[i].backward(threads);
  }
  void finish() {
    for (int id = 0; id < net_.nodes.count(); ++id)
      if (net_.nodes[id].kind == op::dense)
        array(id, ".weight") = with_columns(columns::counted, net_, id, array(id, ".weight"));
  }

private:
  using function = std::function<void(thread_pool&)>;
  struct layer {
    function forward, backward;
  };

  std::vector<f32>& array(int id, char const* suffix) {
    return weights_.at(net_.name(id) + suffix);
  }
  tensor_pair parameter(int id, char const* suffix) {
    std::vector<f32>& value = array(id, suffix);
    index_t const size = static_cast<index_t>(value.size());
    f32* const diff = store_.array<f32>(size);
    list_.add(net_.name(id) + suffix, value, {diff, value.size()});
    return {value.data(), diff, size};
  }
  /// Relu and sums change what their first source gave, a flatten leaves it as it is.
  static bool in_place(graph::node const& n) { return n.kind->in_place || n.kind->moves; }
  tensor_pair* tensor(int id) {
    while (in_place(net_.nodes[id])) id = net_.nodes[id].inputs[0];
    return &tensors_[at(id)];
  }
  void add(function forward, function backward) {
    layers_.push_back({std::move(forward), std::move(backward)});
  }

  void add_conv(int id, tensor_pair* x, tensor_pair* y) {
    conv_shape const s = net_.conv_of(id);
    std::vector<f32> const& weights = array(id, ".weight");
    conv_backward_options const limits{batch_, workers_};
    auto* const plan = store_.keep(conv<I, f32, f32, f32>(s, weights, {batch_, workers_}));
    auto* const by_weights = store_.keep(conv_backward_weights<I>(s, limits));
    auto* const by_src = store_.keep(conv_backward_src<I>(s, limits));
    tensor_pair const w = parameter(id, ".weight");
    tensor_pair const b = net_.nodes[id].attributes.bias ? parameter(id, ".bias") : tensor_pair{};
    add([=, this, &weights](thread_pool& threads) {
          plan->set_weights(weights); // of this step
          workspace_view const scratch = store_.scratch();
          chain const bias{add_bias{b.value}};
          if (b.value) plan->run(batch_, x->value, y->value, bias, scratch, threads);
          else plan->run(batch_, x->value, y->value, chain<>{}, scratch, threads);
        },
        [=, this](thread_pool& threads) {
          by_weights->run({.batch = batch_,
                           .src = x->value,
                           .diff_dst = y->diff,
                           .diff_weights = write_to(w.diff),
                           .diff_bias = write_to(b.diff)},
                          store_.scratch(), threads);
          by_src->run(batch_, y->diff, w.value, x->request(), store_.scratch(), threads);
        });
  }

  void add_norm(int id, tensor_pair* x, tensor_pair* y) {
    graph::node const& n = net_.nodes[id];
    index_t const channels = n.shape.last(), rows = batch_ * n.shape.item() / channels;
    auto* const plan = store_.keep(
        batch_norm_training<I>({.channels = channels, .epsilon = n.attributes.epsilon}));
    f32* const statistics = store_.array<f32>(2 * channels); // of this batch
    tensor_pair const scale = parameter(id, ".weight"), shift = parameter(id, ".bias");
    batch_norm_state const state{.gamma = scale.value,
                                 .beta = shift.value,
                                 .running_mean = array(id, ".running_mean").data(),
                                 .running_variance = array(id, ".running_var").data(),
                                 .mean = statistics,
                                 .inv_std = statistics + channels};
    add([=, this](thread_pool& threads) {
          plan->forward(rows, x->value, y->value, state, store_.scratch(), threads);
        },
        [=, this](thread_pool& threads) {
          plan->backward({.rows = rows,
                          .src = x->value,
                          .diff_dst = y->diff,
                          .diff_src = x->request(),
                          .diff_gamma = write_to(scale.diff),
                          .diff_beta = write_to(shift.diff)},
                         state, store_.scratch(), threads);
        });
  }

  void add_dense(int id, tensor_pair* x, tensor_pair* y) {
    index_t const inputs = net_.size(net_.nodes[id].inputs[0]);
    auto* const plan = store_.keep(dense_training<I>({inputs, net_.size(id), batch_}, workers_));
    array(id, ".weight") = with_columns(columns::in_memory, net_, id, array(id, ".weight"));
    tensor_pair const w = parameter(id, ".weight"), b = parameter(id, ".bias");
    add([=, this](thread_pool& threads) {
          plan->forward(batch_, x->value, w.value, b.value, y->value, store_.scratch(), threads);
        },
        [=, this](thread_pool& threads) {
          plan->backward({.rows = batch_,
                          .src = x->value,
                          .diff_dst = y->diff,
                          .weights = w.value,
                          .diff_src = x->request(),
                          .diff_weights = write_to(w.diff),
                          .diff_bias = write_to(b.diff)},
                         store_.scratch(), threads);
        });
  }

  void add_pool(int id, tensor_pair* x, tensor_pair* y) {
    pool_shape const s = net_.pool_of(id);
    auto* const plan = store_.keep(pool<I, f32>(pool_kind::max, s));
    auto* const back = store_.keep(max_pool_backward({s.channels, s.in, s.win}));
    s32* const index = store_.array<s32>(y->size);
    add([=, this](thread_pool& threads) {
          plan->run_with_indices(batch_, x->value, y->value, index, threads);
        },
        [=, this](thread_pool& threads) {
          back->run(batch_, index, y->diff, x->request(), threads);
        });
  }

  void add_relu(tensor_pair* y) {
    add([=](thread_pool& threads) { eval(y->view(), relu(y->view()), threads); },
        [=](thread_pool& threads) {
          gradient const to = write_to(y->diff);
          activation_backward<I>(y->size, y->value, y->diff, to, slope::relu{}, threads);
        });
  }

  /// A sum hands its gradient to both operands; that of the first lies where it should.
  void add_sum(tensor_pair* x, tensor_pair* y) {
    add([=](thread_pool& threads) { eval(y->view(), y->view() + x->view(), threads); },
        [=](thread_pool& threads) {
          auto const same = [](auto, auto diff) noexcept { return diff; };
          activation_backward<I>(y->size, y->value, y->diff, x->request(), same, threads);
        });
  }

  network const& net_;
  named_arrays& weights_;
  index_t batch_;
  int workers_;
  std::vector<tensor_pair> tensors_; // of each node; none of those in place
  parameter_list list_;
  layer_store store_;
  std::vector<layer> layers_;
};

} // namespace demo

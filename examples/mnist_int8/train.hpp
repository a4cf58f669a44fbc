// SPDX-License-Identifier: Apache-2.0
//
// Training in f32: the nodes of a network, as they were written, become layers that run forward,
// and backward hand the gradient of what they give on to what they read and to their weights.
#pragma once

#include "report.hpp"

#include <ia_nn/int8/quantize.hpp>
#include <ia_nn/io/safetensors_write.hpp>
#include <ia_nn/ops/elementwise.hpp>
#include <ia_nn/ops/expr_activation.hpp>
#include <ia_nn/ops/move.hpp>
#include <ia_nn/train/train.hpp>

#include <cmath>
#include <numeric>
#include <random>

namespace demo {

namespace op = ia_nn::graph::op;

/// Weights, or what a node gives for a batch, with the gradient.
struct tensor {
  aligned_array<f32> memory{};
  f32 *value = nullptr, *diff = nullptr;
  index_t size = 0;
  bool written = false; ///< somebody has written the gradient in this step

  tensor() = default;
  explicit tensor(index_t n) : memory(2 * n), value(memory.data()), diff(value + n), size(n) {}
  tensor_view<f32, shape<dyn>> view() const { return {value, shape<dyn>(size)}; }
  std::span<f32> values() const { return {value, static_cast<std::size_t>(size)}; }
  /// Whoever reads a value writes its gradient, or adds to what others have written.
  gradient wanted() { return {diff, std::exchange(written, true)}; }
};

struct train_options {
  index_t epochs = 2, batch = 64;
  double learning_rate = 1e-3;
  std::uint64_t seed = 1;
};

class trainer {
  using I = isa::native;
  using function = std::function<void()>;

public:
  /// Weights begin within +- sqrt(6 / inputs of a filter) (He et al., arXiv 1502.01852), biases
  /// with 0; norms change nothing.
  trainer(graph::draft const& nodes, train_options const& o, thread_pool& threads)
      : nodes_(nodes), o_(o), threads_(threads), random_(o.seed), tensors_(nodes.nodes.size()) {
    each_weight([&](graph::node const& n, auto suffix, std::string const& name, auto const& shape) {
      index_t size = 1;
      for (index_t const extent : shape) size *= extent;
      tensor const& w = weights_[name] = tensor(size);
      bool const norm = n.kind == op::batch_norm, factor = suffix == ".weight";
      double const bound = std::sqrt(6 / static_cast<double>(size / shape[0]));
      auto const any = [&] { return static_cast<double>(random_() >> 11) * 0x1p-52 - 1; };
      for (f32& x : w.values())
        if (norm) x = factor || suffix == ".running_var" ? 1.0F : 0.0F;
        else if (factor) x = static_cast<f32>(bound * any());
      if (!suffix.starts_with(".running")) list_.add(name, w.values(), {w.diff, w.values().size()});
    });
    for (int id = 0; id < nodes.count(); ++id) add_layer(id, tensors_.data() + id);
    loss_ = keep(cross_entropy<I>(
        {.classes = 10, .max_rows = o.batch, .workers = threads.concurrency()}));
  }
  trainer(trainer const&) = delete; // the layers refer to it
  trainer& operator=(trainer const&) = delete;

  /// Adam, in a new order each epoch, with a rate that falls to zero along half a cosine. Images
  /// that fill no batch are left out. The same bits for any number of threads.
  void run(image_set const& images) {
    adam<I> optimizer(list_.elements(), {.learning_rate = o_.learning_rate});
    index_t const batches = images.count / o_.batch, steps = o_.epochs * batches;
    std::vector<index_t> order(images.labels.size());
    std::iota(order.begin(), order.end(), 0);
    progress_bar bar{steps, o_.batch};
    for (index_t step = 0; step < steps; ++step) {
      if (step % batches == 0) std::shuffle(order.begin(), order.end(), random_);
      double const done = static_cast<double>(step) / static_cast<double>(steps);
      optimizer.set_learning_rate(o_.learning_rate * 0.5 * (1 + std::cos(3.14159265358979 * done)));
      f32 const loss = gradients(images, order.data() + step % batches * o_.batch);
      optimizer.step(list_, threads_);
      bar.show(step + 1, loss);
    }
  }
  void save(std::string const& path) const {
    std::vector<safetensors_entry> all;
    each_weight([&](auto const&, auto, std::string const& name, auto const& shape) {
      all.push_back(make_safetensors_entry<f32>(name, weights_.at(name).values(), shape));
    });
    save_safetensors(path, all);
  }

private:
  template <class F> void each_weight(F const& f) const {
    graph::for_each_weight(nodes_, nodes_.count(), f);
  }
  /// Gives the mean loss of the images of these numbers.
  f32 gradients(image_set const& images, index_t const* chosen) {
    std::vector<u8> labels;
    for (index_t i = 0, n = tensors_[0].size / o_.batch; i < o_.batch; ++i) {
      dequantize<I>(n, images.image(chosen[i]).data(), tensors_[0].value + i * n, {1.0F / 255, 0});
      labels.push_back(images.labels[static_cast<std::size_t>(chosen[i])]);
    }
    for (tensor& t : tensors_) t.written = false;
    for (auto const& [forward, backward] : layers_) forward();
    cross_entropy_call<u8> call{.rows = o_.batch, .src = logits_->value, .labels = labels.data()};
    f32 loss = 0;
    call.loss = &loss, call.diff_src = logits_->wanted();
    loss_->run(call, scratch_, threads_);
    for (auto l = layers_.rbegin(); l != layers_.rend(); ++l) l->second();
    return loss;
  }
  template <class Plan> std::shared_ptr<Plan> keep(Plan plan) {
    if (plan.workspace_bytes() > scratch_.size()) scratch_ = workspace(plan.workspace_bytes());
    return std::make_shared<Plan>(std::move(plan));
  }
  void add(function forward, function backward) {
    layers_.emplace_back(std::move(forward), std::move(backward));
  }

  /// Node id, which writes y.
  void add_layer(int id, tensor* y) {
    graph::node const& n = nodes_[id];
    index_t const batch = o_.batch;
    *y = tensor(batch * n.shape.item());
    if (n.kind == op::input) y->diff = nullptr; // nobody wants it
    if (n.kind == op::input) return;
    tensor* const x = tensors_.data() + n.inputs[0];
    graph::dims const& in = nodes_[n.inputs[0]].shape;
    index_t const channels = in.last(), pixels = in.item() / channels;
    spatial const image{1, in.rank == 4 ? in[1] : 1, in.rank == 4 ? in[2] : 1};
    int const workers = threads_.concurrency();
    std::string const name(n.name.view()); // weights that a node has not are without memory
    tensor *const w = &weights_[name + ".weight"], *const b = &weights_[name + ".bias"];
    if (n.kind == op::conv) {
      graph::attribute_set const& a = n.attributes;
      conv_shape const s{channels, a.filters, a.groups, image, a.win};
      std::span<f32 const> const filters = w->values();
      auto const plan = keep(conv<I, f32, f32, f32>(s, filters, {batch, workers}));
      auto const for_weights = keep(conv_backward_weights<I>(s, {batch, workers}));
      auto const for_src = keep(conv_backward_src<I>(s, {batch, workers}));
      add([=, this] {
            auto const run = [&](auto const& epilogue) {
              plan->run(batch, x->value, y->value, epilogue, scratch_, threads_);
            };
            plan->set_weights(filters); // of this step
            if (b->value) run(chain{add_bias{b->value}});
            else run(chain<>{});
          },
          [=, this] {
            for_weights->run({batch, x->value, y->diff, write_to(w->diff), write_to(b->diff)},
                             scratch_, threads_);
            for_src->run(batch, y->diff, w->value, x->wanted(), scratch_, threads_);
          });
    } else if (n.kind == op::batch_norm) {
      auto const plan = keep(batch_norm_training<I>({channels, n.attributes.epsilon}));
      auto const found = std::make_shared<tensor>(channels); // the batch's mean and 1 / deviation
      batch_norm_state const s{w->value, b->value, weights_[name + ".running_mean"].value,
                               weights_[name + ".running_var"].value, found->value, found->diff};
      index_t const rows = batch * pixels;
      add([=, this] { plan->forward(rows, x->value, y->value, s, scratch_, threads_); },
          [=, this, keep = found] {
            plan->backward({rows, x->value, y->diff, x->wanted(), write_to(w->diff),
                            write_to(b->diff)},
                           s, scratch_, threads_);
          });
    } else if (n.kind == op::dense) {
      auto const plan = keep(dense_training<I>({channels, n.shape.last(), batch}, workers));
      add([=, this] {
            plan->forward(batch, x->value, w->value, b->value, y->value, scratch_, threads_);
          },
          [=, this] {
            plan->backward({batch, x->value, y->diff, w->value, x->wanted(), write_to(w->diff),
                            write_to(b->diff)},
                           scratch_, threads_);
          });
    } else if (n.kind == op::max_pool) {
      pool_shape const s{channels, image, n.attributes.win};
      auto const plan = std::make_shared<pool<I, f32>>(pool_kind::max, s);
      auto const index = std::make_shared<aligned_array<s32>>(y->size);
      max_pool_backward const back({s.channels, s.in, s.win});
      add([=, this] {
            plan->run_with_indices(batch, x->value, y->value, index->data(), threads_);
          },
          [=, this] { back.run(batch, index->data(), y->diff, x->wanted(), threads_); });
    } else if (n.kind == op::reshape) { // PyTorch's flatten, which counts channel by channel
      add([=] { to_channels_first<I>(batch, channels, pixels, x->value, y->value); },
          [=] { to_channels_last<I>(batch, channels, pixels, y->diff, x->wanted().data); });
    } else if (n.kind == op::activation) {
      add([=, this] { eval(y->view(), relu(x->view()), threads_); },
          [=, this] {
            gradient const to = x->wanted();
            activation_backward<I>(y->size, y->value, y->diff, to, slope::relu{}, threads_);
          });
    } else if (n.kind == op::add) {
      tensor* const z = tensors_.data() + n.inputs[1];
      auto const same = [](auto, auto diff) noexcept { return diff; };
      add([=, this] { eval(y->view(), x->view() + z->view(), threads_); },
          [=, this] {
            for (tensor* const t : {x, z})
              activation_backward<I>(y->size, y->value, y->diff, t->wanted(), same, threads_);
          });
    } else if (n.kind == op::output) {
      logits_ = x;
    } else {
      throw error(errc::bad_parameter, "the demo does not train '" + name + "'");
    }
  }

  graph::draft nodes_;
  train_options o_;
  thread_pool& threads_;
  std::mt19937_64 random_;
  std::map<std::string, tensor> weights_;
  std::vector<tensor> tensors_; ///< of each node
  tensor* logits_ = nullptr;
  parameter_list list_;
  workspace scratch_;
  std::vector<std::pair<function, function>> layers_; ///< forward, backward
  std::shared_ptr<cross_entropy<I>> loss_;
};

} // namespace demo

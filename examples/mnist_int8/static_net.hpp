// SPDX-License-Identifier: Apache-2.0
//
// The network in 8 bits, with ranges that calibration found: u8 from the image to the last layer,
// which gives f32. Every tensor behind a relu is a u8 with zero point 0; bias, sum, relu and the
// conversion to the next tensor's scale are the epilogue of the product.
#pragma once

#include "classifier.hpp"

#include <ia_nn/int8/conv.hpp>
#include <ia_nn/int8/dense.hpp>
#include <ia_nn/ops/pool.hpp>

#include <optional>

namespace demo {

template <isa::tag I> class static_net final : public classifier {
  struct stage {
    layer what;
    std::optional<quantized_conv<I, u8, u8>> conv_plan;
    std::optional<pool<I, u8>> pool_plan;
    std::optional<quantized_dense<I, u8, u8>> dense_plan;
    std::optional<quantized_dense<I, u8, f32>> last_plan;
  };

public:
  static_net(network const& n, parameters const& p, std::vector<value_range> const& ranges,
             run_options const& o) {
    index_t bytes = 0;
    auto const count = [&bytes](auto const& plan) {
      bytes = max_of(bytes, plan.workspace_bytes());
    };
    for (std::size_t i = 0; i < n.layers.size(); ++i) {
      layer const& l = n.layers[i];
      conv_shape const& s = l.shape;
      stage& to = stages_.emplace_back(stage{l, {}, {}, {}, {}});
      tensors_.emplace_back(o.max_batch * l.outputs());
      if (l.what == kind::max_pool) {
        to.pool_plan.emplace(pool_kind::max, pool_shape{s.channels, s.in, s.win});
        continue;
      }
      bool const last = i + 1 == n.layers.size();
      quantized_options q{
          .src = quantization_of<u8>(ranges[i]), .max_rows = o.max_batch, .workers = o.workers};
      if (!last) q.dst = quantization_of<u8>(ranges[i + 1]);
      if (l.add >= 0) q.residual = quantization_of<u8>(ranges[static_cast<std::size_t>(l.add)]);
      if (l.relu) q = q.with_relu();
      bool const dense = l.what == kind::dense;
      quantized_weights const w = quantize_weights(
          dense ? channels_last(l, p[i].weight) : p[i].weight, s.filters, p[i].bias, q.src.scale);
      if (!dense) count(to.conv_plan.emplace(s, w, q));
      else if (!last) count(to.dense_plan.emplace(w, q));
      else count(to.last_plan.emplace(w, q));
    }
    scratch_ = workspace(bytes);
  }

  void run(index_t batch, u8 const* images, f32* logits, thread_pool& threads) override {
    u8 const* src = images;
    for (std::size_t i = 0; i < stages_.size(); ++i) {
      stage const& s = stages_[i];
      u8* const dst = tensors_[i].data();
      if (s.last_plan) s.last_plan->run(batch, src, logits, scratch_, threads);
      else if (s.dense_plan) s.dense_plan->run(batch, src, dst, scratch_, threads);
      else if (s.pool_plan) s.pool_plan->run(batch, src, dst, threads);
      else if (s.what.add < 0) s.conv_plan->run(batch, src, dst, scratch_, threads);
      else s.conv_plan->run_add(batch, src, tensor(s.what.add), dst, scratch_, threads);
      src = dst;
    }
  }

private:
  /// What layer i - 1 wrote.
  u8 const* tensor(int i) const { return tensors_[static_cast<std::size_t>(i - 1)].data(); }

  std::vector<stage> stages_;
  std::vector<aligned_array<u8>> tensors_; // behind each layer
  workspace scratch_;
};

} // namespace demo

// SPDX-License-Identifier: Apache-2.0
//
// The network with 8-bit products and no calibration: tensors are f32, and what a convolution reads
// is quantized with the range that it has in this call. Dense layers find a range for each row.
#pragma once

#include "classifier.hpp"

#include <ia_nn/int8/dynamic_dense.hpp>
#include <ia_nn/math/activation.hpp>
#include <ia_nn/ops/conv.hpp>
#include <ia_nn/ops/pool.hpp>

#include <algorithm>
#include <cmath>
#include <optional>

namespace demo {

template <isa::tag I> class dynamic_net final : public classifier {
  struct stage {
    layer what;
    std::vector<f32> bias;
    aligned_array<f32> weight_scale{}, factor{}; // factor = weight_scale * scale of the source
    aligned_array<s32> steps{};                  // the bias in units of factor
    std::optional<conv<I, u8, s8, f32>> conv_plan{};
    std::optional<pool<I, f32>> pool_plan{};
    std::optional<dynamic_dense<I>> dense_plan{};
  };

public:
  dynamic_net(network const& n, parameters const& p, run_options const& o) {
    index_t bytes = 0, most = 0;
    for (std::size_t i = 0; i < n.layers.size(); ++i) {
      layer const& l = n.layers[i];
      conv_shape const& s = l.shape;
      stage& to = stages_.emplace_back(stage{l, p[i].bias});
      tensors_.emplace_back(o.max_batch * l.outputs());
      if (l.what == kind::max_pool) {
        to.pool_plan.emplace(pool_kind::max, pool_shape{s.channels, s.in, s.win});
      } else if (l.what == kind::dense) {
        quantized_weights const w = quantize_weights(channels_last(l, p[i].weight), s.filters);
        to.dense_plan.emplace(w, p[i].bias, dynamic_options{o.max_batch, o.workers});
        bytes = max_of(bytes, to.dense_plan->workspace_bytes());
      } else {
        quantized_weights w = quantize_weights(p[i].weight, s.filters);
        std::span<s8 const> const values(w.values.begin(), w.values.end());
        to.conv_plan.emplace(s, values, conv_options{o.max_batch, o.workers});
        to.weight_scale = std::move(w.scales);
        to.factor = aligned_array<f32>(s.filters);
        to.steps = aligned_array<s32>(s.filters);
        bytes = max_of(bytes, to.conv_plan->workspace_bytes());
        most = max_of(most, o.max_batch * l.inputs());
      }
    }
    quantized_ = aligned_array<u8>(most);
    scratch_ = workspace(bytes);
  }

  void run(index_t batch, u8 const* images, f32* logits, thread_pool& threads) override {
    for (std::size_t i = 0; i < stages_.size(); ++i) {
      stage& s = stages_[i];
      layer const& l = s.what;
      f32 const* const src = i == 0 ? nullptr : tensors_[i - 1].data();
      f32* const dst = i + 1 == stages_.size() ? logits : tensors_[i].data();
      if (s.pool_plan) s.pool_plan->run(batch, src, dst, threads);
      else if (s.conv_plan) run_conv(s, batch, i == 0 ? images : nullptr, src, dst, threads);
      else if (l.relu)
        s.dense_plan->run(batch, src, l.inputs(), dst, l.outputs(), activation::relu{}, scratch_,
                          threads);
      else s.dense_plan->run(batch, src, l.inputs(), dst, l.outputs(), scratch_, threads);
    }
  }

private:
  // The source is `images`, or src if that is null.
  void run_conv(stage& s, index_t batch, u8 const* images, f32 const* src, f32* dst,
                thread_pool& threads) {
    quantization q{1.0F / 255, 0};
    if (!images) // nothing is negative behind a relu: the zero point is 0
      q = quantize_dynamic<I>(batch * s.what.inputs(), src, quantized_.data(), scheme::asymmetric,
                              threads);
    for (index_t f = 0; f < s.factor.size(); ++f) {
      s.factor[f] = q.scale * s.weight_scale[f];
      f32 const steps = s.bias[static_cast<std::size_t>(f)] / s.factor[f];
      s.steps[f] = static_cast<s32>(std::nearbyint(std::clamp(steps, -0x1p30F, 0x1p30F)));
    }
    u8 const* const a = images ? images : quantized_.data();
    add_bias const bias{s.steps.data()}; // exact, on the s32 sums
    scale_columns const real{s.factor.data()};
    activation::relu const relu;
    if (s.what.add < 0) {
      s.conv_plan->run(batch, a, dst, chain{bias, real, relu}, scratch_, threads);
    } else {
      f32 const* const other = tensors_[static_cast<std::size_t>(s.what.add - 1)].data();
      add_residual const sum{other, s.what.shape.filters};
      s.conv_plan->run(batch, a, dst, chain{bias, real, sum, relu}, scratch_, threads);
    }
  }

  std::vector<stage> stages_;
  std::vector<aligned_array<f32>> tensors_; // behind each layer
  aligned_array<u8> quantized_;
  workspace scratch_;
};

} // namespace demo

// SPDX-License-Identifier: Apache-2.0
//
// The network with 8-bit products and no calibration: tensors are f32, and what a convolution reads
// is quantized with the range that it has in this call. Dense layers find a range for each row.
#pragma once

#include "classifier.hpp"

#include <ia_nn/int8/dynamic_dense.hpp>
#include <ia_nn/math/activation.hpp>
#include <ia_nn/ops/conv.hpp>

#include <algorithm>
#include <cmath>

namespace demo {

template <isa::tag I> class dynamic_net final : public step_net {
public:
  dynamic_net(network const& n, graph::weights_source auto const& w, run_options const& o)
      : step_net(n, o.max_batch) {
    std::vector<f32*> const tensors = tensors_of<f32>(n, o.max_batch);
    for (graph::step const& s : n.steps) {
      f32 const* const x = tensors[at(s.inputs[0])]; // none for the images
      f32* const y = tensors[at(s.out)];
      if (s.kind == op::max_pool) {
        add_pool<I>(n.pool_of(s.anchor), x, y);
        continue;
      }
      filters const f = filters_of(n, s, w);
      quantized_weights q = quantize_weights(f.weight, n.nodes[s.anchor].shape.last());
      if (s.kind == op::dense) {
        add_dense(dynamic_dense<I>(q, f.bias, {o.max_batch, o.workers}), has_relu(s), x, y);
        continue;
      }
      std::span<s8 const> const values(q.values.begin(), q.values.end());
      conv_plan p{{n.conv_of(s.anchor), values, {o.max_batch, o.workers}},
                  f.bias,
                  std::move(q.scales),
                  aligned_array<f32>(q.filters),
                  aligned_array<s32>(q.filters),
                  aligned_array<u8>(x ? o.max_batch * n.size(s.inputs[0]) : 0)};
      add_conv(std::move(p), x, shortcut_of(s) < 0 ? nullptr : tensors[at(shortcut_of(s))], y);
    }
  }

private:
  struct conv_plan {
    conv<I, u8, s8, f32> product;
    std::vector<f32> bias;
    aligned_array<f32> weight_scale, factor; // factor = weight_scale * scale of the source
    aligned_array<s32> steps;                // the bias in units of factor
    aligned_array<u8> quantized;             // the source
    index_t workspace_bytes() const { return product.workspace_bytes(); }
    void set_scale(f32 scale) {
      for (index_t f = 0; f < factor.size(); ++f) {
        factor[f] = scale * weight_scale[f];
        f32 const b = bias[at(f)] / factor[f];
        steps[f] = static_cast<s32>(std::nearbyint(std::clamp(b, -0x1p30F, 0x1p30F)));
      }
    }
  };

  void add_dense(dynamic_dense<I> p, bool relu, f32 const* x, f32* y) {
    auto* const plan = store_.keep(std::move(p));
    add([=, this, k = plan->k(), m = plan->n()](index_t batch, thread_pool& threads) {
      workspace_view const scratch = store_.scratch();
      if (relu) plan->run(batch, x, k, y, m, activation::relu{}, scratch, threads);
      else plan->run(batch, x, k, y, m, scratch, threads);
    });
  }
  void add_conv(conv_plan p, f32 const* x, f32 const* other, f32* y) {
    auto* const plan = store_.keep(std::move(p));
    add([=, this](index_t batch, thread_pool& threads) {
      conv_shape const& s = plan->product.shape();
      quantization q{1.0F / 255, 0}; // of the images
      u8* const bytes = x ? plan->quantized.data() : images_;
      if (x) // nothing is negative behind a relu: the zero point is 0
        q = quantize_dynamic<I>(batch * s.in.size() * s.channels, x, bytes, scheme::asymmetric,
                                threads);
      plan->set_scale(q.scale);
      add_bias const bias{plan->steps.data()}; // exact, on the s32 sums
      scale_columns const real{plan->factor.data()};
      activation::relu const relu;
      workspace_view const scratch = store_.scratch();
      if (!other) {
        plan->product.run(batch, bytes, y, chain{bias, real, relu}, scratch, threads);
      } else {
        add_residual const sum{other, s.filters};
        plan->product.run(batch, bytes, y, chain{bias, real, sum, relu}, scratch, threads);
      }
    });
  }
};

} // namespace demo

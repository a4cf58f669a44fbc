// SPDX-License-Identifier: Apache-2.0
//
// The network in 8 bits, with ranges that calibration found: u8 from the image to the last layer,
// which gives f32. Every tensor behind a relu is a u8 with zero point 0; bias, sum, relu and the
// conversion to the next tensor's scale are the epilogue of the product.
#pragma once

#include "classifier.hpp"

#include <ia_nn/int8/conv.hpp>
#include <ia_nn/int8/dense.hpp>

namespace demo {

template <isa::tag I> class static_net final : public step_net {
public:
  /// One range for each node.
  static_net(network const& n, graph::weights_source auto const& w,
             std::vector<value_range> const& ranges, run_options const& o)
      : step_net(n, o.max_batch) {
    std::vector<u8*> const tensors = tensors_of<u8>(n, o.max_batch);
    auto const scale = [&](int id) { return quantization_of<u8>(ranges[at(id)]); };
    for (graph::step const& s : n.steps) {
      u8 const* const x = tensors[at(s.inputs[0])];
      u8* const y = tensors[at(s.out)];
      if (s.kind == op::max_pool) {
        add_pool<I>(n.pool_of(s.anchor), x, y);
        continue;
      }
      bool const last = &s == &n.steps.back();
      int const other = shortcut_of(s);
      quantized_options q{
          .src = scale(s.inputs[0]), .max_rows = o.max_batch, .workers = o.workers};
      if (!last) q.dst = scale(s.out);
      if (other >= 0) q.residual = scale(other);
      if (has_relu(s)) q = q.with_relu();
      filters const f = filters_of(n, s, w);
      auto const weights =
          quantize_weights(f.weight, n.nodes[s.anchor].shape.last(), f.bias, q.src.scale);
      u8 const* const z = other < 0 ? nullptr : tensors[at(other)];
      if (s.kind == op::conv)
        add_layer(quantized_conv<I, u8, u8>(n.conv_of(s.anchor), weights, q), x, y, z);
      else if (!last) add_layer(quantized_dense<I, u8, u8>(weights, q), x, y);
      else add_layer(quantized_dense<I, u8, f32>(weights, q), x, logits_);
    }
  }

private:
  template <class Plan, class T> void add_layer(Plan p, u8 const* x, T* y, u8 const* z = nullptr) {
    auto* const plan = store_.keep(std::move(p));
    add([=, this](index_t batch, thread_pool& threads) {
      if (z) plan->run_add(batch, x, z, y, store_.scratch(), threads);
      else plan->run(batch, x, y, store_.scratch(), threads);
    });
  }
};

} // namespace demo

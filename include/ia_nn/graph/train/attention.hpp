// SPDX-License-Identifier: Apache-2.0
//
// Training of attention: in f32, whatever the other layers multiply.
#pragma once

#include <ia_nn/graph/kernels/attention.hpp>
#include <ia_nn/graph/train/kernel.hpp>
#include <ia_nn/train/attention.hpp>

#include <ia_nn/begin.hpp>
namespace graph {

template <training_id K, isa::tag I>
  requires(K.op == op::attention.id)
struct training_kernel<K, native_kernels<I>> : plain_training {
  explicit training_kernel(training_layer const& l)
      : mask_(detail::attention_mask(l.layer)), lengths_(detail::attention_lengths(l.layer)), layer_(shape_of(l), options_of(l)) {
    if (mask_ < 0) return;
    detail::mask_distances const d(l.source(mask_));
    call_.mask_item = d.item, call_.mask_head = d.head, call_.mask_query = d.query;
  }
  index_t workspace_bytes() const noexcept { return layer_.workspace_bytes(); }
  void forward(training_call const& c) const noexcept { layer_.forward(call(c), c.scratch, *c.executor); }
  void backward(training_call const& c) const noexcept {
    gradient to[4];
    for (int k = 0; k < 4; ++k) {
      to[k] = k < 3 || mask_ == k ? c.diff_sources[k] : not_wanted;
      for (int before = 0; before < k && before < 3; ++before) // gradients of one value are cleared once
        if (to[k] && to[k].data == to[before].data) to[k].add = true;
    }
    layer_.backward({.forward = call(c), .diff_dst = c.diff_result, .diff_q = to[0], .diff_k = to[1], .diff_v = to[2], .diff_mask = to[3]},
                    c.scratch, *c.executor);
  }

private:
  attention_call<f32> call(training_call const& c) const noexcept {
    attention_call<f32> to = call_;
    to.batch = c.images(), to.q = c.source(0), to.k = c.source(1), to.v = c.source(2), to.dst = c.result;
    if (mask_ >= 0) to.mask = c.source(mask_);
    if (lengths_ >= 0) to.lengths = c.template source<s32>(lengths_);
    return to;
  }
  static attention_shape shape_of(training_layer const& l) {
    index_t const heads = l.attributes().heads;
    return {heads, l.source(0)[1], l.source(2)[1], l.source(0)[2] / heads, l.source(2)[2] / heads};
  }
  static attention_options options_of(training_layer const& l) {
    return {.causal = l.attributes().causal, .scale = l.attributes().a, .max_batch = l.images(l.source()), .workers = l.workers};
  }

  int mask_, lengths_;
  attention_call<f32> call_{};
  attention_training<detail::isa_of_f32<I>> layer_;
};

} // namespace graph
IA_NN_END

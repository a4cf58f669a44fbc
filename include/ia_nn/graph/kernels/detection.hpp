// SPDX-License-Identifier: Apache-2.0
//
// What detectors end with.
#pragma once

#include <ia_nn/graph/kernels/kernel.hpp>
#include <ia_nn/graph/layers/detection.hpp>
#include <ia_nn/ops/detection/decode.hpp>
#include <ia_nn/ops/detection/roi.hpp>
#include <ia_nn/ops/detection/suppression.hpp>

#include <ia_nn/begin.hpp>
namespace graph {

template <kernel_id K, isa::tag I>
  requires(K.op == op::decode_boxes.id)
struct kernel<K, native_kernels<I>> : plain_kernel {
  using store = box_decoder<detail::isa_of_f32<I>>;
  static store load(kernel_loader& l) {
    attribute_set const& a = l.layer.attributes;
    return store({.boxes = l.source[1], .classes = l.source.last() / 4,
                  .variances = {a.alpha, a.alpha, a.beta, a.beta}, .most_growth = a.number,
                  .image_height = a.b, .image_width = a.a});
  }
  template <class E> static void run(store const& s, step_call const& c, E& e) noexcept {
    s.run(c.batch(), c.source(), c.source(1), true, c.result(), e);
  }
};

template <kernel_id K, isa::tag I>
  requires(K.op == op::suppress.id)
struct kernel<K, native_kernels<I>> : plain_kernel {
  using store = suppression<detail::isa_of_f32<I>>;
  static store load(kernel_loader& l) {
    attribute_set const& a = l.layer.attributes;
    index_t const classes = l.plan.nodes[l.what().inputs[1]].shape.last();
    store made({.boxes = l.source[1], .classes = classes, .boxes_of_classes = l.source.last() != 4,
                .background = a.passed_over, .score_threshold = a.a, .iou_threshold = a.b,
                .candidates = a.limits[0], .per_class = a.limits[1], .detections = a.limits[2]},
               l.max_batch, l.workers);
    l.scratch = made.workspace_bytes();
    return made;
  }
  template <class E> static void run(store const& s, step_call const& c, E& e) noexcept {
    s.run({.batch = c.batch(), .boxes = c.source(), .scores = c.source(1), .rows = c.result()}, c.scratch, e);
  }
};

template <kernel_id K, isa::tag I>
  requires(K.op == op::roi_pool.id || K.op == op::roi_align.id)
struct kernel<K, native_kernels<I>> : plain_kernel {
  struct store {
    roi_pooling<detail::isa_of_f32<I>> layer;
    index_t boxes; ///< of an image
  };
  static store load(kernel_loader& l) {
    attribute_set const& a = l.layer.attributes;
    roi_shape const s{.channels = l.source.last(), .height = l.source[1], .width = l.source[2],
                      .out_height = l.layer.shape[2], .out_width = l.layer.shape[3], .scale = a.number,
                      .sampling = a.sampling, .aligned = a.aligned};
    return {roi_pooling<detail::isa_of_f32<I>>(K.op == op::roi_pool.id ? roi_kind::max : roi_kind::align, s),
            l.layer.shape[1]};
  }
  template <class E> static void run(store const& s, step_call const& c, E& e) noexcept {
    s.layer.run({.count = c.batch() * s.boxes, .src = c.source(), .boxes = c.source(1), .per_image = s.boxes,
                 .dst = c.result()},
                e);
  }
};

} // namespace graph
IA_NN_END

// SPDX-License-Identifier: Apache-2.0
//
// Training of what changes the size of images.
#pragma once

#include <ia_nn/graph/layers/resize.hpp>
#include <ia_nn/graph/train/move.hpp>
#include <ia_nn/ops/pixel_shuffle.hpp>
#include <ia_nn/train/resize.hpp>

#include <ia_nn/begin.hpp>
namespace graph {

template <training_id K, isa::tag I>
  requires(K.op == op::resize_nearest.id)
struct training_kernel<K, native_kernels<I>> : plain_training {
  explicit training_kernel(training_layer const& l)
      : forward_(4, detail::resize_shape_of(l.layer, l.source()), l.attributes().rounding),
        backward_(detail::resize_shape_of(l.layer, l.source()), l.attributes().rounding) {}
  void forward(training_call const& c) const noexcept { forward_.run(c.images(), c.source(), c.result, *c.executor); }
  void backward(training_call const& c) const noexcept {
    backward_.run(c.images(), c.diff_result, c.diff_sources[0], *c.executor);
  }

private:
  ::ia_nn::resize_nearest forward_;
  resize_nearest_backward<detail::isa_of_f32<I>> backward_;
};

template <training_id K, isa::tag I>
  requires(K.op == op::resize_linear.id)
struct training_kernel<K, native_kernels<I>> : plain_training {
  explicit training_kernel(training_layer const& l)
      : forward_(detail::resize_shape_of(l.layer, l.source())), backward_(detail::resize_shape_of(l.layer, l.source())) {}
  void forward(training_call const& c) const noexcept { forward_.run(c.images(), c.source(), c.result, *c.executor); }
  void backward(training_call const& c) const noexcept {
    backward_.run(c.images(), c.diff_result, c.diff_sources[0], *c.executor);
  }

private:
  ::ia_nn::resize_linear<detail::isa_of_f32<I>> forward_;
  resize_linear_backward<detail::isa_of_f32<I>> backward_;
};

template <training_id K, isa::tag I>
  requires(K.op == op::pixel_shuffle.id || K.op == op::pixel_unshuffle.id)
struct training_kernel<K, native_kernels<I>>
    : detail::moved_items<strided_move<detail::isa_of_f32<I>>, move_backward<detail::isa_of_f32<I>>> {
  explicit training_kernel(training_layer const& l) : training_kernel(axes_of(l)) {}

private:
  using registers = detail::isa_of_f32<I>;
  static constexpr bool back = K.op == op::pixel_unshuffle.id;
  static ::ia_nn::detail::shuffled_axes axes_of(training_layer const& l) {
    return {detail::shuffle_shape_of(l.layer, back ? l.source() : l.layer.shape), back};
  }
  explicit training_kernel(::ia_nn::detail::shuffled_axes const& a)
      : detail::moved_items<strided_move<registers>, move_backward<registers>>(
            strided_move<registers>::transpose(4, a.extent, a.order),
            move_backward<registers>::transpose(a.extent, a.order)) {}
};

} // namespace graph
IA_NN_END

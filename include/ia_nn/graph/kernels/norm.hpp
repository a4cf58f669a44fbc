// SPDX-License-Identifier: Apache-2.0
//
// Norms that are steps of their own, softmax, and local response normalisation: all in f32.
#pragma once

#include <ia_nn/graph/kernels/weights.hpp>
#include <ia_nn/graph/layers/norm.hpp>
#include <ia_nn/graph/layers/rows.hpp>
#include <ia_nn/ops/group_norm.hpp>
#include <ia_nn/ops/layer_norm.hpp>
#include <ia_nn/ops/lrn.hpp>
#include <ia_nn/ops/scale_norm.hpp>
#include <ia_nn/ops/softmax.hpp>

#include <ia_nn/begin.hpp>
namespace graph {

namespace detail {

/// Scale and shift, as channels lie.
struct affine_weights_of {
  std::vector<f32> scale, shift;

  explicit affine_weights_of(kernel_loader const& l) {
    std::vector<index_t> const order = channels_made(l);
    scale = in_order(l.read_if_listed(".weight"), order);
    shift = in_order(l.read_if_listed(".bias"), order);
  }
};

/// A layer that takes rows.
template <class Layer> struct rows_kernel : plain_kernel {
  using store = Layer;
  template <class E> static void run(store const& s, step_call const& c, E& e) noexcept {
    s.run(c.rows(), c.source(), c.result(), c.ld(), e);
  }
};

} // namespace detail

template <kernel_id K, isa::tag I>
  requires(K.op == op::softmax.id || K.op == op::log_softmax.id)
struct kernel<K, native_kernels<I>> : detail::rows_kernel<::ia_nn::softmax<detail::isa_of_f32<I>>> {
  using store = ::ia_nn::softmax<detail::isa_of_f32<I>>;
  static store load(kernel_loader& l) {
    return store(l.source.last(), 1,
                 K.op == op::softmax.id ? softmax_kind::linear : softmax_kind::logarithm);
  }
};

template <kernel_id K, isa::tag I>
  requires(K.op == op::layer_norm.id)
struct kernel<K, native_kernels<I>> : detail::rows_kernel<::ia_nn::layer_norm<detail::isa_of_f32<I>>> {
  using store = ::ia_nn::layer_norm<detail::isa_of_f32<I>>;
  static store load(kernel_loader& l) {
    detail::affine_weights_of const a(l);
    return store(l.source.last(), a.scale, a.shift, l.layer.attributes.epsilon);
  }
};

template <kernel_id K, isa::tag I>
  requires(K.op == op::rms_norm.id)
struct kernel<K, native_kernels<I>> : detail::rows_kernel<::ia_nn::rms_norm<detail::isa_of_f32<I>>> {
  using store = ::ia_nn::rms_norm<detail::isa_of_f32<I>>;
  static store load(kernel_loader& l) {
    std::vector<f32> const scale = detail::in_order(l.read_if_listed(".weight"), detail::channels_made(l));
    return store(l.source.last(), scale, l.layer.attributes.epsilon);
  }
};

template <kernel_id K, isa::tag I>
  requires(K.op == op::l2_norm.id)
struct kernel<K, native_kernels<I>> : detail::rows_kernel<lp_norm<detail::isa_of_f32<I>>> {
  using store = lp_norm<detail::isa_of_f32<I>>;
  static store load(kernel_loader& l) {
    std::vector<f32> const scale = detail::in_order(l.read_if_listed(".weight"), detail::channels_made(l));
    return store(l.source.last(), scale, l.layer.attributes.epsilon, l.layer.attributes.power);
  }
};

template <kernel_id K, isa::tag I>
  requires(K.op == op::lrn.id)
struct kernel<K, native_kernels<I>> : detail::rows_kernel<::ia_nn::lrn<detail::isa_of_f32<I>>> {
  using store = ::ia_nn::lrn<detail::isa_of_f32<I>>;
  static store load(kernel_loader& l) {
    attribute_set const& a = l.layer.attributes;
    return store(l.source.last(), {a.neighbours, a.alpha, a.beta, a.offset, a.sums});
  }
};

template <kernel_id K, isa::tag I>
  requires(K.op == op::group_norm.id)
struct kernel<K, native_kernels<I>> : plain_kernel {
  using store = ::ia_nn::group_norm<detail::isa_of_f32<I>>;
  static store load(kernel_loader& l) {
    attribute_set const& at = l.layer.attributes;
    detail::affine_weights_of const a(l);
    return store(l.source.last(), at.groups, a.scale, a.shift, at.epsilon);
  }
  template <class E> static void run(store const& s, step_call const& c, E& e) noexcept {
    s.run(c.batch(), c.rows() / c.batch(), c.source(), c.result(), e);
  }
};

} // namespace graph
IA_NN_END

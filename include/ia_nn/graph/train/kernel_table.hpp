// SPDX-License-Identifier: Apache-2.0
//
// Every training kernel of this library by its id, for networks that are put together at run time. A network
// of the compiler's needs none of this, and compiles the kernels that it has.
#pragma once

#include <ia_nn/graph/train/kernels.hpp>

#include <ia_nn/begin.hpp>
namespace graph {

namespace detail {

struct training_id_list {
  training_id ids[96]{};
  int count = 0;

  constexpr void add(operator_row const& row, precision p = precision::f32, int variant = 0) {
    ids[count++] = {row.id, variant, p};
  }
};
/// Layers that multiply.
constexpr void add_products(training_id_list& l, precision p) {
  l.add(op::conv, p), l.add(op::deconv, p), l.add(op::dense, p), l.add(op::lstm, p), l.add(op::matmul, p), l.add(op::attention, p);
  for (int const variant : {0, 1}) l.add(op::gru, p, variant), l.add(op::rnn, p, variant);
}
constexpr training_id_list list_training_kernels() {
  training_id_list l;
  for (int f = 0; f <= static_cast<int>(function::linear); ++f) l.add(op::activation, precision::f32, f);
  add_products(l, precision::f32);
  l.add(op::batch_norm), l.add(op::layer_norm), l.add(op::group_norm);
  l.add(op::rms_norm), l.add(op::l2_norm);
  l.add(op::softmax), l.add(op::log_softmax), l.add(op::lrn);
  l.add(op::max_pool), l.add(op::average_pool);
  l.add(op::add), l.add(op::subtract), l.add(op::multiply), l.add(op::divide), l.add(op::minimum), l.add(op::maximum);
  l.add(op::parameter), l.add(op::constant), l.add(op::dropout), l.add(op::embedding);
  l.add(op::concat), l.add(op::slice), l.add(op::transpose), l.add(op::pad);
  l.add(op::resize_nearest), l.add(op::resize_linear), l.add(op::pixel_shuffle), l.add(op::pixel_unshuffle);
  l.add(op::where), l.add(op::cumulative_sum);
  return l;
}
constexpr training_id_list list_narrow_training_kernels() {
  training_id_list l;
  add_products(l, precision::bf16);
  return l;
}

} // namespace detail

/// In f32, and those whose products are of bf16.
inline constexpr detail::training_id_list training_kernel_ids = detail::list_training_kernels();
inline constexpr detail::training_id_list narrow_training_kernel_ids = detail::list_narrow_training_kernels();

/// How the kernel of this id is made, or null if the list has none.
template <class Kernels, detail::training_id_list const& Ids = training_kernel_ids>
detail::make_function find_training_kernel(training_id id) noexcept {
  return [&]<int... N>(std::integer_sequence<int, N...>) {
    detail::make_function found = nullptr;
    ((Ids.ids[N] == id ? void(found = &detail::make_training_kernel<training_kernel<Ids.ids[N], Kernels>>) : void()),
     ...);
    return found;
  }(std::make_integer_sequence<int, Ids.count>{});
}

} // namespace graph
IA_NN_END

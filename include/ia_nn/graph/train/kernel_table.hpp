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
constexpr training_id_list list_training_kernels() {
  training_id_list l;
  for (int f = 0; f <= static_cast<int>(function::linear); ++f) l.add(op::activation, precision::f32, f);
  l.add(op::conv), l.add(op::dense);
  l.add(op::batch_norm), l.add(op::layer_norm), l.add(op::group_norm);
  l.add(op::softmax), l.add(op::log_softmax), l.add(op::lrn);
  l.add(op::max_pool), l.add(op::average_pool);
  l.add(op::add), l.add(op::subtract), l.add(op::multiply), l.add(op::divide), l.add(op::minimum), l.add(op::maximum);
  l.add(op::parameter), l.add(op::constant), l.add(op::dropout), l.add(op::embedding);
  l.add(op::concat), l.add(op::slice), l.add(op::transpose), l.add(op::pad);
  l.add(op::lstm);
  for (int const variant : {0, 1}) l.add(op::gru, precision::f32, variant), l.add(op::rnn, precision::f32, variant);
  return l;
}

} // namespace detail

inline constexpr detail::training_id_list training_kernel_ids = detail::list_training_kernels();

/// How the kernel of this id is made, or null if there is none.
template <class Kernels> detail::make_function find_training_kernel(training_id id) noexcept {
  return [&]<int... N>(std::integer_sequence<int, N...>) {
    detail::make_function found = nullptr;
    ((training_kernel_ids.ids[N] == id
          ? void(found = &detail::make_training_kernel<training_kernel<training_kernel_ids.ids[N], Kernels>>)
          : void()),
     ...);
    return found;
  }(std::make_integer_sequence<int, training_kernel_ids.count>{});
}

} // namespace graph
IA_NN_END

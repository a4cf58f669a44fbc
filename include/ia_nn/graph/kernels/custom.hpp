// SPDX-License-Identifier: Apache-2.0
//
// Operations of the user.
#pragma once

#include <ia_nn/graph/kernels/kernel.hpp>
#include <ia_nn/graph/layers/custom.hpp>

#include <ia_nn/begin.hpp>
namespace graph {

template <kernel_id K, class Kernels>
  requires(K.op == op::custom.id)
struct kernel<K, Kernels> : plain_kernel {
  using store = no_store;
  static store load(kernel_loader&) { return {}; }
  template <class E> static void run(store const&, step_call const& c, E&) noexcept {
    f32 const* all[max_inputs];
    for (int k = 0; k < c.what().inputs.count; ++k) all[k] = c.source(k);
    c.layer().attributes.run({c.batch(), all, c.result(), c.rows() * c.shape().last()});
  }
};

} // namespace graph
IA_NN_END

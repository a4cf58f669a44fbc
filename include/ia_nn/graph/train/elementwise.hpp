// SPDX-License-Identifier: Apache-2.0
//
// Training of functions, and of sums and products of two values.
#pragma once

#include <ia_nn/graph/kernels/functions.hpp>
#include <ia_nn/graph/layers/elementwise.hpp>
#include <ia_nn/graph/train/kernel.hpp>
#include <ia_nn/train/activation.hpp>

#include <ia_nn/begin.hpp>
namespace graph {

namespace detail {

/// y = f(x) for n elements.
template <isa::tag I, class F>
void map_elements(index_t n, f32 const* x, f32* y, F const& f, any_executor& e) noexcept {
  using V = vec<f32, I>;
  ::ia_nn::detail::each_register_parallel<I>(e, n, [&](index_t i, auto at) IA_NN_LAMBDA {
    at.store(f(at.template load<V>(x + i)), y + i);
  });
}
/// The gradient as it is, written or added; nothing where it stays in its place.
template <isa::tag I>
void pass_on(index_t n, f32 const* diff, gradient const& to, any_executor& e) noexcept {
  if (!to || (to.data == diff && !to.add)) return;
  using V = vec<f32, I>;
  ::ia_nn::detail::each_register_parallel<I>(e, n, [&](index_t i, auto at) IA_NN_LAMBDA {
    ::ia_nn::detail::deliver(at, at.template load<V>(diff + i), to, i);
  });
}

} // namespace detail
} // namespace graph
IA_NN_END

// SPDX-License-Identifier: Apache-2.0
//
// Training of functions.
#pragma once

#include <ia_nn/graph/kernels/functions.hpp>
#include <ia_nn/graph/train/kernel.hpp>
#include <ia_nn/train/activation.hpp>

#include <ia_nn/begin.hpp>
namespace graph {

namespace detail {

/// Relu6 and clip have the slope 0 at their bounds, as hardtanh has: it follows from the result.
template <function F> IA_NN_INLINE auto training_function(f32 a, f32 b) noexcept {
  if constexpr (F == function::relu) return ::ia_nn::activation::relu{};
  else if constexpr (F == function::clip) return ::ia_nn::activation::clip{a, b};
  else if constexpr (F == function::identity) return ::ia_nn::activation::identity{};
  else return activation_of<F>(a, b);
}
template <function F> IA_NN_INLINE auto training_slope(f32 a, f32 b) noexcept {
  if constexpr (F == function::clip) return slope::hard_tanh{a, b};
  else return slope_of(training_function<F>(a, b));
}

/// y = f(x...) for n elements.
template <isa::tag I, class F, class... X>
void map_elements(index_t n, f32* y, any_executor& e, F const& f, X const*... x) noexcept {
  using V = vec<f32, I>;
  ::ia_nn::detail::each_register_parallel<I>(e, n, [&](index_t i, auto at) IA_NN_LAMBDA {
    at.store(f(at.template load<V>(x + i)...), y + i);
  });
}
/// The gradient as it is, written or added; nothing where it stays in its place.
template <isa::tag I>
void pass_on(index_t n, f32 const* diff, gradient const& to, any_executor& e) noexcept {
  if (to.data != diff || to.add) activation_backward<I>(n, nullptr, diff, to, slope::identity{}, e);
}

} // namespace detail

template <training_id K, isa::tag I>
  requires(K.op == op::activation.id)
struct training_kernel<K, native_kernels<I>> : plain_training {
  using registers = detail::isa_of_f32<I>;
  static constexpr auto act = static_cast<function>(K.variant);

  explicit training_kernel(training_layer const&) {}
  static void forward(training_call const& c) noexcept {
    attribute_set const& o = c.of.attributes();
    detail::map_elements<registers>(c.size(), c.result, *c.executor, detail::training_function<act>(o.a, o.b),
                              c.source());
  }
  static void backward(training_call const& c) noexcept {
    attribute_set const& o = c.of.attributes();
    f32 const* const value = detail::has_slope_of_result(act) ? c.result : c.source();
    activation_backward<registers>(c.size(), value, c.diff_result, c.diff_sources[0],
                             detail::training_slope<act>(o.a, o.b), *c.executor);
  }
};

} // namespace graph
IA_NN_END

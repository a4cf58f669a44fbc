// SPDX-License-Identifier: Apache-2.0
//
// Gradients of activations: diff_src = f(value, diff_dst), where `value` is what each slope says, the
// input x or the output y of the activation.
//
//   activation_backward<I>(n, y, diff_dst, write_to(diff_src), slope::tanh{});
//
// Another activation is another callable of two registers; none needs to be registered.
#pragma once

#include <ia_nn/train/gradient.hpp>
#include <ia_nn/train/slopes.hpp>

#include <ia_nn/begin.hpp>

/// n elements. diff_src may be diff_dst or `value`; `value` may be null for a slope that says it
/// reads nothing.
template <isa::tag I, class F, executor E = sequential>
void activation_backward(index_t n, f32 const* value, f32 const* diff_dst, gradient diff_src,
                         F const& f, E&& e = {}) noexcept {
  using V = vec<f32, I>;
  static_assert(
      requires(V v) {
        { f(v, v) } noexcept -> std::same_as<V>;
      }, "ia_nn: activation_backward: f must map two registers (value, diff_dst) to one, noexcept");
  if (!diff_src) return;
  constexpr bool reads = [] {
    if constexpr (requires { F::value_of; }) return F::value_of != slope::reads::nothing;
    else return true;
  }();
  IA_NN_ASSERT(n <= 0 || (diff_dst && (value || !reads)), "activation_backward: an array is null");
  detail::each_register_parallel<I>(e, n, [&](index_t i, auto at) IA_NN_LAMBDA {
    V const diff = at.template load<V>(diff_dst + i);
    if constexpr (reads) detail::deliver(at, f(at.template load<V>(value + i), diff), diff_src, i);
    else detail::deliver(at, f(diff, diff), diff_src, i);
  });
}

IA_NN_END

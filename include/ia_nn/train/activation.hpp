// SPDX-License-Identifier: Apache-2.0
//
// Gradients of activations: diff_src = f(value, diff_dst), where `value` is what each one says, the
// input x or the output y of the activation.
//
//   activation_backward<I>(n, y, diff_dst, write_to(diff_src), slope::relu{});
//
// Another activation is another callable of two registers; none needs to be registered.
#pragma once

#include <ia_nn/train/gradient.hpp>

#include <ia_nn/begin.hpp>

namespace slope {

/// y of max(x, 0), or x; 0 at 0. A NaN lets the gradient pass, as in PyTorch: it is no dead unit.
struct relu {
  template <vector_register V> IA_NN_INLINE V operator()(V value, V diff) const noexcept {
    return select(value <= V::zero(), V::zero(), diff);
  }
};

/// x, or y if alpha >= 0; alpha at 0
struct leaky_relu {
  f32 alpha = 0.01F;
  template <vector_register V> IA_NN_INLINE V operator()(V value, V diff) const noexcept {
    return select(V::zero() < value, diff, diff * V::broadcast(alpha));
  }
};

/// y of 1 / (1 + e^-x): y (1 - y)
struct sigmoid {
  template <vector_register V> IA_NN_INLINE V operator()(V y, V diff) const noexcept {
    return diff * (y * (V::broadcast(1.0F) - y));
  }
};

/// y of tanh x: 1 - y^2
struct tanh {
  template <vector_register V> IA_NN_INLINE V operator()(V y, V diff) const noexcept {
    return diff * fma(-y, y, V::broadcast(1.0F));
  }
};

/// The other factor of a product: dropout's mask with its scale, a gate.
struct factor {
  template <vector_register V> IA_NN_INLINE V operator()(V value, V diff) const noexcept {
    return diff * value;
  }
};

} // namespace slope

/// n elements. diff_src may be diff_dst or `value`.
template <isa::tag I, class F, executor E = sequential>
void activation_backward(index_t n, f32 const* value, f32 const* diff_dst, gradient diff_src,
                         F const& f, E&& e = {}) noexcept {
  using V = vec<f32, I>;
  static_assert(
      requires(V v) {
        { f(v, v) } noexcept -> std::same_as<V>;
      }, "ia_nn: activation_backward: f must map two registers (value, diff_dst) to one, noexcept");
  if (!diff_src) return;
  detail::each_register_parallel<I>(e, n, [&](index_t i, auto at) IA_NN_LAMBDA {
    V const diff = f(at.template load<V>(value + i), at.template load<V>(diff_dst + i));
    detail::deliver(at, diff, diff_src, i);
  });
}

IA_NN_END

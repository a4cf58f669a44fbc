// SPDX-License-Identifier: Apache-2.0
//
// Slopes of the activations of math/activation.hpp: what an activation's backward pass does to a
// register of gradients, diff_src = f(value, diff_dst).
//
// Each has the parameters of its activation in the same order, and says in `value_of` which value it
// reads: the input x (src), the output y (dst), either of them, or none (the pointer may be null).
// Where an activation has a kink the slope is that of PyTorch, and so is that of a NaN. Where a
// formula has inf * 0 in it the limit is taken, as the activations do, and PyTorch gives NaN.
#pragma once

#include <ia_nn/math/activation.hpp>

#include <ia_nn/begin.hpp>

namespace slope {

/// Which value of the forward pass a slope reads.
enum class reads : unsigned char { nothing, src, dst, either };

struct identity {
  static constexpr reads value_of = reads::nothing;
  template <f32_register V> IA_NN_INLINE V operator()(V, V diff) const noexcept { return diff; }
};

/// 0 at 0. A NaN lets the gradient pass: it is no dead unit.
struct relu {
  static constexpr reads value_of = reads::either;
  template <f32_register V> IA_NN_INLINE V operator()(V value, V diff) const noexcept {
    return select(value <= V::zero(), V::zero(), diff);
  }
};

/// alpha at 0. May be given y where alpha is not negative.
struct leaky_relu {
  static constexpr reads value_of = reads::src;
  f32 alpha = 0.01F;
  template <f32_register V> IA_NN_INLINE V operator()(V x, V diff) const noexcept {
    return select(V::zero() < x, diff, diff * V::broadcast(alpha));
  }
};

/// 0 at alpha
struct thresholded_relu {
  static constexpr reads value_of = reads::src;
  f32 alpha = 1.0F;
  template <f32_register V> IA_NN_INLINE V operator()(V x, V diff) const noexcept {
    return select(x <= V::broadcast(alpha), V::zero(), diff);
  }
};

/// torch.clamp: 1 at the bounds, 0 of a NaN.
struct clip {
  static constexpr reads value_of = reads::src;
  f32 lo = -__builtin_inff(), hi = __builtin_inff();
  template <f32_register V> IA_NN_INLINE V operator()(V x, V diff) const noexcept {
    V const below = select(x <= V::broadcast(hi), diff, V::zero());
    return select(V::broadcast(lo) <= x, below, V::zero());
  }
};

/// torch.nn.Hardtanh and ReLU6, which are clip but for the bounds: 0 there, the gradient of a NaN.
struct hard_tanh {
  static constexpr reads value_of = reads::either;
  f32 lo = -1.0F, hi = 1.0F;
  template <f32_register V> IA_NN_INLINE V operator()(V value, V diff) const noexcept {
    V const below = select(V::broadcast(hi) <= value, V::zero(), diff);
    return select(value <= V::broadcast(lo), V::zero(), below);
  }
};

/// alpha e^x for x <= 0
struct elu {
  static constexpr reads value_of = reads::src;
  f32 alpha = 1.0F;
  template <f32_register V> IA_NN_INLINE V operator()(V x, V diff) const noexcept {
    V const e = detail::exp_nonpositive(min(V::zero(), x));
    return select(x <= V::zero(), diff * (V::broadcast(alpha) * e), diff);
  }
};

/// gamma, or gamma alpha e^x for x <= 0
struct selu {
  static constexpr reads value_of = reads::src;
  f32 alpha = 1.67326324F, gamma = 1.05070102F;
  template <f32_register V> IA_NN_INLINE V operator()(V x, V diff) const noexcept {
    V const e = V::broadcast(alpha) * detail::exp_nonpositive(min(V::zero(), x));
    return diff * (V::broadcast(gamma) * select(x <= V::zero(), e, V::broadcast(1.0F)));
  }
};

/// e^(x / alpha) for x <= 0; alpha > 0
struct celu {
  static constexpr reads value_of = reads::src;
  f32 alpha = 1.0F;
  template <f32_register V> IA_NN_INLINE V operator()(V x, V diff) const noexcept {
    V const e = detail::exp_nonpositive(min(V::zero(), x) / V::broadcast(alpha));
    return select(x <= V::zero(), diff * e, diff);
  }
};

/// y (1 - y)
struct sigmoid {
  static constexpr reads value_of = reads::dst;
  template <f32_register V> IA_NN_INLINE V operator()(V y, V diff) const noexcept {
    return diff * (y * (V::broadcast(1.0F) - y));
  }
};

/// alpha for 0 < y < 1, else 0, also of a NaN
struct hard_sigmoid {
  static constexpr reads value_of = reads::dst;
  f32 alpha = 1.0F / 6, beta = 0.5F;
  template <f32_register V> IA_NN_INLINE V operator()(V y, V diff) const noexcept {
    V const inside = diff * V::broadcast(alpha);
    V const below = select(y < V::broadcast(1.0F), inside, V::zero());
    return select(V::zero() < y, below, V::zero());
  }
};

/// 1 - y^2
struct tanh {
  static constexpr reads value_of = reads::dst;
  template <f32_register V> IA_NN_INLINE V operator()(V y, V diff) const noexcept {
    return diff * fma(-y, y, V::broadcast(1.0F));
  }
};

/// 1 / (1 + e^-x)
struct softplus {
  static constexpr reads value_of = reads::src;
  template <f32_register V> IA_NN_INLINE V operator()(V x, V diff) const noexcept {
    return diff * math::sigmoid(x);
  }
};

/// 1 / (1 + |x|)^2
struct softsign {
  static constexpr reads value_of = reads::src;
  template <f32_register V> IA_NN_INLINE V operator()(V x, V diff) const noexcept {
    V const one = V::broadcast(1.0F), y = one / (one + detail::magnitude(x));
    return diff * y * y;
  }
};

/// Phi(x) + x phi(x), the distribution and the density of the normal distribution. Phi(-|x|) is
/// gelu(-|x|) / -|x|, which has all digits in the tail: where both signs come from it, no difference
/// of numbers that are alike is taken.
struct gelu {
  static constexpr reads value_of = reads::src;
  template <f32_register V> IA_NN_INLINE V operator()(V x, V diff) const noexcept {
    constexpr f32 inverse_root_two_pi = 0.398942280F;
    V const t = max(V::broadcast(0x1p-100F), detail::magnitude(x));
    V const tail = math::gelu(-t) / -t;
    V const whole = select(x < V::zero(), tail, V::broadcast(1.0F) - tail);
    V const near = min(V::broadcast(16.0F), max(V::broadcast(-16.0F), x));
    V const density = detail::exp_nonpositive(near * near * V::broadcast(-0.5F));
    return diff * fma(near * V::broadcast(inverse_root_two_pi), density, whole);
  }
};

/// With s = 1 / (1 + e^-2u), u = sqrt(2/pi) (x + 0.044715 x^3): s + x s (1 - s) 2 u'.
struct gelu_tanh {
  static constexpr reads value_of = reads::src;
  template <f32_register V> IA_NN_INLINE V operator()(V x, V diff) const noexcept {
    constexpr f32 linear = 0x1.988454p+0F, cubic = 0x1.2444f2p-4F; // of 2u
    V const one = V::broadcast(1.0F);
    V const near = min(V::broadcast(16.0F), max(V::broadcast(-16.0F), x)), square = near * near;
    V const twice = near * fma(square, V::broadcast(cubic), V::broadcast(linear));
    V const tail = math::sigmoid(detail::negative_abs(twice)), rest = one - tail;
    V const s = select(twice < V::zero(), tail, rest);
    V const steep = near * fma(square, V::broadcast(3 * cubic), V::broadcast(linear));
    return diff * fma(steep * tail, rest, s);
  }
};

/// With s = 1 / (1 + e^-(beta x)): s + beta x s (1 - s).
struct swish {
  static constexpr reads value_of = reads::src;
  f32 beta = 1.0F;
  template <f32_register V> IA_NN_INLINE V operator()(V x, V diff) const noexcept {
    V const all = x * V::broadcast(beta);
    V const near = min(V::broadcast(110.0F), max(V::broadcast(-110.0F), all));
    V const tail = math::sigmoid(detail::negative_abs(near)), rest = V::broadcast(1.0F) - tail;
    return diff * fma(near * tail, rest, select(near < V::zero(), tail, rest));
  }
};

/// x / 3 + 1 / 2, 0 up to -3, 1 from 3 on and of a NaN
struct hard_swish {
  static constexpr reads value_of = reads::src;
  template <f32_register V> IA_NN_INLINE V operator()(V x, V diff) const noexcept {
    V const between = diff * fma(x, V::broadcast(1.0F / 3.0F), V::broadcast(0.5F));
    V const below = select(x < V::broadcast(3.0F), between, diff);
    return select(x <= V::broadcast(-3.0F), V::zero(), below);
  }
};

/// With t = tanh(log(1 + e^x)): t + x (1 - t^2) / (1 + e^-x). With z = e^-|x| and n, d of the
/// activation (math/activation.hpp), t = n / d, this is n / d + 4 x z^k (1 + z) / d^2, where k is 1
/// for x < 0 and 2 else.
struct mish {
  static constexpr reads value_of = reads::src;
  template <f32_register V> IA_NN_INLINE V operator()(V x, V diff) const noexcept {
    V const near = min(V::broadcast(120.0F), max(V::broadcast(-120.0F), x));
    V const z = detail::exp_nonpositive(detail::negative_abs(near));
    V const one = V::broadcast(1.0F), two = V::broadcast(2.0F);
    auto const negative = near < V::zero();
    V const n = select(negative, z * (z + two), fma(two, z, one));
    V const inverse = one / fma(two, select(negative, one, z * z), n);
    V const power = select(negative, z, z * z) * (one + z);
    V const steep = V::broadcast(4.0F) * near * power * inverse;
    return diff * (fma(steep, inverse, n * inverse));
  }
};

/// 2 x
struct square {
  static constexpr reads value_of = reads::src;
  template <f32_register V> IA_NN_INLINE V operator()(V x, V diff) const noexcept {
    return diff * (x + x);
  }
};

/// 1 / (2 y); infinite at 0
struct sqrt {
  static constexpr reads value_of = reads::dst;
  template <f32_register V> IA_NN_INLINE V operator()(V y, V diff) const noexcept {
    return diff / (y + y);
  }
};

/// The sign; 0 at 0 and of a NaN
struct abs {
  static constexpr reads value_of = reads::src;
  template <f32_register V> IA_NN_INLINE V operator()(V x, V diff) const noexcept {
    V const one = V::broadcast(1.0F), below = select(x < V::zero(), -one, V::zero());
    return diff * select(V::zero() < x, one, below);
  }
};

/// y
struct exp {
  static constexpr reads value_of = reads::dst;
  template <f32_register V> IA_NN_INLINE V operator()(V y, V diff) const noexcept {
    return diff * y;
  }
};

/// 1 / x; infinite at 0
struct log {
  static constexpr reads value_of = reads::src;
  template <f32_register V> IA_NN_INLINE V operator()(V x, V diff) const noexcept {
    return diff / x;
  }
};

/// a
struct linear {
  static constexpr reads value_of = reads::nothing;
  f32 a = 1.0F, b = 0.0F;
  template <f32_register V> IA_NN_INLINE V operator()(V, V diff) const noexcept {
    return diff * V::broadcast(a);
  }
};

/// The other factor of a product: dropout's mask with its scale, a gate.
struct factor {
  static constexpr reads value_of = reads::src;
  template <f32_register V> IA_NN_INLINE V operator()(V value, V diff) const noexcept {
    return diff * value;
  }
};

} // namespace slope

/// The slope of an activation, with its parameters.
constexpr slope::identity slope_of(activation::identity) noexcept { return {}; }
constexpr slope::relu slope_of(activation::relu) noexcept { return {}; }
constexpr slope::leaky_relu slope_of(activation::leaky_relu f) noexcept { return {f.alpha}; }
constexpr slope::thresholded_relu slope_of(activation::thresholded_relu f) noexcept {
  return {f.alpha};
}
constexpr slope::clip slope_of(activation::clip f) noexcept { return {f.lo, f.hi}; }
constexpr slope::elu slope_of(activation::elu f) noexcept { return {f.alpha}; }
constexpr slope::selu slope_of(activation::selu f) noexcept { return {f.alpha, f.gamma}; }
constexpr slope::celu slope_of(activation::celu f) noexcept { return {f.alpha}; }
template <class P> constexpr slope::sigmoid slope_of(activation::sigmoid<P>) noexcept { return {}; }
constexpr slope::hard_sigmoid slope_of(activation::hard_sigmoid f) noexcept {
  return {f.alpha, f.beta};
}
template <class P> constexpr slope::tanh slope_of(activation::tanh<P>) noexcept { return {}; }
constexpr slope::softplus slope_of(activation::softplus) noexcept { return {}; }
constexpr slope::softsign slope_of(activation::softsign) noexcept { return {}; }
template <class P> constexpr slope::gelu slope_of(activation::gelu<P>) noexcept { return {}; }
template <class P> constexpr slope::gelu_tanh slope_of(activation::gelu_tanh<P>) noexcept {
  return {};
}
template <class P> constexpr slope::swish slope_of(activation::swish<P> f) noexcept {
  return {f.beta};
}
constexpr slope::hard_swish slope_of(activation::hard_swish) noexcept { return {}; }
constexpr slope::mish slope_of(activation::mish) noexcept { return {}; }
constexpr slope::square slope_of(activation::square) noexcept { return {}; }
constexpr slope::sqrt slope_of(activation::sqrt) noexcept { return {}; }
constexpr slope::abs slope_of(activation::abs) noexcept { return {}; }
template <class P> constexpr slope::exp slope_of(activation::exp<P>) noexcept { return {}; }
template <class P> constexpr slope::log slope_of(activation::log<P>) noexcept { return {}; }
constexpr slope::linear slope_of(activation::linear f) noexcept { return {f.a, f.b}; }

IA_NN_END

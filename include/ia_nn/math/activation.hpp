// SPDX-License-Identifier: Apache-2.0
//
// Activations: what an epilogue applies to accumulators and what element-wise layers apply to
// arrays. Each is a small value that is called with a register, or with one f32:
//
//   activation::leaky_relu const f{0.1F};
//   vec<f32, I> y = f(x);
//
// Formulas are those of the ONNX operators of the same name, and the same limits are taken where
// a formula has inf * 0 in it. A NaN passes through every one of them. Those built on elementary
// functions that are worth having at two speeds take a precision policy.
#pragma once

#include <ia_nn/math/erf.hpp>
#include <ia_nn/math/exp.hpp>
#include <ia_nn/math/gelu.hpp>
#include <ia_nn/math/log.hpp>
#include <ia_nn/math/sigmoid.hpp>
#include <ia_nn/math/tanh.hpp>

#include <ia_nn/begin.hpp>

namespace detail {

// f on one number, through the register of one lane.
template <class F> IA_NN_INLINE f32 on_scalar(F const& f, f32 x) noexcept {
  return f(vec_impl<f32, isa::scalar>::broadcast(x)).native();
}

// Inside namespace activation the structs of these names hide the functions.
template <f32_register V> IA_NN_INLINE V root(V x) noexcept { return sqrt(x); }
template <f32_register V> IA_NN_INLINE V magnitude(V x) noexcept { return abs(x); }

inline constexpr f32 largest = 0x1.fffffep127F;

/// log(1 + e^x) = max(x, 0) + log1p(e^-|x|); log1p(z) / z on [0, 1] by a polynomial of degree 9.
template <f32_register V> IA_NN_INLINE V softplus(V x) noexcept {
  V const z = exp_nonpositive(negative_abs(x));
  V const q =
      polynomial(z, 1.0F, -0x1.ffffbep-2F, 0x1.554c8p-2F, -0x1.ff0f88p-3F, 0x1.92f698p-3F,
                 -0x1.397566p-3F, 0x1.b2536cp-4F, -0x1.d29cep-5F, 0x1.453f26p-6F, -0x1.a9338ep-9F);
  return fma(z, q, max(V::zero(), x));
}

} // namespace detail

/// Something that maps a register of f32 to another.
template <class F, class V>
concept activation_for = f32_register<V> && requires(F const f, V x) {
  { f(x) } noexcept -> std::same_as<V>;
};

namespace activation {

/// x
struct identity {
  static constexpr char const* name = "identity";
  template <f32_register V> IA_NN_INLINE V operator()(V x) const noexcept { return x; }
  f32 operator()(f32 x) const noexcept { return x; }
};

/// max(x, 0)
struct relu {
  static constexpr char const* name = "relu";
  template <f32_register V> IA_NN_INLINE V operator()(V x) const noexcept {
    return max(V::zero(), x);
  }
  f32 operator()(f32 x) const noexcept { return detail::on_scalar(*this, x); }
};

/// x, or alpha x for x < 0
struct leaky_relu {
  static constexpr char const* name = "leaky_relu";
  f32 alpha = 0.01F;
  template <f32_register V> IA_NN_INLINE V operator()(V x) const noexcept {
    return select(x < V::zero(), x * V::broadcast(alpha), x);
  }
  f32 operator()(f32 x) const noexcept { return detail::on_scalar(*this, x); }
};

/// x, or 0 for x <= alpha
struct thresholded_relu {
  static constexpr char const* name = "thresholded_relu";
  f32 alpha = 1.0F;
  template <f32_register V> IA_NN_INLINE V operator()(V x) const noexcept {
    V const y = select(V::broadcast(alpha) < x, x, V::zero());
    return select(x == x, y, x);
  }
  f32 operator()(f32 x) const noexcept { return detail::on_scalar(*this, x); }
};

/// x clamped to [lo, hi]; lo <= hi. A bound that is left out is none: it lets an infinity through.
struct clip {
  static constexpr char const* name = "clip";
  f32 lo = -__builtin_inff(), hi = __builtin_inff();
  template <f32_register V> IA_NN_INLINE V operator()(V x) const noexcept {
    return min(V::broadcast(hi), max(V::broadcast(lo), x));
  }
  f32 operator()(f32 x) const noexcept { return detail::on_scalar(*this, x); }
};
inline constexpr clip relu6{0.0F, 6.0F};

/// x, or alpha (e^x - 1) for x < 0; within 1 ulp for alpha = 1
struct elu {
  static constexpr char const* name = "elu";
  f32 alpha = 1.0F;
  template <f32_register V> IA_NN_INLINE V operator()(V x) const noexcept {
    V const negative = V::broadcast(alpha) * detail::expm1_nonpositive(min(V::zero(), x));
    return select(x < V::zero(), negative, x);
  }
  f32 operator()(f32 x) const noexcept { return detail::on_scalar(*this, x); }
};

/// gamma x, or gamma alpha (e^x - 1) for x < 0
struct selu {
  static constexpr char const* name = "selu";
  f32 alpha = 1.67326324F, gamma = 1.05070102F;
  template <f32_register V> IA_NN_INLINE V operator()(V x) const noexcept {
    V const negative = V::broadcast(alpha) * detail::expm1_nonpositive(min(V::zero(), x));
    return V::broadcast(gamma) * select(x < V::zero(), negative, x);
  }
  f32 operator()(f32 x) const noexcept { return detail::on_scalar(*this, x); }
};

/// x, or alpha (e^(x / alpha) - 1) for x < 0; alpha > 0
struct celu {
  static constexpr char const* name = "celu";
  f32 alpha = 1.0F;
  template <f32_register V> IA_NN_INLINE V operator()(V x) const noexcept {
    V const a = V::broadcast(alpha);
    V const negative = a * detail::expm1_nonpositive(min(V::zero(), x) / a);
    return select(x < V::zero(), negative, x);
  }
  f32 operator()(f32 x) const noexcept { return detail::on_scalar(*this, x); }
};

/// 1 / (1 + e^-x)
template <precision_policy Policy = precise> struct sigmoid {
  static constexpr char const* name = "sigmoid";
  template <f32_register V> IA_NN_INLINE V operator()(V x) const noexcept {
    return math::sigmoid<Policy>(x);
  }
  f32 operator()(f32 x) const noexcept { return detail::on_scalar(*this, x); }
};

/// alpha x + beta clamped to [0, 1]. PyTorch's slope; that of ONNX and Keras 2 is 0.2.
struct hard_sigmoid {
  static constexpr char const* name = "hard_sigmoid";
  f32 alpha = 1.0F / 6, beta = 0.5F;
  template <f32_register V> IA_NN_INLINE V operator()(V x) const noexcept {
    V const y = fma(V::broadcast(alpha), x, V::broadcast(beta));
    return min(V::broadcast(1.0F), max(V::zero(), y));
  }
  f32 operator()(f32 x) const noexcept { return detail::on_scalar(*this, x); }
};

template <precision_policy Policy = precise> struct tanh {
  static constexpr char const* name = "tanh";
  template <f32_register V> IA_NN_INLINE V operator()(V x) const noexcept {
    return math::tanh<Policy>(x);
  }
  f32 operator()(f32 x) const noexcept { return detail::on_scalar(*this, x); }
};

/// log(1 + e^x); within 2.3 ulp
struct softplus {
  static constexpr char const* name = "softplus";
  template <f32_register V> IA_NN_INLINE V operator()(V x) const noexcept {
    return detail::softplus(x);
  }
  f32 operator()(f32 x) const noexcept { return detail::on_scalar(*this, x); }
};

/// x / (1 + |x|)
struct softsign {
  static constexpr char const* name = "softsign";
  template <f32_register V> IA_NN_INLINE V operator()(V x) const noexcept {
    V const finite = max(V::broadcast(-detail::largest), min(V::broadcast(detail::largest), x));
    return finite / (V::broadcast(1.0F) + detail::magnitude(finite));
  }
  f32 operator()(f32 x) const noexcept { return detail::on_scalar(*this, x); }
};

/// x/2 (1 + erf(x / sqrt 2))
template <precision_policy Policy = precise> struct gelu {
  static constexpr char const* name = "gelu";
  template <f32_register V> IA_NN_INLINE V operator()(V x) const noexcept {
    return math::gelu<Policy>(x);
  }
  f32 operator()(f32 x) const noexcept { return detail::on_scalar(*this, x); }
};

/// x/2 (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3)))
template <precision_policy Policy = precise> struct gelu_tanh {
  static constexpr char const* name = "gelu_tanh";
  template <f32_register V> IA_NN_INLINE V operator()(V x) const noexcept {
    return math::gelu_tanh<Policy>(x);
  }
  f32 operator()(f32 x) const noexcept { return detail::on_scalar(*this, x); }
};

/// x sigmoid(beta x); beta > 0
template <precision_policy Policy = precise> struct swish {
  static constexpr char const* name = "swish";
  f32 beta = 1.0F;
  template <f32_register V> IA_NN_INLINE V operator()(V x) const noexcept {
    V const s = math::sigmoid<Policy>(x * V::broadcast(beta));
    // The limit at -inf, where sigmoid is 0 (or, with fast, a constant below 2^-123).
    auto const far = x * V::broadcast(beta) < V::broadcast(-110.0F);
    return select(far, V::broadcast(-0.0F), x * s);
  }
  f32 operator()(f32 x) const noexcept { return detail::on_scalar(*this, x); }
};
template <precision_policy Policy = precise> using silu = swish<Policy>;

/// x clamp(x/6 + 1/2, 0, 1)
struct hard_swish {
  static constexpr char const* name = "hard_swish";
  template <f32_register V> IA_NN_INLINE V operator()(V x) const noexcept {
    V const a = max(V::broadcast(-detail::largest), x);
    V const gate = fma(V::broadcast(1.0F / 6.0F), a, V::broadcast(0.5F));
    return a * min(V::broadcast(1.0F), max(V::zero(), gate));
  }
  f32 operator()(f32 x) const noexcept { return detail::on_scalar(*this, x); }
};

/// x tanh(log(1 + e^x)). With z = e^-|x| the hyperbolic tangent is n / (n + 2), n = z (z + 2), for
/// x < 0, and (1 + 2z) / (1 + 2z + 2z^2) for x >= 0: one exponential, one division.
/// Within 4.6 ulp.
struct mish {
  static constexpr char const* name = "mish";
  template <f32_register V> IA_NN_INLINE V operator()(V x) const noexcept {
    V const a = max(V::broadcast(-detail::largest), x);
    V const z = detail::exp_nonpositive(detail::negative_abs(x));
    V const two = V::broadcast(2.0F);
    auto const negative = x < V::zero();
    V const n = select(negative, z * (z + two), fma(two, z, V::broadcast(1.0F)));
    return a * (n / fma(two, select(negative, V::broadcast(1.0F), z * z), n));
  }
  f32 operator()(f32 x) const noexcept { return detail::on_scalar(*this, x); }
};

/// x^2
struct square {
  static constexpr char const* name = "square";
  template <f32_register V> IA_NN_INLINE V operator()(V x) const noexcept { return x * x; }
  f32 operator()(f32 x) const noexcept { return detail::on_scalar(*this, x); }
};

/// The square root; NaN for x < 0
struct sqrt {
  static constexpr char const* name = "sqrt";
  template <f32_register V> IA_NN_INLINE V operator()(V x) const noexcept {
    return detail::root(x);
  }
  f32 operator()(f32 x) const noexcept { return detail::on_scalar(*this, x); }
};

/// |x|
struct abs {
  static constexpr char const* name = "abs";
  template <f32_register V> IA_NN_INLINE V operator()(V x) const noexcept {
    return detail::magnitude(x);
  }
  f32 operator()(f32 x) const noexcept { return detail::on_scalar(*this, x); }
};

template <precision_policy Policy = precise> struct exp {
  static constexpr char const* name = "exp";
  template <f32_register V> IA_NN_INLINE V operator()(V x) const noexcept {
    return math::exp<Policy>(x);
  }
  f32 operator()(f32 x) const noexcept { return detail::on_scalar(*this, x); }
};

/// The natural logarithm; NaN for x < 0, -inf for 0
template <precision_policy Policy = precise> struct log {
  static constexpr char const* name = "log";
  template <f32_register V> IA_NN_INLINE V operator()(V x) const noexcept {
    return math::log<Policy>(x);
  }
  f32 operator()(f32 x) const noexcept { return detail::on_scalar(*this, x); }
};

/// a x + b
struct linear {
  static constexpr char const* name = "linear";
  f32 a = 1.0F, b = 0.0F;
  template <f32_register V> IA_NN_INLINE V operator()(V x) const noexcept {
    return fma(V::broadcast(a), x, V::broadcast(b));
  }
  f32 operator()(f32 x) const noexcept { return detail::on_scalar(*this, x); }
};

} // namespace activation

IA_NN_END

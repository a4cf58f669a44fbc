// SPDX-License-Identifier: Apache-2.0
//
// Measures functions of one f32 against libm in double: the table of what is promised, and loops
// over f32 bit patterns.
#pragma once

#include <ia_nn/math/activation.hpp>
#include <ia_nn/math/quotient.hpp>

#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <string>
#include <vector>

namespace ia_nn_test {

using ia_nn::f32;
using ia_nn::index_t;

inline std::uint32_t to_bits(f32 x) { return __builtin_bit_cast(std::uint32_t, x); }
inline f32 from_bits(std::uint32_t u) { return __builtin_bit_cast(f32, u); }

/// The distance of f32 neighbours at y, which may be any real number.
inline double ulp_at(double y) {
  std::int64_t exponent =
      static_cast<std::int64_t>(__builtin_bit_cast(std::uint64_t, y) >> 52 & 0x7ffU) - 1023;
  if (exponent < -126) exponent = -126;
  if (exponent > 127) exponent = 127;
  return __builtin_bit_cast(double, static_cast<std::uint64_t>(exponent - 23 + 1023) << 52);
}

/// The quotients of recurrent cells, divided.
namespace quotients {
struct tanh {
  template <ia_nn::f32_register V> V operator()(V x) const { return ia_nn::math::tanh_quotient(x); }
};
struct sigmoid {
  template <ia_nn::f32_register V> V operator()(V x) const {
    return ia_nn::math::sigmoid_quotient(x);
  }
};
} // namespace quotients

/// Error of y against the real value. Overflow to infinity is right if the value rounds to it.
struct difference {
  double absolute = 0, ulp = 0, relative = 0;
};
inline difference compare(f32 y, double reference) {
  if (std::isnan(reference)) {
    double const e = std::isnan(y) ? 0 : std::numeric_limits<double>::infinity();
    return {e, e, e};
  }
  constexpr double overflow = 0x1.ffffffp127; // from here on the nearest f32 is infinity
  if (std::fabs(reference) >= overflow && y == static_cast<f32>(std::copysign(INFINITY, reference)))
    return {};
  if (!std::isfinite(y) || !std::isfinite(reference)) {
    double const e =
        std::isfinite(y) || std::isfinite(reference) || static_cast<double>(y) != reference
            ? std::numeric_limits<double>::infinity()
            : 0;
    return {e, e, e};
  }
  double const absolute = std::fabs(static_cast<double>(y) - reference);
  return {absolute, absolute / ulp_at(reference),
          absolute == 0 ? 0 : absolute / std::fabs(reference)};
}

/// What is promised: each result is within `ulp` units in the last place, or within `relative`, or
/// within `absolute` of the value; a bound of 0 is not offered.
struct bound {
  double ulp = 0, relative = 0, absolute = 0;
  bool holds(difference const& d) const {
    return d.absolute == 0 || d.ulp <= ulp || d.relative <= relative || d.absolute <= absolute;
  }
};

namespace reference {
inline double sigmoid(double x) { return 1.0 / (1.0 + std::exp(-x)); }
inline double gelu(double x) {
  return x == -INFINITY ? 0.0 : 0.5 * x * std::erfc(-x * 0.70710678118654752440);
}
inline double gelu_tanh(double x) {
  if (std::isinf(x)) return x > 0 ? x : 0.0;
  return x * sigmoid(2 * 0.79788456080286535588 * (x + 0.044715 * x * x * x));
}
inline double swish(double x) { return x == -INFINITY ? 0.0 : x * sigmoid(x); }
inline double softplus(double x) { return x > 40 ? x : std::log1p(std::exp(x)); }
inline double mish(double x) { return x == -INFINITY ? 0.0 : x * std::tanh(softplus(x)); }
inline double elu(double x) { return x < 0 ? std::expm1(x) : x; }
inline double selu(double x) {
  return static_cast<double>(1.05070102F) *
         (x < 0 ? static_cast<double>(1.67326324F) * std::expm1(x) : x);
}
inline double softsign(double x) {
  return std::isinf(x) ? std::copysign(1.0, x) : x / (1 + std::fabs(x));
}
} // namespace reference

/// erf is not an activation; the table wants it in the same form.
template <class Policy> struct erf_function {
  template <class V> V operator()(V x) const noexcept { return ia_nn::math::erf<Policy>(x); }
};

/// Calls visit(name, function, reference, bound) for each function that rounds in its own way.
/// These bounds are the ones that docs/math.md states.
template <class Visit> void for_each_function(Visit&& visit) {
  namespace act = ia_nn::activation;
  using ia_nn::fast;
  using ia_nn::precise;
  visit("exp precise", act::exp<precise>{}, +[](double x) { return std::exp(x); }, bound{1});
  visit(
      "exp fast", act::exp<fast>{}, +[](double x) { return std::exp(x); },
      bound{0, 0x1p-16, 0x1p-125});
  visit("log precise", act::log<precise>{}, +[](double x) { return std::log(x); }, bound{1});
  visit("log fast", act::log<fast>{}, +[](double x) { return std::log(x); }, bound{0, 0x1p-16, 0});
  visit("tanh quotient", quotients::tanh{}, +[](double x) { return std::tanh(x); },
        bound{0, 0x1.6p-21, 0x1p-149});
  visit("sigmoid quotient", quotients::sigmoid{}, &reference::sigmoid, bound{0, 0, 0x1p-21});
  visit("tanh precise", act::tanh<precise>{}, +[](double x) { return std::tanh(x); }, bound{2});
  visit(
      "tanh fast", act::tanh<fast>{}, +[](double x) { return std::tanh(x); }, bound{1, 0x1p-15, 0});
  visit("sigmoid precise", act::sigmoid<precise>{}, &reference::sigmoid, bound{2.5});
  visit("sigmoid fast", act::sigmoid<fast>{}, &reference::sigmoid, bound{0, 0x1p-16, 0x1p-125});
  visit("erf precise", erf_function<precise>{}, +[](double x) { return std::erf(x); }, bound{2});
  visit(
      "erf fast", erf_function<fast>{}, +[](double x) { return std::erf(x); },
      bound{1, 0x1p-15, 0});
  visit("gelu precise", act::gelu<precise>{}, &reference::gelu, bound{7});
  visit("gelu fast", act::gelu<fast>{}, &reference::gelu, bound{0, 0, 0x1p-16});
  visit("gelu_tanh precise", act::gelu_tanh<precise>{}, &reference::gelu_tanh,
        bound{4, 0, 0x1p-22});
  visit("gelu_tanh fast", act::gelu_tanh<fast>{}, &reference::gelu_tanh,
        bound{0, 0x1p-15, 0x1p-16});
  visit("swish precise", act::swish<precise>{}, &reference::swish, bound{3.5, 0, 0x1p-142});
  visit("swish fast", act::swish<fast>{}, &reference::swish, bound{0, 0x1p-16, 0x1p-116});
  visit("mish", act::mish{}, &reference::mish, bound{5, 0, 0x1p-142});
  visit("softplus", act::softplus{}, &reference::softplus, bound{2.5});
  visit("elu", act::elu{}, &reference::elu, bound{1.5});
  visit("selu", act::selu{}, &reference::selu, bound{2.5});
  visit("softsign", act::softsign{}, &reference::softsign, bound{2});
}

/// f over n numbers, register by register; n must be a multiple of 16.
template <class I, class F> void map(F const& f, f32 const* x, f32* y, index_t n) {
  using v = ia_nn::vec<f32, I>;
  for (index_t i = 0; i < n; i += v::size) f(v::load(x + i)).store(y + i);
}

} // namespace ia_nn_test

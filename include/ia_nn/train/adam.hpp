// SPDX-License-Identifier: Apache-2.0
//
// Adam and AdamW.
#pragma once

#include <ia_nn/train/optimizer.hpp>

#include <ia_nn/begin.hpp>

/// Where epsilon stands, and how steps count; otherwise the same.
enum class adam_form {
  pytorch, ///< sqrt(h / (1 - beta2^t)) + epsilon, t = 1 in the first step
  onnx     ///< sqrt(h) + epsilon, t = 0 in the first step, which is not corrected
};

struct adam_options {
  double learning_rate = 1e-3;
  double beta1 = 0.9;   ///< in [0, 1)
  double beta2 = 0.999; ///< in [0, 1)
  double epsilon = 1e-8;
  double weight_decay = 0; ///< factor of the parameter that is added to its gradient
  bool decoupled = false;  ///< AdamW: instead, x *= 1 - learning_rate * weight_decay
  double final_decay = 0;  ///< x *= 1 - final_decay after the step; norm_coefficient_post of ONNX
  adam_form form = adam_form::pytorch;
};

///   g = gradient + weight_decay x
///   v = beta1 v + (1 - beta1) g
///   h = beta2 h + (1 - beta2) g^2
///
///   pytorch   x -= learning_rate / (1 - beta1^t) v / (sqrt(h / (1 - beta2^t)) + epsilon)
///   onnx      x -= learning_rate sqrt(1 - beta2^t) / (1 - beta1^t) v / (sqrt(h) + epsilon)
///
/// Sources: Kingma and Ba, arXiv 1412.6980; torch.optim.Adam and AdamW; ONNX Adam. h is f32: it
/// overflows for |g| beyond 1.8e19 / sqrt(1 - beta2), and the element then stays where it is.
///
/// Errors at construction and in set_learning_rate: errc::bad_parameter for numbers that are NaN,
/// infinite, negative or outside their interval.
template <isa::tag I> class adam : public detail::optimizer<adam<I>> {
  using V = vec<f32, I>;
  friend detail::optimizer<adam>;

public:
  static constexpr char const* name = "adam";

  explicit adam(index_t elements, adam_options const& o = {})
      : detail::optimizer<adam>(elements), o_(o), first_(this->new_state()),
        second_(this->new_state()) {
    isa::require<typename detail::vec_tag<I>::type>();
    this->set_learning_rate(o.learning_rate);
    detail::check_share(name, "beta1", o.beta1, false);
    detail::check_share(name, "beta2", o.beta2, false);
    detail::check_rate(name, "epsilon", o.epsilon);
    detail::check_rate(name, "weight_decay", o.weight_decay);
    detail::check_share(name, "final_decay", o.final_decay, true);
  }

  std::span<f32> first_moment() noexcept { return first_; }
  std::span<f32 const> first_moment() const noexcept { return first_; }
  std::span<f32> second_moment() noexcept { return second_; }
  std::span<f32 const> second_moment() const noexcept { return second_; }

private:
  template <class Self, class List> static void list_state(Self& s, List& to) noexcept {
    to.add("first_moment", s.first_moment());
    to.add("second_moment", s.second_moment());
  }
  // Factors of this step, in double: 1 - beta^t loses digits in f32.
  void begin_step() noexcept {
    bool const onnx = o_.form == adam_form::onnx;
    auto const t = static_cast<double>(onnx ? this->steps() : this->steps() + 1);
    double const one = t > 0 ? 1 - __builtin_pow(o_.beta1, t) : 1;
    double const two = t > 0 ? __builtin_sqrt(1 - __builtin_pow(o_.beta2, t)) : 1;
    rate_ = static_cast<f32>(onnx ? o_.learning_rate * two / one : o_.learning_rate / one);
    root_factor_ = static_cast<f32>(onnx ? 1 : 1 / two);
  }
  template <executor E>
  void update(index_t n, index_t offset, f32 const* gradient, f32* value, E& e) noexcept {
    f32* const first = first_.data() + offset;
    f32* const second = second_.data() + offset;
    auto const all = [](double x) { return V::broadcast(static_cast<f32>(x)); };
    V const rate = V::broadcast(-rate_), root_factor = V::broadcast(root_factor_);
    V const keep1 = all(o_.beta1), fresh1 = all(1 - o_.beta1);
    V const keep2 = all(o_.beta2), fresh2 = all(1 - o_.beta2), epsilon = all(o_.epsilon);
    V const decay = all(o_.decoupled ? 0 : o_.weight_decay);
    V const shrink = all(o_.decoupled ? 1 - o_.learning_rate * o_.weight_decay : 1);
    V const finally = all(1 - o_.final_decay);
    detail::each_register_parallel<I>(e, n, [&](index_t i, auto at) IA_NN_LAMBDA {
      V const x = at.template load<V>(value + i);
      V const g = fma(decay, x, at.template load<V>(gradient + i));
      V const v = fma(keep1, at.template load<V>(first + i), fresh1 * g);
      // Not fresh2 * g^2, whose square may overflow where h does not.
      V const h = fma(keep2, at.template load<V>(second + i), (fresh2 * g) * g);
      at.store(v, first + i);
      at.store(h, second + i);
      V const root = fma(sqrt(h), root_factor, epsilon);
      at.store(finally * fma(rate, v / root, x * shrink), value + i);
    });
  }

  adam_options o_;
  std::vector<f32> first_, second_;
  f32 rate_ = 0, root_factor_ = 1;
};

IA_NN_END

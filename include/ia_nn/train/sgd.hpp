// SPDX-License-Identifier: Apache-2.0
//
// Gradient descent, with momentum, and Adagrad.
#pragma once

#include <ia_nn/train/optimizer.hpp>

#include <ia_nn/begin.hpp>

struct sgd_options {
  double learning_rate = 1e-2;
  double momentum = 0;     ///< in [0, 1)
  double dampening = 0;    ///< in [0, 1]; 1 - beta of ONNX Momentum
  double weight_decay = 0; ///< factor of the parameter that is added to its gradient
  bool nesterov = false;
};

///   g  = gradient + weight_decay x
///   v  = momentum v + (1 - dampening) g                          first step: v = g
///   x -= learning_rate (nesterov ? g + momentum v : v)
///
/// Sources: torch.optim.SGD, ONNX Momentum.
///
/// Errors at construction and in set_learning_rate: errc::bad_parameter for numbers that are NaN,
/// infinite, negative or outside their interval.
template <isa::tag I> class sgd : public detail::optimizer<sgd<I>> {
  using V = vec<f32, I>;
  friend detail::optimizer<sgd>;

public:
  static constexpr char const* name = "sgd";

  explicit sgd(index_t elements, sgd_options const& o = {})
      : detail::optimizer<sgd>(elements), o_(o) {
    isa::require<typename detail::vec_tag<I>::type>();
    this->set_learning_rate(o.learning_rate);
    detail::check_share(name, "momentum", o.momentum, false);
    detail::check_share(name, "dampening", o.dampening, true);
    detail::check_rate(name, "weight_decay", o.weight_decay);
    if (o.momentum > 0) velocity_ = this->new_state();
  }

  /// Empty without momentum.
  std::span<f32> velocity() noexcept { return velocity_; }
  std::span<f32 const> velocity() const noexcept { return velocity_; }
  bool zero_changes_nothing() const noexcept { return o_.momentum == 0 && o_.weight_decay == 0; }

private:
  template <class Self, class List> static void list_state(Self& s, List& to) noexcept {
    to.add("velocity", s.velocity());
  }
  void begin_step() noexcept {}
  template <executor E>
  void update(index_t n, index_t offset, f32 const* gradient, f32* value, E& e) noexcept {
    f32* const velocity = velocity_.empty() ? nullptr : velocity_.data() + offset;
    V const rate = V::broadcast(static_cast<f32>(-o_.learning_rate));
    V const decay = V::broadcast(static_cast<f32>(o_.weight_decay));
    V const keep = V::broadcast(static_cast<f32>(o_.momentum));
    V const fresh = V::broadcast(static_cast<f32>(this->steps() == 0 ? 1 : 1 - o_.dampening));
    bool const nesterov = o_.nesterov;
    detail::each_register_parallel<I>(e, n, [&](index_t i, auto at) IA_NN_LAMBDA {
      V const x = at.template load<V>(value + i);
      V const g = fma(decay, x, at.template load<V>(gradient + i));
      V direction = g;
      if (velocity) {
        V const v = fma(keep, at.template load<V>(velocity + i), fresh * g);
        at.store(v, velocity + i);
        direction = nesterov ? fma(keep, v, g) : v;
      }
      at.store(fma(rate, direction, x), value + i);
    });
  }

  sgd_options o_;
  std::vector<f32> velocity_;
};

struct adagrad_options {
  double learning_rate = 1e-2;
  double learning_rate_decay = 0; ///< rate = learning_rate / (1 + steps * decay)
  double weight_decay = 0;
  double epsilon = 1e-10;
};

///   g  = gradient + weight_decay x
///   h += g^2
///   x -= rate g / (sqrt(h) + epsilon)
///
/// Sources: torch.optim.Adagrad, ONNX Adagrad. Errors: those of sgd.
template <isa::tag I> class adagrad : public detail::optimizer<adagrad<I>> {
  using V = vec<f32, I>;
  friend detail::optimizer<adagrad>;

public:
  static constexpr char const* name = "adagrad";

  explicit adagrad(index_t elements, adagrad_options const& o = {})
      : detail::optimizer<adagrad>(elements), o_(o), squares_(this->new_state()) {
    isa::require<typename detail::vec_tag<I>::type>();
    this->set_learning_rate(o.learning_rate);
    detail::check_rate(name, "learning_rate_decay", o.learning_rate_decay);
    detail::check_rate(name, "weight_decay", o.weight_decay);
    detail::check_rate(name, "epsilon", o.epsilon);
  }

  std::span<f32> squares() noexcept { return squares_; }
  std::span<f32 const> squares() const noexcept { return squares_; }
  /// Without epsilon a zero is divided by the root of a zero.
  bool zero_changes_nothing() const noexcept { return o_.weight_decay == 0 && static_cast<f32>(o_.epsilon) > 0; }

private:
  template <class Self, class List> static void list_state(Self& s, List& to) noexcept {
    to.add("squares", s.squares());
  }
  void begin_step() noexcept {}
  template <executor E>
  void update(index_t n, index_t offset, f32 const* gradient, f32* value, E& e) noexcept {
    f32* const squares = squares_.data() + offset;
    double const now = 1 + static_cast<double>(this->steps()) * o_.learning_rate_decay;
    V const rate = V::broadcast(static_cast<f32>(o_.learning_rate / now));
    V const decay = V::broadcast(static_cast<f32>(o_.weight_decay));
    V const epsilon = V::broadcast(static_cast<f32>(o_.epsilon));
    detail::each_register_parallel<I>(e, n, [&](index_t i, auto at) IA_NN_LAMBDA {
      V const x = at.template load<V>(value + i);
      V const g = fma(decay, x, at.template load<V>(gradient + i));
      V const h = fma(g, g, at.template load<V>(squares + i));
      at.store(h, squares + i);
      // Lanes that do not exist have 0 / epsilon, or 0 / 0, and are not stored.
      at.store(fma(-rate, g / (sqrt(h) + epsilon), x), value + i);
    });
  }

  adagrad_options o_;
  std::vector<f32> squares_;
};

IA_NN_END

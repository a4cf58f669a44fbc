// SPDX-License-Identifier: Apache-2.0
//
// RMSProp, with its mean and with momentum.
#pragma once

#include <ia_nn/train/optimizer.hpp>

#include <ia_nn/begin.hpp>

struct rmsprop_options {
  double learning_rate = 1e-2;
  double smoothing = 0.99; ///< alpha, in [0, 1)
  double epsilon = 1e-8;
  double weight_decay = 0; ///< factor of the parameter that is added to its gradient
  double momentum = 0;     ///< in [0, 1)
  bool centred = false;    ///< divide by the deviation, not by the root of the mean square
};

///   g  = gradient + weight_decay x
///   h  = smoothing h + (1 - smoothing) g^2
///   m  = smoothing m + (1 - smoothing) g                         if centred, else 0
///   d  = g / (sqrt(h - m^2) + epsilon)
///   v  = momentum v + d
///   x -= learning_rate v
///
/// Source: torch.optim.RMSprop. A difference h - m^2 that rounding made negative counts as 0.
///
/// Errors at construction and in set_learning_rate: errc::bad_parameter for numbers that are NaN,
/// infinite, negative or outside their interval.
template <isa::tag I> class rmsprop : public detail::optimizer<rmsprop<I>> {
  using V = vec<f32, I>;
  friend detail::optimizer<rmsprop>;

public:
  static constexpr char const* name = "rmsprop";

  explicit rmsprop(index_t elements, rmsprop_options const& o = {})
      : detail::optimizer<rmsprop>(elements), o_(o), squares_(this->new_state()) {
    isa::require<typename detail::vec_tag<I>::type>();
    this->set_learning_rate(o.learning_rate);
    detail::check_share(name, "smoothing", o.smoothing, false);
    detail::check_rate(name, "epsilon", o.epsilon);
    detail::check_rate(name, "weight_decay", o.weight_decay);
    detail::check_share(name, "momentum", o.momentum, false);
    if (o.centred) mean_ = this->new_state();
    if (o.momentum > 0) velocity_ = this->new_state();
  }

  std::span<f32> squares() noexcept { return squares_; }
  std::span<f32 const> squares() const noexcept { return squares_; }
  /// Empty if it is not centred.
  std::span<f32> mean() noexcept { return mean_; }
  std::span<f32 const> mean() const noexcept { return mean_; }
  /// Empty without momentum.
  std::span<f32> velocity() noexcept { return velocity_; }
  std::span<f32 const> velocity() const noexcept { return velocity_; }

private:
  template <class Self, class List> static void list_state(Self& s, List& to) noexcept {
    to.add("squares", s.squares());
    to.add("mean", s.mean());
    to.add("velocity", s.velocity());
  }
  void begin_step() noexcept {}
  template <executor E>
  void update(index_t n, index_t offset, f32 const* gradient, f32* value, E& e) noexcept {
    f32* const squares = squares_.data() + offset;
    f32* const mean = mean_.empty() ? nullptr : mean_.data() + offset;
    f32* const velocity = velocity_.empty() ? nullptr : velocity_.data() + offset;
    auto const all = [](double x) { return V::broadcast(static_cast<f32>(x)); };
    V const rate = all(-o_.learning_rate), decay = all(o_.weight_decay), epsilon = all(o_.epsilon);
    V const keep = all(o_.smoothing), fresh = all(1 - o_.smoothing), momentum = all(o_.momentum);
    detail::each_register_parallel<I>(e, n, [&](index_t i, auto at) IA_NN_LAMBDA {
      V const x = at.template load<V>(value + i);
      V const g = fma(decay, x, at.template load<V>(gradient + i));
      // Not fresh * g^2, whose square may overflow where h does not.
      V const h = fma(keep, at.template load<V>(squares + i), (fresh * g) * g);
      at.store(h, squares + i);
      V inside = h;
      if (mean) {
        V const m = fma(keep, at.template load<V>(mean + i), fresh * g);
        at.store(m, mean + i);
        inside = max(V::zero(), fma(-m, m, h));
      }
      // Lanes that do not exist have 0 / epsilon, or 0 / 0, and are not stored.
      V v = g / (sqrt(inside) + epsilon);
      if (velocity) {
        v = fma(momentum, at.template load<V>(velocity + i), v);
        at.store(v, velocity + i);
      }
      at.store(fma(rate, v, x), value + i);
    });
  }

  rmsprop_options o_;
  std::vector<f32> squares_, mean_, velocity_;
};

IA_NN_END

// SPDX-License-Identifier: Apache-2.0
//
// Learning rates that change with the steps: plain values, each a function of the number of steps done.
//
//   schedule::warm_up const rate{100, 0.1, schedule::cosine{1e-2, 10'000}};
//   optimizer.set_learning_rate(rate(optimizer.steps()));
//
// Nothing is kept from call to call, so a schedule goes on where a checkpoint was made. Formulas are
// those of torch.optim.lr_scheduler in closed form; a step is what it calls an epoch, unless its caller
// steps it after each batch.
#pragma once

#include <ia_nn/core/meta.hpp>
#include <ia_nn/core/types.hpp>

#include <array>

#include <ia_nn/begin.hpp>

namespace schedule {

struct constant {
  double rate = 1e-2;
  constexpr double operator()(index_t) const noexcept { return rate; }
};

/// rate factor^floor(step / every): StepLR
struct step {
  double rate = 1e-2;
  index_t every = 1;
  double factor = 0.1;
  double operator()(index_t s) const noexcept {
    return rate * __builtin_pow(factor, static_cast<double>(s / max_of(every, index_t{1})));
  }
};

/// rate factor^(how many of the milestones, ascending, have been reached): MultiStepLR
template <std::size_t N> struct multi_step {
  double rate = 1e-2;
  std::array<index_t, N> milestones{};
  double factor = 0.1;
  double operator()(index_t s) const noexcept {
    int reached = 0;
    for (index_t const m : milestones) reached += s >= m;
    return rate * __builtin_pow(factor, reached);
  }
};

/// rate factor^step: ExponentialLR
struct exponential {
  double rate = 1e-2, factor = 0.999;
  double operator()(index_t s) const noexcept {
    return rate * __builtin_pow(factor, static_cast<double>(s));
  }
};

/// From `rate` to `last` in `steps` along half a period of the cosine, and back again in as many, over
/// and over: CosineAnnealingLR.
struct cosine {
  double rate = 1e-2;
  index_t steps = 1;
  double last = 0;
  double operator()(index_t s) const noexcept {
    double const part = static_cast<double>(s) / static_cast<double>(max_of(steps, index_t{1}));
    return last + (rate - last) * (1 + __builtin_cos(part * 3.14159265358979323846)) / 2;
  }
};

/// From rate first to rate last in `steps` along a line, then rate last: LinearLR.
struct linear {
  double rate = 1e-2;
  index_t steps = 1;
  double first = 1.0 / 3, last = 1;
  constexpr double operator()(index_t s) const noexcept {
    double const part = s >= steps ? 1 : static_cast<double>(s) / static_cast<double>(steps);
    return rate * (first + (last - first) * part);
  }
};

/// Along a line from after(0) first to after(0) in `steps`, then `after` from its beginning: LinearLR and
/// another by SequentialLR.
template <class After> struct warm_up {
  index_t steps = 0;
  double first = 1.0 / 3;
  After after{};
  constexpr double operator()(index_t s) const noexcept(noexcept(after(s))) {
    return s < steps ? linear{after(0), steps, first}(s) : after(s - steps);
  }
};
template <class After> warm_up(index_t, double, After) -> warm_up<After>;

/// Up from rate / start_divisor to `rate` in the first part of the steps, then down to
/// rate / start_divisor / last_divisor; in three phases first down to where it began, in as many steps
/// as up. Along cosines, or lines: OneCycleLR. Behind `steps` the last rate stays.
struct one_cycle {
  double rate = 1e-1;  ///< the highest
  index_t steps = 2;   ///< all of them
  double rising = 0.3; ///< part of the steps
  double start_divisor = 25, last_divisor = 1e4;
  bool three_phases = false, along_lines = false;
  double operator()(index_t s) const noexcept {
    double const all = static_cast<double>(steps), start = rate / start_divisor;
    double const last = start / last_divisor, top = rising * all - 1, at = static_cast<double>(s);
    double const middle = 2 * rising * all - 2;
    if (at <= top) return between(start, rate, 0, top, at);
    if (!three_phases) return between(rate, last, top, all - 1, at);
    if (at <= middle) return between(rate, start, top, middle, at);
    return between(start, last, middle, all - 1, at);
  }

private:
  double between(double a, double b, double from, double to, double at) const noexcept {
    double const part = at >= to ? 1 : (at - from) / (to - from);
    if (along_lines) return a + (b - a) * part;
    return b + (a - b) * (1 + __builtin_cos(part * 3.14159265358979323846)) / 2;
  }
};

} // namespace schedule

IA_NN_END

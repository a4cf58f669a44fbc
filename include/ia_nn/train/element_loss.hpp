// SPDX-License-Identifier: Apache-2.0
//
// Losses that compare element by element, with the gradient for what they read.
//
//   d = x - t of a prediction x and a target t
//
//   squared    d^2                                            torch.nn.MSELoss
//   absolute   |d|                                            torch.nn.L1Loss; the slope at 0 is 0
//   huber      d^2 / 2, delta (|d| - delta / 2) beyond delta    torch.nn.HuberLoss
//   smooth_l1  d^2 / (2 beta), |d| - beta / 2 beyond beta       torch.nn.SmoothL1Loss
//   logistic   (1 - t) log(1 + e^x) + p t log(1 + e^-x)         torch.nn.BCEWithLogitsLoss
//
// The losses are added in double: 8192 elements in one part, and parts in their order.
#pragma once

#include <ia_nn/math/activation.hpp>
#include <ia_nn/train/loss.hpp>
#include <ia_nn/math/row_sums.hpp>

#include <ia_nn/begin.hpp>

namespace loss_form {

struct squared {
  static constexpr char const* name = "mean_squared_error";
  template <f32_register V> IA_NN_INLINE V value(V x, V t) const noexcept {
    V const d = x - t;
    return d * d;
  }
  template <f32_register V> IA_NN_INLINE V slope(V x, V t) const noexcept {
    V const d = x - t;
    return d + d;
  }
};

struct absolute {
  static constexpr char const* name = "l1_loss";
  template <f32_register V> IA_NN_INLINE V value(V x, V t) const noexcept { return abs(x - t); }
  template <f32_register V> IA_NN_INLINE V slope(V x, V t) const noexcept {
    V const d = x - t, one = V::broadcast(1.0F);
    return select(V::zero() < d, one, select(d < V::zero(), -one, V::zero()));
  }
};

struct huber {
  static constexpr char const* name = "huber_loss";
  f32 delta = 1.0F; ///< above 0
  template <f32_register V> IA_NN_INLINE V value(V x, V t) const noexcept {
    V const d = abs(x - t), limit = V::broadcast(delta), half = V::broadcast(0.5F);
    return select(d <= limit, half * d * d, limit * fma(-half, limit, d));
  }
  template <f32_register V> IA_NN_INLINE V slope(V x, V t) const noexcept {
    V const limit = V::broadcast(delta);
    return min(limit, max(-limit, x - t));
  }
  bool valid() const noexcept { return delta > 0 && delta < detail::infinity; }
};

struct smooth_l1 {
  static constexpr char const* name = "smooth_l1_loss";
  f32 beta = 1.0F; ///< 0: as l1_loss
  template <f32_register V> IA_NN_INLINE V value(V x, V t) const noexcept {
    V const d = abs(x - t), limit = V::broadcast(beta), half = V::broadcast(0.5F);
    return select(d < limit, half * d * d / limit, fma(-half, limit, d));
  }
  template <f32_register V> IA_NN_INLINE V slope(V x, V t) const noexcept {
    V const d = x - t, limit = V::broadcast(beta);
    return select(abs(d) < limit, d / limit, absolute{}.slope(x, t));
  }
  bool valid() const noexcept { return beta >= 0 && beta < detail::infinity; }
};

/// x: logits, t: within [0, 1].
struct logistic {
  static constexpr char const* name = "binary_cross_entropy";
  f32 positive_weight = 1.0F; ///< p
  template <f32_register V> IA_NN_INLINE V value(V x, V t) const noexcept {
    V const rest = detail::softplus(detail::negative_abs(x)), zero = V::zero();
    V const positive = V::broadcast(positive_weight) * t, negative = V::broadcast(1.0F) - t;
    return fma(negative, rest + max(zero, x), positive * (rest + max(zero, -x)));
  }
  template <f32_register V> IA_NN_INLINE V slope(V x, V t) const noexcept {
    V const positive = V::broadcast(positive_weight) * t, negative = V::broadcast(1.0F) - t;
    V const tail = math::sigmoid(detail::negative_abs(x)), rest = V::broadcast(1.0F) - tail;
    auto const below = x < V::zero();
    return fma(select(below, tail, rest), negative, -(positive * select(below, rest, tail)));
  }
  bool valid() const noexcept { return positive_weight >= 0 && positive_weight < detail::infinity; }
};

} // namespace loss_form

struct element_loss_options {
  index_t max_elements = 1; ///< of the largest call
  reduction reduce = reduction::mean;
};

/// One `run`. All arrays have n elements.
struct element_loss_call {
  index_t n = 0;
  f32 const* src = nullptr;
  f32 const* target = nullptr;
  f32 const* weights =
      nullptr;         ///< factors of the losses, or null for 1; the mean is over n all the same
  f32* loss = nullptr; ///< one element, or n for reduction::none
  gradient diff_src{}; ///< of the loss; for reduction::none, of the losses' sum. May be src
};

/// Errors at construction: errc::bad_shape for max_elements below 1, errc::bad_parameter for a delta,
/// beta or positive_weight outside of its range, errc::unsupported_isa. The mean of no element is NaN.
template <isa::tag I, class Form> class element_loss {
  using V = vec<f32, I>;

public:
  explicit element_loss(element_loss_options const& o, Form const& form = {}) : o_(o), form_(form) {
    isa::require<typename detail::vec_tag<I>::type>();
    detail::check_positive(Form::name, "max_elements", o.max_elements);
    if constexpr (requires { form.valid(); })
      if (!form.valid())
        throw_error(errc::bad_parameter,
                    std::string(Form::name) + ": its parameter is out of range");
  }

  index_t workspace_bytes() const noexcept {
    return round_up(parts(o_.max_elements) * static_cast<index_t>(sizeof(double)), 64);
  }

  template <executor E = sequential>
  void run(element_loss_call const& c, workspace_view scratch, E&& e = {}) const noexcept {
    IA_NN_REQUIRE(c.n >= 0 && c.n <= o_.max_elements, Form::name, ": ", c.n,
                  " elements, planned for at most ", o_.max_elements);
    IA_NN_ASSERT(c.loss, Form::name, ": the loss is null");
    IA_NN_REQUIRE(scratch.holds(workspace_bytes()), Form::name, ": a workspace of ", scratch.size,
                  " bytes, run needs ", workspace_bytes(), " aligned to 64 bytes");
    auto* const sums = reinterpret_cast<double*>(scratch.data);
    bool const each = o_.reduce == reduction::none;
    double const divisor = o_.reduce == reduction::mean ? static_cast<double>(c.n) : 1;
    V const share = V::broadcast(static_cast<f32>(1 / divisor));
    e.parallel_for(parts(c.n), [&](index_t part, int) {
      index_t const first = part * detail::elements_of_task;
      index_t const n = min_of(detail::elements_of_task, c.n - first);
      double total[1];
      // Both in one pass, each element's loss before its gradient, which may lie in its place.
      detail::sum_row<V, 1>(
          n,
          [&](index_t j, auto at, V(&s)[1]) IA_NN_LAMBDA {
            index_t const i = first + j;
            V const x = at.template load<V>(c.src + i), t = at.template load<V>(c.target + i);
            V const w = c.weights ? at.template load<V>(c.weights + i) : V::broadcast(1.0F);
            V const loss = at.keep(form_.value(x, t) * w, V::zero());
            s[0] = s[0] + loss;
            if (each) at.store(loss, c.loss + i);
            if (c.diff_src) detail::deliver(at, form_.slope(x, t) * w * share, c.diff_src, i);
          },
          total);
      sums[part] = total[0];
    });
    if (each) return;
    double total = 0;
    for (index_t p = 0; p < parts(c.n); ++p) total += sums[p];
    *c.loss = static_cast<f32>(total / divisor);
  }

private:
  static index_t parts(index_t n) noexcept { return ceil_div(n, detail::elements_of_task); }

  element_loss_options o_;
  Form form_;
};

template <isa::tag I> using mean_squared_error = element_loss<I, loss_form::squared>;
template <isa::tag I> using l1_loss = element_loss<I, loss_form::absolute>;
template <isa::tag I> using huber_loss = element_loss<I, loss_form::huber>;
template <isa::tag I> using smooth_l1_loss = element_loss<I, loss_form::smooth_l1>;
/// Of logits.
template <isa::tag I> using binary_cross_entropy = element_loss<I, loss_form::logistic>;

IA_NN_END

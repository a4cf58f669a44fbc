// SPDX-License-Identifier: Apache-2.0
//
// Softmax cross-entropy and negative log-likelihood, with the gradient for what they read.
//
//   p_j = e^(x_j - max) / sum     row loss = -w[label] log p_label
//   diff_src_j = w[label] (p_j - [j = label]) / divisor
//
// The divisor is the sum of the rows' weights for the mean, else 1. Sources: ONNX
// SoftmaxCrossEntropyLoss and NegativeLogLikelihoodLoss, PyTorch CrossEntropyLoss and NLLLoss.
#pragma once

#include <ia_nn/math/exp.hpp>
#include <ia_nn/math/log.hpp>
#include <ia_nn/math/long_sum.hpp>
#include <ia_nn/train/gradient.hpp>

#include <ia_nn/begin.hpp>

enum class reduction { none, sum, mean };

struct cross_entropy_options {
  index_t classes = 2;
  index_t max_rows = 1; ///< rows of the largest batch
  reduction reduce = reduction::mean;
  bool log_probabilities = false;   ///< src holds log p (negative log-likelihood), not logits
  std::int64_t ignored = INT64_MIN; ///< rows with this label count nowhere
  int workers = 1;                  ///< concurrency of the executor
};

/// One call. src (rows, classes); labels are integers in [0, classes) or `ignored`.
template <std::integral Label> struct cross_entropy_call {
  index_t rows = 0;
  f32 const* src = nullptr;
  Label const* labels = nullptr;
  f32 const* class_weights = nullptr; ///< (classes), or null for 1
  f32* loss = nullptr;                ///< one element, or `rows` for reduction::none
  gradient diff_src{};                ///< of the loss; for reduction::none, of the losses' sum
  f32* log_probability = nullptr;     ///< (rows, classes), or null; not with log_probabilities
};

/// Errors at construction: errc::bad_shape for classes or max_rows below 1, errc::bad_parameter for
/// workers below 1, errc::unsupported_isa. The mean over no row, or over weights that add up to 0,
/// is NaN.
template <isa::tag I> class cross_entropy {
  using V = vec<f32, I>;

public:
  explicit cross_entropy(cross_entropy_options const& o) : o_(o) {
    isa::require<typename detail::vec_tag<I>::type>();
    detail::check_positive("cross_entropy", "classes", o.classes);
    detail::check_positive("cross_entropy", "max_rows", o.max_rows);
    detail::check_workers("cross_entropy", o.workers);
  }

  index_t workspace_bytes() const noexcept {
    return detail::f32_bytes(o_.max_rows) + o_.workers * detail::f32_bytes(o_.classes);
  }

  /// For set-up, when labels come from a file. Errors: errc::bad_parameter names the first label
  /// that is neither a class nor ignored.
  template <std::integral Label> void check_labels(index_t rows, Label const* labels) const {
    for (index_t r = 0; r < rows; ++r)
      if (!is_valid(labels[r]))
        throw_error(errc::bad_parameter, "cross_entropy: label " + std::to_string(labels[r]) +
                                             " of row " + std::to_string(r) + " is not one of " +
                                             std::to_string(o_.classes) + " classes");
  }

  template <std::integral Label, executor E = sequential>
  void run(cross_entropy_call<Label> const& c, workspace_view scratch, E&& e = {}) const noexcept {
    IA_NN_REQUIRE(c.rows >= 0 && c.rows <= o_.max_rows, "cross_entropy: ", c.rows,
                  " rows, planned for at most ", o_.max_rows);
    IA_NN_ASSERT(c.loss, "cross_entropy: the loss is null");
    IA_NN_REQUIRE(scratch.holds(workspace_bytes()), "cross_entropy: a workspace of ", scratch.size,
                  " bytes, run needs ", workspace_bytes(), " aligned to 64 bytes");
    f32* const losses =
        o_.reduce == reduction::none ? c.loss : reinterpret_cast<f32*>(scratch.data);
    double divisor = 1;
    if (o_.reduce == reduction::mean) {
      divisor = 0;
      for (index_t r = 0; r < c.rows; ++r) divisor += static_cast<double>(weight(c, r));
    }
    index_t const granule = max_of(1, 2048 / o_.classes);
    run_tasks(e, o_.workers, ceil_div(c.rows, granule), [&](index_t task, int worker) {
      f32* const row = reinterpret_cast<f32*>(scratch.data + detail::f32_bytes(o_.max_rows) +
                                              worker * detail::f32_bytes(o_.classes));
      index_t const last = min_of(c.rows, (task + 1) * granule);
      for (index_t r = task * granule; r < last; ++r) one_row(c, r, divisor, losses, row);
    });
    if (o_.reduce == reduction::none) return;
    double total = 0;
    for (index_t r = 0; r < c.rows; ++r) total += static_cast<double>(losses[r]);
    *c.loss = static_cast<f32>(total / divisor);
  }

private:
  template <class Label> bool is_valid(Label label) const noexcept {
    auto const l = static_cast<std::int64_t>(label);
    return l == o_.ignored || (l >= 0 && l < o_.classes);
  }
  template <class Label> f32 weight(cross_entropy_call<Label> const& c, index_t r) const noexcept {
    IA_NN_ASSERT(is_valid(c.labels[r]), "cross_entropy: the label of row ", r,
                 " is not one of ", o_.classes, " classes");
    if (static_cast<std::int64_t>(c.labels[r]) == o_.ignored) return 0.0F;
    return c.class_weights ? c.class_weights[c.labels[r]] : 1.0F;
  }
  // `row` holds classes elements.
  template <class Label>
  void one_row(cross_entropy_call<Label> const& c, index_t r, double divisor, f32* losses,
               f32* row) const noexcept {
    f32 const* const x = c.src + r * o_.classes;
    bool const ignored = static_cast<std::int64_t>(c.labels[r]) == o_.ignored;
    index_t const label = ignored ? 0 : static_cast<index_t>(c.labels[r]);
    f32 const w = weight(c, r);
    f32 highest_x = 0, log_sum = 0, inverse_sum = 0;
    if (!o_.log_probabilities) {
      highest_x = highest_of(x);
      f32 const sum_e = exponentials(x, highest_x, row);
      using one_lane = vec<f32, isa::scalar>;
      log_sum = math::log(one_lane::broadcast(sum_e)).native();
      inverse_sum = 1.0F / sum_e;
    }
    losses[r] = ignored ? 0.0F : w * (log_sum - (x[label] - highest_x));
    if (c.log_probability && !o_.log_probabilities)
      detail::each_register<V>(0, o_.classes, [&](index_t j, auto at) IA_NN_LAMBDA {
        V const below = at.template load<V>(x + j) - V::broadcast(highest_x);
        at.store(below - V::broadcast(log_sum), c.log_probability + r * o_.classes + j);
      });
    if (!c.diff_src) return;
    // A row that counts nowhere has no gradient, even where the divisor is 0.
    f32 const share = ignored ? 0.0F : static_cast<f32>(static_cast<double>(w) / divisor);
    f32* const to = c.diff_src.data + r * o_.classes;
    f32 const before = c.diff_src.add ? to[label] : 0.0F;
    f32 const p = o_.log_probabilities ? 0.0F : row[label] * inverse_sum;
    detail::each_register<V>(0, o_.classes, [&](index_t j, auto at) IA_NN_LAMBDA {
      V const q = o_.log_probabilities ? V::zero()
                                       : at.template load<V>(row + j) * V::broadcast(inverse_sum);
      detail::deliver(at, q * V::broadcast(share), {to, c.diff_src.add}, j);
    });
    to[label] = before + share * (ignored ? p : p - 1.0F);
  }
  f32 highest_of(f32 const* x) const noexcept {
    V most = V::broadcast(x[0]);
    index_t j = 0;
    for (; j + V::size <= o_.classes; j += V::size) most = max(most, V::load(x + j));
    f32 result = highest(most);
    for (; j < o_.classes; ++j) result = x[j] > result ? x[j] : result;
    return result;
  }
  // 64 registers are a term of a long_sum, so that many classes lose no more than few.
  f32 exponentials(f32 const* x, f32 highest_x, f32* row) const noexcept {
    constexpr index_t some = 64 * V::size;
    V sums = some_exponentials(x, highest_x, row, 0, min_of(o_.classes, some));
    if (o_.classes > some) {
      detail::long_sum<V> total{sums};
      for (index_t first = some; first < o_.classes; first += some)
        total.add(some_exponentials(x, highest_x, row, first, min_of(o_.classes, first + some)));
      sums = total.value();
    }
    return sum(sums);
  }
  // Lanes that do not exist are stored nowhere and read back as 0.
  static IA_NN_INLINE V some_exponentials(f32 const* x, f32 highest_x, f32* row, index_t begin,
                                          index_t end) noexcept {
    V total = V::zero();
    detail::each_register<V>(begin, end, [&](index_t j, auto at) IA_NN_LAMBDA {
      at.store(detail::exp_nonpositive(at.template load<V>(x + j) - V::broadcast(highest_x)),
               row + j);
      total = total + at.template load<V>(row + j);
    });
    return total;
  }

  cross_entropy_options o_;
};

IA_NN_END

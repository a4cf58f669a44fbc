// SPDX-License-Identifier: Apache-2.0
//
// Batch normalisation in training: statistics of the batch, per channel, over all rows (images and
// pixels). With N rows, the population variance, and h = (x - mean) inv_std:
//
//   mean = sum x / N     variance = sum (x - mean)^2 / N     inv_std = 1 / sqrt(variance + epsilon)
//   y    = gamma h + beta
//   running = momentum running + (1 - momentum) of the batch's      momentum as in ONNX; PyTorch's is
//                                                                   1 - momentum
//   diff_beta  = sum diff_dst     diff_gamma = sum diff_dst h
//   diff_src   = gamma inv_std (diff_dst - diff_beta / N - h diff_gamma / N)
//
// A mean is rounded: where numbers are far from 0 and close together, by more than they differ. So
// sums of x - mean, which is not quite 0, are taken beside those of its squares, and `shift` is
// what h lacks: h = (x - mean) inv_std + shift. Likewise for the mean of diff_dst, so that
//
//   diff_gamma = sum (diff_dst - mean of it) h        whose other part, mean * sum h, is 0
//
// The first mean of x is that of x minus the first row. Columns for which this is not enough
// (squares that leave f32, see ops/moments.hpp) get their moments in double.
#pragma once

#include <ia_nn/core/text.hpp>
#include <ia_nn/ops/moments.hpp>
#include <ia_nn/train/column_sums.hpp>

#include <ia_nn/begin.hpp>

struct batch_norm_training_options {
  index_t channels = 1;
  f32 epsilon = 1e-5F;
  f32 momentum = 0.9F; ///< share of the old running statistics
};

/// Arrays of one element per channel. gamma and beta may be null: 1 and 0. The running statistics
/// may be null. `mean` and `inv_std` are written by `forward` and read by `backward`.
struct batch_norm_state {
  f32 const* gamma = nullptr;
  f32 const* beta = nullptr;
  f32* running_mean = nullptr;
  f32* running_variance = nullptr;
  f32* mean = nullptr;
  f32* inv_std = nullptr;
};

/// One `backward`. Arrays (rows, channels) and gradients of gamma and beta (channels).
struct batch_norm_backward_call {
  index_t rows = 0;
  f32 const* src = nullptr;
  f32 const* diff_dst = nullptr;
  gradient diff_src{}; ///< may be diff_dst
  gradient diff_gamma{};
  gradient diff_beta{};
};

/// src and dst (rows, channels). dst may be src in `forward` (but `backward` needs the old src).
///
/// Errors at construction: errc::bad_shape for channels below 1, errc::bad_parameter for an epsilon
/// that is negative or NaN and for a momentum outside [0, 1], errc::unsupported_isa.
template <isa::tag I> class batch_norm_training {
  using V = vec<f32, I>;

public:
  explicit batch_norm_training(batch_norm_training_options const& o) : o_(o) {
    isa::require<typename detail::vec_tag<I>::type>();
    detail::check_positive("batch_norm_training", "channels", o.channels);
    if (!(o.epsilon >= 0) || !(o.epsilon < 1e30F))
      throw_error(errc::bad_parameter, "batch_norm_training: epsilon is " +
                                           detail::number_text(o.epsilon) +
                                           ", must be a number that is not negative");
    if (!(o.momentum >= 0 && o.momentum <= 1))
      throw_error(errc::bad_parameter, "batch_norm_training: momentum is " +
                                           detail::number_text(o.momentum) +
                                           ", must be within [0, 1]");
  }

  index_t workspace_bytes() const noexcept {
    return detail::f32_bytes(detail::column_sum_cells(o_.channels, 3)) +
           detail::f32_bytes(round_up(o_.channels, V::size) * most_constants);
  }

  /// Preconditions: rows >= 1, mean and inv_std in `s`.
  template <executor E = sequential>
  void forward(index_t rows, f32 const* src, f32* dst, batch_norm_state const& s,
               workspace_view scratch, E&& e = {}) const noexcept {
    IA_NN_ASSERT(src && dst && s.mean && s.inv_std,
                 "batch_norm_training: an array is null");
    IA_NN_REQUIRE(rows >= 1, "batch_norm_training: ", rows, " rows, at least 1 is needed");
    IA_NN_REQUIRE(scratch.holds(workspace_bytes()), "batch_norm_training: a workspace of ", scratch.size,
                  " bytes, run needs ", workspace_bytes(), " aligned to 64 bytes");
    index_t const channels = o_.channels;
    f32* const partial = reinterpret_cast<f32*>(scratch.data);
    f32* const table = table_of(scratch);
    V const all = V::broadcast(static_cast<f32>(rows));
    auto const x = [=](index_t r, index_t c, auto at)
                       IA_NN_LAMBDA { return at.template load<V>(src + r * channels + c); };
    auto const from_first = [&](index_t r, index_t c, auto at, V(&sum)[1])
                                IA_NN_LAMBDA { sum[0] = sum[0] + (x(r, c, at) - x(0, c, at)); };
    auto const set_mean = [&](index_t c, auto at, V const(&sum)[1])
                              IA_NN_LAMBDA { at.store(x(0, c, at) + sum[0] / all, s.mean + c); };
    detail::sum_columns<I, 1>(rows, channels, from_first, set_mean, partial, e);
    auto const deviations = [&](index_t r, index_t c, auto at, V(&sum)[2]) IA_NN_LAMBDA {
      V const d = x(r, c, at) - at.template load<V>(s.mean + c);
      sum[0] = sum[0] + d, sum[1] = fma(d, d, sum[1]);
    };
    auto const set_statistics = [&](index_t c, auto at, V const(&sum)[2]) IA_NN_LAMBDA {
      V const shift = finish_statistics(rows, src, s, c, at, sum[0] / all, sum[1] / all);
      V const gamma = optional(s.gamma, c, 1.0F, at);
      constants<3> const to(table, c);
      to.set(0, at.template load<V>(s.mean + c));
      to.set(1, at.template load<V>(s.inv_std + c) * gamma);
      to.set(2, fma(shift, gamma, optional(s.beta, c, 0.0F, at)));
    };
    detail::sum_columns<I, 2>(rows, channels, deviations, set_statistics, partial, e);
    each_row(rows, e, [=](index_t r, index_t c, auto at) IA_NN_LAMBDA {
      constants<3> const k(table, c);
      at.store(fma(x(r, c, at) - k[0], k[1], k[2]), dst + r * channels + c);
    });
  }

  /// Preconditions: rows >= 1; `s` has gamma, mean and inv_std as `forward` had and wrote them.
  template <executor E = sequential>
  void backward(batch_norm_backward_call const& call, batch_norm_state const& s,
                workspace_view scratch, E&& e = {}) const noexcept {
    auto const [rows, src, diff_dst, diff_src, diff_gamma, diff_beta] = call;
    IA_NN_ASSERT(src && diff_dst && s.mean && s.inv_std,
                 "batch_norm_training: an array is null");
    IA_NN_REQUIRE(rows >= 1, "batch_norm_training: ", rows, " rows, at least 1 is needed");
    IA_NN_REQUIRE(scratch.holds(workspace_bytes()), "batch_norm_training: a workspace of ", scratch.size,
                  " bytes, run needs ", workspace_bytes(), " aligned to 64 bytes");
    index_t const channels = o_.channels;
    f32* const partial = reinterpret_cast<f32*>(scratch.data);
    f32* const table = table_of(scratch);
    V const all = V::broadcast(static_cast<f32>(rows));
    auto const x = [=](index_t r, index_t c, auto at)
                       IA_NN_LAMBDA { return at.template load<V>(src + r * channels + c); };
    auto const dy = [=](index_t r, index_t c, auto at)
                        IA_NN_LAMBDA { return at.template load<V>(diff_dst + r * channels + c); };
    if (!diff_src && !diff_gamma && !diff_beta) return;
    auto const plain = [&](index_t r, index_t c, auto at, V(&sum)[1])
                           IA_NN_LAMBDA { sum[0] = sum[0] + dy(r, c, at); };
    auto const set_mean = [&](index_t c, auto at, V const(&sum)[1]) IA_NN_LAMBDA {
      constants<most_constants>(table, c).set(0, sum[0] / all);
      if (diff_beta) detail::deliver(at, sum[0], diff_beta, c);
    };
    detail::sum_columns<I, 1>(rows, channels, plain, set_mean, partial, e);
    if (!diff_src && !diff_gamma) return;
    auto const products = [&](index_t r, index_t c, auto at, V(&sum)[3]) IA_NN_LAMBDA {
      V const g = dy(r, c, at) - constants<most_constants>(table, c)[0];
      V const d = x(r, c, at) - at.template load<V>(s.mean + c);
      V const h = d * at.template load<V>(s.inv_std + c);
      sum[0] = sum[0] + g, sum[1] = sum[1] + h, sum[2] = fma(g, h, sum[2]);
    };
    auto const set_rest = [&](index_t c, auto at, V const(&sum)[3]) IA_NN_LAMBDA {
      V const shift = -sum[1] / all, total = fma(shift, sum[0], sum[2]), along = -total / all;
      if (diff_gamma) detail::deliver(at, total, diff_gamma, c);
      V const inv_std = at.template load<V>(s.inv_std + c);
      constants<most_constants> const to(table, c);
      to.set(1, at.template load<V>(s.mean + c));
      to.set(2, along * inv_std);
      to.set(3, fma(along, shift, -sum[0] / all));
      to.set(4, inv_std * optional(s.gamma, c, 1.0F, at));
    };
    detail::sum_columns<I, 3>(rows, channels, products, set_rest, partial, e);
    if (!diff_src) return;
    each_row(rows, e, [=](index_t r, index_t c, auto at) IA_NN_LAMBDA {
      constants<most_constants> const k(table, c);
      V const beside = fma(x(r, c, at) - k[1], k[2], k[3]);
      detail::deliver(at, k[4] * ((dy(r, c, at) - k[0]) + beside), diff_src, r * channels + c);
    });
  }

private:
  // N numbers per channel, those of a register of channels one behind the other.
  static constexpr int most_constants = 5;
  template <int N> struct constants {
    f32* at;
    IA_NN_INLINE constants(f32* table, index_t c) noexcept : at(table + c * N) {}
    IA_NN_INLINE V operator[](int k) const noexcept { return V::load(at + k * V::size); }
    IA_NN_INLINE void set(int k, V v) const noexcept { v.store(at + k * V::size); }
  };
  f32* table_of(workspace_view scratch) const noexcept {
    return reinterpret_cast<f32*>(scratch.data +
                                  detail::f32_bytes(detail::column_sum_cells(o_.channels, 3)));
  }

  // From the means of x - mean and of its squares: mean, inv_std, running statistics. Gives what h
  // lacks.
  template <class At>
  IA_NN_INLINE V finish_statistics(index_t rows, f32 const* src, batch_norm_state const& s,
                                   index_t c, At at, V rest, V squares) const noexcept {
    V const zero = V::zero(), one = V::broadcast(1.0F), first = at.template load<V>(s.mean + c);
    V mean = first + rest, variance = max(zero, fma(-rest, rest, squares));
    V const total = variance + V::broadcast(o_.epsilon), inv_std = one / sqrt(total);
    V shift = ((mean - first) - rest) * inv_std;
    at.store(mean, s.mean + c);
    at.store(inv_std, s.inv_std + c);
    // See moments_of; a NaN is doubtful.
    V const infinite = V::broadcast(detail::infinity);
    V const large = select(V::broadcast(0x1p-100F) < total, total, infinite);
    V const limit = select(large < infinite, total + total, -one);
    V const doubtful = select(rest * rest < limit, zero, one);
    if (IA_NN_UNLIKELY(sum(doubtful) > 0)) {
      f32 flags[V::size], shifts[V::size], variances[V::size];
      doubtful.store(flags), shift.store(shifts), variance.store(variances);
      widen(rows, src, s, c, at.count, flags, shifts, variances);
      mean = at.template load<V>(s.mean + c);
      shift = V::load(shifts), variance = V::load(variances);
    }
    update(s.running_mean, c, mean, at);
    update(s.running_variance, c, variance, at);
    return shift;
  }
  // The same in double for the channels that need it.
  IA_NN_NOINLINE void widen(index_t rows, f32 const* src, batch_norm_state const& s, index_t c,
                            index_t n, f32 const* flags, f32* shifts,
                            f32* variances) const noexcept {
    for (index_t i = 0; i < n; ++i, ++c) {
      if (flags[i] == 0) continue;
      auto const m = detail::wide_moments_of(
          rows, o_.epsilon, [&](index_t r) { return src[r * o_.channels + c]; });
      s.mean[c] = static_cast<f32>(m.first + m.mean);
      s.inv_std[c] = static_cast<f32>(m.inverse);
      shifts[i] = static_cast<f32>(m(s.mean[c]));
      variances[i] = static_cast<f32>(m.variance);
    }
  }
  template <class At>
  IA_NN_INLINE void update(f32* running, index_t c, V now, At at) const noexcept {
    V const old = V::broadcast(o_.momentum), fresh = V::broadcast(1.0F - o_.momentum);
    if (running) at.store(fma(at.template load<V>(running + c), old, now * fresh), running + c);
  }
  template <class At>
  static IA_NN_INLINE V optional(f32 const* p, index_t c, f32 otherwise, At at) noexcept {
    return p ? at.template load<V>(p + c) : V::broadcast(otherwise);
  }
  template <executor E, class F> void each_row(index_t rows, E& e, F const& f) const noexcept {
    index_t const granule = max_of(1, detail::elements_of_task / o_.channels);
    parallel_blocks(e, rows, granule, [&](index_t begin, index_t end, int) {
      F const own = f; // stays in registers while stores go by
      index_t const channels = o_.channels;
      for (index_t r = begin; r < end; ++r)
        detail::each_register<V>(0, channels,
                                 [&](index_t c, auto at) IA_NN_LAMBDA { own(r, c, at); });
    });
  }

  batch_norm_training_options o_;
};

IA_NN_END

// SPDX-License-Identifier: Apache-2.0
//
// Batch normalisation in training: statistics of the batch, per channel, over all rows (images and
// pixels). With N rows, the population variance, and h = (x - mean) inv_std:
//
//   mean = sum x / N     variance = sum (x - mean)^2 / N     inv_std = 1 / sqrt(variance + epsilon)
//   y    = gamma h + beta
//   running = running momentum + (1 - momentum) of the batch's     (ONNX BatchNormalization; the
//                                                       momentum of PyTorch is 1 - momentum here)
//   diff_beta  = sum diff_dst     diff_gamma = sum diff_dst h
//   diff_src   = gamma inv_std (diff_dst - diff_beta / N - h diff_gamma / N)
#pragma once

#include <ia_nn/core/text.hpp>
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

/// src, dst and their gradients (rows, channels). dst may be src in `forward` (but `backward` needs
/// the old src), diff_src may be diff_dst.
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
    return detail::f32_bytes(detail::column_sum_cells(o_.channels)) +
           2 * detail::f32_bytes(o_.channels);
  }

  /// Preconditions: rows >= 1, mean and inv_std in `s`.
  template <executor E = sequential>
  void forward(index_t rows, f32 const* src, f32* dst, batch_norm_state const& s,
               workspace_view scratch, E&& e = {}) const noexcept {
    IA_NN_ASSERT(src && dst && s.mean && s.inv_std,
                 "batch_norm_training: an array is null");
    IA_NN_ASSERT(rows >= 1, "batch_norm_training: ", rows, " rows, at least 1 is needed");
    IA_NN_ASSERT(scratch.holds(workspace_bytes()), "batch_norm_training: a workspace of ", scratch.size,
                 " bytes, run needs ", workspace_bytes(), " aligned to 64 bytes");
    index_t const channels = o_.channels;
    f32* const partial = reinterpret_cast<f32*>(scratch.data);
    V const all = V::broadcast(static_cast<f32>(rows)), epsilon = V::broadcast(o_.epsilon);
    V const old = V::broadcast(o_.momentum), fresh = V::broadcast(1.0F - o_.momentum);
    auto const update = [&](f32* running, index_t c, V now, auto at) IA_NN_LAMBDA {
      if (running) at.store(fma(at.template load<V>(running + c), old, now * fresh), running + c);
    };
    auto const element = [&](index_t r, index_t c, auto at)
                             IA_NN_LAMBDA { return at.template load<V>(src + r * channels + c); };
    auto const set_mean = [&](index_t c, auto at, V total) IA_NN_LAMBDA {
      V const mean = total / all;
      at.store(mean, s.mean + c);
      update(s.running_mean, c, mean, at);
    };
    detail::sum_columns<I>(rows, channels, partial, element, set_mean, e);
    auto const square = [&](index_t r, index_t c, auto at) IA_NN_LAMBDA {
      V const d = at.template load<V>(src + r * channels + c) - at.template load<V>(s.mean + c);
      return d * d;
    };
    auto const set_inv_std = [&](index_t c, auto at, V total) IA_NN_LAMBDA {
      V const variance = total / all;
      at.store(V::broadcast(1.0F) / sqrt(variance + epsilon), s.inv_std + c);
      update(s.running_variance, c, variance, at);
    };
    detail::sum_columns<I>(rows, channels, partial, square, set_inv_std, e);
    each_row(rows, e, [&](index_t r, index_t c, auto at) IA_NN_LAMBDA {
      V const scaled = at.template load<V>(s.inv_std + c) * optional(s.gamma, c, 1.0F, at);
      V const d = at.template load<V>(src + r * channels + c) - at.template load<V>(s.mean + c);
      at.store(fma(d, scaled, optional(s.beta, c, 0.0F, at)), dst + r * channels + c);
    });
  }

  /// Preconditions: rows >= 1; `s` has gamma, mean and inv_std as `forward` had and wrote them.
  template <executor E = sequential>
  void backward(index_t rows, f32 const* src, f32 const* diff_dst, batch_norm_state const& s,
                gradient diff_src, gradient diff_gamma, gradient diff_beta, workspace_view scratch,
                E&& e = {}) const noexcept {
    IA_NN_ASSERT(src && diff_dst && s.mean && s.inv_std,
                 "batch_norm_training: an array is null");
    IA_NN_ASSERT(rows >= 1, "batch_norm_training: ", rows, " rows, at least 1 is needed");
    IA_NN_ASSERT(scratch.holds(workspace_bytes()), "batch_norm_training: a workspace of ", scratch.size,
                 " bytes, run needs ", workspace_bytes(), " aligned to 64 bytes");
    index_t const channels = o_.channels;
    f32* const partial = reinterpret_cast<f32*>(scratch.data);
    f32* const sum_h = partial + detail::f32_bytes(detail::column_sum_cells(channels)) / 4;
    f32* const sum = sum_h + detail::f32_bytes(channels) / 4;
    auto const normal = [&](index_t r, index_t c, auto at) IA_NN_LAMBDA {
      V const d = at.template load<V>(src + r * channels + c) - at.template load<V>(s.mean + c);
      return d * at.template load<V>(s.inv_std + c);
    };
    auto const plain = [&](index_t r, index_t c, auto at) IA_NN_LAMBDA {
      return at.template load<V>(diff_dst + r * channels + c);
    };
    auto const weighted = [&](index_t r, index_t c, auto at) IA_NN_LAMBDA {
      return at.template load<V>(diff_dst + r * channels + c) * normal(r, c, at);
    };
    if (diff_src || diff_beta) {
      auto const finish = [&](index_t c, auto at, V total) IA_NN_LAMBDA {
        at.store(total, sum + c);
        if (diff_beta) at.deliver(total, diff_beta, c);
      };
      detail::sum_columns<I>(rows, channels, partial, plain, finish, e);
    }
    if (diff_src || diff_gamma) {
      auto const finish = [&](index_t c, auto at, V total) IA_NN_LAMBDA {
        at.store(total, sum_h + c);
        if (diff_gamma) at.deliver(total, diff_gamma, c);
      };
      detail::sum_columns<I>(rows, channels, partial, weighted, finish, e);
    }
    if (!diff_src) return;
    V const share = V::broadcast(1.0F / static_cast<f32>(rows));
    each_row(rows, e, [&](index_t r, index_t c, auto at) IA_NN_LAMBDA {
      V const gain = at.template load<V>(s.inv_std + c) * optional(s.gamma, c, 1.0F, at);
      V const beside = fma(-share, at.template load<V>(sum + c), plain(r, c, at));
      V const along = share * at.template load<V>(sum_h + c);
      at.deliver(gain * fma(-along, normal(r, c, at), beside), diff_src, r * channels + c);
    });
  }

private:
  template <class At>
  static IA_NN_INLINE V optional(f32 const* p, index_t c, f32 otherwise, At at) noexcept {
    return p ? at.template load<V>(p + c) : V::broadcast(otherwise);
  }
  template <executor E, class F> void each_row(index_t rows, E& e, F const& f) const noexcept {
    index_t const granule = max_of(1, detail::elements_of_task / o_.channels);
    parallel_blocks(e, rows, granule, [&](index_t begin, index_t end, int) {
      for (index_t r = begin; r < end; ++r)
        detail::each_register<V>(0, o_.channels,
                                 [&](index_t c, auto at) IA_NN_LAMBDA { f(r, c, at); });
    });
  }

  batch_norm_training_options o_;
};

IA_NN_END

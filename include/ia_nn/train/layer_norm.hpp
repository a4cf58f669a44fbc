// SPDX-License-Identifier: Apache-2.0
//
// Gradients of layer normalization (ops/layer_norm.hpp). With h = (x - mean) inv_std of a row of n:
//
//   y = gamma h + beta
//   diff_beta  = sum over rows of diff_dst      diff_gamma = sum over rows of diff_dst h
//   g = gamma diff_dst
//   diff_src   = inv_std (g - mean of g - h (mean of g h))
//
// Mean and deviation are computed again from src, which the backward pass reads anyway: as the
// forward pass does, in double where f32 has no room for the squares. The sums over rows have parts
// of their own (column_sums.hpp).
#pragma once

#include <ia_nn/ops/layer_norm.hpp>
#include <ia_nn/train/column_sums.hpp>
#include <ia_nn/math/row_sums.hpp>

#include <ia_nn/begin.hpp>

/// One `run`. Arrays (rows, n); gamma and the gradients of gamma and beta (n).
struct layer_norm_backward_call {
  index_t rows = 0;
  f32 const* src = nullptr;
  f32 const* diff_dst = nullptr;
  f32 const* gamma = nullptr; ///< null: 1
  gradient diff_src{};        ///< may be diff_dst
  gradient diff_gamma{};
  gradient diff_beta{};
};

/// Rows of n elements. Errors at construction: errc::bad_shape for n or max_rows below 1,
/// errc::bad_parameter for an epsilon that is negative or not finite, errc::unsupported_isa.
template <isa::tag I> class layer_norm_backward {
  using V = vec<f32, I>;

public:
  explicit layer_norm_backward(index_t n, index_t max_rows = 1, f32 epsilon = 1e-5F)
      : n_(n), max_rows_(max_rows), epsilon_(epsilon) {
    isa::require<typename detail::vec_tag<I>::type>();
    detail::check_positive("layer_norm_backward", "n", n);
    detail::check_positive("layer_norm_backward", "max_rows", max_rows);
    detail::check_epsilon("layer_norm_backward", epsilon);
  }

  index_t n() const noexcept { return n_; }
  index_t workspace_bytes() const noexcept {
    return rows_bytes() + detail::f32_bytes(detail::column_sum_cells(n_, 2));
  }

  template <executor E = sequential>
  void run(layer_norm_backward_call const& c, workspace_view scratch, E&& e = {}) const noexcept {
    IA_NN_REQUIRE(c.rows >= 0 && c.rows <= max_rows_, "layer_norm_backward: ", c.rows,
                  " rows, planned for at most ", max_rows_);
    IA_NN_REQUIRE(scratch.holds(workspace_bytes()), "layer_norm_backward: a workspace of ",
                  scratch.size, " bytes, run needs ", workspace_bytes(), " aligned to 64 bytes");
    bool const parameters = c.diff_gamma || c.diff_beta;
    auto* const rows = reinterpret_cast<row*>(scratch.data);
    if (c.diff_gamma || c.diff_src)
      parallel_blocks(e, c.rows, ceil_div(4096, n_), [&](index_t begin, index_t end, int) {
        for (index_t r = begin; r < end; ++r) {
          rows[r] = row_of(c.src + r * n_);
          // diff_src may be diff_dst, from which the sums over rows come first.
          if (c.diff_src && !parameters) one_row(c, r, rows[r]);
        }
      });
    if (!parameters) return;
    auto const add = [&](index_t r, index_t i, auto at, V(&s)[2]) IA_NN_LAMBDA {
      V const g = at.template load<V>(c.diff_dst + r * n_ + i);
      s[1] = s[1] + g;
      if (c.diff_gamma) s[0] = fma(g, h_of(rows[r], c.src + r * n_ + i, at), s[0]);
    };
    auto const finish = [&](index_t i, auto at, V const(&total)[2]) IA_NN_LAMBDA {
      if (c.diff_gamma) detail::deliver(at, total[0], c.diff_gamma, i);
      if (c.diff_beta) detail::deliver(at, total[1], c.diff_beta, i);
    };
    detail::sum_columns<I, 2>(c.rows, n_, add, finish,
                              reinterpret_cast<f32*>(scratch.data + rows_bytes()), e);
    if (!c.diff_src) return;
    parallel_blocks(e, c.rows, ceil_div(4096, n_), [&](index_t begin, index_t end, int) {
      for (index_t r = begin; r < end; ++r) one_row(c, r, rows[r]);
    });
  }

private:
  // h = fma(x - mean, inverse, shift), or (x - first - rest) * inverse in double.
  struct row {
    f32 mean, shift, inverse;
    bool exact;
    double first, rest, wide_inverse;
  };
  index_t rows_bytes() const noexcept {
    return round_up(max_rows_ * static_cast<index_t>(sizeof(row)), 64);
  }

  row row_of(f32 const* x) const noexcept {
    double const n = static_cast<double>(n_);
    double all[1], both[2];
    detail::sum_row<V, 1>(
        n_,
        [&](index_t i, auto at, V(&s)[1])
            IA_NN_LAMBDA { s[0] = s[0] + at.template load<V>(x + i); },
        all);
    f32 const mean = static_cast<f32>(all[0] / n);
    V const m = V::broadcast(mean);
    detail::sum_row<V, 2>(
        n_,
        [&](index_t i, auto at, V(&s)[2]) IA_NN_LAMBDA {
          V const d = at.keep(at.template load<V>(x + i) - m, V::zero());
          s[0] = s[0] + d, s[1] = fma(d, d, s[1]);
        },
        both);
    detail::moments const found = detail::moments_of(mean, both[0], both[1], n, epsilon_);
    if (IA_NN_LIKELY(found.exact))
      return {mean, -found.rest * found.inverse, found.inverse, true, 0, 0, 0};
    auto const w = detail::wide_moments_of(n_, epsilon_, [&](index_t i) { return x[i]; });
    return {0, 0, static_cast<f32>(w.inverse), false, w.first, w.mean, w.inverse};
  }
  template <class At> static IA_NN_INLINE V h_of(row const& m, f32 const* x, At at) noexcept {
    if (IA_NN_LIKELY(m.exact))
      return fma(at.template load<V>(x) - V::broadcast(m.mean), V::broadcast(m.inverse),
                 V::broadcast(m.shift));
    f32 h[V::size] = {};
    for (index_t l = 0; l < at.count; ++l)
      h[l] = static_cast<f32>((static_cast<double>(x[l]) - m.first - m.rest) * m.wide_inverse);
    return V::load(h);
  }
  void one_row(layer_norm_backward_call const& c, index_t r, row const& m) const noexcept {
    f32 const* const x = c.src + r * n_;
    f32 const* const diff = c.diff_dst + r * n_;
    auto const g_of = [&](index_t i, auto at) IA_NN_LAMBDA {
      V const g = at.template load<V>(diff + i);
      return c.gamma ? g * at.template load<V>(c.gamma + i) : g;
    };
    double sums[2];
    detail::sum_row<V, 2>(
        n_,
        [&](index_t i, auto at, V(&s)[2]) IA_NN_LAMBDA {
          V const g = g_of(i, at);
          s[0] = s[0] + g, s[1] = fma(g, h_of(m, x + i, at), s[1]);
        },
        sums);
    double const n = static_cast<double>(n_);
    V const mean = V::broadcast(static_cast<f32>(sums[0] / n));
    V const along = V::broadcast(static_cast<f32>(-sums[1] / n));
    V const inverse = V::broadcast(m.inverse);
    detail::each_register<V>(0, n_, [&](index_t i, auto at) IA_NN_LAMBDA {
      V const d = fma(h_of(m, x + i, at), along, g_of(i, at) - mean);
      detail::deliver(at, d * inverse, c.diff_src, r * n_ + i);
    });
  }

  index_t n_, max_rows_;
  f32 epsilon_;
};

IA_NN_END

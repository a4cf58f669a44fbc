// SPDX-License-Identifier: Apache-2.0
//
// Gradients of norms that divide a row by its length (ops/scale_norm.hpp). With r = 1 / length of a row of n:
//
//   y = r x gamma
//   diff_gamma = sum over rows of diff_dst r x
//   g = gamma diff_dst, s = sum of g x
//   diff_src   = r g - r^3 s x / n        root mean square
//              = r g - r^3 s x            l2
//              = r g - r^2 s sign(x)      l1
//              = r g                      where epsilon is the length
//
// The length is computed again from src. The sums over rows have parts of their own (column_sums.hpp).
#pragma once

#include <ia_nn/ops/scale_norm.hpp>
#include <ia_nn/train/column_sums.hpp>

#include <ia_nn/begin.hpp>

/// One `run`. Arrays (rows, n); gamma and its gradient (n).
struct scale_norm_backward_call {
  index_t rows = 0;
  f32 const* src = nullptr;
  f32 const* diff_dst = nullptr;
  f32 const* gamma = nullptr; ///< null: 1
  gradient diff_src{};        ///< may be diff_dst
  gradient diff_gamma{};
};

/// Of rms_norm and lp_norm. Errors at construction: errc::bad_shape for n or max_rows below 1,
/// errc::bad_parameter for an epsilon that is negative or not finite, errc::unsupported_isa.
template <isa::tag I> class scale_norm_backward {
  using V = vec<f32, I>;

public:
  scale_norm_backward(length_kind kind, index_t n, index_t max_rows, f32 epsilon)
      : length_{kind, n, static_cast<double>(epsilon)}, max_rows_(max_rows) {
    isa::require<typename detail::vec_tag<I>::type>();
    detail::check_positive("scale_norm_backward", "n", n);
    detail::check_positive("scale_norm_backward", "max_rows", max_rows);
    detail::check_epsilon("scale_norm_backward", epsilon);
  }

  index_t n() const noexcept { return length_.n; }
  index_t workspace_bytes() const noexcept {
    return rows_bytes() + detail::f32_bytes(detail::column_sum_cells(n(), 1));
  }

  template <executor E = sequential>
  void run(scale_norm_backward_call const& c, workspace_view scratch, E&& e = {}) const noexcept {
    IA_NN_REQUIRE(c.rows >= 0 && c.rows <= max_rows_, "scale_norm_backward: ", c.rows,
                  " rows, planned for at most ", max_rows_);
    IA_NN_REQUIRE(scratch.holds(workspace_bytes()), "scale_norm_backward: a workspace of ", scratch.size,
                  " bytes, run needs ", workspace_bytes(), " aligned to 64 bytes");
    auto* const inverse = reinterpret_cast<f32*>(scratch.data);
    if (c.diff_gamma) { // first: diff_src may be diff_dst
      parallel_blocks(e, c.rows, ceil_div(4096, n()), [&](index_t begin, index_t end, int) {
        for (index_t r = begin; r < end; ++r) inverse[r] = static_cast<f32>(length_(c.src + r * n()).value);
      });
      auto const add = [&](index_t r, index_t i, auto at, V(&s)[1]) IA_NN_LAMBDA {
        V const x = at.template load<V>(c.src + r * n() + i) * V::broadcast(inverse[r]);
        s[0] = fma(at.template load<V>(c.diff_dst + r * n() + i), x, s[0]);
      };
      auto const finish = [&](index_t i, auto at, V const(&total)[1])
                              IA_NN_LAMBDA { detail::deliver(at, total[0], c.diff_gamma, i); };
      detail::sum_columns<I, 1>(c.rows, n(), add, finish, reinterpret_cast<f32*>(scratch.data + rows_bytes()), e);
    }
    if (!c.diff_src) return;
    parallel_blocks(e, c.rows, ceil_div(4096, n()), [&](index_t begin, index_t end, int) {
      for (index_t r = begin; r < end; ++r) row(c, r);
    });
  }

private:
  index_t rows_bytes() const noexcept { return detail::f32_bytes(max_rows_); }

  void row(scale_norm_backward_call const& c, index_t r) const noexcept {
    f32 const *const x = c.src + r * n(), *const diff = c.diff_dst + r * n();
    auto const g_of = [&](index_t i, auto at) IA_NN_LAMBDA {
      V const g = at.template load<V>(diff + i);
      return c.gamma ? g * at.template load<V>(c.gamma + i) : g;
    };
    detail::inverse_length const length = length_(x);
    double const inverse = length.value;
    double along[1] = {0}; // times what of x is subtracted
    if (!length.held) {
      detail::sum_row<V, 1>(n(), [&](index_t i, auto at, V(&s)[1]) IA_NN_LAMBDA {
        s[0] = fma(g_of(i, at), at.template load<V>(x + i), s[0]);
      }, along);
      along[0] *= -inverse * inverse;
      if (length_.kind != length_kind::l1) along[0] *= inverse;
      if (length_.kind == length_kind::root_mean_square) along[0] /= static_cast<double>(n());
    }
    V const by = V::broadcast(static_cast<f32>(inverse)), less = V::broadcast(static_cast<f32>(along[0]));
    bool const signs = length_.kind == length_kind::l1;
    detail::each_register<V>(0, n(), [&](index_t i, auto at) IA_NN_LAMBDA {
      V v = at.template load<V>(x + i);
      if (signs) v = min(V::broadcast(1), max(V::broadcast(-1), v * V::broadcast(0x1p126F) * V::broadcast(0x1p24F)));
      detail::deliver(at, fma(v, less, g_of(i, at) * by), c.diff_src, r * n() + i);
    });
  }

  detail::row_length<I> length_;
  index_t max_rows_;
};

IA_NN_END

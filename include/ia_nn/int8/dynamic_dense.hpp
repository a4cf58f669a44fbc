// SPDX-License-Identifier: Apache-2.0
//
// A fully connected layer from f32 to f32 with 8-bit products: every row of src is quantized with
// the range that it has, symmetrically to s8. Nothing is calibrated, and a row's result does not
// depend on the others of its batch.
//
//   q[m]     quantize(src[m], scale[m]), scale[m] = max |src[m]| / 127 (2^-126 or more, 1 for zeros)
//   y[m][c]  fma(f32(sum of q[m] * (w[c] - zero point)), scale[m] * scale(weights, c), bias[c])
//   dst      epilogue(y)
//
// An infinity counts as the largest f32 of its sign; a NaN makes its row NaN.
#pragma once

#include <ia_nn/core/text.hpp>
#include <ia_nn/gemm/gemm.hpp>
#include <ia_nn/int8/dynamic.hpp>
#include <ia_nn/int8/weights.hpp>

#include <ia_nn/begin.hpp>

namespace detail {

/// Sums of integers to f32: a scale for each row and each column, and a bias.
struct dequantize_rows {
  f32 const* row_scale;
  f32 const* scale;
  f32 const* bias;
  template <vector_register V, class At> IA_NN_INLINE auto operator()(V sum, At at) const noexcept {
    using F = decltype(to_f32(sum));
    F const factor = F::broadcast(row_scale[at.row]) * at.template columns<F>(scale);
    return fma(to_f32(sum), factor, at.template columns<F>(bias));
  }
};

} // namespace detail

struct dynamic_options {
  index_t max_rows = 1; ///< rows of the largest batch
  int workers = 1;      ///< concurrency of the executor
};

/// src [rows][k] f32, weights [n][k] as `quantize_weights` makes them without biases, bias [n] f32
/// or none, dst [rows][n] of type C.
///
/// Errors at construction: those of `gemm`; errc::bad_parameter (weights with biases in steps);
/// errc::bad_shape (another number of biases). `run` is const and noexcept and allocates nothing.
template <isa::tag I, element C = f32> class dynamic_dense {
  using plan_type = gemm<I, s8, s8, C>;

public:
  explicit dynamic_dense(quantized_weights const& w, std::span<f32 const> bias = {},
                         dynamic_options const& o = {})
      : zeros_(detail::copy_of(w.zero_points)),
        plan_(o.max_rows, w.filters, w.each, o.workers, {.b_zero_points = zeros_.data()}),
        weights_(transposed(matrix(w.values.data(), w.filters, w.each))), scale_(w.filters),
        bias_(w.filters) {
    if (w.data_scale != 0)
      throw_error(errc::bad_parameter, "dynamic_dense: the weights have biases in steps of data of "
                                       "scale " +
                                           detail::number_text(w.data_scale) +
                                           "; give biases as f32");
    if (!bias.empty() && bias.size() != static_cast<std::size_t>(w.filters))
      throw_error(errc::bad_shape, "dynamic_dense: " + std::to_string(bias.size()) +
                                       " biases for " + std::to_string(w.filters) + " columns");
    for (index_t c = 0; c < w.filters; ++c) {
      scale_[c] = w.scales[c];
      bias_[c] = bias.empty() ? 0.0F : bias[static_cast<std::size_t>(c)];
    }
  }

  index_t k() const noexcept { return plan_.k(); }
  index_t n() const noexcept { return plan_.n(); }
  index_t workspace_bytes() const noexcept {
    return round_up(plan_.workspace_bytes(), 64) + scale_bytes() + round_up(plan_.m() * k(), 64);
  }

  /// dst [rows][ldc] = epilogue(src [rows][lda] * weights + bias): one stage, or a chain of them.
  template <class Epilogue, executor E = sequential>
  void run(index_t rows, f32 const* src, index_t lda, C* dst, index_t ldc, Epilogue const& epilogue,
           workspace_view scratch, E&& e = {}) const noexcept {
    IA_NN_REQUIRE(rows >= 0 && rows <= plan_.m(), "dynamic_dense: ", rows,
                  " rows, planned for at most ", plan_.m());
    IA_NN_REQUIRE(scratch.holds(workspace_bytes()), "dynamic_dense: a workspace of ", scratch.size,
                  " bytes, run needs ", workspace_bytes(), " aligned to 64 bytes");
    std::byte* const behind = scratch.data + round_up(plan_.workspace_bytes(), 64);
    f32* const scales = reinterpret_cast<f32*>(behind);
    s8* const q = reinterpret_cast<s8*>(behind + scale_bytes());
    e.parallel_for(rows, [&](index_t r, int) {
      scales[r] = detail::row_scale(detail::largest_of<I>(src + r * lda, k()));
      quantize<I>(k(), src + r * lda, q + r * k(), {scales[r], 0});
      if (scales[r] == detail::row_scale(0x1.fffffep127F)) // -infinity saturated to -128
        for (index_t i = r * k(); i < (r + 1) * k(); ++i) q[i] = q[i] < -127 ? s8{-127} : q[i];
    });
    plan_.with_rows(rows).run(
        q, k(), weights_, dst, ldc,
        chain{detail::dequantize_rows{scales, scale_.data(), bias_.data()}, epilogue}, scratch, e);
  }
  /// Without stages behind the bias.
  template <executor E = sequential>
  void run(index_t rows, f32 const* src, index_t lda, C* dst, index_t ldc, workspace_view scratch,
           E&& e = {}) const noexcept {
    run(rows, src, lda, dst, ldc, chain<>{}, scratch, e);
  }

private:
  index_t scale_bytes() const noexcept { return round_up(plan_.m() * 4, 64); }

  aligned_array<s32> zeros_; ///< of the weights, if they have some
  plan_type plan_;
  typename plan_type::weights weights_;
  aligned_array<f32> scale_, bias_;
};

IA_NN_END

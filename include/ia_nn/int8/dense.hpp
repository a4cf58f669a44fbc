// SPDX-License-Identifier: Apache-2.0
//
// A fully connected layer on 8-bit data:
//
//   dst = epilogue((src - zero_point) * weights)        the formula is in quantized_epilogue.hpp
#pragma once

#include <ia_nn/gemm/gemm.hpp>
#include <ia_nn/int8/quantized_epilogue.hpp>

#include <ia_nn/begin.hpp>

/// src [rows][k] u8 or s8, weights [n][k] as `quantize_weights` makes them, dst [rows][n] u8, s8,
/// s32, f32 or bf16.
///
/// Errors at construction: those of `gemm`, and errc::bad_parameter (scales, zero points, biases
/// for another scale, sums that may not fit s32). `run` is const and noexcept and allocates
/// nothing; concurrent calls need a workspace each.
template <isa::tag I, byte_element A, element C> class quantized_dense {
  using plan_type = gemm<I, A, s8, C>;

public:
  explicit quantized_dense(quantized_weights const& w, quantized_options const& o = {})
      : epilogue_("quantized_dense", w, o),
        zeros_(detail::copy_of(w.zero_points)),
        plan_(o.max_rows, w.filters, w.each, o.workers,
              {.a_zero_point = o.src.zero_point, .b_zero_points = zeros_.data()}),
        weights_(transposed(matrix(w.values.data(), w.filters, w.each))) {}

  index_t k() const noexcept { return plan_.k(); }
  index_t n() const noexcept { return plan_.n(); }
  index_t workspace_bytes() const noexcept { return plan_.workspace_bytes(); }
  quantized_options const& options() const noexcept { return epilogue_.options(); }

  template <executor E = sequential>
  void run(index_t rows, A const* src, C* dst, workspace_view scratch, E&& e = {}) const noexcept {
    plan_.with_rows(rows).run(src, k(), weights_, dst, n(), chain{epilogue_.stage()}, scratch, e);
  }
  /// The same plus residual [rows][n] u8 or s8, which may be dst.
  template <byte_element R, executor E = sequential>
  void run_add(index_t rows, A const* src, R const* residual, C* dst, workspace_view scratch,
               E&& e = {}) const noexcept {
    plan_.with_rows(rows).run(src, k(), weights_, dst, n(), chain{epilogue_.stage(residual, n())},
                              scratch, e);
  }

private:
  detail::quantized_epilogue<A, C> epilogue_;
  aligned_array<s32> zeros_; ///< of the weights, if they have some
  plan_type plan_;
  typename plan_type::weights weights_;
};

IA_NN_END

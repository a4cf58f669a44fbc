// SPDX-License-Identifier: Apache-2.0
//
// A matrix of gates, packed so that all gates of the same hidden units lie beside each other:
//
//   columns:   | unit 0..nr-1 of gate 0 | of gate 1 | ... | unit nr..2nr-1 of gate 0 | ...
//                panel 0                  panel 1           panel G
//
// One thread computes a block of nr units with all gates, and finishes them where the accumulators
// are. A matrix of another kind (a projection) has one gate. Units are padded with zeros to whole
// blocks. Panels are those of the product's kernel: vectors and AMX read the same bytes.
#pragma once

#include <ia_nn/gemm/policy.hpp>
#include <ia_nn/int8/schemes.hpp>

#include <ia_nn/begin.hpp>

namespace detail {

/// w quantized to s8 symmetrically, one scale per column: w = scale * q. Source: ONNX
/// QuantizeLinear with zero point 0 and scale = max |w| / 127.
inline f32 column_scale(f32 extreme) noexcept { return positive_scale(extreme / 127.0F, extreme); }

template <isa::tag I, element A, element B, class Policy> class gate_matrix {
public:
  using select = kernel_for<I, A, B, Policy>;
  using main_kernel = typename select::main;
  using few_kernel = typename select::few;
  using weights = typename select::weights;
  using view_type = typename weights::view_type;
  using b_type = typename main_kernel::b_type;
  using panel_type = typename main_kernel::panel_type;
  static constexpr int parts = select::terms;
  static constexpr index_t nr = panel_type::nr;
  static constexpr bool scaled = std::same_as<b_type, s8>;

  gate_matrix() = default;

  /// `get(k, g, unit)` is the f32 weight of gate g of a unit.
  template <class Get> gate_matrix(index_t k, index_t units, int gates, Get const& get) {
    using source = std::conditional_t<scaled, s8, f32>;
    index_t const blocks = ceil_div(units, nr), columns = blocks * gates * nr;
    aligned_array<source> plain(k * columns);
    if constexpr (scaled) scale_ = aligned_array<f32>(columns);
    for (index_t b = 0; b < blocks; ++b)
      for (int g = 0; g < gates; ++g)
        for (index_t j = 0; j < nr && b * nr + j < units; ++j) {
          index_t const unit = b * nr + j, column = (b * gates + g) * nr + j;
          if constexpr (scaled) {
            f32 extreme = 0;
            for (index_t i = 0; i < k; ++i) {
              f32 const w = get(i, g, unit), size = w < 0 ? -w : w;
              if (!(size <= 0x1.fffffep127F))
                throw_error(errc::bad_parameter, "a weight that is to be quantized is not finite");
              extreme = size > extreme ? size : extreme;
            }
            f32 const s = column_scale(extreme);
            scale_[column] = s;
            for (index_t i = 0; i < k; ++i)
              plain[i * columns + column] = static_cast<s8>(__builtin_rintf(get(i, g, unit) / s));
          } else {
            for (index_t i = 0; i < k; ++i) plain[i * columns + column] = get(i, g, unit);
          }
        }
    tensor_view<source const, shape<dyn, dyn>> const view(plain.data(),
                                                          shape<dyn, dyn>(k, columns));
    panels_ = weights(view);
    gates_ = gates;
  }

  view_type view() const noexcept { return panels_.view(); }
  index_t k() const noexcept { return panels_.k(); }
  index_t columns() const noexcept { return panels_.n(); }
  index_t blocks() const noexcept { return columns() / nr / gates_; }
  int gates() const noexcept { return gates_; }
  index_t bytes() const noexcept { return panels_.bytes(); }
  f32 const* scale() const noexcept { return scale_.data(); }

  /// What accumulators start from so that quantized rows with this zero point come out right.
  aligned_array<s32> start(s32 zero_point) const {
    aligned_array<s32> row;
    if constexpr (std::same_as<typename main_kernel::acc, s32>) {
      row = aligned_array<s32>(columns());
      for (index_t i = 0; i < columns(); ++i)
        row[i] = static_cast<s32>(-static_cast<std::int64_t>(zero_point) * view().sums[i]);
    }
    return row;
  }

private:
  weights panels_;
  aligned_array<f32> scale_; ///< of columns; s8 weights
  int gates_ = 1;
};

} // namespace detail

IA_NN_END

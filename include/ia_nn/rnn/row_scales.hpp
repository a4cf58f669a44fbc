// SPDX-License-Identifier: Apache-2.0
//
// The scales of an 8-bit layer: of each row of x in a chunk, of h(t-1) of each sequence, and what makes
// a sequence NaN, which bytes cannot hold. Of other layers nothing is kept and every factor is 1.
#pragma once

#include <ia_nn/int8/dynamic.hpp>
#include <ia_nn/rnn/sequence_pass.hpp>
#include <ia_nn/rnn/work_division.hpp>

#include <ia_nn/begin.hpp>

namespace detail {

template <class W, element X, element Y> class row_scales {
  using I = typename W::isa_type;
  using A = typename W::operand_type;
  /// Whether rows of x are quantized here. If not, they came as bytes, all with one scale.
  static constexpr bool converts = W::quantized && !std::same_as<X, A>;

public:
  row_scales() = default;
  /// memory: batch * (chunk + 2) numbers.
  row_scales(W const& w, sequence_pass<X, Y> const& io, f32* memory, index_t chunk) noexcept
      : w_(&w), io_(&io), chunk_(chunk), x_(memory), h_(x_ + io.rows.batch * chunk),
        nan_(h_ + io.rows.batch) {}

  // Rows' scales of h, unless they follow it; a NaN in a state makes its sequence NaN.
  void begin(work_division const& work) const noexcept {
    if constexpr (W::quantized) {
      auto const nan_in = [](f32 const* from, index_t n) {
        return from ? largest_of<I>(from, n) * 0.0F : 0.0F;
      };
      index_t const batch = io_->rows.batch, output = w_->output(), hidden = w_->hidden();
      for (index_t row = work.rank; row < batch; row += work.size) {
        index_t const n = io_->rows.sequence(row);
        f32 nan = io_->initial_hidden ? nan_in(io_->initial_hidden + n * output, output) : 0;
        for (int k = 0; io_->initial_state && k < W::cell_type::states; ++k)
          nan += nan_in(io_->initial_state + k * io_->state_stride + n * hidden, hidden);
        nan_[row] = nan;
        h_[row] = w_->quantization().hidden.scale + nan;
      }
      if (!converts)
        for (index_t i = work.rank; i < batch * chunk_; i += work.size)
          x_[i] = w_->quantization().input.scale;
    }
  }

  // Inputs of a dynamic layer are symmetric, unless they came as bytes.
  s32 input_zero() const noexcept {
    if constexpr (converts)
      if (w_->quantization().dynamic) return middle_of<A>;
    return w_->quantization().input.zero_point;
  }
  quantization of_input(X const* from) const noexcept {
    if constexpr (!converts) return {1.0F, 0};
    else if (!w_->quantization().dynamic) return {w_->quantization().input.scale, input_zero()};
    else return {row_scale(largest_of<I>(from, w_->input())), input_zero()};
  }
  // Row `count` of the chunk, which belongs to sequence `row`, has this scale: NaN from the first NaN of
  // the sequence on.
  void converted(index_t count, index_t row, f32 scale, bool has_nan) const noexcept {
    if constexpr (converts) {
      if (has_nan) nan_[row] = __builtin_nanf("");
      x_[count] = scale + nan_[row];
    }
  }
  f32 const* x() const noexcept { return x_; }

  // The quantization of h(t-1) of a row.
  quantization h(index_t row) const noexcept {
    if constexpr (!W::quantized) return {1.0F, 0};
    else if (!w_->follows_range()) return w_->quantization().hidden;
    else return {h_[row], middle_of<A>};
  }
  void follow(index_t row, f32 const* h) const noexcept {
    h_[row] = row_scale(largest_of<I>(h, w_->output()));
  }
  // What sums of h(t-1) of a row are multiplied by.
  f32 factor(index_t row) const noexcept {
    if constexpr (W::quantized) return h_[row];
    else return 1.0F;
  }
  // Quantization of the operand of a second product: r * h like h, states before a projection by
  // their own range.
  quantization second(index_t row) const noexcept {
    if constexpr (W::quantized)
      if (w_->projects()) return w_->quantization().unprojected;
    return h(row);
  }
  // Of the sums of a projection: NaN where the states before it are, which bytes have lost.
  f32 projected(index_t row, index_t x_row) const noexcept {
    if constexpr (!W::quantized) return 1.0F;
    else return w_->quantization().unprojected.scale + (x_[x_row] + h_[row]) * 0.0F;
  }

private:
  W const* w_ = nullptr;
  sequence_pass<X, Y> const* io_ = nullptr;
  index_t chunk_ = 0;
  f32* x_ = nullptr;   ///< of each row of the chunk
  f32* h_ = nullptr;   ///< of h(t-1) of each row
  f32* nan_ = nullptr; ///< NaN from the first input that is one, of each row; else 0
};

} // namespace detail

IA_NN_END

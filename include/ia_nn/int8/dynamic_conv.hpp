// SPDX-License-Identifier: Apache-2.0
//
// Convolutions and transposed ones from f32 to f32 with 8-bit products: every image is quantized with the
// range that it has, symmetrically. Nothing is calibrated, and an image's result does not depend on the
// others of its batch.
//
//   q[n]        quantize(src[n], scale[n]), scale[n] = max |src[n]| / 127 (2^-126 or more, 1 for zeros)
//   y[n][o][f]  fma(f32(sum of q[n] * w[f]), scale[n] * scale(weights, f), offset[f])
//   dst         epilogue(y)
//
// An infinity counts as the largest f32 of its sign; a NaN makes its image NaN. Images are stored as u8
// around 128, which kernels read where they lie.
#pragma once

#include <ia_nn/int8/dynamic_dense.hpp>
#include <ia_nn/ops/deconv.hpp>

#include <ia_nn/begin.hpp>

namespace detail {

/// Layer: conv or deconv, u8 x s8.
template <isa::tag I, class Layer> class dynamic_images {
  static constexpr s32 middle = 128;

public:
  /// s: conv_shape or deconv_shape; weights in its order; scale and offset of each filter. Options: batch,
  /// workers and order of the source. Errors: those of the layer; errc::bad_shape (another number of
  /// scales or offsets than filters).
  template <class Shape>
  dynamic_images(Shape const& s, std::span<s8 const> weights, std::span<f32 const> scale,
                 std::span<f32 const> offset, conv_options const& o = {})
      : layer_(s, weights,
               conv_options{.max_batch = o.max_batch,
                            .workers = o.workers,
                            .zero_point = middle,
                            .src_order = o.src_order}),
        max_batch_(o.max_batch), image_(s.in.size() * s.channels), pixels_(layer_.out().size()),
        parts_(min_of(most_parts, ceil_div(image_, part_size))), scale_(s.filters), offset_(s.filters) {
    auto const filters = static_cast<std::size_t>(s.filters);
    if (scale.size() != filters || (!offset.empty() && offset.size() != filters))
      throw_error(errc::bad_shape, "dynamic_conv: " + std::to_string(scale.size()) + " scales and " +
                                       std::to_string(offset.size()) + " offsets for " +
                                       std::to_string(filters) + " filters");
    for (std::size_t f = 0; f < filters; ++f) {
      scale_[static_cast<index_t>(f)] = scale[f];
      offset_[static_cast<index_t>(f)] = offset.empty() ? 0.0F : offset[f];
    }
  }

  spatial out() const noexcept { return layer_.out(); }
  index_t workspace_bytes() const noexcept {
    return image_bytes() + largest_bytes() + pixel_bytes() + round_up(layer_.workspace_bytes(), 64);
  }

  /// dst [batch][out][ld] = epilogue(layer(src) + offset); ld as in conv::run.
  template <element C, class Epilogue, executor E = sequential>
    requires requires(Layer const& l, C* c) { l.run(0, nullptr, c, 0, chain<>{}, workspace_view{}); }
  void run(index_t batch, f32 const* src, C* dst, index_t ld, Epilogue const& epilogue,
           workspace_view scratch, E&& e = {}) const noexcept {
    IA_NN_REQUIRE(batch >= 0 && batch <= max_batch_, "dynamic_conv: a batch of ", batch,
                  ", planned for at most ", max_batch_);
    IA_NN_REQUIRE(scratch.holds(workspace_bytes()), "dynamic_conv: a workspace of ", scratch.size,
                  " bytes, run needs ", workspace_bytes(), " aligned to 64 bytes");
    u8* const q = reinterpret_cast<u8*>(scratch.data);
    f32* const tops = reinterpret_cast<f32*>(scratch.data + image_bytes());
    f32* const scales = reinterpret_cast<f32*>(scratch.data + image_bytes() + largest_bytes());
    index_t const begin = image_bytes() + largest_bytes() + pixel_bytes();
    auto const part = [&](index_t n, index_t i) {
      return block_of(n, static_cast<int>(parts_), static_cast<int>(i % parts_), 64);
    };
    e.parallel_for(batch * parts_, [&](index_t i, int) {
      block const b = part(image_, i);
      tops[i] = largest_of<I>(src + i / parts_ * image_ + b.begin, b.size());
    });
    e.parallel_for(batch * parts_, [&](index_t i, int) {
      index_t const n = i / parts_;
      f32 most = 0;
      for (index_t k = n * parts_; k < (n + 1) * parts_; ++k)
        most = tops[k] <= most ? most : most != most ? most : tops[k]; // a NaN stays
      f32 const scale = row_scale(most);
      block const b = part(image_, i), p = part(pixels_, i);
      u8* const to = q + n * image_ + b.begin;
      quantize<I>(b.size(), src + n * image_ + b.begin, to, {scale, middle});
      if (scale == row_scale(0x1.fffffep127F)) // -infinity saturated to -128
        for (index_t k = 0; k < b.size(); ++k) to[k] = to[k] < 1 ? u8{1} : to[k];
      for (index_t k = n * pixels_ + p.begin; k < n * pixels_ + p.end; ++k) scales[k] = scale;
    });
    layer_.run(batch, q, dst, ld, chain{dequantize_rows{scales, scale_.data(), offset_.data()}, epilogue},
               {scratch.data + begin, scratch.size - begin}, e);
  }

private:
  static constexpr index_t most_parts = 64, part_size = 16384;

  index_t image_bytes() const noexcept { return round_up(max_batch_ * image_, 64); }
  index_t largest_bytes() const noexcept { return round_up(max_batch_ * parts_ * 4, 64); }
  index_t pixel_bytes() const noexcept { return round_up(max_batch_ * pixels_ * 4, 64); }

  Layer layer_;
  index_t max_batch_, image_, pixels_, parts_; ///< elements of an image, pixels of a result
  aligned_array<f32> scale_, offset_;
};

} // namespace detail

/// src [batch][in][channels] f32, weights [filters][channels / groups][depth][height][width] s8, dst of
/// type C.
template <isa::tag I, element C = f32>
using dynamic_conv = detail::dynamic_images<I, conv<I, u8, s8, C>>;
/// The same with weights [channels][filters / groups][depth][height][width].
template <isa::tag I, element C = f32>
using dynamic_deconv = detail::dynamic_images<I, deconv<I, u8, s8, C>>;

IA_NN_END

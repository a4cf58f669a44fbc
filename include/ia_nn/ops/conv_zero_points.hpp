// SPDX-License-Identifier: Apache-2.0
//
// Zero points of the weights of a convolution of bytes. They cost a sum per window:
//
//   sum of (a - z) * (w - y[f])  =  sum of (a - z) * w  -  y[f] * sum of (a - z)
//
// The second sum is the same for all filters of a group, so it is found once for each of its pixels:
// channels are added up first, then the pixels of the window. Tiles start from it.
//
// Depthwise convolutions have weights of 32 bits and take w - y as it is.
#pragma once

#include <ia_nn/core/executor.hpp>
#include <ia_nn/core/memory.hpp>
#include <ia_nn/ops/conv_plan.hpp>

#include <span>

#include <ia_nn/begin.hpp>

namespace detail {

/// Sums of src - zero_point over the window and the channels of a group: sums [out][groups], by way
/// of those of each pixel, pixels [in][groups].
template <class A>
void window_sums(conv_shape const& s, A const* image, index_t src_ld, s32 zero_point, s32* pixels,
                 s32* sums) noexcept {
  window const& w = s.win;
  spatial const out = s.out();
  index_t const groups = s.groups, each = s.group_channels();
  auto const u = [](auto x) { return static_cast<std::uint32_t>(x); }; // sums may wrap
  for (index_t i = 0; i < s.in.size() * groups; ++i) {
    std::uint32_t sum = 0;
    A const* const from = image + i / groups * src_ld + i % groups * each;
    for (index_t c = 0; c < each; ++c) sum += u(from[c]);
    pixels[i] = static_cast<s32>(sum - u(each) * u(zero_point));
  }
  auto const inside = [&](index_t o, int axis) {
    return taps_inside(o * w.stride[axis] - w.pad_begin[axis], w.dilation[axis], w.kernel[axis],
                       s.in[axis]);
  };
  auto const place = [&](index_t o, index_t tap, int axis) {
    return o * w.stride[axis] - w.pad_begin[axis] + tap * w.dilation[axis];
  };
  for (index_t z = 0; z < out.depth; ++z)
    for (index_t y = 0; y < out.height; ++y)
      for (index_t x = 0; x < out.width; ++x, sums += groups) {
        block const in_z = inside(z, 0), in_y = inside(y, 1), in_x = inside(x, 2);
        for (index_t g = 0; g < groups; ++g) sums[g] = 0;
        for (index_t d = in_z.begin; d < in_z.end; ++d)
          for (index_t h = in_y.begin; h < in_y.end; ++h)
            for (index_t t = in_x.begin; t < in_x.end; ++t) {
              s32 const* const p = pixels + ((place(z, d, 0) * s.in.height + place(y, h, 1)) *
                                                 s.in.width +
                                             place(x, t, 2)) *
                                                groups;
              for (index_t g = 0; g < groups; ++g) sums[g] = static_cast<s32>(u(sums[g]) + u(p[g]));
            }
      }
}

/// Zero points of the filters by group, whole panels of them, and where the sums of windows lie:
/// behind the workspace of the products, those of all images, then the pixels of an image for each
/// worker.
class conv_weight_zeros {
public:
  conv_weight_zeros() = default;
  conv_weight_zeros(conv_plan const& p, std::span<s32 const> zeros)
      : ld_(p.panels * p.nr), values_(p.shape.groups * ld_) {
    for (index_t f = 0; f < p.shape.filters; ++f)
      values_[f / p.shape.group_filters() * ld_ + f % p.shape.group_filters()] =
          zeros[static_cast<std::size_t>(f)];
  }
  explicit operator bool() const noexcept { return values_.size() > 0; }
  s32 const* of_group(index_t g) const noexcept { return values_.data() + g * ld_; }

  index_t workspace_bytes(conv_shape const& s, index_t max_batch, int workers) const noexcept {
    return *this ? sums_bytes(s, max_batch) + workers * pixels_bytes(s) : 0;
  }
  /// Fills `memory` with the sums of all images and returns them, [batch][out][groups].
  template <class A, executor E>
  s32 const* find(conv_plan const& p, index_t batch, index_t max_batch, A const* src,
                  s32 zero_point, std::byte* memory, E&& e) const noexcept {
    conv_shape const& s = p.shape;
    s32* const sums = reinterpret_cast<s32*>(memory);
    std::byte* const pixels = memory + sums_bytes(s, max_batch);
    e.parallel_for(batch, [&](index_t n, int worker) {
      window_sums(s, src + n * s.in.size() * p.src_ld, p.src_ld, zero_point,
                  reinterpret_cast<s32*>(pixels + worker * pixels_bytes(s)),
                  sums + n * s.out().size() * s.groups);
    });
    return sums;
  }

private:
  static index_t sums_bytes(conv_shape const& s, index_t batch) noexcept {
    return round_up(batch * s.out().size() * s.groups * 4, 64);
  }
  static index_t pixels_bytes(conv_shape const& s) noexcept {
    return round_up(s.in.size() * s.groups * 4, 64);
  }

  index_t ld_ = 0;
  aligned_array<s32> values_;
};

} // namespace detail

IA_NN_END

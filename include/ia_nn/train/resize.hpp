// SPDX-License-Identifier: Apache-2.0
//
// Gradients of resizing (ops/resize.hpp): each element of the result gives its gradient to what it was read
// from. Images, and channels in groups, are shared among the workers; the elements of one are added in order.
#pragma once

#include <ia_nn/ops/resize.hpp>
#include <ia_nn/train/gradient.hpp>

#include <ia_nn/begin.hpp>

namespace detail {

/// Sums over the elements of a result, for `channels` at a time. f(add): add(pixel of the source, pixel of
/// the result, weight), in order.
template <isa::tag I, executor E, class F>
void scatter_pixels(index_t batch, spatial const& in, spatial const& out, index_t channels, f32 const* diff_dst,
                    gradient const& diff_src, E& e, F const& f) noexcept {
  using V = vec<f32, I>;
  constexpr index_t some = 4 * V::size;
  index_t const groups = ceil_div(channels, some);
  e.parallel_for(batch * groups, [&](index_t task, int) {
    index_t const first = task % groups * some, last = min_of(channels, first + some);
    f32 const* const from = diff_dst + task / groups * out.size() * channels;
    f32* const to = diff_src.data + task / groups * in.size() * channels;
    if (!diff_src.add)
      for (index_t p = 0; p < in.size(); ++p)
        for (index_t c = first; c < last; ++c) to[p * channels + c] = 0;
    f([&](index_t source, index_t result, f32 weight) {
      V const by = V::broadcast(weight);
      each_register<V>(first, last, [&](index_t c, auto at) IA_NN_LAMBDA {
        f32* const p = to + source * channels + c;
        at.store(fma(at.template load<V>(from + result * channels + c), by, at.template load<V>(p)), p);
      });
    });
  });
}
/// f(pixel, depth, height, width) of an image.
template <class F> void each_pixel(spatial const& s, F const& f) noexcept {
  index_t p = 0;
  for (index_t d = 0; d < s.depth; ++d)
    for (index_t h = 0; h < s.height; ++h)
      for (index_t w = 0; w < s.width; ++w) f(p++, d, h, w);
}

} // namespace detail

/// f32. Errors at construction: those of resize_nearest.
template <isa::tag I> class resize_nearest_backward {
public:
  explicit resize_nearest_backward(resize_shape const& s, resize_rounding rounding = resize_rounding::half_down)
      : forward_(4, s, rounding), channels_(s.channels) {}

  template <executor E = sequential>
  void run(index_t batch, f32 const* diff_dst, gradient diff_src, E&& e = {}) const noexcept {
    spatial const &in = forward_.in(), &out = forward_.out();
    detail::scatter_pixels<I>(batch, in, out, channels_, diff_dst, diff_src, e, [&](auto const& add) {
      detail::each_pixel(out, [&](index_t p, index_t d, index_t h, index_t w) {
        add((forward_.from(0, d) * in.height + forward_.from(1, h)) * in.width + forward_.from(2, w), p, 1.0F);
      });
    });
  }

private:
  resize_nearest forward_;
  index_t channels_;
};

/// f32. Errors at construction: those of resize_linear.
template <isa::tag I> class resize_linear_backward {
public:
  explicit resize_linear_backward(resize_shape const& s) : forward_(s) {}

  template <executor E = sequential>
  void run(index_t batch, f32 const* diff_dst, gradient diff_src, E&& e = {}) const noexcept {
    spatial const &in = forward_.in(), &out = forward_.out();
    detail::scatter_pixels<I>(batch, in, out, forward_.channels(), diff_dst, diff_src, e, [&](auto const& add) {
      detail::each_pixel(out, [&](index_t p, index_t d, index_t h, index_t w) {
        auto const &z = forward_.of(0, d), &y = forward_.of(1, h), &x = forward_.of(2, w);
        for (int k = 0; k < 8; ++k) {
          f32 const weight = (k & 4 ? z.right : z.left) * (k & 2 ? y.right : y.left) * (k & 1 ? x.right : x.left);
          if (weight == 0) continue;
          add(((k & 4 ? z.second : z.first) * in.height + (k & 2 ? y.second : y.first)) * in.width +
                  (k & 1 ? x.second : x.first),
              p, weight);
        }
      });
    });
  }

private:
  resize_linear<I> forward_;
};

IA_NN_END

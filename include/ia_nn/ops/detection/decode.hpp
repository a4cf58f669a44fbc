// SPDX-License-Identifier: Apache-2.0
//
// Boxes from what a network says of them, as R-CNN and SSD encode them:
//
//   w = x1 - x0, h = y1 - y0, x = x0 + w / 2, y = y0 + h / 2    of the reference (a prior, an anchor, a
//                                                               proposal), corners x0 y0 x1 y1
//   x' = x + dx v[0] w          w' = w e^min(dw v[2], limit)
//   y' = y + dy v[1] h          h' = h e^min(dh v[3], limit)
//   x' - w' / 2, y' - h' / 2, x' + w' / 2, y' + h' / 2          clipped to the image if it is given
//
// v are SSD's variances, the inverses of the weights of torchvision's BoxCoder: {0.1, 0.1, 0.2, 0.2} there,
// 1 in a region proposal network. The limit keeps e^x finite: log(1000 / 16) there as here.
//
// Boxes lie as groups of four numbers: a register's worth of them is turned into columns in an array on
// the stack and back. A NaN among the numbers of a box goes into its corners, clipped or not.
//
// Error: 8 * 2^-24 of |x'| + |w'| + |w|, and of the exponent |dw| 2^-24 relative to w'; y and h alike.
#pragma once

#include <ia_nn/arch/cpu.hpp>
#include <ia_nn/core/executor.hpp>
#include <ia_nn/core/text.hpp>
#include <ia_nn/math/exp.hpp>

#include <ia_nn/begin.hpp>

struct box_decoding {
  index_t boxes = 1;                  ///< of an image
  index_t classes = 1;                ///< each reference has so many deltas: [boxes][classes][4]
  f32 variances[4] = {1, 1, 1, 1};    ///< of dx, dy, dw, dh
  f32 most_growth = 62.5F;            ///< of width and height
  f32 image_height = 0, image_width = 0; ///< boxes are clipped to it; 0: not
};

/// Errors at construction: errc::bad_shape (no boxes or classes), errc::bad_parameter (variances that are
/// no numbers, a growth or an image that is none), errc::unsupported_isa.
template <isa::tag I> class box_decoder {
  using V = vec<f32, I>;

public:
  explicit box_decoder(box_decoding const& d) : d_(d) {
    isa::require<typename detail::vec_tag<I>::type>();
    if (d.boxes < 1 || d.classes < 1)
      throw_error(errc::bad_shape, "box_decoder: " + std::to_string(d.boxes) + " boxes of " +
                                       std::to_string(d.classes) + " classes");
    for (f32 const v : d.variances)
      if (!(v - v == 0)) throw_error(errc::bad_parameter, "box_decoder: a variance is not finite");
    bool const none = d.image_height == 0 && d.image_width == 0;
    if (!(d.most_growth > 0) || !(none || (d.image_height > 0 && d.image_width > 0)))
      throw_error(errc::bad_parameter,
                  "box_decoder: boxes that grow " + detail::number_text(d.most_growth) +
                      " times, in an image of " + detail::number_text(d.image_height) + " x " +
                      detail::number_text(d.image_width));
    limit_ = static_cast<f32>(__builtin_log(static_cast<double>(d.most_growth)));
  }

  /// deltas, dst [batch][boxes][classes][4]; dst may be deltas. references [boxes][4], the same for each
  /// image, or [batch][boxes][4] if `of_images`.
  template <executor E = sequential>
  void run(index_t batch, f32 const* deltas, f32 const* references, bool of_images, f32* dst,
           E&& e = {}) const noexcept {
    parallel_blocks(e, batch * d_.boxes * d_.classes, 1024, [&](index_t begin, index_t end, int) {
      for (index_t i = begin; i < end; i += V::size)
        group(deltas, references, of_images, dst, i, min_of(V::size, end - i));
    });
  }

private:
  void group(f32 const* deltas, f32 const* references, bool of_images, f32* dst, index_t first,
             index_t count) const noexcept {
    alignas(64) f32 d[4][V::size] = {}, r[4][V::size] = {}, to[4][V::size];
    for (index_t i = 0; i < count; ++i) {
      index_t const box = (first + i) / d_.classes;
      f32 const* const from = references + (of_images ? box : box % d_.boxes) * 4;
      for (int x = 0; x < 4; ++x) d[x][i] = deltas[(first + i) * 4 + x], r[x][i] = from[x];
    }
    V const half = V::broadcast(0.5F), limit = V::broadcast(limit_), zero = V::zero();
    bool const clips = d_.image_height > 0;
    for (int axis = 0; axis < 2; ++axis) {
      V const low = V::load(r[axis]), size = V::load(r[axis + 2]) - low;
      V const centre = fma(size, half, low);
      V const moved = fma(V::load(d[axis]) * V::broadcast(d_.variances[axis]), size, centre);
      // min(limit, x) is x where x is a NaN; so below.
      V const grown = math::exp(min(limit, V::load(d[axis + 2]) * V::broadcast(d_.variances[axis + 2]))) * size;
      V x0 = fma(grown, -half, moved), x1 = fma(grown, half, moved);
      if (clips) {
        V const most = V::broadcast(axis == 0 ? d_.image_width : d_.image_height);
        x0 = min(most, max(zero, x0)), x1 = min(most, max(zero, x1));
      }
      x0.store(to[axis]), x1.store(to[axis + 2]);
    }
    for (index_t i = 0; i < count; ++i)
      for (int x = 0; x < 4; ++x) dst[(first + i) * 4 + x] = to[x][i];
  }

  box_decoding d_;
  f32 limit_ = 0;
};

IA_NN_END

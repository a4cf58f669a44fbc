// SPDX-License-Identifier: Apache-2.0
//
// What is said of an image to resize (resize.hpp), and of pixels to shuffle (pixel_shuffle.hpp).
#pragma once

#include <ia_nn/ops/window.hpp>

#include <cmath>

#include <ia_nn/begin.hpp>

/// Where an element of a resized image is read.
enum class resize_places : unsigned char { half_pixel, align_corners, asymmetric };
/// Of places between two elements: halves down, halves up, always down, always up.
enum class resize_rounding : unsigned char { half_down, half_up, down, up };
/// Which channels become which pixels.
enum class shuffle_order : unsigned char { column_row_depth, depth_column_row };

/// Extents of images, and where elements of the result are read.
struct resize_shape {
  index_t channels = 1;
  spatial in{}, out{};
  resize_places places = resize_places::half_pixel;
  /// Of depth, height and width, as ONNX' scales and PyTorch's scale_factor; 0: out / in.
  double scale[3] = {0, 0, 0};

  /// The extents that scales make: in * scale, rounded down.
  static spatial scaled(spatial const& in, double const (&scale)[3]) noexcept {
    spatial out = in;
    for (int d = 0; d < 3; ++d)
      if (scale[d] > 0) out[d] = static_cast<index_t>(std::floor(static_cast<double>(in[d]) * scale[d]));
    return out;
  }
  double place(int d, index_t o) const noexcept {
    double const n = static_cast<double>(in[d]), m = static_cast<double>(out[d]), x = static_cast<double>(o);
    if (places == resize_places::align_corners) return out[d] == 1 ? 0 : x * (n - 1) / (m - 1);
    auto const back = [&](double at) { return scale[d] > 0 ? at / scale[d] : at * n / m; };
    return places == resize_places::asymmetric ? back(x) : back(x + 0.5) - 0.5;
  }
};

struct pixel_shuffle_shape {
  index_t height = 1, width = 1, channels = 1; ///< of the image that has fewer channels
  index_t block = 1;                           ///< divides height and width
  shuffle_order order = shuffle_order::column_row_depth;
};

IA_NN_END

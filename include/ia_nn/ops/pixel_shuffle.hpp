// SPDX-License-Identifier: Apache-2.0
//
// Channels to pixels and back: images (height, width, block * block * c) to (block * height, block * width, c).
//
//   pixel (block y + i, block x + j), channel k   of   pixel (y, x), channel
//     column_row_depth   k block^2 + i block + j   ONNX' CRD, PyTorch's pixel_shuffle: blocks are innermost
//     depth_column_row   (i block + j) c + k       ONNX' DCR
//
// One move by the size of elements (move.hpp).
#pragma once

#include <ia_nn/ops/move.hpp>
#include <ia_nn/ops/resize_shape.hpp>

#include <array>

#include <ia_nn/begin.hpp>

namespace detail {

/// The axes of the image with many channels, or of the other one, and the order that makes one the other.
struct shuffled_axes {
  index_t extent[5];
  int order[5];

  shuffled_axes(pixel_shuffle_shape const& s, bool back) {
    if (s.height < 1 || s.width < 1 || s.channels < 1 || s.block < 1 || s.height % s.block != 0 || s.width % s.block != 0)
      throw_error(errc::bad_shape, "pixel_shuffle: blocks of " + std::to_string(s.block) + " in an image of " +
                                       std::to_string(s.height) + " x " + std::to_string(s.width) + " x " +
                                       std::to_string(s.channels));
    index_t const h = s.height / s.block, w = s.width / s.block, b = s.block, c = s.channels;
    bool const inner = s.order == shuffle_order::column_row_depth;
    if (back) set({h, b, w, b, c}, inner ? std::array{0, 2, 4, 1, 3} : std::array{0, 2, 1, 3, 4});
    else if (inner) set({h, w, c, b, b}, {0, 3, 1, 4, 2});
    else set({h, w, b, b, c}, {0, 2, 1, 3, 4});
  }

private:
  void set(std::array<index_t, 5> const& e, std::array<int, 5> const& o) {
    for (std::size_t d = 0; d < 5; ++d) extent[d] = e[d], order[d] = o[d];
  }
};

} // namespace detail

/// The move of one image: run(src, dst). Errors: errc::bad_shape (a block that does not divide the image),
/// and those of strided_move.
template <isa::tag I> strided_move<I> pixel_shuffle(index_t element_bytes, pixel_shuffle_shape const& s) {
  detail::shuffled_axes const a(s, false);
  return strided_move<I>::transpose(element_bytes, a.extent, a.order);
}
/// The other way: pixels to channels.
template <isa::tag I> strided_move<I> pixel_unshuffle(index_t element_bytes, pixel_shuffle_shape const& s) {
  detail::shuffled_axes const a(s, true);
  return strided_move<I>::transpose(element_bytes, a.extent, a.order);
}

IA_NN_END

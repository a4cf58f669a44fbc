// SPDX-License-Identifier: Apache-2.0
//
// What convolutions, transposed ones and pools share: windows that slide over images.
#pragma once

#include <ia_nn/graph/layers/options.hpp>

#include <ia_nn/begin.hpp>
namespace graph {
namespace detail {

// Image axes of a shape, as the last of depth, height, width.
constexpr spatial image_of(dims const& s) {
  spatial in;
  for (int d = 1; d + 1 < s.rank; ++d) in[3 - (s.rank - 2) + (d - 1)] = s[d];
  return in;
}
constexpr dims image_shape(dims const& like, spatial const& out, index_t channels) {
  dims s = like;
  for (int d = 1; d + 1 < s.rank; ++d) s.extent[d] = out[3 - (s.rank - 2) + (d - 1)];
  s.extent[s.rank - 1] = channels;
  return s;
}
inline constexpr char const* image_axis[] = {"depth", "height", "width"};

constexpr sentence no_image(subject const& who, dims const& x) {
  return say(who, "input ", x, " must be (batch, 1 to 3 image axes, channels)");
}

// For square images that look as if their channels came first: as many as `channels` or, where
// nothing says how many there are, few.
constexpr char const* order_hint(dims const& x, index_t channels) {
  bool const first = x[2] == x[3] && (channels > 0 ? x[1] == channels : x[1] <= 4 && x[1] < x[2]);
  return x.rank == 4 && first ? ": images are (batch, height, width, channels)" : "";
}

// "" if the window fits the image.
constexpr sentence window_mistake(subject const& who, window const& w, dims const& in,
                                  bool ceil_mode = false, bool transposed = false) {
  spatial const image = image_of(in);
  for (int d = 0; d < 3; ++d) {
    if (w.kernel[d] < 1 || w.stride[d] < 1 || w.dilation[d] < 1)
      return say(who, image_axis[d], ": kernel, stride and dilation must be at least 1");
    if (!transposed && !w.fits(d, image[d], ceil_mode))
      return say(who, image_axis[d], ": the kernel reaches over ", w.reach(d),
                 " elements, the padded input ", in, " has ",
                 w.pad_begin[d] + image[d] + w.pad_end[d], order_hint(in, 0));
  }
  return {};
}

constexpr int image_axes(value x) {
  int const n = x.id < 0 ? 0 : x.shape().rank - 2;
  return n < 1 ? 1 : n > 3 ? 3 : n;
}
/// Refuses numbers for another number of axes than the image has.
constexpr value fits_axes(value x, int axes, char const* what, label const& name,
                          std::initializer_list<per_axis> all) {
  for (per_axis const& given : all)
    if (x.id >= 0 && given.count > 1 && given.count != axes)
      return x.owner->fail(say(about(what, name), given.count, " numbers for ", axes,
                               axes == 1 ? " axis" : " axes", " of input ", x.shape()),
                           "");
  return x;
}

} // namespace detail
} // namespace graph
IA_NN_END

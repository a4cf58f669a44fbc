// SPDX-License-Identifier: Apache-2.0
//
// Shapes of what slides windows over images: convolutions, transposed ones, pools.
#pragma once

#include <ia_nn/graph/sentences.hpp>

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

// "" if the channels of x suit the filters and groups of a convolution.
constexpr sentence channels_mistake(subject const& who, attributes const& with, dims const& x) {
  index_t const channels = x.last();
  if (with.rows > 0 && with.rows != channels)
    return say(who, "input has ", channels, " channels, weights expect ", with.rows,
               order_hint(x, with.rows));
  if (with.units < 1 || with.groups < 1 || channels % with.groups != 0 ||
      with.units % with.groups != 0)
    return say(who, with.groups, " groups do not divide ", channels, " channels of input ", x,
               " and ", with.units, " filters");
  return {};
}

constexpr sentence infer_conv(node& n, dims const& x, subject const& who) {
  if (x.rank < 3 || x.rank > 5) return no_image(who, x);
  if (sentence const s = channels_mistake(who, n.with, x); !s.empty()) return s;
  if (sentence const s = window_mistake(who, n.with.win, x); !s.empty()) return s;
  n.shape = image_shape(x, n.with.win.output(image_of(x)), n.with.units);
  return {};
}

constexpr sentence infer_deconv(node& n, dims const& x, subject const& who) {
  if (x.rank < 3 || x.rank > 5) return no_image(who, x);
  if (sentence const s = channels_mistake(who, n.with, x); !s.empty()) return s;
  window const& w = n.with.win;
  if (sentence const s = window_mistake(who, w, x, false, true); !s.empty()) return s;
  spatial const in = image_of(x);
  spatial out;
  for (int d = 0; d < 3; ++d) { // as deconv_shape::out in ops/deconv.hpp
    out[d] = (in[d] - 1) * w.stride[d] + w.reach(d) - w.pad_begin[d] - w.pad_end[d] +
             n.with.output_padding[d];
    if (out[d] < 1)
      return say(who, image_axis[d], ": the padding leaves ", out[d], " elements of input ", x);
  }
  n.shape = image_shape(x, out, n.with.units);
  return {};
}

// An adaptive pool has its image in n.shape already. Windows that are all alike are those of an
// ordinary pool.
constexpr sentence infer_pool(node& n, dims const& x, subject const& who) {
  if (x.rank < 3 || x.rank > 5) return no_image(who, x);
  if (!n.with.adaptive) {
    bool const ceil_mode = n.with.ceil_mode;
    if (sentence const s = window_mistake(who, n.with.win, x, ceil_mode); !s.empty()) return s;
    n.shape = image_shape(x, n.with.win.output(image_of(x), ceil_mode), x.last());
    return {};
  }
  n.shape.rank = x.rank;
  spatial const in = image_of(x), out = image_of(n.shape);
  bool even = true;
  for (int d = 0; d < 3; ++d) {
    if (out[d] < 1 || out[d] > in[d])
      return say(who, image_axis[d], ": input ", x, " cannot be pooled to ", out[d], " elements");
    even = even && in[d] % out[d] == 0;
  }
  n.shape = image_shape(x, out, x.last());
  if (even) {
    n.with.adaptive = false;
    for (int d = 0; d < 3; ++d) n.with.win.kernel[d] = n.with.win.stride[d] = in[d] / out[d];
  }
  return {};
}

} // namespace detail
} // namespace graph
IA_NN_END

// SPDX-License-Identifier: Apache-2.0
//
// Sliding windows: the geometry that convolution, transposed convolution and pooling share.
//
// Images have up to three axes, depth, height and width; one of two axes has depth 1, a signal has
// depth and height 1. In memory the channels come last, and images lie one behind the other:
//
//   [batch][depth][height][width][channels]
//
//   in             pad_begin + in + pad_end elements, of which the padding is not stored
//   out element o  sees in elements  o * stride - pad_begin + i * dilation,  i < kernel
//   out            (pad_begin + in + pad_end - dilation * (kernel - 1) - 1) / stride + 1
#pragma once

#include <ia_nn/core/error.hpp>
#include <ia_nn/core/executor.hpp>
#include <ia_nn/core/meta.hpp>
#include <ia_nn/core/types.hpp>

#include <ia_nn/begin.hpp>

/// One number per axis of an image.
struct spatial {
  index_t depth = 1, height = 1, width = 1;

  constexpr index_t operator[](int axis) const noexcept {
    return axis == 0 ? depth : axis == 1 ? height : width;
  }
  constexpr index_t& operator[](int axis) noexcept {
    return axis == 0 ? depth : axis == 1 ? height : width;
  }
  constexpr index_t size() const noexcept { return depth * height * width; }
  constexpr bool operator==(spatial const&) const noexcept = default;
  std::string to_string() const {
    return (depth == 1 ? std::string() : std::to_string(depth) + " x ") + std::to_string(height) +
           " x " + std::to_string(width);
  }
};
inline constexpr spatial no_padding{0, 0, 0};

/// Where a window of an even number of channels lies (ops/lrn.hpp).
enum class lrn_window : unsigned char {
  pytorch, ///< one more channel in front
  onnx     ///< one more behind
};

/// How a window moves over an image. Padding may be negative at the end: elements that are not
/// read.
struct window {
  spatial kernel{}, stride{}, dilation{};
  spatial pad_begin = no_padding, pad_end = no_padding;

  constexpr bool operator==(window const&) const noexcept = default;

  /// Elements from the first to the last that a window sees along an axis.
  constexpr index_t reach(int axis) const noexcept {
    return dilation[axis] * (kernel[axis] - 1) + 1;
  }
  constexpr bool pads() const noexcept { return pad_begin != no_padding || pad_end != no_padding; }
  /// True if the window has a position over n elements of an axis. With `ceil_mode` that may be one
  /// that reaches beyond the padding, by less than a stride: ceil(room / stride) + 1 is 1 there.
  constexpr bool fits(int axis, index_t n, bool ceil_mode = false) const noexcept {
    index_t const room = pad_begin[axis] + n + pad_end[axis] - reach(axis);
    return room >= 0 || (ceil_mode && room > -stride[axis] && pad_begin[axis] + n > 0);
  }
  /// Positions of the window over `in`, where it fits. With `ceil_mode` a last window may reach
  /// beyond the padding at the end, if it begins within the image or the padding before it.
  constexpr spatial output(spatial const& in, bool ceil_mode = false) const noexcept {
    spatial out;
    for (int d = 0; d < 3; ++d) {
      index_t const room = max_of(pad_begin[d] + in[d] + pad_end[d] - reach(d), 0);
      out[d] = room / stride[d] + 1;
      if (ceil_mode && room % stride[d] != 0 && out[d] * stride[d] < in[d] + pad_begin[d]) ++out[d];
    }
    return out;
  }

  /// Errors: errc::bad_shape if the image is empty or the kernel is larger than the padded image
  /// (see `fits`), errc::bad_parameter for kernels, strides or dilations below 1. `who` begins the
  /// sentence.
  void check(char const* who, spatial const& in, bool ceil_mode = false) const {
    static constexpr char const* axis_name[] = {"depth", "height", "width"};
    auto const at = [&](int d) { return std::string(who) + ": " + axis_name[d] + ": "; };
    // A bound on each number keeps all sums and products of them within 64 bits.
    constexpr index_t most = index_t{1} << 30;
    auto const text = [](index_t x) { return std::to_string(x); };
    for (int d = 0; d < 3; ++d) {
      if (in[d] < 1 || in[d] > most)
        throw_error(errc::bad_shape, at(d) + "the image has " + text(in[d]) + " elements");
      if (kernel[d] < 1 || kernel[d] > most)
        throw_error(errc::bad_parameter, at(d) + "the kernel has " + text(kernel[d]) + " elements");
      if (stride[d] < 1 || stride[d] > most || dilation[d] < 1 || dilation[d] > most)
        throw_error(errc::bad_parameter, at(d) + "stride " + text(stride[d]) + " and dilation " +
                                             text(dilation[d]) + " must be at least 1");
      if (pad_begin[d] < -most || pad_begin[d] > most || pad_end[d] < -most || pad_end[d] > most)
        throw_error(errc::bad_parameter, at(d) + "padding " + text(pad_begin[d]) + ", " +
                                             text(pad_end[d]) + " is out of range");
      if (!fits(d, in[d], ceil_mode))
        throw_error(errc::bad_shape, at(d) + "the kernel reaches over " + text(reach(d)) +
                                         " elements, the padded image has " +
                                         text(pad_begin[d] + in[d] + pad_end[d]));
    }
  }
};

namespace detail {
/// Taps begin .. end - 1 of a window that starts at element `first` of `extent` are inside.
constexpr block taps_inside(index_t first, index_t dilation, index_t kernel, index_t extent) noexcept {
  index_t const begin = first >= 0 ? 0 : ceil_div(-first, dilation);
  index_t const end = first >= extent ? 0 : min_of(kernel, ceil_div(extent - first, dilation));
  return {min_of(begin, max_of(end, 0)), max_of(end, 0)};
}
} // namespace detail

/// Where the channels of an image lie: [depth][height][width][channels], or before the axes, as in
/// NCHW.
enum class image_order { channels_last, channels_first };

/// A convolution: `channels` of `in` to `filters`, in `groups` that see channels / groups each.
struct conv_shape {
  index_t channels = 1, filters = 1, groups = 1;
  spatial in{};
  window win{};

  constexpr spatial out() const noexcept { return win.output(in); }
  constexpr index_t group_channels() const noexcept { return channels / groups; }
  constexpr index_t group_filters() const noexcept { return filters / groups; }
  /// Elements of the weights: filters * channels / groups * kernel.
  constexpr index_t weights() const noexcept {
    return filters * group_channels() * win.kernel.size();
  }
  /// Every group has one channel and one filter or more.
  constexpr bool depthwise() const noexcept { return groups > 1 && groups == channels; }

  /// Errors: those of window::check, and errc::bad_shape if the groups do not divide.
  void check(char const* who) const {
    auto const text = [](index_t x) { return std::to_string(x); };
    constexpr index_t most = index_t{1} << 30;
    if (channels < 1 || filters < 1 || channels > most || filters > most)
      throw_error(errc::bad_shape, std::string(who) + ": " + text(channels) + " channels to " +
                                       text(filters) +
                                       " filters: there must be at least 1 of each");
    if (groups < 1 || channels % groups != 0 || filters % groups != 0)
      throw_error(errc::bad_shape, std::string(who) + ": " + text(groups) +
                                       " groups do not divide " + text(channels) +
                                       " channels and " + text(filters) + " filters");
    win.check(who, in);
  }
};

IA_NN_END

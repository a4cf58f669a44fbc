// SPDX-License-Identifier: Apache-2.0
//
// The shapes of the suite `conv`: convolutions of networks, each with the number of times that it
// occurs.
#pragma once

#include <array>
#include <string>
#include <vector>

namespace bench {

using extents = std::array<long, 3>; // depth, height, width; depth is 1 for images

struct conv_shape {
  std::string name;
  long count = 1; ///< times in the network
  long batch = 1, groups = 1, channels = 1, filters = 1;
  extents in{1, 1, 1}, kernel{1, 1, 1}, stride{1, 1, 1}, dilation{1, 1, 1};
  extents pad_begin{}, pad_end{};
  long behind = 0; ///< filters of a 1x1 that follows and is measured with it; 0: there is none

  long out(std::size_t axis) const {
    return (pad_begin[axis] + in[axis] + pad_end[axis] - dilation[axis] * (kernel[axis] - 1) - 1) /
               stride[axis] +
           1;
  }
  long pixels() const { return out(0) * out(1) * out(2); } ///< of a result
  long taps() const { return kernel[0] * kernel[1] * kernel[2]; }
  long group_channels() const { return channels / groups; }
  long source_elements() const { return batch * in[0] * in[1] * in[2] * channels; }
  long weight_elements() const { return filters * group_channels() * taps(); }
  long result_elements() const { return batch * pixels() * filters; }
  /// Of a call; products with padding count.
  double operations() const {
    return 2 * static_cast<double>(batch * pixels()) *
           static_cast<double>(weight_elements() + filters * behind);
  }
  /// The two layers of a pair.
  conv_shape first() const {
    conv_shape s = *this;
    s.behind = 0;
    return s;
  }
  conv_shape second() const {
    conv_shape s;
    s.name = name;
    s.batch = batch;
    s.channels = filters;
    s.filters = behind;
    s.in = {out(0), out(1), out(2)};
    return s;
  }
};

/// A kind of case: the last words of its groups' names, and its shapes.
struct conv_kind {
  std::string word;
  std::vector<conv_shape> shapes;
};

/// Every distinct convolution of ResNet-50 v1 (stride 2 in the first 1x1 of a stage) and v1.5 (in
/// the 3x3 behind it) and of MobileNet v1, in batches of 1 and 16; MobileNet once more with its pairs
/// of a depthwise layer and a 1x1.
std::vector<conv_kind> builtin_conv_kinds();

/// Reads columns mb, ic, ih, iw, oc, kh, kw; name, count, g, id, oh, ow, kd, sd, sh, sw, dd, dh,
/// dw, pd, ph, pw, pd_end, ph_end, pw_end if they are there. mb 0 stands for 1 and 16. Padding at
/// the end that is not given follows from oh and ow, or is that at the beginning. Shapes that occur
/// twice are taken once and their counts added. Throws a sentence with the line's number if the
/// file is not like that.
std::vector<conv_shape> read_conv_shapes(std::string const& file);

} // namespace bench

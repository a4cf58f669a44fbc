// SPDX-License-Identifier: Apache-2.0
#include "train_problem.hpp"

#include <algorithm>
#include <random>

namespace bench {
namespace {

// In [-0.5, 0.5), in steps that the type has.
void fill(std::vector<float>& x, long size, product type, unsigned seed) {
  std::minstd_rand random(seed);
  x.resize(static_cast<std::size_t>(size));
  for (float& value : x) {
    auto const bits = static_cast<unsigned>(random() >> 8);
    value = type == product::f32 ? static_cast<float>(bits & 0xffffU) / 65536 - 0.5F
                                 : static_cast<float>(bits & 127U) / 128 - 0.5F;
  }
}

// A line of the other image along an axis that a tap connects, or -1.
long element_of(conv_shape const& s, std::size_t axis, long out, long tap) {
  long const i = out * s.stride[axis] - s.pad_begin[axis] + tap * s.dilation[axis];
  return i >= 0 && i < s.in[axis] ? i : -1;
}
long output_of(conv_shape const& s, std::size_t axis, long in, long tap) {
  long const from = in + s.pad_begin[axis] - tap * s.dilation[axis];
  return from >= 0 && from % s.stride[axis] == 0 && from / s.stride[axis] < s.out(axis)
             ? from / s.stride[axis]
             : -1;
}

} // namespace

train_problem::train_problem(conv_shape const& s, product t, direction d) : shape(s), type(t), what(d) {
  fill(src, s.source_elements(), t, 1);
  fill(weights, s.weight_elements(), t, 2);
  fill(diff_dst, s.result_elements(), t, 3);
}

double train_problem::definition(std::size_t at) const {
  conv_shape const& s = shape;
  auto rest = static_cast<long>(at);
  auto const next = [&](long extent) {
    long const i = rest % extent;
    rest /= extent;
    return i;
  };
  auto const value = [](std::vector<float> const& v, long i) {
    return static_cast<double>(v[static_cast<std::size_t>(i)]);
  };
  long const group_filters = s.filters / s.groups;
  double sum = 0;
  if (what == direction::src) {
    long const c = next(s.channels), x = next(s.in[2]), y = next(s.in[1]), z = next(s.in[0]), n = rest;
    long const group = c / s.group_channels();
    for (long t = 0; t < s.taps(); ++t) {
      long const ox = output_of(s, 2, x, t % s.kernel[2]),
                 oy = output_of(s, 1, y, t / s.kernel[2] % s.kernel[1]),
                 oz = output_of(s, 0, z, t / s.kernel[2] / s.kernel[1]);
      if (ox < 0 || oy < 0 || oz < 0) continue;
      for (long g = 0; g < group_filters; ++g) {
        long const f = group * group_filters + g;
        sum += value(diff_dst, (((n * s.out(0) + oz) * s.out(1) + oy) * s.out(2) + ox) * s.filters + f) *
               value(weights, (f * s.group_channels() + c % s.group_channels()) * s.taps() + t);
      }
    }
    return sum;
  }
  long const kx = next(s.kernel[2]), ky = next(s.kernel[1]), kz = next(s.kernel[0]),
             c = next(s.group_channels()), f = rest, group = f / group_filters;
  for (long n = 0; n < s.batch; ++n)
    for (long o = 0; o < s.pixels(); ++o) {
      long const x = element_of(s, 2, o % s.out(2), kx), y = element_of(s, 1, o / s.out(2) % s.out(1), ky),
                 z = element_of(s, 0, o / s.out(2) / s.out(1), kz);
      if (x < 0 || y < 0 || z < 0) continue;
      sum += value(diff_dst, (n * s.pixels() + o) * s.filters + f) *
             value(src, (((n * s.in[0] + z) * s.in[1] + y) * s.in[2] + x) * s.channels +
                            group * s.group_channels() + c);
    }
  return sum;
}

std::vector<train_kind> train_kinds() {
  std::vector<conv_shape> resnet, depthwise;
  for (conv_kind const& kind : builtin_conv_kinds())
    for (conv_shape const& s : kind.shapes) {
      if (kind.word == "resnet50_v1.5 b16") resnet.push_back(s);
      if (kind.word == "mobilenet b16" && s.groups > 1) depthwise.push_back(s);
    }
  std::vector<conv_shape> inner = resnet;
  std::erase_if(inner, [](conv_shape const& s) { return s.channels == 3; });
  return {{"resnet50_v1.5 src b16", direction::src, inner},
          {"resnet50_v1.5 weights b16", direction::weights, resnet},
          {"mobilenet dw src b16", direction::src, depthwise},
          {"mobilenet dw weights b16", direction::weights, depthwise}};
}

} // namespace bench

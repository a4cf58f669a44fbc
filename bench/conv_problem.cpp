// SPDX-License-Identifier: Apache-2.0
#include "conv_problem.hpp"

#include "operands.hpp"

#include <algorithm>
#include <cmath>
#include <random>

namespace bench {
namespace {

// Below VNNI some libraries add two products in 16 bits with saturation, or halve the weights to
// avoid that; activations of 7 bits and even weights of 7 bits come through both unharmed. Floats
// are in [-0.5, 0.5), in steps that the type has.
void fill(std::vector<float>& x, long size, product type, bool weights, unsigned seed) {
  std::minstd_rand random(seed);
  x.resize(static_cast<std::size_t>(size));
  for (float& value : x) {
    auto const bits = static_cast<unsigned>(random() >> 8);
    if (type == product::f32) value = static_cast<float>(bits & 0xffffU) / 65536 - 0.5F;
    else if (type == product::bf16) value = static_cast<float>(bits & 127U) / 128 - 0.5F;
    else if (weights) value = 2 * static_cast<float>(bits % 65U) - 64;
    else value = static_cast<float>(bits & 127U);
  }
}

} // namespace

conv_problem::conv_problem(conv_shape const& s, product t) : shape(s), type(t) {
  fill(src, s.source_elements(), t, false, 1);
  fill(weights, s.weight_elements(), t, true, 2);
  fill(bias, s.filters, product::f32, false, 3);
  if (!bytes()) return;
  // Sums have about this deviation; results then span the 8 bits, half of them cut off by relu.
  float const deviation =
      2750 * std::sqrt(static_cast<float>(s.group_channels()) * static_cast<float>(s.taps()));
  fill(factor, s.filters, product::f32, false, 4);
  for (float& f : factor) f = 96 * (1 + f) / deviation;
  for (float& b : bias) b = std::round(b * deviation);
}

double conv_problem::definition(std::size_t at) const {
  auto rest = static_cast<long>(at);
  auto const next = [&](long extent) {
    long const i = rest % extent;
    rest /= extent;
    return i;
  };
  long const f = next(shape.filters), x = next(shape.out(2)), y = next(shape.out(1)),
             z = next(shape.out(0)), n = rest;
  long const c0 = f / (shape.filters / shape.groups) * shape.group_channels();
  auto const place = [&](long o, long k, std::size_t axis) {
    return o * shape.stride[axis] - shape.pad_begin[axis] + k * shape.dilation[axis];
  };
  auto const outside = [&](long i, std::size_t axis) { return i < 0 || i >= shape.in[axis]; };
  double sum = 0;
  for (long c = 0; c < shape.group_channels(); ++c)
    for (long t = 0; t < shape.taps(); ++t) {
      long const kx = t % shape.kernel[2], ky = t / shape.kernel[2] % shape.kernel[1],
                 kz = t / shape.kernel[2] / shape.kernel[1];
      long const ix = place(x, kx, 2), iy = place(y, ky, 1), iz = place(z, kz, 0);
      if (outside(ix, 2) || outside(iy, 1) || outside(iz, 0)) continue;
      long const from =
          (((n * shape.in[0] + iz) * shape.in[1] + iy) * shape.in[2] + ix) * shape.channels + c0 +
          c;
      long const weight = (f * shape.group_channels() + c) * shape.taps() + t;
      sum += static_cast<double>(src[static_cast<std::size_t>(from)]) *
             static_cast<double>(weights[static_cast<std::size_t>(weight)]);
    }
  auto const filter = static_cast<std::size_t>(f);
  sum += static_cast<double>(bias[filter]);
  if (!bytes()) return std::max(sum, 0.0);
  return std::clamp(std::nearbyint(sum * static_cast<double>(factor[filter])), 0.0, 255.0);
}

double pair_definition(conv_problem const& first, conv_problem const& second, std::size_t at) {
  auto const channels = static_cast<std::size_t>(second.shape.channels),
             filters = static_cast<std::size_t>(second.shape.filters);
  std::size_t const pixel = at / filters, f = at % filters;
  double sum = static_cast<double>(second.bias[f]);
  for (std::size_t c = 0; c < channels; ++c)
    sum += first.definition(pixel * channels + c) *
           static_cast<double>(second.weights[f * channels + c]);
  if (!second.bytes()) return std::max(sum, 0.0);
  return std::clamp(std::nearbyint(sum * static_cast<double>(second.factor[f])), 0.0, 255.0);
}

double conv_error(conv_problem const& p, std::vector<float> const& a, std::vector<float> const& b) {
  if (a.size() != b.size()) return INFINITY;
  if (!p.bytes()) return distance(a, b) / (p.type == product::bf16 ? 1e-2 : 1e-4);
  double worst = 0;
  for (std::size_t i = 0; i < a.size(); ++i)
    worst = std::max(worst, static_cast<double>(std::abs(a[i] - b[i])));
  return worst;
}

} // namespace bench

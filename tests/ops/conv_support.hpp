// SPDX-License-Identifier: Apache-2.0
//
// One convolution on random data in buffers of exactly the size it needs, against the oracle; and
// the shapes at which sources, runs, tiles and panels begin and end.
#pragma once

#include "isa.hpp"
#include "oracle/conv.hpp"
#include "random.hpp"
#include "support/shapes.hpp"

#include <ia_nn/exec/thread_pool.hpp>
#include <ia_nn/math/activation.hpp>
#include <ia_nn/ops/conv.hpp>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <sstream>

namespace ia_nn_test {

using ia_nn::conv;
using ia_nn::conv_shape;
using ia_nn::spatial;
using ia_nn::window;

/// Every instruction set; sanitizers, under which compilation takes three times as long, get the
/// AMX kernel and the best and the narrowest of the vector kernels.
using conv_isas = std::conditional_t<
    !under_asan, ia_nn::isa::compiled,
    std::conditional_t<contains<ia_nn::isa::amx, ia_nn::isa::compiled>,
                       ia_nn::type_list<ia_nn::isa::amx, ia_nn::isa::native, ia_nn::isa::avx2>,
                       ia_nn::type_list<ia_nn::isa::native>>>;
using conv_vector_isas =
    std::conditional_t<under_asan, ia_nn::type_list<ia_nn::isa::native>, vector_isas>;

inline std::string text(conv_shape const& s) {
  std::ostringstream o;
  auto const list = [&](char const* name, spatial const& x) {
    o << ' ' << name << ' ' << x.to_string();
  };
  o << s.channels << " -> " << s.filters << " groups " << s.groups;
  list("in", s.in), list("kernel", s.win.kernel), list("stride", s.win.stride);
  list("dilation", s.win.dilation), list("pad", s.win.pad_begin), list("..", s.win.pad_end);
  return o.str();
}

/// A row of a conv_*.csv file, images cut until `most` products remain, or the kernel fits no more.
inline conv_shape shape_of(shape_row const& row, double most) {
  conv_shape s;
  s.channels = row.at("ic", 1), s.filters = row.at("oc", 1), s.groups = row.at("g", 1);
  auto const axes = [&](char const* d, char const* h, char const* w, index_t otherwise) {
    return spatial{row.at(d, otherwise), row.at(h, otherwise), row.at(w, otherwise)};
  };
  spatial const in = axes("id", "ih", "iw", 1);
  s.win.kernel = axes("kd", "kh", "kw", 1);
  s.win.stride = axes("sd", "sh", "sw", 1);
  s.win.dilation = axes("dd", "dh", "dw", 1);
  s.win.pad_begin = axes("pd", "ph", "pw", 0);
  s.win.pad_end = axes("pd_end", "ph_end", "pw_end", 0);
  for (index_t side : {18, 14, 9, 7, 5, 3, 2, 1}) {
    for (int d = 0; d < 3; ++d) {
      index_t const least = s.win.reach(d) - s.win.pad_begin[d] - s.win.pad_end[d];
      s.in[d] = std::min(in[d], std::max({side, least, index_t{1}}));
    }
    if (static_cast<double>(s.weights()) * static_cast<double>(s.out().size()) <= most) break;
  }
  return s;
}
/// Sanitizers, under which the loops of the oracle take most of the time, get images of a few pixels.
inline constexpr bool small_images = under_asan || IA_NN_TEST_THREAD_SANITIZER;
/// Rows whose weights alone would take minutes and gigabytes; the tests name them.
inline bool is_huge(conv_shape const& s) {
  return s.weights() > (small_images ? 1'000'000 : 30'000'000);
}
inline constexpr double most_products = small_images ? 2e5 : 1e7;

struct conv_case {
  conv_shape shape;
  index_t batch = 1;
  int workers = 1;
  ia_nn::s32 zero_point = 0;
  index_t gap = 0;     ///< elements between the pixels of dst
  index_t src_gap = 0; ///< and of src
  ia_nn::image_order order = ia_nn::image_order::channels_last; ///< of src
};

/// Runs the case and compares with `tolerance` relative to what rounding may do (0: exactly).
template <class I, class A, class B, class C, class Acc>
void check_conv(conv_case const& c, random& rng, double tolerance) {
  conv_shape const& s = c.shape;
  std::vector<A> image(static_cast<std::size_t>(c.batch * s.in.size() * s.channels));
  index_t const src_ld = s.channels + c.src_gap;
  bool const first = c.order == ia_nn::image_order::channels_first;
  index_t const size = s.in.size();
  exact_buffer<A> src(first ? ((c.batch - 1) * src_ld + s.channels) * size
                            : (c.batch * size - 1) * src_ld + s.channels);
  std::vector<B> weights(static_cast<std::size_t>(s.weights()));
  index_t const ld = s.filters + c.gap, pixels = c.batch * s.out().size();
  exact_buffer<C> dst((pixels - 1) * ld + s.filters);
  rng.fill(image.data(), static_cast<index_t>(image.size()));
  // What lies between the pixels spoils every sum it gets into.
  for (index_t i = 0; i < src.size(); ++i)
    src.data()[i] = std::is_integral_v<A> ? A(101) : A(std::nanf(""));
  for (std::size_t i = 0; i < image.size(); ++i) {
    index_t const channel = static_cast<index_t>(i) % s.channels,
                  pixel = static_cast<index_t>(i) / s.channels;
    src.data()[first ? (pixel / size * src_ld + channel) * size + pixel % size
                     : pixel * src_ld + channel] = image[i];
  }
  rng.fill(weights.data(), static_cast<index_t>(weights.size()));
  for (index_t i = 0; i < dst.size(); ++i) dst.data()[i] = C(3);

  conv<I, A, B, C> const layer(
      s, weights, {c.batch, c.workers, c.zero_point, c.src_gap == 0 ? 0 : src_ld, c.order});
  exact_buffer<std::byte> scratch(layer.workspace_bytes());
  ia_nn::thread_pool pool(c.workers);
  layer.run(c.batch, src.data(), dst.data(), ld, ia_nn::chain<>{},
            ia_nn::workspace_view{scratch.data(), scratch.size()}, pool);

  auto const want =
      oracle::conv<Acc>(s, c.batch, image.data(), weights.data(), static_cast<Acc>(c.zero_point));
  double const k = static_cast<double>(s.weights() / s.filters),
               scale = tolerance * std::max(std::sqrt(k), k / 16);
  index_t wrong = 0;
  for (index_t i = 0; i < dst.size(); ++i) {
    index_t const f = i % ld;
    if (f >= s.filters) {
      wrong += dst.data()[i] != C(3);
      continue;
    }
    auto const x = want[static_cast<std::size_t>(i / ld * s.filters + f)];
    if constexpr (std::same_as<C, ia_nn::s32>) wrong += dst.data()[i] != static_cast<C>(x);
    else
      wrong += !(std::abs(static_cast<double>(static_cast<f32>(dst.data()[i])) - x) <=
                 scale + tolerance * std::abs(x));
  }
  INFO(label<I>() << ": " << text(s) << " batch " << c.batch << " workers " << c.workers
                  << " zero point " << c.zero_point << " gap " << c.gap << " of src " << c.src_gap
                  << (first ? " channels first" : ""));
  CHECK(wrong == 0);
}

/// Shapes around the bounds of tiles (rows r), panels (columns n) and groups of k.
inline std::vector<conv_case> conv_cases() {
  auto const square = [](index_t k) { return spatial{1, k, k}; };
  std::vector<conv_case> cases;
  auto const add = [&](index_t channels, index_t filters, spatial in, window w, index_t groups = 1,
                       index_t batch = 1, int workers = 1, index_t gap = 0) {
    cases.push_back({{channels, filters, groups, in, w}, batch, workers, 0, gap});
  };
  for (index_t width : {1, 3, 7, 13, 14, 15, 31}) // tiles and lines, in place and copied
    for (index_t pad : {0, 1}) {
      add(16, 33, {1, 5, width + 2}, {square(3), {}, {}, {0, pad, pad}, {0, pad, pad}}, 1, 2);
      add(64, 32, {1, 3, width}, {}, 1, 3, 2);
    }
  for (index_t channels : {1, 2, 3, 5, 31, 32, 65}) // runs
    add(channels, 17, {1, 6, 9}, {square(3), {}, {}, square(1), square(1)});
  for (index_t filters : {1, 15, 16, 31, 33, 65, 129}) // panels
    add(4, filters, {1, 4, 8}, {{1, 2, 2}}, 1, 1, 2, 3);
  add(3, 64, {1, 23, 23}, {square(7), square(2), {}, {0, 3, 3}, {0, 3, 2}}, 1, 2, 3);
  add(8, 8, {1, 12, 11}, {square(3), {1, 2, 1}, {1, 2, 3}, {0, 4, 0}, {0, 1, 3}}, 1, 2, 2);
  add(12, 18, {1, 9, 9}, {square(3), {}, {}, square(1), square(1)}, 3, 2, 2);
  add(12, 12, {1, 9, 9}, {square(3), {}, {}, {0, 1, 1}, {0, 1, 1}}, 12, 2, 2);
  for (index_t channels : {2, 15, 16, 17, 64, 65, 131}) // depthwise: registers of channels
    add(channels, channels, {1, 7, 12}, {square(3), {1, 2, 1}, {}, {0, 1, 1}, {0, 1, 1}}, channels,
        2, 3, 1);
  for (index_t width : {1, 2, 4, 5, 6, 7, 11}) // pixels at once
    add(20, 20, {1, 3, width}, {square(3), {}, {}, {0, 2, 1}, {0, 1, 1}}, 20);
  for (index_t width : {7, 9, 16, 23, 29}) // strips inside the image, at one border, at both
    for (index_t stride : {1, 2})
      for (index_t pad : {0, 2})
        add(33, 33, {1, 6, width}, {square(3), square(stride), {}, {0, 1, pad}, {0, 2, 1}}, 33, 2,
            3);
  for (index_t rows : {1, 2, 5}) // three taps along a line, other numbers across
    add(17, 17, {3, 7, 17}, {{2, rows, 3}, {1, 2, 1}, {2, 1, 1}, {1, 1, 1}, {2, 0, 1}}, 17, 2, 2);
  add(17, 17, {2, 9, 17}, {square(3), {}, {1, 3, 1}, {1, 4, 0}, {2, 3, 1}}, 17);
  add(17, 17, {1, 1, 3}, {square(3), {}, {}, {0, 4, 9}, {0, 3, 8}}, 17); // outputs that see nothing
  for (index_t channels : {512, 1024}) // columns that collide in L1
    for (index_t stride : {1, 2})
      add(channels, channels, {1, 13, 12}, {square(3), square(stride), {}, {0, 1, 1}, {0, 1, 1}},
          channels, 1, 2, 1);
  add(1024, 1024, {1, 40, 8}, {square(3), {}, {1, 2, 1}}, 1024);
  add(9, 9, {4, 9, 11}, {{2, 3, 5}, {1, 2, 2}, {1, 1, 2}, {1, 0, 5}, {1, 3, 4}}, 9, 2, 2);
  add(6, 12, {1, 9, 9}, {square(3), square(2), {}, {0, 1, 1}, {0, 0, -1}}, 6);
  add(5, 7, {4, 6, 5}, {{3, 3, 2}, {1, 2, 1}, {}, {1, 1, 0}, {1, 0, 1}}, 1, 2, 3);
  add(5, 7, {1, 1, 40}, {{1, 1, 5}, {1, 1, 3}, {1, 1, 2}, {0, 0, 4}, {0, 0, 3}}, 1, 2);
  add(64, 40, {1, 9, 17}, {{1, 1, 1}, square(2)}, 1, 2, 2);
  for (index_t channels : {3, 18, 512}) // windows with gaps between them, copied
    for (index_t pad : {0, 1, 3})
      add(channels, 35, {1, 9, 12}, {{1, 1, 1}, {1, 2, 3}, {}, {0, pad, pad}, {0, 1, 2}}, 1, 2, 2);
  for (index_t k : {1, 2}) // the image lies beyond the last window
    add(5, 7, {1, 2, 1}, {{1, 1, k}, {}, {}, {0, 0, 4}, {0, 0, -3}});
  add(18, 35, {3, 9, 12}, {{1, 3, 1}, {2, 2, 2}, {}, {1, 1, 1}, {0, 0, 2}}, 1, 2, 2);
  add(18, 36, {1, 9, 12}, {{1, 1, 2}, {1, 3, 2}, {}, {0, 1, 1}, {0, 2, 0}}, 2, 1, 2);
  add(1024, 33, {1, 4, 7}, {}, 1, 2, 3);                                       // aliased rows
  add(256, 34, {1, 7, 7}, {square(3), {}, {}, {0, 1, 1}, {0, 1, 1}}, 1, 1, 2); // k in blocks
  // Slices of a wider image.
  constexpr index_t gaps[] = {1, 4, 31, 960};
  for (std::size_t i = 0, n = cases.size(); i < n; i += 2) {
    conv_case c = cases[i];
    if (c.shape.channels > 256) continue;
    c.src_gap = gaps[i / 2 % 4];
    cases.push_back(c);
  }
  for (std::size_t i = 1, n = cases.size(); i < n; i += 2) {
    conv_case c = cases[i];
    if (c.shape.depthwise() || c.shape.channels > 256) continue;
    c.order = ia_nn::image_order::channels_first;
    c.src_gap = i / 2 % 2 ? 2 : 0;
    cases.push_back(c);
  }
  return cases;
}

/// f(case, rng) for every row of the conv_*.csv files; names what is left out, and counts.
template <class F> void for_each_network_shape(F&& f) {
  index_t rows = 0;
  for (std::string const& file : shape_files("conv_"))
    for (shape_row const& row : shape_rows(file)) {
      conv_case c{.shape = shape_of(row, most_products), .workers = 2};
      if (is_huge(c.shape)) {
        std::printf("convolution: left out: %s: %s\n", file.c_str(), row.name.c_str());
        continue;
      }
      random rng(static_cast<std::uint64_t>(100 + rows++));
      f(c, rng);
    }
  std::printf("convolution: %td shapes of networks\n", rows);
}

} // namespace ia_nn_test

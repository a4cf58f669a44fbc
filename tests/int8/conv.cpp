// SPDX-License-Identifier: Apache-2.0
//
// Quantized convolutions bit by bit: dense, grouped, depthwise, with zero points in the padding.
#include "layer.hpp"

#include <ia_nn/int8/conv.hpp>

namespace ia_nn_test {
namespace {

using ia_nn::conv_shape;
using ia_nn::quantized_conv;

std::vector<conv_shape> shapes() {
  return {
      {.channels = 5, .filters = 7, .in = {1, 6, 5}, .win = {.kernel = {1, 1, 1}}},
      {.channels = 3,
       .filters = 17,
       .in = {1, 7, 9},
       .win = {.kernel = {1, 3, 3}, .pad_begin = {0, 1, 1}, .pad_end = {0, 1, 1}}},
      {.channels = 8,
       .filters = 6,
       .groups = 2,
       .in = {1, 9, 8},
       .win = {.kernel = {1, 3, 2},
               .stride = {1, 2, 2},
               .pad_begin = {0, 0, 1},
               .pad_end = {0, 2, 0}}},
      {.channels = 19,
       .filters = 19,
       .groups = 19,
       .in = {1, 8, 7}, // depthwise
       .win = {.kernel = {1, 3, 3}, .pad_begin = {0, 1, 1}, .pad_end = {0, 1, 1}}},
      {.channels = 4,
       .filters = 8,
       .groups = 4,
       .in = {1, 9, 9},
       .win = {.kernel = {1, 3, 3},
               .stride = {1, 2, 1},
               .dilation = {1, 2, 2},
               .pad_begin = {0, 2, 2},
               .pad_end = {0, 1, 2}}},
      {.channels = 4,
       .filters = 5,
       .in = {3, 5, 4},
       .win = {.kernel = {2, 3, 3}, .pad_begin = {1, 1, 1}, .pad_end = {0, 1, 1}}},
  };
}

// One pixel and filter: sum of (src - zero point) * (weights - zero point); padding counts as 0.
template <class A>
std::int64_t sum_at(conv_shape const& s, A const* src, s32 zero, quantized_weights const& w, index_t const (&o)[3],
                    index_t f) {
  index_t const channels = s.group_channels(), first = f / s.group_filters() * channels;
  std::int64_t sum = 0;
  for (index_t d = 0; d < s.win.kernel.depth; ++d)
    for (index_t h = 0; h < s.win.kernel.height; ++h)
      for (index_t x = 0; x < s.win.kernel.width; ++x) {
        index_t const t[3] = {d, h, x};
        index_t at[3];
        bool inside = true;
        for (int a = 0; a < 3; ++a) {
          at[a] = o[a] * s.win.stride[a] - s.win.pad_begin[a] + t[a] * s.win.dilation[a];
          inside = inside && at[a] >= 0 && at[a] < s.in[a];
        }
        if (!inside) continue;
        index_t const pixel = (at[0] * s.in.height + at[1]) * s.in.width + at[2];
        for (index_t c = 0; c < channels; ++c) {
          index_t const weight =
              (((f * channels + c) * s.win.kernel.depth + d) * s.win.kernel.height + h) *
                  s.win.kernel.width +
              x;
          sum += std::int64_t{src[pixel * s.channels + first + c] - zero} *
                 (w.values[weight] - w.zero_point(f));
        }
      }
  return sum;
}

template <class A, class C, class R, class Isas = swept_isas>
void check_conv(conv_shape const& s, int kind, random& r) {
  index_t const batch = 2, each = s.weights() / s.filters, pixels = s.out().size();
  INFO(ia_nn::name_of<A>() << " -> " << ia_nn::name_of<C>() << ": " << s.channels << " to "
                           << s.filters << " in " << s.groups << ", " << s.in.to_string());
  quantized_options o = any_options<A, C>(each, r);
  o.residual = any_quantization<R>(r);
  o.max_rows = batch;
  o.workers = static_cast<int>(r.between(1, 3));
  quantized_weights const q = any_weights(kind, s.filters, each, o.src.scale, r);
  exact_buffer<A> src(batch * s.in.size() * s.channels);
  exact_buffer<R> residual(batch * pixels * s.filters);
  exact_buffer<C> dst(residual.size()), expected(residual.size()), expected_add(residual.size());
  r.fill(src.data(), src.size());
  r.fill(residual.data(), residual.size());
  oracle::layer_end const end = end_of(o);
  for (index_t i = 0; i < batch * pixels; ++i)
    for (index_t f = 0; f < s.filters; ++f) {
      index_t const p = i % pixels;
      index_t const at[3] = {p / s.out().width / s.out().height, p / s.out().width % s.out().height,
                             p % s.out().width};
      std::int64_t const sum = sum_at(s, src.data() + i / pixels * s.in.size() * s.channels,
                                      o.src.zero_point, q, at, f);
      int const added = residual[i * s.filters + f];
      expected[i * s.filters + f] = end.result<C>(sum, q.bias[f], q.scales[f]);
      expected_add[i * s.filters + f] = end.result<C>(sum, q.bias[f], q.scales[f], &added);
    }
  for_each_isa<Isas>([&](auto tag) {
    using I = decltype(tag);
    // A trap for every step of a vector kernel takes seconds; AVX-VNNI differs in one instruction.
    if (std::same_as<I, ia_nn::isa::avx2_vnni> && !ia_nn::isa::available<I>() && s.groups != 2)
      return;
    quantized_conv<I, A, C> const layer(s, q, o);
    exact_buffer<std::byte> memory(layer.workspace_bytes());
    ia_nn::workspace_view const scratch{memory.data(), memory.size()};
    layer.run(batch, src.data(), dst.data(), scratch, backwards{o.workers});
    REQUIRE(differs(dst.data(), expected.data(), dst.size()) == "");
    layer.run_add(batch, src.data(), residual.data(), dst.data(), scratch, backwards{o.workers});
    REQUIRE(differs(dst.data(), expected_add.data(), dst.size()) == "");
  });
}

} // namespace

TEST_CASE("convolution u8 -> u8", "[int8][conv]") {
  random r(40);
  for (int round = 0; round < 3; ++round)
    for (conv_shape const& s : shapes()) check_conv<u8, u8, s8>(s, round, r);
}

TEST_CASE("convolution s8 -> f32", "[int8][conv]") {
  random r(41);
  for (int round = 0; round < 2; ++round)
    for (conv_shape const& s : shapes()) check_conv<s8, f32, u8, some_isas>(s, round + 1, r);
}

TEST_CASE("convolution: pairs of products larger than 16 bits are exact", "[int8][conv]") {
  std::vector<s8> const w = {71, 107, 71, 107};
  f32 const one[1] = {1.0F};
  conv_shape const s{.channels = 4, .filters = 1, .in = {1, 1, 1}, .win = {}};
  u8 const src[4] = {211, 171, 211, 171};
  for_each_isa<swept_isas>([&](auto tag) {
    quantized_conv<decltype(tag), u8, u8> const layer(s, ia_nn::take_weights(w, 1, one),
                                                      {.dst = {300, 0}});
    ia_nn::workspace scratch(layer.workspace_bytes());
    u8 dst[1];
    layer.run(1, src, dst, scratch);
    REQUIRE(dst[0] == 222); // 66556 / 300; with sums that saturate in 16 bits 65534 / 300 = 218
  });
}

TEST_CASE("convolutions that cannot be right are refused", "[int8][conv][error]") {
  using ia_nn::errc;
  conv_shape const s{.channels = 2, .filters = 3, .in = {1, 4, 4}, .win = {.kernel = {1, 2, 2}}};
  auto const make = [&](std::vector<f32> const& w, index_t filters, quantized_options const& o) {
    quantized_conv<ia_nn::isa::scalar, u8, f32> const layer(s, quantize_weights(w, filters), o);
  };
  REQUIRE_ERROR([&] { make(std::vector<f32>(24, 1.0F), 4, {}); }, errc::bad_shape,
                "the weights are 4 filters of 6 elements, expected 3 of 8");
  REQUIRE_ERROR([&] { make(std::vector<f32>(24, 1.0F), 3, {.src = {-1.0F, 0}}); },
                errc::bad_parameter, "quantized_conv: a scale is -1");
  std::vector<s8> const w8(24, 1);
  std::vector<s32> const zeros(2);
  auto const with_zeros = [&] {
    using layer = ia_nn::conv<ia_nn::isa::scalar, u8, s8, f32>;
    layer(s, w8, ia_nn::conv_options{.weight_zero_points = zeros});
  };
  REQUIRE_ERROR(with_zeros, errc::bad_shape, "conv: 2 zero points for 3 filters");
  REQUIRE_ERROR([&] { make(std::vector<f32>(24, 1.0F), 3, {.max_rows = 0}); }, errc::bad_parameter,
                "max_batch is 0");
}

} // namespace ia_nn_test

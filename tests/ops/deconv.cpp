// SPDX-License-Identifier: Apache-2.0
//
// Transposed convolution against its definition: every source element adds to what it touches.
#include "conv_support.hpp"

#include <ia_nn/ops/deconv.hpp>

using namespace ia_nn_test;
using ia_nn::deconv;
using ia_nn::deconv_shape;

namespace {

template <class Acc, class A, class B>
std::vector<Acc> by_definition(deconv_shape const& s, index_t batch, A const* src, B const* weights,
                               Acc zero_point) {
  spatial const out = s.out(), k = s.win.kernel;
  index_t const channels = s.channels / s.groups, filters = s.filters / s.groups;
  std::vector<Acc> dst(static_cast<std::size_t>(batch * out.size() * s.filters));
  auto const at = [&](int d, index_t i, index_t t) {
    return i * s.win.stride[d] - s.win.pad_begin[d] + t * s.win.dilation[d];
  };
  for (index_t n = 0; n < batch; ++n)
    for (index_t i = 0; i < s.in.size(); ++i)
      for (index_t t = 0; t < k.size(); ++t) {
        index_t const z = at(0, i / s.in.width / s.in.height, t / k.width / k.height),
                      y = at(1, i / s.in.width % s.in.height, t / k.width % k.height),
                      x = at(2, i % s.in.width, t % k.width);
        if (z < 0 || z >= out.depth || y < 0 || y >= out.height || x < 0 || x >= out.width)
          continue;
        for (index_t c = 0; c < s.channels; ++c)
          for (index_t f = 0; f < filters; ++f)
            dst[static_cast<std::size_t>((((n * out.depth + z) * out.height + y) * out.width + x) *
                                             s.filters +
                                         c / channels * filters + f)] +=
                (static_cast<Acc>(src[(n * s.in.size() + i) * s.channels + c]) - zero_point) *
                static_cast<Acc>(weights[(c * filters + f) * k.size() + t]);
      }
  return dst;
}

template <class I, class A, class B, class C, class Acc>
void check(deconv_shape const& s, index_t batch, int workers, int zero_point,
           ia_nn_test::random& rng, double tolerance) {
  exact_buffer<A> src(batch * s.in.size() * s.channels);
  std::vector<B> weights(static_cast<std::size_t>(s.weights()));
  exact_buffer<C> dst(batch * s.out().size() * s.filters);
  rng.fill(src.data(), src.size());
  rng.fill(weights.data(), s.weights());
  deconv<I, A, B, C> const layer(s, weights, {batch, workers, zero_point});
  exact_buffer<std::byte> scratch(layer.workspace_bytes());
  ia_nn::thread_pool pool(workers);
  layer.run(batch, src.data(), dst.data(), ia_nn::chain<>{},
            ia_nn::workspace_view{scratch.data(), scratch.size()}, pool);
  auto const want =
      by_definition<Acc>(s, batch, src.data(), weights.data(), static_cast<Acc>(zero_point));
  double const k = static_cast<double>(s.weights() / s.filters * s.groups),
               scale = tolerance * std::max(std::sqrt(k), k / 16);
  index_t wrong = 0;
  for (std::size_t i = 0; i < want.size(); ++i)
    wrong +=
        !(std::abs(static_cast<double>(dst.data()[i]) - static_cast<double>(want[i])) <= scale);
  INFO(label<I>() << ": " << s.channels << " -> " << s.filters << " groups " << s.groups << " in "
                  << s.in.to_string() << " kernel " << s.win.kernel.to_string() << " stride "
                  << s.win.stride.to_string() << " dilation " << s.win.dilation.to_string());
  CHECK(wrong == 0);
}

std::vector<deconv_shape> shapes() {
  std::vector<deconv_shape> list;
  for (index_t k : {1, 2, 3, 4, 5})
    for (index_t stride : {1, 2, 3})
      for (index_t dilation : {1, 2})
        list.push_back(
            {5,
             18,
             1,
             {1, 4, 6},
             {{1, k, k + 1}, {1, stride, stride}, {1, dilation, 1}, {0, k / 2, 0}, {0, 0, k / 3}},
             {0, stride / 2, 0}});
  list.push_back(
      {8, 12, 4, {1, 5, 5}, {{1, 3, 3}, {1, 2, 2}, {}, {0, 1, 1}, {0, 1, 1}}, {0, 1, 1}});
  list.push_back({17, 17, 17, {1, 5, 4}, {{1, 4, 4}, {1, 2, 2}, {}, {0, 1, 1}, {0, 1, 1}}});
  list.push_back({3, 4, 1, {2, 3, 3}, {{3, 2, 3}, {2, 1, 2}, {1, 2, 1}, {1, 0, 1}, {0, 1, 1}}});
  list.push_back({4, 6, 1, {1, 1, 9}, {{1, 1, 2}, {1, 1, 5}}, {0, 0, 2}}); // outputs without taps
  return list;
}

} // namespace

TEST_CASE("transposed convolution") {
  for_each_isa<conv_vector_isas>([](auto tag) {
    ia_nn_test::random rng(11);
    for (deconv_shape const& s : shapes())
      check<decltype(tag), f32, f32, f32, double>(s, 2, 2, 0, rng, 4e-6);
  });
}

TEST_CASE("transposed convolution: u8 x s8 is exact") {
  for_each_isa<ia_nn::type_list<ia_nn::isa::native>>([](auto tag) {
    ia_nn_test::random rng(12);
    for (deconv_shape const& s : shapes())
      check<decltype(tag), ia_nn::u8, ia_nn::s8, ia_nn::s32, std::int64_t>(s, 2, 3, 77, rng, 0);
  });
}

TEST_CASE("transposed convolution: reads a slice, and channels first") {
  using layer = deconv<ia_nn::isa::native, f32, f32, f32>;
  ia_nn_test::random rng(13);
  index_t const batch = 2, gap = 3;
  for (deconv_shape const& s : shapes()) {
    index_t const size = s.in.size(), wide = s.channels + gap;
    std::vector<f32> image(static_cast<std::size_t>(batch * size * s.channels)),
        weights(static_cast<std::size_t>(s.weights())),
        want(static_cast<std::size_t>(batch * s.out().size() * s.filters)), got(want.size());
    rng.fill(image.data(), static_cast<index_t>(image.size()));
    rng.fill(weights.data(), s.weights());
    layer const plain(s, weights, {.max_batch = batch});
    ia_nn::workspace scratch(plain.workspace_bytes());
    plain.run(batch, image.data(), want.data(), ia_nn::chain<>{}, scratch);
    for (bool const first : {false, true}) {
      if (first && s.groups > 1 && s.groups == s.channels) continue; // depthwise
      std::vector<f32> src(static_cast<std::size_t>(batch * size * wide), std::nanf(""));
      for (index_t n = 0; n < batch; ++n)
        for (index_t p = 0; p < size; ++p)
          for (index_t c = 0; c < s.channels; ++c)
            src[static_cast<std::size_t>(first ? (n * wide + c) * size + p
                                               : (n * size + p) * wide + c)] =
                image[static_cast<std::size_t>((n * size + p) * s.channels + c)];
      layer const other(s, weights,
                        {.max_batch = batch,
                         .src_ld = wide,
                         .src_order = first ? ia_nn::image_order::channels_first
                                            : ia_nn::image_order::channels_last});
      ia_nn::workspace space(other.workspace_bytes());
      other.run(batch, src.data(), got.data(), ia_nn::chain<>{}, space);
      INFO("channels " << s.channels << " kernel " << s.win.kernel.to_string() << " first "
                       << first);
      CHECK(std::memcmp(got.data(), want.data(), got.size() * sizeof(f32)) == 0);
    }
  }
}

TEST_CASE("transposed convolution: shapes of networks") {
  index_t rows = 0;
  constexpr index_t large = IA_NN_TEST_THREAD_SANITIZER ? 30'000 : 300'000; // weights
  for (std::string const& file : shape_files("deconv_"))
    for (shape_row const& row : shape_rows(file)) {
      conv_shape const c = shape_of(row, 1e6);
      deconv_shape s{c.channels, c.filters, c.groups, c.in, c.win};
      spatial const whole{row.at("id", 1), row.at("ih", 1), row.at("iw", 1)};
      for (int d = 0; d < 3; ++d) {
        s.in[d] = std::min<index_t>(whole[d], s.weights() > large ? 3 : 9);
        while (s.out()[d] < 1) ++s.in[d];
      }
      ia_nn_test::random rng(static_cast<std::uint64_t>(500 + rows++));
      check<ia_nn::isa::native, f32, f32, f32, double>(s, 1, 2, 0, rng, 4e-6);
    }
  std::printf("transposed convolution: %td shapes of networks\n", rows);
}

TEST_CASE("transposed convolution: what set-up refuses") {
  using layer = deconv<ia_nn::isa::native, f32, f32, f32>;
  deconv_shape s{2, 3, 1, {1, 2, 2}, {{1, 3, 3}, {}, {}, {0, 3, 0}, {0, 3, 0}}};
  CHECK_THROWS_WITH(layer(s, std::vector<f32>(54)),
                    "ia_nn: deconv: height: the padding leaves -2 elements of the output");
  s.win.pad_begin = s.win.pad_end = ia_nn::no_padding;
  CHECK_THROWS_WITH(layer(s, std::vector<f32>(53)),
                    "ia_nn: deconv: the weights have 53 elements, expected 2 x 3 x 3 x 3");
}

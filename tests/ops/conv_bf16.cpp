// SPDX-License-Identifier: Apache-2.0
//
// Convolutions of bf16 that write bf16: sums are rounded as registers of f32 are, two at once or seven
// rows of a strip together, denormals too; and the same bits for any number of workers and any batch.
#include "conv_support.hpp"

using namespace ia_nn_test;

namespace {

conv_shape depthwise(index_t channels, index_t width, index_t stride, index_t pad) {
  spatial const steps{1, stride, stride}, pads{0, pad, pad};
  return {channels, channels, channels, {1, 9, width}, {{1, 3, 3}, steps, {}, pads, pads}};
}
std::vector<conv_shape> shapes() {
  std::vector<conv_shape> all;
  for (index_t filters : {16, 32, 33, 64}) all.push_back({32, filters, 1, {1, 7, 14}, {}});
  all.push_back({3, 32, 1, {1, 23, 25}, {{1, 3, 3}, {1, 2, 2}, {}, {0, 1, 1}, {0, 1, 1}}}); // a picture
  all.push_back({3, 16, 1, {1, 2, 1}, {{1, 2, 1}}});
  for (index_t channels : {5, 16, 33, 528})
    for (index_t stride : {1, 2})
      for (index_t width : {6, 14, 33}) all.push_back(depthwise(channels, width, stride, width % 2));
  conv_shape apart = depthwise(32, 16, 1, 3);
  apart.win.dilation = {1, 3, 1}; // lines that see no row, one, two
  all.push_back(apart);
  return all;
}

struct layer_data {
  std::vector<bf16> image, weights;
  layer_data(conv_shape const& s, index_t batch, ia_nn_test::random& rng)
      : image(static_cast<std::size_t>(batch * s.in.size() * s.channels)),
        weights(static_cast<std::size_t>(s.weights())) {
    rng.fill(image.data(), static_cast<index_t>(image.size()));
    rng.fill(weights.data(), s.weights());
  }
};

template <class C, class Stages>
std::vector<C> results(conv_shape const& s, layer_data const& d, index_t batch, int workers, Stages const& stages) {
  conv<ia_nn::isa::native, bf16, bf16, C> const layer(s, d.weights, {batch, workers});
  ia_nn::workspace scratch(layer.workspace_bytes());
  ia_nn::thread_pool pool(workers);
  std::vector<C> dst(static_cast<std::size_t>(batch * s.out().size() * s.filters));
  layer.run(batch, d.image.data(), dst.data(), stages, scratch, pool);
  return dst;
}

} // namespace

TEST_CASE("convolution: bf16 results are those in f32, rounded") {
  ia_nn_test::random rng(31);
  for (conv_shape const& s : shapes()) {
    layer_data const d(s, 1, rng);
    for (f32 const size : {1.0F, 1e-38F, 1e-40F}) { // normal, of both kinds, denormal
      auto const stages = ia_nn::chain{ia_nn::scale{size}};
      std::vector<f32> const exact = results<f32>(s, d, 1, 1, stages);
      std::vector<bf16> const rounded = results<bf16>(s, d, 1, 1, stages);
      index_t wrong = 0, small = 0;
      for (std::size_t i = 0; i < exact.size(); ++i) {
        bf16 const want(exact[i]);
        wrong += std::memcmp(&want, &rounded[i], sizeof want) != 0;
        small += exact[i] != 0 && std::abs(exact[i]) < std::numeric_limits<f32>::min();
      }
      INFO(text(s) << " times " << size);
      CHECK(wrong == 0);
      CHECK((size == 1.0F || small > 0));
    }
  }
}

TEST_CASE("convolution: bf16 has the same bits for any number of workers and any batch") {
  ia_nn_test::random rng(32);
  for (conv_shape const& s : shapes()) {
    layer_data const all(s, 3, rng);
    std::vector<bf16> one;
    for (std::size_t n = 0, size = all.image.size() / 3; n < 3; ++n) {
      layer_data item = all;
      item.image.assign(all.image.begin() + static_cast<std::ptrdiff_t>(n * size),
                        all.image.begin() + static_cast<std::ptrdiff_t>((n + 1) * size));
      for (bf16 const x : results<bf16>(s, item, 1, 1, ia_nn::chain<>{})) one.push_back(x);
    }
    for (int workers : {1, 2, 3, 5}) {
      std::vector<bf16> const many = results<bf16>(s, all, 3, workers, ia_nn::chain<>{});
      INFO(text(s) << ", workers " << workers);
      CHECK(std::memcmp(one.data(), many.data(), one.size() * sizeof(bf16)) == 0);
    }
  }
}

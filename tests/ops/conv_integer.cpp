// SPDX-License-Identifier: Apache-2.0
//
// Convolution of 8-bit integers on every instruction set: exactly the sums of the oracle.
#include "conv_support.hpp"

using namespace ia_nn_test;

TEST_CASE("convolution: u8 x s8") {
  for_each_isa<conv_isas>([](auto tag) {
    ia_nn_test::random rng(3);
    for (conv_case c : conv_cases()) {
      c.zero_point = static_cast<ia_nn::s32>(rng.between(0, 1) * rng.between(0, 255));
      check_conv<decltype(tag), ia_nn::u8, ia_nn::s8, ia_nn::s32, std::int64_t>(c, rng, 0);
    }
  });
}

TEST_CASE("convolution: s8 x s8") {
  for_each_isa<conv_isas>([](auto tag) {
    ia_nn_test::random rng(4);
    for (conv_case c : conv_cases()) {
      c.zero_point = static_cast<ia_nn::s32>(rng.between(0, 1) * rng.between(-128, 127));
      check_conv<decltype(tag), ia_nn::s8, ia_nn::s8, ia_nn::s32, std::int64_t>(c, rng, 0);
    }
  });
}

TEST_CASE("convolution: pairs that saturate in 16 bits are exact") {
  // 211 * 71 + 171 * 107 is 33278, more than a 16-bit sum holds.
  for_each_isa<conv_isas>([](auto tag) {
    conv_shape const s{4, 33, 1, {1, 1, 5}, {}};
    std::vector<ia_nn::u8> src;
    std::vector<ia_nn::s8> weights;
    for (int i = 0; i < 5; ++i) src.insert(src.end(), {211, 171, 211, 171});
    for (int f = 0; f < 33; ++f) weights.insert(weights.end(), {71, 107, 71, 107});
    std::vector<ia_nn::s32> dst(5 * 33);
    conv<decltype(tag), ia_nn::u8, ia_nn::s8, ia_nn::s32> const layer(s, weights);
    ia_nn::workspace scratch(layer.workspace_bytes());
    layer.run(1, src.data(), dst.data(), ia_nn::chain<>{}, scratch);
    for (ia_nn::s32 const x : dst) CHECK(x == 2 * (211 * 71 + 171 * 107));
  });
}

TEST_CASE("convolution: other weights of bytes in the same memory") {
  for_each_isa<ia_nn::type_list<ia_nn::isa::native>>([](auto tag) {
    using layer = conv<decltype(tag), ia_nn::u8, ia_nn::s8, ia_nn::s32>;
    ia_nn_test::random rng(8);
    for (conv_case const& c : conv_cases()) {
      conv_shape const& s = c.shape;
      std::vector<ia_nn::u8> src(static_cast<std::size_t>(s.in.size() * s.channels));
      std::vector<ia_nn::s8> first(static_cast<std::size_t>(s.weights())), second(first.size());
      std::vector<ia_nn::s32> want(static_cast<std::size_t>(s.out().size() * s.filters)),
          got(want.size());
      rng.fill(src.data(), static_cast<index_t>(src.size()));
      for (auto* v : {&first, &second}) rng.fill(v->data(), static_cast<index_t>(v->size()));
      layer changed(s, first, {1, 1, 3});
      layer const other(s, second, {1, 1, 3});
      ia_nn::workspace scratch(other.workspace_bytes());
      changed.set_weights(second);
      changed.run(1, src.data(), got.data(), ia_nn::chain<>{}, scratch);
      other.run(1, src.data(), want.data(), ia_nn::chain<>{}, scratch);
      INFO(text(s));
      CHECK(got == want);
    }
  });
}

TEST_CASE("convolution: shapes of networks, u8 x s8") {
  for_each_isa<ia_nn::type_list<ia_nn::isa::native>>([](auto tag) {
    for_each_network_shape([](conv_case c, ia_nn_test::random& rng) {
      c.zero_point = static_cast<ia_nn::s32>(rng.between(0, 255));
      check_conv<decltype(tag), ia_nn::u8, ia_nn::s8, ia_nn::s32, std::int64_t>(c, rng, 0);
    });
  });
}

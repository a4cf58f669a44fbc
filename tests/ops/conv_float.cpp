// SPDX-License-Identifier: Apache-2.0
//
// Convolution in f32 and bf16 on every instruction set, against sums in double.
#include "conv_support.hpp"

using namespace ia_nn_test;

namespace ia_nn_test {
long allocations_made(); // allocations.cpp counts
}

TEST_CASE("convolution: f32") {
  for_each_isa<conv_vector_isas>([](auto tag) {
    ia_nn_test::random rng(1);
    for (conv_case const& c : conv_cases())
      check_conv<decltype(tag), f32, f32, f32, double>(c, rng, 4e-6);
  });
}

TEST_CASE("convolution: bf16") {
  for_each_isa<conv_isas>([](auto tag) {
    ia_nn_test::random rng(2);
    for (conv_case const& c : conv_cases())
      check_conv<decltype(tag), bf16, bf16, f32, double>(c, rng, 4e-6);
  });
}

TEST_CASE("convolution: shapes of networks, f32") {
  for_each_network_shape([](conv_case const& c, ia_nn_test::random& rng) {
    check_conv<ia_nn::isa::native, f32, f32, f32, double>(c, rng, 4e-6);
  });
}

TEST_CASE("convolution: stages see pixels and filters") {
  for_each_isa<conv_vector_isas>([](auto tag) {
    using I = decltype(tag);
    ia_nn_test::random rng(5);
    conv_shape const s{6, 35, 1, {1, 8, 9}, {{1, 3, 3}, {1, 2, 1}, {}, {0, 1, 1}, {0, 1, 1}}};
    index_t const batch = 2, pixels = batch * s.out().size();
    std::vector<f32> src(static_cast<std::size_t>(batch * s.in.size() * s.channels)),
        weights(static_cast<std::size_t>(s.weights())), bias(35),
        residual(static_cast<std::size_t>(pixels * 35)), dst(residual.size());
    for (auto* v : {&src, &weights, &bias, &residual})
      rng.fill(v->data(), static_cast<index_t>(v->size()));
    conv<I, f32, f32, f32> const layer(s, weights, {batch, 3});
    ia_nn::workspace scratch(layer.workspace_bytes());
    ia_nn::thread_pool pool(3);
    layer.run(batch, src.data(), dst.data(),
              ia_nn::chain{ia_nn::add_bias{bias.data()}, ia_nn::add_residual{residual.data(), 35},
                           ia_nn::activation::relu{}},
              scratch, pool);
    auto const sums = oracle::conv<double>(s, batch, src.data(), weights.data());
    index_t wrong = 0;
    for (std::size_t i = 0; i < dst.size(); ++i) {
      double const want = std::max(0.0, sums[i] + bias[i % 35] + residual[i]);
      wrong += !(std::abs(dst[i] - want) <= 1e-4);
    }
    CHECK(wrong == 0);
  });
}

template <class I, class T> void check_streaming(conv_shape const& s, ia_nn_test::random& rng) {
  std::vector<T> src(static_cast<std::size_t>(2 * s.in.size() * s.channels)),
      weights(static_cast<std::size_t>(s.weights()));
  rng.fill(src.data(), static_cast<index_t>(src.size()));
  rng.fill(weights.data(), s.weights());
  index_t const pixels = 2 * s.out().size(), ld = ia_nn::round_up(s.filters, 32);
  ia_nn::aligned_array<T> kept(pixels * ld), streamed(pixels * ld); // zeros
  for (auto* dst : {&kept, &streamed}) {
    conv<I, T, T, T> const layer(
        s, weights, {.max_batch = 2, .workers = 3, .stream_bytes = dst == &kept ? 1 << 30 : 1});
    ia_nn::workspace scratch(layer.workspace_bytes());
    ia_nn::thread_pool pool(3);
    layer.run(2, src.data(), dst->data(), ld, ia_nn::chain{ia_nn::activation::relu{}}, scratch, pool);
  }
  INFO(label<I>() << ": " << text(s));
  CHECK(std::memcmp(kept.data(), streamed.data(), static_cast<std::size_t>(pixels * ld) * sizeof(T)) == 0);
}

TEST_CASE("convolution: results stored past the caches are the same") {
  for_each_isa<conv_vector_isas>([](auto tag) {
    using I = decltype(tag);
    ia_nn_test::random rng(7);
    for (index_t filters : {32, 48, 96})
      for (conv_shape const& s : {conv_shape{16, filters, 1, {1, 5, 9}, {}},
                                  conv_shape{16, 2 * filters, 2, {1, 4, 15}, {{1, 3, 3}}}}) {
        check_streaming<I, f32>(s, rng);
        check_streaming<I, bf16>(s, rng);
      }
  });
}

TEST_CASE("convolution: any number of workers and any batch gives the same bits") {
  using I = ia_nn::isa::native;
  ia_nn_test::random rng(6);
  for (conv_case const& c : conv_cases()) {
    index_t const in = c.shape.in.size() * c.shape.channels,
                  out = c.shape.out().size() * c.shape.filters;
    std::vector<f32> src(static_cast<std::size_t>(3 * in)),
        weights(static_cast<std::size_t>(c.shape.weights()));
    rng.fill(src.data(), 3 * in);
    rng.fill(weights.data(), c.shape.weights());
    std::vector<f32> one(static_cast<std::size_t>(3 * out)), many(one.size());
    conv<I, f32, f32, f32> const alone(c.shape, weights);
    ia_nn::workspace scratch(alone.workspace_bytes());
    for (index_t n = 0; n < 3; ++n)
      alone.run(1, src.data() + n * in, one.data() + n * out, ia_nn::chain<>{}, scratch);
    for (int workers : {1, 2, 3, 5}) {
      conv<I, f32, f32, f32> const layer(c.shape, weights, {3, workers});
      ia_nn::workspace space(layer.workspace_bytes());
      ia_nn::thread_pool pool(workers);
      layer.run(3, src.data(), many.data(), ia_nn::chain<>{}, space, pool);
      INFO(text(c.shape) << " workers " << workers);
      CHECK(std::memcmp(one.data(), many.data(), one.size() * sizeof(f32)) == 0);
    }
  }
}

TEST_CASE("convolution: other weights in the same memory") {
  using I = ia_nn::isa::native;
  ia_nn_test::random rng(7);
  for (conv_case const& c : conv_cases()) {
    conv_shape const& s = c.shape;
    std::vector<f32> src(static_cast<std::size_t>(s.in.size() * s.channels)),
        first(static_cast<std::size_t>(s.weights())), second(first.size()),
        want(static_cast<std::size_t>(s.out().size() * s.filters)), got(want.size());
    for (auto* v : {&src, &first, &second}) rng.fill(v->data(), static_cast<index_t>(v->size()));
    conv<I, f32, f32, f32> layer(s, first);
    conv<I, f32, f32, f32> const other(s, second);
    ia_nn::workspace scratch(layer.workspace_bytes());
    other.run(1, src.data(), want.data(), ia_nn::chain<>{}, scratch);
    long const before = allocations_made();
    layer.set_weights(std::span<f32 const>(second));
    long const after = allocations_made();
    layer.run(1, src.data(), got.data(), ia_nn::chain<>{}, scratch);
    INFO(text(s));
    CHECK(after == before);
    CHECK(std::memcmp(got.data(), want.data(), got.size() * sizeof(f32)) == 0);
    // The wrong number of them changes nothing.
    try {
      layer.set_weights(std::span<f32 const>(first).first(first.size() - 1));
      FAIL("accepted");
    } catch (ia_nn::error const& e) {
      CHECK(e.code() == ia_nn::errc::bad_shape);
    }
    layer.run(1, src.data(), got.data(), ia_nn::chain<>{}, scratch);
    CHECK(std::memcmp(got.data(), want.data(), got.size() * sizeof(f32)) == 0);
  }
}

TEST_CASE("convolution: what set-up refuses") {
  using layer = conv<ia_nn::isa::native, f32, f32, f32>;
  conv_shape const good{4, 6, 2, {1, 5, 5}, {{1, 3, 3}}};
  std::vector<f32> const weights(static_cast<std::size_t>(good.weights()));
  auto const says = [&](conv_shape const& s, ia_nn::conv_options const& o, char const* sentence) {
    try {
      layer const made(s, weights, o);
      FAIL("accepted: " << sentence);
    } catch (ia_nn::error const& e) {
      CHECK(std::string(e.what()) == sentence);
    }
  };
  conv_shape s = good;
  s.groups = 3;
  says(s, {}, "ia_nn: conv: 3 groups do not divide 4 channels and 6 filters");
  s = good;
  s.in.width = 2;
  says(s, {}, "ia_nn: conv: width: the kernel reaches over 3 elements, the padded image has 2");
  s = good;
  s.win.stride.height = 0;
  says(s, {}, "ia_nn: conv: height: stride 0 and dilation 1 must be at least 1");
  s = good;
  s.channels = 8;
  says(s, {}, "ia_nn: conv: the weights have 108 elements, expected 6 x 4 x 3 x 3");
  says(good, {0, 1}, "ia_nn: conv: max_batch is 0 and workers 1, both must be at least 1");
  says(good, {1, 1, 3}, "ia_nn: conv: a source of f32 cannot have the zero point 3");
  s = good;
  s.groups = s.channels = s.filters = 12; // as many weights
  says(s, {.src_order = ia_nn::image_order::channels_first},
       "ia_nn: conv: a depthwise layer reads channels last only");
  says(good, {1, 1, 0, 3}, "ia_nn: conv: pixels of the source are 3 elements apart and have 4 "
                           "channels");
  std::vector<ia_nn::s32> const zeros(6, 1);
  says(good, {.weight_zero_points = zeros}, "ia_nn: conv: weights of f32 have no zero points");
}

// SPDX-License-Identifier: Apache-2.0
//
// Gradients of convolution in f32.
#include "conv_cases.hpp"

namespace ia_nn_test {
namespace {

// max_batch is larger than the batch: plans serve smaller ones too. Three workers come to a plan for
// two.
template <class I> void compute(conv_data const& d, index_t max_batch, conv_results& out) {
  check_requests(d.src.size(), out.src, [&](ia_nn::gradient g, int workers) {
    conv_backward_src<I> const plan(d.s, {max_batch, std::min(workers, 2)});
    plan.run(d.batch, d.diff_dst.data(), d.weights.data(), g, scratch(plan.workspace_bytes()),
             pool_of(workers));
  });
  auto const parameters = [&](ia_nn::gradient w, ia_nn::gradient b, int workers) {
    conv_backward_weights<I> const plan(d.s, {max_batch, std::min(workers, 2)});
    plan.run({d.batch, d.src.data(), d.diff_dst.data(), w, b}, scratch(plan.workspace_bytes()),
             pool_of(workers));
  };
  check_requests(d.weights.size(), out.weights,
                 [&](ia_nn::gradient g, int workers) { parameters(g, not_wanted, workers); });
  check_requests(d.s.filters, out.bias,
                 [&](ia_nn::gradient g, int workers) { parameters(not_wanted, g, workers); });
  exact_buffer<f32> weights(d.weights.size()), bias(d.s.filters);
  parameters(write_to(weights.data()), write_to(bias.data()), 2);
  REQUIRE((same_bits(weights, out.weights) && same_bits(bias, out.bias)));
}

} // namespace

TEST_CASE("gradients of convolution are slopes", "[train][conv]") {
  random r(1);
  for (conv_case const& c : small_cases) {
    INFO(c.name);
    conv_data const d(c, r);
    doubles const x = to_doubles(d.src), w = to_doubles(d.weights), dy = to_doubles(d.diff_dst);
    doubles const b(at(d.s.filters));
    auto const loss = [&](doubles const& src, doubles const& weights, doubles const& bias) {
      return dot(convolved(d.s, d.batch, src, weights, bias), dy);
    };
    doubles const by_src = central_differences(x, [&](doubles const& v) { return loss(v, w, b); });
    doubles const by_weights =
        central_differences(w, [&](doubles const& v) { return loss(x, v, b); });
    doubles const by_bias = central_differences(b, [&](doubles const& v) { return loss(x, w, v); });
    for_each_isa<vector_isas>([&](auto tag) {
      conv_results got(d);
      compute<decltype(tag)>(d, d.batch, got);
      REQUIRE(difference(got.src, by_src) == "");
      REQUIRE(difference(got.weights, by_weights) == "");
      REQUIRE(difference(got.bias, by_bias) == "");
    });
  }
}

TEST_CASE("gradients of convolution, sizes around registers and slices", "[train][conv]") {
  random r(2);
  auto const check = [&](conv_case const& c) {
    INFO(c.name);
    conv_data const d(c, r);
    conv_gradients const want(d.s, d.batch, to_doubles(d.src), to_doubles(d.weights),
                              to_doubles(d.diff_dst));
    for_each_isa<vector_isas>([&](auto tag) {
      for (index_t max_batch : {d.batch, 2 * d.batch + 3}) {
        conv_results got(d);
        compute<decltype(tag)>(d, max_batch, got);
        REQUIRE(rounding_difference(got.src, want.src) == "");
        REQUIRE(rounding_difference(got.weights, want.weights) == "");
        REQUIRE(rounding_difference(got.bias, want.bias) == "");
      }
    });
  };
  for (conv_case const& c : small_cases) check(c);
  for (conv_case const& c : large_cases) check(c);
}

TEST_CASE("large gradients for the source have the same bits, whatever they are aligned to", "[train][conv]") {
  random r(5);
  constexpr index_t channels = 32, filters = 6;
  index_t const least = ia_nn::cpu::cache_sizes().l3 / 4 / 4; // elements that are stored past the caches
  for (index_t const kernel : {1, 3})
    for (index_t const stride : {1, 2}) {
      index_t const batch = 2 + least / (200 * 201 * channels);
      conv_shape const s{channels, filters, 1, {1, 200, 201},
                         {{1, kernel, kernel}, {1, stride, stride}, {}, {0, kernel / 2, kernel / 2},
                          {0, kernel / 2, kernel / 2}}};
      index_t const n = batch * s.in.size() * channels;
      exact_buffer<f32> diff_dst(batch * s.out().size() * filters), weights(s.weights());
      r.fill(diff_dst.data(), diff_dst.size()), r.fill(weights.data(), weights.size());
      ia_nn::aligned_array<f32> aligned(n), other(n + 16);
      for_each_isa<vector_isas>([&](auto tag) {
        using I = decltype(tag);
        if constexpr (!std::same_as<I, ia_nn::isa::scalar>) { // stores nothing past the caches
          conv_backward_src<I> const plan(s, {batch, 2});
          auto const run = [&](f32* to) {
            plan.run(batch, diff_dst.data(), weights.data(), write_to(to), scratch(plan.workspace_bytes()),
                     pool_of(2));
          };
          run(aligned.data());
          run(other.data() + 1);
          REQUIRE(std::memcmp(aligned.data(), other.data() + 1, at(n) * sizeof(f32)) == 0);
        }
      });
    }
}

TEST_CASE("gradients of convolution of no images", "[train][conv]") {
  for_each_isa<vector_isas>([&](auto tag) {
    using I = decltype(tag);
    conv_shape const s{3, 2, 1, {1, 4, 4}, {{1, 3, 3}}};
    conv_backward_weights<I> const plan(s, {2, 1});
    exact_buffer<f32> weights(s.weights()), bias(2);
    fill_nan(weights), fill_nan(bias);
    plan.run({0, nullptr, nullptr, write_to(weights.data()), write_to(bias.data())},
             scratch(plan.workspace_bytes()), pool_of(2));
    REQUIRE(difference(weights, doubles(at(s.weights())), 1e-30) == "");
    REQUIRE(difference(bias, doubles(2), 1e-30) == "");
  });
}

TEST_CASE("errors of convolution's backward plans", "[train][conv][errors]") {
  using I = ia_nn::isa::scalar;
  conv_shape const good{4, 6, 2, {1, 4, 4}, {{1, 3, 3}}};
  auto const both = [&](conv_shape const& s, ia_nn::conv_backward_options const& o, errc code,
                        std::string const& words) {
    REQUIRE_ERROR([&] { conv_backward_weights<I> const plan(s, o); }, code,
                  "conv_backward_weights: " + words);
    REQUIRE_ERROR([&] { conv_backward_src<I> const plan(s, o); }, code,
                  "conv_backward_src: " + words);
  };
  conv_shape groups = good, kernel = good;
  groups.groups = 4;
  kernel.win.kernel.width = 5;
  both(groups, {}, errc::bad_shape, "4 groups do not divide 4 channels and 6 filters");
  both(kernel, {}, errc::bad_shape, "width: the kernel reaches over 5 elements");
  index_t const huge = std::numeric_limits<index_t>::max() / 64;
  REQUIRE_ERROR([&] { conv_backward_weights<I> const plan(good, {huge, 1}); }, errc::bad_shape,
                "overflows");
  REQUIRE_ERROR([&] { conv_backward_src<I> const plan(good, {huge, 1}); }, errc::bad_shape,
                "overflows");
  both(good, {0, 1}, errc::bad_shape, "max_batch is 0, must be at least 1");
  both(good, {1, 0}, errc::bad_parameter, "workers is 0, must be at least 1");
}

} // namespace ia_nn_test

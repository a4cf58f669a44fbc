// SPDX-License-Identifier: Apache-2.0
//
// Gradients of convolution: every kind of window, groups, sizes around registers and slices.
#include "oracle/train_conv.hpp"
#include "support.hpp"

#include <ia_nn/train/conv_src.hpp>
#include <ia_nn/train/conv_weights.hpp>

namespace ia_nn_test {
namespace {

using ia_nn::conv_backward_src;
using ia_nn::conv_backward_weights;

struct conv_case {
  char const* name;
  index_t batch, channels, filters, groups;
  spatial in, kernel, stride{}, dilation{};
  spatial pad_begin = ia_nn::no_padding, pad_end = ia_nn::no_padding;

  conv_shape shape() const {
    return {channels, filters, groups, in, {kernel, stride, dilation, pad_begin, pad_end}};
  }
};

// Small enough for one forward pass in double per element.
conv_case const small_cases[] = {
    {"one element", 1, 1, 1, 1, {}, {}},
    {"3 x 3, padded", 2, 3, 4, 1, {1, 4, 5}, {1, 3, 3}, {}, {}, {0, 1, 1}, {0, 1, 1}},
    {"stride 2, padding at the end",
     1,
     2,
     3,
     1,
     {1, 6, 5},
     {1, 3, 2},
     {1, 2, 2},
     {},
     {0, 0, 0},
     {0, 1, 2}},
    {"dilation", 1, 2, 2, 1, {1, 7, 6}, {1, 3, 2}, {}, {1, 2, 3}, {0, 2, 0}, {0, 1, 1}},
    {"two groups", 2, 4, 6, 2, {1, 4, 3}, {1, 2, 2}, {}, {}, {0, 1, 0}, {0, 0, 1}},
    {"depthwise", 1, 3, 3, 3, {1, 5, 5}, {1, 3, 3}, {}, {}, {0, 1, 1}, {0, 1, 1}},
    {"a signal", 2, 3, 2, 1, {1, 1, 13}, {1, 1, 4}, {1, 1, 2}, {1, 1, 2}, {0, 0, 2}, {0, 0, 1}},
    {"a volume", 1, 2, 2, 1, {3, 4, 4}, {2, 3, 2}, {2, 1, 1}, {}, {1, 0, 1}, {0, 1, 0}},
};
conv_case const large_cases[] = {
    {"kernel larger than the image",
     1,
     3,
     5,
     1,
     {1, 2, 2},
     {1, 5, 5},
     {},
     {},
     {0, 2, 2},
     {0, 2, 2}},
    {"negative padding", 2, 3, 3, 1, {1, 9, 9}, {1, 3, 3}, {1, 2, 2}, {}, {0, 1, 0}, {0, -2, -1}},
    {"stride beyond the kernel", 2, 5, 7, 1, {1, 10, 11}, {1, 2, 2}, {1, 3, 4}},
    {"15 channels", 2, 15, 17, 1, {1, 8, 8}, {1, 5, 5}, {}, {}, {0, 2, 2}, {0, 2, 2}},
    {"16 channels", 1, 16, 16, 1, {1, 6, 6}, {1, 3, 3}, {}, {}, {0, 1, 1}, {0, 1, 1}},
    {"35 channels", 1, 35, 33, 1, {1, 5, 6}, {1, 3, 3}, {}, {}, {0, 1, 0}, {0, 0, 1}},
    {"several slices of the kernel",
     2,
     150,
     9,
     1,
     {1, 5, 5},
     {1, 3, 3},
     {},
     {},
     {0, 1, 1},
     {0, 1, 1}},
    {"several slices of the channels", 1, 1100, 5, 1, {1, 4, 3}, {}},
    {"many pixels", 5, 1, 3, 1, {1, 40, 40}, {1, 5, 5}, {}, {}, {0, 2, 2}, {0, 2, 2}},
    {"three groups of 17", 2, 51, 6, 3, {1, 5, 5}, {1, 3, 3}, {1, 2, 1}, {}, {0, 1, 1}, {0, 1, 1}},
    {"depthwise, two filters each",
     1,
     18,
     36,
     18,
     {1, 7, 7},
     {1, 3, 3},
     {1, 2, 2},
     {},
     {0, 1, 1},
     {0, 1, 1}},
    {"a dilated volume",
     2,
     4,
     6,
     2,
     {6, 5, 7},
     {2, 2, 3},
     {1, 2, 1},
     {3, 1, 2},
     {1, 0, 2},
     {2, 1, 0}},
};

struct conv_data {
  conv_shape s;
  index_t batch;
  exact_buffer<f32> src, weights, diff_dst;

  conv_data(conv_case const& c, random& r)
      : s(c.shape()), batch(c.batch), src(batch * s.in.size() * s.channels), weights(s.weights()),
        diff_dst(batch * s.out().size() * s.filters) {
    r.fill(src.data(), src.size());
    r.fill(weights.data(), weights.size());
    r.fill(diff_dst.data(), diff_dst.size());
  }
};

struct conv_results {
  exact_buffer<f32> src, weights, bias;
  explicit conv_results(conv_data const& d)
      : src(d.src.size()), weights(d.weights.size()), bias(d.s.filters) {}
};

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
      return dot(conv_forward(d.s, d.batch, src, weights, bias), dy);
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

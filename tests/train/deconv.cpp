// SPDX-License-Identifier: Apache-2.0
//
// Gradients of transposed convolution: every kind of window, groups, output padding, sizes around
// registers.
#include "oracle/train_conv.hpp"
#include "support.hpp"

#include <ia_nn/train/deconv_src.hpp>
#include <ia_nn/train/deconv_weights.hpp>

namespace ia_nn_test {
namespace {

using ia_nn::bf16;
using ia_nn::deconv_backward_src;
using ia_nn::deconv_backward_weights;

struct deconv_case {
  char const* name;
  index_t batch, channels, filters, groups;
  spatial in, kernel, stride{}, dilation{};
  spatial pad_begin = ia_nn::no_padding, pad_end = ia_nn::no_padding, output_padding = ia_nn::no_padding;

  deconv_shape shape() const {
    return {channels, filters, groups, in, {kernel, stride, dilation, pad_begin, pad_end}, output_padding};
  }
};

deconv_case const small_cases[] = {
    {"one element", 1, 1, 1, 1, {}, {}},
    {"3 x 3, padded", 2, 3, 4, 1, {1, 4, 5}, {1, 3, 3}, {}, {}, {0, 1, 1}, {0, 1, 1}},
    {"stride 2, output padding", 1, 3, 2, 1, {1, 3, 4}, {1, 3, 3}, {1, 2, 2}, {}, {0, 1, 1}, {0, 1, 1}, {0, 1, 1}},
    {"stride 2, padding at the end", 2, 2, 3, 1, {1, 4, 3}, {1, 4, 2}, {1, 2, 2}, {}, {0, 0, 1}, {0, 2, 0}},
    {"dilation", 1, 2, 2, 1, {1, 3, 4}, {1, 3, 2}, {}, {1, 2, 3}, {0, 2, 0}, {0, 1, 1}},
    {"two groups", 2, 4, 6, 2, {1, 4, 3}, {1, 2, 2}, {1, 1, 2}, {}, {0, 1, 0}, {0, 0, 1}, {0, 0, 1}},
    {"depthwise", 1, 3, 3, 3, {1, 4, 3}, {1, 3, 3}, {1, 2, 2}, {}, {0, 1, 1}, {0, 1, 1}, {0, 1, 0}},
    {"a signal", 2, 3, 2, 1, {1, 1, 6}, {1, 1, 4}, {1, 1, 2}, {1, 1, 2}, {0, 0, 2}, {0, 0, 1}, {0, 0, 1}},
    {"a volume", 1, 2, 2, 1, {2, 3, 3}, {2, 3, 2}, {2, 1, 2}, {}, {1, 0, 1}, {0, 1, 0}, {1, 0, 0}},
};
deconv_case const large_cases[] = {
    {"stride beyond the kernel", 2, 5, 7, 1, {1, 4, 3}, {1, 2, 2}, {1, 3, 4}, {}, {0, 0, 0}, {0, 0, 0}, {0, 2, 3}},
    {"output padding beyond the stride", 1, 3, 5, 1, {1, 3, 3}, {1, 2, 2}, {1, 2, 2}, {}, {0, 0, 0}, {0, 0, 0}, {0, 3, 4}},
    {"1 x 1", 2, 33, 40, 1, {1, 5, 6}, {}},
    {"15 to 17", 1, 15, 17, 1, {1, 6, 5}, {1, 4, 4}, {1, 2, 2}, {}, {0, 1, 1}, {0, 1, 1}},
    {"32 to 64, 4 x 4", 2, 32, 64, 1, {1, 7, 7}, {1, 4, 4}, {1, 2, 2}, {}, {0, 1, 1}, {0, 1, 1}},
    {"64 to 3", 1, 64, 3, 1, {1, 9, 9}, {1, 5, 5}, {1, 2, 2}, {}, {0, 2, 2}, {0, 2, 2}, {0, 1, 1}},
    {"three groups of 17 and 11", 2, 51, 33, 3, {1, 5, 4}, {1, 3, 3}, {1, 2, 1}, {}, {0, 1, 1}, {0, 1, 1}},
    {"depthwise, 65", 2, 65, 65, 65, {1, 5, 6}, {1, 4, 4}, {1, 2, 2}, {}, {0, 1, 1}, {0, 1, 1}},
    {"depthwise, 32, 3 x 3", 1, 32, 32, 32, {1, 7, 6}, {1, 3, 3}, {1, 2, 2}, {}, {0, 1, 1}, {0, 1, 1}, {0, 1, 1}},
    {"a dilated volume", 1, 6, 8, 2, {3, 4, 3}, {2, 2, 3}, {1, 2, 1}, {3, 1, 2}, {1, 0, 2}, {2, 1, 0}, {0, 1, 0}},
};

struct deconv_data {
  deconv_shape s;
  index_t batch;
  exact_buffer<f32> src, weights, diff_dst;

  deconv_data(deconv_case const& c, random& r)
      : s(c.shape()), batch(c.batch), src(batch * s.in.size() * s.channels), weights(s.weights()),
        diff_dst(batch * s.out().size() * s.filters) {
    r.fill(src.data(), src.size());
    r.fill(weights.data(), weights.size());
    r.fill(diff_dst.data(), diff_dst.size());
  }
};

struct deconv_results {
  exact_buffer<f32> src, weights, bias;
  explicit deconv_results(deconv_data const& d)
      : src(d.src.size()), weights(d.weights.size()), bias(d.s.filters) {}
};

template <class I, class E> void compute(deconv_data const& d, index_t max_batch, deconv_results& out) {
  check_requests(d.src.size(), out.src, [&](ia_nn::gradient g, int workers) {
    deconv_backward_src<I, E> const plan(d.s, {max_batch, std::min(workers, 2)});
    plan.run(d.batch, d.diff_dst.data(), d.weights.data(), g, scratch(plan.workspace_bytes()),
             pool_of(workers));
  });
  auto const parameters = [&](ia_nn::gradient w, ia_nn::gradient b, int workers) {
    deconv_backward_weights<I, E> const plan(d.s, {max_batch, std::min(workers, 2)});
    plan.run({d.batch, d.src.data(), d.diff_dst.data(), w, b}, scratch(plan.workspace_bytes()),
             pool_of(workers));
  };
  check_requests(d.weights.size(), out.weights,
                 [&](ia_nn::gradient g, int workers) { parameters(g, not_wanted, workers); });
  check_requests(d.s.filters, out.bias,
                 [&](ia_nn::gradient g, int workers) { parameters(not_wanted, g, workers); });
}

// With E bf16 the operands of products are rounded, not those of sums for the bias.
template <class E> void check_sums(deconv_case const& c, random& r) {
  INFO(c.name << ", products of " << ia_nn::name_of<E>());
  deconv_data const d(c, r);
  bool const rounds = std::same_as<E, bf16> && !(c.groups == c.channels && c.filters == c.channels && c.groups > 1);
  auto const operand = [&](exact_buffer<f32> const& b) { return rounds ? rounded_to_bf16(b) : to_doubles(b); };
  deconv_gradients const want(d.s, d.batch, operand(d.src), operand(d.weights), operand(d.diff_dst));
  deconv_gradients const exact(d.s, d.batch, to_doubles(d.src), to_doubles(d.weights), to_doubles(d.diff_dst));
  for_each_isa<vector_isas>([&](auto tag) {
    for (index_t max_batch : {d.batch, 2 * d.batch + 3}) {
      deconv_results got(d);
      compute<decltype(tag), E>(d, max_batch, got);
      REQUIRE(rounding_difference(got.src, want.src) == "");
      REQUIRE(rounding_difference(got.weights, want.weights) == "");
      REQUIRE(rounding_difference(got.bias, exact.bias) == "");
    }
  });
}

} // namespace

TEST_CASE("gradients of transposed convolution are slopes", "[train][deconv]") {
  random r(31);
  for (deconv_case const& c : small_cases) {
    INFO(c.name);
    deconv_data const d(c, r);
    doubles const x = to_doubles(d.src), w = to_doubles(d.weights), dy = to_doubles(d.diff_dst);
    doubles const b(at(d.s.filters));
    auto const loss = [&](doubles const& src, doubles const& weights, doubles const& bias) {
      return dot(deconvolved(d.s, d.batch, src, weights, bias), dy);
    };
    doubles const by_src = central_differences(x, [&](doubles const& v) { return loss(v, w, b); });
    doubles const by_weights = central_differences(w, [&](doubles const& v) { return loss(x, v, b); });
    doubles const by_bias = central_differences(b, [&](doubles const& v) { return loss(x, w, v); });
    for_each_isa<vector_isas>([&](auto tag) {
      deconv_results got(d);
      compute<decltype(tag), f32>(d, d.batch, got);
      REQUIRE(difference(got.src, by_src) == "");
      REQUIRE(difference(got.weights, by_weights) == "");
      REQUIRE(difference(got.bias, by_bias) == "");
    });
  }
}

TEST_CASE("gradients of transposed convolution, sizes around registers", "[train][deconv]") {
  random r(32);
  for (deconv_case const& c : small_cases) check_sums<f32>(c, r);
  for (deconv_case const& c : large_cases) check_sums<f32>(c, r);
}

TEST_CASE("gradients of transposed convolution, products of bf16", "[train][deconv][bf16]") {
  random r(33);
  for (deconv_case const& c : small_cases) check_sums<bf16>(c, r);
  for (deconv_case const& c : large_cases) check_sums<bf16>(c, r);
}

TEST_CASE("errors of transposed convolution's backward plans", "[train][deconv][errors]") {
  using I = ia_nn::isa::scalar;
  deconv_shape const good{4, 6, 2, {1, 4, 4}, {{1, 3, 3}}};
  auto const both = [&](deconv_shape const& s, ia_nn::conv_backward_options const& o, errc code,
                        std::string const& words) {
    REQUIRE_ERROR([&] { deconv_backward_weights<I> const plan(s, o); }, code,
                  "deconv_backward_weights: " + words);
    REQUIRE_ERROR([&] { deconv_backward_src<I> const plan(s, o); }, code, "deconv_backward_src: " + words);
  };
  deconv_shape groups = good, padding = good;
  groups.groups = 4;
  padding.win.pad_begin.width = padding.win.pad_end.width = 4;
  both(groups, {}, errc::bad_shape, "4 groups do not divide 4 channels and 6 filters");
  both(padding, {}, errc::bad_shape, "width: the padding leaves -2 elements of the output");
  both(good, {0, 1}, errc::bad_shape, "max_batch is 0, must be at least 1");
  both(good, {1, 0}, errc::bad_parameter, "workers is 0, must be at least 1");
}

} // namespace ia_nn_test

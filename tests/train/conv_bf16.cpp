// SPDX-License-Identifier: Apache-2.0
//
// Convolutions of layers that learn, with products of bf16 and f32: gradients against sums of rounded
// operands, forward passes in either type.
#include "conv_cases.hpp"

#include <ia_nn/gemm/stages.hpp>
#include <ia_nn/train/conv_forward.hpp>

namespace ia_nn_test {
namespace {

using ia_nn::bf16;
using ia_nn::conv_forward;

bool one_filter_each(conv_shape const& s) { return s.depthwise() && s.filters == s.channels; }

// What is multiplied: one filter per channel is not rounded.
template <class E> doubles operand(conv_shape const& s, exact_buffer<f32> const& b) {
  return std::same_as<E, bf16> && !one_filter_each(s) ? rounded_to_bf16(b) : to_doubles(b);
}

void check_gradients(conv_case const& c, random& r) {
  INFO(c.name);
  conv_data const d(c, r);
  conv_gradients const want(d.s, d.batch, operand<bf16>(d.s, d.src), operand<bf16>(d.s, d.weights),
                            operand<bf16>(d.s, d.diff_dst));
  for_each_isa<vector_isas>([&](auto tag) {
    using I = decltype(tag);
    exact_buffer<f32> src(d.src.size()), weights(d.weights.size());
    check_requests(src.size(), src, [&](ia_nn::gradient g, int workers) {
      conv_backward_src<I, bf16> const plan(d.s, {d.batch, std::min(workers, 2)});
      plan.run(d.batch, d.diff_dst.data(), d.weights.data(), g, scratch(plan.workspace_bytes()),
               pool_of(workers));
    });
    check_requests(weights.size(), weights, [&](ia_nn::gradient g, int workers) {
      conv_backward_weights<I, bf16> const plan(d.s, {d.batch, std::min(workers, 2)});
      plan.run({d.batch, d.src.data(), d.diff_dst.data(), g, not_wanted}, scratch(plan.workspace_bytes()),
               pool_of(workers));
    });
    REQUIRE(rounding_difference(src, want.src) == "");
    REQUIRE(rounding_difference(weights, want.weights) == "");
  });
}

template <class E> void check_forward(conv_case const& c, random& r) {
  INFO(c.name << ", products of " << ia_nn::name_of<E>());
  conv_data const d(c, r);
  exact_buffer<f32> bias(d.s.filters);
  r.fill(bias.data(), bias.size());
  sums want(d.diff_dst.size());
  doubles const x = operand<E>(d.s, d.src), w = operand<E>(d.s, d.weights);
  each_conv_product(d.s, d.batch, [&](index_t i, index_t o, index_t k) { want.add(o, x[at(i)] * w[at(k)]); });
  for (index_t i = 0; i < d.diff_dst.size(); ++i)
    want.add(i, static_cast<double>(bias[i % d.s.filters]));
  for_each_isa<vector_isas>([&](auto tag) {
    using I = decltype(tag);
    exact_buffer<f32> first(d.diff_dst.size());
    for (int workers : {1, 2, 3}) {
      exact_buffer<f32> dst(d.diff_dst.size());
      fill_nan(dst);
      conv_forward<I, E> const plan(d.s, {d.batch + 1, std::min(workers, 2)});
      plan.run(d.batch, d.src.data(), d.weights.data(), dst.data(), ia_nn::chain{ia_nn::add_bias{bias.data()}},
               scratch(plan.workspace_bytes()), pool_of(workers));
      REQUIRE(rounding_difference(dst, want) == "");
      if (workers == 1) std::memcpy(first.data(), dst.data(), at(dst.size()) * sizeof(f32));
      REQUIRE(same_bits(dst, first));
    }
  });
}

} // namespace

TEST_CASE("gradients of convolution, products of bf16", "[train][conv][bf16]") {
  random r(3);
  for (conv_case const& c : small_cases) check_gradients(c, r);
  for (conv_case const& c : large_cases) check_gradients(c, r);
}

TEST_CASE("convolution forward, weights that come with the call", "[train][conv][bf16]") {
  random r(4);
  for (conv_case const& c : small_cases) check_forward<f32>(c, r), check_forward<bf16>(c, r);
  for (conv_case const& c : large_cases) check_forward<f32>(c, r), check_forward<bf16>(c, r);
}

TEST_CASE("errors of convolution forward", "[train][conv][errors]") {
  using I = ia_nn::isa::scalar;
  conv_shape groups{4, 6, 4, {1, 4, 4}, {{1, 3, 3}}};
  REQUIRE_ERROR([&] { conv_forward<I> const plan(groups); }, errc::bad_shape, "conv_forward: 4 groups do not divide");
  REQUIRE_ERROR([&] { conv_forward<I> const plan({}, {0, 1}); }, errc::bad_shape, "conv_forward: max_batch is 0");
  REQUIRE_ERROR([&] { conv_forward<I> const plan({}, {1, 0}); }, errc::bad_parameter, "conv_forward: workers is 0");
}

} // namespace ia_nn_test

// SPDX-License-Identifier: Apache-2.0
//
// A gradient for a source with the slope of the activation in front: the bits of two calls.
#include "conv_cases.hpp"

#include <ia_nn/train/deconv_src.hpp>
#include <ia_nn/train/dense.hpp>

namespace ia_nn_test {
namespace {

using ia_nn::bf16;
using ia_nn::gradient;
using ia_nn::slope_tail;
namespace slope = ia_nn::slope;

// plain(request, workers) computes the gradient of n elements, tailed(request, tail, workers) with a
// tail.
template <class I, class Slope, class Plain, class Tailed>
void check_tail(index_t n, Slope const& s, Plain const& plain, Tailed const& tailed) {
  random r(50);
  exact_buffer<f32> value(n), alone(n), before(n), want(n), got(n);
  r.fill(value.data(), n), r.fill(before.data(), n);
  for (index_t i = 0; i < n; i += 3) value[i] = 0;
  fill_nan(alone);
  plain(write_to(alone.data()), 1);
  for (int workers : {1, 2, 3})
    for (bool add : {false, true}) {
      INFO(workers << " workers, " << (add ? "added" : "written"));
      auto const begin = [&](exact_buffer<f32>& b) {
        if (add) std::memcpy(b.data(), before.data(), at(n) * sizeof(f32));
        else fill_nan(b);
        return gradient{b.data(), add};
      };
      ia_nn::activation_backward<I>(n, value.data(), alone.data(), begin(want), s);
      tailed(begin(got), slope_tail{value.data(), s}, workers);
      REQUIRE(same_bits(got, want));
    }
}

template <class E, class Slope> void check_conv(conv_case const& c, random& r) {
  INFO(c.name << ", products of " << ia_nn::name_of<E>());
  conv_data const d(c, r);
  for_each_isa<vector_isas>([&](auto tag) {
    using I = decltype(tag);
    auto const run = [&](gradient g, auto const& tail, int workers) {
      conv_backward_src<I, E> const plan(d.s, {d.batch, std::min(workers, 2)});
      plan.run(d.batch, d.diff_dst.data(), d.weights.data(), g, tail, scratch(plan.workspace_bytes()),
               pool_of(workers));
    };
    auto const plain = [&](gradient g, int workers) { run(g, ia_nn::no_tail{}, workers); };
    check_tail<I>(d.src.size(), Slope{}, plain, run);
  });
}

} // namespace

TEST_CASE("slopes behind the gradient of a convolution", "[train][conv][tail]") {
  random r(51);
  for (conv_case const& c : small_cases) check_conv<f32, slope::tanh>(c, r), check_conv<bf16, slope::relu>(c, r);
  for (conv_case const& c : large_cases) check_conv<f32, slope::tanh>(c, r), check_conv<bf16, slope::relu>(c, r);
}

TEST_CASE("slopes behind the gradient of a transposed convolution", "[train][deconv][tail]") {
  random r(52);
  ia_nn::deconv_shape const shapes[] = {
      {5, 6, 1, {1, 4, 5}, {{1, 4, 4}, {1, 2, 2}, {}, {0, 1, 1}, {0, 1, 1}}, {0, 0, 1}},
      {34, 33, 1, {1, 6, 5}, {{1, 3, 3}, {1, 2, 2}, {}, {0, 1, 1}, {0, 1, 1}}, {0, 1, 1}},
      {19, 19, 19, {1, 6, 5}, {{1, 3, 3}, {1, 2, 2}, {}, {0, 1, 1}, {0, 1, 1}}, {0, 1, 1}}};
  for (ia_nn::deconv_shape const& s : shapes) {
    constexpr index_t batch = 2;
    index_t const n = batch * s.in.size() * s.channels;
    exact_buffer<f32> weights(s.weights()), diff_dst(batch * s.out().size() * s.filters);
    r.fill(weights.data(), weights.size()), r.fill(diff_dst.data(), diff_dst.size());
    for_each_isa<vector_isas>([&](auto tag) {
      using I = decltype(tag);
      auto const run = [&](gradient g, auto const& tail, int workers) {
        ia_nn::deconv_backward_src<I> const plan(s, {batch, std::min(workers, 2)});
        plan.run(batch, diff_dst.data(), weights.data(), g, tail, scratch(plan.workspace_bytes()),
                 pool_of(workers));
      };
      check_tail<I>(n, slope::leaky_relu{}, [&](gradient g, int w) { run(g, ia_nn::no_tail{}, w); }, run);
    });
  }
}

TEST_CASE("slopes behind the gradient of a dense layer", "[train][dense][tail]") {
  random r(53);
  auto const check = [&]<class E>(E, index_t m, index_t k, index_t n) {
    INFO("m " << m << ", k " << k << ", n " << n << ", products of " << ia_nn::name_of<E>());
    exact_buffer<f32> w(k * n), dy(m * n);
    r.fill(w.data(), w.size()), r.fill(dy.data(), dy.size());
    for_each_isa<vector_isas>([&](auto tag) {
      using I = decltype(tag);
      auto const run = [&](gradient g, auto const& tail, int workers) {
        ia_nn::dense_training<I, E> const layer({k, n, m + 2}, workers);
        layer.backward({.rows = m, .diff_dst = dy.data(), .weights = w.data(), .diff_src = g}, tail,
                       scratch(layer.workspace_bytes()), pool_of(workers));
      };
      auto const plain = [&](gradient g, int workers) { run(g, ia_nn::no_tail{}, workers); };
      check_tail<I>(m * k, slope::sigmoid{}, plain, run);
    });
  };
  for (index_t m : {1, 3, 5, 29})
    for (index_t k : {3, 33, 70}) check(f32{}, m, k, 17), check(bf16{}, m, k, 40);
}

} // namespace ia_nn_test

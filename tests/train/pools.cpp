// SPDX-License-Identifier: Apache-2.0
//
// Gradients of pooling to a given size, over whole images, and of maxima whose places the forward
// pass writes or the backward pass looks for again.
#include "oracle/pool.hpp"
#include "support.hpp"

#include <ia_nn/train/pool.hpp>

namespace ia_nn_test {
namespace {

using ia_nn::adaptive_pool_shape;
using ia_nn::gradient;
using ia_nn::pool;
using ia_nn::pool_backward_shape;
using ia_nn::pool_kind;
using ia_nn::spatial;

constexpr index_t batch = 3;

// Maxima or averages of x (batch, in, channels) in double, taps(axis, element) those of a window;
// `divisor` of an average: the taps in the image, or those in the padding too.
template <class Taps>
doubles pooled_image(index_t channels, spatial const& in, spatial const& out, Taps&& taps,
                     pool_kind kind, doubles const& x) {
  doubles y;
  for (index_t n = 0; n < batch; ++n)
    for (index_t o = 0; o < out.size(); ++o)
      for (index_t c = 0; c < channels; ++c) {
        pooled const p = pool_one(x.data() + n * in.size() * channels + c, channels, in,
                                  taps(0, o / out.width / out.height),
                                  taps(1, o / out.width % out.height), taps(2, o % out.width));
        double const count =
            static_cast<double>(kind == pool_kind::average_padded ? p.counted : p.taps);
        if (p.taps == 0) y.push_back(0); // padding alone: no gradient
        else y.push_back(kind == pool_kind::max ? p.highest : p.sum / count);
      }
  return y;
}

// Distinct numbers, a hundredth apart: a difference of 1e-4 moves no maximum.
void fill_apart(exact_buffer<f32>& x) {
  for (index_t i = 0; i < x.size(); ++i) x[i] = 0.01F * static_cast<f32>(i * 7919 % 104729);
}

// Both ways to the gradient of maxima: with the index of the forward pass, and without.
template <class Shape, class Forward, class Taps>
void check_maxima(Shape const& s, Forward const& forward, spatial const& out, Taps&& taps) {
  random r(940);
  INFO(s.channels << " channels, " << s.in.to_string() << " to " << out.to_string());
  exact_buffer<f32> x(batch * s.in.size() * s.channels), y(batch * out.size() * s.channels),
      diff(y.size()), got(x.size()), again(x.size());
  exact_buffer<s32> index(y.size());
  fill_apart(x), r.fill(diff.data(), diff.size());
  doubles const dy = to_doubles(diff);
  doubles const want = central_differences(to_doubles(x), [&](doubles const& v) {
    return dot(pooled_image(s.channels, s.in, out, taps, pool_kind::max, v), dy);
  });
  for_each_isa<vector_isas>([&](auto tag) {
    using I = decltype(tag);
    pool<I, f32> const first(pool_kind::max, forward);
    first.run_with_indices(batch, x.data(), y.data(), index.data());
    ia_nn::max_pool_backward const plan(s);
    check_requests(got.size(), got, [&](gradient g, int workers) {
      plan.run(batch, index.data(), diff.data(), g, pool_of(workers));
    });
    REQUIRE(difference(got, want) == "");
    check_requests(again.size(), again, [&](gradient g, int workers) {
      ia_nn::recomputed_max_pool_backward<I> const without(s, std::min(workers, 2));
      without.run(batch, x.data(), diff.data(), g, scratch(without.workspace_bytes()),
                  pool_of(workers));
    });
    REQUIRE(same_bits(got, again));
  });
}

pool_backward_shape const windows[] = {
    {1, {}, {}},
    {3, {1, 1, 9}, {{1, 1, 3}, {1, 1, 2}, {}, {0, 0, 1}, {0, 0, 1}}, true},
    {16, {1, 7, 5}, {{1, 3, 2}, {1, 2, 1}, {}, {0, 1, 1}, {0, 1, 0}}},
    {17, {1, 5, 6}, {{1, 3, 3}, {1, 2, 2}}, true},
    {5, {1, 5, 5}, {{1, 2, 2}, {1, 2, 2}, {1, 2, 1}, {0, 1, 0}, {0, 0, 1}}, true, false},
    {4, {3, 4, 5}, {{2, 2, 3}, {1, 2, 2}, {}, {1, 0, 1}, {0, 1, 0}}},
    {66, {1, 2, 3}, {{1, 2, 2}}},
    {7, {2, 3, 2}, {{2, 3, 2}, {2, 3, 2}}}, // the whole image
};
adaptive_pool_shape const sizes[] = {
    {1, {1, 1, 5}, {1, 1, 2}}, {8, {1, 7, 5}, {1, 3, 2}},  {17, {1, 4, 6}, {1, 1, 1}},
    {5, {3, 5, 4}, {2, 3, 3}}, {66, {1, 3, 3}, {1, 2, 2}}, {3, {1, 2, 3}, {1, 3, 4}},
};

} // namespace

TEST_CASE("gradients of maxima, with and without an index", "[train][pool]") {
  for (pool_backward_shape const& s : windows)
    check_maxima(s, ia_nn::pool_shape{s.channels, s.in, s.win, s.ceil_mode}, s.out(),
                 [&](int d, index_t o) { return window_taps(s.win, s.in, d, o); });
  for (adaptive_pool_shape const& s : sizes)
    check_maxima(s, s, s.out,
                 [&](int d, index_t o) { return adaptive_taps(s.in[d], s.out[d], o); });
}

TEST_CASE("gradients of averages to a given size", "[train][pool]") {
  random r(941);
  for (adaptive_pool_shape const& s : sizes) {
    INFO(s.channels << " channels, " << s.in.to_string() << " to " << s.out.to_string());
    exact_buffer<f32> diff(batch * s.out.size() * s.channels),
        got(batch * s.in.size() * s.channels);
    r.fill(diff.data(), diff.size());
    doubles const dy = to_doubles(diff);
    doubles const want = central_differences(doubles(at(got.size())), [&](doubles const& v) {
      return dot(pooled_image(
                     s.channels, s.in, s.out,
                     [&](int d, index_t o) { return adaptive_taps(s.in[d], s.out[d], o); },
                     pool_kind::average, v),
                 dy);
    });
    for_each_isa<vector_isas>([&](auto tag) {
      ia_nn::average_pool_backward<decltype(tag)> const plan(s);
      check_requests(got.size(), got, [&](gradient g, int workers) {
        plan.run(batch, diff.data(), g, pool_of(workers));
      });
      REQUIRE(difference(got, want) == "");
    });
  }
}

TEST_CASE("gradients of averages with either divisor", "[train][pool]") {
  random r(942);
  for (pool_backward_shape s : windows)
    for (bool count_padding : {false, true}) {
      s.count_padding = count_padding;
      spatial const out = s.out();
      INFO(s.channels << " channels, " << s.in.to_string()
                      << ", padding counts: " << count_padding);
      exact_buffer<f32> diff(batch * out.size() * s.channels),
          got(batch * s.in.size() * s.channels);
      r.fill(diff.data(), diff.size());
      doubles const dy = to_doubles(diff);
      doubles const want = central_differences(doubles(at(got.size())), [&](doubles const& v) {
        return dot(pooled_image(
                       s.channels, s.in, out,
                       [&](int d, index_t o) { return window_taps(s.win, s.in, d, o); },
                       count_padding ? pool_kind::average_padded : pool_kind::average, v),
                   dy);
      });
      for_each_isa<vector_isas>([&](auto tag) {
        ia_nn::average_pool_backward<decltype(tag)> const plan(s);
        check_requests(got.size(), got, [&](gradient g, int workers) {
          plan.run(batch, diff.data(), g, pool_of(workers));
        });
        REQUIRE(difference(got, want) == "");
      });
    }
}

TEST_CASE("of equal numbers the first has the gradient", "[train][pool]") {
  for_each_isa<vector_isas>([&](auto tag) {
    pool_backward_shape const s{1, {1, 1, 4}, {{1, 1, 2}, {1, 1, 2}}};
    ia_nn::recomputed_max_pool_backward<decltype(tag)> const plan(s);
    exact_buffer<f32> x(4), diff(2), got(4);
    x[3] = -1, diff[0] = 2, diff[1] = 3;
    plan.run(1, x.data(), diff.data(), write_to(got.data()), scratch(plan.workspace_bytes()));
    REQUIRE((got[0] == 2 && got[1] == 0 && got[2] == 3 && got[3] == 0));
  });
}

TEST_CASE("errors of the gradients of pools to a given size", "[train][pool][errors]") {
  using I = ia_nn::isa::scalar;
  REQUIRE_ERROR([&] { ia_nn::max_pool_backward const p(adaptive_pool_shape{0, {}, {}}); },
                errc::bad_shape, "max_pool_backward: channels is 0");
  REQUIRE_ERROR(
      [&] { ia_nn::average_pool_backward<I> const p(adaptive_pool_shape{1, {}, {1, 1, 0}}); },
      errc::bad_shape, "average_pool_backward: an extent of the result is 0");
  REQUIRE_ERROR([&] { ia_nn::recomputed_max_pool_backward<I> const p(windows[1], 0); },
                errc::bad_parameter, "recomputed_max_pool_backward: workers is 0");
}

} // namespace ia_nn_test

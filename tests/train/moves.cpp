// SPDX-License-Identifier: Apache-2.0
//
// Gradients of moves, padding and reductions. A forward pass over the numbers of elements tells which
// element of src each element of dst is; what should come back is the sum over these.
#include "support.hpp"

#include <ia_nn/train/move.hpp>
#include <ia_nn/train/pad.hpp>
#include <ia_nn/train/reduce.hpp>

#include <array>

namespace ia_nn_test {
namespace {

using ia_nn::gradient;
using ia_nn::pad_mode;
using ia_nn::reduction_function;
using indices = std::vector<index_t>;

index_t product(indices const& n) {
  index_t p = 1;
  for (index_t const i : n) p *= i;
  return p;
}

// forward(src, dst) moves f32 that number the elements of src from 1; 0 is no element. `sums`: more
// than one element of dst may be the same element of src, else each gradient is an exact copy.
template <class Forward, class Backward>
void check_moved(index_t src, index_t dst, bool sums, Forward&& forward, Backward&& backward) {
  random r(960);
  exact_buffer<f32> number(src), moved(dst), diff(dst), got(src);
  for (index_t i = 0; i < src; ++i) number[i] = static_cast<f32>(i + 1);
  forward(number.data(), moved.data());
  r.fill(diff.data(), dst);
  ia_nn_test::sums want(src);
  for (index_t j = 0; j < dst; ++j)
    if (moved[j] > 0) want.add(static_cast<index_t>(moved[j]) - 1, static_cast<double>(diff[j]));
  check_requests(src, got, [&](gradient g, int workers) { backward(diff.data(), g, workers); });
  REQUIRE(rounding_difference(got, want) == "");
  if (!sums)
    for (index_t i = 0; i < src; ++i) REQUIRE(static_cast<double>(got[i]) == want.sum[at(i)]);
}

} // namespace

TEST_CASE("gradients of slices", "[train][move]") {
  struct slice_case {
    indices extents, start, count, step;
  };
  for (auto const& s : {slice_case{{1}, {0}, {1}, {1}},
                        {{5, 7}, {1, 0}, {3, 7}, {1, 1}},
                        {{5, 17}, {0, 1}, {5, 15}, {1, 1}},
                        {{6, 9}, {5, 8}, {3, 9}, {-2, -1}},
                        {{3, 8, 4}, {0, 7, 1}, {3, 4, 2}, {1, -2, 1}},
                        {{2, 3, 4, 5, 2}, {0, 1, 0, 1, 0}, {2, 2, 4, 3, 2}, {1, 1, 1, 1, 1}},
                        {{4, 3}, {0, 0}, {0, 3}, {1, 1}},
                        {{3, 9001}, {0, 1}, {3, 8999}, {1, 1}},
                        {{1, 30011}, {0, 5}, {1, 30001}, {1, 1}}})
    for_each_isa<vector_isas>([&](auto tag) {
      using I = decltype(tag);
      INFO(s.extents.size() << " axes, " << product(s.extents) << " elements");
      auto const forward = ia_nn::strided_move<I>::slice(4, s.extents, s.start, s.count, s.step);
      auto const backward = ia_nn::move_backward<I>::slice(s.extents, s.start, s.count, s.step);
      check_moved(
          product(s.extents), product(s.count), false,
          [&](f32 const* x, f32* y) { forward.run(x, y); },
          [&](f32 const* diff, gradient g, int workers) {
            backward.run(diff, g, pool_of(workers));
          });
    });
}

TEST_CASE("gradients of transpositions and of the shuffle of channels", "[train][move]") {
  struct transpose_case {
    indices extents;
    std::vector<int> permutation;
  };
  for (auto const& s : {transpose_case{{1, 1}, {1, 0}},
                        {{7, 17}, {1, 0}},
                        {{3, 5, 8}, {2, 0, 1}},
                        {{2, 33, 9}, {0, 2, 1}},
                        {{2, 5, 4, 3}, {0, 1, 3, 2}}, // shuffle: 4 groups of 3
                        {{2, 3, 4, 2, 3}, {4, 2, 0, 1, 3}},
                        {{130, 140}, {1, 0}},
                        {{2, 3, 9000}, {1, 0, 2}}})
    for_each_isa<vector_isas>([&](auto tag) {
      using I = decltype(tag);
      INFO(s.extents.size() << " axes, " << product(s.extents) << " elements");
      auto const forward = ia_nn::strided_move<I>::transpose(4, s.extents, s.permutation);
      auto const backward = ia_nn::move_backward<I>::transpose(s.extents, s.permutation);
      check_moved(
          product(s.extents), product(s.extents), false,
          [&](f32 const* x, f32* y) { forward.run(x, y); },
          [&](f32 const* diff, gradient g, int workers) {
            backward.run(diff, g, pool_of(workers));
          });
    });
}

TEST_CASE("gradients of concatenations", "[train][move]") {
  constexpr index_t outer = 5, inner = 3;
  std::array<index_t, 4> const extents{2, 1, 0, 7};
  random r(961);
  for_each_isa<vector_isas>([&](auto tag) {
    using I = decltype(tag);
    ia_nn::concat_backward<I> const plan(outer, extents, inner);
    exact_buffer<f32> diff(outer * 10 * inner);
    r.fill(diff.data(), diff.size());
    for (int workers : {1, 2, 3}) {
      exact_buffer<f32> a(outer * 2 * inner), b(outer * inner), d(outer * 7 * inner);
      for (f32& v : d) v = 1;
      std::array<gradient, 4> const to{write_to(a.data()), not_wanted, not_wanted,
                                       add_to(d.data())};
      plan.run(diff.data(), to.data(), pool_of(workers));
      bool right = true;
      for (index_t o = 0; o < outer; ++o) {
        for (index_t i = 0; i < 2 * inner; ++i)
          right = right && a[o * 2 * inner + i] == diff[o * 10 * inner + i];
        for (index_t i = 0; i < 7 * inner; ++i)
          right = right && d[o * 7 * inner + i] == 1 + diff[o * 10 * inner + 3 * inner + i];
      }
      for (f32 const v : b) right = right && v == 0;
      REQUIRE(right);
    }
  });
}

TEST_CASE("gradients of padding", "[train][pad]") {
  struct pad_case {
    indices extents, begin, end;
  };
  for (auto const& s : {pad_case{{3}, {1}, {2}},
                        {{2, 5}, {0, 2}, {0, 1}},
                        {{2, 4, 5, 17}, {0, 1, 2, 0}, {0, 2, 1, 0}},
                        {{2, 3, 4}, {0, -1, 2}, {0, 3, -1}},
                        {{1, 2, 3, 8}, {0, 5, 7, 0}, {0, 4, 6, 0}}, // around more than once
                        {{3, 2}, {0, 0}, {0, 0}},
                        {{2, 40, 9, 35}, {0, 1, 1, 0}, {0, 1, 1, 0}}})
    for (pad_mode mode : {pad_mode::constant, pad_mode::reflect, pad_mode::edge, pad_mode::wrap}) {
      INFO(s.extents.size() << " axes, mode " << static_cast<int>(mode));
      indices made;
      for (std::size_t d = 0; d < s.extents.size(); ++d)
        made.push_back(s.extents[d] + s.begin[d] + s.end[d]);
      ia_nn::pad const forward(4, s.extents, s.begin, s.end, mode);
      for_each_isa<vector_isas>([&](auto tag) {
        ia_nn::pad_backward<decltype(tag)> const backward(s.extents, s.begin, s.end, mode);
        check_moved(
            product(s.extents), product(made), true,
            [&](f32 const* x, f32* y) { forward.run(x, y); },
            [&](f32 const* diff, gradient g, int workers) {
              backward.run(diff, g, pool_of(workers));
            });
      });
    }
}

TEST_CASE("gradients of reductions", "[train][reduce]") {
  random r(962);
  struct shape {
    index_t outer, n, inner;
  };
  for (auto const& s : {shape{1, 1, 1}, shape{3, 7, 1}, shape{2, 16, 1}, shape{3, 35, 1},
                        shape{2, 5, 3}, shape{1, 9, 16}, shape{2, 6, 35}, shape{1, 3, 2}})
    for (auto f : {reduction_function::sum, reduction_function::mean, reduction_function::max,
                   reduction_function::min, reduction_function::l2}) {
      INFO(s.outer << " x " << s.n << " x " << s.inner << ", function " << static_cast<int>(f));
      index_t const size = s.outer * s.n * s.inner, rows = s.outer * s.inner;
      exact_buffer<f32> x(size), y(rows), diff(rows), got(size);
      r.fill(diff.data(), rows);
      for (index_t i = 0; i < size; ++i) // none alike
        x[i] = 0.01F * static_cast<f32>(i * 7919 % 997) - 5.005F;
      auto const reduced = [&](doubles const& v) {
        doubles to;
        for (index_t o = 0; o < s.outer; ++o)
          for (index_t k = 0; k < s.inner; ++k) {
            double sum = 0, squares = 0, most = -1e30, least = 1e30;
            for (index_t i = 0; i < s.n; ++i) {
              double const e = v[at((o * s.n + i) * s.inner + k)];
              sum += e, squares += e * e, most = std::max(most, e), least = std::min(least, e);
            }
            to.push_back(f == reduction_function::sum    ? sum
                         : f == reduction_function::mean ? sum / static_cast<double>(s.n)
                         : f == reduction_function::max  ? most
                         : f == reduction_function::min  ? least
                                                         : std::sqrt(squares));
          }
        return to;
      };
      doubles const dy = to_doubles(diff), forward = reduced(to_doubles(x));
      for (index_t i = 0; i < rows; ++i) y[i] = static_cast<f32>(forward[at(i)]);
      doubles const want =
          central_differences(to_doubles(x), [&](doubles const& v) { return dot(reduced(v), dy); });
      bool const reads = f != reduction_function::sum && f != reduction_function::mean;
      for_each_isa<vector_isas>([&](auto tag) {
        ia_nn::reduction_backward<decltype(tag)> const plan(f, s.n, s.inner);
        check_requests(size, got, [&](gradient g, int workers) {
          plan.run(
              {s.outer, reads ? x.data() : nullptr, reads ? y.data() : nullptr, diff.data(), g},
              pool_of(workers));
        });
        REQUIRE(difference(got, want) == "");
      });
    }
}

TEST_CASE("gradients of reductions where elements are equal, and of nothing but 0",
          "[train][reduce]") {
  for_each_isa<vector_isas>([&](auto tag) {
    exact_buffer<f32> x(20), y(1), diff(1), got(20);
    x[3] = x[7] = x[19] = x[18] = 5, y[0] = 5, diff[0] = 2;
    ia_nn::reduction_backward<decltype(tag)>(reduction_function::max, 20)
        .run({1, x.data(), y.data(), diff.data(), write_to(got.data())});
    for (index_t i = 0; i < 20; ++i) REQUIRE(got[i] == (x[i] == 5 ? 0.5F : 0));
    for (f32& v : x) v = 0;
    y[0] = 0;
    ia_nn::reduction_backward<decltype(tag)>(reduction_function::l2, 20)
        .run({1, x.data(), y.data(), diff.data(), write_to(got.data())});
    for (f32 const g : got) REQUIRE(g == 0);
  });
}

TEST_CASE("errors of the gradients of moves and reductions", "[train][move][errors]") {
  using I = ia_nn::isa::scalar;
  ia_nn::move_axis const axes[] = {{4, 1, 1}};
  REQUIRE_ERROR([&] { ia_nn::move_backward<I> const p(axes, 3); }, errc::bad_shape,
                "move_backward: 4 elements of 3");
  index_t const extents[] = {4}, start[] = {2}, count[] = {3}, step[] = {1};
  REQUIRE_ERROR([&] { ia_nn::move_backward<I>::slice(extents, start, count, step); },
                errc::bad_shape, "slice: axis 0");
  index_t const minus[] = {-5}, none[] = {0};
  REQUIRE_ERROR([&] { ia_nn::pad_backward<I> const p(extents, minus, none, pad_mode::edge); },
                errc::bad_shape, "pad: axis 0");
  REQUIRE_ERROR([&] { ia_nn::reduction_backward<I> const p(reduction_function::sum, 0); },
                errc::bad_shape, "reduction_backward: n is 0");
}

} // namespace ia_nn_test

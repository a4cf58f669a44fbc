// SPDX-License-Identifier: Apache-2.0
#include "op_support.hpp"
#include "oracle/norm.hpp"
#include "support/shapes.hpp"

#include <ia_nn/exec/thread_pool.hpp>
#include <ia_nn/ops/softmax.hpp>

#include <sstream>

namespace ia_nn_test {

namespace {

using ia_nn::softmax;
using ia_nn::softmax_kind;

constexpr softmax_kind kinds[] = {softmax_kind::linear, softmax_kind::logarithm};

void check_softmax(index_t outer, index_t n, index_t inner, exact_buffer<f32> const& src,
                   int workers = 2) {
  INFO("outer " << outer << " n " << n << " inner " << inner);
  index_t const size = outer * n * inner;
  for (softmax_kind const kind : kinds) {
    bool const log = kind == softmax_kind::logarithm;
    std::vector<double> expected(at(size)), below(at(size)); // of the row's highest number
    for (index_t o = 0; o < outer; ++o)
      for (index_t c = 0; c < inner; ++c) {
        auto const place = [&](index_t i) { return (o * n + i) * inner + c; };
        auto const y = softmax_reference(
            n, [&](index_t i) { return static_cast<double>(src[place(i)]); }, log);
        double highest = -HUGE_VAL;
        for (index_t i = 0; i < n; ++i)
          highest = std::max(highest, static_cast<double>(src[place(i)]));
        for (index_t i = 0; i < n; ++i) {
          double const d = highest - static_cast<double>(src[place(i)]);
          // Logarithms that f32 cannot hold are infinite.
          expected[at(place(i))] = y[at(i)] < -0x1.ffffffp127 ? -HUGE_VAL : y[at(i)];
          below[at(place(i))] = d < 200 ? d : 200; // further below everything is 0
        }
      }
    auto const bound = [&](index_t i) {
      double const e = std::abs(expected[at(i)]);
      // The difference is rounded before the exponential makes its error a relative one; results
      // below the smallest normal number are rounded to denormals.
      return log ? 50 * f32_eps * std::max(1.0, e) : (12 + below[at(i)]) * f32_eps * e + 0x1p-149;
    };
    for_each_isa<vector_isas>([&](auto tag) {
      softmax<decltype(tag)> const layer(n, inner, kind);
      exact_buffer<f32> dst(size, 1);
      layer.run(outer, src.data(), dst.data(), last_task_first{workers});
      CHECK(deviation(size, dst.data(), [&](index_t i) { return expected[at(i)]; }, bound) == "");
      std::copy(src.begin(), src.end(), dst.begin());
      layer.run(outer, dst.data(), dst.data()); // in place
      CHECK(deviation(size, dst.data(), [&](index_t i) { return expected[at(i)]; }, bound) == "");
      index_t const width = inner == 1 ? n : inner;
      CHECK(same_in_slice(dst, width, [&](f32* to, index_t ld) {
        layer.run(outer, src.data(), to, ld, last_task_first{workers});
      }));
    });
  }
}

struct filled : exact_buffer<f32> {
  filled(index_t n, f32 scale, random& r) : exact_buffer<f32>(n, 3) {
    for (f32& x : *this) x = scale * r.normal();
  }
};

} // namespace

TEST_CASE("softmax: rows and columns around registers") {
  random r(91);
  for (index_t const n : {1, 2, 3, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 65, 131, 1000}) {
    check_softmax(3, n, 1, filled(3 * n, 5, r));
    for (index_t const inner : {2, 7, 8, 9, 15, 16, 17, 35})
      if (n < 70) check_softmax(2, n, inner, filled(2 * n * inner, 5, r));
  }
  check_softmax(1, 33000, 1, filled(33000, 1, r)); // more than one block of sums on any ISA
  check_softmax(1, 300, 5, filled(1500, 30, r));
}

TEST_CASE("softmax: extreme numbers") {
  f32 const inf = HUGE_VALF, nan = NAN, most = 3.4e38F;
  std::vector<std::vector<f32>> const rows = {{-1e30F, -1e30F, -1e30F, -1e30F, -1e30F},
                                              {most, most, -most, 0, 1},
                                              {-inf, 0, 1, -inf, 2},
                                              {-inf, -inf, -inf, -inf, -inf},
                                              {inf, 1, inf, -inf, most},
                                              {-inf, -most, -inf, -inf, -inf},
                                              {1, nan, 2, 3, inf},
                                              {nan, nan, nan, nan, nan},
                                              {0, -103, -104, -88, -200},
                                              {-0.0F, 0.0F, 0x1p-149F, -0x1p-149F, 0}};
  for (auto const& row : rows)
    for (index_t const copies : {1, 5, 20}) {
      index_t const n = 5 * copies;
      exact_buffer<f32> flat(n), across(n * 3);
      for (index_t i = 0; i < n; ++i) flat[i] = row[at(i % 5)];
      for (index_t i = 0; i < 3 * n; ++i) across[i] = row[at(i / 3 % 5)];
      check_softmax(1, n, 1, flat);
      check_softmax(1, n, 3, across);
    }
}

TEST_CASE("softmax: shapes of a list, along every axis") {
  random r(92);
  for (shape_row const& row : shape_rows("softmax.csv")) {
    std::vector<index_t> dims;
    std::istringstream text(row.text.at("dims"));
    for (std::string field; std::getline(text, field, 'x');) dims.push_back(std::stol(field));
    INFO(row.name << " " << row.text.at("dims"));
    for (std::size_t axis = 0; axis < dims.size(); ++axis) {
      index_t outer = 1, inner = 1;
      for (std::size_t d = 0; d < axis; ++d) outer *= dims[d];
      for (std::size_t d = axis + 1; d < dims.size(); ++d) inner *= dims[d];
      // The axis as it is; few of the rest, the remainder of inner by a register as it is.
      if (outer > 2) outer = 2;
      if (inner > 40) inner = 16 + inner % 16;
      check_softmax(outer, dims[axis], inner, filled(outer * dims[axis] * inner, 3, r));
    }
  }
}

TEST_CASE("softmax: the same bits for any number of threads") {
  random r(93);
  filled const src(64 * 50 * 20, 4, r);
  for_each_isa<vector_isas>([&](auto tag) {
    for (index_t const inner : {1, 20}) {
      softmax<decltype(tag)> const layer(50, inner);
      exact_buffer<f32> first(src.size()), dst(src.size());
      layer.run(64 * 20 / inner, src.data(), first.data());
      for (int const threads : {1, 2, 3}) {
        ia_nn::thread_pool pool(threads);
        layer.run(64 * 20 / inner, src.data(), dst.data(), pool);
        CHECK(std::equal(first.begin(), first.end(), dst.begin()));
      }
    }
  });
}

TEST_CASE("softmax: errors") {
  REQUIRE_ERROR([] { softmax<ia_nn::isa::native>(0); }, ia_nn::errc::bad_shape,
                "softmax: rows of 0 elements");
  REQUIRE_ERROR([] { softmax<ia_nn::isa::native>(4, 0); }, ia_nn::errc::bad_shape,
                "0 side by side");
}

} // namespace ia_nn_test

// SPDX-License-Identifier: Apache-2.0
#include "op_support.hpp"

#include <ia_nn/exec/thread_pool.hpp>
#include <ia_nn/ops/dropout.hpp>

namespace ia_nn_test {

namespace {

using ia_nn::dropout;
using native = ia_nn::isa::native;

std::vector<u8> mask_of(f32 p, std::uint64_t seed, std::uint64_t round, index_t n) {
  std::vector<u8> m(at(n));
  dropout<native>(p, seed).mask(n, m.data(), round);
  return m;
}
double share(std::vector<u8> const& m) {
  double kept = 0;
  for (u8 const k : m) kept += k;
  return kept / static_cast<double>(m.size());
}

} // namespace

TEST_CASE("dropout: values, the mask, and the same bits everywhere") {
  random r(111);
  for (f32 const p : {0.0F, 0.1F, 0.5F, 0.9F})
    for (index_t const n : {1, 7, 8, 9, 15, 16, 17, 100, 40001}) {
      exact_buffer<f32> src(n, 1), first(n);
      r.fill(src.data(), n);
      std::vector<u8> const mask = mask_of(p, 5, 3, n);
      for_each_isa<vector_isas>([&](auto tag) {
        dropout<decltype(tag)> const layer(p, 5);
        CHECK(std::abs(static_cast<double>(layer.scale()) * (1 - static_cast<double>(p)) - 1) <=
              2 * f32_eps);
        for (int const threads : {1, 2, 3}) {
          ia_nn::thread_pool pool(threads);
          exact_buffer<f32> dst(n, 2);
          exact_buffer<u8> kept(n, 1);
          layer.run(n, src.data(), dst.data(), 3, pool);
          layer.mask(n, kept.data(), 3, pool);
          CHECK(std::equal(mask.begin(), mask.end(), kept.begin()));
          bool good = true;
          for (index_t i = 0; i < n; ++i)
            good = good && dst[i] == (mask[at(i)] ? src[i] * layer.scale() : 0.0F);
          CHECK(good);
        }
      });
    }
}

TEST_CASE("dropout: what is dropped is 0, infinities too") {
  exact_buffer<f32> src(1000), dst(1000);
  std::fill(src.begin(), src.end(), HUGE_VALF);
  dropout<native> const layer(0.5F, 1);
  layer.run(1000, src.data(), dst.data(), 0);
  bool good = true;
  for (f32 const y : dst) good = good && (y == 0 || y == HUGE_VALF);
  CHECK(good);
}

TEST_CASE("dropout: statistics of masks") {
  constexpr index_t n = 1 << 20;
  auto const deviations = [](double observed, double expected) {
    return std::abs(observed - expected) /
           std::sqrt(expected * (1 - expected) / static_cast<double>(n));
  };
  CHECK(share(mask_of(0, 1, 1, n)) == 1);
  for (f32 const p : {0.01F, 0.3F, 0.5F, 0.99F})
    CHECK(deviations(share(mask_of(p, 2, 1, n)), 1 - static_cast<double>(p)) < 5);
  // Other elements, rounds and seeds are independent: equal as often as two coins.
  auto const a = mask_of(0.5F, 7, 1, n);
  auto const equal = [&](std::vector<u8> const& b, index_t shift) {
    double same = 0;
    for (index_t i = 0; i < n; ++i) same += a[at(i)] == b[at((i + shift) % n)];
    return same / static_cast<double>(n);
  };
  for (index_t const shift : {1, 2, 16, 64, 512, 65536})
    CHECK(deviations(equal(a, shift), 0.5) < 5);
  for (std::uint64_t const other : {0U, 2U, 3U, 256U})
    CHECK(deviations(equal(mask_of(0.5F, 7, other, n), 0), 0.5) < 5);
  for (std::uint64_t const seed : {6U, 8U, 0U, 0x80000007U})
    CHECK(deviations(equal(mask_of(0.5F, seed, 1, n), 0), 0.5) < 5);
}

TEST_CASE("dropout: errors") {
  for (f32 const p : {-0.1F, 1.0F, NAN})
    REQUIRE_ERROR([=] { dropout<native>(p, 1); }, ia_nn::errc::bad_parameter,
                  "it must lie in [0, 1)");
  CHECK(how_it_fails([] { dropout<native>(0x1.fffffep-1F, 1); }, ia_nn::errc::bad_parameter, "") ==
        "no error");
}

} // namespace ia_nn_test

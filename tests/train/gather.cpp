// SPDX-License-Identifier: Apache-2.0
//
// Gradients of gathers and of bags of embeddings: sums of what is linear in double, and central differences.
#include "support.hpp"

#include <ia_nn/train/gather.hpp>

namespace ia_nn_test {
namespace {

using ia_nn::bag_kind;
using ia_nn::gradient;

template <class Run> void in_threads(index_t size, Run const& run) {
  exact_buffer<f32> one(size), other(size);
  run(one.data(), pool_of(1));
  for (int const threads : {2, 3}) {
    run(other.data(), pool_of(threads));
    CHECK(std::memcmp(one.data(), other.data(), static_cast<std::size_t>(size) * 4) == 0);
  }
}

} // namespace

TEST_CASE("gather_backward: sums of the rows that were read", "[train]") {
  random r(441);
  for (index_t const inner : {1, 7, 16, 17, 70, 300}) {
    index_t const outer = r.between(1, 3), n = r.between(1, 6), count = r.between(1, 20);
    exact_buffer<f32> diff(outer * count * inner, 1), base(outer * n * inner);
    r.fill(diff.data(), diff.size()), r.fill(base.data(), base.size());
    exact_buffer<s32> indices(count);
    for (s32& i : indices) i = static_cast<s32>(r.between(-n, n - 1));
    for (bool const add : {false, true}) {
      std::vector<double> want(static_cast<std::size_t>(base.size())), magnitude(want.size());
      for (std::size_t i = 0; add && i < want.size(); ++i)
        want[i] = static_cast<double>(base[static_cast<index_t>(i)]), magnitude[i] = std::fabs(want[i]);
      for (index_t o = 0; o < outer; ++o)
        for (index_t j = 0; j < count; ++j)
          for (index_t c = 0; c < inner; ++c) {
            index_t const k = indices[j] < 0 ? indices[j] + n : indices[j];
            auto const to = static_cast<std::size_t>((o * n + k) * inner + c);
            double const d = static_cast<double>(diff[(o * count + j) * inner + c]);
            want[to] += d, magnitude[to] += std::fabs(d);
          }
      for_each_isa<vector_isas>([&](auto tag) {
        ia_nn::gather_backward<decltype(tag)> const layer(outer, n, inner);
        in_threads(base.size(), [&](f32* to, auto&& e) {
          std::copy(base.begin(), base.end(), to);
          layer.run(count, indices.data(), diff.data(), gradient{to, add}, e);
          bool right = true;
          for (std::size_t i = 0; i < want.size(); ++i)
            right = right && std::fabs(static_cast<double>(to[i]) - want[i]) <= static_cast<double>(count + 1) * 0x1p-24 * magnitude[i];
          CHECK(right);
        });
      });
    }
  }
}

TEST_CASE("embedding_bag_backward: central differences", "[train]") {
  random r(442);
  for (index_t const width : {1, 8, 15, 17, 33})
    for (bag_kind const kind : {bag_kind::sum, bag_kind::mean, bag_kind::max}) {
      index_t const rows = 5, bags = 4;
      exact_buffer<f32> table(rows * width), diff(bags * width, 1);
      r.fill(table.data(), table.size()), r.fill(diff.data(), diff.size());
      exact_buffer<s32> offsets(bags);
      index_t count = 0;
      for (s32& o : offsets) o = static_cast<s32>(count), count += r.between(0, 6);
      exact_buffer<s32> indices(count);
      for (s32& i : indices) i = static_cast<s32>(r.between(0, rows - 1));
      std::vector<double> t(table.begin(), table.end());
      auto const loss = [&] {
        double sum = 0;
        for (index_t b = 0; b < bags; ++b)
          for (index_t c = 0; c < width; ++c) {
            index_t const end = b + 1 < bags ? offsets[b + 1] : count;
            double y = 0, most = -HUGE_VAL;
            for (index_t i = offsets[b]; i < end; ++i) {
              double const x = t[static_cast<std::size_t>(indices[i] * width + c)];
              y += x, most = std::max(most, x);
            }
            if (end == offsets[b]) continue;
            double const mean = y / static_cast<double>(end - offsets[b]);
            sum += static_cast<double>(diff[b * width + c]) * (kind == bag_kind::sum ? y : kind == bag_kind::mean ? mean : most);
          }
        return sum;
      };
      std::vector<double> want;
      for (double& x : t) { // steps are smaller than the distance of two random numbers
        double const old = x, step = 1e-7;
        x = old + step;
        double const above = loss();
        x = old - step;
        want.push_back((above - loss()) / (2 * step));
        x = old;
      }
      for_each_isa<vector_isas>([&](auto tag) {
        ia_nn::embedding_bag_backward<decltype(tag)> const layer(kind, rows, width);
        in_threads(table.size(), [&](f32* to, auto&& e) {
          layer.run(bags, offsets.data(), count, indices.data(), table.data(), diff.data(), width, gradient{to, false}, e);
          bool right = true;
          for (std::size_t i = 0; i < want.size(); ++i)
            right = right && std::fabs(static_cast<double>(to[i]) - want[i]) <= 1e-5 * (1 + std::fabs(want[i]));
          CHECK(right);
        });
      });
    }
  // Of equal rows the first gets it all; a NaN is the maximum.
  f32 const nan_value = std::numeric_limits<f32>::quiet_NaN();
  f32 const table[] = {2, 2, nan_value}, diff[] = {3, 5};
  s32 const offsets[] = {0, 2}, indices[] = {1, 0, 0, 2, 2};
  f32 to[3];
  ia_nn::embedding_bag_backward<ia_nn::isa::native>(bag_kind::max, 3, 1)
      .run(2, offsets, 5, indices, table, diff, 1, gradient{to, false});
  CHECK((to[0] == 0 && to[1] == 3 && to[2] == 5));
}

} // namespace ia_nn_test

// SPDX-License-Identifier: Apache-2.0
//
// Gradients of embedding tables, dense and sparse, and of dropout.
#include "support.hpp"

#include <ia_nn/train/dropout.hpp>
#include <ia_nn/train/embedding.hpp>

#include <numeric>
#include <set>

namespace ia_nn_test {
namespace {

using ia_nn::gradient;

template <class Tag, class Index>
void check_embedding(index_t rows, index_t width, index_t count, index_t ignored, random& r) {
  INFO(rows << " rows of " << width << ", " << count << " indices");
  index_t const ld = width + 3;
  exact_buffer<Index> indices(count);
  exact_buffer<f32> diff(count * ld), table(rows * width);
  for (Index& i : indices) i = static_cast<Index>(r.coin() ? r.between(0, rows - 1) : rows / 2);
  r.fill(diff.data(), diff.size());
  sums want(rows * width);
  std::set<index_t> occurring;
  for (index_t i = 0; i < count; ++i) {
    auto const row = static_cast<index_t>(indices[i]);
    if (row == ignored) continue;
    occurring.insert(row);
    for (index_t c = 0; c < width; ++c)
      want.add(row * width + c, static_cast<double>(diff[i * ld + c]));
  }
  ia_nn::embedding_backward<Tag> const dense({rows, width, ignored});
  check_requests(table.size(), table, [&](gradient g, int workers) {
    dense.run(count, indices.data(), diff.data(), ld, g, pool_of(workers));
  });
  REQUIRE(rounding_difference(table, want) == "");

  ia_nn::sparse_embedding_backward<Tag> const sparse({rows, width, ignored}, count + 1);
  auto const distinct = static_cast<index_t>(occurring.size());
  exact_buffer<index_t> list(distinct);
  exact_buffer<f32> own(distinct * width), first(distinct * width);
  for (int workers : {1, 2, 3}) {
    fill_nan(own);
    index_t const n =
        sparse.run(ia_nn::sparse_embedding_backward_call<Index>{count, indices.data(), diff.data(),
                                                                ld, list.data(), own.data()},
                   scratch(sparse.workspace_bytes()), pool_of(workers));
    REQUIRE(n == distinct);
    REQUIRE(std::equal(list.begin(), list.end(), occurring.begin()));
    if (workers == 1) std::copy(own.begin(), own.end(), first.begin());
    REQUIRE(same_bits(own, first));
  }
  sums chosen(distinct * width);
  for (index_t k = 0; k < distinct; ++k)
    for (index_t c = 0; c < width; ++c) {
      chosen.sum[at(k * width + c)] = want.sum[at(list[k] * width + c)];
      chosen.norm[at(k * width + c)] = want.norm[at(list[k] * width + c)];
    }
  REQUIRE(rounding_difference(own, chosen, 10) == ""); // however many indices a row has
}

} // namespace

TEST_CASE("gradients of embedding tables", "[train][embedding]") {
  random r(970);
  for_each_isa<vector_isas>([&](auto tag) {
    using I = decltype(tag);
    for (index_t width : {1, 7, 8, 9, 16, 17, 35}) check_embedding<I, s32>(11, width, 23, -1, r);
    check_embedding<I, std::int64_t>(1, 3, 1, -1, r);
    check_embedding<I, std::int64_t>(5, 4, 0, -1, r);
    check_embedding<I, std::int64_t>(7, 9, 40, 3, r); // the most frequent one is ignored
    check_embedding<I, s32>(1000, 33, 5000, 0, r);
  });
}

TEST_CASE("the gradient of dropout has the mask of its forward pass", "[train][dropout]") {
  random r(971);
  for (index_t n : {1, 7, 16, 17, 35, 3 * 16384 + 5}) {
    INFO(n << " elements");
    exact_buffer<f32> x(n), y(n), diff(n), got(n);
    for (f32& v : x) v = 1;
    r.fill(diff.data(), n);
    for_each_isa<vector_isas>([&](auto tag) {
      ia_nn::dropout<decltype(tag)> const layer(0.375F, 5);
      layer.run(n, x.data(), y.data(), 17);
      check_requests(n, got, [&](gradient g, int workers) {
        ia_nn::dropout_backward(layer, n, diff.data(), g, 17, pool_of(workers));
      });
      for (index_t i = 0; i < n; ++i) REQUIRE(got[i] == y[i] * diff[i]);
    });
  }
}

TEST_CASE("dropped elements hand on no infinite gradient", "[train][dropout]") {
  for_each_isa<vector_isas>([&](auto tag) {
    constexpr index_t n = 64;
    ia_nn::dropout<decltype(tag)> const layer(0.5F, 6);
    exact_buffer<f32> diff(n), got(n);
    exact_buffer<ia_nn::u8> mask(n);
    for (f32& v : diff) v = std::numeric_limits<f32>::infinity();
    for (f32& v : got) v = 3;
    layer.mask(n, mask.data(), 2);
    ia_nn::dropout_backward(layer, n, diff.data(), add_to(got.data()), 2);
    for (index_t i = 0; i < n; ++i) REQUIRE((mask[i] ? std::isinf(got[i]) : got[i] == 3));
  });
}

TEST_CASE("errors of the gradients of embedding tables", "[train][embedding][errors]") {
  using I = ia_nn::isa::scalar;
  REQUIRE_ERROR([&] { ia_nn::embedding_backward<I> const p({0, 1}); }, errc::bad_shape,
                "embedding_backward: rows is 0");
  REQUIRE_ERROR([&] { ia_nn::sparse_embedding_backward<I> const p({1, 1}, 0); }, errc::bad_shape,
                "sparse_embedding_backward: max_count is 0");
  REQUIRE_ERROR([&] { ia_nn::sparse_embedding_backward<I> const p({index_t{1} << 33, 1}, 1); },
                errc::bad_shape, "at most 2^32");
}

} // namespace ia_nn_test

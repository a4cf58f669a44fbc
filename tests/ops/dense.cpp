// SPDX-License-Identifier: Apache-2.0
//
// The fully connected layer, and products of tensors of every kind of shape and stride, against the
// naive oracle.
#include "isa.hpp"
#include "oracle/matmul.hpp"
#include "random.hpp"

#include <ia_nn/exec/thread_pool.hpp>
#include <ia_nn/math/activation.hpp>
#include <ia_nn/ops/dense.hpp>

#include <algorithm>
#include <cstring>

namespace ia_nn_test {
namespace {

using ia_nn::dyn;
using ia_nn::matrix;
using ia_nn::shape;
using ia_nn::tensor;
using dynamic = shape<dyn, dyn>;

// One of each kind of bf16 kernel.
using bf16_isas = std::conditional_t<
    contains<ia_nn::isa::amx, ia_nn::isa::compiled>,
    ia_nn::type_list<ia_nn::isa::amx, ia_nn::isa::avx2, ia_nn::isa::scalar>, vector_isas>;

// dst = relu(src * weights + bias) in double, in place of the reference's sum.
template <class T> matmul_reference layer_reference(matmul_reference ref, T const* bias) {
  for (index_t i = 0; i < ref.m; ++i)
    for (index_t j = 0; j < ref.n; ++j) {
      double const b = static_cast<double>(bias[j]), sum = ref.sum[ref.cell(i, j)] + b;
      ref.sum[ref.cell(i, j)] = sum > 0 ? sum : 0; // relu does not enlarge an error
      ref.norm[ref.cell(i, j)] += std::fabs(b);
    }
  return ref;
}

// Every row count from 1 to max_rows through one layer, in a workspace of exactly its size.
template <class Layer, class A, class C, class E>
void every_row_count(Layer const& layer, exact_buffer<A> const& src, matmul_reference ref,
                     index_t max_rows, error_bound bound, E& e) {
  index_t const n = layer.n(), k = layer.k();
  exact_buffer<std::byte> scratch(layer.workspace_bytes());
  for (index_t m = 0; m <= max_rows; ++m) {
    INFO(m << " rows, " << e.concurrency() << " workers");
    exact_buffer<C> dst(m * n);
    std::memset(scratch.data(), 0xff, at(scratch.size()));
    layer.run(matrix(src.data(), m, k), matrix(dst.data(), m, n), ia_nn::activation::relu{},
              {scratch.data(), scratch.size()}, e);
    ref.m = m;
    REQUIRE(compare(ref, dst.data(), n, bound) == "");
  }
}

template <class A, class B, class C, class Isas> void check_dense(std::uint64_t stream) {
  constexpr index_t max_rows = 37, k = 45, n = 50;
  random r(stream);
  exact_buffer<A> src(max_rows * k);
  exact_buffer<B> w(k * n);
  exact_buffer<f32> bias(n);
  r.fill(src.data(), src.size());
  r.fill(w.data(), w.size());
  r.fill(bias.data(), n);
  auto const ref =
      layer_reference(matmul_reference(max_rows, n, k, strided_source<A>{src.data(), k, 1},
                                       strided_source<B>{w.data(), n, 1}),
                      bias.data());
  ia_nn::aligned_array<f32> bias_array(n);
  std::memcpy(bias_array.data(), bias.data(), n * sizeof(f32));
  for_each_isa<Isas>([&](auto tag) {
    using layer_type = ia_nn::dense<decltype(tag), A, B, C>;
    for (int workers : {1, 3}) {
      layer_type const layer(matrix(w.data(), k, n), bias_array, {max_rows, workers});
      REQUIRE((layer.k() == k && layer.n() == n));
      ia_nn::thread_pool pool(workers);
      every_row_count<layer_type, A, C>(layer, src, ref, max_rows, {k + 1.0}, pool);
    }
  });
}

} // namespace

TEST_CASE("dense f32, every number of rows", "[ops][dense]") { check_dense<f32, f32, f32, vector_isas>(200); }
TEST_CASE("dense bf16, every number of rows", "[ops][dense]") { check_dense<bf16, bf16, bf16, bf16_isas>(201); }
TEST_CASE("dense f32 with bf16 weights", "[ops][dense]") { check_dense<f32, bf16, f32, vector_isas>(202); }

TEST_CASE("dense with s8 weights and a scale per column and group", "[ops][dense]") {
  constexpr index_t max_rows = 17, k = 45, n = 50;
  random r(203);
  exact_buffer<f32> src(max_rows * k);
  exact_buffer<s8> w(k * n);
  r.fill(src.data(), src.size());
  r.fill(w.data(), w.size());
  for (index_t group : {16, 45, 1}) {
    index_t const groups = ia_nn::ceil_div(k, group);
    exact_buffer<f32> scales(groups * n), bias(n);
    r.fill_between(scales.data(), scales.size(), 0.01F, 0.1F);
    r.fill(bias.data(), n);
    auto const ref = layer_reference(
        matmul_reference(max_rows, n, k, strided_source<f32>{src.data(), k, 1},
                         strided_source<s8>{w.data(), n, 1}, 0, 0, {scales.data(), group}),
        bias.data());
    for_each_isa<vector_isas>([&](auto tag) {
      using layer_type = ia_nn::dense<decltype(tag), f32, s8, f32, ia_nn::grouped>;
      typename layer_type::weights packed(matrix(w.data(), k, n), matrix(scales.data(), groups, n), group);
      layer_type const layer(std::move(packed), bias.data(), {max_rows, 2});
      ia_nn::thread_pool pool(2);
      every_row_count<layer_type, f32, f32>(layer, src, ref, max_rows, {k + 2.0}, pool);
    });
  }
}

TEST_CASE("dense without a bias, with static extents, strided rows and no executor", "[ops][dense]") {
  random r(204);
  constexpr index_t m = 7, k = 20, n = 33;
  tensor<f32, shape<k, n>> w;
  tensor<f32, shape<m, k>> src;
  r.fill(w.data(), k * n);
  r.fill(src.data(), m * k);
  matmul_reference const ref(m, n, k, strided_source<f32>{src.data(), k, 1},
                             strided_source<f32>{w.data(), n, 1});
  for_each_isa<vector_isas>([&](auto tag) {
    using layer_type = ia_nn::dense<decltype(tag), f32, f32, f32, ia_nn::standard, n, k>;
    layer_type const layer(typename layer_type::weights(w.view()), nullptr, {m, 1});
    ia_nn::workspace scratch(layer.workspace_bytes());
    tensor<f32, shape<m, n>> dst;
    layer.run(src, dst, scratch);
    REQUIRE(compare(ref, dst.data(), n, {k}) == "");
    // Source columns 3 rows apart by column, destination rows with gaps.
    exact_buffer<f32> wide(m * (n + 5)), turned(m * k);
    for (f32& x : wide) x = 77;
    for (index_t i = 0; i < m; ++i)
      for (index_t q = 0; q < k; ++q) turned[q * m + i] = src(i, q);
    layer.run(ia_nn::transposed(matrix(turned.data(), k, m)), matrix(wide.data(), m, n, n + 5), scratch);
    REQUIRE(compare(ref, wide.data(), n + 5, {k}) == "");
    REQUIRE(std::count(wide.begin(), wide.end(), 77.0F) == m * 5);
  });
}

TEST_CASE("dense refuses what does not fit", "[ops][dense][errors]") {
  using layer = ia_nn::dense<ia_nn::isa::scalar, f32, f32, f32>;
  using ia_nn::errc;
  tensor<f32, dynamic> w(4, 5);
  ia_nn::aligned_array<f32> const five(5), four(4);
  auto const code = [](auto f) -> int {
    try {
      f();
    } catch (ia_nn::error const& e) {
      return static_cast<int>(e.code());
    }
    return -1;
  };
  REQUIRE(code([&] { layer(w, five, {3, 1}); }) == -1);
  REQUIRE(code([&] { layer(w, five, {0, 1}); }) == -1);
  REQUIRE(code([&] { layer(w, four, {3, 1}); }) == static_cast<int>(errc::bad_shape));
  REQUIRE(code([&] { layer(w, five, {-1, 1}); }) == static_cast<int>(errc::bad_shape));
  REQUIRE(code([&] { layer(w, five, {3, 0}); }) == static_cast<int>(errc::bad_parameter));
  tensor<f32, dynamic> none(0, 5);
  REQUIRE(code([&] { layer(none, five, {3, 1}); }) == static_cast<int>(errc::bad_shape));
  REQUIRE(code([&] { layer(layer::weights(), nullptr, {3, 1}); }) == static_cast<int>(errc::bad_shape));
}

namespace {

template <class I, class Av, class Bv, class Cv>
void check_product(Av const& a, Bv const& b, Cv const& c, ia_nn::thread_pool& pool) {
  using value = typename Cv::value_type;
  constexpr int r = Av::rank, rb = Bv::rank;
  index_t const batch = r == 3 ? a.extent(0) : 1;
  index_t const m = c.extent(r - 2), n = c.extent(r - 1), k = a.extent(r - 1);
  for (bool threads : {false, true}) {
    for (index_t i = 0; i < batch; ++i)
      for (index_t row = 0; row < m; ++row)
        for (index_t j = 0; j < n; ++j)
          c.data()[(r == 3 ? i * c.stride(0) : 0) + row * c.stride(r - 2) + j] = value{};
    if (threads)
      ia_nn::matmul<I>(a, b, c, ia_nn::chain<>{}, ia_nn::gemm_options{}, pool);
    else ia_nn::matmul<I>(a, b, c);
    for (index_t i = 0; i < batch; ++i) {
      matmul_reference const ref(
          m, n, k,
          strided_source<typename Av::value_type>{a.data() + (r == 3 ? i * a.stride(0) : 0),
                                                  a.stride(r - 2), a.stride(r - 1)},
          strided_source<typename Bv::value_type>{b.data() + (rb == 3 ? i * b.stride(0) : 0),
                                                  b.stride(rb - 2), b.stride(rb - 1)});
      value const* const to = c.data() + (r == 3 ? i * c.stride(0) : 0);
      if constexpr (std::same_as<value, s32>)
        REQUIRE(compare_exactly(ref, to, c.stride(r - 2)) == "");
      else REQUIRE(compare(ref, to, c.stride(r - 2), {static_cast<double>(k)}) == "");
    }
  }
}

template <class T> void fill(T& t, random& r) { r.fill(t.data(), t.size()); }

} // namespace

TEST_CASE("matmul of static, dynamic and mixed shapes", "[ops][matmul]") {
  random r(210);
  ia_nn::thread_pool pool(3);
  for_each_isa<vector_isas>([&](auto tag) {
    using I = decltype(tag);
    tensor<f32, shape<9, 21>> a;
    tensor<f32, shape<21, 35>> b;
    tensor<f32, shape<9, 35>> c;
    fill(a, r), fill(b, r);
    check_product<I>(a.view(), b.view(), c.view(), pool);
    tensor<f32, dynamic> ad(9, 21), cd(9, 35);
    fill(ad, r);
    check_product<I>(ad.view(), b.view(), cd.view(), pool);
    tensor<f32, shape<dyn, 21>> am(9);
    fill(am, r);
    check_product<I>(am.view(), b.view(), c.view(), pool);
  });
}

TEST_CASE("matmul of transposed and strided views", "[ops][matmul]") {
  random r(211);
  ia_nn::thread_pool pool(3);
  for_each_isa<vector_isas>([&](auto tag) {
    using I = decltype(tag);
    for (index_t m : {1, 5, 18}) {
      index_t const k = 23, n = 37;
      exact_buffer<f32> a(m * k), b(k * n), c((m - 1) * (n + 4) + n), wide((m - 1) * (k + 3) + k);
      fill(a, r), fill(b, r), fill(wide, r);
      auto const to = matrix(c.data(), m, n, n + 4);
      check_product<I>(ia_nn::transposed(matrix(a.data(), k, m)), matrix(b.data(), k, n), to, pool);
      check_product<I>(matrix(wide.data(), m, k, k + 3), ia_nn::transposed(matrix(b.data(), n, k)), to, pool);
      exact_buffer<bf16> ha(m * k), hb(k * n), hc(m * n);
      fill(ha, r), fill(hb, r);
      check_product<I>(ia_nn::transposed(matrix(ha.data(), k, m)), matrix(hb.data(), k, n),
                       matrix(hc.data(), m, n), pool);
      exact_buffer<u8> ua(m * k);
      exact_buffer<s8> sb(k * n);
      exact_buffer<s32> ic(m * n);
      fill(ua, r), fill(sb, r);
      check_product<I>(matrix(ua.data(), m, k), ia_nn::transposed(matrix(sb.data(), n, k)),
                       matrix(ic.data(), m, n), pool);
    }
  });
}

TEST_CASE("matmul of batches, with one matrix for all and one for each", "[ops][matmul]") {
  random r(212);
  ia_nn::thread_pool pool(3);
  using three = shape<dyn, dyn, dyn>;
  for_each_isa<vector_isas>([&](auto tag) {
    using I = decltype(tag);
    tensor<f32, three> a(4, 6, 17), own(4, 17, 40), c(4, 6, 40);
    tensor<f32, dynamic> shared(17, 40);
    fill(a, r), fill(own, r), fill(shared, r);
    check_product<I>(a.view(), own.view(), c.view(), pool);
    check_product<I>(a.view(), shared.view(), c.view(), pool);
    // Heads of attention: (batch, rows, k) whose batch is the middle dimension in memory.
    using map = ia_nn::strided::mapping<three>;
    exact_buffer<f32> heads(6 * 4 * 17), out(6 * 4 * 40);
    fill(heads, r);
    ia_nn::tensor_view<f32, three, ia_nn::strided> const x(heads.data(), map(three(4, 6, 17), 17, 68, 1));
    ia_nn::tensor_view<f32, three, ia_nn::strided> const y(out.data(), map(three(4, 6, 40), 40, 160, 1));
    check_product<I>(x, own.view(), y, pool);
    // Packed weights give the same bits as the same matrix packed on the fly.
    tensor<f32, three> again(4, 6, 40);
    using weights = typename ia_nn::gemm<I, f32, f32, f32>::weights;
    weights const packed(shared.view());
    ia_nn::matmul<I>(a, shared, c);
    ia_nn::matmul<I>(a, packed, again);
    REQUIRE(std::memcmp(c.data(), again.data(), at(c.size()) * sizeof(f32)) == 0);
  });
}

} // namespace ia_nn_test

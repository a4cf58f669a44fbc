// SPDX-License-Identifier: Apache-2.0
//
// What set-up refuses, each with its code and its words: plans, calls, products of tensors.
#include "support.hpp"
#include "throws.hpp"

#include <ia_nn/gemm/matmul.hpp>

namespace ia_nn_test {
namespace {

using ia_nn::dyn;
using ia_nn::errc;
using ia_nn::index_t;
using ia_nn::matrix;
using ia_nn::shape;
using I = ia_nn::isa::scalar;

template <class G> auto planning(index_t m, index_t n, index_t k, int workers = 1, gemm_options o = {}) {
  return [=] { static_cast<void>(G(m, n, k, workers, o)); };
}

} // namespace

TEST_CASE("plans of impossible extents or options are refused", "[gemm][errors]") {
  using floats = gemm<I, f32, f32, f32>;
  using bytes = gemm<I, u8, s8, s32>;
  using narrow = gemm<I, u8, s8, u8>;
  REQUIRE_NOTHROW(planning<floats>(0, 1, 1)());
  REQUIRE_ERROR(planning<floats>(3, 0, 4), errc::bad_shape, "(3, 0, 4): n and k must be at least 1");
  REQUIRE_ERROR(planning<floats>(3, 4, 0), errc::bad_shape, "(3, 4, 0): n and k must be at least 1");
  REQUIRE_ERROR(planning<floats>(-1, 4, 4), errc::bad_shape, "negative");
  REQUIRE_ERROR(planning<floats>(4, -1, 4), errc::bad_shape, "negative");
  REQUIRE_ERROR(planning<floats>(4, 4, -1), errc::bad_shape, "negative");
  index_t const big = index_t{1} << 31;
  REQUIRE_ERROR(planning<floats>(big, big, 1), errc::bad_shape, "overflows");
  REQUIRE_ERROR(planning<floats>(big, 1, big), errc::bad_shape, "overflows");
  REQUIRE_ERROR(planning<floats>(1, big, big), errc::bad_shape, "overflows");
  REQUIRE_ERROR(planning<floats>(INT64_MAX, 1, 1), errc::bad_shape, "overflows");
  REQUIRE_ERROR(planning<floats>(1, INT64_MAX - 10, 1), errc::bad_shape, "overflows");
  REQUIRE_ERROR(planning<floats>(1, 1, INT64_MAX - 10), errc::bad_shape, "overflows");
  REQUIRE_ERROR(planning<floats>(1, 1, 1, 0), errc::bad_parameter, "workers is 0");
  REQUIRE_ERROR(planning<floats>(1, 1, 1, -3), errc::bad_parameter, "workers is -3");
  REQUIRE_ERROR((planning<floats>(1, 1, 1, 1, {false, 1, 0})), errc::bad_parameter, "zero points");
  REQUIRE_ERROR((planning<floats>(1, 1, 1, 1, {false, 0, 1})), errc::bad_parameter, "zero points");
  static s32 const zeros[1] = {3};
  REQUIRE_ERROR((planning<floats>(1, 1, 1, 1, {false, 0, 0, zeros})), errc::bad_parameter,
                "zero points");
  REQUIRE_ERROR((planning<bytes>(1, 1, 1, 1, {false, 0, 1, zeros})), errc::bad_parameter,
                "for each column, or one for all of them, not both");
  REQUIRE_ERROR((planning<narrow>(1, 1, 1, 1, {true, 0, 0})), errc::bad_parameter, "s32, not u8");
  REQUIRE_ERROR((planning<gemm<I, f32, f32, bf16>>(1, 1, 1, 1, {true, 0, 0})), errc::bad_parameter,
                "f32, not bf16");
  REQUIRE_NOTHROW(planning<bytes>(1, 1, 1, 1, {true, 7, -7})());
  using fixed = gemm<I, f32, f32, f32, standard, dyn, 8, 16>;
  REQUIRE_NOTHROW(planning<fixed>(5, 8, 16)());
  REQUIRE_ERROR(planning<fixed>(5, 9, 16), errc::bad_shape, "extent 1 is 9, its type says 8");
  REQUIRE_ERROR(planning<fixed>(5, 8, 15), errc::bad_shape, "extent 2 is 15, its type says 16");
}

TEST_CASE("calls with operands that do not fit are refused", "[gemm][errors]") {
  using G = gemm<I, f32, f32, f32>;
  constexpr index_t m = 3, n = 5, k = 4;
  G const plan(m, n, k);
  exact_buffer<f32> a(m * k), b(k * n), c(m * n), both(m * k + m * n);
  auto const w = pack_for<G, standard>(b.data(), k, n, n, 1);
  ia_nn::workspace scratch(plan.workspace_bytes());
  ia_nn::workspace_view const ws = scratch;
  auto const check = [&](f32 const* from, G::weights_view v, f32 const* to, index_t ldc,
                         ia_nn::workspace_view s) {
    return [=, &plan] { plan.check({from, k, 1}, v, to, ldc, s); };
  };
  REQUIRE_NOTHROW(check(a.data(), w, c.data(), n, ws)());
  REQUIRE_ERROR(check(nullptr, w, c.data(), n, ws), errc::bad_pointer, "null");
  REQUIRE_ERROR(check(a.data(), w, nullptr, n, ws), errc::bad_pointer, "null");
  REQUIRE_ERROR(check(a.data(), {}, c.data(), n, ws), errc::bad_pointer, "weights are null");
  REQUIRE_ERROR(check(a.data(), w, c.data(), n - 1, ws), errc::overlap, "overlap each other");

  // Sources and destinations that touch share nothing, one element further they do.
  f32* const p = both.data();
  REQUIRE_NOTHROW(check(p, w, p + m * k, n, ws)());
  REQUIRE_ERROR(check(p, w, p + m * k - 1, n, ws), errc::overlap, "overlaps the source");
  REQUIRE_NOTHROW(check(p + m * n, w, p, n, ws)());
  REQUIRE_ERROR(check(p + m * n - 1, w, p, n, ws), errc::overlap, "overlaps the source");
  f32* const inside = const_cast<f32*>(w.view().data) + 2;
  REQUIRE_ERROR(check(a.data(), w, inside, n, ws), errc::overlap, "overlaps the weights");

  REQUIRE_ERROR(check(a.data(), w, c.data(), n, {ws.data, ws.size - 1}), errc::small_workspace,
                "the plan needs " + std::to_string(plan.workspace_bytes()));
  exact_buffer<std::byte> crooked(plan.workspace_bytes(), 8);
  REQUIRE_ERROR(check(a.data(), w, c.data(), n, {crooked.data(), crooked.size()}), errc::bad_pointer,
                "aligned to 64 bytes");

  auto v = w.view();
  v.data += 1;
  REQUIRE_ERROR(check(a.data(), v, c.data(), n, ws), errc::bad_pointer, "aligned to 64 bytes");
  v = w.view(), v.k = k + 1;
  REQUIRE_ERROR(check(a.data(), v, c.data(), n, ws), errc::bad_shape, "(5, 5), expected (4, 5)");
  v = w.view(), v.n = n + 1;
  REQUIRE_ERROR(check(a.data(), v, c.data(), n, ws), errc::bad_shape, "(4, 6), expected (4, 5)");

  // One row may have any distance to the next.
  G const row(1, n, k);
  REQUIRE_NOTHROW(row.check({a.data(), k, 1}, w, c.data(), 0, ws));
}

// Weights of another element type, tile, number of terms, or with or without scales are of another
// type.
template <class G, class W>
constexpr bool takes = std::convertible_to<typename W::weights const&, typename G::weights_view>;
template <ia_nn::isa::tag J, bool Tiles> constexpr bool keeps_weights_apart() {
  using plain = gemm<J, f32, f32, f32>;
  using two = gemm<J, f32, f32, f32, ia_nn::bf16_terms<2>>;
  using three = gemm<J, f32, f32, f32, ia_nn::bf16_terms<3>>;
  using narrow = gemm<J, bf16, bf16, f32>;
  using bytes = gemm<J, f32, s8, f32>;
  using scaled = gemm<J, f32, s8, f32, grouped>;
  return takes<two, two> && takes<scaled, scaled> && takes<two, plain> == !Tiles &&
         takes<two, three> == !Tiles && takes<three, two> == !Tiles && !takes<two, narrow> &&
         !takes<narrow, two> && !takes<scaled, bytes> && !takes<bytes, scaled>;
}
TEST_CASE("weights of other products are of other types", "[gemm][errors]") {
  static_assert(keeps_weights_apart<I, false>());
  if constexpr (contains<ia_nn::isa::amx, ia_nn::isa::compiled>)
    static_assert(keeps_weights_apart<ia_nn::isa::amx, true>());
}

TEST_CASE("products of tensors that do not fit are refused", "[matmul][errors]") {
  using ia_nn::matmul;
  exact_buffer<f32> a(200), b(200), c(200);
  auto const product = [&](auto x, auto y, auto z) { return [=] { matmul<I>(x, y, z); }; };
  auto const A = [&](index_t m, index_t k) { return matrix(a.data(), m, k); };
  auto const B = [&](index_t k, index_t n) { return matrix(b.data(), k, n); };
  auto const C = [&](index_t m, index_t n) { return matrix(c.data(), m, n); };
  REQUIRE_NOTHROW(product(A(3, 4), B(4, 5), C(3, 5))());
  REQUIRE_ERROR(product(A(3, 4), B(3, 5), C(3, 5)), errc::bad_shape,
                "matmul: columns of a and rows of b differ: (3, 4) and (3, 5)");
  REQUIRE_ERROR(product(A(3, 4), B(4, 5), C(2, 5)), errc::bad_shape, "rows of a and c differ");
  REQUIRE_ERROR(product(A(3, 4), B(4, 5), C(3, 6)), errc::bad_shape, "columns of b and c differ");
  REQUIRE_ERROR(product(A(3, 0), B(0, 5), C(3, 5)), errc::bad_shape, "at least 1");
  REQUIRE_NOTHROW(product(A(0, 4), B(4, 5), C(0, 5))());
  auto const none = matrix(static_cast<f32*>(nullptr), 3, 4);
  REQUIRE_ERROR(product(none, B(4, 5), C(3, 5)), errc::bad_pointer, "null");
  REQUIRE_ERROR(product(A(4, 3), none, C(4, 4)), errc::bad_pointer, "null");
  REQUIRE_ERROR(product(A(3, 4), B(4, 4), none), errc::bad_pointer, "null");
  REQUIRE_ERROR(product(A(3, 4), B(4, 5), matrix(a.data() + 11, 3, 5)), errc::overlap, "source");
  REQUIRE_ERROR(product(A(3, 4), B(4, 5), matrix(b.data() + 19, 3, 5)), errc::overlap, "overlaps b");
  REQUIRE_ERROR(product(A(3, 4), B(4, 5), ia_nn::transposed(matrix(c.data(), 5, 3))),
                errc::bad_parameter, "contiguous");
  REQUIRE_ERROR(product(A(3, 4), B(4, 5), matrix(c.data(), 3, 5, 4)), errc::overlap, "each other");

  using batch = shape<dyn, dyn, dyn>;
  using tensor3 = ia_nn::tensor<f32, batch>;
  tensor3 x(2, 3, 4), y(2, 4, 5), z(2, 3, 5), other(3, 3, 5), y3(3, 4, 5);
  REQUIRE_NOTHROW(product(x.view(), y.view(), z.view())());
  REQUIRE_ERROR(product(x.view(), y.view(), other.view()), errc::bad_shape, "batches of a and c");
  REQUIRE_ERROR(product(x.view(), y3.view(), z.view()), errc::bad_shape, "batches of a and b");

  // Packed weights.
  using G = gemm<I, f32, f32, f32>;
  auto const w = pack_for<G, standard>(b.data(), 4, 5, 5, 1);
  REQUIRE_NOTHROW(product(A(3, 4), w.view(), C(3, 5))());
  REQUIRE_ERROR(product(A(3, 3), w.view(), C(3, 5)), errc::bad_shape, "weights have shape (4, 5)");
  REQUIRE_ERROR(product(A(3, 4), w.view(), C(3, 6)), errc::bad_shape, "weights have shape (4, 5)");
  REQUIRE_ERROR(product(A(3, 4), w.view(), matrix(a.data(), 3, 5)), errc::overlap, "source");
}

TEST_CASE("a batch whose destination reaches into a later source is refused", "[matmul][errors]") {
  using batch = ia_nn::tensor_view<f32, shape<dyn, dyn, dyn>>;
  exact_buffer<f32> memory(200), b(4 * 4);
  shape<dyn, dyn, dyn> const s(2, 3, 4);
  batch const a(memory.data() + 12, s), c(memory.data(), s); // c[1] is a[0]
  REQUIRE_ERROR([&] { ia_nn::matmul<I>(a, matrix(b.data(), 4, 4), c); }, errc::overlap, "source");
  auto const w = pack_for<gemm<I, f32, f32, f32>, standard>(b.data(), 4, 4, 4, 1);
  REQUIRE_ERROR([&] { ia_nn::matmul<I>(a, w.view(), c); }, errc::overlap, "source");
}

TEST_CASE("columns of one matrix may be source and destination", "[matmul][errors]") {
  // x[:, 0:4] * b -> x[:, 4:9], as concatenating layers do: the rows interleave and share nothing.
  exact_buffer<f32> x(3 * 9), b(4 * 5), apart(3 * 5);
  random r(100);
  r.fill(x.data(), x.size());
  r.fill(b.data(), b.size());
  ia_nn::matmul<I>(matrix(x.data(), 3, 4, 9), matrix(b.data(), 4, 5), matrix(apart.data(), 3, 5));
  REQUIRE_NOTHROW(ia_nn::matmul<I>(matrix(x.data(), 3, 4, 9), matrix(b.data(), 4, 5),
                                   matrix(x.data() + 4, 3, 5, 9)));
  for (index_t i = 0; i < 3; ++i)
    REQUIRE(std::memcmp(x.data() + i * 9 + 4, apart.data() + i * 5, 5 * sizeof(f32)) == 0);
  // One column further to the left they do share.
  REQUIRE_ERROR([&] {
    ia_nn::matmul<I>(matrix(x.data(), 3, 4, 9), matrix(b.data(), 4, 5), matrix(x.data() + 3, 3, 5, 9));
  }, errc::overlap, "source");
}

TEST_CASE("a plan says what it does and why", "[gemm]") {
  auto const has = [](std::string const& text, char const* part) {
    INFO(text);
    CHECK(text.find(part) != std::string::npos);
  };
  has(gemm<I, f32, f32, f32>(40, 70, 30, 3).describe(), "vectors of scalar, 4 x 4 at a time");
  has(gemm<I, f32, f32, f32>(40, 70, 30, 3).describe(), "k as a whole");
  has(gemm<I, f32, f32, f32>(40, 2, 30).describe(), "lanes along k: 2 columns");
  has(gemm<I, s8, s8, s32>(40, 70, 30).describe(), "A is packed: the kernel reads another type");
  has(gemm<I, f32, f32, f32>(1, 70, 30).describe(), "A is read where it lies");
  // AMX, planned whatever the machine has: 17 groups of 2 KB are two chunks.
  using amx = ia_nn::detail::amx_kernel<u8, s8>;
  auto const plan = [](index_t m, index_t n, index_t k) {
    return ia_nn::detail::choose_blocking(m, amx::panel_type::panels(n), ia_nn::detail::group_count<amx>(k), 64,
                                          2048, amx::max_rows, 1, 0, 1, ia_nn::detail::cut_k::chunks);
  };
  std::string const large = ia_nn::detail::describe_plan<amx>(plan(1000, 512, 1030), {1000, 512, 1030, 1, 1030, false});
  has(large, "tiles of amx, 32 x 32");
  has(large, "k in chunks of 576: a panel of B has 34 KB");
  has(large, "A is packed: 16 panels read it");
  std::string const small = ia_nn::detail::describe_plan<amx>(plan(16, 64, 100), {16, 64, 100, 1, 100, false});
  has(small, "16 x 64");
  has(small, "A is read where it lies, but for the end of its rows");
  has(small, "B is not fetched ahead");
}

} // namespace ia_nn_test

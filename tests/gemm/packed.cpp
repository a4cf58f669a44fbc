// SPDX-License-Identifier: Apache-2.0
//
// Packed weights: the documented layout, storing and viewing, and what is refused.
#include "support.hpp"
#include "throws.hpp"

#include <ia_nn/core/tensor.hpp>

namespace ia_nn_test {
namespace {

using ia_nn::errc;
using ia_nn::matrix;
using ia_nn::packed_matrix;
using ia_nn::packing;
using ia_nn::panel;
using ia_nn::transposed;

// Element (k, n) of term `term` as the picture in panel.hpp places it.
template <class T, int Nr, int Kr, packing Form>
T placed(ia_nn::packed_view<T, panel<Nr, Kr>, Form> const& v, index_t k, index_t n, int term = 0) {
  index_t const in_panel = (k / Kr * Nr + n % Nr) * Kr + k % Kr;
  return v.data[term * v.term_stride() + n / Nr * v.stride() + in_panel];
}

template <class T, int Nr, int Kr> void check_layout(index_t k, index_t n, random& r) {
  INFO(ia_nn::name_of<T>() << " panel<" << Nr << ", " << Kr << "> k " << k << " n " << n);
  exact_buffer<T> b(k * n);
  r.fill(b.data(), b.size());
  using weights = packed_matrix<T, panel<Nr, Kr>>;
  weights const w(matrix(b.data(), k, n));
  auto const v = w.view();
  REQUIRE((v.k == k && v.n == n && v.group == 0));
  REQUIRE(ia_nn::is_aligned(v.data, 64));
  index_t const depth = panel<Nr, Kr>::template k_padded<T>(k);
  REQUIRE(depth >= k);
  if (Kr > 1) REQUIRE(depth * static_cast<index_t>(sizeof(T)) % 64 == 0);
  index_t wrong = 0;
  for (index_t q = 0; q < depth; ++q)
    for (index_t j = 0; j < ia_nn::round_up(n, Nr); ++j) {
      T const want = q < k && j < n ? b[q * n + j] : T{};
      T const got = placed(v, q, j);
      wrong += std::memcmp(&got, &want, sizeof(T)) != 0;
    }
  REQUIRE(wrong == 0);
  if constexpr (std::same_as<T, s8>)
    for (index_t j = 0; j < n; ++j) {
      s32 sum = 0;
      for (index_t q = 0; q < k; ++q) sum += b[q * n + j];
      REQUIRE(v.sums[j] == sum);
    }
  // The same weights given as n x k.
  exact_buffer<T> bt(k * n);
  for (index_t q = 0; q < k; ++q)
    for (index_t j = 0; j < n; ++j) bt[j * k + q] = b[q * n + j];
  weights const wt(transposed(matrix(bt.data(), n, k)));
  REQUIRE(wt.bytes() == w.bytes());
  REQUIRE(std::memcmp(wt.view().data, v.data, at(v.term_stride()) * sizeof(T)) == 0);
}

using bytes = ia_nn::aligned_array<std::byte>;

template <class W> bytes stored(W const& w) {
  bytes file(w.stored_bytes());
  w.store(file.data(), file.size());
  return file;
}

} // namespace

TEST_CASE("the layout of panels is the documented one", "[gemm][packed]") {
  // The picture of panel.hpp, in numbers: panel<4, 2>, b(k, n) = 10 k + n.
  exact_buffer<bf16> b(4 * 5);
  for (index_t q = 0; q < 4; ++q)
    for (index_t j = 0; j < 5; ++j) b[q * 5 + j] = bf16(static_cast<f32>(10 * q + j));
  packed_matrix<bf16, panel<4, 2>> const w(matrix(b.data(), 4, 5));
  f32 const first[] = {0, 10, 1, 11, 2, 12, 3, 13, 20, 30, 21, 31, 22, 32, 23, 33};
  for (index_t i = 0; i < 16; ++i) REQUIRE(static_cast<f32>(w.view().data[i]) == first[i]);
  f32 const second[] = {4, 14, 0, 0, 0, 0, 0, 0, 24, 34, 0};
  for (index_t i = 0; i < 11; ++i)
    REQUIRE(static_cast<f32>(w.view().data[w.view().stride() + i]) == second[i]);

  random r(90);
  for (index_t k : {1, 3, 16, 33, 64, 65})
    for (index_t n : {1, 4, 31, 32, 70}) {
      check_layout<f32, 32, 1>(k, n, r);
      check_layout<f32, 4, 1>(k, n, r);
      check_layout<bf16, 32, 2>(k, n, r);
      check_layout<s8, 32, 4>(k, n, r);
      check_layout<s8, 16, 4>(k, n, r);
      check_layout<s8, 4, 4>(k, n, r);
      check_layout<s8, 32, 1>(k, n, r);
    }
}

TEST_CASE("f32 weights are rounded to bf16, or split into terms that add up", "[gemm][packed]") {
  random r(91);
  constexpr index_t k = 33, n = 40;
  exact_buffer<f32> b(k * n);
  r.fill(b.data(), b.size());
  auto const source = matrix(b.data(), k, n);
  packed_matrix<bf16, panel<32, 2>> const one(source);
  packed_matrix<bf16, panel<32, 2>, packing{.terms = 2}> const two(source);
  packed_matrix<bf16, panel<32, 2>, packing{.terms = 3}> const three(source);
  for (index_t q = 0; q < k; ++q)
    for (index_t j = 0; j < n; ++j) {
      f32 const x = b[q * n + j];
      REQUIRE(placed(one.view(), q, j).bits == bf16(x).bits);
      auto const sum = [&](auto const& w) {
        double s = 0;
        for (int p = 0; p < w.form.terms; ++p) s += static_cast<double>(static_cast<f32>(placed(w.view(), q, j, p)));
        return s;
      };
      double const magnitude = std::fabs(static_cast<double>(x));
      REQUIRE(std::fabs(sum(two) - static_cast<double>(x)) <= magnitude * 0x1p-16);
      REQUIRE(std::fabs(sum(three) - static_cast<double>(x)) <= magnitude * 0x1p-24);
    }
}

TEST_CASE("scales of groups lie beside their panels", "[gemm][packed]") {
  random r(92);
  constexpr index_t k = 20, n = 37, group = 8, groups = 3, nr = 16;
  exact_buffer<s8> b(k * n);
  exact_buffer<f32> s(groups * n);
  r.fill(b.data(), b.size());
  r.fill(s.data(), s.size());
  packed_matrix<s8, panel<nr, 1>, packing{.scaled = true}> const w(matrix(b.data(), k, n), matrix(s.data(), groups, n), group);
  REQUIRE(w.view().group == group);
  for (index_t g = 0; g < groups; ++g)
    for (index_t j = 0; j < n; ++j)
      REQUIRE(w.view().scales[(j / nr * groups + g) * nr + j % nr] == s[g * n + j]);
}

TEST_CASE("packed weights move, and are empty before and after", "[gemm][packed]") {
  random r(93);
  exact_buffer<f32> b(6 * 7);
  r.fill(b.data(), b.size());
  using weights = packed_matrix<f32, panel<4, 1>>;
  static_assert(!std::is_copy_constructible_v<weights>);
  static_assert(std::is_nothrow_move_constructible_v<weights> && std::is_nothrow_move_assignable_v<weights>);
  weights a(matrix(b.data(), 6, 7));
  f32 const* const data = a.view().data;
  weights moved(std::move(a));
  REQUIRE(moved.view().data == data);
  REQUIRE(placed(moved.view(), 5, 6) == b[41]);
  weights assigned;
  REQUIRE((assigned.view().data == nullptr && assigned.k() == 0 && assigned.bytes() == 0));
  assigned = std::move(moved);
  REQUIRE((assigned.view().data == data && assigned.k() == 6 && assigned.n() == 7));
  REQUIRE((moved.view().data == nullptr && moved.k() == 0 && moved.bytes() == 0));
}

TEST_CASE("stored weights are viewed without copying and multiply as before", "[gemm][packed]") {
  random r(94);
  auto const check = [&]<class A, class B, class C, class Policy>(A, B, C, Policy, index_t group) {
    product_case p;
    p.m = 5, p.n = 37, p.k = 29, p.group = group;
    product<A, B, C, Policy> const x(p, r);
    for_each_isa<kinds_of_kernels>([&](auto tag) {
      using I = decltype(tag);
      using G = gemm<I, A, B, C, Policy>;
      auto const w = x.template pack<G>();
      bytes const file = stored(w);
      auto const v = G::weights::view_stored(file.data(), file.size());
      REQUIRE(reinterpret_cast<std::byte const*>(v.data) == file.data() + 64);
      REQUIRE((v.k == p.k && v.n == p.n && v.group == group));
      G const plan(p.m, p.n, p.k);
      exact_buffer<C> a(p.m * p.n), b(p.m * p.n);
      ia_nn::workspace scratch(plan.workspace_bytes());
      plan.check(x.a_source(), v, a.data(), p.n, scratch);
      plan.run(x.a_source(), v, a.data(), p.n, chain<>{}, scratch);
      plan.run(x.a_source(), w, b.data(), p.n, chain<>{}, scratch);
      REQUIRE(std::memcmp(a.data(), b.data(), at(a.size()) * sizeof(C)) == 0);
    });
  };
  check(f32{}, f32{}, f32{}, standard{}, 0);
  check(f32{}, s8{}, f32{}, grouped{}, 10);
  check(s8{}, s8{}, s32{}, standard{}, 0);
  check(f32{}, f32{}, f32{}, ia_nn::bf16_terms<3>{}, 0);
}

namespace {
using s8_weights = packed_matrix<s8, panel<16, 4>>;
bytes sample() {
  random r(95);
  exact_buffer<s8> b(10 * 20);
  r.fill(b.data(), b.size());
  return stored(s8_weights(matrix(b.data(), 10, 20)));
}
template <class W = s8_weights> auto viewing(bytes const& file, index_t size) {
  return [&file, size] { static_cast<void>(W::view_stored(file.data(), size)); };
}
void overwrite(bytes& file, index_t at_byte, std::int64_t value, std::size_t width) {
  std::memcpy(file.data() + at_byte, &value, width);
}
} // namespace

TEST_CASE("stored weights that are damaged or foreign are refused", "[gemm][packed][errors]") {
  bytes const good = sample();
  REQUIRE_NOTHROW(viewing(good, good.size())());
  auto const changed = [&](index_t at_byte, std::int64_t value, std::size_t width) {
    bytes file = sample();
    overwrite(file, at_byte, value, width);
    return file;
  };
  for (index_t size : {index_t{0}, index_t{1}, index_t{63}})
    REQUIRE_ERROR(viewing(good, size), errc::bad_file, "shorter than their header");
  for (index_t size : {index_t{64}, index_t{65}, good.size() - 1})
    REQUIRE_ERROR(viewing(good, size), errc::bad_file, "truncated");
  bytes file = changed(0, 'x', 1);
  REQUIRE_ERROR(viewing(file, file.size()), errc::bad_file, "signature");
  REQUIRE_ERROR((viewing<packed_matrix<bf16, panel<16, 4>>>(good, good.size())), errc::bad_file,
                "another element type");
  REQUIRE_ERROR((viewing<packed_matrix<s8, panel<32, 4>>>(good, good.size())), errc::bad_file,
                "another register tile");
  REQUIRE_ERROR((viewing<packed_matrix<s8, panel<16, 2>>>(good, good.size())), errc::bad_file,
                "another register tile");
  // magic 8, type nr kr terms, k n group payload_bytes, checksum
  for (std::int64_t terms : {0, 2, 4, 1000000}) {
    file = changed(20, terms, 4);
    REQUIRE_ERROR(viewing(file, file.size()), errc::bad_file, "terms, expected 1");
  }
  std::int64_t const huge = std::int64_t{1} << 62;
  for (index_t field : {24, 32})
    for (std::int64_t value : {std::int64_t{0}, std::int64_t{-5}, huge, std::int64_t{INT64_MAX},
                               std::int64_t{INT64_MIN}}) {
      file = changed(field, value, 8);
      REQUIRE_ERROR(viewing(file, file.size()), errc::bad_file, "impossible extents");
    }
  for (std::int64_t group : {std::int64_t{-1}, std::int64_t{11}, huge}) {
    file = changed(40, group, 8);
    REQUIRE_ERROR(viewing(file, file.size()), errc::bad_file, "impossible extents");
  }
  for (std::int64_t payload : {std::int64_t{0}, std::int64_t{-64}, huge}) {
    file = changed(48, payload, 8);
    REQUIRE_ERROR(viewing(file, file.size()), errc::bad_file, "truncated");
  }
  file = changed(56, 0, 8);
  REQUIRE_ERROR(viewing(file, file.size()), errc::bad_file, "checksum");
  for (index_t i = 64; i < good.size(); i += 7) { // any byte of the payload
    file = changed(i, static_cast<int>(good[i]) ^ 0x10, 1);
    REQUIRE_ERROR(viewing(file, file.size()), errc::bad_file, "damaged");
  }
  bytes shifted(good.size() + 64);
  std::memcpy(shifted.data() + 4, good.data(), at(good.size()));
  REQUIRE_ERROR(([&] { static_cast<void>(s8_weights::view_stored(shifted.data() + 4, good.size())); }),
                errc::bad_pointer, "aligned to 64 bytes");
  REQUIRE_ERROR(([&] { static_cast<void>(s8_weights::view_stored(nullptr, good.size())); }),
                errc::bad_pointer, "aligned to 64 bytes");
}

TEST_CASE("no damage of stored weights is dangerous", "[gemm][packed][errors]") {
  // Flips bytes, mostly of the header, and truncates; what is accepted must be readable to its end.
  random r(96);
  bytes const good = sample();
  int refused = 0, accepted = 0;
  for (int round = 0; round < 20000; ++round) {
    index_t const size = r.coin() ? good.size() : r.between(0, good.size());
    exact_buffer<std::byte> file(size);
    std::memcpy(file.data(), good.data(), at(size));
    for (index_t flips = r.between(0, 4); flips > 0 && size > 0; --flips)
      file[ia_nn::min_of(size - 1, r.coin() ? r.between(0, 63) : r.between(0, size - 1))] =
          static_cast<std::byte>(r.coin() ? r.bits() : 0xff * r.between(0, 1));
    try {
      auto const v = s8_weights::view_stored(file.data(), size);
      ++accepted;
      s32 sum = 0;
      for (index_t j = 0; j < v.n; ++j)
        for (index_t q = 0; q < v.k; ++q) sum += placed(v, q, j);
      for (index_t j = 0; j < v.n; ++j) sum -= v.sums[j];
      REQUIRE(sum == 0);
    } catch (ia_nn::error const& e) {
      ++refused;
      if (e.code() != errc::bad_file) throw;
    }
  }
  REQUIRE(refused > 10000);
  REQUIRE(accepted > 100); // no flips, or flips to the same value
}

TEST_CASE("what cannot be packed is refused", "[gemm][packed][errors]") {
  exact_buffer<f32> b(12);
  exact_buffer<s8> q(12);
  using f32_weights = packed_matrix<f32, panel<4, 1>>;
  using grouped_weights = packed_matrix<s8, panel<4, 1>, packing{.scaled = true}>;
  REQUIRE_ERROR([&] { f32_weights(matrix(b.data(), 0, 4)); }, errc::bad_shape, "nothing to pack");
  REQUIRE_ERROR([&] { f32_weights(matrix(b.data(), 4, 0)); }, errc::bad_shape, "nothing to pack");
  REQUIRE_ERROR([&] { f32_weights(matrix(static_cast<f32*>(nullptr), 3, 4)); }, errc::bad_pointer, "null");
  auto const scales = [&](index_t rows, index_t columns) { return matrix(b.data(), rows, columns); };
  auto const source = matrix(q.data(), 3, 4);
  REQUIRE_ERROR([&] { grouped_weights(source, scales(1, 4), 0); }, errc::bad_parameter, "group of 0");
  REQUIRE_ERROR([&] { grouped_weights(source, scales(1, 4), -1); }, errc::bad_parameter, "group of -1");
  REQUIRE_ERROR([&] { grouped_weights(source, scales(1, 4), 4); }, errc::bad_parameter, "does not fit k = 3");
  REQUIRE_ERROR([&] { grouped_weights(source, scales(1, 4), 2); }, errc::bad_shape, "expected (2, 4)");
  REQUIRE_ERROR([&] { grouped_weights(source, scales(2, 3), 2); }, errc::bad_shape, "expected (2, 4)");
  REQUIRE_ERROR([&] { grouped_weights(source, matrix(static_cast<f32 const*>(nullptr), 2, 4), 2); },
                errc::bad_pointer, "null");
  bytes small(10);
  f32_weights const w(matrix(b.data(), 3, 4));
  REQUIRE_ERROR([&] { w.store(small.data(), w.stored_bytes() - 1); }, errc::small_workspace, "bytes");
  // A product of extents that does not fit, without memory behind it.
  index_t const big = index_t{1} << 40;
  REQUIRE_ERROR([&] { f32_weights(matrix(b.data(), big, big)); }, errc::bad_shape, "overflows");
  if (!under_asan) // whose allocator ends the program instead
    REQUIRE_ERROR([&] { f32_weights(matrix(b.data(), big, 4000)); }, errc::out_of_memory, "no memory");
}

} // namespace ia_nn_test

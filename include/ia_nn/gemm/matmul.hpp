// SPDX-License-Identifier: Apache-2.0
//
// Products of tensors in one statement: plan, workspace and run together. It allocates and may
// throw; loops that run the same product again keep a `gemm` or a `dense` instead.
#pragma once

#include <ia_nn/gemm/gemm.hpp>

#include <ia_nn/begin.hpp>

namespace detail {

template <class T> inline constexpr bool is_packed = false;
template <class T, class P, packing F>
inline constexpr bool is_packed<packed_matrix<T, P, F>> = true;
template <class T, class P, packing F> inline constexpr bool is_packed<packed_view<T, P, F>> = true;

// tensor -> its view; views pass.
template <class T> constexpr auto view_of(T&& t) {
  if constexpr (requires { t.view(); }) return t.view();
  else return t;
}

template <class V> using element_of = typename std::remove_cvref_t<V>::value_type;

template <class V> constexpr index_t static_extent_of(int d) noexcept {
  return std::remove_cvref_t<V>::shape_type::static_extent(d);
}

template <class V> auto source_of(V const& v) {
  constexpr int r = V::rank;
  return a_source<typename V::value_type>{v.data(), v.stride(r - 2), v.stride(r - 1)};
}

// Extents of C = A * B known by any of the three types.
constexpr index_t known(index_t a, index_t b) noexcept { return a != dyn ? a : b; }

template <class C> void require_rows(C const& c) {
  if (c.stride(C::rank - 1) != 1 && c.extent(C::rank - 1) > 1)
    throw_error(errc::bad_parameter, "matmul: columns of the destination must be contiguous");
}

// The checks of every product of a batch. A destination must not reach into any source, because the
// other products read it later; pairs are compared only where the batches share a range of memory.
template <class Plan, class A, class C>
void check_batch(Plan const& plan, A const& a, C const& c, index_t batch) {
  constexpr int r = A::rank;
  auto const source = source_of(a);
  bool const apart = !overlaps(c.data(), c.required_bytes(), a.data(), a.required_bytes());
  for (index_t i = 0; i < batch; ++i)
    for (index_t j = 0; j < batch; ++j) {
      auto const from = source.offset(r == 3 ? j * a.stride(0) : 0);
      plan.check_operands({from.data, from.row_stride, from.k_stride},
                          c.data() + (r == 3 ? i * c.stride(0) : 0), c.stride(r - 2));
      if (apart) return;
    }
}

} // namespace detail

/// c = epilogue(a * b).
///
///   a   (m, k) or (batch, m, k), any strides: pass transposed(view) for a transposed operand
///   b   (k, n), or (batch, k, n), any strides: packed on the fly; or packed weights (k, n)
///   c   (m, n) or (batch, m, n), columns contiguous
///
/// Types and Policy are those of `gemm`. Extents that contradict each other are a compile-time error
/// if the types know them, else errc::bad_shape; other errors are those of gemm::check.
template <isa::tag I = isa::native, class Policy = standard, class A, class B, class C,
          class Epilogue = chain<>, executor E = sequential>
void matmul(A const& a_in, B const& b_in, C&& c_in, Epilogue const& epilogue = {},
            gemm_options const& options = {}, E&& e = {}) {
  auto const a = detail::view_of(a_in);
  auto const c = detail::view_of(c_in);
  using Av = std::remove_cvref_t<decltype(a)>;
  using Cv = std::remove_cvref_t<decltype(c)>;
  constexpr int r = Av::rank;
  static_assert(r == 2 || r == 3, "ia_nn: matmul: a must have 2 dimensions, or 3 with a batch");
  static_assert(Cv::rank == r, "ia_nn: matmul: c must have as many dimensions as a");
  constexpr index_t am = detail::static_extent_of<Av>(r - 2), ak = detail::static_extent_of<Av>(r - 1);
  constexpr index_t cm = detail::static_extent_of<Cv>(r - 2), cn = detail::static_extent_of<Cv>(r - 1);
  static_assert(may_equal(am, cm), "ia_nn: matmul: a and c have different numbers of rows");
  index_t const batch = r == 3 ? a.extent(0) : 1;
  detail::require_rows(c);
  auto const differ = [](char const* what, auto const& x, auto const& y) {
    throw_error(errc::bad_shape, std::string("matmul: ") + what + ": " + x.to_string() + " and " +
                                     y.to_string());
  };
  if (a.extent(r - 2) != c.extent(r - 2)) differ("rows of a and c differ", a.extents(), c.extents());
  if (r == 3 && c.extent(0) != batch) differ("batches of a and c differ", a.extents(), c.extents());

  if constexpr (detail::is_packed<std::remove_cvref_t<B>>) {
    using T = typename std::remove_cvref_t<decltype(detail::view_of(b_in))>::value_type;
    using Bt = std::conditional_t<std::same_as<Policy, standard> || std::same_as<Policy, grouped>, T, f32>;
    using plan_type = gemm<I, detail::element_of<Av>, Bt, detail::element_of<Cv>, Policy, am, cn, ak>;
    static_assert(std::convertible_to<B const&, typename plan_type::weights_view>,
                  "ia_nn: matmul: these weights are packed for another instruction set or policy");
    typename plan_type::weights_view const b = b_in;
    plan_type const plan(c.extent(r - 2), c.extent(r - 1), a.extent(r - 1), e.concurrency(), options);
    workspace scratch(plan.workspace_bytes());
    auto source = detail::source_of(a);
    detail::check_batch(plan, a, c, batch);
    plan.check({source.data, source.row_stride, source.k_stride}, b, c.data(), c.stride(r - 2), scratch);
    plan.run_batch(batch, {source.data, source.row_stride, source.k_stride}, r == 3 ? a.stride(0) : 0,
                   b, 0, c.data(), c.stride(r - 2), r == 3 ? c.stride(0) : 0, epilogue, scratch, e);
  } else {
    auto const b = detail::view_of(b_in);
    using Bv = std::remove_cvref_t<decltype(b)>;
    constexpr int rb = Bv::rank;
    static_assert(rb == 2 || (rb == 3 && r == 3),
                  "ia_nn: matmul: b must have 2 dimensions, or 3 if a has a batch");
    constexpr index_t bk = detail::static_extent_of<Bv>(rb - 2), bn = detail::static_extent_of<Bv>(rb - 1);
    static_assert(may_equal(ak, bk), "ia_nn: matmul: columns of a and rows of b differ");
    static_assert(may_equal(bn, cn), "ia_nn: matmul: b and c have different numbers of columns");
    if (a.extent(r - 1) != b.extent(rb - 2))
      differ("columns of a and rows of b differ", a.extents(), b.extents());
    if (b.extent(rb - 1) != c.extent(r - 1)) differ("columns of b and c differ", b.extents(), c.extents());
    if (rb == 3 && b.extent(0) != batch) differ("batches of a and b differ", a.extents(), b.extents());
    using plan_type = gemm<I, detail::element_of<Av>, detail::element_of<Bv>, detail::element_of<Cv>,
                           Policy, am == dyn ? cm : am, detail::known(bn, cn), detail::known(ak, bk)>;
    plan_type const plan(c.extent(r - 2), c.extent(r - 1), a.extent(r - 1), e.concurrency(), options);
    workspace scratch(plan.workspace_bytes_unpacked());
    auto const source = detail::source_of(a);
    auto const bs = detail::source_of(b);
    if (!b.data()) throw_error(errc::bad_pointer, "matmul: b is null");
    detail::check_batch(plan, a, c, batch);
    if (overlaps(c.data(), c.required_bytes(), b.data(), b.required_bytes()))
      throw_error(errc::overlap, "matmul: the destination overlaps b");
    for (index_t i = 0; i < batch; ++i) {
      auto* const to = c.data() + (r == 3 ? i * c.stride(0) : 0);
      auto const from = source.offset(r == 3 ? i * a.stride(0) : 0);
      plan.run_unpacked({from.data, from.row_stride, from.k_stride},
                        bs.data + (rb == 3 ? i * b.stride(0) : 0), bs.row_stride, bs.k_stride, to,
                        c.stride(r - 2), epilogue, scratch, e);
    }
  }
}

IA_NN_END

// SPDX-License-Identifier: Apache-2.0
//
// Products of two operands that are both known at run time only, many of them in one call.
//
//   c[i] (m x n) = a[i] (m x k) * b[i] (k x n)          i: leading axes, of which an operand may lack some
//
//   a (8, 12, 128, 64)   b (8, 1, 64, 32)   c (8, 12, 128, 32)     an extent of 1 is repeated,
//   a    (12, 128, 64)   b       (64, 32)   c    (12, 128, 32)     and so is an axis that is not there
//
// b is packed on the fly, once for each product. Innermost axes that b lacks are rows of a, unless it is
// transposed: one product then, and b is packed once for all. Products are shared among the workers,
// or, where there are fewer products than workers, each product is.
#pragma once

#include <ia_nn/gemm/gemm.hpp>

#include <span>

#include <ia_nn/begin.hpp>

/// Extents as they lie in memory, row-major without gaps; the last two are those of a matrix.
struct batched_matmul_shape {
  std::span<index_t const> a;  ///< (..., m, k), or (..., k, m) where it is transposed
  std::span<index_t const> b;  ///< (..., k, n), or (..., n, k)
  bool transposed_a = false, transposed_b = false;
};

namespace detail {

/// The leading axes of a product, and where the matrices of product i begin.
class product_axes {
public:
  static constexpr int most = 6;

  product_axes(char const* who, batched_matmul_shape const& s) {
    auto const text = [](std::span<index_t const> e) {
      std::string t = "(";
      for (std::size_t d = 0; d < e.size(); ++d) t += (d > 0 ? ", " : "") + std::to_string(e[d]);
      return t + ")";
    };
    auto const fail = [&](char const* why) {
      throw_error(errc::bad_shape, std::string(who) + ": " + why + ": a " + text(s.a) + ", b " + text(s.b));
    };
    for (std::span<index_t const> const e : {s.a, s.b}) {
      if (e.size() < 2 || e.size() > most + 2) fail("operands have 2 to 8 axes");
      index_t size = 1;
      for (index_t const one : e)
        if (one < 1 || __builtin_mul_overflow(size, one, &size) || size > PTRDIFF_MAX / 64)
          fail("extents below 1, or too large together");
    }
    std::size_t const ra = s.a.size(), rb = s.b.size();
    index_t const inner_a = s.a[ra - (s.transposed_a ? 2 : 1)], inner_b = s.b[rb - (s.transposed_b ? 1 : 2)];
    if (inner_a != inner_b) fail("inner extents differ");
    m = s.a[ra - (s.transposed_a ? 1 : 2)], k = inner_a, n = s.b[rb - (s.transposed_b ? 2 : 1)];
    rank = static_cast<int>(ra > rb ? ra : rb) - 2;
    a_size = m * k, b_size = k * n;
    for (int d = rank - 1; d >= 0; --d) {
      auto const of = [&](std::span<index_t const> e) {
        int const own = d - (rank + 2 - static_cast<int>(e.size()));
        return own < 0 ? 1 : e[static_cast<std::size_t>(own)];
      };
      index_t const na = of(s.a), nb = of(s.b);
      if (na != nb && na != 1 && nb != 1) fail("leading extents differ");
      extent[d] = na > nb ? na : nb;
      step_a[d] = na == 1 ? 0 : a_size, step_b[d] = nb == 1 ? 0 : b_size;
      a_size *= na, b_size *= nb;
    }
    shape<dyn, dyn, dyn> const c_shape(items(), m, n); // throws when it overflows
    static_cast<void>(c_shape);
  }

  index_t items() const noexcept {
    index_t all = 1;
    for (int d = 0; d < rank; ++d) all *= extent[d];
    return all;
  }
  /// Products of one element of axis 0.
  index_t items_of_first() const noexcept { return rank > 0 ? items() / extent[0] : 1; }

  struct offsets {
    index_t a = 0, b = 0;
  };
  offsets at(index_t item) const noexcept {
    offsets o;
    for (int d = rank - 1; d >= 0; --d) {
      index_t const i = item % extent[d];
      item /= extent[d];
      o.a += i * step_a[d], o.b += i * step_b[d];
    }
    return o;
  }
  /// Innermost axes along which b is repeated become rows of a; not axis 0 where both have it.
  void join_rows() noexcept {
    while (rank > 0 && step_b[rank - 1] == 0 && (extent[rank - 1] == 1 || step_a[rank - 1] == m * k)) {
      if (rank == 1 && extent[0] == 1) break;
      m *= extent[--rank];
    }
  }

  index_t m = 0, n = 0, k = 0, a_size = 0, b_size = 0;
  int rank = 0;
  index_t extent[most]{}, step_a[most]{}, step_b[most]{};
};

} // namespace detail

/// E: f32 or bf16; C: f32, bf16. Sums are f32, in order of k.
///
/// Errors at construction: errc::bad_shape (extents that do not fit, below 1, or too many),
/// errc::bad_parameter (workers below 1), errc::unsupported_isa. The same bits for any executor.
template <isa::tag I, element E = f32, element C = E> class batched_matmul {
  static_assert(std::same_as<E, f32> || std::same_as<E, bf16>,
                "ia_nn: batched_matmul: operands are f32 or bf16");
  using product = gemm<I, E, E, C>;

public:
  /// For at most `workers` concurrent workers.
  explicit batched_matmul(batched_matmul_shape const& s, int workers = 1)
      : axes_("batched_matmul", s), transposed_a_(s.transposed_a), transposed_b_(s.transposed_b),
        rows_(axes_.m), whole_(joined(axes_, s)), first_(whole_.items_of_first()), workers_(workers),
        alone_(whole_.m, whole_.n, whole_.k), shared_(whole_.m, whole_.n, whole_.k, workers) {}

  index_t m() const noexcept { return rows_; }
  index_t n() const noexcept { return whole_.n; }
  index_t k() const noexcept { return whole_.k; }
  /// Products, and elements of each operand and of c.
  index_t items() const noexcept { return axes_.items(); }
  index_t a_size() const noexcept { return axes_.a_size; }
  index_t b_size() const noexcept { return axes_.b_size; }
  index_t c_size() const noexcept { return items() * rows_ * n(); }

  index_t workspace_bytes() const noexcept {
    return max_of(workers_ * round_up(alone_.workspace_bytes_unpacked(), 64),
                  shared_.workspace_bytes_unpacked());
  }

  /// Checks what one call is given; for set-up. Errors: errc::bad_pointer, errc::overlap (c shares bytes
  /// with a or b), errc::small_workspace.
  void check(E const* a, E const* b, C const* c, workspace_view scratch) const {
    if (!a || !b || !c) throw_error(errc::bad_pointer, "batched_matmul: an operand is null");
    index_t const bytes = c_size() * index_t{sizeof(C)};
    if (overlaps(c, bytes, a, a_size() * index_t{sizeof(E)}) || overlaps(c, bytes, b, b_size() * index_t{sizeof(E)}))
      throw_error(errc::overlap, "batched_matmul: the destination overlaps an operand");
    static_cast<void>(scratch.require(workspace_bytes()));
  }

  /// All products; c is dense.
  template <executor X = sequential>
  void run(E const* a, E const* b, C* c, workspace_view scratch, X&& e = {}) const noexcept {
    run_items(whole_.items(), a, b, c, n(), scratch, e);
  }
  /// Those of the first `outer` elements of axis 0, which both operands must have, for batches that vary;
  /// rows of c lie ldc elements apart, in whichever product they are.
  template <executor X = sequential>
  void run(index_t outer, E const* a, E const* b, C* c, index_t ldc, workspace_view scratch,
           X&& e = {}) const noexcept {
    IA_NN_REQUIRE(whole_.rank > 0 && outer >= 0 && outer <= whole_.extent[0],
                  "batched_matmul: ", outer, " elements of axis 0, planned for at most ",
                  whole_.rank > 0 ? whole_.extent[0] : 0);
    run_items(outer * first_, a, b, c, ldc, scratch, e);
  }

private:
  static detail::product_axes joined(detail::product_axes a, batched_matmul_shape const& s) noexcept {
    if (!s.transposed_a) a.join_rows();
    return a;
  }

  template <executor X>
  void run_items(index_t items, E const* a, E const* b, C* c, index_t ldc, workspace_view scratch,
                 X& e) const noexcept {
    IA_NN_REQUIRE(scratch.holds(workspace_bytes()), "batched_matmul: a workspace of ", scratch.size,
                  " bytes, run needs ", workspace_bytes(), " aligned to 64 bytes");
    IA_NN_ASSERT(ldc >= n(), "batched_matmul: rows of c ", ldc, " elements apart hold ", n());
    if (items < workers_) {
      for (index_t i = 0; i < items; ++i) one(shared_, i, a, b, c, ldc, scratch, e);
      return;
    }
    index_t const each = round_up(alone_.workspace_bytes_unpacked(), 64);
    run_tasks(e, workers_, items, [&](index_t i, int worker) {
      sequential here;
      one(alone_, i, a, b, c, ldc, {scratch.data + worker * each, each}, here);
    });
  }
  template <class X>
  void one(product const& plan, index_t item, E const* a, E const* b, C* c, index_t ldc,
           workspace_view scratch, X& e) const noexcept {
    auto const at = whole_.at(item);
    detail::a_source<E> const from = transposed_a_ ? detail::a_source<E>{a + at.a, 1, whole_.m}
                                                   : detail::a_source<E>{a + at.a, whole_.k, 1};
    plan.run_unpacked(from, b + at.b, transposed_b_ ? 1 : whole_.n, transposed_b_ ? whole_.k : 1,
                      c + item * whole_.m * ldc, ldc, chain<>{}, scratch, e);
  }

  detail::product_axes axes_;
  bool transposed_a_, transposed_b_;
  index_t rows_; ///< of one matrix a
  detail::product_axes whole_;
  index_t first_;
  int workers_;
  product alone_, shared_;
};

IA_NN_END

// SPDX-License-Identifier: Apache-2.0
//
// Shapes: each extent is known at compile time or at run time, dimension by dimension.
#pragma once

#include <ia_nn/core/error.hpp>
#include <ia_nn/core/meta.hpp>

#include <ia_nn/begin.hpp>

/// Marks an extent that is known at run time only.
inline constexpr index_t dyn = -1;

/// shape<dyn, 800> is a matrix with any number of rows and 800 columns. Static extents take no
/// part in the checks at run time and reach the kernels as constants.
///
/// Errors (errc::bad_shape): a negative extent, a run-time value that contradicts a static extent,
/// a product of extents that does not fit in index_t.
template <index_t... Extents> class shape {
  static_assert(((Extents == dyn || Extents >= 0) && ...),
                "ia_nn: an extent of a shape is negative; use ia_nn::dyn for one known at run time");

public:
  static constexpr int rank = static_cast<int>(sizeof...(Extents));
  static constexpr int dynamic_rank = ((Extents == dyn ? 1 : 0) + ... + 0);

  static constexpr index_t static_extent(int d) noexcept {
    constexpr index_t all[rank + 1] = {Extents..., 0};
    return all[d];
  }

  constexpr shape() noexcept {
    for (int d = 0; d < rank; ++d) extent_[d] = static_extent(d) == dyn ? 0 : static_extent(d);
  }

  /// All extents, or only those that are dynamic.
  template <std::convertible_to<index_t>... Ns>
    requires(sizeof...(Ns) > 0 && (sizeof...(Ns) == sizeof...(Extents) ||
                                   sizeof...(Ns) == ((Extents == dyn ? 1 : 0) + ... + 0)))
  constexpr explicit(sizeof...(Ns) == 1) shape(Ns... ns) {
    index_t const given[] = {static_cast<index_t>(ns)...};
    constexpr bool all = sizeof...(Ns) == sizeof...(Extents);
    int next = 0;
    for (int d = 0; d < rank; ++d) {
      bool const fixed = static_extent(d) != dyn;
      extent_[d] = fixed && !all ? static_extent(d) : given[next++];
      if (fixed && extent_[d] != static_extent(d))
        throw_error(errc::bad_shape, "extent " + std::to_string(d) + " is " +
                                         std::to_string(extent_[d]) + ", its type says " +
                                         std::to_string(static_extent(d)));
    }
    check();
  }

  /// From all extents, which the caller has checked.
  template <std::convertible_to<index_t>... Ns>
    requires(sizeof...(Ns) == sizeof...(Extents))
  static constexpr shape unchecked(Ns... ns) noexcept {
    shape s;
    int d = 0;
    ((s.extent_[d++] = static_cast<index_t>(ns)), ...);
    return s;
  }

  constexpr index_t extent(int d) const noexcept {
    return static_extent(d) == dyn ? extent_[d] : static_extent(d);
  }

  /// Extent D with what the type knows: a constant expression if it is static.
  template <int D> constexpr index_t get() const noexcept {
    if constexpr (static_extent(D) != dyn) return static_extent(D);
    else return extent_[D];
  }

  /// Number of elements.
  constexpr index_t size() const noexcept {
    index_t n = 1;
    for (int d = 0; d < rank; ++d) n *= extent(d);
    return n;
  }

  template <index_t... Others>
  friend constexpr bool operator==(shape const& a, shape<Others...> const& b) noexcept {
    if (sizeof...(Others) != sizeof...(Extents)) return false;
    for (int d = 0; d < rank; ++d)
      if (a.extent(d) != b.extent(d)) return false;
    return true;
  }

  std::string to_string() const {
    std::string s = "(";
    for (int d = 0; d < rank; ++d) s += (d ? ", " : "") + std::to_string(extent(d));
    return s + ")";
  }

private:
  constexpr void check() const {
    index_t n = 1;
    for (int d = 0; d < rank; ++d)
      if (extent_[d] < 0)
        throw_error(errc::bad_shape, "extent " + std::to_string(d) + " of shape " + to_string() +
                                         " is negative");
    // 1/64 of the range is left so that bytes and paddings cannot overflow either. A zero counts as
    // one: strides are products too, of shapes without elements as well.
    for (int d = 0; d < rank; ++d)
      if (__builtin_mul_overflow(n, extent_[d] == 0 ? 1 : extent_[d], &n) || n > PTRDIFF_MAX / 64)
        throw_error(errc::bad_shape, "the product of the extents of " + to_string() + " overflows");
  }

  index_t extent_[rank > 0 ? rank : 1]{};
};

template <std::convertible_to<index_t>... Ns>
shape(Ns...) -> shape<(static_cast<void>(sizeof(Ns)), dyn)...>;

template <class S> inline constexpr bool is_shape = false;
template <index_t... Extents> inline constexpr bool is_shape<shape<Extents...>> = true;

/// False if the types alone prove that two extents differ.
constexpr bool may_equal(index_t static_a, index_t static_b) noexcept {
  return static_a == dyn || static_b == dyn || static_a == static_b;
}

IA_NN_END

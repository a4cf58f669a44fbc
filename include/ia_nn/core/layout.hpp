// SPDX-License-Identifier: Apache-2.0
//
// Layouts map an index to an offset in elements, as mdspan's layout policies do.
#pragma once

#include <ia_nn/core/shape.hpp>

#include <ia_nn/begin.hpp>

namespace detail {

// Offset, strides and span of any layout whose strides follow from an order of the dimensions:
// Order::at(i, rank) is the i-th fastest dimension.
template <class Shape, class Order> class dense_mapping {
public:
  constexpr dense_mapping() = default;
  constexpr explicit dense_mapping(Shape const& s) noexcept : shape_(s) {}
  constexpr Shape const& extents() const noexcept { return shape_; }
  constexpr index_t required_size() const noexcept { return shape_.size(); }
  constexpr index_t stride(int d) const noexcept {
    index_t s = 1;
    for (int i = 0; i < Shape::rank && Order::at(i, Shape::rank) != d; ++i)
      s *= shape_.extent(Order::at(i, Shape::rank));
    return s;
  }
  static constexpr bool is_contiguous() noexcept { return true; }

private:
  Shape shape_;
};

struct last_fastest {
  static constexpr int at(int i, int rank) noexcept { return rank - 1 - i; }
};
struct first_fastest {
  static constexpr int at(int i, int) noexcept { return i; }
};
struct channels_fastest { // (n, c, spatial...) in memory order n, spatial, c
  static constexpr int at(int i, int rank) noexcept {
    return i == 0 ? 1 : i == rank - 1 ? 0 : rank - i;
  }
};

} // namespace detail

/// The last dimension is contiguous (C order, NCHW).
struct row_major {
  template <class Shape> using mapping = detail::dense_mapping<Shape, detail::last_fastest>;
};

/// The first dimension is contiguous: a row-major matrix seen transposed.
struct column_major {
  template <class Shape> using mapping = detail::dense_mapping<Shape, detail::first_fastest>;
};

/// Logical (n, c, h, w), stored n, h, w, c: channels are contiguous. Any rank from 2.
struct nhwc {
  template <class Shape> using mapping = detail::dense_mapping<Shape, detail::channels_fastest>;
};

/// Any strides, in elements: slices, padded rows, broadcast dimensions (stride 0).
struct strided {
  template <class Shape> class mapping {
  public:
    constexpr mapping() = default;
    template <std::convertible_to<index_t>... Strides>
      requires(sizeof...(Strides) == Shape::rank)
    constexpr explicit mapping(Shape const& s, Strides... strides) noexcept
        : shape_(s), stride_{static_cast<index_t>(strides)...} {}
    constexpr Shape const& extents() const noexcept { return shape_; }
    constexpr index_t stride(int d) const noexcept { return stride_[d]; }
    constexpr index_t required_size() const noexcept {
      index_t last = 0;
      for (int d = 0; d < Shape::rank; ++d) {
        if (shape_.extent(d) == 0) return 0;
        last += (shape_.extent(d) - 1) * stride_[d];
      }
      return last + 1;
    }
    constexpr bool is_contiguous() const noexcept {
      index_t s = 1;
      for (int d = Shape::rank - 1; d >= 0; --d) {
        if (shape_.extent(d) != 1 && stride_[d] != s) return false;
        s *= shape_.extent(d);
      }
      return true;
    }

  private:
    Shape shape_;
    index_t stride_[Shape::rank > 0 ? Shape::rank : 1]{};
  };
};

template <class L, class Shape>
concept layout_for = requires(typename L::template mapping<Shape> const m) {
  { m.extents() } -> std::convertible_to<Shape>;
  { m.stride(0) } -> std::convertible_to<index_t>;
  { m.required_size() } -> std::convertible_to<index_t>;
};

IA_NN_END

// SPDX-License-Identifier: Apache-2.0
//
// tensor_view: a pointer and a layout mapping, trivially copyable. tensor: the same with storage.
#pragma once

#include <ia_nn/core/layout.hpp>
#include <ia_nn/core/memory.hpp>

#include <ia_nn/begin.hpp>

/// What `y = ...` computes element by element: the nodes that `ops/expr.hpp` builds.
template <class E>
concept expression = requires { typename E::expression_tag; };

/// A view of elements that somebody else owns. T may be const. The view promises no alignment.
template <class T, class Shape, class Layout = row_major>
  requires element<std::remove_const_t<T>>
class tensor_view {
public:
  using value_type = std::remove_const_t<T>;
  using shape_type = Shape;
  using layout_type = Layout;
  using mapping_type = typename Layout::template mapping<Shape>;
  static constexpr int rank = Shape::rank;

  constexpr tensor_view() = default;
  constexpr tensor_view(T* data, mapping_type const& m) noexcept : data_(data), mapping_(m) {}
  constexpr tensor_view(T* data, Shape const& s) noexcept
    requires std::constructible_from<mapping_type, Shape const&>
      : data_(data), mapping_(s) {}
  constexpr operator tensor_view<T const, Shape, Layout>() const noexcept
    requires(!std::is_const_v<T>)
  {
    return {data_, mapping_};
  }

  /// Writes the value of an expression into the elements. Assigning another view does not: it makes
  /// this one refer to other elements.
  template <expression E>
    requires(!std::is_const_v<T>)
  tensor_view const& operator=(E const& e) const {
    assign(*this, e);
    return *this;
  }

  constexpr T* data() const noexcept { return data_; }
  constexpr mapping_type const& mapping() const noexcept { return mapping_; }
  constexpr Shape const& extents() const noexcept { return mapping_.extents(); }
  constexpr index_t extent(int d) const noexcept { return extents().extent(d); }
  constexpr index_t stride(int d) const noexcept { return mapping_.stride(d); }
  constexpr index_t size() const noexcept { return extents().size(); }
  constexpr index_t required_bytes() const noexcept {
    return mapping_.required_size() * static_cast<index_t>(sizeof(T));
  }

  template <std::convertible_to<index_t>... Is>
    requires(sizeof...(Is) == Shape::rank)
  constexpr T& operator()(Is... is) const noexcept {
    index_t const at[] = {static_cast<index_t>(is)..., 0};
    index_t offset = 0;
    for (int d = 0; d < rank; ++d) {
      IA_NN_ASSERT(at[d] >= 0 && at[d] < extent(d), "tensor: index ", at[d], " along axis ", d,
                   " of ", extent(d), " elements");
      offset += at[d] * stride(d);
    }
    return data_[offset];
  }

private:
  T* data_ = nullptr;
  mapping_type mapping_;
};

/// Owns 64-byte aligned, zero-initialised elements. Converts to a view of itself.
template <element T, class Shape, class Layout = row_major> class tensor {
public:
  using value_type = T;
  using shape_type = Shape;
  using layout_type = Layout;
  using mapping_type = typename Layout::template mapping<Shape>;
  using view_type = tensor_view<T, Shape, Layout>;
  using const_view_type = tensor_view<T const, Shape, Layout>;
  static constexpr int rank = Shape::rank;

  tensor() : tensor(Shape{}) {}
  explicit tensor(Shape const& s) : mapping_(s), storage_(mapping_.required_size()) {}
  /// All extents, or only those that are dynamic.
  template <std::convertible_to<index_t>... Ns>
    requires(sizeof...(Ns) > 0 && std::constructible_from<Shape, Ns...>)
  explicit tensor(Ns... ns) : tensor(Shape(ns...)) {}
  explicit tensor(mapping_type const& m) : mapping_(m), storage_(m.required_size()) {}

  /// Writes the value of an expression into the elements; the shape stays as it is.
  template <expression E> tensor& operator=(E const& e) {
    assign(view(), e);
    return *this;
  }

  view_type view() noexcept { return {storage_.data(), mapping_}; }
  const_view_type view() const noexcept { return {storage_.data(), mapping_}; }
  operator view_type() noexcept { return view(); }
  operator const_view_type() const noexcept { return view(); }

  T* data() noexcept { return storage_.data(); }
  T const* data() const noexcept { return storage_.data(); }
  mapping_type const& mapping() const noexcept { return mapping_; }
  Shape const& extents() const noexcept { return mapping_.extents(); }
  index_t extent(int d) const noexcept { return extents().extent(d); }
  index_t stride(int d) const noexcept { return mapping_.stride(d); }
  index_t size() const noexcept { return extents().size(); }

  template <std::convertible_to<index_t>... Is> T& operator()(Is... is) noexcept {
    return view()(is...);
  }
  template <std::convertible_to<index_t>... Is> T const& operator()(Is... is) const noexcept {
    return view()(is...);
  }

private:
  mapping_type mapping_;
  aligned_array<T> storage_;
};

/// A row-major view of `rows` x `columns` elements, `stride` elements from row to row.
template <class T> auto matrix(T* data, index_t rows, index_t columns, index_t stride) {
  using map = strided::mapping<shape<dyn, dyn>>;
  return tensor_view<T, shape<dyn, dyn>, strided>(data, map(shape<dyn, dyn>(rows, columns), stride, 1));
}
template <class T> auto matrix(T* data, index_t rows, index_t columns) {
  return tensor_view<T, shape<dyn, dyn>>(data, shape<dyn, dyn>(rows, columns));
}

/// The same elements with rows and columns exchanged.
template <class T, index_t M, index_t N>
constexpr auto transposed(tensor_view<T, shape<M, N>> const& v) {
  return tensor_view<T, shape<N, M>, column_major>(v.data(), shape<N, M>(v.extent(1), v.extent(0)));
}
template <class T, index_t M, index_t N>
constexpr auto transposed(tensor_view<T, shape<M, N>, strided> const& v) {
  using map = strided::mapping<shape<N, M>>;
  return tensor_view<T, shape<N, M>, strided>(
      v.data(), map(shape<N, M>(v.extent(1), v.extent(0)), v.stride(1), v.stride(0)));
}

IA_NN_END

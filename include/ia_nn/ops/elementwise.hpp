// SPDX-License-Identifier: Apache-2.0
//
// y = expression, as one loop over vector registers.
//
//   y[i] = e(a[i], b[i], ...)      i over the destination's extents, operands broadcast
//
// The destination's dimensions are put into the order of its memory and merged where every operand
// allows it (expr_plan.hpp). What remains are rows; within a row each operand advances by one
// element, stands still, or is gathered (expr_lanes.hpp). If everything advances by one, which is
// decided once per statement, the loop is
//
//   load leaves -> compute -> store      Unroll registers at a time, no branch but the loop's own
//
// and the last lanes of a row go through masked loads and stores. No temporary tensor, no heap.
// Threads get contiguous ranges of elements; an element's value does not depend on who computes it.
#pragma once

#include <ia_nn/arch/cpu.hpp>
#include <ia_nn/core/executor.hpp>
#include <ia_nn/ops/expr_functions.hpp>
#include <ia_nn/ops/expr_lanes.hpp>

#include <ia_nn/begin.hpp>

namespace detail {

/// Elements that are worth a thread of their own, and a multiple of what a cache line holds.
inline constexpr index_t elements_per_task = 8192;

template <class V, class T, class E> struct elementwise_kernel {
  static constexpr int leaves = E::leaves;
  using pointers = run_pointers<leaves>;
  // Long bodies gain nothing from more of them at a time.
  static constexpr int unroll = E::weight <= 8 ? 4 : E::weight <= 16 ? 2 : 1;

  // The expression and the pointers are copies: the compiler sees that no store changes them and
  // keeps them in registers.
  static IA_NN_INLINE void unit_run(E e, pointers p, T* y, index_t n) noexcept {
    constexpr int lanes = V::size;
    index_t i = 0;
    if constexpr (unroll > 1) {
      for (; i + unroll * lanes <= n; i += unroll * lanes) {
        V v[unroll];
        IA_NN_UNROLL
        for (int u = 0; u < unroll; ++u)
          v[u] = e.template value<V, 0>(unit_lanes<leaves>{p, i + u * lanes});
        IA_NN_UNROLL
        for (int u = 0; u < unroll; ++u) v[u].store(y + i + u * lanes);
      }
    }
    for (; i + lanes <= n; i += lanes)
      e.template value<V, 0>(unit_lanes<leaves>{p, i}).store(y + i);
    if (i < n) tail(e, p, y, i, n - i);
  }
  static void step_run(E e, pointers p, T* y, index_t n) noexcept {
    constexpr int lanes = V::size;
    index_t i = 0;
    for (; i + lanes <= n; i += lanes)
      e.template value<V, 0>(step_lanes<leaves>{p, i}).store(y + i);
    if (i < n) tail(e, p, y, i, n - i);
  }
  static IA_NN_NOINLINE void tail(E const& e, pointers const& p, T* y, index_t i,
                                  index_t n) noexcept {
    e.template value<V, 0>(step_lanes<leaves, false>{p, i, n}).store(y + i, n);
  }

  /// Elements [begin, end) of a flat loop: every operand advances by one element.
  static IA_NN_NOINLINE void flat(E const& e, void const* const* data, T* y, index_t begin,
                                  index_t end) noexcept {
    pointers p;
    e.template each_leaf<0>([&](auto index, auto const& leaf) {
      using L = typename std::remove_cvref_t<decltype(leaf)>::value_type;
      constexpr int k = decltype(index)::value;
      p.data[k] = static_cast<L const*>(data[k]) + begin;
      p.mask[k] = -1;
    });
    unit_run(e, p, y + begin, end - begin);
  }

  /// Elements [begin, end) of a nest, numbered in the order of its loops. Operand 0 is y.
  static IA_NN_NOINLINE void rows(E const& e, loop_nest<leaves + 1> const& nest, index_t begin,
                                  index_t end) noexcept {
    int const last = nest.rank - 1;
    index_t const n = nest.inner();
    index_t stride[at_least_one(leaves)], element[at_least_one(leaves)];
    for (int k = 0; k < leaves; ++k) {
      stride[k] = nest.operands[k + 1].stride[last];
      element[k] = nest.operands[k + 1].element;
    }
    index_t const y_stride = nest.operands[0].stride[last];
    bool const y_unit = y_stride == static_cast<index_t>(sizeof(T));
    leaf_runs<V, E> runs(stride, element);
    index_t const piece = runs.any_gather() || !y_unit ? gather_chunk : n;
    T out[gather_chunk];

    // Where `begin` lies: the index of each outer loop and the offset within the row.
    index_t at[max_expression_rank + 1] = {};
    unsigned char const* base[leaves + 1];
    for (int k = 0; k <= leaves; ++k) base[k] = nest.operands[k].data;
    index_t row = begin / n, first = begin % n;
    for (int d = last - 1; d >= 0; --d) {
      at[d] = row % nest.extent[d];
      row /= nest.extent[d];
      for (int k = 0; k <= leaves; ++k) base[k] += at[d] * nest.operands[k].stride[d];
    }

    while (begin < end) {
      index_t const stop = min_of(n, first + (end - begin));
      begin += stop - first;
      bool fresh = true;
      for (; first < stop; first += piece, fresh = false) {
        index_t const count = min_of(piece, stop - first);
        runs.point(e, base + 1, first, count, fresh);
        auto* const place = const_cast<unsigned char*>(base[0]) + first * y_stride;
        T* const y = y_unit ? reinterpret_cast<T*>(place) : out;
        if (runs.all_unit()) unit_run(e, runs.pointers, y, count);
        else step_run(e, runs.pointers, y, count);
        if (!y_unit)
          for (index_t i = 0; i < count; ++i) *reinterpret_cast<T*>(place + i * y_stride) = out[i];
      }
      first = 0;
      for (int d = last - 1; d >= 0; --d) { // the next row
        ++at[d];
        bool const wraps = at[d] == nest.extent[d];
        index_t const step = wraps ? 1 - nest.extent[d] : 1;
        for (int k = 0; k <= leaves; ++k) base[k] += step * nest.operands[k].stride[d];
        if (!wraps) break;
        at[d] = 0;
      }
    }
  }
};

// Dense layouts of one policy and equal extents have equal offsets.
template <class Layout>
inline constexpr bool dense_layout =
    std::same_as<Layout, row_major> || std::same_as<Layout, column_major> ||
    std::same_as<Layout, nhwc>;

template <class Leaf, class T, class Shape, class Layout> inline constexpr bool flat_leaf = false;
template <class U, class S, class T, class Shape, class Layout>
inline constexpr bool flat_leaf<tensor_leaf<U, S, Layout>, T, Shape, Layout> =
    dense_layout<Layout> && S::rank == Shape::rank;

template <class T, class Shape, class Layout>
[[noreturn]] IA_NN_NOINLINE void throw_unfit(int operand, std::string const& from,
                                             tensor_view<T, Shape, Layout> const& y) {
  throw_no_broadcast(operand, from, "the destination's " + y.extents().to_string());
}

/// Fills operand `at` of a nest with the strides of a view that stretches to `extent`. Returns
/// false if it does not.
template <class View, int Count>
bool add_operand(loop_nest<Count>& nest, int at, View const& v, index_t const* extent, int rank) {
  using T = typename View::value_type;
  auto& o = nest.operands[at];
  o.data = reinterpret_cast<unsigned char const*>(v.data());
  o.element = static_cast<index_t>(sizeof(T));
  bool fits = true;
  for (int d = 0; d < rank; ++d) {
    int const own = d - (rank - View::rank);
    index_t const n = own < 0 ? 1 : v.extent(own);
    o.stride[d] = n == 1 ? 0 : v.stride(own) * o.element;
    fits = fits && (n == 1 || n == extent[d]);
  }
  return fits;
}

template <isa::tag I, class T, class Shape, class Layout, class E, class Executor>
void eval_elementwise(tensor_view<T, Shape, Layout> const& y, E const& e, Executor& executor) {
  static_assert(Shape::rank <= max_expression_rank,
                "ia_nn: expressions take tensors of up to 8 dimensions");
  static_assert(E::shape_type::rank <= Shape::rank,
                "ia_nn: the expression has more dimensions than the tensor it is assigned to");
  static_assert(stretches_to<typename E::shape_type, Shape>(),
                "ia_nn: the extents of the expression do not broadcast to those of the tensor it "
                "is assigned to");
  using V = vec<f32, I>;
  using kernel = elementwise_kernel<V, T, E>;
  constexpr int leaves = E::leaves;
  isa::require<typename vec_tag<I>::type>();

  index_t const size = y.size();
  auto const parallel = [&](auto const& part) {
    if constexpr (std::same_as<Executor, sequential const> || std::same_as<Executor, sequential>)
      part(index_t{0}, size);
    else
      parallel_blocks(executor, size, elements_per_task,
                      [&](index_t begin, index_t end, int) { part(begin, end); });
  };

  // One flat loop: the common case has a short way to it. Operands that lie apart or are the
  // destination itself need no closer look.
  if constexpr (dense_layout<Layout>) {
    void const* data[at_least_one(leaves)] = {};
    bool flat = y.data() != nullptr && size > 0;
    e.template each_leaf<0>([&](auto index, auto const& leaf) {
      using Leaf = std::remove_cvref_t<decltype(leaf)>;
      using U = typename Leaf::value_type;
      if constexpr (flat_leaf<Leaf, T, Shape, Layout>) {
        void const* const p = leaf.view.data();
        data[decltype(index)::value] = p;
        bool const apart = !overlaps(p, size * static_cast<index_t>(sizeof(U)), y.data(),
                                     size * static_cast<index_t>(sizeof(T)));
        flat = flat && p != nullptr && leaf.view.extents() == y.extents() &&
               (apart || (p == y.data() && sizeof(U) == sizeof(T)));
      } else flat = false;
    });
    if (flat) {
      parallel([&](index_t begin, index_t end) { kernel::flat(e, data, y.data(), begin, end); });
      return;
    }
  }

  loop_nest<leaves + 1> nest;
  index_t extent[at_least_one(Shape::rank)];
  for (int d = 0; d < Shape::rank; ++d) nest.extent[d] = extent[d] = y.extent(d);
  nest.rank = Shape::rank;
  add_operand(nest, 0, y, extent, Shape::rank);
  e.template each_leaf<0>([&](auto index, auto const& leaf) {
    constexpr int k = decltype(index)::value;
    if (!add_operand(nest, k + 1, leaf.view, extent, Shape::rank))
      throw_unfit(k, leaf.view.extents().to_string(), y);
  });
  if (size == 0) return;
  if constexpr (!dense_layout<Layout>) {
    index_t stride[at_least_one(Shape::rank)];
    for (int d = 0; d < Shape::rank; ++d) stride[d] = y.stride(d);
    check_destination(extent, stride, Shape::rank);
  }
  nest.rank = collapse(nest, 0, nest.rank, 0);
  if (nest.rank == 0) nest.append(1);
  check_memory(nest, true);
  parallel([&](index_t begin, index_t end) { kernel::rows(e, nest, begin, end); });
}

} // namespace detail

/// An expression that is to run on the instruction set I: `y = with<isa::avx2>(a + b)`.
template <isa::tag I, class E> struct with_node {
  using expression_tag = void;
  using isa_type = I;
  E inner;
};
template <isa::tag I, class E>
  requires expression_operands<E>
constexpr auto with(E const& e) noexcept {
  if constexpr (requires { E::is_reduction; }) return with_node<I, E>{e};
  else return with_node<I, node_t<E>>{as_node(e)};
}

/// y = e, element by element. e is an expression, a tensor, a view or a number; y is a tensor or a
/// view of any element type and layout. Every operand broadcasts to the extents of y. Values are
/// computed in f32 and converted by `vec::store`: to nearest even, integers with saturation.
///
/// y may be an operand as a whole (y = y + 1); any other overlap is an error. Zero extents: nothing
/// happens. The result has the same bits for any executor.
/// Errors: errc::bad_shape, errc::bad_pointer, errc::overlap, errc::unsupported_isa; then no
/// element has been written.
template <isa::tag I = isa::native, class Y, class E, executor Executor>
  requires(detail::is_tensor<std::remove_cvref_t<Y>> &&
           (expression_operands<E> || detail::number<E>) && !requires { E::is_reduction; })
void eval(Y&& y, E const& e, Executor& executor) {
  auto const node = as_node(e);
  auto const to = detail::view_of(y);
  static_assert(!std::is_const_v<std::remove_pointer_t<decltype(to.data())>>,
                "ia_nn: the destination of an expression is a view of const elements");
  if constexpr (decltype(node)::computed > 0) evaluate_computed<I>(to, node, executor);
  else detail::eval_elementwise<I>(to, node, executor);
}
template <isa::tag I = isa::native, class Y, class E>
  requires detail::is_tensor<std::remove_cvref_t<Y>>
void eval(Y&& y, E const& e) {
  sequential here;
  eval<I>(y, e, here);
}

/// What `y = e` of a tensor or a view calls: `eval` in the calling thread, on isa::native or the
/// instruction set of `with`.
template <class T, class Shape, class Layout, expression E>
void assign(tensor_view<T, Shape, Layout> const& y, E const& e) {
  if constexpr (requires { typename E::isa_type; }) eval<typename E::isa_type>(y, e.inner);
  else eval(y, e);
}

template <class Y, class E>
  requires detail::is_tensor<std::remove_cvref_t<Y>>
void operator+=(Y&& y, E const& e) {
  eval(y, y + e);
}
template <class Y, class E>
  requires detail::is_tensor<std::remove_cvref_t<Y>>
void operator-=(Y&& y, E const& e) {
  eval(y, y - e);
}
template <class Y, class E>
  requires detail::is_tensor<std::remove_cvref_t<Y>>
void operator*=(Y&& y, E const& e) {
  eval(y, y * e);
}
template <class Y, class E>
  requires detail::is_tensor<std::remove_cvref_t<Y>>
void operator/=(Y&& y, E const& e) {
  eval(y, y / e);
}

IA_NN_END

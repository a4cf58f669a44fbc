// SPDX-License-Identifier: Apache-2.0
//
// Reductions of expressions.
//
//   f32 s = sum(a * b)               over everything, at once
//   y = mean(x * x, axes<1>)         along dimensions named at compile time, counted from 0 or,
//                                    negative, from the end
//
// Whether the reduced dimensions stay with extent 1 or fall away is said by the destination: it has
// either as many dimensions as the expression or fewer by the number of axes. Arithmetic is f32;
// sums lose nothing by being long (reduce_kernel.hpp says how). A NaN gives NaN. Over zero elements:
// sum 0, mean NaN, max -infinity, min +infinity.
#pragma once

#include <ia_nn/ops/elementwise.hpp>
#include <ia_nn/ops/reduce_kernel.hpp>

#include <ia_nn/begin.hpp>

template <int... Axes> struct axes_t {};
template <int... Axes> inline constexpr axes_t<Axes...> axes{};

namespace detail {

// Which of `rank` dimensions are named; `valid` is false if one is named twice or does not exist.
struct axis_set {
  bool valid = true, reduced[max_expression_rank] = {};
  int count = 0;
};
template <int... Axes> constexpr axis_set axes_of(axes_t<Axes...>, int rank) noexcept {
  axis_set set;
  for (int axis : {Axes...}) {
    int const d = axis < 0 ? axis + rank : axis;
    if (d < 0 || d >= rank || set.reduced[d]) {
      set.valid = false;
      continue;
    }
    set.reduced[d] = true;
    ++set.count;
  }
  return set;
}

} // namespace detail

/// A reduction along axes, to be assigned: `y = sum(e, axes<0, 2>)`.
template <class Op, class E, class Axes> struct reduction_node {
  using expression_tag = void;
  using inner_shape = typename E::shape_type;
  static constexpr bool is_reduction = true;
  static constexpr int rank = inner_shape::rank;
  static_assert(rank <= max_expression_rank,
                "ia_nn: expressions take tensors of up to 8 dimensions");
  static constexpr detail::axis_set set = detail::axes_of(Axes{}, rank);
  static_assert(
      set.valid,
      "ia_nn: an axis of the reduction does not exist in the expression or is named twice");
  static_assert(
      E::computed == 0,
      "ia_nn: a matrix product cannot be reduced in registers; assign it to a tensor first");

  E inner;
};

namespace detail {

/// The extents of an expression by its leaves. Errors: errc::bad_shape.
template <class E> void extents_of(E const& e, index_t* extent) {
  constexpr int rank = E::shape_type::rank;
  for (int d = 0; d < rank; ++d) extent[d] = 1;
  e.template each_leaf<0>([&](auto index, auto const& leaf) {
    auto const& v = leaf.view;
    constexpr int own = std::remove_cvref_t<decltype(v)>::rank;
    for (int d = 0; d < own; ++d) {
      index_t& n = extent[d + rank - own];
      if (n == 1) n = v.extent(d);
      else if (v.extent(d) != 1 && v.extent(d) != n)
        throw_no_broadcast(decltype(index)::value, v.extents().to_string(),
                           "the other operands' " + extents_to_string(extent, rank));
    }
  });
}

/// Kept loops first, then the reduced ones, each in the order of memory, and the loop for the lanes
/// last. `kept` counts the loops before the reduced ones; `across`: the last loop is a kept one
/// too.
template <int Count> struct reduce_plan {
  loop_nest<Count> nest;
  int kept = 0;
  bool across = false;
};

// The leaf that decides about the order: the one with the fewest stretched dimensions.
template <int Count> int reference_of(loop_nest<Count> const& nest) noexcept {
  int best = Count > 1 ? 1 : 0, most = -1;
  for (int k = 1; k < Count; ++k) {
    int steps = 0;
    for (int d = 0; d < nest.rank; ++d) steps += nest.operands[k].stride[d] != 0;
    if (steps > most) most = steps, best = k;
  }
  return best;
}

template <int Count> void arrange(reduce_plan<Count>& plan, int kept) noexcept {
  auto& nest = plan.nest;
  int const reference = reference_of(nest);
  plan.kept = collapse(nest, 0, kept, reference);
  collapse(nest, plan.kept, nest.rank, reference);
  auto const& stride = nest.operands[reference].stride;
  bool const reduces = nest.rank > plan.kept;
  plan.across = plan.kept > 0 && reduces &&
                magnitude_of(stride[plan.kept - 1]) < magnitude_of(stride[nest.rank - 1]);
  if (plan.across) {
    for (int d = plan.kept - 1; d + 1 < nest.rank; ++d) nest.exchange(d, d + 1);
    --plan.kept;
  }
  if (!reduces) nest.append(1);
}

template <isa::tag I, class Op, class E, class Executor>
f32 reduce_all(E const& e, Executor& executor) {
  static_assert(E::shape_type::rank <= max_expression_rank,
                "ia_nn: expressions take tensors of up to 8 dimensions");
  static_assert(
      E::computed == 0,
      "ia_nn: a matrix product cannot be reduced in registers; assign it to a tensor first");
  using kernel = reduce_kernel<vec<f32, I>, Op, E>;
  constexpr int rank = E::shape_type::rank, leaves = E::leaves;
  isa::require<typename vec_tag<I>::type>();
  index_t extent[at_least_one(rank)], size = 1;
  extents_of(e, extent);
  reduce_plan<leaves + 1> plan;
  auto& nest = plan.nest;
  for (int d = 0; d < rank; ++d) size *= nest.extent[d] = extent[d];
  nest.rank = rank;
  f32 result = Op::identity;
  auto& to = nest.operands[0]; // stands where it is
  to.data = reinterpret_cast<unsigned char const*>(&result);
  to.element = sizeof(f32);
  for (int d = 0; d < rank; ++d) to.stride[d] = 0;
  e.template each_leaf<0>([&](auto index, auto const& leaf) {
    add_operand(nest, decltype(index)::value + 1, leaf.view, extent, rank);
  });
  if (size == 0) return Op::finish(result, 0.0F);
  check_memory(nest, false);
  arrange(plan, 0);
  unsigned char const* base[leaves + 1];
  for (int k = 0; k <= leaves; ++k) base[k] = nest.operands[k].data;

  constexpr int most = 256; // parts, by size alone; their totals are added in order
  double part[most];
  int const parts = static_cast<int>(min_of(most, ceil_div(size, 2 * part_elements)));
  executor.parallel_for(parts, [&](index_t task, int) {
    block const b = block_of(size, parts, static_cast<int>(task), part_elements);
    auto runs = kernel::runs_of(nest);
    part[task] = kernel::range(e, nest, runs, 0, base, b.begin, b.end);
  });
  double total = static_cast<double>(Op::identity);
  for (int i = 0; i < parts; ++i) total = Op::total(total, part[i]);
  return static_cast<f32>(Op::finish(total, static_cast<double>(size)));
}

template <isa::tag I, class Op, class E, class Axes, class T, class Shape, class Layout,
          class Executor>
void reduce_along(tensor_view<T, Shape, Layout> const& y, reduction_node<Op, E, Axes> const& r,
                  Executor& executor) {
  using node = reduction_node<Op, E, Axes>;
  constexpr int rank = node::rank, leaves = E::leaves;
  constexpr bool keeps = Shape::rank == rank;
  using position = odometer<leaves + 1>;
  static_assert(
      keeps || Shape::rank == rank - node::set.count,
      "ia_nn: the destination of a reduction has as many dimensions as the expression, or "
      "fewer by the number of axes");
  using kernel = reduce_kernel<vec<f32, I>, Op, E>;
  isa::require<typename vec_tag<I>::type>();
  index_t extent[at_least_one(rank)];
  extents_of(r.inner, extent);

  // Dimensions in two groups, those of y first.
  int order[at_least_one(rank)], of_y[at_least_one(rank)], kept = 0, next = 0;
  bool fits = true;
  for (int d = 0; d < rank; ++d) {
    bool const reduced = node::set.reduced[d];
    of_y[d] = keeps || !reduced ? next++ : -1;
    if (of_y[d] >= 0) fits = fits && y.extent(of_y[d]) == (reduced ? 1 : extent[d]);
    if (!reduced) order[kept++] = d;
  }
  if (!fits)
    throw_error(errc::bad_shape, "reduction: the destination's shape " + y.extents().to_string() +
                                     " does not follow from the expression's " +
                                     extents_to_string(extent, rank));
  for (int d = 0, at = kept; d < rank; ++d)
    if (node::set.reduced[d]) order[at++] = d;

  index_t results = 1, count = 1;
  for (int i = 0; i < rank; ++i) (i < kept ? results : count) *= extent[order[i]];
  if (results == 0) return;
  if (count == 0) {
    eval<I>(y, Op::finish(Op::identity, 0.0F), executor);
    return;
  }
  loop_nest<leaves + 1> all; // in the expression's order
  all.rank = rank;
  for (int d = 0; d < rank; ++d) all.extent[d] = extent[d];
  r.inner.template each_leaf<0>([&](auto index, auto const& leaf) {
    add_operand(all, decltype(index)::value + 1, leaf.view, extent, rank);
  });
  auto& to = all.operands[0];
  to.data = reinterpret_cast<unsigned char const*>(y.data());
  to.element = static_cast<index_t>(sizeof(T));
  for (int d = 0; d < rank; ++d)
    to.stride[d] = node::set.reduced[d] || extent[d] == 1 ? 0 : y.stride(of_y[d]) * to.element;
  if constexpr (!dense_layout<Layout>) {
    index_t e[at_least_one(Shape::rank)], s[at_least_one(Shape::rank)];
    for (int d = 0; d < Shape::rank; ++d) e[d] = y.extent(d), s[d] = y.stride(d);
    check_destination(e, s, Shape::rank);
  }
  check_memory(all, false);
  reduce_plan<leaves + 1> plan;
  auto& nest = plan.nest;
  nest = all;
  for (int i = 0; i < rank; ++i) {
    nest.extent[i] = all.extent[order[i]];
    for (int k = 0; k <= leaves; ++k) nest.operands[k].stride[i] = all.operands[k].stride[order[i]];
  }
  arrange(plan, kept);

  int const from = plan.kept;
  unsigned char const* base[leaves + 1];
  for (int k = 0; k <= leaves; ++k) base[k] = nest.operands[k].data;
  index_t const lanes = plan.across ? nest.inner() : 1;
  index_t const blocks = plan.across ? ceil_div(lanes, kernel::block) : 1;
  index_t const tasks = results / lanes * blocks;
  index_t const work = count * (plan.across ? kernel::block : 1);
  parallel_blocks(
      executor, tasks, ceil_div(elements_per_task, work), [&](index_t begin, index_t end, int) {
        position row(nest, 0, from, base, begin / blocks);
        auto runs = kernel::runs_of(nest);
        for (index_t part = begin % blocks; begin < end; ++begin) {
          if (plan.across) {
            index_t const first = part * kernel::block;
            kernel::template across<T>(r.inner, nest, runs, from, row.at, first,
                                       min_of(kernel::block, lanes - first), count);
          } else {
            double const total = kernel::range(r.inner, nest, runs, from, row.at, 0, count);
            f32 const value = static_cast<f32>(Op::finish(total, static_cast<double>(count)));
            vec<f32, isa::scalar>{value}.store(
                reinterpret_cast<T*>(const_cast<unsigned char*>(row.at[0])));
          }
          if (++part == blocks) part = 0, row.next();
        }
      });
}

template <class Op, isa::tag I, class E> f32 reduce_here(E const& e) {
  sequential here;
  return reduce_all<I, Op>(as_node(e), here);
}
template <class Op, class E, int... Axes>
constexpr auto make_reduction(E const& e, axes_t<Axes...>) noexcept {
  return reduction_node<Op, node_t<E>, axes_t<Axes...>>{as_node(e)};
}

} // namespace detail

/// y = reduction, see the head of this file. y must not overlap an operand. The bits are the same
/// for any executor; they may differ between instruction sets of different width.
/// Errors: errc::bad_shape, errc::bad_pointer, errc::overlap, errc::unsupported_isa.
template <isa::tag I = isa::native, class Y, class Op, class E, class Axes, executor Executor>
  requires detail::is_tensor<std::remove_cvref_t<Y>>
void eval(Y&& y, reduction_node<Op, E, Axes> const& r, Executor& executor) {
  auto const to = detail::view_of(y);
  static_assert(!std::is_const_v<std::remove_pointer_t<decltype(to.data())>>,
                "ia_nn: the destination of an expression is a view of const elements");
  detail::reduce_along<I>(to, r, executor);
}

/// The sum of all elements. Errors: errc::bad_shape, errc::bad_pointer, errc::unsupported_isa.
template <isa::tag I = isa::native, class E>
  requires expression_operands<E>
f32 sum(E const& e) {
  return detail::reduce_here<detail::sum_of, I>(e);
}
template <isa::tag I = isa::native, class E, executor Executor>
  requires expression_operands<E>
f32 sum(E const& e, Executor& executor) {
  return detail::reduce_all<I, detail::sum_of>(as_node(e), executor);
}
template <class E, int... Axes>
  requires expression_operands<E>
constexpr auto sum(E const& e, axes_t<Axes...> a) noexcept {
  return detail::make_reduction<detail::sum_of>(e, a);
}

/// The mean of all elements: their sum divided by their number.
template <isa::tag I = isa::native, class E>
  requires expression_operands<E>
f32 mean(E const& e) {
  return detail::reduce_here<detail::mean_of, I>(e);
}
template <isa::tag I = isa::native, class E, executor Executor>
  requires expression_operands<E>
f32 mean(E const& e, Executor& executor) {
  return detail::reduce_all<I, detail::mean_of>(as_node(e), executor);
}
template <class E, int... Axes>
  requires expression_operands<E>
constexpr auto mean(E const& e, axes_t<Axes...> a) noexcept {
  return detail::make_reduction<detail::mean_of>(e, a);
}

/// The largest of all elements; NaN if there is one.
template <isa::tag I = isa::native, class E>
  requires expression_operands<E>
f32 max(E const& e) {
  return detail::reduce_here<detail::max_of_all, I>(e);
}
template <isa::tag I = isa::native, class E, executor Executor>
  requires expression_operands<E>
f32 max(E const& e, Executor& executor) {
  return detail::reduce_all<I, detail::max_of_all>(as_node(e), executor);
}
template <class E, int... Axes>
  requires expression_operands<E>
constexpr auto max(E const& e, axes_t<Axes...> a) noexcept {
  return detail::make_reduction<detail::max_of_all>(e, a);
}

/// The smallest of all elements; NaN if there is one.
template <isa::tag I = isa::native, class E>
  requires expression_operands<E>
f32 min(E const& e) {
  return detail::reduce_here<detail::min_of_all, I>(e);
}
template <isa::tag I = isa::native, class E, executor Executor>
  requires expression_operands<E>
f32 min(E const& e, Executor& executor) {
  return detail::reduce_all<I, detail::min_of_all>(as_node(e), executor);
}
template <class E, int... Axes>
  requires expression_operands<E>
constexpr auto min(E const& e, axes_t<Axes...> a) noexcept {
  return detail::make_reduction<detail::min_of_all>(e, a);
}

namespace detail {

// Found by the argument's type, which has friends named as the reductions here.
template <class V> IA_NN_INLINE f32 lanes_total(V v) noexcept { return sum(v); }

/// Two short vectors, one element behind the other. The general path takes 35 ns to find that out.
template <isa::tag I> f32 short_dot(f32 const* a, f32 const* b, index_t n) noexcept {
  using V = vec<f32, I>;
  V total[4] = {V::zero(), V::zero(), V::zero(), V::zero()};
  index_t i = 0;
  for (; i + 4 * V::size <= n; i += 4 * V::size) {
    IA_NN_UNROLL
    for (int k = 0; k < 4; ++k)
      total[k] = fma(V::load(a + i + k * V::size), V::load(b + i + k * V::size), total[k]);
  }
  for (; i + V::size <= n; i += V::size)
    total[0] = fma(V::load(a + i), V::load(b + i), total[0]);
  if (i < n) total[1] = fma(V::load(a + i, n - i), V::load(b + i, n - i), total[1]);
  V const all = (total[0] + total[1]) + (total[2] + total[3]);
  return lanes_total(all);
}

// A view of f32 along its only dimension, or of a tensor of one.
template <class T>
concept plain_vector = requires(T const& t) {
  { t.data() } -> std::convertible_to<f32 const*>;
  typename T::layout_type;
} && std::same_as<typename T::layout_type, row_major> && T::rank == 1;

} // namespace detail

/// The sum of products of two operands, each product fused into the sum.
template <isa::tag I = isa::native, class A, class B>
  requires expression_operands<A, B>
f32 dot_product(A const& a, B const& b) {
  if constexpr (detail::plain_vector<A> && detail::plain_vector<B>)
    if (a.extent(0) == b.extent(0) && a.extent(0) <= 4 * detail::deep * vec<f32, I>::size) {
      isa::require<typename detail::vec_tag<I>::type>();
      // Where 8 lanes hold everything, wider registers would wait for stores narrower than they.
      using narrow = std::conditional_t<isa::has<I, isa::avx512>, isa::avx2, I>;
      return a.extent(0) <= 8 ? detail::short_dot<narrow>(a.data(), b.data(), a.extent(0))
                              : detail::short_dot<I>(a.data(), b.data(), a.extent(0));
    }
  return sum<I>(a * b);
}
template <isa::tag I = isa::native, class A, class B, executor Executor>
  requires expression_operands<A, B>
f32 dot_product(A const& a, B const& b, Executor& executor) {
  return sum<I>(a * b, executor);
}

IA_NN_END

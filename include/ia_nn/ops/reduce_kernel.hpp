// SPDX-License-Identifier: Apache-2.0
//
// The loops of reductions. Lanes run along the dimension that is contiguous in memory, so there are
// two kinds:
//
//   along    that dimension is reduced: four registers accumulate side by side, the rest of a run
//            goes to the first of them, and lanes are folded at the end
//   across   that dimension stays: four registers of neighbouring results walk down the reduced
//            dimensions together
//
// Order of summation: it depends on shapes, strides and the number of lanes, never on threads. An
// accumulator takes 64 numbers in a row, and three more at the end of a run; then the four (along),
// or each of them (across), are a term of a long_sum. So a sum is off by at most 76 * 2^-24 of the
// sum of magnitudes, however long it is: 66 additions of an accumulator, 2 of four, 4 of lanes, and
// the roundings of the long_sum, of the total and of a mean. The parts of a reduction over
// everything are added in their order, in f64. A sum beyond 3.4e38 is infinite.
#pragma once

#include <ia_nn/math/long_sum.hpp>
#include <ia_nn/ops/expr_lanes.hpp>

#include <ia_nn/begin.hpp>

namespace detail {

inline constexpr index_t part_elements = 8192, deep = 64;

struct sum_of {
  static constexpr f32 identity = 0.0F;
  template <class V> using of_many = long_sum<V>;
  template <class V> static IA_NN_INLINE V combine(V a, V b) noexcept { return a + b; }
  template <class V> static IA_NN_INLINE f32 fold(V a) noexcept { return sum(a); }
  static double total(double a, double b) noexcept { return a + b; }
  template <class T> static IA_NN_INLINE T finish(T a, T) noexcept { return a; }
};
struct mean_of : sum_of {
  template <class T> static IA_NN_INLINE T finish(T a, T count) noexcept { return a / count; }
};
template <class V, class Op> struct extreme_of_many {
  V most = V::broadcast(Op::identity);
  IA_NN_INLINE void add(V x) noexcept { most = Op::combine(most, x); }
  IA_NN_INLINE V value() const noexcept { return most; }
};
struct max_of_all {
  template <class V> using of_many = extreme_of_many<V, max_of_all>;
  static constexpr f32 identity = -__builtin_inff();
  template <class V> static IA_NN_INLINE V combine(V a, V b) noexcept { return maximum(a, b); }
  template <class V> static IA_NN_INLINE f32 fold(V a) noexcept { return highest(a); }
  static double total(double a, double b) noexcept { return a != a || a > b ? a : b; }
  template <class T> static IA_NN_INLINE T finish(T a, T) noexcept { return a; }
};
struct min_of_all {
  template <class V> using of_many = extreme_of_many<V, min_of_all>;
  static constexpr f32 identity = __builtin_inff();
  template <class V> static IA_NN_INLINE V combine(V a, V b) noexcept { return minimum(a, b); }
  template <class V> static IA_NN_INLINE f32 fold(V a) noexcept { return lowest(a); }
  static double total(double a, double b) noexcept { return a != a || a < b ? a : b; }
  template <class T> static IA_NN_INLINE T finish(T a, T) noexcept { return a; }
};

/// A position in loops [first, last) of a nest, with the addresses of all operands there.
template <int Count> class odometer {
public:
  odometer(loop_nest<Count> const& nest, int first, int last, unsigned char const* const* base,
           index_t number) noexcept
      : nest_(nest), first_(first), last_(last) {
    for (int k = 0; k < Count; ++k) at[k] = base[k];
    for (int d = last - 1; d >= first && number > 0; --d) { // divisions are slow, most starts are 0
      index_[d] = number % nest.extent[d];
      number /= nest.extent[d];
      move(d, index_[d]);
    }
  }
  void next() noexcept {
    for (int d = last_ - 1; d >= first_; --d) {
      if (++index_[d] < nest_.extent[d]) return move(d, 1);
      move(d, 1 - nest_.extent[d]);
      index_[d] = 0;
    }
  }

  unsigned char const* at[Count];

private:
  void move(int d, index_t steps) noexcept {
    for (int k = 0; k < Count; ++k) at[k] += steps * nest_.operands[k].stride[d];
  }

  loop_nest<Count> const& nest_;
  int first_, last_;
  index_t index_[max_expression_rank + 1] = {};
};

template <class V, class Op, class E> struct reduce_kernel {
  static constexpr int leaves = E::leaves, width = 4;
  static constexpr index_t block = width * V::size;
  using nest_type = loop_nest<leaves + 1>; // operand 0 is the destination
  using pointers = run_pointers<leaves>;
  using runs_type = leaf_runs<V, E>;

  // acc op value; a sum of products is a chain of fma.
  template <class Context>
  static IA_NN_INLINE V step(E const& e, Context const& context, V acc) noexcept {
    if constexpr (is_product<E> && std::derived_from<Op, sum_of>)
      return fma_of<V, 0>(e, context, acc);
    else return Op::combine(acc, e.template value<V, 0>(context));
  }
  static runs_type runs_of(nest_type const& nest) noexcept {
    index_t stride[at_least_one(leaves)], element[at_least_one(leaves)];
    for (int k = 0; k < leaves; ++k) {
      stride[k] = nest.operands[k + 1].stride[nest.rank - 1];
      element[k] = nest.operands[k + 1].element;
    }
    return runs_type(stride, element);
  }

  // ---- along ----

  // Elements [i, n) of a run but the last n % V::size.
  template <class Lanes>
  static IA_NN_INLINE void accumulate(E e, pointers p, V (&total)[width], index_t i,
                                      index_t n) noexcept {
    constexpr int size = V::size;
    V acc[width];
    IA_NN_UNROLL
    for (int u = 0; u < width; ++u) acc[u] = total[u];
    for (; i + width * size <= n; i += width * size) {
      IA_NN_UNROLL
      for (int u = 0; u < width; ++u) acc[u] = step(e, Lanes{p, i + u * size}, acc[u]);
    }
    for (; i + size <= n; i += size) acc[0] = step(e, Lanes{p, i}, acc[0]);
    IA_NN_UNROLL
    for (int u = 0; u < width; ++u) total[u] = acc[u];
  }
  // What n elements add to the first accumulator, which gets most.
  static constexpr index_t steps_of(index_t n) noexcept {
    return n / block + ceil_div(n % block, V::size);
  }
  static constexpr index_t chunk = deep * block;
  // The last lanes: those behind the end may hold any value of the expression and are left out.
  static IA_NN_INLINE void accumulate_tail(E const& e, pointers const& p, V (&acc)[width],
                                           index_t i, index_t n) noexcept {
    lanes<false> const at{n};
    acc[0] = at.keep(step(e, step_lanes<leaves, false>{p, i, at}, acc[0]), acc[0]);
  }

  // One whole run of leaves that all advance, short enough to need no flush: the rows of a matrix.
  static IA_NN_INLINE double one_run(E e, unsigned char const* const* base, index_t n) noexcept {
    constexpr int size = V::size;
    pointers p;
    for (int k = 0; k < leaves; ++k) p.data[k] = base[k + 1], p.mask[k] = -1;
    V acc[width];
    IA_NN_UNROLL
    for (int u = 0; u < width; ++u) acc[u] = V::broadcast(Op::identity);
    accumulate<unit_lanes<leaves>>(e, p, acc, 0, n);
    if (index_t const rest = n % size; rest > 0) accumulate_tail(e, p, acc, n - rest, rest);
    return total_of(folded(acc));
  }
  static IA_NN_INLINE V folded(V (&acc)[width]) noexcept {
    return Op::combine(Op::combine(acc[0], acc[1]), Op::combine(acc[2], acc[3]));
  }
  static IA_NN_INLINE double total_of(V all) noexcept {
    return Op::total(static_cast<double>(Op::identity), static_cast<double>(Op::fold(all)));
  }

  /// Elements [begin, end) of loops [first, rank), numbered in their order, from `base` on.
  static IA_NN_NOINLINE double range(E const& e, nest_type const& nest, runs_type& runs, int first,
                                     unsigned char const* const* base, index_t begin,
                                     index_t end) noexcept {
    index_t const n = nest.inner();
    if (runs.all_unit() && begin == 0 && end == n && n <= chunk) return one_run(e, base, n);
    index_t const piece = runs.any_gather() ? gather_chunk : part_elements;
    odometer<leaves + 1> row(nest, first, nest.rank - 1, base, begin == 0 ? 0 : begin / n);
    typename Op::template of_many<V> all;
    V acc[width];
    index_t steps = 0;
    auto const clear = [&] {
      for (V& a : acc) a = V::broadcast(Op::identity);
    };
    clear();
    index_t at = begin == 0 ? 0 : begin % n;
    for (; begin < end; row.next(), at = 0) {
      index_t const stop = min_of(n, at + (end - begin));
      begin += stop - at;
      for (bool fresh = true; at < stop; at += piece, fresh = false) {
        index_t const count = min_of(piece, stop - at), whole = count - count % V::size;
        runs.point(e, row.at + 1, at, count, fresh);
        for (index_t i = 0; i < count; i += chunk) {
          index_t const to = min_of(count, i + chunk);
          if (steps + steps_of(to - i) > deep + width - 1) all.add(folded(acc)), clear(), steps = 0;
          steps += steps_of(to - i);
          if (runs.all_unit()) accumulate<unit_lanes<leaves>>(e, runs.pointers, acc, i, to);
          else accumulate<step_lanes<leaves>>(e, runs.pointers, acc, i, to);
        }
        if (whole < count) accumulate_tail(e, runs.pointers, acc, whole, count - whole);
      }
    }
    all.add(folded(acc));
    return total_of(all.value());
  }

  // ---- across ----

  /// Results [first, first + n) of the last loop, n <= block; loops [from, rank - 1) are reduced.
  template <class T>
  static IA_NN_NOINLINE void across(E const& e, nest_type const& nest, runs_type& runs, int from,
                                    unsigned char const* const* base, index_t first, index_t n,
                                    index_t count) noexcept {
    odometer<leaves + 1> row(nest, from, nest.rank - 1, base, 0);
    typename Op::template of_many<V> all[width];
    V acc[width];
    for (index_t done = 0; done < count;) {
      index_t const stop = min_of(count, done + deep);
      for (V& a : acc) a = V::broadcast(Op::identity);
      for (; done < stop; ++done, row.next()) {
        runs.point(e, row.at + 1, first, n, true);
        if (n < block) rest(e, runs.pointers, acc, n);
        else if (runs.all_unit()) rows<unit_lanes<leaves>>(e, runs.pointers, acc);
        else rows<step_lanes<leaves>>(e, runs.pointers, acc);
      }
      for (int u = 0; u < width; ++u) all[u].add(acc[u]);
    }
    index_t const y_stride = nest.operands[0].stride[nest.rank - 1];
    auto* const place = const_cast<unsigned char*>(base[0]) + first * y_stride;
    bool const unit = y_stride == static_cast<index_t>(sizeof(T));
    T copy[block];
    T* const y = unit ? reinterpret_cast<T*>(place) : copy;
    V const divisor = V::broadcast(static_cast<f32>(count));
    for (int u = 0; u < width && u * V::size < n; ++u)
      Op::finish(all[u].value(), divisor).store(y + u * V::size, n - u * V::size);
    if (!unit)
      for (index_t i = 0; i < n; ++i) *reinterpret_cast<T*>(place + i * y_stride) = copy[i];
  }

private:
  template <class Lanes> static IA_NN_INLINE void rows(E e, pointers p, V (&acc)[width]) noexcept {
    IA_NN_UNROLL
    for (int u = 0; u < width; ++u) acc[u] = step(e, Lanes{p, u * V::size}, acc[u]);
  }
  static void rest(E const& e, pointers const& p, V (&acc)[width], index_t n) noexcept {
    for (int u = 0; u < width && u * V::size < n; ++u)
      acc[u] = step(e, step_lanes<leaves, false>{p, u * V::size, n - u * V::size}, acc[u]);
  }
};

} // namespace detail

IA_NN_END

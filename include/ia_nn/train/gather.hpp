// SPDX-License-Identifier: Apache-2.0
//
// Gradients of row_gather (ops/gather.hpp) and of bag_embedding (ops/embedding_bag.hpp): each row of what
// was read gets the sum of what its copies, or its bags, got.
//
//   gather   diff_src[o][ index[j] ][i] = sum over j of diff_dst[o][j][i]
//   sum      diff_table[ indices[i] ] += diff_dst[b]
//   mean     the same, divided by the length of the bag
//   max      each column of diff_dst[b] goes to the first row of the bag that has the maximum; a NaN is one
//
// Tasks have columns of their own, and add in the order of the indices: one f32 addition for each, and the
// same bits for any number of threads.
#pragma once

#include <ia_nn/ops/embedding_bag_kind.hpp>
#include <ia_nn/ops/gather.hpp>
#include <ia_nn/train/embedding.hpp>

#include <ia_nn/begin.hpp>

/// Errors at construction: errc::bad_shape for extents below 1, errc::unsupported_isa.
template <isa::tag I> class gather_backward {
  using V = vec<f32, I>;

public:
  gather_backward(index_t outer, index_t n, index_t inner) : outer_(outer), n_(n), inner_(inner) {
    isa::require<typename detail::vec_tag<I>::type>();
    detail::check_positive("gather_backward", "outer", outer);
    detail::check_positive("gather_backward", "n", n);
    detail::check_positive("gather_backward", "inner", inner);
  }
  /// diff_dst [outer][count][inner], diff_src [outer][n][inner]; indices (count) in [-n, n).
  template <std::integral Index, executor E = sequential>
  void run(index_t count, Index const* indices, f32 const* diff_dst, gradient diff_src, E&& e = {}) const noexcept {
    if (!diff_src) return;
    index_t const columns = min_of(inner_, 256), blocks = ceil_div(inner_, columns);
    parallel_blocks(e, outer_ * blocks, ceil_div(detail::elements_of_task, columns * (count + n_)),
                    [&](index_t begin, index_t end, int) {
                      for (index_t t = begin; t < end; ++t) {
                        index_t const o = t / blocks, first = t % blocks * columns;
                        index_t const last = min_of(first + columns, inner_);
                        f32* const to = diff_src.data + o * n_ * inner_;
                        f32 const* const from = diff_dst + o * count * inner_;
                        for (index_t r = 0; !diff_src.add && r < n_; ++r)
                          for (index_t c = first; c < last; ++c) to[r * inner_ + c] = 0;
                        for (index_t j = 0; j < count; ++j) {
                          f32* const row = to + detail::counted(indices[j], n_, "gather_backward") * inner_;
                          detail::each_register<V>(first, last, [&](index_t c, auto at) IA_NN_LAMBDA {
                            at.store(at.template load<V>(row + c) + at.template load<V>(from + j * inner_ + c), row + c);
                          });
                        }
                      }
                    });
  }

private:
  index_t outer_, n_, inner_;
};

/// Of bags without weights. Errors at construction: errc::bad_shape for rows or width below 1,
/// errc::unsupported_isa.
template <isa::tag I> class embedding_bag_backward {
  using V = vec<f32, I>;

public:
  embedding_bag_backward(bag_kind kind, index_t rows, index_t width) : kind_(kind), rows_(rows), width_(width) {
    isa::require<typename detail::vec_tag<I>::type>();
    detail::check_embedding("embedding_bag_backward", {rows, width});
  }
  /// offsets (bags) and indices (count) as in `run` of bag_embedding; offsets null: bags of count / bags.
  /// table [rows][width], for maxima; diff_dst [bags][diff_ld]; diff_table [rows][width].
  template <std::integral Index, executor E = sequential>
  void run(index_t bags, Index const* offsets, index_t count, Index const* indices, f32 const* table,
           f32 const* diff_dst, index_t diff_ld, gradient diff_table, E&& e = {}) const noexcept {
    if (!diff_table) return;
    IA_NN_ASSERT(kind_ != bag_kind::max || table, "embedding_bag_backward: maxima are found in the table");
    index_t const groups = ceil_div(width_, V::size), length = bags > 0 ? count / bags : 0;
    parallel_blocks(e, groups, ceil_div(detail::elements_of_task, (count + rows_) * V::size),
                    [&](index_t begin, index_t end, int) {
                      detail::each_register<V>(begin * V::size, min_of(end * V::size, width_), [&](index_t c, auto at) IA_NN_LAMBDA {
                        for (index_t r = 0; !diff_table.add && r < rows_; ++r) at.store(V::zero(), diff_table.data + r * width_ + c);
                        for (index_t b = 0; b < bags; ++b) {
                          index_t const first = offsets ? static_cast<index_t>(offsets[b]) : b * length;
                          index_t const last = !offsets ? first + length : b + 1 < bags ? static_cast<index_t>(offsets[b + 1]) : count;
                          one_bag(at, c, first, last, indices, table, at.template load<V>(diff_dst + b * diff_ld + c), diff_table.data);
                        }
                      });
                    });
  }

private:
  template <class Index, bool Whole>
  IA_NN_INLINE void one_bag(detail::lanes<Whole> at, index_t c, index_t first, index_t last, Index const* indices,
                            f32 const* table, V diff, f32* to) const noexcept {
    auto const row = [&](index_t i) IA_NN_LAMBDA {
      index_t const r = static_cast<index_t>(indices[i]);
      IA_NN_ASSERT(r >= 0 && r < rows_, "embedding_bag_backward: index ", r, ", the table has ", rows_, " rows");
      return r * width_ + c;
    };
    if (first == last) return;
    if (kind_ == bag_kind::mean) diff = diff / V::broadcast(static_cast<f32>(last - first));
    V place = V::zero(); // of the maximum in the bag; bags have less than 2^24 rows
    if (kind_ == bag_kind::max) {
      V most = at.template load<V>(table + row(first));
      for (index_t i = first + 1; i < last; ++i) {
        V const x = at.template load<V>(table + row(i)), here = V::broadcast(static_cast<f32>(i - first));
        V const if_nan = select(most == most, here, place); // the first NaN
        place = select(x == x, select(most < x, here, place), if_nan);
        most = detail::maximum(most, x);
      }
    }
    for (index_t i = first; i < last; ++i) {
      V part = diff;
      if (kind_ == bag_kind::max) part = select(place == V::broadcast(static_cast<f32>(i - first)), diff, V::zero());
      f32* const sum = to + row(i);
      at.store(at.template load<V>(sum) + part, sum);
    }
  }

  bag_kind kind_;
  index_t rows_, width_;
};

IA_NN_END

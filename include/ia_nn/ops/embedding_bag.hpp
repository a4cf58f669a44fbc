// SPDX-License-Identifier: Apache-2.0
//
// Rows of a table that are summed, averaged or compared, a bag of indices to one row:
//
//   dst[b] = sum, mean or maximum over i in [offsets[b], offsets[b + 1]) of table[ indices[i] ]
//
// The last bag ends with the indices. An empty bag gives 0. A NaN wins a maximum. Sums are f32, in the order
// of the indices, one addition for each: the error is (length + 1) 2^-24 of the sum of |row|. The rows that
// come next are asked for early.
#pragma once

#include <ia_nn/arch/cpu.hpp>
#include <ia_nn/arch/lanes.hpp>
#include <ia_nn/ops/embedding.hpp>
#include <ia_nn/ops/embedding_bag_kind.hpp>

#include <ia_nn/begin.hpp>

/// Errors at construction: those of embedding. `check` throws errc::bad_parameter for an index that is no
/// row and for offsets that do not rise from 0 to at most `count`; `run` trusts both.
template <isa::tag I> class bag_embedding {
  using V = vec<f32, I>;

public:
  bag_embedding(bag_kind kind, embedding_table<f32> const& table) : kind_(kind), rows_(table), table_(table) {
    isa::require<typename detail::vec_tag<I>::type>();
    if (table_.stride == 0) table_.stride = table_.width;
  }
  index_t width() const noexcept { return table_.width; }

  template <std::integral Index>
  void check(index_t bags, Index const* offsets, index_t count, Index const* indices) const {
    rows_.check(count, indices);
    for (index_t b = 0; b < bags; ++b) {
      bool const rises = b == 0 ? offsets[0] == 0 : std::cmp_less_equal(offsets[b - 1], offsets[b]);
      if (!rises || std::cmp_greater(offsets[b], count))
        throw_error(errc::bad_parameter, "embedding_bag: offset " + std::to_string(b) + " is " +
                                             std::to_string(offsets[b]) + " of " + std::to_string(count) +
                                             " indices; offsets begin with 0 and do not fall");
    }
  }
  /// dst [bags][dst_ld]. weights [count], null: 1, multiply the rows of a sum.
  template <std::integral Index, executor E = sequential>
  void run(index_t bags, Index const* offsets, index_t count, Index const* indices, f32 const* weights,
           f32* dst, index_t dst_ld, E&& e = {}) const noexcept {
    run_bags(bags, count, indices, weights, dst, dst_ld, e, [&](index_t b) {
      return block{static_cast<index_t>(offsets[b]), b + 1 < bags ? static_cast<index_t>(offsets[b + 1]) : count};
    });
  }
  /// Bags of `length` indices each.
  template <std::integral Index, executor E = sequential>
  void run(index_t bags, index_t length, Index const* indices, f32* dst, index_t dst_ld, E&& e = {}) const noexcept {
    run_bags(bags, bags * length, indices, nullptr, dst, dst_ld, e,
             [&](index_t b) { return block{b * length, (b + 1) * length}; });
  }

private:
  template <class Index, class E, class F>
  void run_bags(index_t bags, [[maybe_unused]] index_t count, Index const* indices, f32 const* weights, f32* dst,
                index_t dst_ld, E& e, F const& of_bag) const noexcept {
    IA_NN_ASSERT(dst_ld >= table_.width, "embedding_bag: rows of dst ", dst_ld, " elements apart hold ", table_.width);
    IA_NN_ASSERT(!weights || kind_ == bag_kind::sum, "embedding_bag: weights are for sums");
    parallel_blocks(e, bags, ceil_div(2048, table_.width), [&](index_t begin, index_t end, int) {
      for (index_t b = begin; b < end; ++b) {
        block const own = of_bag(b);
        IA_NN_ASSERT(own.begin >= 0 && own.begin <= own.end && own.end <= count, "embedding_bag: offsets of bag ", b);
        one_bag(own, indices, weights, dst + b * dst_ld);
      }
    });
  }
  template <class Index> f32 const* row(Index i) const noexcept {
    index_t const r = static_cast<index_t>(i);
    IA_NN_ASSERT(r >= 0 && r < table_.rows, "embedding_bag: index ", r, ", the table has ", table_.rows, " rows");
    return table_.data + r * table_.stride;
  }
  template <class Index>
  void one_bag(block own, Index const* indices, f32 const* weights, f32* dst) const noexcept {
    V const length = V::broadcast(static_cast<f32>(own.size()));
    detail::each_register<V>(0, table_.width, [&](index_t c, auto at) IA_NN_LAMBDA {
      V total = V::zero();
      for (index_t i = own.begin; i < own.end; ++i) {
        if (i + 4 < own.end) __builtin_prefetch(row(indices[i + 4]) + c);
        V const x = at.template load<V>(row(indices[i]) + c);
        if (kind_ == bag_kind::max) total = i == own.begin ? x : detail::maximum(total, x);
        else total = weights ? fma(x, V::broadcast(weights[i]), total) : total + x;
      }
      if (kind_ == bag_kind::mean && !own.empty()) total = total / length;
      at.store(total, dst + c);
    });
  }

  bag_kind kind_;
  embedding<f32> rows_; ///< for its checks
  embedding_table<f32> table_;
};

IA_NN_END

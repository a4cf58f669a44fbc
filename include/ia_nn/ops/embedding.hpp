// SPDX-License-Identifier: Apache-2.0
//
// Rows of tables, chosen by indices.
//
//   dst[i][column of table t ...] = table t [ indices[t][i] ]
//
// Several tables write side by side into the rows of one matrix, as models with many categorical
// inputs want it: a concatenation without a copy of its own.
#pragma once

#include <ia_nn/core/error.hpp>
#include <ia_nn/core/executor.hpp>
#include <ia_nn/core/memory.hpp>

#include <cstring>
#include <span>
#include <utility>

#include <ia_nn/begin.hpp>

/// `rows` of `width` elements each, `stride` elements from row to row (0: width). Not owned.
template <element T> struct embedding_table {
  T const* data = nullptr;
  index_t rows = 0, width = 0, stride = 0;
};

/// Looks up rows in one or several tables. Errors at construction: errc::bad_shape (no tables, an
/// empty one, a stride below the width), errc::bad_pointer.
template <element T> class embedding {
public:
  explicit embedding(std::span<embedding_table<T> const> tables)
      : tables_(static_cast<index_t>(tables.size())), column_(tables_.size() + 1) {
    if (tables.empty()) throw_error(errc::bad_shape, "embedding: there is no table");
    for (index_t t = 0; t < tables_.size(); ++t) {
      embedding_table<T>& to = tables_[t];
      to = tables[static_cast<std::size_t>(t)];
      std::string const here = "embedding: table " + std::to_string(t);
      if (to.stride == 0) to.stride = to.width;
      if (to.rows < 1 || to.width < 1 || to.stride < to.width)
        throw_error(errc::bad_shape, here + " has " + std::to_string(to.rows) + " rows of " +
                                         std::to_string(to.width) + " elements, " +
                                         std::to_string(to.stride) + " from row to row");
      if (!to.data) throw_error(errc::bad_pointer, here + " is null");
      column_[t + 1] = column_[t] + to.width;
    }
  }
  explicit embedding(embedding_table<T> const& table)
      : embedding(std::span<embedding_table<T> const>(&table, 1)) {}

  index_t tables() const noexcept { return tables_.size(); }
  /// Elements of a row of the result: the sum of all widths.
  index_t width() const noexcept { return column_[tables()]; }
  /// Where the slice of a table begins in it.
  index_t column(index_t table) const noexcept { return column_[table]; }

  /// For set-up and for indices from outside. Errors: errc::bad_parameter for an index that is not
  /// a row of its table. indices[t] has `count` elements.
  template <std::integral Index> void check(index_t count, Index const* const* indices) const {
    for (index_t t = 0; t < tables(); ++t)
      for (index_t i = 0; i < count; ++i)
        if (!has(t, indices[t][i]))
          throw_error(errc::bad_parameter, "embedding: index " + std::to_string(i) + " of table " +
                                               std::to_string(t) + " is " +
                                               std::to_string(indices[t][i]) + ", the table has " +
                                               std::to_string(tables_[t].rows) + " rows");
  }
  template <std::integral Index> void check(index_t count, Index const* indices) const {
    check(count, &indices);
  }

  /// dst [count][dst_ld], of which width() elements per row are written. indices[t] (s32 or 64
  /// bits) has `count` elements, which must be rows of table t: `check` says whether they are.
  template <std::integral Index, executor E = sequential>
  void run(index_t count, Index const* const* indices, T* dst, index_t dst_ld,
           E&& e = {}) const noexcept {
    IA_NN_ASSERT(dst_ld >= width(), "embedding: rows of dst ", dst_ld,
                 " elements apart hold ", width());
    index_t const granule = ceil_div(8192 * tables(), width());
    parallel_blocks(e, count * tables(), granule, [&](index_t begin, index_t end, int) {
      // Table by table, so that a task reads one list of indices from front to back.
      place to = at(begin, count), next = to;
      index_t asked = begin;
      for (index_t task = begin; task < end; ++task, advance(to, count)) {
        for (; asked < end && asked < task + ahead; ++asked, advance(next, count))
          ask_for(tables_[next.table], indices[next.table][next.i]);
        index_t const row = static_cast<index_t>(indices[to.table][to.i]);
        IA_NN_ASSERT(row >= 0 && row < tables_[to.table].rows, "embedding: index ", to.i,
                     " of table ", to.table, " is ", row, ", the table has ",
                     tables_[to.table].rows, " rows");
        copy(dst + to.i * dst_ld + column_[to.table],
             tables_[to.table].data + row * tables_[to.table].stride, tables_[to.table].width);
      }
    });
  }
  template <std::integral Index, executor E = sequential>
  void run(index_t count, Index const* indices, T* dst, index_t dst_ld,
           E&& e = {}) const noexcept {
    IA_NN_ASSERT(tables() == 1, "embedding: one list of indices for ", tables(), " tables");
    run(count, &indices, dst, dst_ld, e);
  }

private:
  template <class Index> bool has(index_t t, Index i) const noexcept {
    return std::in_range<index_t>(i) && i >= 0 && static_cast<index_t>(i) < tables_[t].rows;
  }
  struct place {
    index_t table, i;
  };
  static place at(index_t task, index_t count) noexcept { return {task / count, task % count}; }
  static IA_NN_INLINE void advance(place& p, index_t count) noexcept {
    if (++p.i == count) p = {p.table + 1, 0};
  }

  // Rows lie anywhere: they are asked for so many rows early, across the bounds of tables.
  static constexpr index_t ahead = 8;
  static constexpr index_t line = 64 / static_cast<index_t>(sizeof(T));
  template <class Index>
  static IA_NN_INLINE void ask_for(embedding_table<T> const& table, Index index) noexcept {
    T const* const row = table.data + static_cast<index_t>(index) * table.stride;
    for (index_t i = 0; i < min_of(table.width, 8 * line); i += line) __builtin_prefetch(row + i);
  }
  static IA_NN_INLINE void copy(T* to, T const* from, index_t width) noexcept {
    // Short rows, for which a call of memcpy costs as much as the copy.
    for (; width >= line; width -= line, to += line, from += line)
      __builtin_memcpy(static_cast<void*>(to), from, 64);
    if (width > 0)
      std::memcpy(static_cast<void*>(to), from, static_cast<std::size_t>(width) * sizeof(T));
  }

  aligned_array<embedding_table<T>> tables_;
  aligned_array<index_t> column_;
};

IA_NN_END

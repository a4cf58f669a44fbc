// SPDX-License-Identifier: Apache-2.0
//
// Gradients of embedding tables (ops/embedding.hpp): row r of the table has the sum of those rows of
// diff_dst whose index is r.
//
//   dense    all rows of the table, most of them 0. A worker has some rows of the table, reads all
//            indices, and adds what is his, in their order
//   sparse   the rows that occur, ascending, and their sums. Indices are sorted, those of a row stay in
//            their order, and rows are shared among the workers
//
// So the bits do not depend on the number of workers. Dense sums are f32, one addition for each index;
// sparse sums of many indices are as good as those of few (math/long_sum.hpp).
#pragma once

#include <ia_nn/math/long_sum.hpp>
#include <ia_nn/train/gradient.hpp>

#include <algorithm>

#include <ia_nn/begin.hpp>

/// `rows` of `width` elements. Rows of diff_dst whose index is `ignored` count nowhere: PyTorch's
/// padding_idx.
struct embedding_backward_shape {
  index_t rows = 1, width = 1;
  index_t ignored = -1;
};

namespace detail {
inline void check_embedding(char const* who, embedding_backward_shape const& s) {
  check_positive(who, "rows", s.rows);
  check_positive(who, "width", s.width);
}
template <class Index>
IA_NN_INLINE index_t checked_row([[maybe_unused]] embedding_backward_shape const& s,
                                 Index const* indices, index_t i) noexcept {
  index_t const row = static_cast<index_t>(indices[i]);
  IA_NN_ASSERT((row >= 0 && row < s.rows) || row == s.ignored, "embedding_backward: index ", i,
               " is ", row, ", the table has ", s.rows, " rows");
  return row;
}
} // namespace detail

/// Errors at construction: errc::bad_shape for rows or width below 1, errc::unsupported_isa.
template <isa::tag I> class embedding_backward {
  using V = vec<f32, I>;

public:
  explicit embedding_backward(embedding_backward_shape const& s) : s_(s) {
    isa::require<typename detail::vec_tag<I>::type>();
    detail::check_embedding("embedding_backward", s);
  }

  /// indices (count) are rows of the table; diff_dst [count][diff_ld], width elements of each row are
  /// read; diff_table [rows][width].
  template <std::integral Index, executor E = sequential>
  void run(index_t count, Index const* indices, f32 const* diff_dst, index_t diff_ld,
           gradient diff_table, E&& e = {}) const noexcept {
    if (!diff_table) return;
    IA_NN_ASSERT(diff_ld >= s_.width, "embedding_backward: rows of diff_dst ", diff_ld,
                 " elements apart hold ", s_.width);
    index_t const width = s_.width;
    // Nothing is gained by workers that read all indices for a few sums each.
    index_t const work = ceil_div(count * width, s_.rows) + (diff_table.add ? 0 : width);
    parallel_blocks(
        e, s_.rows, ceil_div(detail::elements_of_task, max_of(work, 1)),
        [&](index_t begin, index_t end, int) {
          if (!diff_table.add)
            __builtin_memset(static_cast<void*>(diff_table.data + begin * width), 0,
                             static_cast<std::size_t>((end - begin) * width) * sizeof(f32));
          for (index_t i = 0; i < count; ++i) {
            index_t const row = detail::checked_row(s_, indices, i);
            if (row < begin || row >= end || row == s_.ignored) continue;
            f32 const* const from = diff_dst + i * diff_ld;
            f32* const to = diff_table.data + row * width;
            detail::each_register<V>(0, width, [&](index_t c, auto at) IA_NN_LAMBDA {
              at.store(at.template load<V>(to + c) + at.template load<V>(from + c), to + c);
            });
          }
        });
  }

private:
  embedding_backward_shape s_;
};

/// One `run` of sparse_embedding_backward.
template <std::integral Index> struct sparse_embedding_backward_call {
  index_t count = 0;
  Index const* indices = nullptr; ///< (count): rows of the table
  f32 const* diff_dst = nullptr;  ///< [count][diff_ld]
  index_t diff_ld = 0;            ///< width or more; 0: width
  index_t* rows = nullptr;        ///< as many as there are distinct indices, at most `count`
  f32* sums = nullptr;            ///< [as many][width]
};

/// Errors at construction: errc::bad_shape for rows, width or max_count below 1 or beyond 2^32,
/// errc::unsupported_isa.
template <isa::tag I> class sparse_embedding_backward {
  using V = vec<f32, I>;

public:
  explicit sparse_embedding_backward(embedding_backward_shape const& s, index_t max_count = 1)
      : s_(s), max_count_(max_count) {
    constexpr char const* who = "sparse_embedding_backward";
    isa::require<typename detail::vec_tag<I>::type>();
    detail::check_embedding(who, s);
    detail::check_positive(who, "max_count", max_count);
    if (s.rows > index_t{1} << 32 || max_count > index_t{1} << 32)
      throw_error(errc::bad_shape, std::string(who) + ": " + std::to_string(s.rows) + " rows and " +
                                       std::to_string(max_count) + " indices, at most 2^32");
  }

  index_t workspace_bytes() const noexcept {
    return list_bytes() + round_up(max_count_ * 8 + 8, 64);
  }

  /// Returns the number of distinct rows, which are written in ascending order, with their sums.
  template <std::integral Index, executor E = sequential>
  index_t run(sparse_embedding_backward_call<Index> const& c, workspace_view scratch,
              E&& e = {}) const noexcept {
    IA_NN_REQUIRE(c.count >= 0 && c.count <= max_count_, "sparse_embedding_backward: ", c.count,
                  " indices, planned for at most ", max_count_);
    IA_NN_REQUIRE(scratch.holds(workspace_bytes()), "sparse_embedding_backward: a workspace of ",
                  scratch.size, " bytes, run needs ", workspace_bytes(), " aligned to 64 bytes");
    index_t const ld = c.diff_ld == 0 ? s_.width : c.diff_ld;
    IA_NN_ASSERT(ld >= s_.width, "sparse_embedding_backward: rows of diff_dst ", ld,
                 " elements apart hold ", s_.width);
    auto* const list = reinterpret_cast<std::uint64_t*>(scratch.data); // row and place
    auto* const first = reinterpret_cast<index_t*>(scratch.data + list_bytes());
    index_t listed = 0, distinct = 0;
    for (index_t i = 0; i < c.count; ++i) {
      index_t const row = detail::checked_row(s_, c.indices, i);
      if (row == s_.ignored) continue;
      list[listed++] = static_cast<std::uint64_t>(row) << 32 | static_cast<std::uint64_t>(i);
    }
    std::sort(list, list + listed);
    for (index_t i = 0; i < listed; ++i) {
      auto const row = static_cast<index_t>(list[i] >> 32);
      if (distinct == 0 || c.rows[distinct - 1] != row)
        first[distinct] = i, c.rows[distinct++] = row;
    }
    first[distinct] = listed;
    parallel_blocks(e, distinct, ceil_div(4096, s_.width), [&](index_t begin, index_t end, int) {
      for (index_t k = begin; k < end; ++k) one_row(list, first[k], first[k + 1], c, ld, k);
    });
    return distinct;
  }

private:
  index_t list_bytes() const noexcept { return round_up(max_count_ * 8, 64); }
  template <class Index>
  void one_row(std::uint64_t const* list, index_t begin, index_t end,
               sparse_embedding_backward_call<Index> const& c, index_t ld,
               index_t k) const noexcept {
    detail::each_register<V>(0, s_.width, [&](index_t i, auto at) IA_NN_LAMBDA {
      detail::long_sum<V> all;
      for (index_t some = begin; some < end; some += 8) {
        V part = V::zero();
        for (index_t j = some; j < min_of(end, some + 8); ++j)
          part = part + at.template load<V>(c.diff_dst +
                                            static_cast<index_t>(list[j] & 0xffffffffU) * ld + i);
        all.add(part);
      }
      at.store(all.value(), c.sums + k * s_.width + i);
    });
  }

  embedding_backward_shape s_;
  index_t max_count_;
};

IA_NN_END

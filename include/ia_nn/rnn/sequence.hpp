// SPDX-License-Identifier: Apache-2.0
//
// Which rows a step works on. Sequences of different lengths are sorted by length, longest first:
// the sequences that still run are always the first rows, so that no step computes padding.
//
//   lengths 2 4 1, order 1 0 2        step   0    1    2    3
//                                     rows   1,0,2  1,0  1    1
//
// Step s of a sequence is time s forward, and time length - 1 - s backward: every sequence is read
// as if it were alone.
#pragma once

#include <ia_nn/core/types.hpp>

#include <ia_nn/begin.hpp>

namespace detail {

struct sequence_rows {
  index_t time, batch;
  s32 const* lengths = nullptr; ///< null: all as long as `time`
  s32 const* order = nullptr;   ///< row -> sequence; null: the same
  bool reverse = false;

  index_t sequence(index_t row) const noexcept { return order ? order[row] : row; }
  index_t length(index_t row) const noexcept { return lengths ? lengths[sequence(row)] : time; }
  index_t steps() const noexcept { return batch > 0 ? length(0) : 0; }
  /// The time that step s of a row reads and writes.
  index_t time_of(index_t step, index_t row) const noexcept {
    return reverse ? length(row) - 1 - step : step;
  }
  /// Rows that take part in step s, given those of an earlier step.
  index_t active(index_t step, index_t before) const noexcept {
    if (!lengths) return step < time ? batch : 0;
    while (before > 0 && length(before - 1) <= step) --before;
    return before;
  }
};

/// Sorts sequences by length, longest first; equal ones keep their order.
/// Insertion: batches are short.
inline void sort_by_length(index_t batch, s32 const* lengths, s32* order) noexcept {
  for (index_t i = 0; i < batch; ++i) {
    index_t at = i;
    for (; at > 0 && lengths[order[at - 1]] < lengths[i]; --at) order[at] = order[at - 1];
    order[at] = static_cast<s32>(i);
  }
}

} // namespace detail

IA_NN_END

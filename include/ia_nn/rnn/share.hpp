// SPDX-License-Identifier: Apache-2.0
//
// How members of a team divide blocks of units and rows of the batch.
#pragma once

#include <ia_nn/core/executor.hpp>
#include <ia_nn/core/meta.hpp>

#include <ia_nn/begin.hpp>

namespace detail {

/// What a member knows of its share and of the moment.
struct member_share {
  int rank, size;
  block own, own_output; ///< blocks of units, of outputs: outside of steps, and of single rows
  bool far_weights, far_input; ///< do not stay in L2: recurrent weights, the input part
};

/// A share of blocks x tiles of rows: whole blocks, and parts of the first and the last one.
struct tile_division {
  index_t first, last;         ///< tiles, numbered block by block
  index_t tiles, height, rows; ///< of a block
  tile_division(index_t blocks, index_t row_count, index_t tile_height,
                member_share const& s) noexcept
      : tiles(ceil_div(row_count, tile_height)), height(tile_height), rows(row_count) {
    block const mine = block_of(blocks * tiles, s.size, s.rank);
    first = mine.begin, last = mine.end;
  }
  block blocks() const noexcept {
    return first < last ? block{first / tiles, ceil_div(last, tiles)} : block{};
  }
  /// Rows of block b that belong to the share.
  block rows_of(index_t b) const noexcept {
    index_t const begin = max_of(first - b * tiles, 0), end = min_of(last - b * tiles, tiles);
    return {begin * height, min_of(end * height, rows)};
  }
};

} // namespace detail

IA_NN_END

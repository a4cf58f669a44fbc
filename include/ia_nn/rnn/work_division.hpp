// SPDX-License-Identifier: Apache-2.0
//
// How the members of a team divide a layer: by blocks of units (gate_matrix.hpp), and the products
// of a batch by the tiles of rows of those blocks, numbered block by block, so that members differ
// by one tile at most. 3 blocks of 3 tiles for 2 members:
//
//             block 0   block 1   block 2
//   tile 0      0         0         1           5 tiles for member 0, 4 for member 1;
//   tile 1      0         0         1           of whole blocks, 6 and 3
//   tile 2      0         1         1
//
// A block that two members divide is finished by both, each for its rows.
#pragma once

#include <ia_nn/core/executor.hpp>
#include <ia_nn/core/meta.hpp>

#include <ia_nn/begin.hpp>

namespace detail {

/// What one member of the team works on.
struct work_division {
  int rank, size;   ///< of the member, of the team
  block own;        ///< blocks of units: their states, and their gates where one sequence runs
  block own_output; ///< the same for outputs, which a projection has fewer of
  bool far_weights; ///< the recurrent weights do not stay in the L2 caches of the team
  bool far_input;   ///< they and the input part of a chunk together do not stay there
};

/// The tiles of one member, of `blocks` blocks of units by rows [0, rows).
struct tile_division {
  index_t first, last; ///< its tiles are [first, last)
  index_t tiles;       ///< of a block
  index_t height;      ///< rows of a tile; the last of a block may have fewer
  index_t rows;

  tile_division(index_t blocks, index_t row_count, index_t tile_height,
                work_division const& work) noexcept
      : tiles(ceil_div(row_count, tile_height)), height(tile_height), rows(row_count) {
    block const mine = block_of(blocks * tiles, work.size, work.rank);
    first = mine.begin, last = mine.end;
  }
  /// The blocks that it has tiles of.
  block blocks() const noexcept {
    return first < last ? block{first / tiles, ceil_div(last, tiles)} : block{};
  }
  /// Its rows of block b, one of blocks(): all of them, except in the first and the last block.
  block rows_of(index_t b) const noexcept {
    index_t const begin = max_of(first - b * tiles, 0), end = min_of(last - b * tiles, tiles);
    return {begin * height, min_of(end * height, rows)};
  }
};

} // namespace detail

IA_NN_END

// SPDX-License-Identifier: Apache-2.0
//
// How C = A * B is cut: heights of tiles, blocks of rows and k that fit the caches, shares of workers.
//
// Loops, from the outside:   task (rows x panels)
//                              block of rows, mc: its packed A stays in L2
//                                block of panels, nc  }  only if k is cut, so that the
//                                  block of k, kc     }  accumulators between stay in L2
//                                    panel, nr: one panel of B stays in L1 or L2 ...
//                                      chunk of k     (AMX) ... a part of it that stays in L1
//                                        tile, h: ... while tiles of A stream past it
#pragma once

#include <ia_nn/arch/cpu.hpp>
#include <ia_nn/core/meta.hpp>

#include <ia_nn/begin.hpp>

namespace detail {

/// How workers divide C: `rows` x `columns` tasks.
struct task_grid {
  int rows = 1, columns = 1;
};

/// Height of the tiles of m rows: as equal as the step allows, so that 20 rows are 10 + 10 and not
/// 14 + 6. More than `few` rows never make a tile for few rows the rule: those take several panels.
constexpr int tile_height(index_t m, int max_rows, int step, int few) noexcept {
  if (m <= few) return static_cast<int>(max_of(m, 1)); // a plan for no rows is a plan
  index_t const tiles = ceil_div(m, max_rows);
  return static_cast<int>(
      min_of(max_rows, max_of(few + 1, round_up(ceil_div(m, tiles), step))));
}

/// The grid of at most `workers` tasks whose largest task, in rows x panels, is smallest; grids within
/// 2 % are equal. Of equal ones, columns divide a small A, which every worker then packs, so that B is
/// read once in all; rows divide a large A.
constexpr task_grid divide(index_t m, int height, index_t panels, int workers, bool small_a) noexcept {
  index_t const tiles = max_of(1, ceil_div(m, height));
  task_grid best;
  index_t best_cost = tiles * height * panels;
  for (int i = workers; i >= 1; --i) {
    int const r = small_a ? static_cast<int>(min_of(workers / i, tiles)) : i;
    int const c = small_a ? i : static_cast<int>(min_of(workers / i, panels));
    if (r > tiles || c > panels || r < 1 || c < 1) continue;
    index_t const cost = min_of(m, ceil_div(tiles, r) * height) * ceil_div(panels, c);
    if (cost * 100 < best_cost * 98) {
      best_cost = cost;
      best = {r, c};
    }
  }
  return best;
}

struct blocking {
  int height = 1;          ///< rows of a tile
  index_t mc = 1;          ///< rows of a block, a multiple of height
  index_t nc = 1;          ///< panels of a block
  index_t scratch_rows = 1; ///< rows that a worker's scratch memory holds, at least mc
  index_t kc = 1;          ///< groups of a block
  index_t chunk = 1;       ///< groups of a chunk
  index_t l1 = 0, l2 = 0;  ///< bytes of caches
  task_grid grid;

  bool cuts_k(index_t groups) const noexcept { return kc < groups || chunk < groups; }
};

/// How k is cut, if at all: into blocks whose packed A and B stay in L2, or into chunks of which one
/// panel of B stays in L1.
enum class cut_k { never, blocks, chunks };

/// Bytes of a panel that stays in L1 as it is, and of a chunk of larger ones: sums between chunks cost a
/// tile 100 cycles, every group that is in L1 saves it 50 (Sapphire Rapids).
inline constexpr index_t l1_panel_bytes = 32768, l1_chunk_bytes = 24576;

/// Groups of a chunk.
constexpr index_t chunk_groups(index_t groups, index_t group_bytes_b) noexcept {
  if (groups * group_bytes_b <= l1_panel_bytes) return groups;
  index_t const most = max_of(1, l1_chunk_bytes / group_bytes_b);
  return ceil_div(groups, ceil_div(groups, most));
}

/// For m rows, `panels` panels and `groups` groups of group_bytes_a (one row) and group_bytes_b (one
/// panel) bytes.
inline blocking choose_blocking(index_t m, index_t panels, index_t groups, index_t group_bytes_a,
                                index_t group_bytes_b, int max_rows, int step, int few, int workers,
                                cut_k cut) noexcept {
  cpu::caches const cache = cpu::cache_sizes();
  blocking b;
  b.height = tile_height(m, max_rows, step, few);
  b.l1 = cache.l1;
  b.l2 = cache.l2;
  b.kc = b.chunk = groups;
  b.nc = panels;
  // A panel of B is read again for every tile of A: it must stay in L2 beside A.
  index_t const most_groups = max_of(64, cache.l2 / 4 / group_bytes_b);
  if (cut == cut_k::blocks && groups > most_groups && m > few) {
    b.kc = b.chunk = ceil_div(groups, ceil_div(groups, most_groups));
    b.nc = min_of(panels, 16);
  }
  if (cut == cut_k::chunks && m > max_rows) { // more than one tile reads a panel
    b.chunk = chunk_groups(groups, group_bytes_b);
    b.nc = 1;
  }
  index_t const row_bytes = max_of(1, b.kc * group_bytes_a);
  index_t const fitting = min_of(512, cache.l2 / 2 / row_bytes);
  b.mc = min_of(max_of(b.height, fitting / b.height * b.height), round_up(max_of(m, 1), b.height));
  // Never less for more rows, whatever the heights: plans for fewer rows share the workspace.
  b.scratch_rows = min_of(max_of(32, fitting), m + 32);
  b.grid = divide(m, b.height, panels, workers, m * groups * group_bytes_a <= cache.l2 / 2);
  return b;
}

} // namespace detail

IA_NN_END

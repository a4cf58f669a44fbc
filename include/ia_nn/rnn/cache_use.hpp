// SPDX-License-Identifier: Apache-2.0
//
// What a recurrent layer counts on of the caches, and how much it works on at a time. These numbers
// decide about speed alone: results have the same bits with any others.
//
//   L1   sums of `rows_at_once` rows and all gates of a block, which the cell finishes there
//   L2   of each member: its recurrent weights, from step to step; with AMX the input part as well
//   L3   the input part of a chunk, where L2 has no room for it
#pragma once

#include <ia_nn/arch/cpu.hpp>

#include <ia_nn/begin.hpp>

namespace detail {

/// Bytes of a member's L2 in which stays, until the next step, what every step reads: recurrent
/// weights, or these and the input part of a chunk. The rest is for h, states and what passes
/// through. Where there is more of it, it comes from L3 or memory again in each step, and AMX
/// fetches it ahead.
inline index_t l2_kept() noexcept { return cpu::cache_sizes().l2 * 3 / 4; }

/// Bytes of a member's L2 up to which a chunk is made for AMX. More than `l2_kept`, because the
/// weights of the input are counted here, which steps do not read.
inline index_t l2_filled() noexcept { return cpu::cache_sizes().l2 * 7 / 8; }

/// Bytes of L1 that rows and panels of a step may count on where several tiles use a panel.
inline constexpr index_t l1_kept = 32768;

/// Of the input part of a chunk: more bytes would leave L3, more rows make its product no faster.
inline constexpr index_t max_chunk_bytes = index_t{8} << 20, max_chunk_rows = 512;
/// Fewer rows do not pay for reading the weights of the input again in each chunk.
inline constexpr index_t min_chunk_rows = 64;

/// Rows whose sums in a block are finished together; a whole number of tiles, which are no taller
/// than `max_tile_rows`.
inline constexpr index_t rows_at_once = 96, max_tile_rows = 32;

/// Bytes of weights times sequences that a step must have for each member: a barrier costs about a
/// microsecond.
inline constexpr index_t work_of_member = 100000;

} // namespace detail

IA_NN_END

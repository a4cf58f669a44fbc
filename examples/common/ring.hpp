// SPDX-License-Identifier: Apache-2.0
//
// The mean of an array over the processes of an MPI communicator, in the place of the array, by a ring:
//
//   reduce-scatter   The array is cut into as many chunks as there are ranks. In each of ranks - 1 rounds
//                    every rank sends a chunk to the next rank, and adds the one that comes from the rank in
//                    front to its own. Then each rank has the sum of one chunk, which it scales.
//   all-gather       In ranks - 1 more rounds these chunks go round and are copied.
//
//   chunks that rank r sends, of 4:   r, r - 1, r - 2   then   r + 1, r, r - 1   (modulo 4)
//
// Each rank sends and receives 2 (ranks - 1) / ranks of the array, however many ranks there are. A chunk is
// added up along one way and copied, so that all ranks have the same bits; with another number of ranks
// sums have another order.
#pragma once

#include <mpi.h>

#include <algorithm>
#include <cstddef>
#include <span>
#include <vector>

namespace examples {

class ring {
public:
  /// Messages have at most `piece` elements, which bounds the memory for what is received.
  explicit ring(MPI_Comm of = MPI_COMM_WORLD, std::ptrdiff_t piece = 1 << 16)
      : comm_(of), received_(static_cast<std::size_t>(piece)) {
    MPI_Comm_rank(comm_, &rank_);
    MPI_Comm_size(comm_, &ranks_);
  }
  int rank() const noexcept { return rank_; }
  int ranks() const noexcept { return ranks_; }

  /// Every rank calls it with as many elements. Errors of MPI end the program, as MPI does by default.
  void mean(std::span<float> x) {
    for (int round = 0; round + 1 < ranks_; ++round)
      exchange(chunk(x, rank_ - round), chunk(x, rank_ - round - 1), false);
    for (float& v : chunk(x, rank_ + 1)) v *= 1.0F / static_cast<float>(ranks_);
    for (int round = 0; round + 1 < ranks_; ++round)
      exchange(chunk(x, rank_ + 1 - round), chunk(x, rank_ - round), true);
  }

private:
  /// Chunk c modulo ranks: sizes differ by 1 at most, and may be 0.
  std::span<float> chunk(std::span<float> x, int c) const noexcept {
    auto const n = static_cast<std::size_t>((c % ranks_ + ranks_) % ranks_), ranks = static_cast<std::size_t>(ranks_);
    std::size_t const each = x.size() / ranks, longer = x.size() % ranks;
    return x.subspan(n * each + std::min(n, longer), each + (n < longer ? 1 : 0));
  }
  /// Sends a chunk to the next rank, and copies or adds the one that the rank in front sends.
  void exchange(std::span<float> out, std::span<float> in, bool copy) {
    int const next = (rank_ + 1) % ranks_, front = (rank_ + ranks_ - 1) % ranks_;
    while (!out.empty() || !in.empty()) {
      std::size_t const sent = std::min(out.size(), received_.size()), got = std::min(in.size(), received_.size());
      // Where one of the two chunks has ended there is no message: the rank on that side expects none.
      MPI_Sendrecv(out.data(), static_cast<int>(sent), MPI_FLOAT, sent > 0 ? next : MPI_PROC_NULL, 0,
                   copy ? in.data() : received_.data(), static_cast<int>(got), MPI_FLOAT,
                   got > 0 ? front : MPI_PROC_NULL, 0, comm_, MPI_STATUS_IGNORE);
      if (!copy)
        for (std::size_t i = 0; i < got; ++i) in[i] += received_[i];
      out = out.subspan(sent), in = in.subspan(got);
    }
  }

  MPI_Comm comm_;
  int rank_ = 0, ranks_ = 1;
  std::vector<float> received_;
};

} // namespace examples

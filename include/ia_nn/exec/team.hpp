// ia_nn: neural-network kernels for Intel-architecture CPUs
// SPDX-License-Identifier: Apache-2.0
//
// The barrier of a team, and the member that a parallel executor hands to each of its workers.
//
// One word counts arrivals, another the barriers passed. A member notes the second before it
// arrives; it cannot change until that member has arrived, so no member needs a sense of its own
// and the barrier is ready again as soon as it opens:
//
//   now = epoch
//   if (++arrived == size)   arrived = 0; ++epoch; wake the others
//   else                     wait until epoch != now
#pragma once

#include <ia_nn/core/executor.hpp>
#include <ia_nn/exec/spin.hpp>

#include <atomic>
#include <cstdint>

#include <ia_nn/begin.hpp>

namespace detail {

/// Reusable, for a fixed number of threads; allocates nothing.
class team_barrier {
public:
  explicit team_barrier(patience p) noexcept : patience_(p) {}
  team_barrier(team_barrier const&) = delete;
  team_barrier& operator=(team_barrier const&) = delete;

  /// `size` is the same in every call. A thread that waits long sleeps, so that a member without a
  /// core gets one.
  void arrive_and_wait(int size) noexcept {
    std::uint32_t const now = epoch_.load(std::memory_order_relaxed);
    if (arrived_.fetch_add(1, std::memory_order_acq_rel) + 1 == size) {
      arrived_.store(0, std::memory_order_relaxed); // seen by all who see the next line
      // Sequentially consistent: the look for sleepers that follows must not overtake it.
      epoch_.fetch_add(1, std::memory_order_seq_cst);
      epoch_.notify_all();
      return;
    }
    auto const open = [&] { return epoch_.load(std::memory_order_acquire) != now; };
    if (!wait_awake(patience_, open)) epoch_.wait(now, std::memory_order_acquire);
  }

private:
  // Two lines (and the pair of lines that the prefetcher fetches together): arrivals must not
  // disturb those who poll the epoch.
  alignas(128) std::atomic<int> arrived_{0};
  alignas(128) std::atomic<std::uint32_t> epoch_{0};
  patience patience_;
};

} // namespace detail

/// A member of a team of threads; meets the concept `team_member`.
class thread_member {
public:
  thread_member(int rank, int size, detail::team_barrier& barrier) noexcept
      : rank_(rank), size_(size), barrier_(&barrier) {}

  int rank() const noexcept { return rank_; }
  int size() const noexcept { return size_; }

  /// Returns after all members called it. Every member calls it equally often.
  void barrier() const noexcept {
    if (size_ > 1) barrier_->arrive_and_wait(size_);
  }

private:
  int rank_, size_;
  detail::team_barrier* barrier_;
};

static_assert(team_member<thread_member> && team_member<solo_member>);

IA_NN_END

// ia_nn: neural-network kernels for Intel-architecture CPUs
// SPDX-License-Identifier: Apache-2.0
//
// Threads belong to the caller. A kernel that can use several of them takes an executor by
// reference and asks it for two things:
//
//   parallel_for(n, f)   n independent tasks, in any order, on any worker
//   run_team(size, f)    members that run at the same time and may wait for each other; optional
//
// This header has the concepts, the executor without threads, and the arithmetic of dividing work.
// `exec/thread_pool.hpp` and `exec/openmp.hpp` bring threads; any type with these members works.
#pragma once

#include <ia_nn/core/types.hpp>

#include <type_traits>

#include <ia_nn/begin.hpp>

/// Callable as f(task, worker). An exception that leaves a task ends the program.
template <class F>
concept task_function = std::is_object_v<std::remove_reference_t<F>> &&
                        requires(F& f, index_t task, int worker) { f(task, worker); };

/// One of `size()` concurrent members of a team. `barrier()` returns after every member called it,
/// and what the others wrote before their call is then visible.
template <class M>
concept team_member = requires(M const& m) {
  { m.rank() } noexcept -> std::same_as<int>;
  { m.size() } noexcept -> std::same_as<int>;
  { m.barrier() } noexcept;
};

/// The member of a team of one; the compiler removes it.
struct solo_member {
  static constexpr int rank() noexcept { return 0; }
  static constexpr int size() noexcept { return 1; }
  static constexpr void barrier() noexcept {}
};

namespace detail {
struct task_probe {
  void operator()(index_t, int) const noexcept {}
};
struct member_probe {
  template <team_member M> void operator()(M const&) const noexcept {}
};
} // namespace detail

/// Runs independent tasks.
///
/// `concurrency()` is at least 1 and does not change. `parallel_for(n, f)` calls f(task, worker)
/// once for each task in [0, n), with 0 <= worker < concurrency(); no two calls with the same
/// worker overlap, so scratch memory may be indexed with it. It returns after all tasks, and what
/// they wrote is then visible. n <= 0 does nothing. It allocates nothing and throws nothing.
///
/// An executor runs its tasks with the denormal state of the caller (see `core/fp_env.hpp`).
template <class E>
concept executor = requires(E& e, index_t n, detail::task_probe const& f) {
  { e.concurrency() } noexcept -> std::same_as<int>;
  { e.parallel_for(n, f) } noexcept;
};

/// An executor whose workers can also run at the same time and wait for each other, as a
/// recurrent layer needs at each time step.
///
/// `run_team(size, f)` calls f(member) once per member, concurrently; the team has min(size,
/// concurrency()) members, or fewer where the threads are taken (a call from inside a task gets
/// one), and at least one. Divide work by `member.size()`, never by the size asked for.
template <class E>
concept team_executor = executor<E> && requires(E& e, detail::member_probe const& f) {
  { e.run_team(1, f) } noexcept;
};

/// Runs everything in the calling thread. The default; it costs nothing.
struct sequential {
  static constexpr int concurrency() noexcept { return 1; }

  template <task_function F> static constexpr void parallel_for(index_t n, F&& f) noexcept {
    for (index_t task = 0; task < n; ++task) f(task, 0);
  }

  template <class F> static constexpr void run_team(int, F&& f) noexcept { f(solo_member{}); }
};

/// Runs f on a team of the executor, or as a team of one where the executor has no teams.
template <executor E, class F> constexpr void run_team(E& e, int size, F&& f) noexcept {
  if constexpr (team_executor<E>) e.run_team(size, f);
  else f(solo_member{});
}

/// Items [begin, end).
struct block {
  index_t begin = 0, end = 0;

  constexpr index_t size() const noexcept { return end - begin; }
  constexpr bool empty() const noexcept { return begin >= end; }
  friend constexpr bool operator==(block, block) noexcept = default;
};

/// The part with number `part` when n items are divided into `parts` contiguous blocks. The blocks
/// lie in order and cover [0, n); each begins at a multiple of `granularity` or at n; their sizes
/// differ by at most one granule (the last granule may be shorter). Needs n >= 0, parts >= 1,
/// 0 <= part < parts, granularity >= 1.
constexpr block block_of(index_t n, int parts, int part, index_t granularity = 1) noexcept {
  index_t const granules = n / granularity + (n % granularity != 0);
  index_t const each = granules / parts, extra = granules % parts;
  auto const start = [&](index_t p) {
    index_t const granule = p * each + (p < extra ? p : extra);
    return granule == granules ? n : granule * granularity;
  };
  return {start(part), start(part + 1)};
}

/// Calls f(task, worker) once for each task in [0, n), with 0 <= worker < workers: for calls whose
/// set-up provided memory for so many. An executor with more workers than that is given the tasks
/// as that many blocks, each of which counts as a worker.
template <executor E, class F>
constexpr void run_tasks(E& e, int workers, index_t n, F&& f) noexcept {
  if constexpr (!std::same_as<std::remove_cv_t<E>, sequential>)
    if (e.concurrency() > workers) {
      int const blocks = n < workers ? static_cast<int>(n) : workers;
      return e.parallel_for(blocks, [&](index_t part, int) {
        block const own = block_of(n, blocks, static_cast<int>(part));
        for (index_t task = own.begin; task < own.end; ++task) f(task, static_cast<int>(part));
      });
    }
  e.parallel_for(n, f);
}

namespace detail {
/// A task of parallel_blocks. Not a lambda: names of tasks stay short.
template <class F> struct block_task {
  index_t n;
  int parts;
  index_t granularity;
  F& f;

  constexpr void operator()(index_t part, int worker) const noexcept {
    block const b = block_of(n, parts, static_cast<int>(part), granularity);
    f(b.begin, b.end, worker);
  }
};
} // namespace detail

/// Divides n items into at most one block per worker and calls f(begin, end, worker) for each
/// that is not empty.
template <executor E, class F>
constexpr void parallel_blocks(E& e, index_t n, index_t granularity, F&& f) noexcept {
  if (n <= 0) return;
  index_t const granules = n / granularity + (n % granularity != 0);
  int const most = e.concurrency();
  int const parts = granules < most ? static_cast<int>(granules) : most;
  e.parallel_for(parts, detail::block_task<std::remove_reference_t<F>>{n, parts, granularity, f});
}

IA_NN_END

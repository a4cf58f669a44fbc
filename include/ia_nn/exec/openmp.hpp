// ia_nn: neural-network kernels for Intel-architecture CPUs
// SPDX-License-Identifier: Apache-2.0
//
// The threads of the program's OpenMP runtime as an executor, for programs that use OpenMP anyway:
// two pools that do not know of each other would compete for the cores.
#pragma once

#if !defined(_OPENMP)
#error "ia_nn: exec/openmp.hpp needs -fopenmp; without OpenMP use exec/thread_pool.hpp"
#endif

#include <ia_nn/core/error.hpp>
#include <ia_nn/core/executor.hpp>
#include <ia_nn/core/fp_env.hpp>
#include <ia_nn/exec/fork.hpp>
#include <ia_nn/exec/spin.hpp>
#include <ia_nn/exec/team.hpp>

#include <omp.h>
#include <string>

#include <ia_nn/begin.hpp>

/// OpenMP threads; meets `team_executor`.
///
/// - The runtime makes its threads in the first region and keeps them; how they wait between
///   regions is its affair (OMP_WAIT_POLICY).
/// - A call from inside a parallel region, this executor's or the program's own, runs in the
///   calling thread; a team asked for there has one member.
/// - Several threads may call at once: the runtime has separate workers for each of them.
/// - The runtime may give fewer threads than asked for (OMP_DYNAMIC, OMP_THREAD_LIMIT).
/// - In the child of a fork calls run in the calling thread, of executors made there too, if one was
///   made before: libgomp would wait for threads of the parent.
class openmp {
public:
  static constexpr int max_threads = 1024;

  /// `threads` counts the caller. Throws `error` (bad_parameter) outside [1, max_threads].
  explicit openmp(int threads) : threads_(threads) {
    detail::watch_forks();
    if (threads < 1 || threads > max_threads)
      throw_error(errc::bad_parameter, "openmp: " + std::to_string(threads) +
                                           " threads asked for, must be 1 to " +
                                           std::to_string(max_threads));
    if (threads <= omp_get_num_procs()) patience_.ticks = spin_ticks;
  }

  int concurrency() const noexcept { return threads_; }

  /// See `executor`.
  template <task_function F> void parallel_for(index_t n, F&& f) const noexcept {
    if (n <= 0) return;
    if (n == 1 || alone()) {
      int const here = worker_here();
      for (index_t task = 0; task < n; ++task) f(task, here);
      return;
    }
    int const size = n < threads_ ? static_cast<int>(n) : threads_;
    index_t const share = n / size / 16;
    index_t const chunk = share > 1 ? share : 1;
    auto const denormal = denormal_state::current();
#pragma omp parallel num_threads(size)
    {
      denormal_scope const mode(denormal);
      int const worker = omp_get_thread_num();
#pragma omp for schedule(dynamic, chunk) nowait
      for (index_t task = 0; task < n; ++task) f(task, worker);
    }
  }

  /// See `team_executor`.
  template <class F> void run_team(int size, F&& f) const noexcept {
    detail::team_barrier barrier(patience_);
    size = size < threads_ ? size : threads_;
    if (size <= 1 || alone()) {
      f(thread_member(0, 1, barrier));
      return;
    }
    auto const denormal = denormal_state::current();
#pragma omp parallel num_threads(size)
    {
      denormal_scope const mode(denormal);
      f(thread_member(omp_get_thread_num(), omp_get_num_threads(), barrier));
    }
  }

private:
  static constexpr std::uint32_t spin_ticks = 40000;

  bool alone() const noexcept {
    return threads_ == 1 || omp_in_parallel() != 0 || detail::forks() != 0;
  }

  /// A task that calls back keeps its worker number; a program's own region may have numbers beyond
  /// this executor's, and each of its threads makes a call of its own.
  int worker_here() const noexcept {
    int const here = omp_get_thread_num();
    return here < threads_ ? here : 0;
  }

  int threads_;
  detail::patience patience_{0, 32};
};

static_assert(team_executor<openmp>);

IA_NN_END

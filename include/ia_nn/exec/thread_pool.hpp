// ia_nn: neural-network kernels for Intel-architecture CPUs
// SPDX-License-Identifier: Apache-2.0
//
// A small pool of threads that live as long as it does. The caller of a region is its worker 0.
//
// Each worker has a seat, one cache line that holds its orders and a state:
//
//   idle ──offer──► offered ──worker──► taken ──worker, done──► idle ──long idle──► asleep ─┐
//     ▲                │ caller, nothing left to do                                         │
//     └────────────────┘                                           offered ◄──offer, wake───┘
//
// A loop gives each seat a contiguous block of tasks, and a worker that finished its own helps
// with the others. So a caller whose workers sleep or have no core does the work itself and takes
// its offers back instead of waiting for them. Members of a team cannot be taken back.
#pragma once

#include <ia_nn/core/error.hpp>
#include <ia_nn/core/executor.hpp>
#include <ia_nn/core/fp_env.hpp>
#include <ia_nn/exec/fork.hpp>
#include <ia_nn/exec/spin.hpp>
#include <ia_nn/exec/team.hpp>

#include <atomic>
#include <memory>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

#include <ia_nn/begin.hpp>

/// A pool of threads; meets `team_executor`.
///
/// - After construction nothing is allocated, and no call blocks on a lock.
/// - A call from inside one of its own tasks runs in the calling thread, with the worker number of
///   that task; a team asked for there has one member.
/// - Several threads may call at once: one gets the workers, the others run their call alone, each
///   in its own thread, as worker 0. Give each such thread its own pool to divide the cores.
/// - Threads are bound to no core and sleep when there is nothing to do.
/// - In the child of a fork its calls run in the calling thread; a pool made there has threads.
class thread_pool {
public:
  static constexpr int max_threads = 1024;

  /// `threads` counts the caller, so one fewer is created. Throws `error` (bad_parameter) outside
  /// [1, max_threads] and (out_of_memory) if the system gives no more threads or memory.
  explicit thread_pool(int threads) : threads_(checked(threads)), forks_(detail::watch_forks()) {
    // With more threads than cores the one that is waited for may need this very core.
    if (static_cast<unsigned>(threads_) <= std::thread::hardware_concurrency())
      patience_.ticks = spin_ticks;
    IA_NN_TRY {
      seats_ = std::make_unique<seat[]>(static_cast<std::size_t>(threads_));
      workers_.reserve(static_cast<std::size_t>(threads_ - 1));
      for (int w = 1; w < threads_; ++w) workers_.emplace_back([this, w] { serve(w); });
    }
    IA_NN_CATCH(std::system_error const& refused) {
      auto const made = workers_.size();
      stop();
      throw_error(errc::out_of_memory, "thread_pool: the system refused thread " +
                                           std::to_string(made + 2) + " of " +
                                           std::to_string(threads_) + "; ask for fewer");
    }
    IA_NN_CATCH(std::bad_alloc const& full) {
      stop();
      throw_error(errc::out_of_memory, "thread_pool: no memory for the threads; ask for fewer");
    }
  }

  /// No call may be under way.
  ~thread_pool() { stop(); }

  thread_pool(thread_pool const&) = delete;
  thread_pool& operator=(thread_pool const&) = delete;

  int concurrency() const noexcept { return threads_; }

  /// See `executor`.
  template <task_function F> void parallel_for(index_t n, F&& f) noexcept {
    using function = std::remove_reference_t<F>;
    if (n <= 0) return;
    int const here = worker_here();
    if (n == 1 || threads_ == 1 || here >= 0 || !claim()) {
      for (index_t task = 0; task < n; ++task) f(task, here < 0 ? 0 : here);
      return;
    }
    void* const object = const_cast<void*>(static_cast<void const*>(&f));
    run_loop(n, {object, &run_block<function>});
    release();
  }

  /// See `team_executor`.
  template <class F> void run_team(int size, F&& f) noexcept {
    using function = std::remove_reference_t<F>;
    struct context {
      detail::team_barrier barrier;
      function* f;
      int size;
    };
    size = size < threads_ ? size : threads_;
    bool const together = size > 1 && worker_here() < 0 && claim();
    context team{detail::team_barrier(patience_), &f, together ? size : 1};
    if (!together) {
      f(thread_member(0, 1, team.barrier));
      return;
    }
    run_region(size, false, &team, [](void* c, int worker) noexcept {
      auto& t = *static_cast<context*>(c);
      (*t.f)(thread_member(worker, t.size, t.barrier));
    });
    release();
  }

private:
  template <class F>
  static void run_block(void* f, index_t begin, index_t end, int worker) noexcept {
    F& body = *static_cast<F*>(f);
    for (index_t task = begin; task < end; ++task) body(task, worker);
  }

  static constexpr std::uint32_t spin_ticks = 40000; // 10 to 20 us: the gap between two layers
  static constexpr int yields = 32;

  enum : std::uint32_t {
    idle,
    asleep,
    offered,
    taken,
    quit,
    awaited = 8 /* with offered, taken */
  };

  using region_function = void (*)(void* context, int worker) noexcept;

  struct alignas(128) seat {
    std::atomic<std::uint32_t> state{idle};
    denormal_state denormal;
    region_function call = nullptr;
    void* context = nullptr;
    std::atomic<index_t> next{0}; // of this seat's block in a loop
    index_t end = 0;
  };

  struct tasks {
    void* object;
    void (*call)(void* object, index_t begin, index_t end, int worker) noexcept;
  };

  struct loop {
    seat* seats;
    int size;
    index_t chunk;
    tasks work;
  };

  /// The regions that this thread is inside of, innermost first; they may be of several pools.
  struct frame {
    thread_pool const* pool;
    int worker;
    frame const* outer;

    frame(thread_pool const* p, int w) noexcept : pool(p), worker(w), outer(innermost_) {
      innermost_ = this;
    }
    ~frame() { innermost_ = outer; }
    frame(frame const&) = delete;
    frame& operator=(frame const&) = delete;
  };
  static inline constinit thread_local frame const* innermost_ = nullptr;

  static int checked(int threads) {
    if (threads < 1 || threads > max_threads)
      throw_error(errc::bad_parameter, "thread_pool: " + std::to_string(threads) +
                                           " threads asked for, must be 1 to " +
                                           std::to_string(max_threads));
    return threads;
  }

  /// The number of the calling thread in the region of this pool that it runs, or -1.
  int worker_here() const noexcept {
    for (frame const* f = innermost_; f != nullptr; f = f->outer)
      if (f->pool == this) return f->worker;
    return -1;
  }

  seat& seat_of(int worker) noexcept { return seats_[static_cast<std::size_t>(worker)]; }

  /// The threads belong to the parent process.
  bool orphaned() const noexcept { return detail::forks() != forks_; }

  bool claim() noexcept {
    return !orphaned() && !busy_.exchange(true, std::memory_order_acquire);
  }
  void release() noexcept { busy_.store(false, std::memory_order_release); }

  IA_NN_NOINLINE void run_loop(index_t n, tasks work) noexcept {
    int const size = n < threads_ ? static_cast<int>(n) : threads_;
    for (int w = 0; w < size; ++w) {
      block const b = block_of(n, size, w);
      seat_of(w).next.store(b.begin, std::memory_order_relaxed);
      seat_of(w).end = b.end;
    }
    // Sixteen bites per block: few enough to cost nothing, enough to level out a slow worker.
    index_t const share = n / size / 16;
    loop l{seats_.get(), size, share > 1 ? share : 1, work};
    run_region(size, true, &l, [](void* c, int worker) noexcept {
      auto const& me = *static_cast<loop const*>(c);
      for (int i = 0; i < me.size; ++i) {
        int const s = worker + i < me.size ? worker + i : worker + i - me.size;
        drain(me.seats[s], me, worker);
      }
    });
  }

  static void drain(seat& s, loop const& l, int worker) noexcept {
    while (s.next.load(std::memory_order_relaxed) < s.end) {
      index_t const begin = s.next.fetch_add(l.chunk, std::memory_order_relaxed);
      if (begin >= s.end) return;
      index_t const end = s.end - begin < l.chunk ? s.end : begin + l.chunk;
      l.work.call(l.work.object, begin, end, worker);
    }
  }

  void run_region(int size, bool revocable, void* context, region_function call) noexcept {
    auto const denormal = denormal_state::current();
    for (int w = 1; w < size; ++w) {
      seat& s = seat_of(w);
      s.denormal = denormal;
      s.call = call;
      s.context = context;
      if (s.state.exchange(offered, std::memory_order_seq_cst) == asleep) s.state.notify_one();
    }
    {
      frame const inside(this, 0);
      call(context, 0);
    }
    for (int w = 1; w < size; ++w) settle(seat_of(w), revocable);
  }

  /// Takes the offer back or waits until the worker is done.
  void settle(seat& s, bool revocable) noexcept {
    std::uint32_t state = s.state.load(std::memory_order_acquire);
    if (revocable && state == offered &&
        s.state.compare_exchange_strong(state, idle, std::memory_order_acquire))
      return;
    auto const done = [&] {
      state = s.state.load(std::memory_order_acquire);
      return state == idle || state == asleep;
    };
    if (detail::wait_awake(patience_, done)) return;
    while (!done())
      if ((state & awaited) != 0 || s.state.compare_exchange_strong(state, state | awaited))
        s.state.wait(state | awaited, std::memory_order_acquire);
  }

  void serve(int worker) noexcept {
    seat& s = seat_of(worker);
    for (;;) {
      std::uint32_t state = idle;
      auto const called = [&] {
        state = s.state.load(std::memory_order_acquire);
        return state != idle;
      };
      if (!detail::wait_awake(patience_, called) &&
          s.state.compare_exchange_strong(state = idle, asleep)) {
        s.state.wait(asleep, std::memory_order_acquire);
        continue;
      }
      if (state == quit) return;
      // The caller may meanwhile have taken the offer back, or gone to sleep until it is done.
      if ((state & ~static_cast<std::uint32_t>(awaited)) != offered ||
          !s.state.compare_exchange_strong(state, taken | (state & awaited)))
        continue;
      {
        denormal_scope const mode(s.denormal);
        frame const inside(this, worker);
        s.call(s.context, worker);
      }
      if ((s.state.exchange(idle, std::memory_order_seq_cst) & awaited) != 0) s.state.notify_one();
    }
  }

  void stop() noexcept {
    if (orphaned()) {
      for (auto& t : workers_) std::construct_at(&t); // forgets it: nobody is there to be joined
      return;
    }
    for (std::size_t i = 0; i < workers_.size(); ++i) {
      seats_[i + 1].state.exchange(quit);
      seats_[i + 1].state.notify_one();
    }
    for (auto& t : workers_) t.join();
    workers_.clear();
  }

  int threads_;
  unsigned forks_;
  detail::patience patience_{0, yields};
  std::unique_ptr<seat[]> seats_;
  std::vector<std::thread> workers_;
  alignas(128) std::atomic<bool> busy_{false};
};

static_assert(team_executor<thread_pool>);

IA_NN_END

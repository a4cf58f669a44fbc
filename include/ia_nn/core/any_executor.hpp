// SPDX-License-Identifier: Apache-2.0
//
// A reference to an executor of any type, for code that is compiled once: a call of a task costs one more
// indirect call.
#pragma once

#include <ia_nn/core/executor.hpp>

#include <ia_nn/begin.hpp>

/// A member of a team of any type; meets the concept `team_member`.
class any_member {
public:
  template <team_member M>
    requires(!std::same_as<M, any_member>)
  explicit any_member(M const& m) noexcept
      : rank_(m.rank()), size_(m.size()), waits_(m.size() > 1), member_(__builtin_addressof(m)),
        barrier_([](void const* of) noexcept { static_cast<M const*>(of)->barrier(); }) {}
  /// The same thread as member `rank` of a part of the team, `size` members. The parts do as many
  /// steps as each other, so that the barrier of the whole team serves all of them; two parts of
  /// one member each wait for nobody.
  any_member part(int rank, int size) const noexcept {
    any_member m = *this;
    m.rank_ = rank, m.size_ = size, m.waits_ = size_ > 2;
    return m;
  }

  int rank() const noexcept { return rank_; }
  int size() const noexcept { return size_; }
  void barrier() const noexcept {
    if (waits_) barrier_(member_);
  }

private:
  int rank_, size_;
  bool waits_;
  void const* member_;
  void (*barrier_)(void const*) noexcept;
};

/// Refers to an executor, which must outlive it. Meets `team_executor`: where there are no teams, one of
/// one member runs.
class any_executor {
public:
  template <executor E>
    requires(!std::same_as<std::remove_cv_t<E>, any_executor>)
  any_executor(E& e) noexcept
      : executor_(const_cast<void*>(static_cast<void const*>(__builtin_addressof(e)))),
        concurrency_(e.concurrency()), for_(&parallel_for_of<E>), team_(&team_of<E>) {}

  int concurrency() const noexcept { return concurrency_; }
  template <task_function F> void parallel_for(index_t n, F&& f) noexcept {
    using T = std::remove_reference_t<F>;
    for_(executor_, n, const_cast<void*>(static_cast<void const*>(__builtin_addressof(f))),
         [](void* of, index_t task, int worker) { (*static_cast<T*>(of))(task, worker); });
  }
  template <class F> void run_team(int size, F&& f) noexcept {
    using T = std::remove_reference_t<F>;
    team_(executor_, size, const_cast<void*>(static_cast<void const*>(__builtin_addressof(f))),
          [](void* of, any_member const& m) { (*static_cast<T*>(of))(m); });
  }

private:
  using task_call = void (*)(void*, index_t, int);
  using member_call = void (*)(void*, any_member const&);

  template <class E>
  static void parallel_for_of(void* e, index_t n, void* f, task_call call) noexcept {
    static_cast<E*>(e)->parallel_for(n, [=](index_t task, int worker) { call(f, task, worker); });
  }
  template <class E>
  static void team_of(void* e, int size, void* f, member_call call) noexcept {
    ia_nn::run_team(*static_cast<E*>(e), size, [=](auto const& m) { call(f, any_member(m)); });
  }

  void* executor_;
  int concurrency_;
  void (*for_)(void*, index_t, void*, task_call) noexcept;
  void (*team_)(void*, int, void*, member_call) noexcept;
};

static_assert(team_executor<any_executor> && team_member<any_member>);

IA_NN_END

// SPDX-License-Identifier: Apache-2.0
//
// What backward passes share: where a gradient goes, and loops over arrays by registers.
#pragma once

#include <ia_nn/arch/cpu.hpp>
#include <ia_nn/arch/vec.hpp>
#include <ia_nn/core/error.hpp>
#include <ia_nn/core/executor.hpp>
#include <ia_nn/core/meta.hpp>
#include <ia_nn/core/workspace.hpp>

#include <ia_nn/begin.hpp>

/// A request for a gradient: not computed where `data` is null, else written to `data`, or added to
/// what is there. Adding is what a tensor with several readers, or a batch in several calls, needs.
struct gradient {
  f32* data = nullptr;
  bool add = false;
  constexpr explicit operator bool() const noexcept { return data != nullptr; }
};
inline constexpr gradient not_wanted{};
constexpr gradient write_to(f32* data) noexcept { return {data, false}; }
constexpr gradient add_to(f32* data) noexcept { return {data, true}; }

namespace detail {

/// The lanes of one register that exist.
template <bool Whole> struct lane_set {
  index_t count;

  template <vector_register V, class T> IA_NN_INLINE V load(T const* p) const noexcept {
    if constexpr (Whole) return V::load(p);
    else return V::load(p, count);
  }
  template <vector_register V, class T> IA_NN_INLINE void store(V v, T* p) const noexcept {
    if constexpr (Whole) v.store(p);
    else v.store(p, count);
  }
  /// Element `at` of what is asked for.
  template <vector_register V>
  IA_NN_INLINE void deliver(V v, gradient const& to, index_t at) const noexcept {
    if (to.add) v = load<V>(to.data + at) + v;
    store(v, to.data + at);
  }
};

/// f(i, lanes) for registers of V over [begin, end).
template <vector_register V, class F>
IA_NN_INLINE void each_register(index_t begin, index_t end, F&& f) noexcept {
  index_t i = begin;
  for (; i + V::size <= end; i += V::size) f(i, lane_set<true>{V::size});
  if (i < end) f(i, lane_set<false>{end - i});
}

/// Elements that a task of an element-wise loop has at least: about a microsecond of work.
inline constexpr index_t elements_of_task = 8192;

/// f(i, lanes) over [0, n), divided among the workers.
template <isa::tag I, executor E, class F>
void each_register_parallel(E& e, index_t n, F const& f) noexcept {
  parallel_blocks(e, n, elements_of_task, [&](index_t begin, index_t end, int) {
    each_register<vec<f32, I>>(begin, end, f);
  });
}

inline void check_positive(char const* who, char const* what, index_t n) {
  if (n < 1)
    throw_error(errc::bad_shape, std::string(who) + ": " + what + " is " + std::to_string(n) +
                                     ", must be at least 1");
}
inline void check_workers(char const* who, int workers) {
  if (workers < 1)
    throw_error(errc::bad_parameter, std::string(who) + ": workers is " + std::to_string(workers) +
                                         ", must be at least 1");
}
/// Bytes for n f32, as whole cache lines.
constexpr index_t f32_bytes(index_t n) noexcept { return round_up(n * 4, 64); }

} // namespace detail

IA_NN_END

// SPDX-License-Identifier: Apache-2.0
//
// What backward passes share: where a gradient goes, and loops over arrays by registers.
#pragma once

#include <ia_nn/arch/cpu.hpp>
#include <ia_nn/arch/lanes.hpp>
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

/// v itself: a product that it is and a sum behind it do not become one instruction.
template <vector_register V> IA_NN_INLINE V rounded(V v) noexcept {
  if constexpr (V::size > 1) {
    v.pin();
    return v;
  } else { // pins nothing
    f32 x;
    v.store(&x);
    f32 volatile const cell = x;
    x = cell;
    return V::load(&x);
  }
}

/// v as elements from number `first` on of what is asked for. It is rounded before it is added, so that
/// gradients in one pass or two have the same bits.
template <vector_register V, bool Whole>
IA_NN_INLINE void deliver(lanes<Whole> at, V v, gradient const& to, index_t first) noexcept {
  if (to.add) v = at.template load<V>(to.data + first) + rounded(v);
  at.store(v, to.data + first);
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

// SPDX-License-Identifier: Apache-2.0
//
// run_planned with all its kernels. Only planned_*.cpp include this.
#pragma once

#include "nets.hpp"
#include "planned.hpp"

namespace graph_test {
namespace detail {

using graph::detail::bit;
using graph::detail::frame;
using graph::detail::kernel;
inline constexpr std::uint64_t every_kernel = bit(kernel::none) - 1;

template <ia_nn::isa::tag I> inline std::uint64_t ran = 0; ///< kernels
template <class I>
inline constexpr bool is_planned = contains<I, planned_isas> && !left_to_gcc<I, planned_isas>;

/// The threads of a pool, or none: one type, so that each kernel is compiled once.
struct team {
  ia_nn::thread_pool* pool = nullptr;

  int concurrency() const noexcept { return pool ? pool->concurrency() : 1; }
  template <ia_nn::task_function F> void parallel_for(index_t n, F&& f) const noexcept {
    if (pool) pool->parallel_for(n, f);
    else sequential{}.parallel_for(n, f);
  }
  template <class F> void run_team(int size, F&& f) const noexcept {
    if (pool) pool->run_team(size, f);
    else f(ia_nn::solo_member{});
  }
};

template <ia_nn::isa::tag I> class planned {
  using model = graph::detail::loaded<I, every_kernel>;
  using kernels = std::make_integer_sequence<int, static_cast<int>(kernel::none)>;

public:
  planned(graph::detail::plan_view const& v, problem const& p, graph::compile_options const& o)
      : model_(v, p.weights.from, o) {}

  index_t scratch_bytes() const { return model_.scratch_bytes; }

  void run(frame const& f, team e) const noexcept {
    graph::detail::plan_view const& v = model_.plan;
    for (int s = 0; s < v.count; ++s) {
      if (v.steps[s].group < 0 || v.one_lookup(v.times[s])) {
        if (v.stores(s)) step(s, f, f.scratch, e, kernels{});
      } else if (v.times[s] == s) {
        e.parallel_for(v.group_size(s), [&](index_t i, int) {
          int const member = static_cast<int>(i);
          step(s + member, f, model_.share(f.scratch, s, member), {}, kernels{});
        });
      }
    }
  }

private:
  template <int... K>
  void step(int s, frame const& f, ia_nn::workspace_view scratch, team e,
            std::integer_sequence<int, K...>) const noexcept {
    (one<static_cast<kernel>(K)>(s, f, scratch, e), ...);
  }
  template <kernel K>
  void one(int s, frame const& f, ia_nn::workspace_view scratch, team e) const noexcept {
    using graph::detail::end;
    if (model_.plan.kernel_at(s) != K) return;
    end const last = graph::detail::end_of(model_.plan.steps[s]);
    if constexpr (K <= kernel::dense_parts3) {
      if (last == end::clip) return graph::detail::run_step<K, end::clip>(model_, s, f, scratch, e);
      if (last == end::add_clip)
        return graph::detail::run_step<K, end::add_clip>(model_, s, f, scratch, e);
    }
    graph::detail::run_step<K, end::any>(model_, s, f, scratch, e);
  }

  model model_;
};

} // namespace detail

template <ia_nn::isa::tag I>
call run_planned(graph::detail::plan_view const& v, index_t bytes, problem const& p,
                 graph::compile_options const& o, ia_nn::thread_pool* pool) {
  call c(p);
  if constexpr (detail::is_planned<I>) {
    detail::planned<graph::detail::isa_of_network<I>> const net(v, p, o);
    index_t const items = v.open_batch() ? p.batch : 1, own = bytes * items;
    exact_buffer<std::byte> memory(own + net.scratch_bytes());
    std::memset(memory.data(), 0xff, static_cast<std::size_t>(memory.size())); // NaN
    detail::frame const f{items,         p.batch,       c.in.data(),
                          c.to.data(),   memory.data(), {memory.data() + own, net.scratch_bytes()}};
    long const before = allocations_made();
    net.run(f, {pool});
    long const after = allocations_made();
    CHECK(after == before);
    for (int s = 0; s < v.count; ++s) detail::ran<I> |= detail::bit(v.kernel_at(s));
  }
  return c;
}

template <ia_nn::isa::tag I, ia_nn::element Usual>
call run_precise(problem const& p, graph::compile_options const& o, ia_nn::thread_pool* pool) {
  if constexpr (detail::is_planned<I>)
    return run<graph_nets::precise, graph::native<I, Usual>>(p, o, detail::team{pool});
  else return call(p);
}

template <ia_nn::isa::tag I> std::uint64_t kernels_run() { return detail::ran<I>; }

} // namespace graph_test

/// The definitions for I.
#define IA_NN_PLANNED(I)                                                                           \
  template graph_test::call graph_test::run_planned<ia_nn::isa::I>(                                \
      graph::detail::plan_view const&, index_t, graph_test::problem const&,                        \
      graph::compile_options const&, ia_nn::thread_pool*);                                         \
  template graph_test::call graph_test::run_precise<ia_nn::isa::I, ia_nn::f32>(                    \
      graph_test::problem const&, graph::compile_options const&, ia_nn::thread_pool*);             \
  template graph_test::call graph_test::run_precise<ia_nn::isa::I, ia_nn::bf16>(                   \
      graph_test::problem const&, graph::compile_options const&, ia_nn::thread_pool*);             \
  template std::uint64_t graph_test::kernels_run<ia_nn::isa::I>();

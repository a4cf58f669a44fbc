// SPDX-License-Identifier: Apache-2.0
//
// run_planned with all its kernels, which planned_*.cpp compile; and with those of a list.
#pragma once

#include "nets.hpp"
#include "planned.hpp"

#include <algorithm>

namespace graph_test {
namespace detail {

using graph::frame;

template <ia_nn::isa::tag I> inline std::vector<graph::kernel_id> ran{};
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

/// What a run-time plan runs on: kernels of a table.
template <ia_nn::isa::tag I, graph::detail::id_list const& Ids = graph::native_kernel_ids,
          graph::detail::id_list const& ByteIds = graph::byte_kernel_ids>
class planned {
  using kernels = graph::native_kernels<graph::detail::isa_of_bf16<I>>;
  using byte_kernels = graph::native_kernels<graph::detail::isa_of_bytes<I>>;
  using entry = graph::kernel_entry<team>;

public:
  planned(graph::plan_view const& v, problem const& p, graph::compile_options const& o)
      : loaded_(v, p.weights.from, o, [&](int s) {
          graph::kernel_id const id = v.kernel_at(s);
          entry const* const found =
              graph::has_byte_products(id.multiplies)
                  ? graph::find_kernel<byte_kernels, team, ByteIds>(id)
                  : graph::find_kernel<kernels, team, Ids>(id);
          REQUIRE(found);
          if (!has_run<I>(id)) ran<I>.push_back(id);
          run_.push_back(found->run[static_cast<int>(graph::common_tail_of(v, s))]);
          return found->load;
        }) {}

  index_t scratch_bytes() const { return loaded_.scratch_bytes; }

  void run(frame const& f, team e) const noexcept {
    graph::plan_view const& v = loaded_.plan;
    for (int s = 0; s < v.count; ++s) {
      if (v.steps[s].group < 0 || v.one_lookup(v.times[s])) {
        if (v.stores(s)) step(s, f, f.scratch, e);
      } else if (v.times[s] == s) {
        e.parallel_for(v.group_size(s), [&](index_t i, int) {
          int const member = static_cast<int>(i);
          step(s + member, f, loaded_.part(f.scratch, s, member), {});
        });
      }
    }
  }

private:
  void step(int s, frame const& f, ia_nn::workspace_view scratch, team e) const noexcept {
    auto const at = static_cast<std::size_t>(s);
    run_[at](loaded_.steps[at], loaded_.plan, s, f, scratch, e);
  }

  std::vector<graph::run_function<team>> run_; // filled while the plan is loaded
  graph::loaded_plan loaded_;
};

/// One run on Net, a `planned`. Checks that no step allocates.
template <class Net>
call run_on(graph::plan_view const& v, index_t bytes, problem const& p,
            graph::compile_options const& o, ia_nn::thread_pool* pool) {
  call c(p);
  Net const net(v, p, o);
  index_t const items = v.open_batch() ? p.batch : 1, own = bytes * items;
  exact_buffer<std::byte> memory(own + net.scratch_bytes());
  std::memset(memory.data(), 0xff, static_cast<std::size_t>(memory.size())); // NaN
  frame const f{items,       p.batch,       c.in.data(),
                c.to.data(), memory.data(), {memory.data() + own, net.scratch_bytes()}};
  long const before = allocations_made();
  net.run(f, {pool});
  long const after = allocations_made();
  CHECK(after == before);
  return c;
}

} // namespace detail

template <ia_nn::isa::tag I>
call run_planned(graph::plan_view const& v, index_t bytes, problem const& p,
                 graph::compile_options const& o, ia_nn::thread_pool* pool) {
  if constexpr (detail::is_planned<I>) return detail::run_on<detail::planned<I>>(v, bytes, p, o, pool);
  else return call(p);
}

template <ia_nn::isa::tag I, ia_nn::element Usual>
call run_precise(problem const& p, graph::compile_options const& o, ia_nn::thread_pool* pool) {
  if constexpr (detail::is_planned<I>)
    return run<graph_nets::precise, graph::native<I, Usual>>(p, o, detail::team{pool});
  else return call(p);
}

template <ia_nn::isa::tag I> bool has_run(graph::kernel_id const& k) {
  auto const& all = detail::ran<I>;
  return std::find(all.begin(), all.end(), k) != all.end();
}

} // namespace graph_test

/// The definitions for I.
#define IA_NN_PLANNED(I)                                                                           \
  template graph_test::call graph_test::run_planned<ia_nn::isa::I>(                                \
      graph::plan_view const&, index_t, graph_test::problem const&,                        \
      graph::compile_options const&, ia_nn::thread_pool*);                                         \
  template graph_test::call graph_test::run_precise<ia_nn::isa::I, ia_nn::f32>(                    \
      graph_test::problem const&, graph::compile_options const&, ia_nn::thread_pool*);             \
  template graph_test::call graph_test::run_precise<ia_nn::isa::I, ia_nn::bf16>(                   \
      graph_test::problem const&, graph::compile_options const&, ia_nn::thread_pool*);             \
  template bool graph_test::has_run<ia_nn::isa::I>(graph::kernel_id const&);

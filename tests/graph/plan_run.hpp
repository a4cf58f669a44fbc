// SPDX-License-Identifier: Apache-2.0
//
// Runs plans with the kernels of `compiled`, chosen while they run: so networks by the thousand
// need no code of their own. And makes such plans at run time, by the functions that the compiler
// evaluates for others.
#pragma once

#include "support.hpp"

namespace graph_test {

/// A network that was planned at run time.
struct run_time_plan {
  graph::draft written, nodes;
  graph::detail::schedule_draft schedule;

  template <class Net> static run_time_plan of(graph::options const& o) {
    run_time_plan p;
    p.written = p.nodes = graph::detail::built<Net>();
    if (!p.written.wrong()) {
      graph::simplify(p.nodes, o);
      p.schedule = graph::detail::schedule_of(p.nodes, o);
    }
    return p;
  }
  graph::detail::plan_view view() const {
    return {nodes.nodes.data(),
            schedule.steps.data(),
            schedule.memory.times.data(),
            schedule.memory.places.data(),
            schedule.memory.buffers.data(),
            nodes.count(),
            static_cast<int>(schedule.steps.size()),
            written.nodes.data(),
            written.count(),
            graph::precision::f32};
  }
};

namespace detail {

using graph::detail::bit;
using graph::detail::kernel;
inline constexpr std::uint64_t all_kernels = [] {
  std::uint64_t mask = 0;
  for (kernel const k :
       {kernel::conv, kernel::deconv, kernel::pair, kernel::dense, kernel::elementwise, kernel::pool,
        kernel::softmax, kernel::layer_norm, kernel::group_norm, kernel::concat, kernel::pad,
        kernel::move, kernel::gru, kernel::constant, kernel::copy})
    mask |= bit(k);
  return mask;
}();
using model = graph::detail::loaded<ia_nn::isa::native, all_kernels>;

template <int K>
void dispatch_kernel(model const& m, int s, graph::detail::frame const& f,
                     ia_nn::workspace_view scratch) {
  using graph::detail::end;
  constexpr kernel k = static_cast<kernel>(K);
  if constexpr ((all_kernels & bit(k)) != 0) {
    if (m.plan.kernel_at(s) != k) return;
    sequential e;
    end const last = graph::detail::end_of(m.plan.steps[s]);
    if constexpr (k <= kernel::dense_parts3) {
      if (last == end::clip) graph::detail::run_step<k, end::clip>(m, s, f, scratch, e);
      if (last == end::add_clip) graph::detail::run_step<k, end::add_clip>(m, s, f, scratch, e);
    }
    if (last == end::any) graph::detail::run_step<k, end::any>(m, s, f, scratch, e);
  }
}
template <int... K>
void dispatch(model const& m, int s, graph::detail::frame const& f, ia_nn::workspace_view scratch,
              std::integer_sequence<int, K...>) {
  (dispatch_kernel<K>(m, s, f, scratch), ...);
}

} // namespace detail

/// `plan_bytes`: of the plan, for each item of an open batch.
inline call run_plan(graph::detail::plan_view const& v, index_t plan_bytes, problem const& p,
                     index_t max_batch) {
  for (int s = 0; s < v.count; ++s)
    REQUIRE((detail::all_kernels & graph::detail::bit(v.kernel_at(s))) != 0);
  detail::model const m(v, p.weights.from, {.max_batch = max_batch});
  index_t const items = v.open_batch() ? p.batch : 1, bytes = plan_bytes * items;
  workspace scratch(bytes + m.scratch_bytes);
  ia_nn::workspace_view const w = scratch;
  call c(p);
  graph::detail::frame const f{
      items, p.batch, c.in.data(), c.to.data(), w.data, {w.data + bytes, w.size - bytes}};
  for (int s = 0; s < v.count; ++s) {
    bool const member = v.steps[s].group >= 0;
    detail::dispatch(
        m, s, f, member ? m.share(f.scratch, v.times[s], s - v.times[s]) : f.scratch,
        std::make_integer_sequence<int, static_cast<int>(graph::detail::kernel::none)>{});
  }
  return c;
}

} // namespace graph_test

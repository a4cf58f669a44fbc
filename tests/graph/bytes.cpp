// SPDX-License-Identifier: Apache-2.0
//
// Runs of networks in 8 bits.
#include "bytes.hpp"

namespace graph_test {

open_run::open_run(graph::plan_view const& v) : view_(v) {
  nodes_.nodes.assign(v.nodes, v.nodes + v.node_count);
  steps_.assign(v.steps, v.steps + v.count);
  std::erase_if(steps_, [](graph::step const& s) { return s.kind == graph::op::output; });
  memory_ = graph::plan_memory(nodes_, steps_, {.in_place = false}); // adds copies to outputs again
  int const outputs = nodes_.count_of(graph::op::output);
  for (graph::place& p : memory_.places)
    if (p.where == graph::storage::workspace)
      p = {graph::storage::output, outputs + p.index, p.column, p.ld};
  view_.nodes = nodes_.nodes.data();
  view_.steps = steps_.data();
  view_.times = memory_.times.data();
  view_.places = memory_.places.data();
  view_.buffers = memory_.buffers.data();
  view_.count = static_cast<int>(steps_.size());
}
std::size_t open_run::words(graph::buffer const& b, index_t batch) const {
  graph::node const& n = nodes_[b.node];
  return static_cast<std::size_t>((rows(b.node, batch) * n.shape.last() * size_of(n.type) + 3) / 4);
}
std::vector<double> open_run::value(call const& c, int id, index_t batch) const {
  graph::node const& n = nodes_[id];
  graph::place const& at = memory_.places[static_cast<std::size_t>(id)];
  index_t const columns = n.shape.last();
  std::vector<double> x;
  auto const read = [&](auto const* p) {
    for (index_t r = 0; r < rows(id, batch); ++r)
      for (index_t k = 0; k < columns; ++k)
        x.push_back(static_cast<double>(p[r * at.ld + at.column + k]));
  };
  auto const where = static_cast<std::size_t>(at.index);
  void const* const p = at.where == graph::storage::input ? c.in[where].data : c.to[where];
  switch (n.type) {
  case graph::value_type::f32:
    read(static_cast<f32 const*>(p));
    break;
  case graph::value_type::bf16:
    read(static_cast<bf16 const*>(p));
    break;
  case graph::value_type::u8:
    read(static_cast<u8 const*>(p));
    break;
  case graph::value_type::s8:
    read(static_cast<s8 const*>(p));
    break;
  case graph::value_type::s32:
    read(static_cast<s32 const*>(p));
    break;
  }
  return x;
}

graph::value_ranges ranges_of(graph::plan_view const& in_f32, problem& p, f32 part) {
  graph::value_ranges all;
  open_run const plan(in_f32);
  graph::plan_view const& v = plan.view();
  bool done = false;
  for_each_isa<planned_isas>([&](auto tag) {
    if (done) return;
    done = true;
    call const c = plan.made(p, [&](graph::plan_view const& w, problem const& q) {
      return run_planned<decltype(tag)>(w, 0, q, {.max_batch = q.batch});
    });
    auto const add = [&](int id) {
      ia_nn::value_range r;
      for (double const x : plan.value(c, id, p.batch)) {
        f32 const y = static_cast<f32>(x) * part;
        if (std::isfinite(y)) r.add({y, y});
      }
      all.add(v.nodes[id].name.view(), r);
    };
    for (int i = 0; i < v.node_count; ++i)
      if (v.nodes[i].kind == graph::op::input && v.nodes[i].type == graph::value_type::f32) add(i);
    for (int s = 0; s < v.count; ++s)
      if (v.steps[s].kind != graph::op::output) add(v.steps[s].out);
  });
  return all;
}

int check_bytes(graph::plan_view const& v, index_t bytes, problem& p, graph::compile_options o,
                byte_case const& how) {
  open_run const plan(v);
  int known = 0;
  std::deque<call> first;
  for_each_isa<planned_isas>([&](auto tag) {
    using I = decltype(tag);
    call const all = plan.made(p, [&](graph::plan_view const& w, problem const& q) {
      return run_planned<I>(w, 0, q, o);
    });
    auto const value = [&](int id) { return plan.value(all, id, p.batch); };
    known = check_steps({plan.view(), p.batch, value}, p, o.ranges);
    call const one = run_planned<I>(v, bytes, p, o);
    CHECK(same_bits(one, all));
    if (known == plan.view().count && !first.empty()) CHECK(same_bits(one, first.front()));
    if (how.threads) {
      static ia_nn::thread_pool two(2), three(3);
      for (ia_nn::thread_pool* const pool : {&two, &three}) {
        graph::compile_options more = o;
        more.max_batch = o.max_batch + 2, more.workers = pool->concurrency();
        CHECK(same_bits(one, run_planned<I>(v, bytes, p, more, pool)));
      }
    }
    if (first.empty()) first.push_back(run_planned<I>(v, bytes, p, o));
  });
  return known;
}

int check_bytes(run_time_plan const& n, std::uint64_t seed, index_t batch, byte_case const& how) {
  problem p = n.make_problem(seed, batch);
  graph::compile_options o{.max_batch = p.batch};
  graph::draft in_f32 = n.written; // layers that say so as well
  bool some = false;
  for (graph::node& layer : in_f32.nodes)
    if (layer.attributes.precision == graph::precision::s8)
      layer.attributes.precision = graph::precision::f32, some = true;
  if (some) {
    run_time_plan const other(in_f32, {});
    o.ranges = ranges_of(other.view(graph::precision::f32), p, how.part);
  } else o.ranges = ranges_of(n.view(graph::precision::f32), p, how.part);
  return check_bytes(n.view(how.usual), n.bytes(how.usual), p, o, how);
}

} // namespace graph_test

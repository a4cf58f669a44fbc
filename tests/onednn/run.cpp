// SPDX-License-Identifier: Apache-2.0
#include "run.hpp"

#include "../catch.hpp"

namespace onednn_test {

pair_of_entries const* find_entry(graph::kernel_id id) {
  for (pair_of_entries const& e : all_entries())
    if (e.native.id == id) return &e;
  return nullptr;
}

planned::planned(graph::draft const& d, graph::precision p, graph::options o)
    : written(d), nodes(d), schedule{}, usual(p) {
  INFO(d.mistake.view());
  REQUIRE(!d.wrong());
  graph::simplify(nodes, o);
  o.parallel_separate = o.parallel_all_to_one = o.parallel_one_to_all = false;
  schedule = graph::schedule_of(nodes, o, p);
  REQUIRE(graph::never_overlaps(schedule.memory.buffers, schedule.memory.bytes));
}
graph::plan_view planned::view() const {
  graph::schedule_draft const& s = schedule;
  return {nodes.nodes.data(),       s.steps.data(),
          s.memory.times.data(),    s.memory.places.data(),
          s.memory.buffers.data(),  nodes.count(),
          static_cast<int>(s.steps.size()), written.nodes.data(),
          written.count(),          usual};
}
problem planned::make_problem(std::uint64_t seed, index_t batch) const {
  ia_nn_test::random r(seed);
  graph::dims const& first = written.nodes[0].shape;
  return problem(written.nodes.data(), written.count(), first.dynamic() ? batch : first[0], r);
}

namespace {

/// A plan with the kernels of one backend.
class loaded_run {
public:
  graph::plan_view v;

  loaded_run(planned const& n, problem const& p, bool onednn, graph::compile_options const& o)
      : v(n.view()), loaded_(v, p.weights.from, o, [&](int s) {
          graph::kernel_id const id = v.kernel_at(s);
          INFO(v.anchor(s).kind->name << " multiplies " << static_cast<int>(id.multiplies) << " reads "
                                      << name_of(id.reads) << " writes " << name_of(id.writes));
          pair_of_entries const* const found = find_entry(id);
          REQUIRE(found);
          kernels_.push_back(onednn ? found->onednn : found->native);
          return kernels_.back().load;
        }) {}
  index_t scratch_bytes() const { return loaded_.scratch_bytes; }
  std::string const& by(int s) const { return loaded_.steps[static_cast<std::size_t>(s)].by; }
  void step(int s, graph::frame const& f) const {
    ia_nn::sequential here;
    kernels_[static_cast<std::size_t>(s)].run(loaded_.steps[static_cast<std::size_t>(s)], v, s, f,
                                              f.scratch, here);
  }

private:
  std::vector<entry> kernels_; // filled while the plan is loaded
  graph::loaded_plan loaded_;
};

/// Inputs, outputs and memory of a call.
struct call_memory {
  outcome result;
  ia_nn_test::exact_buffer<std::byte> bytes;
  std::vector<graph::source> in;
  std::vector<f32*> to;
  graph::frame frame;

  call_memory(planned const& n, problem const& p, index_t scratch)
      : bytes(own(n, p) + scratch), in(sources(p)), to(results(p)),
        frame{items(n, p), p.batch, in.data(), to.data(), bytes.data(), {bytes.data() + own(n, p), scratch}} {
    std::memset(bytes.data(), 0xff, static_cast<std::size_t>(bytes.size())); // NaN
  }
  call_memory(call_memory const&) = delete;

private:
  static index_t items(planned const& n, problem const& p) { return n.view().open_batch() ? p.batch : 1; }
  static index_t own(planned const& n, problem const& p) { return n.schedule.memory.bytes * items(n, p); }
  static std::vector<graph::source> sources(problem const& p) {
    std::vector<graph::source> all;
    for (auto const& x : p.in) all.push_back(x.f ? graph::source(x.f) : graph::source(x.i));
    return all;
  }
  std::vector<f32*> results(problem const& p) {
    std::vector<f32*> all;
    for (auto const& y : p.expected) result.out.emplace_back(y.size(), NAN);
    for (auto& y : result.out) all.push_back(y.data());
    return all;
  }
};

template <class T>
void read(graph::plan_view const& v, int id, graph::frame const& f, std::vector<double>& to) {
  T const* const from = reinterpret_cast<T const*>(f.from(v, id));
  index_t const ld = v.places[id].ld, columns = v.nodes[id].shape.last();
  for (index_t r = 0; r < v.nodes[id].shape.rows() * f.items; ++r)
    for (index_t c = 0; c < columns; ++c) to.push_back(static_cast<double>(static_cast<f32>(from[r * ld + c])));
}
std::vector<double> values_of(graph::plan_view const& v, int id, graph::frame const& f) {
  std::vector<double> to;
  switch (v.type(id)) {
  case graph::value_type::bf16:
    read<ia_nn::bf16>(v, id, f, to);
    break;
  case graph::value_type::u8:
    read<ia_nn::u8>(v, id, f, to);
    break;
  case graph::value_type::s8:
    read<ia_nn::s8>(v, id, f, to);
    break;
  default:
    read<f32>(v, id, f, to);
  }
  return to;
}

} // namespace

outcome run(planned const& n, problem const& p, bool onednn, graph::compile_options o) {
  loaded_run const plan(n, p, onednn, o);
  graph::plan_view const& v = plan.v;
  call_memory m(n, p, plan.scratch_bytes());
  for (int repeat = 0; repeat < 2; ++repeat) // the second finds its addresses set
    for (int s = 0; s < v.count; ++s)
      if (v.stores(s)) plan.step(s, m.frame);
  for (int s = 0; s < v.count; ++s) {
    m.result.layers.emplace_back(v.anchor(s).name.view());
    m.result.by.push_back(plan.by(s));
  }
  return std::move(m.result);
}

std::vector<step_difference> compare_steps(planned const& n, problem const& p,
                                           graph::compile_options const& o) {
  loaded_run const native(n, p, false, o), other(n, p, true, o);
  graph::plan_view const& v = native.v;
  call_memory const m(n, p, std::max(native.scratch_bytes(), other.scratch_bytes()));
  std::vector<step_difference> all;
  for (int s = 0; s < v.count; ++s) {
    if (!v.stores(s)) continue;
    int const id = v.steps[s].out;
    other.step(s, m.frame);
    std::vector<double> const theirs = values_of(v, id, m.frame);
    native.step(s, m.frame);
    std::vector<double> const ours = values_of(v, id, m.frame);
    step_difference d{std::string(v.anchor(s).name.view()), other.by(s)};
    d.bytes = graph::is_quantized(v.type(id));
    double scale = 0;
    for (std::size_t i = 0; i < ours.size(); ++i) {
      double const x = std::fabs(ours[i] - theirs[i]);
      d.largest = x <= d.largest ? d.largest : x; // a NaN stays
      d.share += x != 0;
      scale = std::fmax(scale, std::fabs(ours[i]));
    }
    if (!d.bytes && scale > 0) d.largest /= scale;
    d.share /= static_cast<double>(ours.size());
    all.push_back(d);
  }
  return all;
}

graph::value_ranges ranges_of(graph::draft const& written, problem const& p) {
  planned const n(written, graph::precision::f32);
  loaded_run const plan(n, p, false, {.max_batch = p.batch});
  graph::plan_view const& v = plan.v;
  call_memory const m(n, p, plan.scratch_bytes());
  graph::value_ranges all;
  auto const add = [&](int id) {
    ia_nn::value_range r;
    for (double const x : values_of(v, id, m.frame)) r.add({static_cast<f32>(x), static_cast<f32>(x)});
    all.add(v.nodes[id].name.view(), r);
  };
  for (int i = 0; i < v.node_count; ++i)
    if (v.nodes[i].kind == graph::op::input) add(i);
  for (int s = 0; s < v.count; ++s) {
    plan.step(s, m.frame);
    if (v.steps[s].kind != graph::op::output) add(v.steps[s].out);
  }
  return all;
}

outcome check(planned const& n, std::uint64_t seed, index_t batch, double bound) {
  CAPTURE(seed, batch);
  problem const p = n.make_problem(seed, batch);
  graph::compile_options const o{.max_batch = p.batch};
  outcome const native = run(n, p, false, o);
  outcome const other = run(n, p, true, o);
  for (std::size_t k = 0; k < other.by.size(); ++k) UNSCOPED_INFO(other.layers[k] << ": " << other.by[k]);
  for (std::size_t k = 0; k < other.out.size(); ++k) {
    CHECK(distance(other.out[k], p.expected[k]) <= bound);
    CHECK(distance(other.out[k], native.out[k]) <= bound);
  }
  return other;
}

} // namespace onednn_test

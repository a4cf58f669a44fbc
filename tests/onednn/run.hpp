// SPDX-License-Identifier: Apache-2.0
//
// Networks that are planned while the test runs, with kernels of this library and of oneDNN: one table
// of both, compiled once (table_*.cpp).
#pragma once

#include "../graph/interpreter.hpp"

#include <ia_nn/graph/layers.hpp>
#include <ia_nn/graph/passes/network.hpp>
#include <ia_nn/onednn/backend.hpp>
#include <ia_nn/graph/run/loaded.hpp>
#include <ia_nn/graph/run/weights.hpp>

namespace onednn_test {

namespace graph = ia_nn::graph;
using ia_nn::f32, ia_nn::index_t, ia_nn_test::problem;

/// A kernel with the tail that is known at run time.
struct entry {
  graph::kernel_id id;
  graph::detail::load_function load;
  void (*run)(graph::kernel_store const&, graph::plan_view const&, int, graph::frame const&,
              ia_nn::workspace_view, ia_nn::sequential&) noexcept;
};
struct pair_of_entries {
  entry native, onednn;
};
/// Of the tables of all files.
pair_of_entries const* find_entry(graph::kernel_id id);

inline std::vector<pair_of_entries>& all_entries() {
  static std::vector<pair_of_entries> list;
  return list;
}
template <class Kernels, graph::kernel_id K> constexpr entry entry_of() {
  return {K, &graph::detail::load_kernel<K, Kernels>,
          &graph::detail::run_kernel<K, Kernels, graph::any_tail, ia_nn::sequential>};
}
/// An object of it in a file adds the kernels there.
template <graph::kernel_id... K> struct table {
  table() {
    using I = ia_nn::isa::native;
    (all_entries().push_back(
         {entry_of<graph::native_kernels<I>, K>(), entry_of<graph::onednn_kernels<I>, K>()}),
     ...);
  }
};

struct planned {
  graph::draft written, nodes;
  graph::schedule_draft schedule;
  graph::precision usual;

  planned(graph::draft const& d, graph::precision p, graph::options o = {});
  template <class Net> static planned of(graph::precision p = graph::precision::f32, graph::options o = graph::options_of<Net>()) {
    return {graph::detail::built<Net>(), p, o};
  }
  graph::plan_view view() const;
  problem make_problem(std::uint64_t seed, index_t batch) const;
};

struct outcome {
  std::vector<std::vector<f32>> out;
  std::vector<std::string> layers, by; ///< of each step: its anchor, whose code
};
/// A batch of p's size on one backend.
outcome run(planned const& n, problem const& p, bool onednn, graph::compile_options o);

/// One step by both backends, from the same inputs.
struct step_difference {
  std::string layer, by;
  double largest = 0;   ///< of bytes in their units; of others, of the largest value
  double share = 0;     ///< of the elements that differ
  bool bytes = false;
};
/// Every step of a run, whose values are those of this library's kernels. n: without in_place.
std::vector<step_difference> compare_steps(planned const& n, problem const& p, graph::compile_options const& o);
/// What the values of a network in f32 range over.
graph::value_ranges ranges_of(graph::draft const& written, problem const& p);

/// The largest difference of two arrays over the largest number of the second.
template <class A, class B> double distance(A const& a, B const& b) {
  double d = 0, scale = 0;
  for (std::size_t i = 0; i < b.size(); ++i) {
    d = std::fmax(d, std::fabs(static_cast<double>(a[i]) - static_cast<double>(b[i])));
    scale = std::fmax(scale, std::fabs(static_cast<double>(b[i])));
    if (std::isnan(a[i])) return INFINITY;
  }
  return scale > 0 ? d / scale : d;
}
/// How many steps oneDNN computes.
inline int steps_of_onednn(outcome const& o) {
  int n = 0;
  for (std::string const& s : o.by) n += s.starts_with("onednn");
  return n;
}

/// Both backends against the oracle and each other. Returns what oneDNN computed.
outcome check(planned const& n, std::uint64_t seed, index_t batch, double bound = 1e-5);
template <class Net>
outcome check(std::uint64_t seed, index_t batch = 5, double bound = 1e-5) {
  return check(planned::of<Net>(), seed, batch, bound);
}

} // namespace onednn_test

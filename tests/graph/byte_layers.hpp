// SPDX-License-Identifier: Apache-2.0
//
// Networks of one or two layers in 8 bits, and their oracle: the network in double, on inputs and weights
// that were quantized and made numbers again.
#pragma once

#include "planned_run.hpp"

#include <functional>

namespace byte_layers {

using namespace graph_test;
using graph::precision;
using graph::value_type;
using ia_nn::f32;
using ia_nn::index_t;
using ia_nn::quantization;
using ia_nn::value_range;

/// What is compiled: the definition, and what this machine has.
using isas = ia_nn::type_list<ia_nn::isa::scalar, ia_nn::isa::native>;

/// The kernel that makes f32 bytes.
inline constexpr graph::detail::id_list conversion_ids = [] {
  graph::detail::id_list l;
  l.add(graph::op::activation, precision::f32, value_type::f32, value_type::u8);
  return l;
}();

/// A network that is written while the test runs.
struct written {
  static inline std::function<graph::value(graph::builder&)> layers;
  static inline graph::quantize_rules quantize{};
  static graph::value build(graph::builder& b) { return layers(b); }
};
inline run_time_plan plan_of(std::function<graph::value(graph::builder&)> const& f,
                             graph::quantize_rules const& r = {}) {
  written::layers = f;
  return {graph::detail::built<written>(), {}, r};
}

/// u8 by the range of its values.
inline quantization bytes_of(value_range const& r) {
  return ia_nn::quantization_of<ia_nn::u8>(r, ia_nn::scheme::asymmetric);
}
/// How near values came to the middle between two units, in units. There a kernel's sum in f32 may round
/// to the other unit, and what is computed from it differs by more than any bound.
inline double nearest_middle = 1;
constexpr double clear_of_middle = 2e-4;

/// Quantized, and a number again.
inline double as_bytes(double x, quantization const& q, double low = 0, double high = 255) {
  double const units = static_cast<double>(static_cast<f32>(x) / q.scale);
  if (units + q.zero_point > low - 1 && units + q.zero_point < high + 1)
    nearest_middle = std::fmin(nearest_middle, std::fabs(units - std::floor(units) - 0.5));
  double const v = std::nearbyint(units) + q.zero_point;
  return (std::fmin(std::fmax(v, low), high) - q.zero_point) * static_cast<double>(q.scale);
}
/// By the largest of them.
template <class It> void as_symmetric(It from, It to) {
  f32 most = 0;
  for (It i = from; i != to; ++i) most = std::fmax(most, std::fabs(static_cast<f32>(*i)));
  quantization const q{most > 0 ? most / 127.0F : 1.0F, 0};
  for (It i = from; i != to; ++i)
    *i = static_cast<std::remove_reference_t<decltype(*i)>>(
        as_bytes(static_cast<double>(*i), q, -127, 127));
}

/// A copy of the weights of a problem, to be changed; those of the problem, where they are set.
inline std::vector<f32>& numbers(random_weights& w, std::string const& name) {
  return const_cast<std::vector<f32>&>(*w.by_name.at(name));
}

/// Runs `n` in the precision with the kernels of the lists on each instruction set, alone and in threads,
/// in exact buffers, and compares with what is expected of its one output. All give the same bits where
/// `same` says so.
template <class Isas, graph::detail::id_list const& Ids, graph::detail::id_list const& ByteIds>
void check(run_time_plan const& n, problem const& p, std::vector<double> const& expected,
           precision usual, graph::value_ranges const& ranges, double bound, bool same) {
  REQUIRE(largest(expected) > 0);
  ia_nn::thread_pool three(3);
  std::vector<f32> first;
  ia_nn::for_each_type(Isas{}, [&](auto tag) {
    using I = decltype(tag);
    if (!runnable<I>()) return;
    using net = graph_test::detail::planned<I, Ids, ByteIds>;
    INFO("isa " << label<I>());
    for (ia_nn::thread_pool* const pool : {static_cast<ia_nn::thread_pool*>(nullptr), &three}) {
      graph::compile_options const o{
          .max_batch = p.batch + (pool ? 2 : 0), .workers = pool ? 3 : 1, .ranges = ranges};
      call const c = graph_test::detail::run_on<net>(n.view(usual), n.bytes(usual), p, o, pool);
      CHECK(distance(c.out[0], expected) <= bound);
      if (first.empty()) first.assign(c.out[0].begin(), c.out[0].end());
      if (same) CHECK(std::memcmp(first.data(), c.out[0].data(), first.size() * sizeof(f32)) == 0);
    }
  });
}

} // namespace byte_layers

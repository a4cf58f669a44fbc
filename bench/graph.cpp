// SPDX-License-Identifier: Apache-2.0
//
// The suite `graph`: whole networks, fused against every operation by itself; wide & deep with its
// tables looked up side by side and one after the other; what a step costs that does nothing.
// Ratios are the time without passes over the time with them.
#include "graph/nets.hpp"
#include "product.hpp"

namespace {

using namespace bench;
using ia_nn::index_t;

void add_nets(std::vector<group>& list, context& c) {
  for (net_entry const& n : {mnist(), mobilenet(), resnet50_v1(), resnet50_v1_5(), inception_v3()})
    for (net_variant const& v : n.variants) {
      group g{v.precision, n.name, v.limit, {}};
      for (index_t batch : {1, 16}) {
        bench_case b;
        b.name = "batch " + std::to_string(batch);
        b.operations = n.flops * static_cast<double>(batch);
        b.prepare = [=, make = v.make, threads = c.threads] { return make(batch, threads); };
        c.add(g, std::move(b), 0);
      }
      list.push_back(std::move(g));
    }
}

std::vector<group> groups(context& c) {
  std::vector<group> list;
  add_nets(list, c);
  if constexpr (is_base) {
    for (auto const& [word, make] : {std::pair{"wide_deep", &wide_deep}, {"embeddings", &embeddings}}) {
      group g{"f32", word, peak::none, {}};
      for (index_t batch : {1, 64}) {
        bench_case b;
        b.name = "batch " + std::to_string(batch);
        b.prepare = [=, f = make, threads = c.threads] { return f(batch, threads); };
        c.add(g, std::move(b), 0);
      }
      list.push_back(std::move(g));
    }
    {
      group g{"f32", "tails", peak::none, {}};
      for (tail_entry const& t : tails()) {
        bench_case b;
        b.name = t.name;
        b.prepare = [=, threads = c.threads] { return t.make(1, threads); };
        c.add(g, std::move(b), 0);
      }
      list.push_back(std::move(g));
    }
    if (c.threads == 1) {
      group g{"f32", "empty step", peak::none, {}};
      bench_case b;
      b.name = "of " + std::to_string(empty_steps);
      b.items = empty_steps;
      b.prepare = empty_network;
      c.add(g, std::move(b), 0);
      list.push_back(std::move(g));
    }
  }
  return list;
}

} // namespace

int main(int argc, char** argv) { return bench::run(argc, argv, "graph", own_isa_name, groups); }

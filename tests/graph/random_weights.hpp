// SPDX-License-Identifier: Apache-2.0
//
// Random weights for any network.
#pragma once

#include "../random.hpp"

#include <ia_nn/graph/network.hpp>
#include <ia_nn/graph/ir/weights.hpp>
#include <ia_nn/graph/layers.hpp>
#include <ia_nn/graph/run/weights.hpp>

#include <cmath>
#include <deque>
#include <map>

namespace ia_nn_test {

namespace graph = ia_nn::graph;

/// Numbers of all layers of a network, which has `count` nodes.
class random_weights {
public:
  random_weights() = default;
  random_weights(graph::node const* nodes, int count, random& r) {
    graph::for_each_weight(
        nodes, count,
        [&](graph::node const& n, std::string_view what, std::string const& name,
            std::vector<index_t> const& shape) {
          index_t size = 1, outputs = shape[0];
          for (index_t const e : shape) size *= e;
          if (n.kind == graph::op::deconv) outputs = n.attributes.filters;
          bool const matrix = shape.size() > 1, variance = what == ".running_var",
                     scale = what == ".weight" && !matrix;
          f32 const mean = variance || scale ? 1.0F : 0.0F;
          f32 const spread = n.kind == graph::op::embedding ? 1.0F
                             : matrix ? 1 / std::sqrt(static_cast<f32>(size / outputs))
                             : variance ? 0.15F
                                        : 0.25F;
          std::vector<f32>& v = store.emplace_back(static_cast<std::size_t>(size));
          for (f32& e : v) e = mean + spread * r.normal();
          from.add(name, shape, v);
          by_name[name] = &v;
        });
  }
  std::vector<f32> const& operator()(graph::node const& n, std::string const& what) const {
    return *by_name.at(std::string(n.name.view()) + what);
  }

  graph::memory_weights from;
  std::deque<std::vector<f32>> store;
  std::map<std::string, std::vector<f32> const*> by_name;
};

} // namespace ia_nn_test

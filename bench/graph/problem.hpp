// SPDX-License-Identifier: Apache-2.0
//
// Random weights and inputs for any network of the suite `graph`.
#pragma once

#include "operands.hpp"

#include <ia_nn/graph/ir/weights.hpp>
#include <ia_nn/graph/layers/embedding.hpp>
#include <ia_nn/graph/run/weights.hpp>

#include <cmath>
#include <deque>
#include <random>

namespace bench {

/// Weights of all layers, of a size that keeps activations near 1, and `sets` sets of inputs: calls
/// take them in turn, so that look-ups do not find the rows of the call before in a cache.
class net_problem {
public:
  net_problem(ia_nn::graph::node const* nodes, int count, ia_nn::index_t batch, int sets) {
    using namespace ia_nn;
    std::minstd_rand random(1);
    auto const uniform = [&] {
      return static_cast<f32>(static_cast<int>(random() >> 8 & 0xffffU) - 0x8000) / 0x8000;
    };
    graph::for_each_weight(nodes, count, [&](graph::node const&, std::string_view kind,
                                             std::string const& name,
                                             std::vector<index_t> const& shape) {
      index_t size = 1;
      for (index_t const n : shape) size *= n;
      std::vector<f32>& v = store_.emplace_back(static_cast<std::size_t>(size));
      bool const scale = kind == ".running_var" || (kind == ".weight" && shape.size() == 1);
      bool const matrix = kind == ".weight" && shape.size() > 1;
      f32 const spread =
          matrix ? 1.7F / std::sqrt(static_cast<f32>(size / shape[0])) : scale ? 0.2F : 0.1F;
      for (f32& x : v) x = (scale ? 1.0F : 0.0F) + spread * uniform();
      weights.add(name, shape, v);
    });
    for (int i = 0; i < count; ++i) {
      graph::node const& n = nodes[i];
      if (n.kind != graph::op::input) continue;
      auto const size = static_cast<std::size_t>(n.shape.size() * (n.shape.dynamic() ? batch : 1));
      index_t rows = 1 << 30; // of the smallest table that these indices choose from
      for (int k = 0; k < count; ++k)
        if (nodes[k].kind == graph::op::embedding && nodes[k].inputs[0] == i)
          rows = std::min(rows, nodes[k].attributes.table_rows);
      for (int s = 0; s < sets; ++s)
        if (n.type == graph::value_type::s32) {
          auto& x = integers_.emplace_back(size);
          for (std::size_t e = 0; e < size; ++e) x[e] = static_cast<s32>((random() >> 4) % rows);
          inputs.push_back(x.data());
        } else {
          auto& x = floats_.emplace_back(size);
          for (std::size_t e = 0; e < size; ++e) x[e] = uniform();
          inputs.push_back(x.data());
        }
    }
  }
  net_problem(net_problem const&) = delete;

  ia_nn::graph::memory_weights weights;
  std::vector<void const*> inputs; ///< [input][set]

private:
  std::deque<std::vector<ia_nn::f32>> store_;
  std::deque<buffer<ia_nn::f32>> floats_;
  std::deque<buffer<ia_nn::s32>> integers_;
};

} // namespace bench

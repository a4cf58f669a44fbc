// SPDX-License-Identifier: Apache-2.0
//
// A network that has each way in which a value may lie in memory, and all its values from the oracle.
#pragma once

#include "interpreter.hpp"

#include <ia_nn/exec/thread_pool.hpp>
#include <ia_nn/graph/layers.hpp>

namespace calibrate_test {

using namespace ia_nn_test;
namespace op = ia_nn::graph::op;

/// Branches that write into a concat, one look-up in two tables, values that share memory.
struct small_net {
  static constexpr void build(graph::builder& b) {
    using graph::concat, graph::dense, graph::embedding, graph::softmax;
    auto const image = input(b, "image", {graph::any_batch, 6, 5, 3});
    auto const ids = input(b, "ids", {graph::any_batch, 2}, graph::value_type::s32);
    auto x = relu(conv2d(image, {.filters = 8, .kernel = 3, .pad = 1, .name = "conv1"}));
    auto const left = conv2d(x, {.filters = 4, .kernel = 1, .name = "left"});
    auto const right = tanh(conv2d(x, {.filters = 6, .kernel = 3, .pad = 1, .name = "right"}));
    x = conv2d(concat({left, right}), {.filters = 8, .kernel = 1, .name = "conv2"}) + x;
    auto const rows = concat({embedding(ids, {.rows = 11, .width = 3, .name = "table1"}),
                              embedding(ids, {.rows = 7, .width = 5, .name = "table2"})});
    auto const words = dense(reshape(rows, {16}), {.units = 5, .name = "words"});
    output(softmax(dense(global_average_pool(x), {.units = 5, .name = "fc"}) + words), "result");
  }
};

/// Weights and samples of a network, and every value that the oracle finds, under its node's name.
struct every_value {
  problem p;
  std::map<std::string, std::vector<double>> by_name;

  template <class Net> static every_value of(index_t items, ia_nn_test::random& r) {
    graph::draft d = graph::original<Net>.edit();
    std::vector<int> ids;
    for (int i = d.count_of(op::output); i > 0; --i) ids.push_back(-1); // they come first
    for (int i = 0, n = d.count(); i < n; ++i) {
      if (d[i].kind == op::output) continue;
      graph::node out{.kind = op::output, .name = d[i].name, .shape = d[i].shape};
      out.inputs.add(i);
      d.nodes.push_back(out);
      ids.push_back(i);
    }
    every_value all{problem(d.nodes.data(), d.count(), items, r), {}};
    for (std::size_t k = 0; k < ids.size(); ++k)
      if (ids[k] >= 0)
        all.by_name[std::string(d[ids[k]].name.view())] = all.p.expected[k];
    return all;
  }
};

} // namespace calibrate_test

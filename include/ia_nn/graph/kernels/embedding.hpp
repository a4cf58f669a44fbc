// SPDX-License-Identifier: Apache-2.0
//
// Look-ups in tables. A group of them that fills neighbouring columns of one concat is one call.
#pragma once

#include <ia_nn/graph/kernels/kernel.hpp>
#include <ia_nn/graph/layers/embedding.hpp>
#include <ia_nn/ops/embedding.hpp>

#include <cstring>

#include <ia_nn/begin.hpp>
namespace graph {

template <kernel_id K, isa::tag I>
  requires(K.op == op::embedding.id)
struct kernel<K, native_kernels<I>> : plain_kernel {
  using store = ::ia_nn::embedding<f32>;
  static store load(kernel_loader& l) {
    std::vector<embedding_table<f32>> tables;
    for (int s = l.number; s < l.number + l.plan.tables(l.number); ++s) {
      int const id = l.plan.steps[s].anchor;
      attribute_set const& a = l.plan.nodes[id].attributes;
      std::vector<f32> const rows = l.of(id).read(".weight");
      aligned_array<f32> copy(a.table_rows * a.width);
      std::memcpy(copy.data(), rows.data(), rows.size() * sizeof(f32));
      tables.push_back({l.keep(copy), a.table_rows, a.width, a.width});
    }
    return store(std::span<embedding_table<f32> const>(tables));
  }
  template <class E> static void run(store const& s, step_call const& c, E& e) noexcept {
    s32 const* indices[max_inputs];
    for (int k = 0; k < static_cast<int>(s.tables()); ++k)
      indices[k] = reinterpret_cast<s32 const*>(
          c.memory.from(c.plan, c.plan.steps[c.number + k].inputs[0]));
    s.run(c.source_size(), indices, c.result(), c.ld(), e);
  }
};

} // namespace graph
IA_NN_END

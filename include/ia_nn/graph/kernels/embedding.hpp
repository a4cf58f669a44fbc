// SPDX-License-Identifier: Apache-2.0
//
// Look-ups in tables. A group of them that fills neighbouring columns of one concat is one call.
#pragma once

#include <ia_nn/graph/kernels/kernel.hpp>
#include <ia_nn/graph/layers/embedding.hpp>
#include <ia_nn/int8/quantize.hpp>
#include <ia_nn/ops/embedding.hpp>

#include <cstring>

#include <ia_nn/begin.hpp>
namespace graph {

namespace detail {
/// The rows of a table as T; bytes with scale and zero point of what is looked up.
template <isa::tag I, element T>
aligned_array<T> table_rows(kernel_loader const& l, quantization const& q) {
  std::vector<f32> const rows = l.read(".weight");
  auto const size = static_cast<index_t>(rows.size());
  aligned_array<T> to(size);
  if constexpr (byte_element<T>) {
    for (f32 const x : rows)
      if (x != x)
        throw_error(errc::bad_parameter, l.who() + ": its table has a NaN, which 8 bits cannot hold");
    quantize<I>(size, rows.data(), to.data(), q);
  } else {
    std::memcpy(to.data(), rows.data(), rows.size() * sizeof(f32));
  }
  return to;
}
} // namespace detail

template <kernel_id K, isa::tag I>
  requires(K.op == op::embedding.id)
struct kernel<K, native_kernels<I>> : plain_kernel {
  using T = element_of<K.writes>;
  struct store {
    std::vector<aligned_array<T>> rows;
    ::ia_nn::embedding<T> tables;
  };
  static store load(kernel_loader& l) {
    std::vector<aligned_array<T>> rows;
    std::vector<embedding_table<T>> tables;
    for (int s = l.number; s < l.number + l.plan.tables(l.number); ++s) {
      step const& t = l.plan.steps[s];
      attribute_set const& a = l.plan.nodes[t.anchor].attributes;
      rows.push_back(detail::table_rows<detail::isa_of_f32<I>, T>(l.of(t.anchor), l.scaling(t.out)));
      tables.push_back({rows.back().data(), a.table_rows, a.width, a.width});
    }
    return {std::move(rows), ::ia_nn::embedding<T>(std::span<embedding_table<T> const>(tables))};
  }
  template <class E> static void run(store const& s, step_call const& c, E& e) noexcept {
    s32 const* indices[max_inputs];
    for (int k = 0; k < static_cast<int>(s.tables.tables()); ++k)
      indices[k] = reinterpret_cast<s32 const*>(
          c.memory.from(c.plan, c.plan.steps[c.number + k].inputs[0]));
    s.tables.run(c.source_size(), indices, c.result<T>(), c.ld(), e);
  }
};

} // namespace graph
IA_NN_END

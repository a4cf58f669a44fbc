// SPDX-License-Identifier: Apache-2.0
//
// Learned numbers in memory, once for each item of the batch: where they are no operand of a stage,
// which reads them where they were loaded.
#pragma once

#include <ia_nn/core/executor.hpp>
#include <ia_nn/graph/kernels/weights.hpp>
#include <ia_nn/graph/layers/parameter.hpp>

#include <cstring>

#include <ia_nn/begin.hpp>
namespace graph {

namespace detail {

/// The numbers of a parameter, l.layer, as one item of it lies in memory.
inline aligned_array<f32> parameter_item(kernel_loader const& l) {
  std::vector<f32> const from = l.read("");
  dims const& s = l.layer.shape;
  index_t const size = s.item(), channels = s.last(), rows = size / channels;
  aligned_array<f32> to(size);
  auto const at = [](index_t i) { return static_cast<std::size_t>(i); };
  std::vector<index_t> const channel = channels_made(l);
  bool const first = l.layer.attributes.reads == order::channels_first;
  for (index_t r = 0; r < rows; ++r)
    for (index_t i = 0; i < channels; ++i) {
      index_t const c = channel[at(i)];
      to[r * channels + i] = from[at(first ? c * rows + r : r * channels + c)];
    }
  return to;
}

/// A parameter that is the operand of a stage whose values have the shape `whole`: a row for
/// spread::every_row, an item for spread::every_item.
inline aligned_array<f32> parameter_operand(kernel_loader const& l, dims const& whole, spread how) {
  aligned_array<f32> from = parameter_item(l);
  dims const& part = l.layer.shape;
  index_t const columns = whole.last();
  if (part.last() == columns) return from;
  index_t const rows = how == spread::every_row ? 1 : part.item();
  aligned_array<f32> to(rows * columns);
  for (index_t i = 0; i < rows * columns; ++i) to[i] = from[i / columns];
  return to;
}

} // namespace detail

template <kernel_id K, isa::tag I>
  requires(K.op == op::parameter.id)
struct kernel<K, native_kernels<I>> : plain_kernel {
  struct store {
    f32 const* item;
  };
  static store load(kernel_loader& l) {
    aligned_array<f32> item = detail::parameter_item(l);
    return {l.keep(item)};
  }
  template <class E> static void run(store const& s, step_call const& c, E& e) noexcept {
    index_t const columns = c.shape().last(), rows = c.shape().item() / columns, ld = c.ld();
    f32* const dst = c.result();
    parallel_blocks(e, c.rows(), ceil_div(16384, columns), [&](index_t begin, index_t end, int) {
      for (index_t r = begin; r < end; ++r)
        std::memcpy(dst + r * ld, s.item + r % rows * columns,
                    static_cast<std::size_t>(columns) * sizeof(f32));
    });
  }
};

} // namespace graph
IA_NN_END

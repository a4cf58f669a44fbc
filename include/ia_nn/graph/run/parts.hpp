// SPDX-License-Identifier: Apache-2.0
//
// A batch may pass through a network in parts, one after the other:
//
//   items       0 1 2 | 3 4 5 | 6 7       each part runs all steps, in the same memory
//
// Values between steps then stay in the caches: 16 images of MobileNet have 38 MB of them, one has 2.4.
// What it costs is that every part reads all weights. So a part has as many items as fit the second
// caches, but at least so many that their values are twice as many bytes as the weights, and one for
// each worker.
//
// Results have the bits of the whole batch, and so those of any number of workers: where a product adds
// in another order if it has up to three rows (few columns, recurrent layers, tiles of AMX), a part has
// no less than four items unless the batch has.
#pragma once

#include <ia_nn/arch/cpu.hpp>
#include <ia_nn/gemm/narrow.hpp>
#include <ia_nn/graph/ir/weights.hpp>
#include <ia_nn/graph/kernels/compile_options.hpp>
#include <ia_nn/graph/kernels/step_call.hpp>
#include <ia_nn/graph/layers/conv.hpp>
#include <ia_nn/graph/layers/dense.hpp>
#include <ia_nn/graph/layers/embedding.hpp>
#include <ia_nn/graph/layers/indexing.hpp>

#include <ia_nn/begin.hpp>
namespace graph {

/// False where an operator may look at the whole batch, or an input is one for all items.
constexpr bool runs_in_parts(plan_view const& v) {
  bool yes = v.open_batch();
  for (int s = 0; s < v.count; ++s) yes = yes && v.steps[s].kind->by_item && v.anchor(s).kind->by_item;
  for (int i = 0; i < v.node_count; ++i)
    if (v.nodes[i].kind == op::input || v.nodes[i].kind == op::output) yes = yes && v.nodes[i].shape.dynamic();
  return yes;
}

/// The number of items from which on the bits do not depend on how many there are. tiles: bf16 is
/// multiplied by AMX.
constexpr index_t least_items(plan_view const& v, bool tiles) {
  for (int s = 0; s < v.count; ++s) {
    node const& n = v.anchor(s);
    if (!n.kind->multiplies || n.kind == op::conv || n.kind == op::deconv) continue;
    precision const p = precision_of(n, v.usual);
    if (p == precision::s8) continue; // exact in any order
    bool const in_order = p == precision::f32 || (p == precision::bf16 && !tiles);
    if (n.kind != op::dense || !in_order || n.shape.last() <= ia_nn::detail::narrow_columns) return 4;
  }
  return 1;
}

/// Bytes of a packed weight.
constexpr index_t weight_bytes(precision p) {
  return p == precision::s8 ? 1 : p == precision::bf16 ? 2 : 4;
}

/// A batch is cut into parts of at least so many items, and of less than twice as many.
inline index_t items_of_part(plan_view const& v, compile_options const& o, bool tiles) {
  if (!runs_in_parts(v)) return o.max_batch;
  index_t const least = least_items(v, tiles);
  if (o.items_at_once > 0) return max_of(least, o.items_at_once);
  index_t bytes = 1, moved = 1, weights = 0; // of an item: memory, what is read and written
  for (int s = 0; s < v.count; ++s) {
    step const& t = v.steps[s];
    auto const bytes_of = [&](int id) { return size_of(v.type(id)) * v.nodes[id].shape.size(); };
    moved += bytes_of(t.out);
    for (int const in : t.inputs) moved += bytes_of(in);
    if (t.kind != op::embedding && t.kind != op::embedding_bag) // rows of a table, not the table
      weights += weight_count(v.nodes, t.anchor) * weight_bytes(precision_of(v.anchor(s), v.usual));
  }
  for (int i = 0; i < v.node_count; ++i)
    if (place const p = v.places[i]; p.where == storage::workspace)
      bytes = max_of(bytes, v.buffers[p.index].offset + v.buffers[p.index].bytes);
  index_t const fit = cpu::cache_sizes().l2 * o.workers / bytes, enough = ceil_div(2 * weights, moved);
  return max_of(max_of(least, index_t{o.workers}), max_of(fit, enough));
}

namespace detail {

template <class Kernels>
inline constexpr bool has_tiles = isa::has<typename Kernels::isa_type, isa::amx>;

/// The options of kernels that see parts.
inline compile_options of_parts(compile_options o, index_t part) {
  if (part > 0) o.max_batch = min_of(o.max_batch, 2 * part - 1);
  return o;
}

/// Elements of an item of each input and output.
template <int Inputs, int Outputs> struct end_sizes {
  index_t in[static_cast<std::size_t>(Inputs)]{}, out[static_cast<std::size_t>(Outputs)]{};

  constexpr explicit end_sizes(plan_view const& v) {
    for (int n = 0, i = 0, o = 0; n < v.node_count; ++n) {
      if (v.nodes[n].kind == op::input) in[i++] = v.nodes[n].shape.size();
      if (v.nodes[n].kind == op::output) out[o++] = v.nodes[n].shape.size();
    }
  }
};

/// Where a part of the items begins in the arrays of a call.
template <int Inputs, int Outputs> struct part_of_call {
  source in[static_cast<std::size_t>(Inputs)];
  f32* out[static_cast<std::size_t>(Outputs)];

  part_of_call(end_sizes<Inputs, Outputs> const& of, source const* all_in, f32* const* all_out, int inputs,
               index_t first) noexcept {
    for (int i = 0; i < inputs; ++i) // f32 or s32
      in[i] = all_in[i], in[i].data = static_cast<std::byte const*>(all_in[i].data) + 4 * first * of.in[i];
    for (int o = 0; o < Outputs; ++o) out[o] = all_out[o] + first * of.out[o];
  }
};

} // namespace detail
} // namespace graph
IA_NN_END

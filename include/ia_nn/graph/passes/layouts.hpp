// SPDX-License-Identifier: Apache-2.0
//
// Images that need not be turned, because what is around them has the channels first:
//
//   skip_images    flatten, or an output with channels first, reads the columns that a reshape made
//                  an image of, through functions or not
//   read_planes    a convolution of few channels that alone reads a transposed image reads what the
//                  transposition read: it copies bands of lines in any case, and that copy transposes
#pragma once

#include <ia_nn/graph/ir/weights.hpp>
#include <ia_nn/graph/layers/conv.hpp>
#include <ia_nn/graph/layers/elementwise.hpp>
#include <ia_nn/graph/layers/move.hpp>
#include <ia_nn/graph/layers/reshape.hpp>
#include <ia_nn/graph/passes/simplify.hpp>

#include <ia_nn/begin.hpp>
namespace graph {

/// From so many channels on an image is transposed in front of a convolution. Milliseconds on one
/// thread of a Zen 5, transposed and then read | read with the channels first:
///
///   f32   3x3/2 3-32 of 224 x 224    0.169 | 0.140
///         7x7/2 3-64 of 224 x 224    0.981 | 0.951
///         3x3 16-64 of 56 x 56       0.229 | 0.224
///   bf16  7x7/2 3-64 of 224 x 224    0.755 | 0.684
///         3x3 16-64 of 56 x 56       0.125 | 0.132
inline constexpr index_t many_planes = 16;

/// columns ─► reshape to an image ─► functions ─► flatten
/// becomes   columns ─► functions ─► flatten   where both count channel by channel. Returns how many there are.
constexpr int skip_images(draft& d) {
  bool any = false;
  for (node const& n : d.nodes)
    any = any || (n.kind == op::reshape && n.attributes.writes == order::channels_first);
  if (!any) return 0;
  std::vector<int> const uses = d.uses();
  int changed = 0;
  for (node& n : d.nodes) {
    if (n.kind != op::reshape || n.attributes.reads != order::channels_first) continue;
    int top = n.inputs[0];
    while (d[top].kind == op::activation && uses[static_cast<std::size_t>(top)] == 1)
      top = d[top].inputs[0];
    node const& image = d[top];
    if (image.kind != op::reshape || image.attributes.writes != order::channels_first) continue;
    int const columns = image.inputs[0];
    if (d[columns].shape.rank != 2) continue;
    int* in = &n.inputs[0];
    while (*in != top) {
      node& f = d[*in];
      f.shape = d[columns].shape;
      f.meaning = meaning::rows;
      in = &f.inputs[0];
    }
    *in = columns;
    n.attributes.reads = order::channels_last;
    ++changed;
  }
  if (changed > 0) remove_dead(d);
  return changed;
}

/// Behind it some convolutions read channels first: attribute_set::reads. Returns how many.
constexpr int read_planes(draft& d) {
  if (d.count_of(op::transpose) == 0) return 0;
  std::vector<int> const uses = d.uses();
  auto const once = [&](int id) { return uses[static_cast<std::size_t>(id)] == 1; };
  int changed = 0;
  for (node& n : d.nodes) {
    if (n.kind != op::conv) continue;
    int from = n.inputs[0];
    index_t const channels = d[from].shape.last();
    if (channels >= many_planes || !once(from)) continue;
    while (d[from].kind == op::reshape && once(d[from].inputs[0])) from = d[from].inputs[0];
    node& t = d[from];
    int const last = t.shape.rank - 1;
    bool planes = t.kind == op::transpose && t.shape.last() == channels &&
                  t.attributes.from_axis[last] == 1;
    for (int a = 1; planes && a < last; ++a) planes = t.attributes.from_axis[a] == a + 1;
    if (!planes || n.kind->by_channel(n, detail::input_nodes(d, n).of)) continue; // it copies nothing
    t.kind = op::reshape; // the same elements where they lie
    t.attributes.reads = t.attributes.writes = order::channels_last;
    n.attributes.reads = order::channels_first;
    ++changed;
  }
  return changed;
}

} // namespace graph
IA_NN_END

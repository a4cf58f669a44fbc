// SPDX-License-Identifier: Apache-2.0
//
// A network whose inputs have other extents: the rules of its operators are asked again, at run time.
#pragma once

#include <ia_nn/core/error.hpp>
#include <ia_nn/graph/ir/infer.hpp>
#include <ia_nn/graph/ir/text.hpp>
#include <ia_nn/graph/ir/weights.hpp>
#include <ia_nn/graph/layers/pool.hpp>
#include <ia_nn/graph/layers/reshape.hpp>

#include <ia_nn/begin.hpp>
namespace graph {
namespace detail {

/// Leaves one extent of a reshape to be found where its source has changed: the only one behind the batch, one
/// that is as large as an extent that has changed, or pixels in front of channels.
inline void open_extent(node& n, dims const& before, dims const& now) {
  if (now.item() == before.item()) return;
  int open = n.shape.rank == 2 || (n.shape.rank == 3 && n.shape.last() == now.last()) ? 1 : 0;
  for (int k = 1; open == 0 && k < now.rank && k < before.rank; ++k)
    for (int d = 1; open == 0 && now[k] != before[k] && d < n.shape.rank; ++d)
      if (n.shape[d] == before[k]) open = d;
  if (open > 0) n.shape.extent[open] = -1;
}

/// A pool over the whole image stays one, and one to an image of a given size still makes that (n.shape has it).
inline void keep_pool(node& n, dims const& before, dims const& now) {
  if (n.attributes.to_size) {
    n.attributes.adaptive = true; // until the rule finds windows that are all alike
    return;
  }
  if ((n.kind != op::max_pool && n.kind != op::average_pool) || before.rank != now.rank) return;
  spatial const old = image_of(before);
  window& w = n.attributes.win;
  for (int d = 0; d < 3; ++d)
    if (w.kernel[d] != old[d] || w.pad_begin[d] != 0 || w.pad_end[d] != 0) return;
  w.kernel = w.stride = image_of(now);
}

/// Errors: errc::bad_shape for another number of inputs, extents that the network cannot have, or weights that
/// would have other shapes.
template <class Nodes>
std::vector<node> with_input_shapes(Nodes const& from, std::vector<dims> const& shapes) {
  draft d;
  std::size_t input = 0;
  auto const fail = [](std::string_view what) {
    throw_error(errc::bad_shape, "training: " + std::string(without_head(what)));
  };
  for (int id = 0; id < from.count(); ++id) {
    node n = from[id];
    if (n.kind == op::input) {
      dims const old = n.shape;
      if (input == shapes.size()) fail("too few shapes of inputs");
      n.shape = shapes[input++];
      if (n.shape.rank != old.rank || n.shape[0] != old[0])
        fail("input '" + text_of(n) + "' is of shape " + text_of(old) + ", which cannot become " + text_of(n.shape));
      index_t size = 1; // of an item; numbers of elements are multiplied by others, and stay far from overflow
      for (int k = 1; k < n.shape.rank; ++k) {
        if (n.shape[k] < 1 || n.shape[k] > (index_t{1} << 40) / size)
          fail("input '" + text_of(n) + "' cannot be of shape " + text_of(n.shape) +
               ": extents are at least 1, and there are at most 2^40 elements");
        size *= n.shape[k];
      }
    }
    d.nodes.push_back(n);
    node& made = d[id];
    if (made.inputs.count > 0) {
      if (made.kind == op::reshape) open_extent(made, from[made.inputs[0]].shape, d[made.inputs[0]].shape);
      keep_pool(made, from[made.inputs[0]].shape, d[made.inputs[0]].shape);
      graph::meaning const means = made.meaning;
      if (sentence const s = infer(made, input_nodes(d, made).of, shown(made)); !s.empty()) fail(s.view());
      made.meaning = means;
    }
    std::vector<weight> const now = weights_of(d, id), then = weights_of(from, id);
    for (std::size_t w = 0; w < now.size(); ++w)
      if (!(now[w].shape == then[w].shape))
        fail("weight '" + text_of(made) + std::string(now[w].suffix.view()) + "' would be of shape " +
             text_of(now[w].shape) + ", not " + text_of(then[w].shape));
  }
  if (input != shapes.size()) fail("too many shapes of inputs");
  return d.nodes;
}

} // namespace detail
} // namespace graph
IA_NN_END

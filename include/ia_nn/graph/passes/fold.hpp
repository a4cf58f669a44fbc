// SPDX-License-Identifier: Apache-2.0
//
// Passes that say the same in another way, so that more of it fuses. Results keep their bits.
//
//   fold_padding      zeros put around an image by `pad` become the padding of the convolution
//                     that reads it
//   hoist_functions   conv -> max pool -> relu  becomes  conv -> relu -> max pool: the function
//                     joins the convolution, and the largest of relu(x) is the relu of the largest
#pragma once

#include <ia_nn/graph/layers/conv.hpp>
#include <ia_nn/graph/layers/move.hpp>
#include <ia_nn/graph/layers/pool.hpp>
#include <ia_nn/graph/passes/simplify.hpp>

#include <ia_nn/begin.hpp>
namespace graph {

/// Returns how many convolutions take their padding over.
constexpr int fold_padding(draft& d) {
  int changed = 0;
  for (node& n : d.nodes) {
    if (n.kind != op::conv) continue;
    node const& p = d[n.inputs[0]];
    attribute_set const& a = p.attributes;
    int const last = p.shape.rank - 1;
    if (p.kind != op::pad || a.fill != pad_mode::constant || a.number != 0 || a.front[last] != 0 ||
        a.back[last] != 0)
      continue;
    bool cuts = false; // negative padding in front is for `pad` alone
    for (int k = 1; k < last; ++k) cuts = cuts || a.front[k] < 0 || a.back[k] < 0;
    if (cuts) continue;
    for (int k = 1; k < last; ++k) {
      int const axis = 3 - (last - 1) + (k - 1);
      n.attributes.win.pad_begin[axis] += a.front[k];
      n.attributes.win.pad_end[axis] += a.back[k];
    }
    n.inputs[0] = p.inputs[0];
    ++changed;
  }
  if (changed > 0) remove_dead(d);
  return changed;
}

namespace detail {

/// f(max(x, y)) = max(f(x), f(y)) to the bit.
constexpr bool keeps_order(attribute_set const& a) {
  return a.act == function::relu || a.act == function::clip ||
         (a.act == function::leaky_relu && a.a >= 0);
}
/// Every window of a max pool sees an element of the image.
constexpr bool sees_image(attribute_set const& a) {
  for (int k = 0; k < 3; ++k)
    if (a.win.pad_begin[k] >= a.win.reach(k) || a.win.pad_end[k] >= a.win.reach(k) ||
        a.win.dilation[k] != 1)
      return a.adaptive;
  return !a.ceil_mode;
}

} // namespace detail

/// Returns how many functions moved.
constexpr int hoist_functions(draft& d) {
  std::vector<int> const uses = d.uses();
  auto const once = [&](int id) { return uses[static_cast<std::size_t>(id)] == 1; };
  int changed = 0;
  for (node& f : d.nodes) {
    if (f.kind != op::activation || !detail::keeps_order(f.attributes)) continue;
    node& pool = d[f.inputs[0]];
    if (pool.kind != op::max_pool || !once(f.inputs[0]) || !detail::sees_image(pool.attributes)) continue;
    node const& from = d[pool.inputs[0]];
    if (!once(pool.inputs[0]) || !(from.kind->has_epilogue || from.kind->element_wise)) continue;
    // The two change places; ids, shapes and types of what is read and written stay.
    op_kind const kind = f.kind;
    attribute_set const attributes = f.attributes;
    label const name = f.name;
    f.kind = pool.kind, f.attributes = pool.attributes, f.name = pool.name;
    pool.kind = kind, pool.attributes = attributes, pool.name = name;
    pool.shape = from.shape;
    ++changed;
  }
  return changed;
}

} // namespace graph
IA_NN_END

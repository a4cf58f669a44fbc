// SPDX-License-Identifier: Apache-2.0
//
// Passes that say the same in another way, so that more of it fuses. Results keep their bits.
//
//   fold_padding      zeros put around an image by `pad` become the padding of the convolution
//                     that reads it
//   hoist_functions   conv -> max pool -> relu  becomes  conv -> relu -> max pool: the function
//                     joins the convolution, and the largest of relu(x) is the relu of the largest
#pragma once

#include <ia_nn/graph/simplify.hpp>
#include <ia_nn/graph/steps.hpp>

#include <ia_nn/begin.hpp>
namespace graph {

/// Returns how many convolutions take their padding over.
constexpr int fold_padding(draft& d) {
  int changed = 0;
  for (node& n : d.nodes) {
    if (n.kind != op::conv) continue;
    node const& p = d[n.inputs[0]];
    attributes const& a = p.with;
    int const last = p.shape.rank - 1;
    if (p.kind != op::pad || a.fill != pad_mode::constant || a.a != 0 || a.before[last] != 0 ||
        a.after[last] != 0)
      continue;
    bool cuts = false; // negative padding in front is for `pad` alone
    for (int k = 1; k < last; ++k) cuts = cuts || a.before[k] < 0 || a.after[k] < 0;
    if (cuts) continue;
    for (int k = 1; k < last; ++k) {
      int const axis = 3 - (last - 1) + (k - 1);
      n.with.win.pad_begin[axis] += a.before[k];
      n.with.win.pad_end[axis] += a.after[k];
    }
    n.inputs[0] = p.inputs[0];
    ++changed;
  }
  if (changed > 0) remove_dead(d);
  return changed;
}

namespace detail {

/// f(max(x, y)) = max(f(x), f(y)) to the bit.
constexpr bool keeps_order(attributes const& a) {
  return a.act == function::relu || a.act == function::clip ||
         (a.act == function::leaky_relu && a.a >= 0);
}
/// Every window of a max pool sees an element of the image.
constexpr bool sees_image(attributes const& a) {
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
    if (f.kind != op::activation || !detail::keeps_order(f.with)) continue;
    node& pool = d[f.inputs[0]];
    if (pool.kind != op::max_pool || !once(f.inputs[0]) || !detail::sees_image(pool.with)) continue;
    node const& from = d[pool.inputs[0]];
    if (!once(pool.inputs[0]) || !(has_epilogue(from.kind) || is_elementwise(from.kind))) continue;
    // The two change places; ids, shapes and types of what is read and written stay.
    op const kind = f.kind;
    attributes const with = f.with;
    label const name = f.name;
    f.kind = pool.kind, f.with = pool.with, f.name = pool.name;
    pool.kind = kind, pool.with = with, pool.name = name;
    pool.shape = from.shape;
    ++changed;
  }
  return changed;
}

} // namespace graph
IA_NN_END

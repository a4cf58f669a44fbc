// SPDX-License-Identifier: Apache-2.0
//
// What the tables of the documents are compiled with: two ways to write layers, compared node by
// node.
#pragma once

#include <ia_nn/graph/layers.hpp>

namespace same_layers {

using namespace ia_nn::graph;

/// What the codes of a table read.
struct inputs {
  value x; ///< image (batch, 12, 12, 8)
  value s; ///< sequence or line (batch, 10, 8)
  value v; ///< volume (batch, 6, 6, 6, 8)
  value i; ///< indices (batch, 5)
};

template <class F> constexpr draft made_by(F const& f) {
  builder b;
  inputs const in{input(b, "x", {any_batch, 12, 12, 8}), input(b, "s", {any_batch, 10, 8}),
                  input(b, "v", {any_batch, 6, 6, 6, 8}), input(b, "i", {any_batch, 5}, value_type::s32)};
  f(in);
  return b.net;
}
constexpr bool are_same(draft const& a, draft const& b) {
  if (a.wrong() || b.wrong() || a.count() != b.count()) return false;
  for (int i = 0; i < a.count(); ++i)
    if (a[i].kind != b[i].kind || a[i].type != b[i].type || !(a[i].shape == b[i].shape) ||
        !(a[i].attributes == b[i].attributes) || !(a[i].inputs == b[i].inputs))
      return false;
  return a.count() > made_by([](inputs const&) {}).count();
}
template <class F, class G> consteval bool are_same(F const& f, G const& g) {
  return are_same(made_by(f), made_by(g));
}

// What it would miss, the tables would not show.
static_assert(are_same([](inputs in) { return relu(in.x); }, [](inputs in) { return relu(in.x); }));
static_assert(!are_same([](inputs in) { return relu(in.x); }, [](inputs in) { return relu(in.s); }));
static_assert(!are_same([](inputs in) { return elu(in.x); }, [](inputs in) { return elu(in.x, 2); }));
static_assert(!are_same([](inputs in) { return in.x; }, [](inputs in) { return in.x; }));

} // namespace same_layers

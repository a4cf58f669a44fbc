// SPDX-License-Identifier: Apache-2.0
//
// Inference: what shape a node gives and what it stands for, from those it reads, or the sentence
// that says why there is none.
#pragma once

#include <ia_nn/graph/shapes_image.hpp>
#include <ia_nn/graph/shapes_layout.hpp>
#include <ia_nn/graph/shapes_order.hpp>

#include <ia_nn/begin.hpp>
namespace graph {

namespace detail {

constexpr sentence infer_dense(node& n, dims const& x, subject const& who) {
  if (x.rank < 2 || n.with.units < 1)
    return say(who, "input ", x, " must be (batch, ..., columns), and units at least 1");
  if (n.with.rows > 0 && n.with.rows != x.last())
    return say(who, "input ", x, " has ", x.last(), " columns, weights expect ", n.with.rows);
  n.shape = x;
  n.shape.extent[x.rank - 1] = n.with.units;
  return {};
}

constexpr sentence infer_embedding(node& n, dims const& x, subject const& who) {
  if (x.rank < 1 || x.rank > 4 || n.with.units < 1 || n.with.rows < 1)
    return say(who, "input ", x, " must have 1 to 4 extents, the table ", n.with.rows, " x ",
               n.with.units, " elements");
  n.shape = x;
  if (x.rank > 1 && x.last() == 1) n.shape.extent[x.rank - 1] = n.with.units; // one index: a row
  else n.shape.extent[n.shape.rank++] = n.with.units;
  return {};
}

constexpr sentence infer_recurrent(node& n, dims const& x, subject const& who) {
  if (x.rank != 3) return say(who, "input ", x, " must be (batch, time, features)");
  if (n.with.units < 1 || n.with.layers < 1)
    return say(who, "there must be at least 1 hidden unit and 1 layer");
  if (n.with.rows < 0 || n.with.rows >= n.with.units)
    if (n.with.rows != 0)
      return say(who, "a projection of ", n.with.units, " hidden units to ", n.with.rows);
  index_t const one = n.with.rows > 0 ? n.with.rows : n.with.units;
  index_t const width = n.with.way == direction::both ? 2 * one : one;
  n.shape = n.with.last_only ? dims{x[0], width} : dims{x[0], x[1], width};
  return {};
}

// Operations that keep the shape and need channels.
constexpr sentence infer_rows(node& n, dims const& x, subject const& who) {
  if (x.rank < 2) return say(who, "input ", x, " must be (batch, ..., channels)");
  if (n.kind == op::group_norm && (n.with.groups < 1 || x.last() % n.with.groups != 0))
    return say(who, n.with.groups, " groups do not divide ", x.last(), " channels of input ", x);
  n.shape = x;
  return {};
}

constexpr bool any_type(op k) { return k == op::reshape || k == op::identity || k == op::output; }

constexpr sentence infer_extents(node& n, node const* const* in, subject const& who) {
  int const count = n.inputs.count;
  dims const x = count > 0 ? in[0]->shape : dims{};
  n.type = dtype::f32;
  for (int i = 0; i < count; ++i) {
    bool const indices = in[i]->type == dtype::s32, wants = n.kind == op::embedding;
    if (indices != wants && !any_type(n.kind))
      return say(who, shown(*in[i]), " '", in[i]->name.view(),
                         wants ? "' has f32 elements, s32 indices are needed"
                               : "' holds s32 indices, f32 elements are needed");
  }
  switch (n.kind) {
  case op::conv:
    return infer_conv(n, x, who);
  case op::deconv:
    return infer_deconv(n, x, who);
  case op::max_pool:
  case op::average_pool:
    return infer_pool(n, x, who);
  case op::dense:
    return infer_dense(n, x, who);
  case op::add:
  case op::subtract:
  case op::multiply:
  case op::divide:
  case op::minimum:
  case op::maximum:
    return infer_binary(n, *in[0], *in[1], who);
  case op::concat:
    return infer_concat(n, in, who);
  case op::reshape:
    n.type = in[0]->type;
    return infer_reshape(n, x, who);
  case op::pad:
    return infer_pad(n, x, who);
  case op::transpose:
    return infer_transpose(n, x, who);
  case op::slice:
    return infer_slice(n, x, who);
  case op::embedding:
    return infer_embedding(n, x, who);
  case op::lstm:
  case op::gru:
  case op::rnn:
    return infer_recurrent(n, x, who);
  case op::softmax:
  case op::log_softmax:
  case op::layer_norm:
  case op::group_norm:
  case op::lrn:
  case op::batch_norm:
    return infer_rows(n, x, who);
  case op::identity:
  case op::output:
    n.type = in[0]->type;
    n.shape = x;
    return {};
  case op::activation:
  case op::dropout:
    n.shape = x;
    return {};
  case op::input:
  case op::constant:
  case op::custom:
    return {};
  }
  return {};
}

} // namespace detail

/// Fills `n.shape`, `n.type` and `n.means`. `in` are the nodes it reads, `what` the name for
/// sentences. Returns the sentence of a mistake, or nothing.
constexpr sentence infer(node& n, node const* const* in, char const* what) {
  detail::subject const who{what, &n.name};
  if (sentence const s = detail::infer_extents(n, in, who); !s.empty()) return s;
  return detail::infer_meaning(n, in, who);
}

} // namespace graph
IA_NN_END

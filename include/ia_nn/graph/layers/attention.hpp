// SPDX-License-Identifier: Apache-2.0
//
// Attention.
#pragma once

#include <ia_nn/graph/ir/meaning.hpp>
#include <ia_nn/graph/layers/options.hpp>

#include <ia_nn/begin.hpp>
namespace graph {

struct attention_layer {
  index_t heads = 1;
  bool causal = false; ///< query i attends to keys 0 .. i
  /// Added to what queries and keys give, -inf hides a key: (batch, queries, keys) or (batch, heads, queries,
  /// keys), of which all but batch and keys may be 1.
  value mask{};
  /// s32, (batch, 1): how many keys each item has.
  value lengths{};
  f32 scale = 0; ///< 0: 1 / sqrt(columns of a head)
  graph::precision precision = graph::precision::of_net; ///< f32 or bf16
  label name{};
};

namespace detail {

/// Number of the input that is the mask or the lengths, or -1.
constexpr int attention_mask(node const& n) { return n.attributes.masked ? 3 : -1; }
constexpr int attention_lengths(node const& n) {
  int const at = n.attributes.masked ? 4 : 3;
  return n.inputs.count > at ? at : -1;
}
constexpr sentence attention_shape_of(node& n, node_inputs in, subject const& who) {
  dims const &q = in[0]->shape, &k = in[1]->shape, &v = in[2]->shape;
  index_t const heads = n.attributes.heads;
  for (int i = 0; i < 3; ++i) {
    dims const& s = in[i]->shape;
    char const* const what = i == 0 ? "queries " : i == 1 ? "keys " : "values ";
    if (s.rank != 3) return say(who, what, s, " must be (batch, rows, columns)");
    if (s[0] != q[0]) return say(who, "queries ", q, " and ", what, s, " have other batches");
    if (heads < 1 || s[2] % heads != 0) return say(who, heads, " heads do not divide the columns of ", what, s);
  }
  if (k[2] != q[2]) return say(who, "queries ", q, " and keys ", k, " have other columns");
  if (v[1] != k[1]) return say(who, "keys ", k, " and values ", v, " have other rows");
  for (int i = 0; i < n.inputs.count; ++i) {
    bool const indices = in[i]->type == value_type::s32, wanted = i == attention_lengths(n);
    if (indices != wanted) return say(who, wanted ? "lengths must be s32 indices" : "only lengths may be s32 indices");
  }
  if (int const m = attention_mask(n); m >= 0) {
    dims const& s = in[m]->shape;
    auto const fits = [](index_t x, index_t all) { return x == 1 || x == all; };
    bool const right = (s.rank == 3 || s.rank == 4) && s[0] == q[0] && s.last() == k[1] &&
                       fits(s[s.rank - 2], q[1]) && (s.rank == 3 || fits(s[1], heads));
    if (!right)
      return say(who, "the mask ", s, " must be (batch, queries, keys) or (batch, heads, queries, keys), with ", q[1],
                 " queries, or 1, and ", k[1], " keys");
  }
  if (int const l = attention_lengths(n); l >= 0) {
    dims const& s = in[l]->shape;
    if (s.rank < 1 || s[0] != q[0] || s.item() != 1)
      return say(who, "lengths ", s, " must be (batch, 1), with the batch of queries ", q);
  }
  n.shape = q;
  n.shape.extent[2] = v[2];
  return {};
}
constexpr index_t attention_flops(node const& n, node_inputs in) {
  dims const &q = in[0]->shape, &v = in[2]->shape;
  return 2 * q[1] * v[1] * (q[2] + v[2]) * (n.shape.dynamic() ? 1 : n.shape[0]);
}

} // namespace detail

namespace op {
inline constexpr operator_row attention{.name = "attention", .by_item = true,
                                        .joins_groups = true,
                                        .writes_slices = true,
                                        .multiplies = true,
                                        .narrow = true,
                                        .any_type = true,
                                        .shape = detail::attention_shape_of,
                                        .meaning = rules::means_rows,
                                        .flops = detail::attention_flops,
                                        .gradient = rules::gradient_of_source};
} // namespace op

/// q (batch, queries, heads * c), k (batch, keys, heads * c), v (batch, keys, heads * d) to (batch, queries,
/// heads * d): softmax(scale q k + mask) v of each head. A query that may attend to nothing gets zeros.
constexpr value attention(value q, value k, value v, attention_layer const& o = {}) {
  if (q.id < 0) return q;
  auto const fail = [&](char const* why) { return q.owner->fail(about("attention", o.name), why); };
  if (o.precision != precision::of_net && o.precision != precision::f32 && o.precision != precision::bf16)
    return fail("the precision of attention is f32 or bf16");
  if (!(o.scale >= 0 && o.scale < __builtin_inff())) return fail("the scale must be positive, or 0 for the usual one");
  node n{.kind = op::attention, .name = o.name};
  n.attributes.heads = o.heads, n.attributes.causal = o.causal, n.attributes.a = o.scale;
  n.attributes.masked = o.mask.owner != nullptr;
  n.attributes.precision = o.precision;
  value all[5]{q, k, v};
  int count = 3;
  for (value const x : {o.mask, o.lengths})
    if (x.owner) all[count++] = x;
  return q.owner->add(n, all, count, "attention");
}

} // namespace graph
IA_NN_END

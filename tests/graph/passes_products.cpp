// SPDX-License-Identifier: Apache-2.0
//
// Shapes of products of values, attention, resizing, selection, and what is said about those that do not
// fit: proved by the compiler.
#include "../catch.hpp"

#include <ia_nn/graph/layers.hpp>

namespace {

using namespace ia_nn::graph;
using ia_nn::index_t;

struct values {
  value x; ///< (any, 8, 8, 4)
  value s; ///< (any, 6, 12)
  value t; ///< (any, 5, 12)
  value n; ///< (any, 1) of s32
};
template <class Body> constexpr draft made(Body const& body) {
  builder b;
  values const v{input(b, "x", {any_batch, 8, 8, 4}), input(b, "s", {any_batch, 6, 12}), input(b, "t", {any_batch, 5, 12}),
                 input(b, "n", {any_batch, 1}, value_type::s32)};
  body(v);
  return b.net;
}
constexpr bool gives(auto body, dims const& shape) {
  draft const d = made(body);
  return !d.wrong() && d[d.count() - 1].shape == shape;
}
constexpr bool says(auto body, std::string_view what) { return made(body).mistake.view() == what; }

// ---- matmul
static_assert(gives([](values v) { matmul(v.s, v.t, {.transposed_b = true}); }, {any_batch, 6, 5}));
static_assert(gives([](values v) { matmul(v.s, v.s, {.transposed_a = true}); }, {any_batch, 12, 12}));
static_assert(gives([](values v) { matmul(v.x, slice(v.x, {.axis = 1, .end = 1}), {.transposed_b = true}); }, {any_batch, 8, 8, 8}));
static_assert(says([](values v) { matmul(v.s, v.t, {.name = "m"}); },
                   "ia_nn: matmul 'm': input (any, 6, 12) has as many columns as 12, input (any, 5, 12) as many rows as 5: "
                   "they must be equal"));
static_assert(says([](values v) { matmul(v.x, slice(v.x, {.axis = 1, .end = 3}), {.transposed_b = true, .name = "m"}); },
                   "ia_nn: matmul 'm': axes between batch and matrix of inputs (any, 8, 8, 4) and (any, 3, 8, 4) are neither "
                   "equal nor 1"));
static_assert(says([](values v) { matmul(flatten(v.x), v.s, {.name = "m"}); },
                   "ia_nn: matmul 'm': inputs (any, 256) and (any, 6, 12) must be (batch, ..., rows, columns)"));
static_assert(says([](values v) { matmul(v.s, v.s, {.precision = precision::s8, .name = "m"}); },
                   "ia_nn: matmul 'm': the precision of a product of two values is f32 or bf16"));

// ---- attention
static_assert(gives([](values v) { attention(v.s, v.t, slice(v.t, {.end = 6}), {.heads = 3, .lengths = v.n}); }, {any_batch, 6, 6}));
static_assert(says([](values v) { attention(v.s, v.t, v.t, {.heads = 5, .name = "a"}); },
                   "ia_nn: attention 'a': 5 heads do not divide the columns of queries (any, 6, 12)"));
static_assert(says([](values v) { attention(v.s, v.t, v.s, {.name = "a"}); },
                   "ia_nn: attention 'a': keys (any, 5, 12) and values (any, 6, 12) have other rows"));
static_assert(says([](values v) { attention(v.s, v.t, v.t, {.mask = v.s, .name = "a"}); },
                   "ia_nn: attention 'a': the mask (any, 6, 12) must be (batch, queries, keys) or (batch, heads, queries, keys), "
                   "with 6 queries, or 1, and 5 keys"));
static_assert(says([](values v) { attention(v.s, v.t, v.t, {.lengths = v.s, .name = "a"}); },
                   "ia_nn: attention 'a': lengths must be s32 indices"));

// ---- norms
static_assert(says([](values v) { l2_norm(v.s, {.p = 3, .name = "l"}); }, "ia_nn: l2_norm 'l': p is 3, must be 1 or 2"));

// ---- images
static_assert(gives([](values v) { resize(v.x, {.scale = {1.5F, 0.3F}}); }, {any_batch, 12, 2, 4}));
static_assert(gives([](values v) { resize(v.x, {.size = {3, 20}, .mode = interpolation::linear}); }, {any_batch, 3, 20, 4}));
static_assert(gives([](values v) { pixel_unshuffle(pixel_shuffle(v.x), {.block = 4}); }, {any_batch, 4, 4, 16}));
static_assert(says([](values v) { resize(v.x, {.scale = 0.1F, .name = "r"}); },
                   "ia_nn: resize 'r': height: nothing is left of input (any, 8, 8, 4)"));
static_assert(says([](values v) { resize(v.x, {.size = 3, .scale = 2, .name = "r"}); },
                   "ia_nn: resize 'r': give either .size or .scale, for all axes of the image"));
static_assert(says([](values v) { pixel_shuffle(v.x, {.block = 3, .name = "p"}); },
                   "ia_nn: pixel_shuffle 'p': blocks of 3 x 3 do not divide the channels of input (any, 8, 8, 4)"));
static_assert(says([](values v) { pixel_unshuffle(v.x, {.block = 3, .name = "p"}); },
                   "ia_nn: pixel_unshuffle 'p': blocks of 3 x 3 do not divide the image of input (any, 8, 8, 4)"));

// ---- selection and running sums
static_assert(gives([](values v) { where(slice(v.s, {.end = 1}), slice(v.s, {.axis = 1, .end = 1}), v.s); }, {any_batch, 6, 12}));
static_assert(says([](values v) { where(v.s, v.t, v.s, {.name = "w"}); },
                   "ia_nn: where 'w': shapes (any, 6, 12), (any, 5, 12) and (any, 6, 12) do not fit: one has all elements, the "
                   "others are repeated over it"));

TEST_CASE("shapes of products of values", "[graph]") {
  // Everything above is checked by the compiler.
  REQUIRE(made([](values v) { cumulative_sum(v.s, {.axis = 0, .name = "c"}); }).mistake.view() ==
          "ia_nn: cumulative_sum 'c': axis 0 is none of input (any, 6, 12) behind the batch");
}

} // namespace

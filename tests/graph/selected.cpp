// SPDX-License-Identifier: Apache-2.0
//
// What selects, gathers and detects, in networks that the compiler planned: against the oracle on each
// instruction set, the same bits for any number of threads, sentences for what does not fit.
#include "../gemm/throws.hpp"
#include "nets.hpp"
#include "support.hpp"

#include <ia_nn/exec/thread_pool.hpp>

namespace {

using namespace graph_test;
using namespace ia_nn::graph;
using graph_nets::detector, graph_nets::indexed, graph_nets::selected;

template <class Net, class I> void check_on(problem const& p) {
  using policy = native<I>;
  call const one = run<Net, policy>(p, {.max_batch = 5});
  for (std::size_t o = 0; o < p.expected.size(); ++o) {
    INFO("output " << o);
    REQUIRE(largest(p.expected[o]) > 0);
    CHECK(distance(one.out[o], p.expected[o]) <= 1e-5);
  }
  for (int const threads : {2, 3}) {
    ia_nn::thread_pool pool(threads);
    // any_executor: the kernels are compiled once
    REQUIRE(same_bits(one, run<Net, policy>(p, {.max_batch = 3, .workers = threads}, pool)));
  }
}
template <class Net> void check_each(std::uint64_t seed) {
  problem const p = problem_of<Net>(seed, 3);
  for_each_isa<ia_nn_test::vector_isas>([&](auto tag) { check_on<Net, decltype(tag)>(p); });
}

TEST_CASE("largest and smallest elements in networks", "[graph]") { check_each<selected>(31); }
TEST_CASE("gather, scatter, one-hot rows and bags in networks", "[graph]") { check_each<indexed>(32); }
TEST_CASE("boxes and regions in networks", "[graph]") { check_each<detector>(33); }

struct chosen {
  static constexpr auto build(builder& b) {
    auto const x = input(b, "x", {any_batch, 5, 3});
    return gather(x, input(b, "i", {any_batch, 2}, value_type::s32), {.name = "g"});
  }
};
TEST_CASE("indices outside of an axis", "[graph]") {
  REQUIRE(ready());
  compiled<chosen> const net(memory_weights(), {.max_batch = 1});
  workspace scratch(net.workspace_bytes());
  std::vector<f32> x(15, 1.0F), y(6);
  std::vector<s32> i{-5, 4};
  CHECK(net.run(1, {x, i}, y, scratch));
  i[1] = 5;
  CHECK(std::string(net.run(1, {x, i}, y, scratch).what()) == "ia_nn: gather 'g': index 1 is 5, the axis has 5 elements");
  i[1] = -6;
  CHECK(!net.run(1, {x, i}, y, scratch));
}

// ---- shapes, and what is said about those that do not fit

template <auto Body> struct net {
  static constexpr auto build(builder& b) {
    return Body(input(b, "x", {any_batch, 8, 4}), input(b, "i", {any_batch, 6}, value_type::s32));
  }
};
template <auto Body> constexpr std::string_view said = mistake<net<Body>>();
constexpr dims shape_of(auto body) {
  builder b;
  output(body(input(b, "x", {any_batch, 8, 4}), input(b, "i", {any_batch, 6}, value_type::s32)));
  return b.net.wrong() ? dims{} : b.net[b.net.count() - 1].shape;
}
static_assert(shape_of([](value x, value i) { return gather(x, i); }) == dims{any_batch, 6, 4});
static_assert(shape_of([](value x, value i) { return gather(x, reshape(i, {2, 3}), {.axis = -1}); }) ==
              dims{any_batch, 8, 2, 3});
static_assert(shape_of([](value x, value) { return arg_max(x); }) == dims{any_batch, 8});
static_assert(shape_of([](value x, value) { return arg_max(x, {.axis = 1, .keep = true}); }) == dims{any_batch, 1, 4});
static_assert(shape_of([](value, value i) { return one_hot(i, {.depth = 3}); }) == dims{any_batch, 6, 3});
static_assert(shape_of([](value, value i) { return embedding_bag(i, {.rows = 3, .width = 7, .name = "b"}); }) ==
              dims{any_batch, 7});
static_assert(shape_of([](value x, value) { return suppress(x, x, {.detections = 5}); }) == dims{any_batch, 5, 6});
static_assert(shape_of([](value x, value) { return roi_align(reshape(x, {4, 4, 2}, {.order = order::channels_last}), x, {.out = {3, 2}}); }) ==
              dims{any_batch, 8, 3, 2, 2});

static_assert(said<[](value x, value) { return gather(x, x); }> ==
              "ia_nn: gather 'gather_2': input 'x' has f32 elements, s32 indices are needed");
static_assert(said<[](value, value i) { return top_k(i, {.k = 2}); }> ==
              "ia_nn: top_k 'top_k_2': input 'i' holds s32 indices, f32 elements are needed");
static_assert(said<[](value x, value i) { return gather(x, i, {.axis = 3}); }> ==
              "ia_nn: gather 'gather_2': axis 3 is none of input (any, 8, 4) behind the batch");
static_assert(said<[](value x, value i) { return gather_elements(x, i); }> ==
              "ia_nn: gather_elements 'gather_elements_2': indices (any, 6) do not fit input (any, 8, 4) beside axis 1");
static_assert(said<[](value x, value i) { return scatter(x, x, reshape(i, {6, 1})); }> ==
              "ia_nn: scatter 'scatter_3': there are updates (any, 8, 4) for indices (any, 6, 1)");
static_assert(said<[](value x, value) { return top_k(x, {.k = 5}); }> ==
              "ia_nn: top_k 'top_k_2': 5 elements of axis 2 of input (any, 8, 4)");
static_assert(said<[](value x, value) { return arg_max(x, {.type = value_type::u8}); }> ==
              "ia_nn: arg_max 'arg_max_2': indices are f32 or s32");
static_assert(said<[](value x, value) { return arg_max(x, {.type = value_type::s32}); }> ==
              "ia_nn: output 'output': the value holds s32 indices, outputs are f32");
static_assert(said<[](value, value i) { return one_hot(i, {.depth = 0}); }> ==
              "ia_nn: one_hot 'one_hot_2': rows of 0 elements for indices (any, 6), which have 1 to 4 extents");
static_assert(said<[](value x, value) { return decode_boxes(x, slice(x, {.end = 3})); }> ==
              "ia_nn: decode_boxes 'decode_boxes_3': deltas (any, 8, 4) and references (any, 8, 3): (batch, n, classes 4) and "
              "(batch, n, 4) are needed");
static_assert(said<[](value x, value) { return suppress(x, x, {.background = 4}); }> ==
              "ia_nn: suppress 'suppress_2': the background is class 4 of 4");
static_assert(said<[](value x, value) { return roi_pool(x, x, {}); }> ==
              "ia_nn: roi_pool 'roi_pool_2': image (any, 8, 4) and boxes (any, 8, 4): (batch, height, width, channels) and "
              "(batch, n, 4) are needed");

} // namespace

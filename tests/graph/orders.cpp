// SPDX-License-Identifier: Apache-2.0
//
// PyTorch's order of flattened and reshaped images, proved by the compiler: what a value stands for,
// where transpositions are left, and what must be said.
#include "../catch.hpp"
#include "order_nets.hpp"

#include <ia_nn/graph/show/dump.hpp>

namespace {

using namespace order_nets;

constexpr int left(order_net const& n, bool fold) {
  builder b;
  n.build(b);
  if (b.net.wrong()) return -1;
  int const by_hand = b.net.count_of(op::transpose);
  simplify(b.net, {.fold_orders = fold});
  for (node const& x : b.net.nodes)
    if (x.attributes.reads == order::channels_first || x.attributes.writes == order::channels_first) return -2;
  return b.net.count_of(op::transpose) - by_hand;
}
template <int I> constexpr bool as_said() {
  static_assert(left(all[I], true) == all[I].transpositions);
  static_assert(left(all[I], false) >= all[I].transpositions);
  return true;
}
static_assert([]<int... I>(std::integer_sequence<int, I...>) {
  return (as_said<I>() && ...);
}(std::make_integer_sequence<int, static_cast<int>(std::size(all))>{}));

// ---- what values stand for

constexpr meaning stands_for(dims const& shape, auto body) {
  builder b;
  value const y = body(input(b, "x", shape));
  return y.id < 0 ? meaning{255} : b.net[y.id].meaning;
}
constexpr dims line{any_batch, 8, 3}, square{any_batch, 6, 4, 3};
constexpr auto conv = [](value x) { return conv1d(x, {.filters = 4, .kernel = 3}); };
constexpr auto lstm5 = [](value x) { return lstm(x, {.hidden = 5}); };

static_assert(stands_for(line, [](value x) { return x; }) == meaning::either);
static_assert(stands_for(square, [](value x) { return x; }) == meaning::image);
static_assert(stands_for(line, conv) == meaning::image);
static_assert(stands_for(line, [](value x) {
                return softmax(layer_norm(relu(batch_norm(dropout(conv(x))))));
              }) == meaning::image);
static_assert(stands_for(line, lstm5) == meaning::rows);
static_assert(stands_for(line, [](value x) { return slice(tanh(lstm5(x)), {.axis = 1, .end = 2}); }) ==
              meaning::rows);
static_assert(stands_for(line, [](value x) { return conv(lstm5(x)); }) == meaning::image);
static_assert(stands_for(line, [](value x) { return max_pool(lstm5(x), {.kernel = 2}); }) ==
              meaning::image);
static_assert(stands_for(line, [](value x) { return fc(x, 2, "fc"); }) == meaning::rows);
static_assert(stands_for(square, [](value x) { return fc(x, 2, "fc"); }) == meaning::either);
static_assert(stands_for(line, [](value x) { return transpose(conv(x), {2, 1}); }) ==
              meaning::rows);
static_assert(stands_for(square, [](value x) { return transpose(x, {2, 1, 3}); }) ==
              meaning::image);
static_assert(stands_for(square, [](value x) { return transpose(x, {3, 1, 2}); }) == meaning::rows);
static_assert(stands_for(square, [](value x) { return reshape(x, {24, 3}); }) == meaning::either);
static_assert(stands_for(square, [](value x) { return reshape(x, {8, 3, 3}); }) == meaning::image);
static_assert(stands_for({any_batch, 24}, [](value x) { return reshape(x, {2, 3, 4}); }) ==
              meaning::image);
static_assert(stands_for({any_batch, 24}, [](value x) { return reshape(x, {6, 4}); }) ==
              meaning::shaped);
// Of several, those that have more than one channel and row say it.
static_assert(stands_for(line, [](value x) { return concat({conv(x), relu(conv(x))}); }) ==
              meaning::image);
static_assert(stands_for(line, [](value x) { return concat({x, lstm5(x)}); }) == meaning::either);
static_assert(stands_for(line, [](value x) {
                auto const token = reshape(slice(flatten(lstm5(x)), {.end = 5}), {1, 5});
                return concat({token, lstm5(x)}, {.axis = 1});
              }) == meaning::rows);
static_assert(stands_for(line, [](value x) {
                return lstm5(x) * reshape(slice(flatten(lstm5(x)), {.end = 5}), {1, 5});
              }) == meaning::rows);
// One channel is kept as several are, and joined to others it counts.
constexpr auto one_channel = [](value x) {
  return reshape(conv2d(x, {.filters = 1, .name = "one"}), {24, 1});
};
constexpr auto one_column = [](value x) { return reshape(flatten(x), {24 * 3, 1}); };
static_assert(stands_for(square, one_channel) == meaning::either);
static_assert(stands_for(square, one_column) == meaning::shaped);
static_assert(stands_for(square, [](value x) { auto const y = one_channel(x); return y + y; }) ==
              meaning::either);
static_assert(stands_for(square, [](value x) {
                return concat({one_column(x), max_pool(one_column(x), {.kernel = 1})});
              }) == meaning::either);
// A mean keeps what is left of an image.
static_assert(stands_for(square, [](value x) { return reduce_mean(x, {.first = 1}); }) ==
              meaning::image);
static_assert(stands_for(square, [](value x) { return reduce_mean(x, {.first = 3, .last = 3}); }) ==
              meaning::rows);

// ---- what must be said

template <dims const& Shape, auto Body> struct from {
  static constexpr auto build(builder& b) { return Body(input(b, "x", Shape)); }
};
template <auto Body> constexpr std::string_view said = mistake<from<line, Body>>();
template <auto Body> constexpr std::string_view of_square = mistake<from<square, Body>>();

static_assert(said<[](value x) { return flatten(x, {.name = "f"}); }> ==
              "ia_nn: flatten 'f': input (any, 8, 3) may be an image or rows: say .order = "
              "order::channels_first to count the channels of an image first, as PyTorch does, or "
              "order::channels_last to count elements as they lie");
static_assert(said<[](value x) { return flatten(x, {.order = order::channels_first}); }> == "");
static_assert(said<[](value x) { return flatten(x, {.order = order::channels_last}); }> == "");
static_assert(said<[](value x) { return flatten(slice(x, {.end = 1})); }> == "");
static_assert(of_square<[](value x) { return flatten(fc(x, 2, "fc")); }>.starts_with(
    "ia_nn: flatten 'flatten_2': input (any, 6, 4, 2) may be an image or rows: "));
static_assert(of_square<[](value x) { return reshape(x, {6, 12}, {.name = "r"}); }> ==
              "ia_nn: reshape 'r': image (any, 6, 4, 3) to (any, 6, 12): say .order = "
              "order::channels_first for an image of 12 channels, order::channels_last to count "
              "elements as they lie; for rows in PyTorch's order flatten first");
static_assert(of_square<[](value x) {
                auto const y = one_channel(x);
                return flatten(concat({y, y * 2.0F}), {.name = "f"});
              }>.starts_with("ia_nn: flatten 'f': input (any, 24, 2) may be an image or rows: "));
constexpr auto two = [](value x) { return reshape(flatten(x), {6, 12}); };
static_assert(of_square<[](value x) { return lstm5(two(x)); }> == "");
static_assert(of_square<[](value x) { return conv1d(relu(two(x)), {.name = "c"}); }> ==
              "ia_nn: conv1d 'c': input (any, 6, 12) comes from a reshape, which must say .order: "
              "order::channels_first to make an image, order::channels_last to make rows");
static_assert(of_square<[](value x) { return batch_norm(two(x), {.name = "b"}); }>.starts_with(
    "ia_nn: batch_norm 'b': input (any, 6, 12) comes from a reshape"));
static_assert(of_square<[](value x) {
                return add(two(x), conv1d(lstm(two(x), {.hidden = 12}), {.filters = 12}), {.name = "a"});
              }>.starts_with("ia_nn: add 'a': input (any, 6, 12) comes from a reshape"));
static_assert(of_square<[](value x) { return concat({two(x), lstm5(two(x))}); }> == "");

// ---- the dump

struct alone {
  static constexpr void build(builder& b) { output(tanh(flatten(image(b), {.name = "flat"}))); }
};
TEST_CASE("transpositions are shown", "[graph]") {
  std::string const steps = dump_steps<alone>();
  INFO(steps);
  REQUIRE(steps.find("tanh_2.transposed") != std::string::npos);
  REQUIRE(steps.find("transpose ") != std::string::npos);
}

} // namespace

// SPDX-License-Identifier: Apache-2.0
//
// Layers that read f32 and multiply in 8 bits with scales of their own, dense layers whose weights alone
// are narrow, and tables in 8 bits.
#include "byte_layers.hpp"

namespace {

using namespace byte_layers;
using graph::any_batch;
using graph::builder;
using graph::value;

constexpr graph::detail::id_list wide_ids = [] {
  graph::detail::id_list l = conversion_ids;
  l.add(graph::op::dense, precision::weights_s8), l.add(graph::op::dense, precision::weights_s4);
  l.add(graph::op::embedding, precision::f32, value_type::s32, value_type::u8);
  l.add(graph::op::embedding, precision::f32, value_type::s32, value_type::f32);
  l.add(graph::op::concat);
  return l;
}();
constexpr graph::detail::id_list byte_ids = [] {
  graph::detail::id_list l;
  for (graph::operator_row const* const row : {&graph::op::conv, &graph::op::deconv, &graph::op::dense})
    l.add(*row, precision::dynamic_s8);
  l.add(graph::op::dense, precision::s8, value_type::u8, value_type::f32);
  return l;
}();
using one_isa = ia_nn::type_list<ia_nn::isa::native>;

random_weights copy_of(run_time_plan const& n, std::uint64_t seed) {
  ia_nn_test::random again(seed);
  return random_weights(n.written.nodes.data(), n.written.count(), again);
}
std::vector<double> interpreted(run_time_plan const& n, problem const& p, random_weights const& w,
                                std::vector<std::vector<double>> const& x) {
  return interpret(n.written.nodes.data(), n.written.count(), w, p.batch, x)[0];
}
/// Each of `count` filters that lie one behind the other.
void quantize_filters(std::vector<f32>& w, index_t count) {
  auto const each = std::ssize(w) / count;
  for (auto f = w.begin(); f != w.end(); f += each) as_symmetric(f, f + each);
}

/// A layer "l" between x and the output, with batch norm and a function.
run_time_plan plan_with(graph::dims const& x, graph::layout order,
                        std::function<value(value)> const& layer) {
  return plan_of([&](builder& b) {
    value const y = layer(graph::input(b, "x", x, {.layout = order}));
    return graph::gelu(batch_norm(y, {.name = "norm"}));
  });
}

void check_dynamic(run_time_plan const& n, std::uint64_t seed, index_t items, bool transposed) {
  INFO("seed " << seed);
  problem const p = n.make_problem(seed, 3);
  random_weights w = copy_of(n, seed);
  graph::node const& l = n.written.nodes[static_cast<std::size_t>(n.written.find("l"))];
  if (transposed) REQUIRE(n.written.nodes[0].shape.last() == 1); // filters lie one behind the other
  quantize_filters(numbers(w, "l.weight"), l.shape.last());
  std::vector<std::vector<double>> x = p.numbers;
  index_t const each = std::ssize(x[0]) / items;
  for (auto i = x[0].begin(); i != x[0].end(); i += each) as_symmetric(i, i + each);
  check<one_isa, wide_ids, byte_ids>(n, p, interpreted(n, p, w, x), precision::dynamic_s8, {}, 4e-6,
                                     true);
}

TEST_CASE("layers that find their scales while they run: one for each item, or row") {
  auto const last = graph::layout::channels_last, first = graph::layout::channels_first;
  check_dynamic(plan_with({any_batch, 5, 6, 3}, last,
                          [](value x) {
                            return conv2d(x, {.filters = 17, .kernel = 3, .pad = 1, .name = "l"});
                          }),
                1, 3, false);
  check_dynamic(plan_with({any_batch, 5, 6, 3}, first,
                          [](value x) {
                            return conv2d(x, {.filters = 8, .kernel = 3, .stride = 2, .name = "l"});
                          }),
                2, 3, false);
  check_dynamic(plan_with({any_batch, 40, 31, 16}, last, // more than one part of an image
                          [](value x) {
                            return depthwise_conv2d(x, {.kernel = 3, .pad = 2, .name = "l"});
                          }),
                3, 3, false);
  check_dynamic(plan_with({any_batch, 4, 5, 1}, last,
                          [](value x) {
                            return deconv2d(x, {.filters = 9, .kernel = 3, .stride = 2, .name = "l"});
                          }),
                4, 3, true);
  check_dynamic(plan_with({any_batch, 7, 65}, last,
                          [](value x) { return graph::dense(x, {.units = 33, .name = "l"}); }),
                5, 21, false);
}

TEST_CASE("a NaN in one image makes this one NaN and leaves the others of its batch") {
  run_time_plan const n = plan_of([](builder& b) {
    return conv2d(input(b, "x", {any_batch, 4, 4, 5}), {.filters = 6, .kernel = 1, .name = "l"});
  });
  problem p = n.make_problem(9, 3);
  using net = graph_test::detail::planned<ia_nn::isa::native, wide_ids, byte_ids>;
  if (!ready()) return;
  auto const run = [&] {
    return graph_test::detail::run_on<net>(n.view(precision::dynamic_s8), n.bytes(precision::dynamic_s8),
                                           p, {.max_batch = 3}, nullptr);
  };
  call const before = run();
  p.floats[0][4 * 4 * 5 + 7] = NAN;
  p.floats[0][2 * 4 * 4 * 5 + 3] = -INFINITY;
  call const after = run();
  for (index_t i = 0; i < 3 * 4 * 4 * 6; ++i) {
    index_t const image = i / (4 * 4 * 6);
    if (image == 0) CHECK(after.out[0][i] == before.out[0][i]);
    if (image == 1) CHECK(std::isnan(after.out[0][i]));
    if (image == 2) CHECK(!std::isnan(after.out[0][i]));
  }
}

TEST_CASE("dense layers by weights of 8 and of 4 bits") {
  for (index_t const columns : {1, 31, 32, 70})
    for (index_t const units : {1, 16, 65})
      for (precision const narrow : {precision::weights_s8, precision::weights_s4}) {
        auto const seed = static_cast<std::uint64_t>(100 * columns + units);
        INFO("seed " << seed << (narrow == precision::weights_s4 ? ", 4 bits" : ", 8 bits"));
        run_time_plan const n =
            plan_with({any_batch, columns}, graph::layout::channels_last, [&](value x) {
              return graph::dense(x, {.units = units, .precision = narrow, .name = "l"});
            });
        problem const p = n.make_problem(seed, 5);
        random_weights w = copy_of(n, seed);
        std::vector<f32>& weights = numbers(w, "l.weight");
        if (narrow == precision::weights_s8) quantize_filters(weights, units);
        else
          for (index_t j = 0; j < units; ++j)
            for (index_t k = 0; k < columns; k += 32) { // 16 steps from the least to the largest, and 0
              auto const from = weights.begin() + j * columns + k,
                         to = weights.begin() + j * columns + std::min(columns, k + 32);
              f32 const low = std::fmin(0.0F, *std::min_element(from, to)),
                        high = std::fmax(0.0F, *std::max_element(from, to));
              quantization const q{(high - low) / 15.0F,
                                   static_cast<ia_nn::s32>(std::nearbyint(-8 - low / ((high - low) / 15.0F)))};
              for (auto i = from; i != to; ++i)
                *i = static_cast<f32>(as_bytes(static_cast<double>(*i), q, -8, 7));
            }
        check<one_isa, wide_ids, byte_ids>(n, p, interpreted(n, p, w, p.numbers), precision::f32, {},
                                           1e-5, true);
      }
}

TEST_CASE("rows of tables are looked up in 8 bits where they are read so, several with one scale") {
  bool const groups = GENERATE(true, false);
  auto const net = [](builder& b) {
    value part[4];
    index_t const widths[] = {3, 16, 70};
    char const* const names[] = {"e0", "e1", "e2"};
    char const* const ids[] = {"i0", "i1", "i2"};
    for (int k = 0; k < 3; ++k)
      part[k] = graph::embedding(input(b, ids[k], {any_batch, 1}, value_type::s32),
                          {.rows = 9 + k, .width = widths[k], .name = names[k]});
    part[3] = input(b, "f", {any_batch, 5});
    return graph::dense(graph::concat({part[0], part[1], part[2], part[3]}, {.name = "all"}), {.units = 7, .name = "l"});
  };
  graph::options o;
  if (!groups) o.parallel_all_to_one = o.parallel_separate = o.parallel_one_to_all = false;
  written::layers = net;
  run_time_plan const n(graph::detail::built<written>(), o, {});
  graph::plan_view const v = n.view(precision::s8);
  int tables = 0;
  for (int s = 0; s < v.count; ++s) {
    if (v.steps[s].kind != graph::op::embedding) continue;
    CHECK(v.kernel_at(s).writes == value_type::u8);
    tables = std::max(tables, v.tables(s));
  }
  CHECK(tables == (groups ? 3 : 1));
  problem const p = n.make_problem(77, 4);
  random_weights w = copy_of(n, 77);
  graph::value_ranges ranges;
  ranges.add("e0", {-1.5F, 1.0F}), ranges.add("e1", {-1, 2.5F}), ranges.add("e2", {-2, 1}),
      ranges.add("f", {0, 2});
  quantization const q = bytes_of({-2, 2.5F});
  for (char const* const name : {"e0.weight", "e1.weight", "e2.weight"})
    for (f32& x : numbers(w, name)) x = static_cast<f32>(as_bytes(static_cast<double>(x), q));
  quantize_filters(numbers(w, "l.weight"), 7);
  std::vector<std::vector<double>> x = p.numbers;
  for (double& e : x[3]) e = as_bytes(e, q);
  check<one_isa, wide_ids, byte_ids>(n, p, interpreted(n, p, w, x), precision::s8, ranges, 2e-6, true);
}

TEST_CASE("rows of tables that are read in f32 are looked up in f32, in either mode") {
  for (graph::quantize_mode const mode : {graph::quantize_mode::smart, graph::quantize_mode::full}) {
    run_time_plan const n = plan_of(
        [](builder& b) {
          value const x = graph::embedding(input(b, "i", {any_batch, 1}, value_type::s32),
                                    {.rows = 9, .width = 4, .name = "e"});
          return graph::dense(layer_norm(x, {.name = "n"}), {.units = 7, .name = "l"});
        },
        {.mode = mode});
    graph::plan_view const v = n.view(precision::s8);
    REQUIRE(v.steps[0].kind == graph::op::embedding);
    CHECK(v.kernel_at(0).writes == value_type::f32);
  }
}

} // namespace

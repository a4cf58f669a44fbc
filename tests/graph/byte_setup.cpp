// SPDX-License-Identifier: Apache-2.0
//
// Set-up of networks in 8 bits: ranges from calibration, layers that say what they multiply, and what
// is refused, with its sentence.
#include "../gemm/throws.hpp"
#include "planned.hpp"

#include <ia_nn/graph/layers.hpp>
#include <ia_nn/graph/run/calibrate.hpp>
#include <ia_nn/graph/run/quantization_report.hpp>

namespace {

using namespace graph_test;
using namespace ia_nn::graph;
using ia_nn::errc;

constexpr ia_nn::index_t many = 66400; // products of 127 and 255 that leave s32

/// `a` says that it multiplies bytes.
template <int Features> struct one_layer {
  static constexpr auto build(builder& b) {
    auto const x = input(b, "x", {any_batch, Features});
    auto const a = dense(x, {.units = 4, .precision = precision::s8, .name = "a"});
    return dense(relu(a, {.name = "r"}), {.units = 3, .name = "b"});
  }
};
using small = one_layer<6>;
using in_bytes = native<ia_nn::isa::native, s8>;

value_ranges some_ranges() {
  value_ranges r;
  r.add("x", {-1, 1}), r.add("r", {0, 3}), r.add("b", {-2, 2});
  return r;
}

TEST_CASE("networks with layers in 8 bits are calibrated in f32", "[graph][bytes][calibrate]") {
  REQUIRE(ready());
  problem const p = problem_of<small>(1, 9);
  value_ranges const ranges = calibrate<small>(p.weights.from, {p.floats[0]}, {.max_batch = 4});
  std::vector<std::string> names;
  for (named_range const& n : ranges.all()) names.push_back(n.name);
  CHECK(names == std::vector<std::string>{"b", "r", "x"});
  CHECK(report_quantization<small>(p.weights.from, ranges, {p.floats[0]}).size() == 3);
  // Both networks are in 8 bits by a's word; b is so in one of them.
  call const one = run<small>(p, {.max_batch = 9, .ranges = ranges}),
             both = run<small, in_bytes>(p, {.max_batch = 9, .ranges = ranges});
  double const d = distance(one.out[0], p.expected[0]), e = distance(both.out[0], p.expected[0]);
  CHECK(d > 1e-6);
  CHECK(d <= 0.05);
  CHECK(e <= 0.05);
  CHECK_FALSE(same_bits(one, both));
}

TEST_CASE("what set-up of 8 bits refuses", "[graph][bytes][error]") {
  REQUIRE(ready());
  problem const p = problem_of<small>(2, 1);
  auto const load = [&](value_ranges const& r) {
    return [&p, &r] { compiled<small, in_bytes>(p.weights.from, {.ranges = r}); };
  };
  value_ranges const none, right = some_ranges();
  load(right)();
  REQUIRE_ERROR(load(none), errc::bad_parameter,
                "network: it computes in 8 bits and needs the ranges of its values, that of 'r' "
                "first: give .ranges = calibrate<Net>(...)");
  value_ranges other;
  other.add("image", {0, 1}), other.add("x", {-1, 1});
  REQUIRE_ERROR(load(other), errc::bad_parameter,
                "network: the ranges have none for 'r': they are those of another network");
  value_ranges refused;
  REQUIRE_ERROR([&] { refused.add("y", {0.5F, 1}); }, errc::bad_parameter, "range of 'y' is 0.5 to 1");
  REQUIRE_ERROR([&] { refused.add("y", {-INFINITY, 1}); }, errc::bad_parameter, "range of 'y' is -inf to 1");
  REQUIRE_ERROR([&] { refused.add("y", {0, NAN}); }, errc::bad_parameter, "range of 'y' is 0 to nan");
  CHECK(refused.empty());
}

/// One concat of what has ranges of its own, and a pool that has none to say.
struct joined {
  static constexpr auto build(builder& b) {
    auto const x = input(b, "x", {any_batch, 4, 4, 3});
    auto const a = conv2d(x, {.filters = 4, .name = "a"}), c = conv2d(x, {.filters = 4, .name = "c"});
    auto const p = max_pool(concat({a, c, softmax(x, {.name = "s"})}), {.kernel = 2, .name = "p"});
    return conv2d(p, {.filters = 2, .name = "last"});
  }
};
TEST_CASE("a range that other values share does not stand for one that is missing",
          "[graph][bytes][error]") {
  run_time_plan const n = run_time_plan::of<joined>();
  auto const& nodes = n.in(precision::s8).nodes;
  constant_range const all[] = {{"x", -1, 1}, {"a", -1, 2}, {"c", -9, 8}, {"s", 0, 1}, {"p", -9, 8}};
  for (std::string_view const gone : {"", "x", "a", "c", "s", "p"}) {
    INFO("without " << gone);
    scaling_draft const s = find_scalings(nodes, nodes.count(), [&](std::string_view name) {
      return name == gone ? nullptr : find_range(all, name);
    });
    bool const needed = gone != "" && gone != "p"; // the pool's numbers are those of the concat
    REQUIRE((s.missing >= 0) == needed);
    if (needed) CHECK(ranged_name(nodes, s.missing) == gone);
    else CHECK(s.of_node[static_cast<std::size_t>(nodes.count() - 1)].scale > 0);
  }
}

TEST_CASE("weights that cannot be in 8 bits", "[graph][bytes][error]") {
  REQUIRE(ready());
  value_ranges const ranges = some_ranges();
  auto const with = [&](f32 weight) {
    return [&ranges, weight] {
      problem p = problem_of<small>(3, 1);
      p.weights.store[0][7] = weight; // of unit 1
      memory_weights w;
      w.add("a.weight", {4, 6}, p.weights.store[0]);
      for (auto const& [name, v] : p.weights.by_name)
        if (name != "a.weight")
          w.add(name, name == "b.weight" ? std::vector<index_t>{3, 4}
                                         : std::vector<index_t>{static_cast<index_t>(v->size())},
                *v);
      compiled<small>(w, {.ranges = ranges});
    };
  };
  with(1e3F)();
  REQUIRE_ERROR(with(NAN), errc::bad_parameter, "dense 'a': a weight of filter 1 is NaN or infinite");
  REQUIRE_ERROR(with(-INFINITY), errc::bad_parameter, "dense 'a': a weight of filter 1 is NaN or infinite");

  using large = one_layer<many>;
  std::vector<f32> const a(static_cast<std::size_t>(4 * many), 1.0F), few(12, 1.0F);
  std::vector<f32> const four(few.begin(), few.begin() + 4), three(few.begin(), few.begin() + 3);
  memory_weights w;
  w.add("a.weight", {4, many}, a), w.add("a.bias", {4}, four);
  w.add("b.weight", {3, 4}, few), w.add("b.bias", {3}, three);
  value_ranges positive;
  positive.add("x", {0, 1}), positive.add("r", {0, 3});
  REQUIRE_ERROR([&] { compiled<large>(w, {.ranges = positive}); }, errc::bad_parameter,
                "dense 'a': sums of filter 0 may reach 2150364000, more than s32 holds");
  compiled<large>(w, {.ranges = ranges}); // a zero point in the middle: half of it
}

} // namespace

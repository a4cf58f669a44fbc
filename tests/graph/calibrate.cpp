// SPDX-License-Identifier: Apache-2.0
//
// Ranges of a network's values against those that the oracle finds in double; what calibrators are
// shown, and what is refused.
#include "calibrate.hpp"

#include "../gemm/throws.hpp"

#include <ia_nn/core/tensor.hpp>
#include <ia_nn/graph/run/calibrate.hpp>

#include <random>

namespace {

using namespace calibrate_test;
using graph::seen_value;
using graph::value_ranges;
using ia_nn::errc;
using ia_nn::thread_pool;
using ia_nn::value_range;

constexpr f32 nan = std::numeric_limits<f32>::quiet_NaN(), inf = std::numeric_limits<f32>::infinity();

constexpr auto const& plan = graph::schedule<small_net>;
constexpr auto const& nodes = graph::typed<small_net>;

value_range exact_range(std::vector<double> const& x) {
  value_range r;
  for (double const v : x) r.add({static_cast<f32>(v), static_cast<f32>(v)});
  return r;
}

// The names that must have ranges: of f32 values that steps write, of the image, and of the two concats
// that their parts write into.
std::vector<std::string> expected_names() {
  std::vector<std::string> names{"image"};
  for (graph::step const& s : plan.steps)
    if (s.kind != op::output) names.emplace_back(nodes[s.out].name.view());
  for (graph::node const& n : nodes.nodes)
    if (n.kind == op::concat) names.emplace_back(n.name.view());
  return names;
}

TEST_CASE("ranges of all values are those of the oracle", "[graph][calibrate]") {
  ia_nn_test::random r(1);
  every_value const all = every_value::of<small_net>(13, r);
  thread_pool pool(3), alone(1);
  graph::compile_options const o{.max_batch = 5}; // 5 + 5 + 3
  value_ranges const got = graph::calibrate<small_net>(
      all.p.weights.from, {all.p.floats[0], all.p.integers[0]}, o, ia_nn::min_max_calibrator(), pool);

  std::vector<std::string> const names = expected_names();
  CHECK(got.all().size() == names.size());
  REQUIRE(names.size() == 13); // 10 steps: a look-up is two
  for (std::string const& name : names) {
    INFO(name);
    value_range const* const is = got.find(name);
    REQUIRE(is);
    REQUIRE(all.by_name.contains(name));
    value_range const should = exact_range(all.by_name.at(name));
    f32 const bound = 1e-5F * should.largest();
    CHECK(std::fabs(is->low - should.low) <= bound);
    CHECK(std::fabs(is->high - should.high) <= bound);
  }
  CHECK_FALSE(got.find("ids"));
  CHECK_FALSE(got.find("conv1")); // its relu is what reaches memory

  CHECK(got == graph::calibrate<small_net>(all.p.weights.from, {all.p.floats[0], all.p.integers[0]}, o,
                                           ia_nn::min_max_calibrator(), alone));
}

// Keeps all that it is shown.
struct recorder {
  std::vector<f32> all{};
  int calls = 0;
  void observe(std::span<f32 const> x) {
    all.insert(all.end(), x.begin(), x.end());
    ++calls;
  }
  value_range range() const { return {2, 3}; }
};

TEST_CASE("a calibrator of the user sees every element, once a batch", "[graph][calibrate]") {
  ia_nn_test::random r(2);
  every_value const all = every_value::of<small_net>(7, r);
  struct shared_recorder {
    recorder* to = nullptr;
    void observe(std::span<f32 const> x) { to->observe(x); }
    value_range range() const { return to->range(); }
  };
  thread_pool pool(2);
  recorder every;
  graph::calibration<small_net, shared_recorder> c(all.p.weights.from, {.max_batch = 3}, {&every});
  c.observe({all.p.floats[0], all.p.integers[0]}, pool);
  index_t elements = 0;
  for (seen_value const& v : c.values()) {
    INFO(v.who());
    CHECK(v.count() == static_cast<index_t>(all.by_name.at(v.name).size()));
    CHECK(v.finite == v.count());
    elements += v.count();
  }
  CHECK(static_cast<index_t>(every.all.size()) == elements);
  CHECK(every.calls == 3 * static_cast<int>(c.values().size()));

  // Of more items than run at once otherwise.
  recorder whole;
  graph::calibration<small_net, shared_recorder> large(all.p.weights.from, {.max_batch = 9, .items_at_once = 1},
                                                       {&whole});
  every_value const more = every_value::of<small_net>(9, r);
  large.observe({more.p.floats[0], more.p.integers[0]});
  CHECK(whole.calls == static_cast<int>(large.values().size()));
  value_ranges const ranges = c.ranges();
  for (graph::named_range const& n : ranges.all()) CHECK(n.range == value_range{0, 3}); // with 0
}

TEST_CASE("samples that do not fit, and values without a number, are refused",
          "[graph][calibrate][error]") {
  ia_nn_test::random r(3);
  every_value const all = every_value::of<small_net>(4, r);
  auto const& weights = all.p.weights.from;
  thread_pool pool(1);
  auto const bad = errc::bad_parameter;
  std::vector<f32> image(all.p.floats[0].begin(), all.p.floats[0].end());
  std::vector<s32> ids(all.p.integers[0].begin(), all.p.integers[0].end());
  using calibration = graph::calibration<small_net>;

  calibration c(weights);
  REQUIRE_ERROR([&] { (void)c.ranges(); }, bad, "calibration: no samples were observed");
  REQUIRE_ERROR([&] { c.observe({image}, pool); }, bad, "1 inputs, the network has 2");
  REQUIRE_ERROR([&] { c.observe({std::vector<f32>(), ids}, pool); }, bad, "input 'image' has no samples");
  REQUIRE_ERROR([&] { c.observe({std::vector<f32>(91), ids}, pool); }, bad,
                "has 91 elements, which is no multiple of the 90 of a sample");
  REQUIRE_ERROR([&] { c.observe({image, std::vector<s32>(4)}, pool); }, bad,
                "input 'ids' has 2 samples, 'image' has 4");
  REQUIRE_ERROR([&] { c.observe({ids, ids}, pool); }, bad, "input 'image': its elements are not f32");
  ids[1] = 7;
  REQUIRE_ERROR([&] { c.observe({image, ids}, pool); }, bad, "index 1 is 7, the table has 7 rows");
  ids[1] = 6;
  REQUIRE_ERROR([&] { (void)c.ranges(); }, bad, "no samples were observed"); // still

  // One NaN in one image reaches all pixels of that image through the softmax at the latest.
  std::vector<f32> some = image;
  some[90] = nan, some[91] = inf;
  c.observe({some, ids}, pool);
  seen_value const first = c.not_finite().front();
  CHECK(first.who() == "input 'image'");
  CHECK(first.not_finite_text() == "1 of 360 values are NaN and 1 infinite");
  CHECK(first.finite == 358);
  some[90] = some[91] = 0;
  CHECK(c.ranges().find("image")->high == *std::max_element(some.begin(), some.end()));
  some[90] = nan;
  REQUIRE_ERROR([&] { graph::calibrate<small_net>(weights, {some, ids}, {.max_batch = 4},
                                                  ia_nn::min_max_calibrator(), pool); },
                bad, "calibration: input 'image': 1 of 360 values are NaN and 0 infinite. If that is");

  calibration none(weights);
  none.observe({std::vector<f32>(360, nan), ids}, pool);
  REQUIRE_ERROR([&] { (void)none.ranges(); }, bad,
                "calibration: input 'image': there is no finite number: 360 of 360 values are NaN and 0");
}

// Calibrators of the user that do what they should not.
struct refusing {
  void observe(std::span<f32 const> x) {
    if (x.size() == 4 * 30 * 4) ia_nn::throw_error(errc::bad_shape, "I do not like this one");
  }
  value_range range() const { return {nan, 1}; }
};
TEST_CASE("errors of calibrators are thrown on with the name of the layer",
          "[graph][calibrate][error]") {
  ia_nn_test::random r(4);
  every_value const all = every_value::of<small_net>(4, r);
  thread_pool pool(2);
  graph::calibration<small_net, refusing> c(all.p.weights.from);
  REQUIRE_ERROR([&] { c.observe({all.p.floats[0], all.p.integers[0]}, pool); }, errc::bad_shape,
                "conv2d 'left': I do not like this one");
  graph::calibration<small_net, refusing> d(all.p.weights.from, {.max_batch = 3}); // 3 + 1
  d.observe({all.p.floats[0], all.p.integers[0]}, pool);
  REQUIRE_ERROR([&] { (void)d.ranges(); }, errc::bad_parameter,
                "calibration: input 'image': its calibrator gave the range nan to 1");
}

// Rows of 4 channels; what goes in is a value too, so any numbers can be tried.
template <index_t Batch = graph::any_batch> struct tiny {
  static constexpr void build(graph::builder& b) {
    auto const x = input(b, "x", {Batch, 6, 4});
    output(relu(x), "positive");
    output(tanh(x), "tanh");
  }
};
graph::label relu_name() {
  for (graph::node const& n : graph::original<tiny<>>.nodes)
    if (std::string_view(graph::shown(n)) == "relu") return n.name;
  return {};
}

template <class C> value_ranges ranges_of(std::vector<f32> const& x, C const& each) {
  return graph::calibrate<tiny<>>(graph::memory_weights(), x, {.max_batch = 3}, each);
}
template <class C> void check_odd_values(C const& each) {
  std::string const relu(relu_name().view());
  auto const check = [&](f32 first, f32 others, value_range const& x, value_range const& positive) {
    INFO("all but one are " << others << ", one is " << first);
    std::vector<f32> v(5 * 24, others);
    for (std::size_t i = 0; i < v.size(); i += 3 * 24) v[i] = first; // of each batch
    value_ranges const got = ranges_of(v, each);
    CHECK(got.all().size() == 3);
    CHECK(*got.find("x") == x);
    CHECK(*got.find(relu) == positive);
    // Whatever it is, a scale follows from it.
    CHECK(ia_nn::quantization_of<u8>(*got.find("x"), ia_nn::scheme::asymmetric).scale > 0);
  };
  check(0, 0, {}, {});
  check(-0.0F, 0, {}, {});
  check(5, 5, {0, 5}, {0, 5}); // constants: they and 0
  check(-5, -5, {-5, 0}, {});
  check(1e-42F, 1e-42F, {0, 1e-42F}, {0, 1e-42F});
  check(-1e-45F, -1e-45F, {-1e-45F, 0}, {});
  constexpr f32 most = 0x1.fffffep127F;
  check(most, most, {0, most}, {0, most});
  check(-most, -most, {-most, 0}, {});
}

TEST_CASE("zeros, constants, denormals and the largest numbers", "[graph][calibrate]") {
  check_odd_values(ia_nn::min_max_calibrator());
  check_odd_values(ia_nn::moving_average_calibrator());
  check_odd_values(ia_nn::percentile_calibrator(99, 801));
  check_odd_values(ia_nn::mse_calibrator(ia_nn::byte_type::automatic, 801));
  check_odd_values(ia_nn::entropy_calibrator(ia_nn::byte_type::automatic, 801));
}

TEST_CASE("a threshold is no wider than what was seen", "[graph][calibrate]") {
  ia_nn_test::random r(5);
  std::vector<f32> x(30 * 24);
  for (f32& v : x) v = r.uniform(-0.25F, 4);
  x[0] = -0.25F, x[1] = 4;
  auto const check = [&](auto const& each, f32 high) {
    value_range const got = *ranges_of(x, each).find("x");
    CHECK(got.low == -0.25F);
    CHECK(got.high <= 4);
    CHECK(got.high > high);
  };
  check(ia_nn::percentile_calibrator(100), 3.9F);
  check(ia_nn::percentile_calibrator(50), 1.5F);
  check(ia_nn::mse_calibrator(), 3.9F);
  check(ia_nn::entropy_calibrator(ia_nn::byte_type::automatic, 2001), 3.5F);
}

TEST_CASE("the entropy search is told the rows", "[graph][calibrate]") {
  std::mt19937 numbers(6); // always the same: how wide the ranges are depends on every value
  auto const normal = [&] {
    f32 sum = -6;
    for (int k = 0; k < 12; ++k) sum += static_cast<f32>(numbers() >> 8) * 0x1p-24F;
    return sum;
  };
  std::vector<f32> x(900 * 24); // plain background, and behind it a few pixels
  for (std::size_t i = 0; i < x.size(); ++i)
    x[i] = i % 24 < 20 ? 0.05F * static_cast<f32>(i % 4) : std::max(0.0F, 1.5F * normal());
  ia_nn::entropy_calibrator rows, alone;
  for (std::size_t i = 0; i < x.size(); i += 3 * 24) {
    rows.observe(std::span<f32 const>(x).subspan(i, 3 * 24), 4);
    alone.observe(std::span<f32 const>(x).subspan(i, 3 * 24));
  }
  f32 const high = ranges_of(x, ia_nn::entropy_calibrator()).find("x")->high;
  CHECK(high == std::min(rows.range().high, *std::max_element(x.begin(), x.end())));
  CHECK(high > 1.5F * alone.range().high);
}

TEST_CASE("moving averages are of batches", "[graph][calibrate]") {
  std::vector<f32> x(7 * 24, 0.0F); // 3 + 3 + 1
  x[0] = 8, x[3 * 24] = 4, x[6 * 24] = -4;
  CHECK(*ranges_of(x, ia_nn::moving_average_calibrator(0.5)).find("x") == value_range{-2, 3});
}

TEST_CASE("a static batch, and pointers", "[graph][calibrate]") {
  std::vector<f32> x(6 * 24);
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = static_cast<f32>(i);
  graph::memory_weights const none;
  graph::calibration<tiny<2>> c(none);
  REQUIRE_ERROR([&] { c.observe(std::span<f32 const>(x).first(5 * 24)); }, errc::bad_parameter,
                "calibration: 5 samples, the network takes 2 at a time");
  c.observe(x);
  CHECK(c.ranges().find("x")->high == 143);
  CHECK(c.values()[0].count() == 144);
  graph::source const from = x.data();
  graph::calibration<tiny<2>> pointers(none);
  pointers.observe(2, {&from, 1});
  CHECK(pointers.ranges().find("x")->high == 47);
  graph::source const null;
  REQUIRE_ERROR([&] { pointers.observe(2, {&null, 1}); }, errc::bad_pointer, "input 'x' is null");
  ia_nn::tensor<f32, ia_nn::shape<ia_nn::dyn, 6, 4>> t(ia_nn::shape<ia_nn::dyn, 6, 4>(4));
  t(3, 5, 3) = 2;
  graph::calibration<tiny<2>> tensors(none);
  tensors.observe(t);
  CHECK(*tensors.ranges().find("x") == value_range{0, 2});
}

} // namespace

// SPDX-License-Identifier: Apache-2.0
//
// Networks compared step by step, and the report on ranges against sums over what the oracle finds.
#include "calibrate.hpp"

#include "../gemm/throws.hpp"

#include <ia_nn/graph/show/comparison.hpp>
#include <ia_nn/graph/show/quantization.hpp>

#include <nlohmann/json.hpp>

namespace {

using namespace calibrate_test;
using graph::quantized_value;
using graph::value_difference;
using ia_nn::bf16;
using ia_nn::errc;
using ia_nn::thread_pool;
using ia_nn::value_range;

using f32_net = graph::compiled<small_net>;
using bf16_net = graph::compiled<small_net, graph::native<ia_nn::isa::native, bf16>>;

using byte_net = graph::compiled<small_net, graph::native<ia_nn::isa::native, s8>>;

std::vector<f32> results_of(auto const& net, problem const& p, thread_pool& pool) {
  ia_nn::workspace scratch(net.workspace_bytes());
  std::vector<f32> y(static_cast<std::size_t>(p.batch * 5));
  net.run(p.batch, {p.floats[0], p.integers[0]}, y, scratch, pool).require();
  return y;
}

TEST_CASE("a network compared with itself, and with other weights", "[graph][compare]") {
  ia_nn_test::random r(1);
  every_value const all = every_value::of<small_net>(11, r);
  thread_pool pool(2);
  f32_net const net(all.p.weights.from, {.max_batch = 4}), wide(all.p.weights.from, {.max_batch = 7});
  auto const same = graph::compare(net, wide, {all.p.floats[0], all.p.integers[0]}, pool);
  REQUIRE(same.samples == 11);
  REQUIRE(same.values.size() == 10);
  REQUIRE(same.outputs.size() == 1);
  for (value_difference const& d : same.values) {
    INFO(d.name);
    CHECK(d.count == static_cast<index_t>(all.by_name.at(d.name).size()));
    CHECK(d.largest == 0);
    CHECK(d.relative() == 0);
    CHECK(d.decibels() == std::numeric_limits<double>::infinity());
    CHECK(d.unlike == 0);
  }
  CHECK(same.outputs[0].same_top == 1);

  // The bias of `words` moves the first logit: what lies before stays as it was.
  graph::memory_weights other;
  for (std::string const& name : all.p.weights.from.names()) {
    std::vector<f32> v = all.p.weights.from.values(name);
    if (name == "words.bias") v[0] += 100;
    other.add(name, all.p.weights.from.shape(name), std::move(v));
  }
  auto const moved = graph::compare(net, f32_net(other, {.max_batch = 11}),
                                    {all.p.floats[0], all.p.integers[0]}, pool);
  std::vector<std::string> changed;
  for (value_difference const& d : moved.values)
    if (d.largest > 0) changed.push_back(d.name);
  CHECK(changed.front() == "words");
  CHECK(moved.outputs[0].name == "result");
  index_t first = 0; // rows whose largest result was number 0 all along
  auto const& expected = all.p.expected[0];
  for (std::size_t row = 0; row < 11; ++row)
    first += std::max_element(&expected[5 * row], &expected[5 * row] + 5) == &expected[5 * row];
  CHECK(moved.outputs[0].same_top == static_cast<double>(first) / 11);
  CHECK(moved.outputs[0].same_top < 1);
  std::string const text = graph::comparison_table(moved);
  CHECK(text.find("conv1") == std::string::npos);
  CHECK(text.find("left                        conv2d            f32-f32            0          0"
                  "   exact\n") != std::string::npos);
  CHECK(text.find("11 samples\n") != std::string::npos);
}

TEST_CASE("networks that run in other parts are compared item by item", "[graph][compare]") {
  ia_nn_test::random r(6);
  every_value const all = every_value::of<small_net>(13, r);
  auto const net = [&](index_t at_once) {
    return f32_net(all.p.weights.from, {.max_batch = 13, .items_at_once = at_once});
  };
  f32_net const parts = net(4), whole = net(13);
  REQUIRE(parts.most_at_once() == 7);
  auto const c = graph::compare(parts, whole, {all.p.floats[0], all.p.integers[0]});
  REQUIRE(c.values.size() == 10);
  for (value_difference const& d : c.values) {
    INFO(d.name);
    CHECK(d.count == static_cast<index_t>(all.by_name.at(d.name).size()));
    CHECK(d.largest == 0);
  }
}

TEST_CASE("f32 against bf16", "[graph][compare]") {
  ia_nn_test::random r(2);
  every_value const all = every_value::of<small_net>(6, r);
  thread_pool pool(2);
  f32_net const wide(all.p.weights.from, {.max_batch = 6});
  bf16_net const narrow(all.p.weights.from, {.max_batch = 6});
  auto const c = graph::compare(wide, narrow, {all.p.floats[0], all.p.integers[0]}, pool);
  std::vector<f32> const a = results_of(wide, all.p, pool), b = results_of(narrow, all.p, pool);
  double largest = 0;
  for (std::size_t i = 0; i < a.size(); ++i)
    largest = std::max(largest, std::fabs(static_cast<double>(a[i]) - static_cast<double>(b[i])));
  CHECK(c.outputs[0].largest == largest);
  bool some_bf16 = false;
  for (value_difference const& d : c.values) {
    INFO(d.name);
    CHECK(d.first == graph::value_type::f32);
    some_bf16 = some_bf16 || d.second == graph::value_type::bf16;
    if (d.what == "embedding") continue; // f32 in both
    CHECK(d.decibels() > 30);            // 8 bits of mantissa are 54 dB
    CHECK(d.decibels() < 90);
    CHECK(d.relative() > 0);
    CHECK(d.relative() < 0.05);
  }
  CHECK(some_bf16);
}

TEST_CASE("f32 against 8 bits", "[graph][compare]") {
  ia_nn_test::random r(4);
  every_value const all = every_value::of<small_net>(8, r);
  thread_pool pool(2);
  auto const& weights = all.p.weights.from;
  auto const ranges = graph::calibrate<small_net>(weights, {all.p.floats[0], all.p.integers[0]},
                                                  {.max_batch = 8}, ia_nn::min_max_calibrator(), pool);
  f32_net const wide(weights, {.max_batch = 8});
  byte_net const narrow(weights, {.max_batch = 5, .ranges = ranges});
  auto const c = graph::compare(wide, narrow, {all.p.floats[0], all.p.integers[0]}, pool);
  int bytes = 0;
  for (value_difference const& d : c.values) {
    INFO(d.name);
    CHECK(d.first == graph::value_type::f32);
    CHECK(d.count == static_cast<index_t>(all.by_name.at(d.name).size()));
    bytes += graph::is_quantized(d.second);
    if (d.what == "embedding") continue;
    CHECK(d.largest > 0);
    CHECK(d.decibels() > 20); // scales and zero points that are not those of the bytes leave none
  }
  CHECK(bytes >= 4);
  CHECK(c.outputs[0].second == graph::value_type::f32);
}

TEST_CASE("numbers of bytes, within rows that are further apart", "[graph][compare]") {
  ia_nn::u8 const bytes[] = {0, 1, 2, 99, 255, 128, 127, 99};
  ia_nn::s8 const with_sign[] = {-128, 127, 0, -1};
  graph::node n;
  n.type = graph::value_type::u8;
  std::vector<f32> x;
  REQUIRE(graph::detail::numbers_of({n, 0, bytes, 2, 3, 4, {0.5F, 128}}, x));
  CHECK(x == std::vector<f32>{-64, -63.5F, -63, 63.5F, 0, -0.5F});
  n.type = graph::value_type::s8;
  REQUIRE(graph::detail::numbers_of({n, 0, with_sign, 1, 4, 4, {2, 0}}, x));
  CHECK(x == std::vector<f32>{-256, 254, 0, -2});
  bf16 const halves[] = {bf16(1.5F), bf16(-3.0F)};
  n.type = graph::value_type::bf16;
  REQUIRE(graph::detail::numbers_of({n, 0, halves, 2, 1, 1}, x));
  CHECK(x == std::vector<f32>{1.5F, -3});
  n.type = graph::value_type::s32;
  CHECK_FALSE(graph::detail::numbers_of({n, 0, halves, 1, 1, 1}, x));
}

TEST_CASE("differences of what is not finite", "[graph][compare]") {
  constexpr f32 nan = std::numeric_limits<f32>::quiet_NaN(), inf = std::numeric_limits<f32>::infinity();
  graph::signal_noise s;
  CHECK(s.decibels() == std::numeric_limits<double>::infinity());
  s.add(nan, nan), s.add(inf, inf), s.add(-inf, -inf);
  CHECK(s.unlike == 0);
  s.add(nan, inf), s.add(inf, -inf), s.add(1, nan), s.add(inf, 3);
  CHECK(s.unlike == 4);
  CHECK(s.count == 0);
  s.add(0, 0), s.add(4, 3), s.add(-3, -3);
  CHECK(s.count == 3);
  CHECK(s.largest == 1);
  CHECK(s.relative() == 0.25);
  CHECK(s.decibels() == approx(10 * std::log10(25.0)));
  graph::signal_noise zero;
  zero.add(0, 1);
  CHECK(zero.relative() == std::numeric_limits<double>::infinity());
  CHECK(zero.decibels() == -std::numeric_limits<double>::infinity());
}

TEST_CASE("the report on ranges", "[graph][quantization_report]") {
  ia_nn_test::random r(3);
  every_value const all = every_value::of<small_net>(9, r);
  thread_pool pool(2);
  auto const& weights = all.p.weights.from;
  graph::compile_options const o{.max_batch = 4};
  auto const seen = graph::calibrate<small_net>(weights, {all.p.floats[0], all.p.integers[0]}, o,
                                                ia_nn::min_max_calibrator(), pool);
  graph::value_ranges ranges; // half as wide for the images: there something is cut off
  for (graph::named_range const& n : seen.all())
    ranges.add(n.name, n.name == "image" ? value_range{n.range.low / 2, n.range.high / 2} : n.range);
  auto const report = graph::report_quantization<small_net>(
      weights, ranges, {all.p.floats[0], all.p.integers[0]}, o, pool);
  REQUIRE(report.size() == 11);
  for (quantized_value const& v : report) {
    INFO(v.name);
    std::vector<double> const& x = all.by_name.at(v.name);
    CHECK(v.range == *ranges.find(v.name));
    CHECK(v.scaling == ia_nn::quantization_of<u8>(v.range, ia_nn::scheme::asymmetric));
    double const scale = static_cast<double>(v.scaling.scale), zero = v.scaling.zero_point;
    double signal = 0, noise = 0;
    index_t saturated = 0;
    for (double const e : x) {
      double const q = std::nearbyint(e / scale) + zero, kept = std::clamp(q, 0.0, 255.0);
      saturated += q != kept;
      signal += e * e, noise += std::pow(scale * (kept - zero) - e, 2);
    }
    CHECK(v.count == static_cast<index_t>(x.size()));
    CHECK(v.not_finite == 0);
    CHECK(v.decibels() == approx(10 * std::log10(signal / noise)).margin(0.1)); // ties may differ
    CHECK(std::abs(v.saturated - saturated) <= (v.name == "image" ? 1 : 0));
    if (v.name == "image") CHECK(v.saturated_share() > 0.01);
    else CHECK(v.saturated == 0);
  }
  auto const json = nlohmann::json::parse(graph::quantization_json(report));
  REQUIRE(json.size() == report.size());
  for (std::size_t i = 0; i < report.size(); ++i) {
    CHECK(json[i].at("name") == report[i].name);
    CHECK(json[i].at("high").get<f32>() == report[i].range.high);
    CHECK(json[i].at("scale").get<f32>() == report[i].scaling.scale);
    CHECK(json[i].at("sqnr").get<double>() == report[i].decibels());
    CHECK(json[i].at("saturated") == report[i].saturated);
  }
  std::string const table = graph::quantization_table(report), svg = graph::quantization_svg(report);
  CHECK(std::count(table.begin(), table.end(), '\n') == 12);
  CHECK(table.find("\nimage                       input ") != std::string::npos);
  std::size_t bars = 0;
  for (std::size_t at = 0; (at = svg.find("<rect", at)) != svg.npos; ++at) ++bars;
  CHECK(bars == 22);
  CHECK(svg.ends_with("</svg>\n"));

  quantized_value odd;
  odd.name = "a\"\\\n<&\x1f";
  CHECK(nlohmann::json::parse(graph::quantization_json({odd}))[0].at("name") == odd.name);
  CHECK(nlohmann::json::parse(graph::quantization_json({odd}))[0].at("sqnr").is_null());
  CHECK(nlohmann::json::parse(graph::quantization_json({})).empty());
  REQUIRE_ERROR([&] { graph::report_quantization<small_net>(
                          weights, {}, {all.p.floats[0], all.p.integers[0]}, o, pool); },
                errc::bad_parameter, "quantization_report: there is no range for input 'image'");
}

} // namespace

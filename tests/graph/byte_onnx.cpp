// SPDX-License-Identifier: Apache-2.0
//
// Cases of ONNX's operators on 8-bit tensors as networks, with scales and zero points that are given as ranges.
// Data: github.com/onnx/onnx, onnx/backend/test/data/node, Apache-2.0. tools/onnx_cases runs all of them on
// kernels.
//
//   quantizelinear                  the conversion of an input
//   matmulinteger                   a dense layer
//   convinteger_without_padding     a convolution
//   qlinearconv                     a convolution that a layer in 8 bits reads
//
// The others are no networks:
//
//   5   quantizelinear_axis, _blocked_asymmetric, _blocked_symmetric, dequantizelinear_axis, _blocked: a value has
//       one scale
//   1   dequantizelinear: inputs are f32
//   2   dynamicquantizelinear, _max_adjusted: layers that find scales while they run have symmetric ones
//   3   qlinearmatmul_2D_uint8_float32, _2D_uint8_float16, _2D_int8_float16: weights have no zero point, and B less
//       its own needs 9 bits
//   2   qlinearmatmul_3D_int8_float32, _3D_int8_float16: B is another matrix for each item
//
// The scale of weights is that of the largest. Where a case says another one, one more weight is 127 steps
// large and meets zeros.
#include "bytes.hpp"

namespace {

using namespace graph_test;
using graph::builder;

/// A network with the numbers of a case.
class onnx_network {
public:
  template <class Net>
  onnx_network(std::type_identity<Net>, std::vector<f32> const& x,
               std::vector<std::vector<f32>> const& weights, index_t batch)
      : plan_(graph::detail::built<Net>(), {}), p_(plan_.make_problem(40, batch)) {
    REQUIRE(static_cast<std::size_t>(p_.floats[0].size()) == x.size());
    std::copy(x.begin(), x.end(), p_.floats[0].begin());
    REQUIRE(p_.weights.store.size() == weights.size());
    for (std::size_t i = 0; i < weights.size(); ++i) {
      REQUIRE(p_.weights.store[i].size() == weights[i].size());
      std::copy(weights[i].begin(), weights[i].end(), p_.weights.store[i].begin());
    }
  }
  /// Of bytes from 0 to 255.
  void range(char const* name, f32 scale, int zero) {
    ranges_.add(name, {scale * static_cast<f32>(-zero), scale * static_cast<f32>(255 - zero)});
  }
  /// The elements of a value as they are stored, on each instruction set.
  void check(std::string_view name, std::vector<double> const& expected) {
    open_run const plan(plan_.view(graph::precision::s8));
    graph::plan_view const& v = plan.view();
    int id = -1;
    for (int i = 0; i < v.node_count; ++i)
      if (v.nodes[i].name.view() == name) id = i;
    INFO(name);
    REQUIRE(id >= 0);
    for_each_isa<planned_isas>([&](auto tag) {
      call const c = plan.made(p_, [&](graph::plan_view const& w, problem const& q) {
        return run_planned<decltype(tag)>(w, 0, q, {.max_batch = q.batch, .ranges = ranges_});
      });
      CHECK(plan.value(c, id, p_.batch) == expected);
    });
  }

private:
  run_time_plan plan_;
  problem p_;
  graph::value_ranges ranges_{};
};
template <class Net> constexpr std::type_identity<Net> of{};

struct quantize_net {
  static constexpr void build(builder& b) {
    auto const x = input(b, "x", {graph::any_batch, 6});
    output(graph::dense(x, {.units = 1, .bias = false, .name = "reader"}));
  }
};
TEST_CASE("ONNX: quantizelinear as the conversion of an input", "[graph][bytes][onnx]") {
  onnx_network n(of<quantize_net>, {0, 2, 3, 1000, -254, -1000}, {{1, 1, 1, 1, 1, 1}}, 1);
  n.range("x", 2, 128);
  n.check("x.u8", {128, 129, 130, 255, 1, 0});
}

struct matmul_net {
  static constexpr void build(builder& b) {
    auto const a = input(b, "a", {graph::any_batch, 4});
    output(graph::dense(a, {.units = 2, .bias = false, .name = "y"}));
  }
};
TEST_CASE("ONNX: matmulinteger as a dense layer", "[graph][bytes][onnx]") {
  std::vector<f32> a;
  for (int const q : {11, 7, 3, 10, 6, 2, 9, 5, 1, 8, 4, 0}) {
    a.push_back(static_cast<f32>(q - 12));
    if (a.size() % 4 == 3) a.push_back(0);
  }
  onnx_network n(of<matmul_net>, a, {{1, 2, 3, 127, 4, 5, 6, 127}}, 4);
  n.range("a", 1, 12);
  n.check("y", {-38, -83, -44, -98, -50, -113, -56, -128});
}

struct conv_integer_net {
  static constexpr void build(builder& b) {
    auto const x = input(b, "x", {graph::any_batch, 3, 3, 2});
    output(conv2d(x, {.filters = 1, .kernel = 2, .bias = false, .name = "y"}));
  }
};
TEST_CASE("ONNX: convinteger as a convolution", "[graph][bytes][onnx]") {
  std::vector<f32> x;
  for (int q = 2; q <= 10; ++q) x.push_back(static_cast<f32>(q - 1)), x.push_back(0);
  onnx_network n(of<conv_integer_net>, x, {{1, 1, 1, 1, 127, 127, 127, 127}}, 1);
  n.range("x", 1, 1);
  n.check("y", {12, 16, 24, 28});
}

struct qlinear_conv_net {
  static constexpr void build(builder& b) {
    auto const x = input(b, "x", {graph::any_batch, 7, 7, 1});
    auto const y = conv2d(x, {.filters = 1, .bias = false, .name = "y"});
    output(conv2d(y, {.filters = 1, .bias = false, .name = "reader"}));
  }
};
TEST_CASE("ONNX: qlinearconv as a convolution between layers in 8 bits", "[graph][bytes][onnx]") {
  std::vector<double> const q{
      255, 174, 162, 25, 203, 168, 58, 15, 59, 237, 95, 129, 0, 64, 56, 242, 153, 221, 168, 12,
      166, 232, 178, 186, 195, 237, 162, 237, 188, 39, 124, 77, 80, 102, 43, 127, 230, 21, 83,
      41, 40, 134, 255, 154, 92, 141, 42, 148, 247};
  constexpr f32 scale = 0.00369204697F, scale_of_weight = 0.00172794575F, scale_of_result = 0.00162681262F;
  std::vector<f32> x;
  for (double const i : q) x.push_back(scale * (static_cast<f32>(i) - 132));
  onnx_network n(of<qlinear_conv_net>, x, {{scale_of_weight * (0 - 255)}, {1}}, 1);
  n.range("x", scale, 132);
  n.range("y", scale_of_result, 123);
  n.check("x.u8", q);
  n.check("y", {0, 81, 93, 230, 52, 87, 197, 240, 196, 18, 160, 126, 255, 191, 199, 13, 102, 34, 87, 243,
               89, 23, 77, 69, 60, 18, 93, 18, 67, 216, 131, 178, 175, 153, 212, 128, 25, 234, 172, 214,
               215, 121, 0, 101, 163, 114, 213, 107, 8});
}

} // namespace

// SPDX-License-Identifier: Apache-2.0
//
// Transposed convolutions in 8 bits.
#include "byte_layers.hpp"

namespace {

using namespace byte_layers;
using graph::builder;
using graph::value;

constexpr graph::detail::id_list byte_ids = [] {
  graph::detail::id_list l;
  for (value_type const to : {value_type::u8, value_type::f32})
    l.add(graph::op::deconv, precision::s8, value_type::u8, to);
  l.add(graph::op::conv, precision::s8, value_type::u8, value_type::f32);
  return l;
}();

/// Weights (channels, filters of a group, window) with the bytes of each filter.
void quantize_transposed(std::vector<f32>& w, index_t channels, index_t groups, index_t filters,
                         index_t taps) {
  index_t const read = channels / groups, made = filters / groups;
  for (index_t f = 0; f < filters; ++f) {
    std::vector<f32> one;
    auto const each = [&](auto const& visit) {
      for (index_t c = f / made * read; c < (f / made + 1) * read; ++c)
        for (index_t t = 0; t < taps; ++t)
          visit(w[static_cast<std::size_t>((c * made + f % made) * taps + t)]);
    };
    each([&](f32 x) { one.push_back(x); });
    as_symmetric(one.begin(), one.end());
    auto next = one.begin();
    each([&](f32& x) { x = *next++; });
  }
}

struct deconv_case {
  index_t channels, height, width;
  graph::deconv_layer layer;
};

/// One layer, with batch norm and relu; or with a second one behind it that shows its bytes as they are.
void check_deconv(deconv_case const& c, bool to_bytes, std::uint64_t seed) {
  INFO("seed " << seed << ", channels " << c.channels << ", filters " << c.layer.filters << ", groups "
               << c.layer.groups << (to_bytes ? ", to bytes" : ", to f32"));
  index_t const filters = c.layer.filters;
  run_time_plan const n = plan_of([&](builder& b) {
    graph::deconv_layer o = c.layer;
    o.name = "up";
    value y = deconv2d(input(b, "x", {graph::any_batch, c.height, c.width, c.channels}), o);
    y = graph::relu(batch_norm(y, {.name = "norm"}), {.name = "relu"});
    if (to_bytes) y = conv2d(y, {.filters = filters, .bias = false, .name = "same"});
    return y;
  });
  problem p = n.make_problem(seed, 3);
  ia_nn_test::random again(seed);
  random_weights w(n.written.nodes.data(), n.written.count(), again);
  if (to_bytes)
    for (random_weights* const of : {&p.weights, &w}) {
      std::vector<f32>& same = numbers(*of, "same.weight");
      for (index_t i = 0; i < filters * filters; ++i)
        same[static_cast<std::size_t>(i)] = i % (filters + 1) == 0 ? 1.0F : 0.0F;
    }
  graph::node const& up = n.written.nodes[1];
  quantize_transposed(numbers(w, "up.weight"), c.channels, c.layer.groups, filters,
                      up.attributes.win.kernel.size());
  graph::value_ranges ranges;
  value_range const in{-2.5F, 3.75F}, out{0, 2.0F};
  ranges.add("x", in), ranges.add("relu", out);
  nearest_middle = 1;
  std::vector<std::vector<double>> x = p.numbers;
  for (double& v : x[0]) v = as_bytes(v, bytes_of(in));
  std::vector<double> y =
      interpret(n.written.nodes.data(), n.written.count(), w, p.batch, x)[0];
  if (to_bytes)
    for (double& v : y) v = as_bytes(v, bytes_of(out));
  if (largest(y) == 0 || nearest_middle < clear_of_middle) return check_deconv(c, to_bytes, seed + 100);
  check<isas, conversion_ids, byte_ids>(n, p, y, precision::s8, ranges, 2e-6, true);
}

TEST_CASE("transposed convolutions in 8 bits: bytes of the zero point count as nothing, also at the edges") {
  std::vector<deconv_case> const cases{
      {1, 4, 3, {.filters = 1, .kernel = 2}},
      {3, 4, 5, {.filters = 16, .kernel = 4, .stride = 2, .pad = 1}},
      {5, 3, 4, {.filters = 33, .kernel = 3, .stride = 2, .pad = 1, .output_padding = 1}},
      {16, 6, 6, {.filters = 31, .kernel = 2, .stride = 2}},
      {17, 5, 3, {.filters = 64, .kernel = 3, .pad = 1, .bias = false}},
      {6, 4, 4, {.filters = 8, .kernel = 3, .stride = 3, .dilation = 2, .groups = 2}},
      {4, 5, 5, {.filters = 4, .kernel = {1, 2}, .stride = {3, 1}, .groups = 4}}, // lines of nothing
      {65, 2, 7, {.filters = 5, .kernel = 5, .stride = 2, .pad = 3}}};
  std::uint64_t seed = 7;
  for (deconv_case const& c : cases)
    for (bool const to_bytes : {false, true}) check_deconv(c, to_bytes, ++seed);
}

} // namespace

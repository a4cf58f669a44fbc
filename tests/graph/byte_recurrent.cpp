// SPDX-License-Identifier: Apache-2.0
//
// Recurrent layers in 8 bits, with scales from ranges and with scales of their own.
#include "byte_layers.hpp"

namespace {

using namespace byte_layers;
using graph::builder;
using graph::direction;
using graph::op_kind;
using graph::value;

constexpr graph::detail::id_list byte_ids = [] {
  graph::detail::id_list l;
  for (graph::operator_row const* const row : {&graph::op::lstm, &graph::op::rnn})
    for (int const variant : {0, 1}) {
      if (row->id == graph::op::lstm.id && variant == 1) continue;
      l.add(*row, precision::dynamic_s8, value_type::f32, value_type::f32, variant);
      l.add(*row, precision::s8, value_type::u8, value_type::f32, variant);
    }
  for (int const variant : {0, 1})
    l.add(graph::op::gru, precision::s8, value_type::u8, value_type::f32, variant);
  return l;
}();

struct recurrent_case {
  op_kind kind;
  index_t time, features;
  graph::rnn_layer layer;
};

/// Each row of the matrices in bytes.
void quantize_rows(random_weights& w, graph::node const& n, index_t features) {
  std::vector<graph::weight> all;
  graph::node const in{.shape = {graph::any_batch, 1, features}};
  graph::node const* const inputs[] = {&in};
  n.kind->weights(n, inputs, all);
  for (graph::weight const& m : all) {
    if (m.shape.rank < 2) continue;
    std::vector<f32>& v = numbers(w, std::string(n.name.view()) + std::string(m.suffix.view()));
    for (index_t r = 0; r < m.shape[0]; ++r)
      as_symmetric(v.begin() + r * m.shape[1], v.begin() + (r + 1) * m.shape[1]);
  }
}

void check_recurrent(recurrent_case const& c, precision p8, std::uint64_t seed) {
  INFO("seed " << seed << ", " << c.kind->name << ", hidden " << c.layer.hidden << ", layers "
               << c.layer.layers << ", projection " << c.layer.projection);
  run_time_plan const n = plan_of([&](builder& b) {
    graph::rnn_layer o = c.layer;
    o.name = "cell";
    return graph::detail::rnn_of(input(b, "x", {graph::any_batch, c.time, c.features}), o, c.kind);
  });
  problem const p = n.make_problem(seed, 3);
  graph::node const& cell = n.written.nodes[1];
  ia_nn_test::random again(seed);
  random_weights w(n.written.nodes.data(), n.written.count(), again);
  quantize_rows(w, cell, c.features);
  nearest_middle = 1;
  value_range const in{-2.5F, 3.0F};
  value_range out{};
  for (double const y : p.expected[0]) out.add({static_cast<f32>(y), static_cast<f32>(y)});
  graph::value_ranges ranges;
  ranges.add("x", in), ranges.add("cell", out);

  bool const bounded = graph::detail::has_bounded_states(cell.attributes);
  quantization const unit{1.0F / 127.0F, 128};
  auto const by = [](quantization const& q) {
    return [q](std::vector<double>& row) {
      for (double& v : row) v = as_bytes(v, q);
    };
  };
  auto const by_largest = [](std::vector<double>& row) { as_symmetric(row.begin(), row.end()); };
  stored_states as{.unprojected = by(unit)};
  std::vector<double> x = p.numbers[0];
  if (p8 == precision::s8) {
    quantization const h = bounded ? unit : bytes_of(out);
    for (double& v : x) v = as_bytes(v, bytes_of(in));
    as.hidden = as.input = by(h);
  } else {
    for (auto row = x.begin(); row != x.end(); row += c.features) as_symmetric(row, row + c.features);
    as.input = by_largest;
    if (bounded) as.hidden = by(unit);
    else as.hidden = by_largest;
  }
  std::vector<double> y;
  interpret_rnn(cell, p.batch, c.time, c.features, w, x, y, as);
  if (nearest_middle < clear_of_middle) return check_recurrent(c, p8, seed + 100);
  check<ia_nn::type_list<ia_nn::isa::native>, conversion_ids, byte_ids>(n, p, y, p8, ranges, 2e-5, true);
}

using graph::op::gru, graph::op::lstm, graph::op::rnn;
constexpr graph::function relu = graph::function::relu;

TEST_CASE("recurrent layers in 8 bits read bytes and keep their states in them") {
  std::vector<recurrent_case> const cases{
      {lstm, 4, 5, {.hidden = 7, .layers = 2, .direction = direction::both}},
      {lstm, 3, 33, {.hidden = 65, .last_only = true, .bias = false}},
      {lstm, 5, 4, {.hidden = 18, .projection = 5}},
      {gru, 4, 3, {.hidden = 32, .direction = direction::reverse}},
      {gru, 4, 16, {.hidden = 9, .layers = 2, .reset_before = true}},
      {rnn, 6, 1, {.hidden = 3, .layers = 3, .last_only = true}},
      {rnn, 5, 8, {.hidden = 17, .direction = direction::both, .activation = relu}}};
  std::uint64_t seed = 20;
  for (recurrent_case const& c : cases) check_recurrent(c, precision::s8, ++seed);
}

TEST_CASE("recurrent layers in 8 bits that find their scales while they run") {
  std::vector<recurrent_case> const cases{
      {lstm, 4, 5, {.hidden = 7, .layers = 2, .direction = direction::both}},
      {lstm, 3, 9, {.hidden = 18, .layers = 2, .last_only = true, .projection = 5}},
      {rnn, 4, 8, {.hidden = 34, .layers = 2, .last_only = true, .activation = relu}},
      {rnn, 6, 1, {.hidden = 3}}};
  std::uint64_t seed = 40;
  for (recurrent_case const& c : cases) check_recurrent(c, precision::dynamic_s8, ++seed);
}

TEST_CASE("recurrent layers whose states have no known range are computed in f32") {
  auto const multiplies = [](graph::rnn_layer o, op_kind kind, precision usual) {
    o.name = "cell";
    run_time_plan const n = plan_of([&](builder& b) {
      return graph::detail::rnn_of(input(b, "x", {graph::any_batch, 2, 3}), o, kind);
    });
    graph::plan_view const v = n.view(usual);
    return v.kernel_at(v.count - 1).multiplies;
  };
  graph::rnn_layer const deep{.hidden = 4, .layers = 2, .activation = relu};
  graph::rnn_layer const last{.hidden = 4, .last_only = true, .projection = 2};
  CHECK(multiplies(deep, rnn, precision::s8) == precision::f32);
  CHECK(multiplies(last, lstm, precision::s8) == precision::f32);
  CHECK(multiplies(deep, rnn, precision::dynamic_s8) == precision::dynamic_s8);
  CHECK(multiplies(last, lstm, precision::dynamic_s8) == precision::dynamic_s8);
  CHECK(multiplies({.hidden = 4, .layers = 2}, rnn, precision::s8) == precision::s8);
}

} // namespace

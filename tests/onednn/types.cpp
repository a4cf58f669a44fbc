// SPDX-License-Identifier: Apache-2.0
//
// bf16 and 8 bits on both backends: each step from the same inputs. Bytes differ by one unit at most,
// where oneDNN rounds a scale and an offset by itself and this library both at once.
#include "run.hpp"

#include "../catch.hpp"

namespace {

using namespace onednn_test;
using graph::any_batch, graph::value, graph::precision;

std::vector<step_difference> compare(graph::draft const& written, precision p, index_t batch = 5) {
  planned const n(written, p, {.in_place = false});
  problem const x = planned(written, precision::f32).make_problem(2, batch);
  graph::compile_options o{.max_batch = batch};
  if (p == precision::s8) o.ranges = ranges_of(written, x);
  return compare_steps(n, x, o);
}
/// Checks all steps; at least `expected` of them are oneDNN's.
template <class Net> void check_steps(precision p, int expected, double bound) {
  std::vector<step_difference> const all = compare(graph::detail::built<Net>(), p);
  int of_onednn = 0;
  for (step_difference const& d : all) {
    UNSCOPED_INFO(d.layer << ": " << d.by << ", " << d.largest << ", " << d.share);
    of_onednn += d.by.starts_with("onednn");
  }
  for (step_difference const& d : all) {
    INFO(d.layer << " by " << d.by);
    CHECK(d.largest <= (d.bytes ? 1.0 : bound));
    if (d.bytes) CHECK(d.share <= 0.02);
  }
  CHECK(of_onednn >= expected);
}

struct layers {
  static constexpr auto build(graph::builder& b) {
    auto const x = input(b, "x", {any_batch, 12, 12, 16});
    value const y = relu(conv2d(x, {.filters = 32, .kernel = 3, .pad = 1, .name = "padded"}));
    value const z = conv2d(y, {.filters = 32, .kernel = 1, .name = "pointwise"}); // with a zero point
    value const u = relu(conv2d(z, {.filters = 32, .kernel = 3, .pad = 1, .name = "residual"}) + z);
    value const w = conv2d(u, {.filters = 32, .kernel = 3, .stride = 2, .name = "strided"});
    value const v = depthwise_conv2d(max_pool(relu(w), {.kernel = 2, .stride = 1}), {.kernel = 3, .pad = 1, .name = "depthwise"});
    return dense(relu(dense(flatten(v), {.units = 64, .name = "fc1"})), {.units = 10, .name = "fc2"});
  }
};
struct tails {
  static constexpr auto build(graph::builder& b) {
    auto const x = input(b, "x", {any_batch, 6, 6, 32});
    value y = swish(conv2d(x, {.filters = 32, .kernel = 1, .name = "swish"}));
    y = selu(conv2d(y, {.filters = 32, .kernel = 1, .name = "selu"})); // no post-op
    y = relu6(batch_norm(conv2d(y, {.filters = 32, .kernel = 1, .name = "norm"}), {.name = "bn"}));
    value const z = leaky_relu(conv2d(y, {.filters = 32, .kernel = 3, .pad = 1, .groups = 4, .name = "groups"}), 0.1F);
    return dense(flatten(z), {.units = 10, .name = "fc"});
  }
};
struct states {
  static constexpr auto build(graph::builder& b) {
    auto const x = input(b, "x", {any_batch, 7, 24});
    return lstm(x, {.hidden = 32, .direction = graph::direction::both, .name = "lstm"});
  }
};

TEST_CASE("layers in bf16", "[onednn]") { check_steps<layers>(precision::bf16, 8, 0.01); }
TEST_CASE("tails in bf16", "[onednn]") { check_steps<tails>(precision::bf16, 5, 0.01); }
TEST_CASE("recurrent layers in bf16", "[onednn]") { check_steps<states>(precision::bf16, 1, 0.02); }
TEST_CASE("layers in 8 bits", "[onednn]") { check_steps<layers>(precision::s8, 6, 1e-5); }
TEST_CASE("tails in 8 bits", "[onednn]") { check_steps<tails>(precision::s8, 4, 1e-5); }

} // namespace

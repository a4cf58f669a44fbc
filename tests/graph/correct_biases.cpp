// SPDX-License-Identifier: Apache-2.0
//
// The mean of each channel of a layer must be the same when its weights are rounded and its bias is corrected:
// the oracle finds it with that layer alone rounded.
#include "calibrate.hpp"

#include "../gemm/throws.hpp"

#include <ia_nn/graph/run/correct_biases.hpp>

#include <memory>

namespace {

using namespace calibrate_test;
using graph::changed_weights;
using graph::layer_change;
using ia_nn::errc;

/// What stands between layers, groups, a concat that is written into, and layers that are left.
struct layers_net {
  static constexpr void build(graph::builder& b) {
    using graph::batch_norm, graph::concat, graph::dense;
    auto x = input(b, "image", {graph::any_batch, 7, 6, 3});
    x = max_pool(relu(conv2d(x, {.filters = 8, .kernel = 3, .pad = 1, .name = "conv"})), {.kernel = 2});
    x = depthwise_conv2d(x, {.kernel = 3, .pad = 1, .bias = false, .name = "depthwise"});
    x = leaky_relu(batch_norm(x, {.name = "norm"}), 0.1F);
    x = conv2d(x, {.filters = 6, .kernel = 3, .stride = 2, .pad = 1, .groups = 2, .name = "groups"});
    auto const left = relu(conv2d(x, {.filters = 4, .kernel = 1, .name = "left"})),
               right = gelu(conv2d(x, {.filters = 3, .kernel = 1, .name = "right"}));
    x = conv2d(concat({left, right}), {.filters = 5, .kernel = 1, .bias = false, .name = "joined"});
    x = relu(dense(flatten(x), {.units = 6, .name = "fc1"}));
    output(dense(x, {.units = 4, .name = "fc2"}), "result");
  }
};
struct per_tensor_net : layers_net {
  static constexpr graph::quantize_rules quantize{.weights_per_tensor = true};
};

using numbers = std::map<std::string, std::vector<double>>;

constexpr auto const& nodes = graph::original<layers_net>;

std::size_t at(index_t i) { return static_cast<std::size_t>(i); }

/// The weights of a network, to be changed, its samples, and what the oracle finds.
struct subject {
  std::shared_ptr<problem const> own;
  problem const& p; ///< of all copies
  std::map<std::string, std::vector<f32>> arrays;

  explicit subject(ia_nn_test::random& r)
      : own(std::make_shared<problem>(nodes.nodes, nodes.count(), 9, r)), p(*own) {
    for (std::string const& name : p.weights.from.names()) arrays[name] = p.weights.from.values(name);
  }
  graph::memory_weights weights(std::string const& prefix = "") const {
    graph::memory_weights w;
    for (std::string const& name : p.weights.from.names())
      w.add(prefix + name, p.weights.from.shape(name), std::vector<f32>(arrays.at(name)));
    return w;
  }
  /// Every value, under the name of its node.
  numbers values() const {
    graph::draft d = nodes.edit();
    for (int i = 0, n = d.count(); i < n; ++i) {
      if (d[i].kind == op::output) continue;
      graph::node out{.kind = op::output, .name = d[i].name, .shape = d[i].shape};
      out.inputs.add(i);
      d.nodes.push_back(out);
    }
    random_weights w;
    for (auto const& [name, v] : arrays) w.by_name[name] = &v;
    std::vector<double> const image(p.floats[0].begin(), p.floats[0].end());
    auto const found = interpret(d.nodes.data(), d.count(), w, p.batch, {image});
    numbers to;
    std::size_t k = 0;
    for (graph::node const& n : d.nodes)
      if (n.kind == op::output) to[std::string(n.name.view())] = found.at(k++);
    return to;
  }
};

layer_change const& change_of(changed_weights const& c, std::string_view name) {
  for (layer_change const& l : c.layers)
    if (l.name == name) return l;
  FAIL("no layer " << name);
  return c.layers.front();
}

void grow(double& to, double x) { to = std::fmax(to, std::fabs(x)); }

std::vector<double> means(std::vector<double> const& x, std::size_t channels) {
  std::vector<double> to(channels);
  for (std::size_t i = 0; i < x.size(); ++i)
    to[i % channels] += x[i] * static_cast<double>(channels) / static_cast<double>(x.size());
  return to;
}

struct rounded_layer {
  std::string name, value, change; ///< what it gives, and the array that is corrected
  index_t filters;
};

template <class Net> void check_means(std::uint64_t stream, bool per_tensor) {
  INFO("per tensor " << per_tensor);
  ia_nn_test::random r(stream);
  subject const s(r);
  numbers const exact = s.values();
  changed_weights const c = graph::correct_biases<Net>(s.weights(), s.p.floats[0]);
  CHECK(change_of(c, "joined").left == "it has no bias, and no batch norm directly behind it");
  REQUIRE(c.layers.size() == 8);
  rounded_layer const all[] = {{"conv", "conv", "conv.bias", 8},
                               {"depthwise", "norm", "norm.running_mean", 8},
                               {"groups", "groups", "groups.bias", 6},
                               {"left", "left", "left.bias", 4},
                               {"right", "right", "right.bias", 3},
                               {"fc1", "fc1", "fc1.bias", 6},
                               {"fc2", "fc2", "fc2.bias", 4}};
  double errors = 0;
  for (rounded_layer const& l : all) {
    INFO(l.name);
    subject one = s;
    std::vector<f32>& w = one.arrays.at(l.name + ".weight");
    auto const q = ia_nn::quantize_weights(w, l.filters, {}, 1, per_tensor);
    for (index_t i = 0; i < std::ssize(w); ++i) w[at(i)] = q.scales[i / q.each] * static_cast<f32>(q.values[i]);
    auto const channels = at(l.filters);
    std::vector<double> const right = means(exact.at(l.value), channels),
                              wrong = means(one.values().at(l.value), channels);
    one.arrays.at(l.change) = c.weights.values(l.change);
    std::vector<double> const corrected = means(one.values().at(l.value), channels);
    double before = 0, after = 0;
    for (std::size_t i = 0; i < channels; ++i) grow(before, wrong[i] - right[i]), grow(after, corrected[i] - right[i]);
    errors += before;
    CHECK(after < 2e-6); // biases and means are f32, and the f32 network has the values
    CHECK(change_of(c, l.name).left.empty());
    CHECK(change_of(c, l.name).largest > 0);
  }
  CHECK(errors > 1e-3); // there was something to correct
  // Under the names of the source, and the same for layers that find their scales at run time.
  changed_weights const named = graph::correct_biases<Net, graph::precision::dynamic_s8>(
      s.weights("model."), s.p.floats[0], {.max_batch = 9, .prefixes = {"model."}});
  for (rounded_layer const& l : all) CHECK(named.weights.values("model." + l.change) == c.weights.values(l.change));
  for (auto const& [name, values] : s.arrays) // nothing else is changed
    if (name.ends_with(".weight") || name.ends_with(".running_var") || name == "norm.bias")
      CHECK(c.weights.values(name) == values);
}

TEST_CASE("corrected biases leave the means of channels", "[graph][correct_biases]") {
  check_means<layers_net>(1, false);
  check_means<per_tensor_net>(2, true);
}

TEST_CASE("a bias that two layers have is left", "[graph][correct_biases]") {
  ia_nn_test::random r(3);
  subject const s(r);
  changed_weights const c =
      graph::correct_biases<layers_net>(s.weights(), s.p.floats[0],
                                        {.max_batch = 9,
                                         .allow_unknown_weights = true,
                                         .names = {{"groups.bias", "fc1.bias"}}});
  for (char const* const name : {"groups", "fc1"}) {
    CHECK(change_of(c, name).left == "another layer has the same bias");
    CHECK(change_of(c, name).largest == 0);
  }
  CHECK(c.weights.values("fc1.bias") == s.arrays.at("fc1.bias"));
  CHECK(c.weights.values("conv.bias") != s.arrays.at("conv.bias"));
}

TEST_CASE("weights and samples that do not fit are refused by name", "[graph][correct_biases][error]") {
  ia_nn_test::random r(5);
  subject const s(r);
  std::vector<f32> image(s.p.floats[0].begin(), s.p.floats[0].end());
  image[3] = std::numeric_limits<f32>::infinity();
  REQUIRE_ERROR([&] { graph::correct_biases<layers_net>(s.weights(), image); }, errc::bad_parameter,
                "input 'image': a value is inf");
  graph::memory_weights few;
  few.add("conv.weight", {8, 3, 3, 3}, s.arrays.at("conv.weight"));
  REQUIRE_ERROR([&] { graph::correct_biases<layers_net>(few, s.p.floats[0]); }, errc::bad_parameter, "conv.bias");
}

} // namespace

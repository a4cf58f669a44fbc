// SPDX-License-Identifier: Apache-2.0
//
// Small shapes, other ends of a network, and numbers that are none.
#include "../isa.hpp"
#include "../random.hpp"

#include <ia_nn/graph/files/checkpoint.hpp>
#include <ia_nn/graph/layers.hpp>
#include <ia_nn/graph/train/trainer.hpp>
#include <ia_nn/train/sgd.hpp>

#include <cmath>
#include <filesystem>
#include <unistd.h>

namespace {

using namespace ia_nn_test;
namespace graph = ia_nn::graph;
using Catch::Matchers::Contains;
using descent = ia_nn::sgd<ia_nn::isa::native>;

/// A number for each row beside others: the memory of both is one cache line where the batch is 1.
struct repeated {
  static constexpr auto build(graph::builder& b) {
    auto x = input(b, "x", {graph::any_batch, 5});
    auto small = dense(x, {.units = 1, .name = "one"});
    x = maximum(small * dense(x, {.units = 6, .name = "many"}), 0.25F) - small;
    return reshape(small - x, {3, 2});
  }
};
TEST_CASE("a repeated operand has the gradient of its row also where it fits into the place of the whole") {
  using trainer = graph::trainer<repeated, graph::squared_loss, descent>;
  trainer one({.batch = 1}), many({.batch = 64}); // in which both differ in size
  std::vector<f32> const x{0.5F, -1, 2, 0.25F, 3}, y{1, 2, 3, 4, 5, 6};
  f32 const loss = one.accumulate(1, x, y).require();
  CHECK(std::fabs(many.accumulate(1, x, y).require() - loss) <= 1e-5F * loss);
  for (std::size_t i = 0; i < one.gradients().size(); ++i)
    CHECK(std::fabs(one.gradients()[i] - many.gradients()[i]) <= 1e-4F);

  // Calls of `accumulate` in front of a step count as steps.
  std::vector<f32> const before = one.weights().values("many.weight");
  one.step(1, x, y).require();
  CHECK(one.weights().values("many.weight") != before);
  CHECK(one.optimizer().steps() == 1);
}

struct rows_of_classes {
  static constexpr auto build(graph::builder& b) {
    auto x = conv1d(input(b, "x", {graph::any_batch, 4, 2}), {.filters = 3, .kernel = 1, .name = "c"});
    return transpose(x, {2, 1});
  }
};
TEST_CASE("labels are those of the output in its shape, and of the plan in use") {
  using trainer = graph::trainer<rows_of_classes, graph::cross_entropy_loss<std::int64_t>, descent>;
  trainer t({.batch = 1});
  std::vector<f32> const x(8, 0.5F);
  using labels = std::vector<std::int64_t>;
  CHECK(t.step(1, x, labels{3, 0, 1}));
  CHECK_THAT(std::string(t.step(1, x, labels{4, 0, 1}).what()), Contains("label 4 of row 0 is not one of 4 classes"));
  CHECK_THAT(std::string(t.step(1, x, labels{-1, 0, 1}).what()), Contains("label -1 of row 0"));
  t.use_shapes({{graph::any_batch, 2, 2}});
  CHECK_THAT(std::string(t.step(1, std::vector<f32>(4), labels{3, 0, 1}).what()),
             Contains("label 3 of row 0 is not one of 2 classes"));
  CHECK_THROWS_WITH(t.use_shapes({{graph::any_batch, 0, 2}}), Contains("cannot be of shape (any, 0, 2)"));
  CHECK_THROWS_WITH(t.use_shapes({{graph::any_batch, index_t{1} << 40, index_t{1} << 40}}), Contains("at most 2^40"));
  CHECK(t.step(1, std::vector<f32>(4), labels{1, 0, 1})); // of the last shapes that were right
}
struct pairs {
  static constexpr auto build(graph::builder& b) {
    auto x = dense(input(b, "x", {graph::any_batch, 5}), {.units = 6, .name = "fc"});
    return reshape(x, {3, 2});
  }
};
TEST_CASE("classes are the last axis behind a reshape") {
  graph::trainer<pairs, graph::cross_entropy_loss<>, descent> t({.batch = 2});
  CHECK(t.step(2, std::vector<f32>(10, 0.5F), std::vector<s32>{0, 1, 0, 1, 1, 0}));
  CHECK_THAT(std::string(t.step(2, std::vector<f32>(10), std::vector<s32>{0, 1}).what()), Contains("2 targets, expected 6"));
}

struct table {
  static constexpr auto build(graph::builder& b) {
    auto const x = input(b, "i", {graph::any_batch, 4}, graph::value_type::s32);
    auto const y = embedding(reshape(x, {2, 2}), {.rows = 5, .width = 3, .name = "e"});
    return dense(flatten(y), {.units = 2, .name = "fc"});
  }
};
TEST_CASE("an index that is no row is told") {
  graph::trainer<table, graph::cross_entropy_loss<>, descent> t({.batch = 1});
  std::vector<s32> const label{1};
  CHECK(t.step(1, std::vector<s32>{0, 1, 2, 4}, label));
  std::vector<f32> const before = t.weights().values("e.weight");
  CHECK_THAT(std::string(t.step(1, std::vector<s32>{0, 1, 5, 4}, label).what()),
             Contains("embedding 'e': index 2 is 5, the table has 5 rows"));
  CHECK_THAT(std::string(t.step(1, std::vector<s32>{0, -1, 2, 4}, label).what()), Contains("index 1 is -1"));
  CHECK(t.weights().values("e.weight") == before);
}

TEST_CASE("numbers that are not finite are not lost where they are rounded") {
  graph::trainer<graph::quantize_aware<pairs>, graph::squared_loss, descent> t({.batch = 1});
  std::vector<f32> x(5, 0.5F);
  std::vector<f32> const y(6, 1.0F);
  f32 const loss = t.accumulate(1, x, y).require();
  for (f32 const wrong : {NAN, INFINITY, -INFINITY}) {
    x[2] = wrong;
    CHECK_THAT(std::string(t.step(1, x, y).what()), Contains("the loss is not finite: the first value that is not is that of"));
  }
  x[2] = 0.5F;
  CHECK(t.accumulate(1, x, y).require() == loss); // with the range of before
}

TEST_CASE("numbers in a checkpoint that cannot be") {
  std::string const path =
      (std::filesystem::temp_directory_path() / ("ia_nn_checkpoint_edges_" + std::to_string(::getpid()))).string();
  graph::trainer<pairs, graph::cross_entropy_loss<>, descent> t({.batch = 2});
  for (char const* const steps : {"18446744073709551615", "9223372036854775808", "18446744073709551616", "-1", "1e3", ""}) {
    INFO(steps);
    ia_nn::save_safetensors(path, graph::detail::entries_of(t.state().weights, true),
                            {{"network", std::to_string(t.state().network)}, {"optimizer", "sgd"}, {"steps", steps}, {"round", "0"}});
    CHECK_THROWS_AS(graph::resume_checkpoint(path, t), ia_nn::error);
    CHECK(t.optimizer().steps() == 0);
  }
  std::filesystem::remove(path);
}

} // namespace

// SPDX-License-Identifier: Apache-2.0
//
// What a trainer is told: rates that a checkpoint keeps, names of weights, images of other sizes for adaptive pools.
#include "../isa.hpp"
#include "../random.hpp"

#include <ia_nn/graph/layers.hpp>
#include <ia_nn/graph/files/checkpoint.hpp>
#include <ia_nn/graph/train/trainer.hpp>
#include <ia_nn/train/sgd.hpp>

#include <cstring>
#include <filesystem>

namespace {

using namespace ia_nn_test;
namespace graph = ia_nn::graph;
using Catch::Matchers::Contains;

/// A convolution, pools to 4 x 4, 3 x 3 and 8 x 8 (of 8 x 8: windows alike, windows not alike, each pixel) and
/// to one number, a dense layer.
template <index_t Height, index_t Width> struct pools {
  static constexpr auto build(graph::builder& b) {
    auto const x = conv2d(input(b, "image", {graph::any_batch, Height, Width, 1}),
                          {.filters = 2, .kernel = 3, .pad = 1, .name = "conv"});
    auto const four = adaptive_average_pool(x, {.out = 4}), three = adaptive_max_pool(x, {.out = 3}),
               eight = adaptive_average_pool(x, {.out = 8});
    auto const all = graph::concat({flatten(four), flatten(three), flatten(eight), flatten(global_average_pool(x))});
    return dense(all, {.units = 3, .name = "fc"});
  }
};
template <class Net> using trainer_of = graph::trainer<Net, graph::cross_entropy_loss<>, ia_nn::sgd<ia_nn::isa::native>>;
using pools_trainer = trainer_of<pools<8, 8>>;

template <class Trainer> std::vector<f32> weights_of(Trainer const& t) {
  std::vector<f32> all;
  graph::memory_weights const w = t.weights();
  for (std::string const& n : w.names())
    for (f32 const x : w.values(n)) all.push_back(x);
  return all;
}
bool same(std::vector<f32> const& a, std::vector<f32> const& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(f32)) == 0;
}
std::vector<f32> images_of(ia_nn_test::random& r, index_t size) {
  std::vector<f32> x(static_cast<std::size_t>(size));
  for (f32& v : x) v = r.normal();
  return x;
}

} // namespace

TEST_CASE("adaptive pools follow images of another size") {
  ia_nn_test::random r(1);
  std::vector<f32> const large = images_of(r, 2 * 120), small = images_of(r, 2 * 64);
  std::vector<ia_nn::s32> const labels{2, 0};
  pools_trainer t({.batch = 2});
  trainer_of<pools<12, 10>> other({.batch = 2});
  other.load(t.weights());
  t.use_shapes({{graph::any_batch, 12, 10, 1}});
  for (int i = 0; i < 2; ++i) {
    REQUIRE(t.step(2, large, labels).require() == other.step(2, large, labels).require());
    CHECK(same(weights_of(t), weights_of(other)));
  }
  t.use_shapes({{graph::any_batch, 8, 8, 1}});
  t.step(2, small, labels).require();
  CHECK_THROWS_WITH(t.use_shapes({{graph::any_batch, 7, 8, 1}}), Contains("cannot be pooled to 8 elements"));
  t.step(2, small, labels).require();
}

TEST_CASE("a checkpoint keeps the learning rate") {
  ia_nn_test::random r(2);
  std::vector<f32> const x = images_of(r, 2 * 64);
  std::vector<ia_nn::s32> const labels{1, 2};
  std::string const path = (std::filesystem::temp_directory_path() / "ia_nn_rate.safetensors").string();
  pools_trainer t({.batch = 2}, ia_nn::sgd_options{.learning_rate = 0.01, .momentum = 0.9});
  t.step(2, x, labels).require();
  t.optimizer().set_learning_rate(0.3 / 7);
  graph::save_checkpoint(path, t);
  pools_trainer other({.batch = 2, .seed = 9}, ia_nn::sgd_options{.learning_rate = 0.02, .momentum = 0.9});
  graph::resume_checkpoint(path, other);
  CHECK(other.optimizer().learning_rate() == 0.3 / 7);
  for (int i = 0; i < 3; ++i) {
    t.step(2, x, labels).require();
    other.step(2, x, labels).require();
  }
  CHECK(same(weights_of(t), weights_of(other)));

  // A file without one leaves the rate alone; one whose rate is none is refused, and nothing changes.
  ia_nn::safetensors const file = ia_nn::load_safetensors(path);
  auto const with_rate = [&](char const* bits) {
    ia_nn::safetensors_metadata said = file.metadata();
    said.erase("learning_rate_bits");
    if (bits) said["learning_rate_bits"] = bits;
    ia_nn::save_safetensors(path, file.entries(), said);
  };
  with_rate(nullptr);
  other.optimizer().set_learning_rate(0.5);
  graph::resume_checkpoint(path, other);
  CHECK(other.optimizer().learning_rate() == 0.5);
  std::vector<f32> const before = weights_of(t);
  for (char const* bits : {"9221120237041090560", "13826050856027422720", "x"}) { // NaN, -0.5, nothing
    with_rate(bits);
    CHECK_THROWS_WITH(graph::resume_checkpoint(path, t), Contains("checkpoint: '" + path + "': "));
    CHECK(same(before, weights_of(t)));
  }
  std::filesystem::remove(path);
}

TEST_CASE("weights of other names are loaded") {
  pools_trainer t({.batch = 2}), other({.batch = 2, .seed = 5});
  graph::memory_weights renamed;
  for (auto const& [from, to] : {std::pair{"conv", "module.conv"}, {"fc", "module.head"}})
    for (char const* suffix : {".weight", ".bias"})
      renamed.add(to + std::string(suffix), t.weights().shape(from + std::string(suffix)),
                  t.weights().values(from + std::string(suffix)));
  std::vector<f32> const before = weights_of(other);
  CHECK_THROWS_WITH(other.load(renamed), Contains("give .prefixes = {\"module.\"}"));
  CHECK_THROWS_WITH(other.load(renamed, {.names = {{"fx", "head"}}}), Contains(".names has 'fx'"));
  CHECK(same(before, weights_of(other)));
  other.load(renamed, {.prefixes = {"model.", "module."}, .names = {{"fc", "head"}}});
  CHECK(same(weights_of(t), weights_of(other)));
}

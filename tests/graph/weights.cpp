// SPDX-License-Identifier: Apache-2.0
//
// Where weights come from: files that are temporaries, what in them is no weight, and the lines in
// front of graph/compiled.hpp.
#include "../gemm/throws.hpp"
#include "../io/temporary_folder.hpp"
#include "support.hpp"

#include <ia_nn/graph/layers.hpp>
#include <ia_nn/io/safetensors.hpp>
#include <ia_nn/io/safetensors_write.hpp>

namespace {

namespace graph = ia_nn::graph;
using graph_test::ready;
using ia_nn_test::temporary_folder;
using ia_nn::f32, ia_nn::workspace;
using ia_nn::load_safetensors;

struct my_net {
  static constexpr auto build(graph::builder& b) {
    auto const x = input(b, "x", {graph::any_batch, 3});
    return batch_norm(x, {.affine = false, .name = "norm"});
  }
};

std::vector<f32> const mean{1, 2, 3}, variance{4, 4, 4};

/// A model as PyTorch saves it: counters and positions are integers, masks truth values.
std::string saved(std::string const& folder, bool unknown = false) {
  std::vector<std::int64_t> const steps{7}, positions{0, 1, 2};
  std::vector<std::uint8_t> const mask{1, 0};
  auto const entry = []<class T>(char const* name, std::vector<T> const& x,
                                 std::vector<ia_nn::index_t> shape) {
    return ia_nn::make_safetensors_entry<T>(name, x, std::move(shape));
  };
  std::vector<ia_nn::safetensors_entry> all{entry("norm.running_mean", mean, {3}),
                                            entry("norm.running_var", variance, {3}),
                                            entry("norm.num_batches_tracked", steps, {}),
                                            entry("embeddings.position_ids", positions, {1, 3}),
                                            entry("mask", mask, {2})};
  all.back().type = ia_nn::safetensors_type::boolean;
  if (unknown) all.push_back(entry("other.weight", mean, {3}));
  std::string path = folder + "/model.safetensors";
  ia_nn::save_safetensors(path, all);
  return path;
}

template <class W> void check_net(W const& weights) {
  graph::compiled<my_net> const net(weights, {.max_batch = 2});
  workspace scratch(net.workspace_bytes());
  std::vector<f32> const x{1, 2, 3, 3, 4, 5};
  std::vector<f32> y(6, -1.0F);
  net.run(2, x.data(), y.data(), scratch);
  for (std::size_t i = 0; i < 6; ++i) CHECK(std::fabs(y[i] - (i < 3 ? 0.0F : 1.0F)) < 1e-4F);
}

TEST_CASE("weights of a file", "[graph]") {
  REQUIRE(ready());
  temporary_folder const folder;
  std::string const path = saved(folder.path);
  graph::file_weights const kept(load_safetensors(path)); // a temporary
  CHECK(kept.names() == std::vector<std::string>{"norm.running_mean", "norm.running_var"});
  check_net(kept);
  check_net(graph::file_weights(load_safetensors(path)));
  ia_nn::safetensors const file = load_safetensors(path);
  graph::file_weights const seen(file);
  static_assert(std::same_as<decltype(seen), graph::file_weights<ia_nn::safetensors const&> const>);
  check_net(seen);
  saved(folder.path, true);
  REQUIRE_ERROR([&] { check_net(graph::file_weights(load_safetensors(path))); },
                ia_nn::errc::bad_parameter, "network: no layer has a weight 'other.weight'");
}

TEST_CASE("the lines in front of compiled.hpp", "[graph]") {
  REQUIRE(ready());
  temporary_folder const folder;
  ia_nn::safetensors const file = load_safetensors(saved(folder.path));
  std::vector<f32> x(48, 1.0F), y(48, -1.0F);
  f32 *const image = x.data(), *const result = y.data();
  graph::compiled<my_net> const net(graph::file_weights{file}, {.max_batch = 16});
  workspace scratch(net.workspace_bytes());
  net.run(16, image, result, scratch);
  CHECK(std::fabs(y[45]) < 1e-4F);
}

TEST_CASE("weights in memory", "[graph]") {
  REQUIRE(ready());
  graph::memory_weights copy;
  {
    graph::memory_weights weights;
    weights.add("norm.running_mean", {3}, std::vector<f32>(mean)); // kept
    weights.add("norm.running_var", {3}, variance);                // stays where it is
    copy = weights;
  }
  CHECK(copy.values("norm.running_mean") == mean);
  check_net(copy);
  constexpr ia_nn::index_t huge = ia_nn::index_t{1} << 32;
  REQUIRE_ERROR([&] { copy.add("w", {-3, -1}, mean); }, ia_nn::errc::bad_shape,
                "weights: 'w' has an extent of -3, negative or too large");
  REQUIRE_ERROR([&] { copy.add("w", {huge, huge}, std::vector<f32>()); }, ia_nn::errc::bad_shape,
                "weights: 'w' has an extent of 4294967296, negative or too large");
}

} // namespace

// SPDX-License-Identifier: Apache-2.0
//
// A network of about a hundred layers under byte limits: branches, sums, norms, dropouts, pools; its batch is static.
// Each choice of what is kept has the bits of all kept, in one thread, in a pool, with OpenMP.
#include "../isa.hpp"
#include "../random.hpp"

#include <ia_nn/exec/thread_pool.hpp>
#include <ia_nn/graph/layers.hpp>
#include <ia_nn/graph/train/trainer.hpp>
#include <ia_nn/train/sgd.hpp>
#if defined(_OPENMP)
#include <ia_nn/exec/openmp.hpp>
#endif

#include <cstring>

namespace {

using namespace ia_nn_test;
namespace graph = ia_nn::graph;
using Catch::Matchers::Contains;

constexpr index_t batch = 5, pixels = 12;

struct branches {
  static constexpr auto build(graph::builder& b) {
    auto const conv = [](graph::value x, graph::label const& name, index_t filters, index_t kernel) {
      x = conv2d(x, {.filters = filters, .kernel = kernel, .pad = kernel / 2, .bias = false, .name = name});
      return batch_norm(x, {.name = name + ".bn"});
    };
    auto x = relu(conv(input(b, "image", {batch, pixels, pixels, 3}), "stem", 8, 3));
    for (int i = 0; i < 6; ++i) {
      graph::label const at = graph::label("block") + i + ".";
      auto const one = relu(conv(x, at + "one", 4, 1));
      auto const three = relu(conv(gelu(conv(x, at + "before", 4, 1)), at + "three", 6, 3));
      auto const pool = conv(max_pool(x, {.kernel = 3, .stride = 1, .pad = 1}), at + "pool", 6, 1);
      auto const all = dropout(graph::concat({one, three, pool}), {.p = 0.2F});
      x = i == 0 ? all : relu(all + x);
      if (i == 3) x = average_pool(x, {.kernel = 2});
    }
    return dense(global_average_pool(x), {.units = 4, .name = "fc"});
  }
};
using trainer = graph::trainer<branches, graph::cross_entropy_loss<>, ia_nn::sgd<ia_nn::isa::native>>;

bool same(std::span<f32 const> a, std::span<f32 const> b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size_bytes()) == 0;
}
index_t bytes_of(trainer const& t) { return t.bytes().values + t.bytes().workspace; }

TEST_CASE("each choice of what is kept has the bits of all kept") {
  ia_nn_test::random r(41);
  std::vector<f32> images(batch * pixels * pixels * 3);
  for (f32& x : images) x = r.normal();
  std::vector<ia_nn::s32> const labels{0, 3, 1, 2, 2};
  ia_nn::sgd_options const descent{.learning_rate = 0.05, .momentum = 0.9};

  trainer all({.batch = batch, .workers = 3}, descent);
  std::vector<f32> losses;
  for (int i = 0; i < 4; ++i) losses.push_back(all.step(batch, images, labels).require());

  // A limit just below what the choice before needs leads to the next one.
  ia_nn::thread_pool pool(3);
  index_t limit = bytes_of(all);
  for (int keep = static_cast<int>(graph::keep_values::products); keep <= static_cast<int>(graph::keep_values::every_eighth);
       ++keep) {
    trainer less({.batch = batch, .workers = 3, .byte_limit = --limit}, descent);
    INFO("keep_values " << keep << ", " << bytes_of(less) << " of " << bytes_of(all) << " bytes");
    REQUIRE(static_cast<int>(less.bytes().keep) == keep);
    REQUIRE(bytes_of(less) <= limit);
    limit = bytes_of(less);
    for (int i = 0; i < 4; ++i) {
      f32 loss = 0;
      if (i == 0) loss = less.step(batch, images, labels).require();
      else if (i == 1) loss = less.step(batch, images, labels, pool).require();
      else {
#if defined(_OPENMP)
        ia_nn::openmp team(3);
        loss = less.step(batch, images, labels, team).require();
#else
        loss = less.step(batch, images, labels, pool).require();
#endif
      }
      REQUIRE(loss == losses[static_cast<std::size_t>(i)]);
    }
    CHECK(same(all.state().weights.values(), less.state().weights.values()));
  }
  CHECK(limit < bytes_of(all) * 2 / 3);

  // The batch is that of the definition.
  CHECK_THAT(std::string(all.step(batch - 1, std::span(images).first(4 * pixels * pixels * 3), std::span(labels).first(4)).what()),
             Contains("a batch of 4, expected 5"));
}

} // namespace

// SPDX-License-Identifier: Apache-2.0
//
// The suite `train_nets`: one step of training of whole networks: forward, backward, stochastic gradient descent.
// bench/peers/train_nets.py holds it against PyTorch.
#include "../examples/models/inception_v3.hpp"
#include "../examples/models/mobilenet.hpp"
#include "../examples/models/resnet.hpp"
#include "harness.hpp"
#include "product.hpp"

#include <ia_nn/exec/thread_pool.hpp>
#include <ia_nn/graph/train/trainer.hpp>
#include <ia_nn/train/sgd.hpp>

#include <random>

namespace {

namespace graph = ia_nn::graph;
using bench::own_isa, bench::product, ia_nn::index_t;

template <class Net, class E> struct training {
  using trainer = graph::trainer<Net, graph::cross_entropy_loss<>, ia_nn::sgd<own_isa>, graph::native<own_isa, E>>;
  static constexpr graph::dims image = graph::trained<Net>[0].shape;

  index_t batch;
  ia_nn::thread_pool pool;
  trainer of;
  std::vector<ia_nn::f32> images;
  std::vector<ia_nn::s32> labels;

  training(index_t n, int threads)
      : batch(n), pool(threads),
        of({.batch = n, .workers = threads}, ia_nn::sgd_options{.learning_rate = 1e-3, .momentum = 0.9}) {
    std::minstd_rand random(1);
    for (index_t i = 0; i < n * image.item(); ++i)
      images.push_back(static_cast<float>(random() % 1000) / 500.0F - 1);
    for (index_t i = 0; i < n; ++i) labels.push_back(static_cast<ia_nn::s32>(random() % 1000));
  }
  void step() { of.step(batch, images, labels, pool).require(); }
};

/// A multiplication by weights is done three times: forward, for the source, for the weights.
template <class Net> double operations(index_t batch) {
  double sum = 0;
  for (int id = 0; id < graph::trained<Net>.count(); ++id)
    sum += static_cast<double>(graph::flops_of(graph::trained<Net>, id) * batch) * (graph::trained<Net>[id].kind->multiplies ? 3 : 2);
  return sum;
}

template <class Net, class E> void add(bench::context& c, bench::group& g, std::string const& name, index_t batch, double peak) {
  bench::bench_case b;
  b.name = name + " batch " + std::to_string(batch);
  b.operations = operations<Net>(batch);
  b.prepare = [batch, &c, name]() -> std::vector<bench::contender> {
    auto const ours = std::make_shared<training<Net, E>>(batch, c.threads);
    graph::training_bytes const bytes = ours->of.bytes();
    c.out.note(name + ": " + std::to_string((bytes.values + bytes.workspace) >> 20) + " MB of values and workspace, " +
               std::to_string((bytes.weights + bytes.gradients) >> 20) + " MB of weights and gradients");
    return {{"ours", [ours] { ours->step(); }}};
  };
  c.add(g, std::move(b), peak);
}

template <class E> bench::group group_of(bench::context& c, char const* type_name, product type) {
  bench::group g{type_name, "", bench::limit_of(type), {}};
  double const peak = bench::measure(bench::limit_of(type), c.threads) * 1e9;
  add<models::mobilenet<>, E>(c, g, "mobilenet", 16, peak);
  add<models::resnet50_v1_5<>, E>(c, g, "resnet50_v1.5", 16, peak);
  add<models::inception_v3<>, E>(c, g, "inception_v3", 8, peak);
  return g;
}

std::vector<bench::group> groups(bench::context& c) {
  std::vector<bench::group> list;
  if constexpr (bench::is_base) list.push_back(group_of<ia_nn::f32>(c, "f32", product::f32));
  if constexpr (bench::has_bf16) list.push_back(group_of<ia_nn::bf16>(c, "bf16", product::bf16));
  return list;
}

} // namespace

int main(int argc, char** argv) {
  return bench::run(argc, argv, "train_nets", bench::own_isa_name, groups);
}

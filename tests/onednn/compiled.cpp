// SPDX-License-Identifier: Apache-2.0
//
// `compiled` on oneDNN: layers chosen by name, batches in parts, several threads that run one object,
// threads of oneDNN itself.
#include "../catch.hpp"
#include "../graph/interpreter.hpp"

#include <ia_nn/graph/compiled.hpp>
#include <ia_nn/graph/layers.hpp>
#include <ia_nn/onednn/backend.hpp>

#include <thread>

namespace {

namespace graph = ia_nn::graph;
using ia_nn::f32, ia_nn::index_t, ia_nn_test::problem;

struct net {
  static constexpr graph::options passes{.compile_tails = false};
  static constexpr auto build(graph::builder& b) {
    auto const x = input(b, "x", {graph::any_batch, 8, 8, 16});
    auto y = relu(conv2d(x, {.filters = 16, .kernel = 3, .pad = 1, .name = "conv1"}) + x);
    y = relu(conv2d(y, {.filters = 16, .kernel = 3, .pad = 1, .name = "conv2"}));
    return dense(flatten(y), {.units = 10, .name = "fc"});
  }
};
struct without_dense : graph::onednn<> {
  static constexpr graph::layer_choice layers{.except = {"dense"}};
};
struct one_alone : graph::onednn<> {
  static constexpr graph::layer_choice layers{.only = {"conv2"}};
};

constexpr index_t most = 11;
problem const& numbers() {
  static problem const p = [] {
    ia_nn_test::random r(4);
    return problem(graph::original<net>.nodes, graph::original<net>.count(), most, r);
  }();
  return p;
}
/// The first `batch` items.
template <class Policy>
std::vector<f32> run(graph::compiled<net, Policy> const& n, index_t batch, ia_nn::workspace& scratch) {
  std::vector<f32> y(static_cast<std::size_t>(batch * 10), NAN);
  n.run(batch, numbers().in[0].f, y.data(), scratch);
  return y;
}
bool is_right(std::vector<f32> const& y) {
  double largest = 0, difference = 0;
  for (std::size_t i = 0; i < y.size(); ++i) {
    double const x = numbers().expected[0][i], d = std::fabs(static_cast<double>(y[i]) - x);
    largest = std::fmax(largest, std::fabs(x));
    difference = d <= difference ? difference : d;
  }
  return difference <= 1e-5 * largest;
}
template <class Policy> std::string by(graph::compiled<net, Policy> const& n) {
  std::string all;
  for (graph::step_backend const& s : n.backends())
    all += s.layer + (s.by.starts_with("onednn") ? " onednn, " : " native, ");
  return all;
}

TEST_CASE("layers are chosen by name and by kind", "[onednn]") {
  graph::compiled<net, graph::onednn<>> const all(numbers().weights.from, {.max_batch = most});
  graph::compiled<net, without_dense> const some(numbers().weights.from, {.max_batch = most});
  graph::compiled<net, one_alone> const one(numbers().weights.from, {.max_batch = most});
  CHECK(by(all) == "conv1 onednn, conv2 onednn, fc onednn, ");
  CHECK(by(some) == "conv1 onednn, conv2 onednn, fc native, ");
  CHECK(by(one) == "conv1 native, conv2 onednn, fc native, ");
  ia_nn::workspace a(all.workspace_bytes()), b(some.workspace_bytes()), c(one.workspace_bytes());
  for (index_t batch = 1; batch <= most; ++batch) { // 11 is 8, 2 and 1
    INFO(batch);
    CHECK(is_right(run(all, batch, a)));
    CHECK(is_right(run(some, batch, b)));
    CHECK(is_right(run(one, batch, c)));
  }
}

TEST_CASE("a batch in parts", "[onednn]") {
  graph::compiled<net, graph::onednn<>> const n(numbers().weights.from, {.max_batch = most, .items_at_once = 3});
  ia_nn::workspace scratch(n.workspace_bytes());
  CHECK(n.most_at_once() < most);
  CHECK(is_right(run(n, most, scratch)));
}

TEST_CASE("more calls at once than there are sets of arguments", "[onednn]") {
  graph::compiled<net, graph::onednn<>> const n(numbers().weights.from, {.max_batch = most});
  std::vector<std::thread> threads;
  std::atomic<int> right{0};
  constexpr int callers = 2 * ia_nn::via_onednn::calls_at_once, calls = 20;
  for (int t = 0; t < callers; ++t)
    threads.emplace_back([&, t] {
      ia_nn::workspace scratch(n.workspace_bytes());
      for (int i = 0; i < calls; ++i) right += is_right(run(n, 1 + (t + i) % most, scratch));
    });
  for (std::thread& t : threads) t.join();
  CHECK(right == callers * calls);
}

TEST_CASE("threads of oneDNN", "[onednn]") {
  graph::compiled<net, graph::onednn<>> const n(numbers().weights.from, {.max_batch = most, .workers = 2});
  ia_nn::workspace scratch(n.workspace_bytes());
  for (index_t batch : {most, index_t{1}, index_t{6}}) CHECK(is_right(run(n, batch, scratch)));
}

#if DNNL_CPU_THREADING_RUNTIME == DNNL_RUNTIME_OMP
TEST_CASE("the number of threads of OpenMP is the caller's again", "[onednn]") {
  int const before = omp_get_max_threads();
  {
    ia_nn::via_onednn::team_size const one(1), three(3);
    CHECK(omp_get_max_threads() == 3);
  }
  CHECK(omp_get_max_threads() == before);
}
#endif

TEST_CASE("a weight that is missing is told of by its layer", "[onednn]") {
  graph::memory_weights const none;
  CHECK_THROWS_WITH((graph::compiled<net, graph::onednn<>>(none)), Catch::Contains("conv1"));
}

} // namespace

// SPDX-License-Identifier: Apache-2.0
//
// bench_backends [threads [rounds]]: networks by this library's kernels and by oneDNN, in one process, one
// call of each in turn. Prints medians and the fastest calls in milliseconds, by how much the results
// differ, and how many steps oneDNN computed. A program of its own: nothing else is needed to run it.
// One thread is measured by the time that it computes, so that a busy machine disturbs less; several by
// the clock.
#include "../examples/models/mobilenet.hpp"
#include "../examples/models/resnet.hpp"
#include "graph/problem.hpp"

#include <ia_nn/exec/openmp.hpp>
#include <ia_nn/graph/compiled.hpp>
#include <ia_nn/onednn/backend.hpp>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <ctime>

namespace {

namespace graph = ia_nn::graph;
using ia_nn::f32, ia_nn::index_t;
using isa = ia_nn::isa::native;

double milliseconds(int threads) {
  timespec t{};
  clock_gettime(threads == 1 ? CLOCK_THREAD_CPUTIME_ID : CLOCK_MONOTONIC, &t);
  return 1e3 * static_cast<double>(t.tv_sec) + 1e-6 * static_cast<double>(t.tv_nsec);
}

template <class Net, class Policy> class runner {
public:
  std::vector<double> times{};
  std::vector<f32> result = std::vector<f32>(1000);

  runner(bench::net_problem const& p, int threads)
      : net_(p.weights, {.workers = threads}), scratch_(net_.workspace_bytes()),
        in_(static_cast<f32 const*>(p.inputs[0])) {}
  template <class E> void run(E& e) {
    double const begin = milliseconds(e.concurrency());
    net_.run(1, in_, result.data(), scratch_, e);
    times.push_back(milliseconds(e.concurrency()) - begin);
  }
  graph::compiled<Net, Policy> const& net() const { return net_; }

private:
  graph::compiled<Net, Policy> net_;
  ia_nn::workspace scratch_;
  f32 const* in_;
};
double median(std::vector<double> x) {
  std::sort(x.begin(), x.end());
  return x[x.size() / 2];
}

template <class Net> void measure(char const* name, int threads, int rounds) {
  auto const& nodes = graph::original<Net>;
  bench::net_problem const p(nodes.nodes, nodes.count(), 1, 1);
  runner<Net, graph::native<isa>> ours(p, threads);
  runner<Net, graph::onednn<isa>> other(p, threads);
  auto const both = [&](auto& e) {
    for (int i = 0; i < rounds + 3; ++i) {
      if (i == 3) ours.times.clear(), other.times.clear();
      ours.run(e), other.run(e);
    }
  };
  if (threads == 1) {
    ia_nn::sequential e;
    both(e);
  } else {
    ia_nn::openmp e(threads);
    both(e);
  }
  double difference = 0, largest = 0;
  for (std::size_t i = 0; i < ours.result.size(); ++i) {
    difference = std::max(difference, std::fabs(static_cast<double>(ours.result[i]) - static_cast<double>(other.result[i])));
    largest = std::max(largest, std::fabs(static_cast<double>(ours.result[i])));
  }
  int steps = 0;
  auto const by = other.net().backends();
  for (auto const& s : by) steps += s.by.starts_with("onednn");
  double const a = median(ours.times), b = median(other.times);
  std::printf("%-14s native %8.3f (%8.3f)   onednn %8.3f (%8.3f)   native/onednn %.3f   difference %.1e   "
              "%d of %zu steps\n",
              name, a, *std::min_element(ours.times.begin(), ours.times.end()), b,
              *std::min_element(other.times.begin(), other.times.end()), a / b, difference / largest, steps,
              by.size());
}

} // namespace

int main(int count, char** arguments) {
  int const threads = count > 1 ? std::atoi(arguments[1]) : 1, rounds = count > 2 ? std::atoi(arguments[2]) : 101;
  std::printf("oneDNN %d.%d.%d, %d thread(s), milliseconds: median (fastest) of %d calls in turn, batch 1\n",
              dnnl_version()->major, dnnl_version()->minor, dnnl_version()->patch, threads, rounds);
  measure<models::mobilenet<>>("MobileNet", threads, rounds);
  measure<models::resnet50_v1_5<>>("ResNet-50 v1.5", threads, rounds);
}

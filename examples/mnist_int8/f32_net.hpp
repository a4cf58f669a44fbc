// SPDX-License-Identifier: Apache-2.0
//
// The networks in f32, each compiled to a sequence of kernels with bias, sum and relu in their
// epilogues; and what they have to say about ranges.
#pragma once

#include "classifier.hpp"
#include "data.hpp"

#include <ia_nn/graph/compiled.hpp>
#include <ia_nn/int8/calibration.hpp>
#include <ia_nn/int8/quantize.hpp>

namespace demo {

inline void brighten(u8 const* images, f32* to, index_t n, thread_pool& threads) {
  dequantize<isa::native>(n, images, to, {1.0F / 255, 0}, threads);
}

template <class Net> class f32_net final : public classifier {
public:
  f32_net(network const& n, graph::weights_source auto const& w, run_options const& o)
      : net_(w, {.max_batch = o.max_batch, .workers = o.workers}), pixels_(n.size(0)),
        images_(o.max_batch * pixels_), scratch_(net_.workspace_bytes()) {}
  void run(index_t batch, u8 const* images, f32* logits, thread_pool& threads) override {
    brighten(images, images_.data(), batch * pixels_, threads);
    net_.run(batch, images_.data(), logits, scratch_, threads);
  }

private:
  graph::compiled<Net> net_;
  index_t pixels_;
  aligned_array<f32> images_;
  workspace scratch_;
};

/// Net, with what each of its convolutions and dense layers gives, behind its relu, as an output.
template <class Net> struct observed {
  static constexpr void build(graph::builder& b) {
    Net::build(b);
    for (graph::step const& s : graph::fuse(b.net))
      if (s.kind->multiplies) output(graph::value{&b, s.out}, b.net[s.out].name);
  }
};

/// The ranges that C finds, one for each node of n, which is Net's: of what steps write, except for
/// the last, and of the image.
template <class Net, calibrator C>
std::vector<value_range> calibrate(network const& n, graph::weights_source auto const& w,
                                   image_set const& images, index_t count, thread_pool& threads) {
  constexpr index_t batch = 50;
  int const workers = threads.concurrency();
  graph::compiled<observed<Net>> const net(w, {.max_batch = batch, .workers = workers});
  workspace scratch(net.workspace_bytes());
  aligned_array<f32> input(batch * n.size(0));
  struct observation {
    int node;
    aligned_array<f32> values;
    C seen{};
  };
  std::vector<observation> all;
  std::vector<f32*> out;
  for (graph::step const& s : n.steps)
    if (s.kind->multiplies) {
      all.push_back({s.out, aligned_array<f32>(batch * n.size(s.out))});
      out.push_back(all.back().values.data());
    }
  std::span<observation> const tensors(all.data(), all.size() - 1); // not the logits
  for (index_t first = 0; first < count; first += batch) {
    index_t const now = min_of(batch, count - first);
    brighten(images.image(first).data(), input.data(), now * n.size(0), threads);
    graph::source const in = input.data();
    net.run(now, {&in, 1}, out, scratch, threads);
    // Tensors do not depend on each other: one task for each.
    threads.parallel_for(static_cast<index_t>(tensors.size()), [&](index_t i, int) {
      observation& o = tensors[at(i)];
      std::span<f32 const> const x(o.values.data(), at(now * n.size(o.node)));
      index_t const channels = n.nodes[o.node].shape.last();
      if constexpr (requires { o.seen.observe(x, channels); }) o.seen.observe(x, channels);
      else o.seen.observe(x);
    });
  }
  std::vector<value_range> ranges(n.nodes.nodes.size());
  ranges[0] = {0, 1};
  for (observation const& o : tensors) ranges[at(o.node)] = o.seen.range();
  for (int id = 0; id < n.nodes.count(); ++id) // a maximum is one of its operands
    if (n.nodes[id].kind == op::max_pool || n.nodes[id].kind == op::reshape)
      ranges[at(id)] = ranges[at(n.nodes[id].inputs[0])];
  return ranges;
}

} // namespace demo

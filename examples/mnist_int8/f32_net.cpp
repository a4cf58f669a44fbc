// SPDX-License-Identifier: Apache-2.0
//
// The networks in f32, each compiled to a sequence of kernels with bias, sum and relu in their
// epilogues; and what they have to say about ranges.
#include "classifier.hpp"
#include "nets.hpp"

#include <ia_nn/graph/compiled.hpp>
#include <ia_nn/int8/calibration.hpp>
#include <ia_nn/int8/quantize.hpp>

namespace demo {
namespace {

graph::memory_weights weights_of(network const& n, parameters const& p) {
  graph::memory_weights w;
  for (std::size_t i = 0; i < p.size(); ++i) {
    layer const& l = n.layers[i];
    conv_shape const& s = l.shape;
    if (!l.has_weights()) continue;
    if (l.what == kind::conv)
      w.add(l.name + ".weight", {s.filters, s.channels, s.win.kernel.height, s.win.kernel.width},
            p[i].weight);
    else w.add(l.name + ".weight", {s.filters, l.inputs()}, p[i].weight);
    w.add(l.name + ".bias", {s.filters}, p[i].bias);
  }
  return w;
}

template <class Net>
graph::compiled<Net> compiled_net(network const& n, parameters const& p, run_options const& o) {
  return graph::compiled<Net>(weights_of(n, p),
                              {.max_batch = o.max_batch, .workers = o.workers});
}

void brighten(u8 const* images, f32* to, index_t n, thread_pool& threads) {
  dequantize<isa::native>(n, images, to, {1.0F / 255, 0}, threads);
}

template <class Net> class f32_net final : public classifier {
public:
  f32_net(network const& n, parameters const& p, run_options const& o)
      : net_(compiled_net<Net>(n, p, o)), images_(o.max_batch * n.image.size()),
        pixels_(n.image.size()), scratch_(net_.workspace_bytes()) {}
  void run(index_t batch, u8 const* images, f32* logits, thread_pool& threads) override {
    brighten(images, images_.data(), batch * pixels_, threads);
    net_.run(batch, images_.data(), logits, scratch_, threads);
  }

private:
  graph::compiled<Net> net_;
  aligned_array<f32> images_;
  index_t pixels_;
  workspace scratch_;
};

// To the entropy of a histogram a peak at one number is all that matters: it would cut off what
// lies far from the peak. Relu makes zeros, which are exact whatever the scale, and plain
// background makes one number per channel, pixel after pixel. So those that are not above zero, or
// are what they were in the pixel before, are left out. At least one zero is kept: a tensor of
// zeros has a range too.
void keep_telling(std::span<f32 const> x, index_t channels, std::vector<f32>& to) {
  to.assign(1, 0.0F);
  auto const step = static_cast<std::size_t>(channels);
  for (std::size_t i = 0; i < x.size(); ++i)
    if (x[i] > 0 && (i < step || x[i] != x[i - step])) to.push_back(x[i]);
}

template <class Net, calibrator C>
std::vector<value_range> observe(network const& n, parameters const& p, image_set const& images,
                                 index_t count, thread_pool& threads) {
  constexpr index_t batch = 50;
  auto const net = compiled_net<Net>(n, p, {batch, threads.concurrency()});
  workspace scratch(net.workspace_bytes());
  aligned_array<f32> input(batch * n.image.size());
  std::vector<std::size_t> layers; // that have outputs
  for (std::size_t i = 0; i < n.layers.size(); ++i)
    if (n.layers[i].has_weights()) layers.push_back(i);
  std::vector<aligned_array<f32>> outputs;
  std::vector<f32*> out;
  for (std::size_t const i : layers)
    out.push_back(outputs.emplace_back(batch * n.layers[i].outputs()).data());
  std::vector<C> seen(layers.size() - 1); // what the last one gives is not quantized
  std::vector<std::vector<f32>> kept(seen.size());
  for (index_t first = 0; first < count; first += batch) {
    index_t const now = min_of(batch, count - first);
    brighten(images.image(first).data(), input.data(), now * n.image.size(), threads);
    graph::source const in = input.data();
    net.run(now, {&in, 1}, out, scratch, threads);
    // Tensors do not depend on each other: one task for each.
    threads.parallel_for(static_cast<index_t>(seen.size()), [&](index_t i, int) {
      auto const t = static_cast<std::size_t>(i);
      layer const& l = n.layers[layers[t]];
      std::span<f32 const> x(out[t], static_cast<std::size_t>(now * l.outputs()));
      if constexpr (std::same_as<C, entropy_calibrator>) {
        keep_telling(x, l.shape.filters, kept[t]);
        x = kept[t];
      }
      seen[t].observe(x);
    });
  }
  std::vector<value_range> ranges(n.layers.size() + 1);
  ranges[0] = {0, 1};
  for (std::size_t i = 0, t = 0; i + 1 < n.layers.size(); ++i) // a maximum is one of its operands
    ranges[i + 1] = n.layers[i].has_weights() ? seen[t++].range() : ranges[i];
  return ranges;
}

template <class Net>
std::vector<value_range> ranges_of(network const& n, parameters const& p, image_set const& images,
                                   index_t count, calibration how, thread_pool& threads) {
  if (how == calibration::min_max)
    return observe<Net, min_max_calibrator>(n, p, images, count, threads);
  return observe<Net, entropy_calibrator>(n, p, images, count, threads);
}

} // namespace

std::unique_ptr<classifier> make_f32(network const& n, parameters const& p, run_options const& o) {
  if (n.is_residual) return std::make_unique<f32_net<demo_nets::residual<false>>>(n, p, o);
  return std::make_unique<f32_net<demo_nets::plain<false>>>(n, p, o);
}

std::vector<value_range> calibrate(network const& n, parameters const& p, image_set const& images,
                                   index_t count, calibration how, thread_pool& threads) {
  if (n.is_residual) return ranges_of<demo_nets::residual<true>>(n, p, images, count, how, threads);
  return ranges_of<demo_nets::plain<true>>(n, p, images, count, how, threads);
}

} // namespace demo

// SPDX-License-Identifier: Apache-2.0
//
// The network in f32, with bias, sum and relu in the epilogues of the products; and what it has to
// say about ranges.
#include "classifier.hpp"

#include <ia_nn/int8/calibration.hpp>
#include <ia_nn/int8/quantize.hpp>
#include <ia_nn/math/activation.hpp>
#include <ia_nn/ops/conv.hpp>
#include <ia_nn/ops/dense.hpp>
#include <ia_nn/ops/pool.hpp>

#include <algorithm>
#include <optional>

namespace demo {
namespace {

using I = isa::native;

class f32_net final : public classifier {
  using dense_type = dense<I, f32, f32, f32>;
  struct stage {
    layer what;
    std::vector<f32> bias;
    std::optional<conv<I, f32, f32, f32>> conv_plan;
    std::optional<pool<I, f32>> pool_plan;
    std::optional<dense_type> dense_plan;
  };

public:
  f32_net(network const& n, parameters const& p, run_options const& o) {
    tensors_.emplace_back(o.max_batch * n.image.size());
    index_t bytes = 0;
    for (std::size_t i = 0; i < n.layers.size(); ++i) {
      layer const& l = n.layers[i];
      conv_shape const& s = l.shape;
      stage& to = stages_.emplace_back(stage{l, p[i].bias, {}, {}, {}});
      tensors_.emplace_back(o.max_batch * l.outputs());
      if (l.what == kind::conv) {
        to.conv_plan.emplace(s, p[i].weight,
                             conv_options{.max_batch = o.max_batch, .workers = o.workers});
        bytes = max_of(bytes, to.conv_plan->workspace_bytes());
      } else if (l.what == kind::max_pool) {
        to.pool_plan.emplace(pool_kind::max, pool_shape{s.channels, s.in, s.win});
      } else {
        std::vector<f32> const rows = channels_last(l, p[i].weight);
        dense_type::weights packed(transposed(matrix(rows.data(), l.outputs(), l.inputs())));
        to.dense_plan.emplace(std::move(packed), p[i].bias.data(),
                              dense_options{o.max_batch, o.workers});
        bytes = max_of(bytes, to.dense_plan->workspace_bytes());
      }
    }
    scratch_ = workspace(bytes);
  }

  void run(index_t batch, u8 const* images, f32* logits, thread_pool& threads) override {
    index_t const pixels = stages_[0].what.inputs();
    dequantize<I>(images, tensors_[0].data(), batch * pixels, {1.0F / 255, 0}, threads);
    for (std::size_t i = 0; i < stages_.size(); ++i) {
      bool const last = i + 1 == stages_.size();
      run_stage(stages_[i], batch, tensors_[i].data(), last ? logits : tensors_[i + 1].data(),
                threads);
    }
  }
  /// Tensor i, i > 0, after `run`; the last is not kept.
  std::span<f32 const> tensor(std::size_t i, index_t batch) const {
    return {tensors_[i].data(), static_cast<std::size_t>(batch * stages_[i - 1].what.outputs())};
  }

private:
  void run_stage(stage const& s, index_t batch, f32 const* src, f32* dst, thread_pool& threads) {
    layer const& l = s.what;
    add_bias const bias{s.bias.data()};
    activation::relu const relu;
    if (s.pool_plan) s.pool_plan->run(batch, src, dst, threads);
    else if (s.conv_plan && l.add < 0)
      s.conv_plan->run(batch, src, dst, chain{bias, relu}, scratch_, threads);
    else if (s.conv_plan) {
      add_residual const sum{tensors_[static_cast<std::size_t>(l.add)].data(), l.shape.filters};
      s.conv_plan->run(batch, src, dst, chain{bias, sum, relu}, scratch_, threads);
    } else {
      auto const x = matrix(src, batch, l.inputs());
      auto const y = matrix(dst, batch, l.outputs());
      if (l.relu) s.dense_plan->run(x, y, scratch_, threads, relu);
      else s.dense_plan->run(x, y, scratch_, threads);
    }
  }

  std::vector<stage> stages_;
  std::vector<aligned_array<f32>> tensors_;
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

template <calibrator C>
std::vector<value_range> observe(network const& n, parameters const& p, image_set const& images,
                                 index_t count, thread_pool& threads) {
  constexpr index_t batch = 50;
  f32_net net(n, p, {batch, threads.concurrency()});
  std::vector<C> seen(n.layers.size() + 1);
  std::vector<std::vector<f32>> kept(seen.size());
  std::vector<f32> logits(static_cast<std::size_t>(batch * n.layers.back().outputs()));
  for (index_t first = 0; first < count; first += batch) {
    index_t const now = min_of(batch, count - first);
    net.run(now, images.image(first).data(), logits.data(), threads);
    // Tensors do not depend on each other: one task for each.
    threads.parallel_for(static_cast<index_t>(n.layers.size()) - 1, [&](index_t i, int) {
      auto const t = static_cast<std::size_t>(i) + 1;
      layer const& l = n.layers[t - 1];
      if (!l.has_weights()) return;
      std::span<f32 const> x = net.tensor(t, now);
      if constexpr (std::same_as<C, entropy_calibrator>) {
        keep_telling(x, l.shape.filters, kept[t]);
        x = kept[t];
      }
      seen[t].observe(x);
    });
  }
  std::vector<value_range> ranges(seen.size());
  ranges[0] = {0, 1};
  for (std::size_t t = 1; t + 1 < ranges.size(); ++t) // a maximum is one of its operands
    ranges[t] = n.layers[t - 1].has_weights() ? seen[t].range() : ranges[t - 1];
  return ranges;
}

} // namespace

std::unique_ptr<classifier> make_f32(network const& n, parameters const& p, run_options const& o) {
  return std::make_unique<f32_net>(n, p, o);
}

std::vector<value_range> calibrate(network const& n, parameters const& p, image_set const& images,
                                   index_t count, calibration how, thread_pool& threads) {
  if (how == calibration::min_max) return observe<min_max_calibrator>(n, p, images, count, threads);
  return observe<entropy_calibrator>(n, p, images, count, threads);
}

} // namespace demo

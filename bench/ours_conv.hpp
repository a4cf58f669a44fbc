// SPDX-License-Identifier: Apache-2.0
//
// Our side of the suite `conv`, the only file of it that knows the library's interface. Weights are
// packed and sources brought into the type of the case at set-up, as for the peers. Threads are
// asleep shortly after a call.
#pragma once

#include "conv_problem.hpp"
#include "operands.hpp"

#include <ia_nn/exec/thread_pool.hpp>
#include <ia_nn/math/activation.hpp>
#include <ia_nn/int8/finish.hpp>
#include <ia_nn/ops/conv.hpp>

#include <memory>

namespace bench {

struct conv_runner { // one of any type
  virtual ~conv_runner() = default;
  virtual void run() = 0;
  virtual std::vector<float> result() const = 0; ///< (batch, depth, height, width, filters)
};

/// Layer: `conv` or what has its interface.
template <class Layer, class A, class B, class C> class ours_conv final : public conv_runner {
  static constexpr bool bytes = std::is_same_v<C, ia_nn::u8>;
  using bias_type = std::conditional_t<bytes, ia_nn::s32, ia_nn::f32>;

public:
  ours_conv(conv_problem const& p, int threads)
      : batch_(p.shape.batch), src_(p.src.size()),
        dst_(static_cast<std::size_t>(p.shape.result_elements())),
        bias_(p.bias.begin(), p.bias.end()), factor_(p.factor), pool_(threads),
        layer_(shape_of(p.shape), weights_of(p), {.max_batch = batch_, .workers = threads}),
        scratch_(layer_.workspace_bytes()) {
    for (std::size_t i = 0; i < p.src.size(); ++i) src_[i] = A(p.src[i]);
  }

  void run() override {
    using namespace ia_nn;
    add_bias<bias_type> const bias{bias_.data()};
    // What a quantized layer with relu does: clamped to [0, 255].
    if constexpr (bytes)
      run(chain{detail::finish_sums<true>{bias_.data(), factor_.data(), 0.0F, 255.0F, 0}});
    else run(chain{bias, activation::relu{}});
  }

  std::vector<float> result() const override {
    std::vector<float> x(dst_.size());
    for (std::size_t i = 0; i < x.size(); ++i) x[i] = static_cast<float>(dst_[i]);
    return x;
  }

private:
  template <class Stages> void run(Stages const& stages) {
    layer_.run(batch_, src_.data(), dst_.data(), stages, scratch_, pool_);
  }
  static ia_nn::spatial axes(extents const& x) { return {x[0], x[1], x[2]}; }
  static ia_nn::conv_shape shape_of(conv_shape const& s) {
    return {.channels = s.channels,
            .filters = s.filters,
            .groups = s.groups,
            .in = axes(s.in),
            .win = {.kernel = axes(s.kernel),
                    .stride = axes(s.stride),
                    .dilation = axes(s.dilation),
                    .pad_begin = axes(s.pad_begin),
                    .pad_end = axes(s.pad_end)}};
  }
  static std::vector<B> weights_of(conv_problem const& p) {
    std::vector<B> w;
    w.reserve(p.weights.size());
    for (float x : p.weights) w.push_back(B(x));
    return w;
  }

  long batch_;
  buffer<A> src_;
  buffer<C> dst_;
  std::vector<bias_type> bias_;
  std::vector<float> factor_;
  ia_nn::thread_pool pool_;
  Layer layer_;
  ia_nn::workspace scratch_;
};

/// The layer for the case: the one place that chooses it. `conv` itself has a kernel of its own for
/// depthwise shapes.
template <class Isa, class A, class B, class C>
std::shared_ptr<conv_runner> make_ours(conv_problem const& p, int threads) {
  return std::make_shared<ours_conv<ia_nn::conv<Isa, A, B, C>, A, B, C>>(p, threads);
}

} // namespace bench

// SPDX-License-Identifier: Apache-2.0
//
// Our side of the suite `conv`, the only file of it that knows the library's interface. Weights are
// packed and sources brought into the type of the case at set-up, as for the peers. Threads are
// asleep shortly after a call.
#pragma once

#include "conv_problem.hpp"
#include "operands.hpp"

#include <ia_nn/exec/thread_pool.hpp>
#include <ia_nn/int8/quantized_epilogue.hpp>
#include <ia_nn/math/activation.hpp>
#include <ia_nn/ops/conv_separable.hpp>

#include <memory>

namespace bench {

struct conv_runner { // one of any type
  virtual ~conv_runner() = default;
  virtual void run() = 0;
  virtual std::vector<float> result() const = 0; ///< (batch, depth, height, width, filters)
};

inline ia_nn::spatial axes_of(extents const& x) { return {x[0], x[1], x[2]}; }
inline ia_nn::conv_shape shape_of(conv_shape const& s) {
  return {.channels = s.channels,
          .filters = s.filters,
          .groups = s.groups,
          .in = axes_of(s.in),
          .win = {.kernel = axes_of(s.kernel),
                  .stride = axes_of(s.stride),
                  .dilation = axes_of(s.dilation),
                  .pad_begin = axes_of(s.pad_begin),
                  .pad_end = axes_of(s.pad_end)}};
}
template <class B> std::vector<B> weights_of(conv_problem const& p) {
  std::vector<B> w;
  w.reserve(p.weights.size());
  for (float x : p.weights) w.push_back(B(x));
  return w;
}

/// Bias, scales and relu of a layer with results of type C.
template <class C> class conv_stages {
  static constexpr bool bytes = std::is_same_v<C, ia_nn::u8>;
  using bias_type = std::conditional_t<bytes, ia_nn::s32, ia_nn::f32>;

public:
  explicit conv_stages(conv_problem const& p)
      : bias_(p.bias.begin(), p.bias.end()), factor_(p.factor) {}
  auto chain() const {
    using namespace ia_nn;
    // What a quantized layer with relu does: clamped to [0, 255].
    if constexpr (bytes)
      return ia_nn::chain{detail::quantized_stage<true>{bias_.data(), factor_.data(), 0.0F, 255.0F, 0}};
    else return ia_nn::chain{add_bias<bias_type>{bias_.data()}, activation::relu{}};
  }

private:
  std::vector<bias_type> bias_;
  std::vector<float> factor_;
};

/// Layer: `conv` or what has its interface.
template <class Layer, class A, class B, class C> class ours_conv final : public conv_runner {
public:
  ours_conv(conv_problem const& p, int threads)
      : batch_(p.shape.batch), src_(p.src.size()),
        dst_(static_cast<std::size_t>(p.shape.result_elements())), stages_(p), pool_(threads),
        layer_(shape_of(p.shape), weights_of<B>(p), {.max_batch = batch_, .workers = threads}),
        scratch_(layer_.workspace_bytes()) {
    for (std::size_t i = 0; i < p.src.size(); ++i) src_[i] = A(p.src[i]);
  }

  void run() override {
    layer_.run(batch_, src_.data(), dst_.data(), stages_.chain(), scratch_, pool_);
  }

  std::vector<float> result() const override {
    std::vector<float> x(dst_.size());
    for (std::size_t i = 0; i < x.size(); ++i) x[i] = static_cast<float>(dst_[i]);
    return x;
  }

private:
  long batch_;
  buffer<A> src_;
  buffer<C> dst_;
  conv_stages<C> stages_;
  ia_nn::thread_pool pool_;
  Layer layer_;
  ia_nn::workspace scratch_;
};

/// A depthwise layer and the 1x1 behind it: as one kernel, or as two.
template <class Isa, class A, class B, class C> class ours_pair final : public conv_runner {
public:
  ours_pair(conv_problem const& p, conv_problem const& q, int threads, bool fused)
      : batch_(p.shape.batch), src_(p.src.size()),
        middle_(static_cast<std::size_t>(p.shape.result_elements())),
        dst_(static_cast<std::size_t>(q.shape.result_elements())), between_(p), behind_(q),
        pool_(threads), fused_(fused),
        both_(shape_of(p.shape), q.shape.filters, weights_of<B>(p), weights_of<B>(q),
              {.max_batch = batch_, .workers = threads}),
        first_(shape_of(p.shape), weights_of<B>(p), {.max_batch = batch_, .workers = threads}),
        second_(shape_of(q.shape), weights_of<B>(q), {.max_batch = batch_, .workers = threads}),
        scratch_(std::max(
            {both_.workspace_bytes(), first_.workspace_bytes(), second_.workspace_bytes()})) {
    for (std::size_t i = 0; i < p.src.size(); ++i) src_[i] = A(p.src[i]);
  }
  void run() override {
    auto const between = between_.chain();
    auto const behind = behind_.chain();
    if (fused_)
      return both_.run(batch_, src_.data(), dst_.data(), between, behind, scratch_, pool_);
    first_.run(batch_, src_.data(), middle_.data(), between, scratch_, pool_);
    second_.run(batch_, middle_.data(), dst_.data(), behind, scratch_, pool_);
  }
  std::vector<float> result() const override {
    std::vector<float> x(dst_.size());
    for (std::size_t i = 0; i < x.size(); ++i) x[i] = static_cast<float>(dst_[i]);
    return x;
  }

private:
  long batch_;
  buffer<A> src_;
  buffer<C> middle_, dst_;
  conv_stages<C> between_, behind_;
  ia_nn::thread_pool pool_;
  bool fused_;
  ia_nn::separable_conv<Isa, A, B, C> both_;
  ia_nn::conv<Isa, A, B, C> first_, second_;
  ia_nn::workspace scratch_;
};

/// The layer for the case: the one place that chooses it. `conv` itself has a kernel of its own for
/// depthwise shapes.
template <class Isa, class A, class B, class C>
std::shared_ptr<conv_runner> make_ours(conv_problem const& p, int threads) {
  return std::make_shared<ours_conv<ia_nn::conv<Isa, A, B, C>, A, B, C>>(p, threads);
}

} // namespace bench

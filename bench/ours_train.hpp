// SPDX-License-Identifier: Apache-2.0
//
// Our side of the suite `train`: arrays of f32, weights in PyTorch's order, packed in each call.
#pragma once

#include "operands.hpp"
#include "ours_conv.hpp"
#include "train_problem.hpp"

#include <ia_nn/train/conv_src.hpp>

namespace bench {

/// E: the type of products.
template <class Isa, class E> class ours_train final : public conv_runner {
public:
  ours_train(train_problem const& p, int threads)
      : what_(p.what), batch_(p.shape.batch), src_(p.src.size()), weights_(p.weights.size()),
        diff_dst_(p.diff_dst.size()), result_(p.results()), pool_(threads) {
    std::copy(p.src.begin(), p.src.end(), src_.data());
    std::copy(p.weights.begin(), p.weights.end(), weights_.data());
    std::copy(p.diff_dst.begin(), p.diff_dst.end(), diff_dst_.data());
    ia_nn::conv_backward_options const options{batch_, threads};
    if (what_ == direction::src) by_src_.emplace(shape_of(p.shape), options);
    else by_weights_.emplace(shape_of(p.shape), options);
    scratch_ = ia_nn::workspace(by_src_ ? by_src_->workspace_bytes() : by_weights_->workspace_bytes());
  }

  void run() override {
    if (by_src_)
      by_src_->run(batch_, diff_dst_.data(), weights_.data(), ia_nn::write_to(result_.data()), scratch_, pool_);
    else
      by_weights_->run({.batch = batch_,
                        .src = src_.data(),
                        .diff_dst = diff_dst_.data(),
                        .diff_weights = ia_nn::write_to(result_.data())},
                       scratch_, pool_);
  }
  std::vector<float> result() const override {
    return {result_.data(), result_.data() + result_.size()};
  }

private:
  direction what_;
  long batch_;
  buffer<float> src_, weights_, diff_dst_, result_;
  ia_nn::thread_pool pool_;
  std::optional<ia_nn::conv_backward_src<Isa, E>> by_src_;
  std::optional<ia_nn::conv_backward_weights<Isa, E>> by_weights_;
  ia_nn::workspace scratch_;
};

} // namespace bench

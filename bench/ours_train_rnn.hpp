// SPDX-License-Identifier: Apache-2.0
//
// Our side of the suite `train_rnn`. Weights are packed in every call, as they change after every one.
#pragma once

#include "operands.hpp"
#include "ours_rnn.hpp"
#include "peers/rnn_training_peers.hpp"

#include <ia_nn/train/rnn/rnn_training.hpp>

namespace bench {

template <class Isa, class Cell, class A> class ours_rnn_training {
  using net = ia_nn::rnn_training<Isa, Cell, A>;

public:
  ours_rnn_training(rnn_training_problem const& p, int threads)
      : p_(p), pool_(threads), net_({.input = p.layers.shape.input,
                                     .hidden = p.layers.shape.hidden,
                                     .layers = p.layers.shape.layers,
                                     .direction = p.layers.shape.direction == direction::concat
                                                      ? ia_nn::rnn_direction::concat
                                                      : ia_nn::rnn_direction::forward},
                                    {.max_time = p.layers.shape.time,
                                     .max_batch = p.layers.shape.batch,
                                     .workers = threads}),
        reserve_(net_.reserve_bytes()), scratch_(net_.workspace_bytes()), dst_(p.diff_dst.size()),
        diff_src_(p.layers.src.size()) {
    for (rnn_matrices const& m : p_.layers.matrices) {
      sources_.push_back(source_of(m));
      for (std::size_t n : {m.w.size(), m.u.size(), m.b.size(), m.c.size()}) diffs_.emplace_back(n);
    }
    for (std::size_t i = 0; i < diffs_.size(); i += 4)
      gradients_.push_back({.w_input = ia_nn::write_to(diffs_[i].data()),
                            .w_recurrent = ia_nn::write_to(diffs_[i + 1].data()),
                            .b_input = ia_nn::write_to(diffs_[i + 2].data()),
                            .b_recurrent = ia_nn::write_to(diffs_[i + 3].data())});
    net_.check(forward_call(), reserve_, scratch_);
    net_.check(backward_call(), reserve_, scratch_);
  }

  void forward() { net_.forward(forward_call(), reserve_, scratch_, pool_); }
  void backward() { net_.backward(backward_call(), reserve_, scratch_, pool_); }
  rnn_training_result result() const {
    auto const all = [](buffer<float> const& b) {
      return std::vector<float>(b.data(), b.data() + b.size());
    };
    return {all(dst_), all(diff_src_), all(diffs_[0]), all(diffs_[1])};
  }

private:
  ia_nn::rnn_training_call forward_call() const {
    rnn_shape const& s = p_.layers.shape;
    return {.weights = sources_,
            .src = p_.layers.src.data(),
            .dst = dst_.data(),
            .time = s.time,
            .batch = s.batch};
  }
  ia_nn::rnn_backward_call backward_call() const {
    rnn_shape const& s = p_.layers.shape;
    return {.weights = sources_,
            .src = p_.layers.src.data(),
            .dst = dst_.data(),
            .diff_dst = p_.diff_dst.data(),
            .time = s.time,
            .batch = s.batch,
            .diff_src = ia_nn::write_to(diff_src_.data()),
            .gradients = gradients_};
  }

  rnn_training_problem p_;
  ia_nn::thread_pool pool_;
  net net_;
  ia_nn::workspace reserve_, scratch_;
  buffer<float> dst_, diff_src_;
  std::vector<ia_nn::rnn_source> sources_;
  std::vector<buffer<float>> diffs_;
  std::vector<ia_nn::rnn_gradients> gradients_;
};

} // namespace bench

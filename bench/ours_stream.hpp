// SPDX-License-Identifier: Apache-2.0
//
// Our side of the streams: a recurrent layer whose sizes are known when it is compiled, as the
// peers' are, and a dense layer with one output.
#pragma once

#include "ours_rnn.hpp"
#include "peers/rnn_peers.hpp"

#include <ia_nn/ops/dense.hpp>
#include <ia_nn/ops/expr.hpp>
#include <ia_nn/ops/reduce.hpp>
#include <ia_nn/rnn/stream.hpp>

namespace bench {

template <class Isa, class Cell, long Input, long Hidden> class ours_stream {
  using f32 = ia_nn::f32;
  using weights = ia_nn::rnn_weights<Isa, Cell, f32, f32, ia_nn::standard, Input, Hidden>;
  using head = ia_nn::dense<Isa, f32, f32, f32, ia_nn::standard, 1, Hidden>;
  template <long... Extents> using shape = ia_nn::shape<Extents...>;
  template <class Shape, class T> static auto view(T* data) {
    return ia_nn::tensor_view<T, Shape>(data, Shape());
  }

public:
  explicit ours_stream(stream_problem const& p)
      : model_(weights(ia_nn::gate_order::pytorch{}, source_of(p.layer.at(0, 0))),
               {.max_time = stream_samples, .max_batch = 1}),
        stream_(model_), dense_(p.dense), bias_(p.bias),
        head_(view<shape<Hidden, 1>>(p.dense.data()), view<shape<1>>(&p.bias),
              {.max_rows = stream_samples, .workers = 1}),
        scratch_(head_.workspace_bytes()), src_(p.layer.src), h_(stream_samples * Hidden),
        dst_(stream_samples) {}

  void step() {
    stream_.step(src_.data() + next_ * Input, h_.data());
    dst_[next_] = bias_ + ia_nn::dot_product<Isa>(view<shape<Hidden>>(h_.data()),
                                                  view<shape<Hidden>>(dense_.data()));
    next_ = next_ + 1 == stream_samples ? 0 : next_ + 1;
  }
  void block() {
    stream_.run(stream_samples, src_.data(), h_.data());
    head_.run(view<shape<stream_samples, Hidden>>(h_.data()),
              view<shape<stream_samples, 1>>(dst_.data()), scratch_);
  }
  std::vector<float> result(bool by_block) {
    stream_.reset();
    next_ = 0;
    if (by_block) block();
    else
      for (long i = 0; i < stream_samples; ++i) step();
    return std::vector<float>(dst_.begin(), dst_.end());
  }

private:
  ia_nn::rnn<weights> model_;
  ia_nn::rnn_stream<weights> stream_;
  std::vector<float> dense_;
  float bias_;
  head head_;
  ia_nn::workspace scratch_;
  std::vector<float> src_;
  ia_nn::aligned_array<float> h_, dst_;
  long next_ = 0;
};

} // namespace bench

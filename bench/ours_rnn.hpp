// SPDX-License-Identifier: Apache-2.0
//
// Our side of the suite `rnn`: with `ours_stream.hpp` the only file of it that knows the library's
// interface. Weights are packed and inputs brought into the layer's own type at set-up, as for the
// peers; results are f32. Threads are asleep shortly after a call.
#pragma once

#include "operands.hpp"
#include "rnn_problem.hpp"

#include <ia_nn/exec/thread_pool.hpp>
#include <ia_nn/rnn/rnn.hpp>

#include <memory>

namespace bench {

inline ia_nn::rnn_source source_of(rnn_matrices const& m) {
  return {.input = m.input,
          .hidden = m.hidden,
          .w_input = m.w,
          .w_recurrent = m.u,
          .b_input = m.b,
          .b_recurrent = m.c,
          .parameters = {},
          .projection = m.projection,
          .projected = m.projected};
}

/// Calls f with a value of the library's type for the cell.
template <class F> auto with_cell(cell c, F const& f) {
  switch (c) {
  case cell::gru:
    return f(ia_nn::gru{});
  case cell::gru_rb:
    return f(ia_nn::gru_reset_before{});
  case cell::tanh:
    return f(ia_nn::vanilla<>{});
  case cell::relu:
    return f(ia_nn::vanilla<ia_nn::activation::relu>{});
  case cell::lstm:
    break;
  }
  return f(ia_nn::lstm{});
}

struct ours_runner { // one of any cell
  virtual ~ours_runner() = default;
  /// Computes the first `time` steps.
  virtual void run(long time) = 0;
  virtual std::vector<float> result(long time) const = 0; ///< (time, N, width)
};

template <class Isa, class Cell, class A, class B> class ours_rnn final : public ours_runner {
  using weights = ia_nn::rnn_weights<Isa, Cell, A, B>;

public:
  ours_rnn(rnn_problem const& p, int threads)
      : shape_(p.shape), src_(p.src.size()),
        dst_(static_cast<std::size_t>(p.shape.time * p.shape.batch * p.shape.width())),
        pool_(threads), model_(pack(p), options(p.shape, threads)),
        scratch_(model_.workspace_bytes()) {
    for (std::size_t i = 0; i < p.src.size(); ++i)
      if constexpr (std::is_same_v<A, ia_nn::u8>) src_[i] = quantize(p.src[i]);
      else src_[i] = A(p.src[i]);
    model_.check(call(shape_.time), scratch_);
  }

  void run(long time) override { model_.run(call(time), scratch_, pool_); }
  std::vector<float> result(long time) const override {
    return std::vector<float>(dst_.data(), dst_.data() + time * shape_.batch * shape_.width());
  }

private:
  ia_nn::rnn_call<A, ia_nn::f32> call(long time) const {
    return {.src = src_.data(), .dst = dst_.data(), .time = time, .batch = shape_.batch};
  }
  static std::vector<weights> pack(rnn_problem const& p) {
    ia_nn::quantization const steps{1 / quantized_one, quantized_zero};
    std::vector<weights> list;
    for (rnn_matrices const& m : p.matrices)
      list.emplace_back(ia_nn::gate_order::pytorch{}, source_of(m), Cell{},
                        ia_nn::rnn_quantization{steps, steps}, p.shape.name);
    return list;
  }
  static ia_nn::rnn_options options(rnn_shape const& s, int threads) {
    using ia_nn::rnn_direction;
    return {.max_time = s.time,
            .max_batch = s.batch,
            .workers = threads,
            .direction = s.direction == direction::concat ? rnn_direction::concat
                         : s.direction == direction::sum  ? rnn_direction::sum
                                                          : rnn_direction::forward};
  }

  rnn_shape shape_;
  buffer<A> src_;
  buffer<float> dst_;
  ia_nn::thread_pool pool_;
  ia_nn::rnn<weights> model_;
  ia_nn::workspace scratch_;
};

template <class Isa, class A, class B>
std::shared_ptr<ours_runner> make_ours(rnn_problem const& p, int threads) {
  return with_cell(p.shape.cell, [&](auto cell) -> std::shared_ptr<ours_runner> {
    return std::make_shared<ours_rnn<Isa, decltype(cell), A, B>>(p, threads);
  });
}

} // namespace bench

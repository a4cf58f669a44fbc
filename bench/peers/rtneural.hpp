// SPDX-License-Identifier: Apache-2.0
//
// RTNeural's models whose sizes are known when it is compiled: a recurrent layer and a dense layer.
// Included once per backend, by a file that has defined the backend's macros and
// RTNEURAL_NAMESPACE.
#pragma once

#include "../operands.hpp"
#include "rnn_peers.hpp"

#include <RTNeural/RTNeural.h>
#include <memory>
#include <utility>

namespace bench {
namespace {

namespace library = RTNEURAL_NAMESPACE;

// (rows, k) to (k, rows), with the first two gates exchanged if it has z before r.
std::vector<std::vector<float>> transposed(std::vector<float> const& w, long k, long hidden,
                                           bool swap) {
  long const rows = static_cast<long>(w.size()) / k;
  std::vector<std::vector<float>> to(static_cast<std::size_t>(k),
                                     std::vector<float>(static_cast<std::size_t>(rows)));
  for (long r = 0; r < rows; ++r) {
    long const gate = r / hidden, from = swap && gate < 2 ? (1 - gate) * hidden + r % hidden : r;
    for (long i = 0; i < k; ++i)
      to[static_cast<std::size_t>(i)][static_cast<std::size_t>(r)] =
          w[static_cast<std::size_t>(from * k + i)];
  }
  return to;
}

template <int Input, class Layer> class rtneural_stream {
  static constexpr int hidden = Layer::out_size;
  static constexpr std::size_t stride = (Input + 15) / 16 * 16; // it wants aligned samples
  using dense = library::DenseT<float, hidden, 1>;

public:
  explicit rtneural_stream(stream_problem const& p)
      : src_(stream_samples * stride), dst_(stream_samples) {
    for (std::size_t i = 0; i < p.layer.src.size(); ++i)
      src_[i / Input * stride + i % Input] = p.layer.src[i];
    rnn_matrices const& m = p.layer.at(0, 0);
    bool const gru = p.layer.shape.cell == cell::gru;
    auto& layer = model_.template get<0>();
    layer.setWVals(transposed(m.w, Input, hidden, gru));
    layer.setUVals(transposed(m.u, hidden, hidden, gru));
    auto const b = transposed(m.b, 1, hidden, gru), c = transposed(m.c, 1, hidden, gru);
    if constexpr (requires { layer.setBVals(std::vector<std::vector<float>>()); }) {
      layer.setBVals(std::vector<std::vector<float>>{b[0], c[0]});
    } else {
      std::vector<float> sum = b[0];
      for (std::size_t i = 0; i < sum.size(); ++i) sum[i] += c[0][i];
      layer.setBVals(sum);
    }
    auto& last = model_.template get<1>();
    last.setWeights(std::vector<std::vector<float>>{p.dense});
    last.setBias(&p.bias);
    model_.reset();
  }

  void step() {
    dst_[next_] = model_.forward(src_.data() + next_ * stride);
    next_ = next_ + 1 == stream_samples ? 0 : next_ + 1;
  }
  void block() {
    for (std::size_t i = 0; i < stream_samples; ++i)
      dst_[i] = model_.forward(src_.data() + i * stride);
  }
  std::vector<float> result() {
    model_.reset();
    block();
    return dst_;
  }

private:
  library::ModelT<float, Input, 1, Layer, dense> model_;
  buffer<float> src_;
  std::vector<float> dst_;
  std::size_t next_ = 0;
};

template <int Input, class Layer> stream_runner rtneural_runner(stream_problem const& p) {
  auto const s = std::make_shared<rtneural_stream<Input, Layer>>(p);
  return {[s] { s->step(); }, [s] { s->block(); }, [s] { return s->result(); }};
}

template <int Hidden> bool rtneural_try(stream_problem const& p, std::optional<stream_runner>& r) {
  rnn_shape const& s = p.layer.shape;
  if (s.hidden != Hidden) return false;
  using library::GRULayerT, library::LSTMLayerT;
  if (s.cell == cell::lstm && s.input == 1) r = rtneural_runner<1, LSTMLayerT<float, 1, Hidden>>(p);
  if (s.cell == cell::lstm && s.input == Hidden)
    r = rtneural_runner<Hidden, LSTMLayerT<float, Hidden, Hidden>>(p);
  if (s.cell == cell::gru && s.input == 1) r = rtneural_runner<1, GRULayerT<float, 1, Hidden>>(p);
  if (s.cell == cell::gru && s.input == Hidden)
    r = rtneural_runner<Hidden, GRULayerT<float, Hidden, Hidden>>(p);
  return true;
}

template <int... Hidden> std::optional<stream_runner> rtneural_make(stream_problem const& p) {
  std::optional<stream_runner> r;
  static_cast<void>((rtneural_try<Hidden>(p, r) || ...));
  return r;
}

// The sizes of the suite's streams.
std::optional<stream_runner> rtneural_make_any(stream_problem const& p) {
  if constexpr (is_base) return rtneural_make<8, 16, 20, 32, 40, 64, 128, 256>(p);
  else return {};
}

} // namespace
} // namespace bench

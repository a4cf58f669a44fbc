// SPDX-License-Identifier: Apache-2.0
//
// What a recurrent layer should give: loops over the formulas, in double, one number at a time.
//
//   rnn_reference ref{.cell = rnn_cell::lstm, .input = 5, .hidden = 7, .w_input = ..., ...};
//   rnn_result want = ref.run({.time = 3, .batch = 2, .x = x});
//
// Weights have gates in the order i f g o or r z n, one block of H rows each, as PyTorch has them.
// Rows of the matrices are outputs. s() is the activation of the gates:
//
//   lstm              i = s(ai), f = s(af), g = tanh(ag), o = s(ao); c = f c' + i g; h = o tanh(c)
//     peephole        ai += pi c', af += pf c', ao += po c
//     coupled         f = 1 - i
//   lstm_layer_norm   a = norm(W x + b) + norm(U h' + b'); c as above; h = o tanh(norm(c))
//   gru               r = s(ar), z = s(az), n = tanh(W x + b + r (U h' + b')); h = (1 - z) n + z h'
//   gru_reset_before  n = tanh(W x + b + U (r h') + b')
//     attention       z := (1 - a(t)) z
//   vanilla           h = tanh(W x + b + U h' + b')
//   projection        h := P h, LSTM and vanilla
#pragma once

#include <ia_nn/core/types.hpp>

#include <cmath>
#include <functional>
#include <stdexcept>
#include <vector>

namespace ia_nn_test {

enum class rnn_cell { lstm, lstm_layer_norm, gru, gru_reset_before, vanilla };

/// One call: x (T, N, I), h0 (N, R), c0 (N, H); empty states are zeros, empty lengths are all T.
struct rnn_input {
  std::ptrdiff_t time = 1, batch = 1;
  std::vector<double> x;
  std::vector<double> h0{}, c0{};
  std::vector<std::int32_t> lengths{};
  std::vector<double> attention{}; ///< (T, N); given means that z is scaled
};

/// y (T, N, R), zero behind the end of a sequence; hn (N, R) and cn (N, H) after its last step.
struct rnn_result {
  std::vector<double> y, hn, cn;
};

/// A rounding error of somebody else's, to see what becomes of it: the number at `place` is off by
/// `by` * max(1, its size) in one step of every sequence.
struct rnn_nudge {
  enum place { input_sum, recurrent_sum, cell, hidden } where = input_sum;
  std::ptrdiff_t step = -1, index = 0; ///< of G*H sums, of H or R units
  double by = 0;
};

/// One direction of one layer. Biases, parameters and projection may be empty.
struct rnn_reference {
  rnn_cell cell = rnn_cell::lstm;
  std::ptrdiff_t input = 1, hidden = 1, projected = 0;
  std::vector<float> w_input, w_recurrent; ///< (G*H, I), (G*H, R)
  std::vector<float> b_input{}, b_recurrent{};
  std::vector<float> parameters{}; ///< peepholes i f o; or gammas, betas of W x, of U h, of c
  std::vector<float> projection{}; ///< (R, H)
  bool coupled = false, reverse = false;
  double clip = 0;       ///< of the cell state; 0 for none
  double clip_input = 0; ///< of the inputs of the activations of gates and candidate
  double epsilon = 1e-5;
  std::function<double(double)> gate = [](double v) { return 1 / (1 + std::exp(-v)); };
  std::function<double(double)> candidate = [](double v) { return std::tanh(v); };
  std::function<double(double)> output = [](double v) { return std::tanh(v); };
  bool bf16_weights = false;  ///< matrices are rounded to bf16
  bool bf16_operands = false; ///< x, and what U and P multiply, are rounded to f32, then to bf16
  /// Of quantized layers: how what U, and what P multiplies is stored.
  std::function<void(std::vector<double>&)> stored = nullptr, stored_unprojected = nullptr;
  rnn_nudge nudge{};

  std::ptrdiff_t gates() const {
    return cell == rnn_cell::vanilla                                     ? 1
           : cell == rnn_cell::lstm || cell == rnn_cell::lstm_layer_norm ? 4
                                                                         : 3;
  }
  std::ptrdiff_t size() const { return projected > 0 ? projected : hidden; } ///< R

  rnn_result run(rnn_input const& in) const {
    std::ptrdiff_t const T = in.time, N = in.batch, I = input, H = hidden, R = size();
    if (projected > 0 && gates() == 3)
      throw std::logic_error("rnn_reference: a GRU adds h' of H numbers, P h has R");
    if (in.x.size() != at(T * N * I)) throw std::logic_error("rnn_reference: x is not (T, N, I)");
    rnn_result out{std::vector<double>(at(T * N * R)), in.h0, in.c0};
    if (out.hn.empty()) out.hn.resize(at(N * R));
    if (out.cn.empty()) out.cn.resize(at(N * H));
    for (std::ptrdiff_t n = 0; n < N; ++n) {
      std::ptrdiff_t const length = in.lengths.empty() ? T : in.lengths[at(n)];
      vector h = part(out.hn, n, R), c = part(out.cn, n, H);
      for (std::ptrdiff_t step = 0; step < length; ++step) {
        std::ptrdiff_t const t = (reverse ? length - 1 - step : step) * N + n;
        double const keep = in.attention.empty() ? 1 : 1 - in.attention[at(t)];
        advance(step, part(in.x, t, I), h, c, keep);
        for (std::ptrdiff_t j = 0; j < R; ++j) out.y[at(t * R + j)] = h[at(j)];
      }
      for (std::ptrdiff_t j = 0; j < R; ++j) out.hn[at(n * R + j)] = h[at(j)];
      for (std::ptrdiff_t j = 0; j < H; ++j) out.cn[at(n * H + j)] = c[at(j)];
    }
    return out;
  }

private:
  using vector = std::vector<double>;
  static std::size_t at(std::ptrdiff_t i) { return static_cast<std::size_t>(i); }
  static vector part(vector const& v, std::ptrdiff_t i, std::ptrdiff_t n) {
    return {v.begin() + i * n, v.begin() + (i + 1) * n};
  }
  static double bf16_of(double v) {
    return static_cast<double>(static_cast<float>(ia_nn::bf16(static_cast<float>(v))));
  }
  static double within(double v, double limit) {
    return limit > 0 && std::fabs(v) > limit ? std::copysign(limit, v) : v;
  }

  // rows [first, first + count) of matrix * v + bias
  vector product(std::vector<float> const& matrix, std::vector<float> const& bias,
                 std::ptrdiff_t first, std::ptrdiff_t count, vector const& v) const {
    vector out(at(count));
    for (std::ptrdiff_t j = 0; j < count; ++j) {
      std::size_t const row = at(first + j);
      double sum = bias.empty() ? 0 : static_cast<double>(bias.at(row));
      for (std::size_t k = 0; k < v.size(); ++k) {
        double const w = static_cast<double>(matrix.at(row * v.size() + k));
        sum += (bf16_weights ? bf16_of(w) : w) * (bf16_operands ? bf16_of(v[k]) : v[k]);
      }
      out[at(j)] = sum;
    }
    return out;
  }

  static vector as(std::function<void(vector&)> const& f, vector v) {
    if (f) f(v);
    return v;
  }

  double parameter(std::ptrdiff_t k, std::ptrdiff_t j) const {
    return static_cast<double>(parameters.at(at(k * hidden + j)));
  }
  // gammas are the parameters from `gamma` on, betas those from `beta` on
  vector normalized(vector v, std::ptrdiff_t gamma, std::ptrdiff_t beta) const {
    double mean = 0, variance = 0;
    for (double const x : v) mean += x / static_cast<double>(v.size());
    for (double const x : v) variance += (x - mean) * (x - mean) / static_cast<double>(v.size());
    for (std::size_t i = 0; i < v.size(); ++i)
      v[i] = (v[i] - mean) / std::sqrt(variance + epsilon) *
                 static_cast<double>(parameters.at(at(gamma * hidden) + i)) +
             static_cast<double>(parameters.at(at(beta * hidden) + i));
    return v;
  }

  void disturb(vector& v, rnn_nudge::place where, std::ptrdiff_t step) const {
    if (nudge.step != step || nudge.where != where) return;
    double& x = v.at(at(nudge.index));
    x += nudge.by * std::fmax(1, std::fabs(x));
  }

  // h and c from one step to the next
  void advance(std::ptrdiff_t step, vector const& x, vector& h, vector& c, double keep) const {
    std::ptrdiff_t const H = hidden;
    vector a = product(w_input, b_input, 0, gates() * H, x), next(at(H));
    disturb(a, rnn_nudge::input_sum, step);
    if (cell == rnn_cell::gru_reset_before) {
      vector const u = product(w_recurrent, b_recurrent, 0, 2 * H, as(stored, h));
      vector reset(at(H));
      for (std::ptrdiff_t j = 0; j < H; ++j)
        reset[at(j)] = gate(within(a[at(j)] + u[at(j)], clip_input)) * h[at(j)];
      vector const un = product(w_recurrent, b_recurrent, 2 * H, H, as(stored, reset));
      for (std::ptrdiff_t j = 0; j < H; ++j) {
        double const z = keep * gate(within(a[at(H + j)] + u[at(H + j)], clip_input));
        double const n = candidate(within(a[at(2 * H + j)] + un[at(j)], clip_input));
        next[at(j)] = (1 - z) * n + z * h[at(j)];
      }
      h = next;
      disturb(h, rnn_nudge::hidden, step);
      return;
    }
    vector u = product(w_recurrent, b_recurrent, 0, gates() * H, as(stored, h));
    disturb(u, rnn_nudge::recurrent_sum, step);
    if (cell == rnn_cell::lstm_layer_norm) a = normalized(a, 0, 4), u = normalized(u, 8, 12);
    vector out_gate(at(H));
    for (std::ptrdiff_t j = 0; j < H; ++j) {
      auto const sum = [&](std::ptrdiff_t g) { return a[at(g * H + j)] + u[at(g * H + j)]; };
      auto const open = [&](double v) { return gate(within(v, clip_input)); };
      if (cell == rnn_cell::vanilla) {
        next[at(j)] = candidate(within(sum(0), clip_input));
      } else if (cell == rnn_cell::gru) {
        double const r = open(sum(0)), z = keep * open(sum(1));
        double const n = candidate(within(a[at(2 * H + j)] + r * u[at(2 * H + j)], clip_input));
        next[at(j)] = (1 - z) * n + z * h[at(j)];
      } else {
        bool const peephole = cell == rnn_cell::lstm && !parameters.empty();
        auto const peep = [&](std::ptrdiff_t k) {
          return peephole ? parameter(k, j) * c[at(j)] : 0;
        };
        double const i = open(sum(0) + peep(0));
        double const f = coupled ? 1 - i : open(sum(1) + peep(1));
        double const g = candidate(within(sum(2), clip_input));
        c[at(j)] = within(f * c[at(j)] + i * g, clip);
        out_gate[at(j)] = open(sum(3) + peep(2));
      }
    }
    if (gates() == 4) {
      disturb(c, rnn_nudge::cell, step);
      vector const seen = cell == rnn_cell::lstm_layer_norm ? normalized(c, 16, 17) : c;
      for (std::ptrdiff_t j = 0; j < H; ++j) next[at(j)] = out_gate[at(j)] * output(seen[at(j)]);
    }
    h = projected > 0 ? product(projection, {}, 0, projected, as(stored_unprojected, next)) : next;
    disturb(h, rnn_nudge::hidden, step);
  }
};

/// Layers one upon the other: layers[l] has one direction or two. Two are put side by side, or
/// added where `sum`; `residual` adds the input of every layer but the first to its output.
struct rnn_stack_reference {
  std::vector<std::vector<rnn_reference>> layers;
  bool sum = false, residual = false;

  /// States of all layers and directions: h0 and hn (L*D, N, R), c0 and cn (L*D, N, H).
  rnn_result run(rnn_input in) const {
    rnn_result all;
    rnn_input const given = in;
    std::size_t h_at = 0, c_at = 0;
    auto const next = [](std::vector<double> const& from, std::size_t& at, std::ptrdiff_t count) {
      if (from.empty()) return std::vector<double>();
      auto const first = from.begin() + static_cast<std::ptrdiff_t>(at);
      at += static_cast<std::size_t>(count);
      return std::vector<double>(first, first + count);
    };
    for (std::size_t l = 0; l < layers.size(); ++l) {
      std::size_t const rows = static_cast<std::size_t>(in.time * in.batch);
      std::size_t const R = static_cast<std::size_t>(layers[l].front().size());
      std::size_t const width = sum ? R : layers[l].size() * R;
      std::vector<double> y(rows * width);
      for (std::size_t d = 0; d < layers[l].size(); ++d) {
        rnn_reference const& one = layers[l][d];
        in.h0 = next(given.h0, h_at, in.batch * one.size());
        in.c0 = next(given.c0, c_at, in.batch * one.hidden);
        rnn_result const part = one.run(in);
        for (std::size_t row = 0; row < rows; ++row)
          for (std::size_t j = 0; j < R; ++j)
            y[row * width + (sum ? 0 : d * R) + j] += part.y[row * R + j];
        all.hn.insert(all.hn.end(), part.hn.begin(), part.hn.end());
        all.cn.insert(all.cn.end(), part.cn.begin(), part.cn.end());
      }
      if (residual && l > 0)
        for (std::size_t i = 0; i < y.size(); ++i) y[i] += in.x.at(i);
      in.x = std::move(y);
    }
    all.y = std::move(in.x);
    return all;
  }
};

} // namespace ia_nn_test

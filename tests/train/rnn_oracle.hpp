// SPDX-License-Identifier: Apache-2.0
//
// Recurrent stacks in double, forward and backward, one unit of one sequence after the other by the
// formulas of the cells. With `rounded` what a layer of bf16 multiplies is rounded first.
#pragma once

#include "oracle/train.hpp"

#include <ia_nn/core/types.hpp>

#include <cmath>
#include <string>

namespace ia_nn_test {

enum class rnn_kind { lstm, lstm_peephole, lstm_coupled, gru, gru_reset_before, tanh, relu };

struct rnn_stack {
  rnn_kind kind = rnn_kind::lstm;
  index_t input = 3, hidden = 5, projected = 0, layers = 1, time = 4, batch = 3;
  bool reverse = false, both = false, rounded = false;
  std::vector<int> lengths{};     ///< empty: all as long as `time`
  std::vector<doubles> dropped{}; ///< of all layers but the last: factors of its outputs

  index_t D() const { return both ? 2 : 1; }
  index_t R() const { return projected ? projected : hidden; }
  index_t G() const {
    if (kind == rnn_kind::tanh || kind == rnn_kind::relu) return 1;
    return kind == rnn_kind::gru || kind == rnn_kind::gru_reset_before ? 3 : 4;
  }
  bool has_cell() const { return G() == 4; }
  index_t P() const { return kind == rnn_kind::lstm_peephole ? 3 : 0; }
  index_t features(index_t l) const { return l == 0 ? input : D() * R(); }
  index_t length(index_t n) const { return lengths.empty() ? time : lengths[at(n)]; }
};

/// Parameters of one direction of a layer, or gradients of them.
struct rnn_doubles {
  doubles w, u, b, c, parameters, projection;
};
/// Everything that a loss depends on, or its gradients.
struct rnn_leaves {
  std::vector<rnn_doubles> weights; ///< [layer][direction]
  doubles x, h0, c0;
};
struct rnn_results {
  doubles y, hn, cn;
};

class rnn_oracle {
public:
  rnn_oracle(rnn_stack const& s, rnn_leaves const& in) : s_(s), in_(in) {
    outputs_.resize(at(s.layers));
    sources_.resize(at(s.layers));
    tape_.resize(at(s.layers * s.D() * s.time * s.batch));
    result_.hn.resize(at(s.layers * s.D() * s.batch * s.R()));
    result_.cn.resize(at(s.has_cell() ? s.layers * s.D() * s.batch * s.hidden : 0));
    for (index_t l = 0; l < s.layers; ++l) {
      doubles& src = sources_[at(l)];
      src = l == 0 ? in.x : outputs_[at(l - 1)];
      if (l > 0 && !s.dropped.empty())
        for (std::size_t i = 0; i < src.size(); ++i) src[i] *= s.dropped[at(l - 1)][i];
      outputs_[at(l)].assign(at(s.time * s.batch * s.D() * s.R()), 0);
      for (index_t d = 0; d < s.D(); ++d)
        for (index_t n = 0; n < s.batch; ++n) forward(l, d, n);
    }
    result_.y = outputs_.back();
  }
  rnn_results const& result() const { return result_; }

  /// Gradients of sum(y dy) + sum(hn dhn) + sum(cn dcn).
  rnn_leaves backward(rnn_results const& diff) const {
    rnn_leaves g;
    for (rnn_doubles const& w : in_.weights)
      g.weights.push_back({doubles(w.w.size()), doubles(w.u.size()), doubles(w.b.size()),
                           doubles(w.c.size()), doubles(w.parameters.size()),
                           doubles(w.projection.size())});
    g.h0.resize(in_.h0.size()), g.c0.resize(in_.c0.size());
    doubles dy = diff.y;
    for (index_t l = s_.layers - 1; l >= 0; --l) {
      doubles dx(sources_[at(l)].size());
      for (index_t d = 0; d < s_.D(); ++d)
        for (index_t n = 0; n < s_.batch; ++n) backward(l, d, n, dy, diff, dx, g);
      if (l > 0 && !s_.dropped.empty())
        for (std::size_t i = 0; i < dx.size(); ++i) dx[i] *= s_.dropped[at(l - 1)][i];
      dy = dx;
    }
    g.x = dy;
    return g;
  }

private:
  // What a step of a sequence remembers.
  struct step {
    doubles h0, c0, gates, hn, c, unprojected, h;
  };

  double q(double v) const {
    return s_.rounded ? static_cast<double>(static_cast<float>(ia_nn::bf16(static_cast<float>(v))))
                      : v;
  }
  static double sigmoid(double v) { return 1 / (1 + std::exp(-v)); }
  step& at_step(index_t l, index_t d, index_t n, index_t t) {
    return tape_[at(((l * s_.D() + d) * s_.batch + n) * s_.time + t)];
  }
  bool reversed(index_t d) const { return s_.reverse || d == 1; }
  index_t time_of(index_t d, index_t n, index_t i) const {
    return reversed(d) ? s_.length(n) - 1 - i : i;
  }
  // Row r of m times v, of k elements.
  double row_times(doubles const& m, index_t r, double const* v, index_t k) const {
    double sum = 0;
    for (index_t i = 0; i < k; ++i) sum += q(m[at(r * k + i)]) * q(v[i]);
    return sum;
  }

  void forward(index_t l, index_t d, index_t n) {
    index_t const H = s_.hidden, R = s_.R(), I = s_.features(l), a = l * s_.D() + d;
    rnn_doubles const& w = in_.weights[at(a)];
    doubles h(at(R)), c(at(H));
    for (index_t j = 0; j < R; ++j)
      h[at(j)] = in_.h0.empty() ? 0 : in_.h0[at((a * s_.batch + n) * R + j)];
    for (index_t j = 0; j < H && s_.has_cell(); ++j)
      c[at(j)] = in_.c0.empty() ? 0 : in_.c0[at((a * s_.batch + n) * H + j)];
    for (index_t i = 0; i < s_.length(n); ++i) {
      index_t const t = time_of(d, n, i);
      step& p = at_step(l, d, n, t);
      p.h0 = h, p.c0 = c, p.gates.assign(at(s_.G() * H), 0), p.hn.assign(at(H), 0);
      double const* const x = sources_[at(l)].data() + (t * s_.batch + n) * I;
      auto const xs = [&](index_t g, index_t j) {
        return row_times(w.w, g * H + j, x, I) + w.b[at(g * H + j)];
      };
      auto const hs = [&](index_t g, index_t j) {
        return row_times(w.u, g * H + j, p.h0.data(), R) + w.c[at(g * H + j)];
      };
      auto gate = [&](index_t g, index_t j) -> double& { return p.gates[at(g * H + j)]; };
      doubles next(at(H));
      if (s_.has_cell()) {
        for (index_t j = 0; j < H; ++j) {
          auto const peep = [&](index_t k) { return s_.P() ? w.parameters[at(k * H + j)] : 0.0; };
          gate(0, j) = sigmoid(xs(0, j) + hs(0, j) + peep(0) * c[at(j)]);
          gate(1, j) = s_.kind == rnn_kind::lstm_coupled
                           ? 1 - gate(0, j)
                           : sigmoid(xs(1, j) + hs(1, j) + peep(1) * c[at(j)]);
          gate(2, j) = std::tanh(xs(2, j) + hs(2, j));
          c[at(j)] = gate(1, j) * c[at(j)] + gate(0, j) * gate(2, j);
          gate(3, j) = sigmoid(xs(3, j) + hs(3, j) + peep(2) * c[at(j)]);
          next[at(j)] = gate(3, j) * std::tanh(c[at(j)]);
        }
        p.c = c;
      } else if (s_.kind == rnn_kind::gru) {
        for (index_t j = 0; j < H; ++j) {
          gate(0, j) = sigmoid(xs(0, j) + hs(0, j)), gate(1, j) = sigmoid(xs(1, j) + hs(1, j));
          p.hn[at(j)] = hs(2, j);
          gate(2, j) = std::tanh(xs(2, j) + gate(0, j) * p.hn[at(j)]);
          next[at(j)] = (1 - gate(1, j)) * gate(2, j) + gate(1, j) * h[at(j)];
        }
      } else if (s_.kind == rnn_kind::gru_reset_before) {
        doubles rh(at(H));
        for (index_t j = 0; j < H; ++j) {
          gate(0, j) = sigmoid(xs(0, j) + hs(0, j)), gate(1, j) = sigmoid(xs(1, j) + hs(1, j));
          rh[at(j)] = gate(0, j) * h[at(j)];
        }
        for (index_t j = 0; j < H; ++j) {
          gate(2, j) =
              std::tanh(xs(2, j) + row_times(w.u, 2 * H + j, rh.data(), H) + w.c[at(2 * H + j)]);
          next[at(j)] = (1 - gate(1, j)) * gate(2, j) + gate(1, j) * h[at(j)];
        }
      } else {
        for (index_t j = 0; j < H; ++j) {
          double const sum = xs(0, j) + hs(0, j);
          next[at(j)] = s_.kind == rnn_kind::tanh ? std::tanh(sum) : std::max(sum, 0.0);
        }
      }
      p.unprojected = next;
      h = next;
      if (s_.projected) {
        h.assign(at(R), 0);
        for (index_t j = 0; j < R; ++j) h[at(j)] = row_times(w.projection, j, next.data(), H);
      }
      p.h = h;
      for (index_t j = 0; j < R; ++j)
        outputs_[at(l)][at(((t * s_.batch + n) * s_.D() + d) * R + j)] = h[at(j)];
    }
    for (index_t j = 0; j < R; ++j) result_.hn[at((a * s_.batch + n) * R + j)] = h[at(j)];
    for (index_t j = 0; j < H && s_.has_cell(); ++j)
      result_.cn[at((a * s_.batch + n) * H + j)] = c[at(j)];
  }

  void backward(index_t l, index_t d, index_t n, doubles const& dy, rnn_results const& diff,
                doubles& dx, rnn_leaves& out) const {
    index_t const H = s_.hidden, R = s_.R(), I = s_.features(l), a = l * s_.D() + d, G = s_.G();
    rnn_doubles const& w = in_.weights[at(a)];
    rnn_doubles& g = out.weights[at(a)];
    doubles dh(at(R)), dc(at(H));
    for (index_t j = 0; j < R && !diff.hn.empty(); ++j)
      dh[at(j)] = diff.hn[at((a * s_.batch + n) * R + j)];
    for (index_t j = 0; j < H && !diff.cn.empty(); ++j)
      dc[at(j)] = diff.cn[at((a * s_.batch + n) * H + j)];
    for (index_t i = s_.length(n) - 1; i >= 0; --i) {
      index_t const t = time_of(d, n, i);
      step const& p = const_cast<rnn_oracle*>(this)->at_step(l, d, n, t);
      for (index_t j = 0; j < R; ++j)
        dh[at(j)] += dy[at(((t * s_.batch + n) * s_.D() + d) * R + j)];
      doubles du = dh;
      if (s_.projected) {
        du.assign(at(H), 0);
        for (index_t r = 0; r < R; ++r)
          for (index_t j = 0; j < H; ++j) {
            du[at(j)] += q(dh[at(r)]) * q(w.projection[at(r * H + j)]);
            g.projection[at(r * H + j)] += q(dh[at(r)]) * q(p.unprojected[at(j)]);
          }
      }
      auto const gate = [&](index_t k, index_t j) { return p.gates[at(k * H + j)]; };
      doubles ax(at(G * H)), ah(at(G * H)), before(at(R)),
          rh(at(H)); // of W x + b, of U h + b, of h(t-1)
      for (index_t j = 0; j < H; ++j) {
        double const e = du[at(j)];
        auto const set = [&](index_t k, double v) { ax[at(k * H + j)] = ah[at(k * H + j)] = v; };
        if (s_.has_cell()) {
          double const ig = gate(0, j), fg = gate(1, j), gg = gate(2, j), og = gate(3, j);
          double const tc = std::tanh(p.c[at(j)]), c0 = p.c0[at(j)];
          auto const peep = [&](index_t k) { return s_.P() ? w.parameters[at(k * H + j)] : 0.0; };
          double const ao = e * tc * og * (1 - og);
          double const cell = dc[at(j)] + e * og * (1 - tc * tc) + ao * peep(2);
          bool const coupled = s_.kind == rnn_kind::lstm_coupled;
          double const ai = cell * (coupled ? gg - c0 : gg) * ig * (1 - ig);
          double const af = coupled ? 0 : cell * c0 * fg * (1 - fg);
          set(0, ai), set(1, af), set(2, cell * ig * (1 - gg * gg)), set(3, ao);
          dc[at(j)] = cell * fg + ai * peep(0) + af * peep(1);
          if (s_.P()) {
            g.parameters[at(j)] += q(ai) * c0, g.parameters[at(H + j)] += q(af) * c0;
            g.parameters[at(2 * H + j)] += q(ao) * p.c[at(j)];
          }
        } else if (G == 3) {
          double const r = gate(0, j), z = gate(1, j), m = gate(2, j), h0 = p.h0[at(j)];
          double const an = e * (1 - z) * (1 - m * m);
          set(1, e * (h0 - m) * z * (1 - z));
          set(2, an);
          before[at(j)] = e * z;
          if (s_.kind == rnn_kind::gru) {
            set(0, an * p.hn[at(j)] * r * (1 - r));
            ah[at(2 * H + j)] = an * r;
          } else {
            rh[at(j)] = r * h0;
          }
        } else {
          double const h = p.h[at(j)];
          set(0, s_.kind == rnn_kind::tanh ? e * (1 - h * h) : h > 0 ? e : 0);
        }
      }
      if (s_.kind == rnn_kind::gru_reset_before)
        for (index_t j = 0; j < H; ++j) {
          double drh = 0;
          for (index_t k = 0; k < H; ++k)
            drh += q(ah[at(2 * H + k)]) * q(w.u[at((2 * H + k) * H + j)]);
          double const r = gate(0, j);
          ax[at(j)] = ah[at(j)] = drh * p.h0[at(j)] * r * (1 - r);
          before[at(j)] += drh * r;
        }
      double const* const x = sources_[at(l)].data() + (t * s_.batch + n) * I;
      for (index_t k = 0; k < G * H; ++k) {
        double const vx = q(ax[at(k)]), vh = q(ah[at(k)]);
        g.b[at(k)] += vx, g.c[at(k)] += vh;
        for (index_t j = 0; j < I; ++j) {
          g.w[at(k * I + j)] += vx * q(x[j]);
          dx[at((t * s_.batch + n) * I + j)] += vx * q(w.w[at(k * I + j)]);
        }
        bool const late = s_.kind == rnn_kind::gru_reset_before && k >= 2 * H;
        for (index_t j = 0; j < R; ++j) {
          g.u[at(k * R + j)] += vh * q(late ? rh[at(j)] : p.h0[at(j)]);
          if (!late) before[at(j)] += vh * q(w.u[at(k * R + j)]);
        }
      }
      dh = before;
    }
    for (index_t j = 0; j < R && !out.h0.empty(); ++j)
      out.h0[at((a * s_.batch + n) * R + j)] = dh[at(j)];
    for (index_t j = 0; j < H && !out.c0.empty(); ++j)
      out.c0[at((a * s_.batch + n) * H + j)] = dc[at(j)];
  }

  rnn_stack s_;
  rnn_leaves in_;
  std::vector<doubles> sources_, outputs_;
  std::vector<step> tape_;
  rnn_results result_;
};

} // namespace ia_nn_test

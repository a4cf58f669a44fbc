// SPDX-License-Identifier: Apache-2.0
#include "rnn_problem.hpp"

#include <algorithm>
#include <functional>
#include <random>
#include <string_view>

namespace bench {
namespace {

// So large that states of deep layers are, from the first step on, well above the step of their
// quantization.
constexpr double largest_bias = 0.25;

using row = std::vector<double>;

double sigmoid(double x) { return 1 / (1 + std::exp(-x)); }

// y = m x, four sums at once.
row times(std::vector<float> const& m, row const& x) {
  std::size_t const k = x.size(), n = m.size() / k;
  row y(n);
  for (std::size_t j = 0; j < n; ++j) {
    double sum[4] = {};
    float const* const w = m.data() + j * k;
    for (std::size_t i = 0; i + 4 <= k; i += 4)
      for (std::size_t lane = 0; lane < 4; ++lane)
        sum[lane] += static_cast<double>(w[i + lane]) * x[i + lane];
    for (std::size_t i = k / 4 * 4; i < k; ++i) sum[0] += static_cast<double>(w[i]) * x[i];
    y[j] = sum[0] + sum[1] + sum[2] + sum[3];
  }
  return y;
}

void add(row& x, std::vector<float> const& b) {
  for (std::size_t i = 0; i < x.size(); ++i) x[i] += static_cast<double>(b[i]);
}

struct state {
  row h, c;
};

// One step; formulas as in the headers of the library's cells.
void step(cell kind, rnn_matrices const& m, row const& input, state& s) {
  auto const H = static_cast<std::size_t>(m.hidden);
  row x = times(m.w, input), u = times(m.u, s.h);
  add(x, m.b);
  add(u, m.c);
  row h(H);
  switch (kind) {
  case cell::lstm:
    for (std::size_t i = 0; i < H; ++i) {
      auto const gate = [&](std::size_t g) { return x[g * H + i] + u[g * H + i]; };
      s.c[i] = sigmoid(gate(1)) * s.c[i] + sigmoid(gate(0)) * std::tanh(gate(2));
      h[i] = sigmoid(gate(3)) * std::tanh(s.c[i]);
    }
    s.h = m.projected > 0 ? times(m.projection, h) : h;
    return;
  case cell::gru:
  case cell::gru_rb: {
    if (kind == cell::gru_rb) { // the reset gate comes before the last third of the product
      row reset(H);
      for (std::size_t i = 0; i < H; ++i) reset[i] = sigmoid(x[i] + u[i]) * s.h[i];
      row late = times(m.u, reset);
      add(late, m.c);
      std::copy(late.begin() + static_cast<std::ptrdiff_t>(2 * H), late.end(),
                u.begin() + static_cast<std::ptrdiff_t>(2 * H));
    }
    for (std::size_t i = 0; i < H; ++i) {
      double const r = kind == cell::gru ? sigmoid(x[i] + u[i]) : 1;
      double const z = sigmoid(x[H + i] + u[H + i]);
      double const n = std::tanh(x[2 * H + i] + r * u[2 * H + i]);
      h[i] = z * s.h[i] + (1 - z) * n;
    }
    break;
  }
  case cell::tanh:
    for (std::size_t i = 0; i < H; ++i) h[i] = std::tanh(x[i] + u[i]);
    break;
  case cell::relu:
    for (std::size_t i = 0; i < H; ++i) h[i] = std::max(0.0, x[i] + u[i]);
    break;
  }
  s.h = h;
}

} // namespace

rnn_problem::rnn_problem(rnn_shape const& s)
    : shape(s), src(static_cast<std::size_t>(s.time * s.batch * s.input)) {
  std::minstd_rand random(7);
  auto const fill = [&](std::vector<float>& x, double largest) {
    auto const scale = static_cast<float>(largest / 32768);
    for (float& v : x) v = (static_cast<float>((random() >> 8) & 0xffffU) - 32768.0F) * scale;
  };
  fill(src, 1);
  double const largest = 1 / std::sqrt(static_cast<double>(s.hidden));
  for (long l = 0; l < s.layers; ++l)
    for (long d = 0; d < s.directions(); ++d) {
      rnn_matrices m;
      m.input = s.layer_input(l), m.hidden = s.hidden, m.projected = s.projected;
      long const rows = s.gates() * s.hidden;
      auto const make = [&](std::vector<float>& x, long count, double limit) {
        x.resize(static_cast<std::size_t>(count));
        fill(x, limit);
      };
      make(m.w, rows * m.input, largest);
      make(m.u, rows * s.output(), largest);
      make(m.b, rows, largest_bias);
      make(m.c, rows, largest_bias);
      make(m.projection, s.projected * s.hidden, largest);
      matrices.push_back(std::move(m));
    }
}

std::vector<double> rnn_definition(rnn_problem const& p, long n, long time) {
  rnn_shape const& s = p.shape;
  std::vector<row> x(static_cast<std::size_t>(time));
  for (long t = 0; t < time; ++t) {
    auto const from = p.src.begin() + (t * s.batch + n) * s.input;
    x[static_cast<std::size_t>(t)].assign(from, from + s.input);
  }
  for (long l = 0; l < s.layers; ++l) {
    std::vector<row> y(x.size());
    for (long d = 0; d < s.directions(); ++d) {
      state now{row(static_cast<std::size_t>(s.output())), row(static_cast<std::size_t>(s.hidden))};
      for (std::size_t i = 0; i < x.size(); ++i) {
        std::size_t const t = d == 0 ? i : x.size() - 1 - i;
        step(s.cell, p.at(l, d), x[t], now);
        if (d == 0) y[t] = now.h;
        else if (s.direction == direction::concat)
          y[t].insert(y[t].end(), now.h.begin(), now.h.end());
        else std::transform(y[t].begin(), y[t].end(), now.h.begin(), y[t].begin(), std::plus<>());
      }
    }
    x = std::move(y);
  }
  row all;
  for (row const& r : x) all.insert(all.end(), r.begin(), r.end());
  return all;
}

double rnn_tolerance(char const* type) {
  std::string_view const name = type;
  return name == "f32" ? 1e-4 : name == "bf16" ? 3e-2 : 0.1;
}

} // namespace bench

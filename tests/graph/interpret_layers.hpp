// SPDX-License-Identifier: Apache-2.0
//
// Oracles of layers that move elements, keep states, or take statistics of an image: in double.
#pragma once

#include "../oracle/rnn.hpp"
#include "random_weights.hpp"

#include <algorithm>

namespace ia_nn_test {

/// The element of an array of shape `s` at these coordinates.
inline std::size_t element_at(graph::dims const& s, index_t const (&at)[5]) {
  index_t place = 0;
  for (int d = 0; d < s.rank; ++d) place = place * (d == 0 ? 1 : s[d]) + at[d];
  return static_cast<std::size_t>(place);
}

/// PyTorch's reshape: element p of an item is the p-th that is counted with the channels in front,
/// where that is how an image is counted, and the p-th in memory otherwise.
inline void interpret_reshape(graph::node const& n, graph::dims const& in,
                              std::vector<double> const& x, std::vector<double>& y) {
  index_t const item = in.item(), batch = static_cast<index_t>(x.size()) / item;
  auto const place = [&](graph::order how, graph::dims const& s, index_t p) {
    if (how != graph::order::channels_first) return p;
    index_t const pixels = item / s.last(), channel = p / pixels, pixel = p % pixels;
    return pixel * s.last() + channel;
  };
  for (index_t b = 0; b < batch; ++b)
    for (index_t p = 0; p < item; ++p)
      y[static_cast<std::size_t>(b * item + place(n.attributes.writes, n.shape, p))] =
          x[static_cast<std::size_t>(b * item + place(n.attributes.reads, in, p))];
}

/// pad, transpose, slice: where each element comes from.
inline void interpret_move(graph::node const& n, graph::dims const& in,
                           std::vector<double> const& x, std::vector<double>& y) {
  for (std::size_t i = 0; i < y.size(); ++i) {
    index_t to[5]{}, from[5]{};
    index_t rest = static_cast<index_t>(i);
    for (int d = n.shape.rank - 1; d > 0; --d) to[d] = rest % n.shape[d], rest /= n.shape[d];
    to[0] = from[0] = rest;
    bool outside = false;
    for (int d = 1; d < n.shape.rank; ++d) {
      if (n.kind == graph::op::transpose) {
        from[n.attributes.from_axis[d]] = to[d];
      } else if (n.kind == graph::op::slice) {
        from[d] = d == n.attributes.axis ? n.attributes.first + to[d] * n.attributes.step : to[d];
      } else {
        index_t const size = in[d];
        index_t k = to[d] - n.attributes.front[d];
        if (n.attributes.fill == ia_nn::pad_mode::edge) k = k < 0 ? 0 : k >= size ? size - 1 : k;
        else if (n.attributes.fill == ia_nn::pad_mode::wrap) k = (k % size + size) % size;
        else if (n.attributes.fill == ia_nn::pad_mode::reflect)
          while (size > 1 && (k < 0 || k >= size)) k = k < 0 ? -k : 2 * (size - 1) - k;
        outside = outside || k < 0 || k >= size;
        from[d] = k;
      }
    }
    y[i] = outside ? static_cast<double>(n.attributes.number) : x[element_at(in, from)];
  }
}

inline void interpret_group_norm(graph::node const& n, index_t batch, random_weights const& weights,
                                 std::vector<double> const& x, std::vector<double>& y) {
  index_t const channels = n.shape.last(), each = channels / n.attributes.groups;
  index_t const item = static_cast<index_t>(x.size()) / batch;
  for (index_t b = 0; b < batch; ++b)
    for (index_t g = 0; g < n.attributes.groups; ++g) {
      double sum = 0, squares = 0;
      auto const all = [&](auto const& f) {
        for (index_t p = 0; p < item; p += channels)
          for (index_t c = g * each; c < (g + 1) * each; ++c)
            f(static_cast<std::size_t>(b * item + p + c), static_cast<std::size_t>(c));
      };
      double const count = static_cast<double>(item / n.attributes.groups);
      all([&](std::size_t i, std::size_t) { sum += x[i]; });
      double const mean = sum / count;
      all([&](std::size_t i, std::size_t) { squares += (x[i] - mean) * (x[i] - mean); });
      double const root = std::sqrt(squares / count + static_cast<double>(n.attributes.epsilon));
      all([&](std::size_t i, std::size_t c) {
        y[i] = (x[i] - mean) / root;
        if (n.attributes.affine)
          y[i] = y[i] * static_cast<double>(weights(n, ".weight")[c]) +
                 static_cast<double>(weights(n, ".bias")[c]);
      });
    }
}

/// Element o of an axis sees floor(o in / out) .. ceil((o + 1) in / out) - 1.
inline void interpret_adaptive(graph::node const& n, ia_nn::spatial const& in,
                               ia_nn::spatial const& out, std::vector<double> const& x,
                               std::vector<double>& y) {
  index_t const channels = n.shape.last();
  for (std::size_t i = 0; i < y.size(); ++i) {
    index_t const c = static_cast<index_t>(i) % channels, p = static_cast<index_t>(i) / channels;
    index_t const at[3] = {p / (out.height * out.width) % out.depth, p / out.width % out.height,
                           p % out.width};
    auto const from = [&](int d) { return at[d] * in[d] / out[d]; };
    auto const to = [&](int d) { return ((at[d] + 1) * in[d] + out[d] - 1) / out[d]; };
    double sum = 0, most = -INFINITY, count = 0;
    for (index_t z = from(0); z < to(0); ++z)
      for (index_t h = from(1); h < to(1); ++h)
        for (index_t w = from(2); w < to(2); ++w, ++count) {
          index_t const pixel = ((p / out.size() * in.depth + z) * in.height + h) * in.width + w;
          double const e = x[static_cast<std::size_t>(pixel * channels + c)];
          sum += e, most = std::fmax(most, e);
        }
    y[i] = n.kind == graph::op::max_pool ? most : sum / count;
  }
}

/// What each element of the source adds to.
inline void interpret_deconv(graph::node const& n, ia_nn::spatial const& in,
                             ia_nn::spatial const& out, index_t c_in,
                             random_weights const& weights, std::vector<double> const& x,
                             std::vector<double>& y) {
  auto const& w = n.attributes.win;
  auto const& table = weights(n, ".weight");
  index_t const c_out = n.attributes.filters, g_in = c_in / n.attributes.groups, g_out = c_out / n.attributes.groups;
  for (std::size_t i = 0; i < y.size(); ++i)
    y[i] = n.attributes.bias ? static_cast<double>(
                             weights(n, ".bias")[i % static_cast<std::size_t>(c_out)])
                       : 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    index_t const c = static_cast<index_t>(i) % c_in, p = static_cast<index_t>(i) / c_in;
    index_t const at[3] = {p / (in.height * in.width) % in.depth, p / in.width % in.height,
                           p % in.width};
    for (index_t t = 0; t < w.kernel.size(); ++t) {
      index_t const tap[3] = {t / (w.kernel.height * w.kernel.width),
                              t / w.kernel.width % w.kernel.height, t % w.kernel.width};
      index_t o = p / in.size();
      bool inside = true;
      for (int d = 0; d < 3; ++d) {
        index_t const k = at[d] * w.stride[d] - w.pad_begin[d] + tap[d] * w.dilation[d];
        inside = inside && k >= 0 && k < out[d];
        o = o * out[d] + k;
      }
      if (!inside) continue;
      for (index_t f = 0; f < g_out; ++f)
        y[static_cast<std::size_t>(o * c_out + c / g_in * g_out + f)] +=
            x[i] *
            static_cast<double>(table[static_cast<std::size_t>((c * g_out + f) * w.kernel.size() + t)]);
    }
  }
}

/// How rows of numbers of a recurrent layer are stored where they are multiplied; none: as they are.
struct stored_states {
  std::function<void(std::vector<double>&)> hidden = nullptr, unprojected = nullptr,
                                            input = nullptr; ///< of the layers behind the first
};
/// A stack of layers; `x` is (batch, time, features).
inline void interpret_rnn(graph::node const& n, index_t batch, index_t time, index_t features,
                          random_weights const& weights, std::vector<double> x,
                          std::vector<double>& y, stored_states const& as = {}) {
  namespace op = graph::op;
  std::ptrdiff_t const directions = n.attributes.direction == graph::direction::both ? 2 : 1;
  std::ptrdiff_t const wide = n.attributes.projection > 0 ? n.attributes.projection : n.attributes.hidden;
  std::vector<double> last;
  for (int l = 0; l < n.attributes.layers; ++l) {
    std::ptrdiff_t const in = l == 0 ? features : directions * wide;
    for (std::ptrdiff_t r = 0; l > 0 && as.input && r < batch * time; ++r) {
      std::vector<double> row(x.begin() + r * in, x.begin() + (r + 1) * in);
      as.input(row);
      std::copy(row.begin(), row.end(), x.begin() + r * in);
    }
    std::vector<double> all(static_cast<std::size_t>(batch * time * directions * wide));
    last.assign(static_cast<std::size_t>(batch * directions * wide), 0.0);
    rnn_input call{.time = time, .batch = batch, .x = std::vector<double>(x.size())};
    auto const swapped = [&](std::ptrdiff_t t, std::ptrdiff_t b, std::ptrdiff_t width) {
      return static_cast<std::size_t>((t * batch + b) * width);
    };
    auto const plain = [&](std::ptrdiff_t t, std::ptrdiff_t b, std::ptrdiff_t width) {
      return static_cast<std::size_t>((b * time + t) * width);
    };
    for (std::ptrdiff_t t = 0; t < time; ++t)
      for (std::ptrdiff_t b = 0; b < batch; ++b)
        for (std::size_t k = 0; k < static_cast<std::size_t>(in); ++k)
          call.x[swapped(t, b, in) + k] = x[plain(t, b, in) + k];
    for (std::ptrdiff_t d = 0; d < directions; ++d) {
      std::string const end = "_l" + std::to_string(l) + (d == 1 ? "_reverse" : "");
      rnn_reference ref{.cell = n.kind == op::lstm        ? rnn_cell::lstm
                                : n.kind == op::rnn       ? rnn_cell::vanilla
                                : n.attributes.reset_before ? rnn_cell::gru_reset_before
                                                          : rnn_cell::gru,
                        .input = in,
                        .hidden = n.attributes.hidden,
                        .projected = n.attributes.projection,
                        .w_input = weights(n, ".weight_ih" + end),
                        .w_recurrent = weights(n, ".weight_hh" + end)};
      if (n.attributes.bias) ref.b_input = weights(n, ".bias_ih" + end);
      if (n.attributes.bias) ref.b_recurrent = weights(n, ".bias_hh" + end);
      if (n.attributes.projection > 0) ref.projection = weights(n, ".weight_hr" + end);
      ref.reverse = d == 1 || n.attributes.direction == graph::direction::reverse;
      if (n.kind == op::rnn && n.attributes.act == graph::function::relu)
        ref.candidate = [](double v) { return v < 0 ? 0 : v; };
      ref.stored = as.hidden, ref.stored_unprojected = as.unprojected;
      rnn_result const r = ref.run(call);
      for (std::ptrdiff_t b = 0; b < batch; ++b)
        for (std::size_t k = 0; k < static_cast<std::size_t>(wide); ++k) {
          std::size_t const column = static_cast<std::size_t>(d * wide) + k;
          for (std::ptrdiff_t t = 0; t < time; ++t)
            all[plain(t, b, directions * wide) + column] = r.y[swapped(t, b, wide) + k];
          last[static_cast<std::size_t>(b * directions * wide) + column] =
              r.hn[static_cast<std::size_t>(b * wide) + k];
        }
    }
    x = all;
  }
  y = n.attributes.last_only ? last : x;
}

} // namespace ia_nn_test

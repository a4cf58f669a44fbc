// SPDX-License-Identifier: Apache-2.0
//
// The oracle of networks: nodes as they were written, one after the other, in double, with naive
// loops.
#pragma once

#include "interpret_images.hpp"
#include "interpret_layers.hpp"
#include "interpret_products.hpp"
#include "interpret_selected.hpp"

#include <ia_nn/graph/layers/custom.hpp>

#include <functional>

namespace ia_nn_test {

inline double act(graph::function f, double x, double a, double b) {
  using graph::function;
  auto const sigmoid = [](double t) { return 1 / (1 + std::exp(-t)); };
  switch (f) {
  case function::identity:
    return x;
  case function::relu:
    return x < 0 ? 0 : x;
  case function::leaky_relu:
    return x < 0 ? a * x : x;
  case function::clip:
    return x < a ? a : x > b ? b : x; // a NaN stays
  case function::elu:
    return x < 0 ? a * std::expm1(x) : x;
  case function::selu:
    return b * (x < 0 ? a * std::expm1(x) : x);
  case function::celu:
    return x < 0 ? a * std::expm1(x / a) : x;
  case function::sigmoid:
    return sigmoid(x);
  case function::hard_sigmoid:
    return act(function::clip, a * x + b, 0, 1);
  case function::tanh:
    return std::tanh(x);
  case function::softplus:
    return std::log1p(std::exp(x));
  case function::softsign:
    return x / (1 + std::fabs(x));
  case function::gelu:
    return x / 2 * (1 + std::erf(x / std::sqrt(2.0)));
  case function::gelu_tanh:
    return x / 2 *
           (1 + std::tanh(std::sqrt(2 / 3.14159265358979323846) * (x + 0.044715 * x * x * x)));
  case function::swish:
    return x * sigmoid(a * x);
  case function::hard_swish:
    return x * act(function::clip, x / 6 + 0.5, 0, 1);
  case function::mish:
    return x * std::tanh(std::log1p(std::exp(x)));
  case function::square:
    return x * x;
  case function::sqrt:
    return std::sqrt(x);
  case function::abs:
    return std::fabs(x);
  case function::exp:
    return std::exp(x);
  case function::log:
    return std::log(x);
  case function::linear:
    return a * x + b;
  }
  return x;
}

/// What is different in training.
struct training_mode {
  std::function<double(int node, index_t element)> dropout; ///< the factor of an element
};

/// The outputs of a network, in order. Inputs are arrays of numbers, indices as well. In training, batch
/// norms take the statistics of the batch.
inline std::vector<std::vector<double>> interpret(graph::node const* nodes, int count,
                                                  random_weights const& weights, index_t batch,
                                                  std::vector<std::vector<double>> const& inputs,
                                                  training_mode const* training = nullptr) {
  namespace op = graph::op;
  std::vector<std::vector<double>> v(static_cast<std::size_t>(count)), outputs;
  std::size_t input = 0;
  auto const at = [](index_t i) { return static_cast<std::size_t>(i); };
  for (int id = 0; id < count; ++id) {
    graph::node const& n = nodes[id];
    graph::dims const shape = n.shape;
    index_t const scale = shape.dynamic() ? batch : 1, size = shape.size() * scale;
    index_t const c_out = shape.last(), rows = size / c_out;
    std::vector<double>& y = v[at(id)];
    y.assign(at(size), 0.0);
    auto const x_of = [&](int k) -> std::vector<double> const& { return v[at(n.inputs[k])]; };
    graph::dims const in = n.inputs.count > 0 ? nodes[n.inputs[0]].shape : graph::dims{};
    // The element of an operand that meets element i: its coordinates, 0 along axes of extent 1.
    auto const element = [&](int k, index_t i) {
      graph::dims const& s = nodes[n.inputs[k]].shape;
      index_t from = 0, stride = 1;
      for (int d = shape.rank - 1; d > 0; i /= shape[d], stride *= s[d], --d)
        from += s[d] == 1 ? 0 : i % shape[d] * stride;
      return x_of(k)[at(from + i * stride)];
    };
    auto const is = [&](auto const&... kinds) { return (... || (n.kind == kinds)); };
    [&] {
      if (is(op::input)) {
        y = inputs[input++];
        return;
      }
      if (is(op::output)) {
        outputs.push_back(x_of(0));
        y = x_of(0);
        return;
      }
      if (is(op::identity, op::dropout)) {
        y = x_of(0);
        if (training && is(op::dropout))
          for (index_t i = 0; i < size; ++i) y[at(i)] *= training->dropout(id, i);
        return;
      }
      if (is(op::reshape)) {
        interpret_reshape(n, in, x_of(0), y);
        return;
      }
      if (is(op::constant)) {
        y.assign(at(size), static_cast<double>(n.attributes.number));
        return;
      }
      if (is(op::parameter)) {
        auto const& w = weights(n, "");
        index_t const item = shape.item(), pixels = item / c_out;
        bool const first = n.attributes.reads == graph::order::channels_first;
        for (index_t i = 0; i < size; ++i) {
          index_t const k = i % item;
          y[at(i)] = static_cast<double>(w[at(first ? k % c_out * pixels + k / c_out : k)]);
        }
        return;
      }
      if (is(op::activation)) {
        for (index_t i = 0; i < size; ++i)
          y[at(i)] = act(n.attributes.act, x_of(0)[at(i)], static_cast<double>(n.attributes.a),
                         static_cast<double>(n.attributes.b));
        return;
      }
      if (is(op::where)) {
        interpret_where(n, element, y);
        return;
      }
      if (is(op::resize_nearest, op::resize_linear)) {
        interpret_resize(n, in, x_of(0), y);
        return;
      }
      if (is(op::pixel_shuffle, op::pixel_unshuffle)) {
        interpret_shuffle(n, in, x_of(0), y);
        return;
      }
      if (is(op::cumulative_sum)) {
        interpret_cumulative_sum(n, x_of(0), y);
        return;
      }
      if (is(op::add, op::subtract, op::multiply, op::divide, op::minimum, op::maximum)) {
        for (index_t i = 0; i < size; ++i) {
          double const l = element(0, i), r = element(1, i);
          y[at(i)] = n.kind == op::add        ? l + r
                     : n.kind == op::subtract ? l - r
                     : n.kind == op::multiply ? l * r
                     : n.kind == op::divide   ? l / r
                     : l != l || r != r       ? NAN
                     : n.kind == op::minimum  ? std::fmin(l, r)
                                              : std::fmax(l, r);
        }
        return;
      }
      if (is(op::dense)) {
        auto const& w = weights(n, ".weight");
        index_t const k = in.last();
        for (index_t r = 0; r < rows; ++r)
          for (index_t j = 0; j < c_out; ++j) {
            double s = n.attributes.bias ? static_cast<double>(weights(n, ".bias")[at(j)]) : 0;
            for (index_t i = 0; i < k; ++i)
              s += x_of(0)[at(r * k + i)] * static_cast<double>(w[at(j * k + i)]);
            y[at(r * c_out + j)] = s;
          }
        return;
      }
      if (is(op::conv, op::max_pool, op::average_pool)) {
        if (n.attributes.adaptive) {
          interpret_adaptive(n, graph::detail::image_of(in), graph::detail::image_of(shape), x_of(0),
                             y);
          return;
        }
        bool const conv = n.kind == op::conv;
        std::vector<f32> const* const filters = conv ? &weights(n, ".weight") : nullptr;
        ia_nn::spatial const si = graph::detail::image_of(in), so = graph::detail::image_of(shape);
        auto const& w = n.attributes.win;
        index_t const c_in = in.last(), group_in = c_in / n.attributes.groups;
        index_t const group_out = c_out / n.attributes.groups, images = size / (so.size() * c_out);
        for (index_t b = 0; b < images; ++b)
          for (index_t o = 0; o < so.size(); ++o)
            for (index_t f = 0; f < c_out; ++f) {
              index_t const oz = o / (so.height * so.width), oy = o / so.width % so.height,
                            ox = o % so.width;
              double sum = 0, most = -INFINITY;
              index_t inside = 0, padded = 0, t = 0;
              for (index_t kz = 0; kz < w.kernel.depth; ++kz)
                for (index_t ky = 0; ky < w.kernel.height; ++ky)
                  for (index_t kx = 0; kx < w.kernel.width; ++kx, ++t) {
                    index_t const z = oz * w.stride.depth - w.pad_begin.depth + kz * w.dilation.depth,
                                  yy = oy * w.stride.height - w.pad_begin.height +
                                       ky * w.dilation.height,
                                  xx =
                                      ox * w.stride.width - w.pad_begin.width + kx * w.dilation.width;
                    padded += z < si.depth + w.pad_end.depth && yy < si.height + w.pad_end.height &&
                              xx < si.width + w.pad_end.width;
                    if (z < 0 || z >= si.depth || yy < 0 || yy >= si.height || xx < 0 ||
                        xx >= si.width)
                      continue;
                    ++inside;
                    index_t const pixel = ((b * si.depth + z) * si.height + yy) * si.width + xx;
                    if (!conv) {
                      double const e = x_of(0)[at(pixel * c_in + f)];
                      sum += e;
                      most = std::fmax(most, e);
                      continue;
                    }
                    double const* const from =
                        x_of(0).data() + pixel * c_in + f / group_out * group_in;
                    f32 const* const by = filters->data() + f * group_in * w.kernel.size() + t;
                    for (index_t c = 0; c < group_in; ++c)
                      sum += from[c] * static_cast<double>(by[c * w.kernel.size()]);
                  }
              double& to = y[at((b * so.size() + o) * c_out + f)];
              if (conv)
                to = sum + (n.attributes.bias ? static_cast<double>(weights(n, ".bias")[at(f)]) : 0);
              else if (n.kind == op::max_pool) to = most;
              else
                to = inside ? sum / static_cast<double>(n.attributes.count_padding ? padded : inside) : 0;
            }
        return;
      }
      if (is(op::batch_norm)) {
        std::vector<double> mean(at(c_out)), variance(at(c_out));
        for (index_t i = 0; training && i < size; ++i)
          mean[at(i % c_out)] += x_of(0)[at(i)] / static_cast<double>(rows);
        for (index_t i = 0; training && i < size; ++i) {
          double const d = x_of(0)[at(i)] - mean[at(i % c_out)];
          variance[at(i % c_out)] += d * d / static_cast<double>(rows);
        }
        for (index_t c = 0; !training && c < c_out; ++c) {
          mean[at(c)] = static_cast<double>(weights(n, ".running_mean")[at(c)]);
          variance[at(c)] = static_cast<double>(weights(n, ".running_var")[at(c)]);
        }
        for (index_t i = 0; i < size; ++i) {
          std::size_t const c = at(i % c_out);
          double const u =
              (x_of(0)[at(i)] - mean[c]) / std::sqrt(variance[c] + static_cast<double>(n.attributes.epsilon));
          y[at(i)] = n.attributes.affine ? u * static_cast<double>(weights(n, ".weight")[c]) +
                                         static_cast<double>(weights(n, ".bias")[c])
                                   : u;
        }
        return;
      }
      if (is(op::softmax, op::log_softmax, op::layer_norm)) {
        for (index_t r = 0; r < rows; ++r) {
          double const* const x = x_of(0).data() + r * c_out;
          double most = -INFINITY, sum = 0, mean = 0, variance = 0;
          for (index_t i = 0; i < c_out; ++i) most = std::fmax(most, x[i]), mean += x[i];
          mean /= static_cast<double>(c_out);
          for (index_t i = 0; i < c_out; ++i)
            sum += std::exp(x[i] - most), variance += (x[i] - mean) * (x[i] - mean);
          variance /= static_cast<double>(c_out);
          for (index_t i = 0; i < c_out; ++i) {
            double& to = y[at(r * c_out + i)];
            if (n.kind == op::softmax) to = std::exp(x[i] - most) / sum;
            else if (n.kind == op::log_softmax) to = x[i] - most - std::log(sum);
            else {
              to = (x[i] - mean) / std::sqrt(variance + static_cast<double>(n.attributes.epsilon));
              if (n.attributes.affine)
                to = to * static_cast<double>(weights(n, ".weight")[at(i)]) +
                     static_cast<double>(weights(n, ".bias")[at(i)]);
            }
          }
        }
        return;
      }
      if (is(op::rms_norm, op::l2_norm)) {
        double const epsilon = static_cast<double>(n.attributes.epsilon);
        for (index_t r = 0; r < rows; ++r) {
          double const* const x = x_of(0).data() + r * c_out;
          double squares = 0, magnitudes = 0;
          for (index_t i = 0; i < c_out; ++i) squares += x[i] * x[i], magnitudes += std::fabs(x[i]);
          double const length = is(op::rms_norm)          ? std::sqrt(squares / static_cast<double>(c_out) + epsilon)
                                : n.attributes.power == 1 ? std::fmax(magnitudes, epsilon)
                                                          : std::fmax(std::sqrt(squares), epsilon);
          for (index_t i = 0; i < c_out; ++i)
            y[at(r * c_out + i)] =
                x[i] / length * (n.attributes.affine ? static_cast<double>(weights(n, ".weight")[at(i)]) : 1);
        }
        return;
      }
      if (is(op::lrn)) {
        for (index_t i = 0; i < size; ++i) {
          bool const behind = n.attributes.sums == ia_nn::lrn_window::onnx; // has the odd one of an even size
          index_t const c = i % c_out, before = (behind ? n.attributes.neighbours - 1 : n.attributes.neighbours) / 2;
          double s = 0;
          for (index_t k = c - before; k < c - before + n.attributes.neighbours; ++k)
            if (k >= 0 && k < c_out) s += x_of(0)[at(i - c + k)] * x_of(0)[at(i - c + k)];
          y[at(i)] = x_of(0)[at(i)] / std::pow(static_cast<double>(n.attributes.offset) +
                                                   static_cast<double>(n.attributes.alpha) /
                                                       static_cast<double>(n.attributes.neighbours) * s,
                                               static_cast<double>(n.attributes.beta));
        }
        return;
      }
      if (is(op::concat)) {
        index_t outer = scale;
        for (int d = 0; d < n.attributes.axis; ++d) outer *= shape[d] == graph::any_batch ? 1 : shape[d];
        index_t offset = 0, whole = size / outer;
        for (int k = 0; k < n.inputs.count; ++k) {
          index_t const part = static_cast<index_t>(x_of(k).size()) / outer;
          for (index_t o = 0; o < outer; ++o)
            for (index_t i = 0; i < part; ++i)
              y[at(o * whole + offset + i)] = x_of(k)[at(o * part + i)];
          offset += part;
        }
        return;
      }
      if (is(op::embedding)) {
        for (index_t i = 0; i < size; ++i)
          y[at(i)] = static_cast<double>(weights(
              n, ".weight")[at(static_cast<index_t>(x_of(0)[at(i / c_out)]) * c_out + i % c_out)]);
        return;
      }
      if (interpret_selected(n, nodes, weights, x_of, y)) return;
      if (is(op::custom)) {
        std::vector<std::vector<f32>> in32;
        std::vector<f32 const*> p;
        for (int k = 0; k < n.inputs.count; ++k) in32.emplace_back(x_of(k).begin(), x_of(k).end());
        for (auto const& a : in32) p.push_back(a.data());
        std::vector<f32> out(at(size));
        n.attributes.run({batch, p.data(), out.data(), size});
        y.assign(out.begin(), out.end());
        return;
      }
      if (is(op::deconv)) {
        interpret_deconv(n, graph::detail::image_of(in), graph::detail::image_of(shape), in.last(),
                         weights, x_of(0), y);
        return;
      }
      if (is(op::group_norm)) {
        interpret_group_norm(n, shape.dynamic() ? batch : shape[0], weights, x_of(0), y);
        return;
      }
      if (is(op::pad, op::transpose, op::slice)) {
        interpret_move(n, in, x_of(0), y);
        return;
      }
      if (is(op::matmul)) {
        interpret_matmul(n, in, nodes[n.inputs[1]].shape, x_of(0), x_of(1), y);
        return;
      }
      if (is(op::attention)) {
        int const mask = graph::detail::attention_mask(n), lengths = graph::detail::attention_lengths(n);
        interpret_attention(n, in, nodes[n.inputs[2]].shape, mask < 0 ? in : nodes[n.inputs[mask]].shape, x_of(0), x_of(1),
                            x_of(2), mask < 0 ? std::vector<double>{} : x_of(mask),
                            lengths < 0 ? std::vector<double>{} : x_of(lengths), y);
        return;
      }
      if (is(op::lstm, op::gru, op::rnn)) {
        interpret_rnn(n, shape.dynamic() ? batch : shape[0], in[1], in.last(), weights, x_of(0), y);
        return;
      }
    }();
  }
  return outputs;
}

/// A problem for any network: weights, inputs, and what comes out of the oracle, or of another one.
struct problem {
  problem() = default;
  problem(graph::node const* nodes, int count, index_t items, random& r)
      : weights(nodes, count, r), batch(items) {
    for (int i = 0; i < count; ++i) {
      graph::node const& n = nodes[i];
      if (n.kind == graph::op::output) continue;
      if (n.kind != graph::op::input) continue;
      index_t const size = n.shape.size() * (n.shape.dynamic() ? batch : 1);
      index_t most = INT32_MAX, least = 0; // rows of the smallest table that reads these indices
      bool from_end = true;                // all that read them count from the end
      for (int k = 0; k < count; ++k) {
        if (int const l = nodes[k].kind == graph::op::attention ? graph::detail::attention_lengths(nodes[k]) : -1;
            l >= 0 && nodes[k].inputs[l] == i)
          most = std::min(most, nodes[nodes[k].inputs[1]].shape[1] + 2), from_end = false; // none, and more than there are
        int const which = nodes[k].kind->index_input;
        if (which < 0 || nodes[k].inputs[which] != i) continue;
        most = std::min(most, nodes[k].attributes.table_rows);
        from_end = from_end && nodes[k].kind->counts_from_end;
      }
      if (most == INT32_MAX) most = 12, from_end = false; // of one_hot
      if (from_end) least = -most;
      std::vector<double>& x = numbers.emplace_back();
      if (n.type == graph::value_type::f32) {
        auto& b = floats.emplace_back(size);
        for (f32& e : b) e = r.normal(), x.push_back(static_cast<double>(e));
        in.emplace_back(b.data());
      } else {
        auto& b = integers.emplace_back(size);
        for (s32& e : b)
          e = static_cast<s32>(r.between(least, most - 1)), x.push_back(static_cast<double>(e));
        in.emplace_back(b.data());
      }
    }
    expected = interpret(nodes, count, weights, batch, numbers);
  }

  // `in` needs graph/compiled.hpp's source; kept as pointers with their type here.
  struct pointer {
    f32 const* f = nullptr;
    s32 const* i = nullptr;
    explicit pointer(f32 const* p) : f(p) {}
    explicit pointer(s32 const* p) : i(p) {}
  };

  random_weights weights;
  index_t batch = 0;
  std::deque<exact_buffer<f32>> floats;
  std::deque<exact_buffer<s32>> integers;
  std::vector<pointer> in;
  std::vector<std::vector<double>> numbers, expected;
};

} // namespace ia_nn_test

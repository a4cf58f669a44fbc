// SPDX-License-Identifier: Apache-2.0
//
// Training of a network that will run in 8 bits: forward, what layers with weights read and their weights are
// rounded as they will be; backward, gradients pass as if nothing had been rounded (Bengio et al., arXiv
// 1308.3432), but for numbers beyond the range.
//
//   graph::trainer<graph::quantize_aware<my_net>> t;
//   t.load(weights);                                                     // of the network in f32
//   ... t.step(...)
//   graph::value_ranges const ranges = graph::calibrate<my_net>(t.weights(), samples);
//   graph::compiled<my_net, graph::native<isa::native, s8>> const net(t.weights(), {.ranges = ranges});
//
// Ranges of values are moving averages of those of the batches. They belong to the training: checkpoints have
// them, `weights()` has not.
#pragma once

#include <ia_nn/graph/layers/options.hpp>
#include <ia_nn/graph/passes/network.hpp>
#include <ia_nn/graph/train/elementwise.hpp>
#include <ia_nn/int8/schemes.hpp>
#include <ia_nn/math/reduce.hpp>

#include <ia_nn/begin.hpp>
namespace graph {

namespace detail {
constexpr void range_weights(node const&, node_inputs, std::vector<weight>& to) {
  to.push_back({.suffix = ".range", .shape = dims{2}, .learned = false, .of_training = true});
}
} // namespace detail

namespace op {
/// Rounds to steps of u8 between the least and the largest number that was seen.
inline constexpr operator_row fake_quantize{.name = "fake_quantize",
                                            .element_wise = true,
                                            .shape = rules::keeps_shape,
                                            .weights = detail::range_weights,
                                            .gradient = rules::gradient_of_source_in_place};
} // namespace op

/// Puts `fake_quantize` in front of the layers that will multiply bytes, and marks their weights.
constexpr void insert_fake_quantize(draft& d, quantize_rules const& r) {
  int first = -1, last = -1;
  for (int id = 0; id < d.count(); ++id)
    if (d[id].kind->multiplies) first = first < 0 ? id : first, last = id;
  std::vector<node> made;
  std::vector<int> place(d.nodes.size(), -1), rounded(d.nodes.size(), -1);
  for (int id = 0; id < d.count(); ++id) {
    node n = d[id];
    bool const excluded = is_named(r.in_float, n) || (r.first_in_float && id == first) ||
                          (r.last_in_float && id == last);
    bool const says = n.attributes.precision != precision::of_net && n.attributes.precision != precision::s8;
    bool const quantized = n.kind->multiplies && n.kind->eight_bits != quantizes::never && !excluded && !says &&
                           n.kind->takes_bytes(n);
    for (int k = 0; k < n.inputs.count; ++k) {
      int const from = n.inputs[k];
      n.inputs[k] = place[static_cast<std::size_t>(from)];
      if (!quantized || k > 0) continue;
      int& q = rounded[static_cast<std::size_t>(from)];
      if (q < 0) {
        node f{.kind = op::fake_quantize, .meaning = d[from].meaning, .name = d[from].name, .shape = d[from].shape};
        f.name += ".rounded";
        f.inputs.add(n.inputs[k]);
        q = static_cast<int>(made.size());
        made.push_back(f);
      }
      n.inputs[k] = q;
    }
    n.attributes.rounded_weights = quantized;
    place[static_cast<std::size_t>(id)] = static_cast<int>(made.size());
    made.push_back(n);
  }
  d.nodes = static_cast<std::vector<node>&&>(made);
}

/// Net in training, as its layers will be in 8 bits. Its `quantize` says which layers stay in f32.
template <class Net> struct quantize_aware : Net {
  static constexpr void pass(draft& d) {
    if constexpr (requires { Net::pass(d); }) Net::pass(d);
    insert_fake_quantize(d, rules_of<Net>());
  }
};

template <training_id K, isa::tag I>
  requires(K.op == op::fake_quantize.id)
struct training_kernel<K, native_kernels<I>> {
  static constexpr index_t reserve_bytes() noexcept { return 0; }
  explicit training_kernel(training_layer const&) {}
  static constexpr index_t workspace_bytes() noexcept { return parts * 64; }
  /// What is not finite becomes NaN, so that the loss says so: clamped it would be lost.
  static void forward(training_call const& c) noexcept {
    if (!c.again) widen(c);
    quantization const q = scheme_of(c);
    V const scale = V::broadcast(q.scale), zero = V::broadcast(static_cast<f32>(q.zero_point)),
            most = V::broadcast(255.0F), none = V::zero();
    detail::map_elements<registers>(c.size(), c.result, *c.executor,
                                    [=](V x) IA_NN_LAMBDA {
                                      V const steps = max(none, min(most, round(x / scale) + zero));
                                      return (steps - zero) * scale + x * none;
                                    },
                                    c.source());
  }
  static void backward(training_call const& c) noexcept {
    quantization const q = scheme_of(c);
    auto const z = static_cast<f32>(q.zero_point);
    activation_backward<registers>(c.size(), c.source(), c.diff_result, c.diff_sources[0],
                                   slope::clip{(-0.5F - z) * q.scale, (255.5F - z) * q.scale}, *c.executor);
  }

private:
  using registers = detail::isa_of_f32<I>;
  using V = vec<f32, registers>;
  static constexpr int parts = 16;

  static quantization scheme_of(training_call const& c) noexcept {
    value_range const r{c.weights[0][0], c.weights[0][1]};
    bool const known = r.low <= 0 && r.high >= 0 && r.high - r.low < 1e30F && r.high > r.low;
    return known ? quantization_of<u8>(r, scheme::asymmetric) : quantization{1.0F / 255, 0};
  }
  /// The range moves a hundredth of the way to that of the batch; the first one is taken as it is.
  static void widen(training_call const& c) noexcept {
    auto* const least = reinterpret_cast<f32*>(c.scratch.data);
    c.executor->parallel_for(parts, [&](index_t part, int) {
      block const own = block_of(c.size(), parts, static_cast<int>(part), 64);
      f32 low = 0, high = 0;
      ::ia_nn::detail::each_register<V>(own.begin, own.end, [&](index_t i, auto at) IA_NN_LAMBDA {
        V const x = at.keep(at.template load<V>(c.source() + i), V::zero());
        f32 const up = highest(x), down = -highest(-x);
        high = up > high ? up : high;
        low = down < low ? down : low;
      });
      least[part * 16] = low, least[part * 16 + 1] = high;
    });
    f32 low = 0, high = 0;
    for (int part = 0; part < parts; ++part) {
      low = least[part * 16] < low ? least[part * 16] : low;
      high = least[part * 16 + 1] > high ? least[part * 16 + 1] : high;
    }
    f32* const range = c.weights[0];
    bool const first = range[0] == 0 && range[1] == 0;
    range[0] = first ? low : range[0] + (low - range[0]) * 0.01F;
    range[1] = first ? high : range[1] + (high - range[1]) * 0.01F;
  }
};

} // namespace graph
IA_NN_END

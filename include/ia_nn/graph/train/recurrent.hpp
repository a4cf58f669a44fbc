// SPDX-License-Identifier: Apache-2.0
//
// Training of recurrent layers. Sequences of a network are (batch, time, features), those of
// train/rnn/rnn_training.hpp have the time first: they are transposed on the way in and out.
#pragma once

#include <ia_nn/graph/kernels/recurrent.hpp>
#include <ia_nn/graph/train/elementwise.hpp>
#include <ia_nn/train/rnn/rnn_training.hpp>

#include <ia_nn/begin.hpp>
namespace graph {

namespace detail {

template <isa::tag I, class Cell, element A> class recurrent_training {
public:
  explicit recurrent_training(training_layer const& l)
      : time_(l.source()[1]), layer_(shape_of(l),
                                     {.max_time = time_, .max_batch = l.images(l.source()), .workers = l.workers}),
        batch_(l.images(l.source())), states_(directions() * l.attributes().layers * batch_ * width()),
        weights_(static_cast<std::size_t>(directions() * l.attributes().layers)), gradients_(weights_.size()) {}

  /// What the layer keeps, and its outputs, time first.
  index_t reserve_bytes() const noexcept { return kept() + bytes(outputs()); }
  /// Source and its gradient, gradient of the outputs, final states.
  index_t workspace_bytes() const noexcept {
    return 2 * bytes(inputs()) + bytes(outputs()) + bytes(states_) + round_up(layer_.workspace_bytes(), 64);
  }

  void forward(training_call const& c) noexcept {
    index_t const n = c.images();
    places const p(*this, c);
    swap_axes(n, time_, features(), c.source(), p.src, *c.executor);
    bind(c);
    rnn_training_call call{.weights = weights_, .src = p.src, .dst = p.dst, .time = time_, .batch = n};
    if (c.of.attributes().last_only) call.final_hidden = p.states;
    layer_.forward(call, p.reserve, p.scratch, *c.executor);
    if (c.of.attributes().last_only) // of the last layer, directions side by side
      swap_axes(directions(), n, width(), p.states + last_states(n), c.result, *c.executor);
    else swap_axes(time_, n, directions() * width(), p.dst, c.result, *c.executor);
  }
  void backward(training_call const& c) noexcept {
    index_t const n = c.images();
    bool const last = c.of.attributes().last_only;
    places const p(*this, c);
    swap_axes(n, time_, features(), c.source(), p.src, *c.executor);
    bind(c);
    if (last) {
      __builtin_memset(static_cast<void*>(p.states), 0, static_cast<std::size_t>(last_states(n)) * sizeof(f32));
      swap_axes(n, directions(), width(), c.diff_result, p.states + last_states(n), *c.executor);
    } else swap_axes(n, time_, directions() * width(), c.diff_result, p.diff_dst, *c.executor);
    gradient const to = c.diff_sources[0];
    layer_.backward({.weights = weights_,
                     .src = p.src,
                     .dst = p.dst,
                     .diff_dst = last ? nullptr : p.diff_dst,
                     .time = time_,
                     .batch = n,
                     .diff_final_hidden = last ? p.states : nullptr,
                     .diff_src = to ? write_to(p.diff_src) : not_wanted,
                     .gradients = gradients_},
                    p.reserve, p.scratch, *c.executor);
    if (!to) return;
    if (!to.add) return swap_axes(time_, n, features(), p.diff_src, to.data, *c.executor);
    swap_axes(time_, n, features(), p.diff_src, p.src, *c.executor);
    pass_on<isa_of_f32<I>>(n * time_ * features(), p.src, to, *c.executor);
  }

private:
  static index_t bytes(index_t elements) noexcept { return ::ia_nn::detail::f32_bytes(elements); }
  static rnn_training_shape shape_of(training_layer const& l) {
    attribute_set const& a = l.attributes();
    return {.input = l.source().last(),
            .hidden = a.hidden,
            .projected = a.projection,
            .layers = a.layers,
            .direction = a.direction == direction::both      ? rnn_direction::concat
                         : a.direction == direction::reverse ? rnn_direction::reverse
                                                             : rnn_direction::forward};
  }
  index_t directions() const noexcept { return layer_.directions(); }
  index_t width() const noexcept { return layer_.output(); }
  index_t features() const noexcept { return layer_.shape_of_stack().input; }
  index_t inputs() const noexcept { return batch_ * time_ * features(); }
  index_t outputs() const noexcept { return batch_ * time_ * directions() * width(); }
  index_t kept() const noexcept { return round_up(layer_.reserve_bytes(), 64); }
  /// Where the states of the last layer begin.
  index_t last_states(index_t n) const noexcept {
    return (layer_.shape_of_stack().layers - 1) * directions() * n * width();
  }

  struct places {
    f32 *src, *diff_src, *diff_dst, *states, *dst;
    workspace_view scratch, reserve;
    places(recurrent_training const& r, training_call const& c) noexcept {
      std::byte* next = c.scratch.data;
      auto const take = [&](index_t elements) {
        auto* const p = reinterpret_cast<f32*>(next);
        next += bytes(elements);
        return p;
      };
      src = take(r.inputs()), diff_src = take(r.inputs()), diff_dst = take(r.outputs()), states = take(r.states_);
      scratch = {next, c.scratch.size - (next - c.scratch.data)};
      reserve = {c.reserve, r.kept()};
      dst = reinterpret_cast<f32*>(c.reserve + r.kept());
    }
  };

  /// (a, b, c) to (b, a, c).
  static void swap_axes(index_t a, index_t b, index_t c, f32 const* from, f32* to, any_executor& e) noexcept {
    std::size_t const size = static_cast<std::size_t>(c) * sizeof(f32);
    parallel_blocks(e, b, ceil_div(8192, a * c), [&](index_t begin, index_t end, int) {
      for (index_t j = begin; j < end; ++j)
        for (index_t i = 0; i < a; ++i) __builtin_memcpy(to + (j * a + i) * c, from + (i * b + j) * c, size);
    });
  }
  void bind(training_call const& c) noexcept {
    attribute_set const& a = c.of.attributes();
    rnn_training_shape const& s = layer_.shape_of_stack();
    index_t const gates = (c.of.layer.kind == op::lstm ? 4 : c.of.layer.kind == op::gru ? 3 : 1) * s.hidden;
    int next = 0;
    for (std::size_t i = 0; i < weights_.size(); ++i) {
      rnn_source& w = weights_[i];
      rnn_gradients& g = gradients_[i];
      index_t const in = static_cast<index_t>(i) < directions() ? s.input : directions() * width();
      auto const take = [&](std::span<f32 const>& view, gradient& diff, index_t size) {
        view = {c.weights[next], static_cast<std::size_t>(size)};
        diff = c.diff_weights[next++];
      };
      w.input = in, w.hidden = s.hidden, w.projected = s.projected;
      take(w.w_input, g.w_input, gates * in);
      take(w.w_recurrent, g.w_recurrent, gates * width());
      if (a.bias) take(w.b_input, g.b_input, gates), take(w.b_recurrent, g.b_recurrent, gates);
      if (s.projected > 0) take(w.projection, g.projection, s.projected * s.hidden);
    }
  }

  index_t time_;
  rnn_training<I, Cell, A> layer_;
  index_t batch_, states_;
  std::vector<rnn_source> weights_;
  std::vector<rnn_gradients> gradients_;
};

} // namespace detail

template <training_id K, isa::tag I>
  requires((K.op == op::lstm.id || K.op == op::gru.id || K.op == op::rnn.id) &&
           (K.multiplies == precision::f32 || K.multiplies == precision::bf16))
struct training_kernel<K, native_kernels<I>>
    : detail::recurrent_training<
          detail::isa_of_product<I, K.multiplies>,
          detail::recurrent_cell_of<kernel_id{K.op, K.multiplies, value_type::f32, value_type::f32, K.variant}>,
          std::conditional_t<K.multiplies == precision::bf16, bf16, f32>> {
  using base = detail::recurrent_training<
      detail::isa_of_product<I, K.multiplies>,
      detail::recurrent_cell_of<kernel_id{K.op, K.multiplies, value_type::f32, value_type::f32, K.variant}>,
      std::conditional_t<K.multiplies == precision::bf16, bf16, f32>>;
  using base::base;
};

} // namespace graph
IA_NN_END

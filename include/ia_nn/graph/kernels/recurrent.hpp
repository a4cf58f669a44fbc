// SPDX-License-Identifier: Apache-2.0
//
// Recurrent layers. They read f32, in 8 bits bytes of the scale of their source, and write f32. States of
// 8-bit layers are bytes between steps of time: 127 steps to 1 where nothing but tanh and sigmoid makes
// them, else of the range of the result, which holds them all (layers/recurrent.hpp: knows_states).
#pragma once

#include <ia_nn/graph/kernels/move.hpp>
#include <ia_nn/graph/layers/recurrent.hpp>
#include <ia_nn/rnn/rnn.hpp>

#include <ia_nn/begin.hpp>
namespace graph {

namespace detail {

/// What is read, what is multiplied, and the weights.
template <precision P, element Reads> struct recurrent_types {
  using operand = f32;
  using weights = f32;
};
template <element Reads> struct recurrent_types<precision::bf16, Reads> {
  using operand = bf16;
  using weights = bf16;
};
template <element Reads> struct recurrent_types<precision::s8, Reads> {
  using operand = Reads;
  using weights = s8;
};
template <element Reads> struct recurrent_types<precision::dynamic_s8, Reads> {
  using operand = u8;
  using weights = s8;
};

/// How layer `layer` of a stack quantizes x and h.
template <precision P, element A>
rnn_quantization recurrent_quantization(kernel_loader const& l, int layer) {
  rnn_quantization q;
  q.dynamic = P == precision::dynamic_s8;
  if constexpr (P == precision::s8) {
    q.hidden = has_bounded_states(l.layer.attributes)
                   ? quantization{1.0F / 127.0F, ::ia_nn::detail::middle_of<A>}
                   : rnn_quantization_of<A>(l.result_range());
    q.input = layer == 0 ? l.source_scaling() : q.hidden;
  }
  return q;
}
/// Errors: errc::bad_parameter if sums of so many products of bytes may not fit s32.
inline void check_byte_sums(kernel_loader const& l, index_t products) {
  if (products > INT32_MAX / (255 * 127))
    throw_error(errc::bad_parameter, l.who() + ": sums of " + std::to_string(products) +
                                         " 8-bit products may leave s32");
}

template <class Cell, isa::tag I, precision P, element X> struct recurrent_kernel : plain_kernel {
  using A = typename recurrent_types<P, X>::operand;
  using weights_type = rnn_weights<I, Cell, A, typename recurrent_types<P, X>::weights>;
  struct store {
    ::ia_nn::rnn<weights_type> layer;
    index_t time, width; ///< of the last layer's output, for each direction
    bool last_only;
  };
  static store load(kernel_loader& l) {
    attribute_set const& a = l.layer.attributes;
    index_t const directions = directions_of(l.layer), width = output_width(l.layer);
    std::vector<weights_type> layers;
    if constexpr (byte_element<A>)
      check_byte_sums(l, max_of(l.source.last(), max_of(a.hidden, directions * width)));
    for (int layer = 0; layer < a.layers; ++layer)
      for (index_t d = 0; d < directions; ++d) {
        std::string const end = "_l" + std::to_string(layer) + (d == 1 ? "_reverse" : "");
        auto const read = [&](char const* what) { return l.read_if_listed(what + end); };
        std::vector<f32> const w = read(".weight_ih"), u = read(".weight_hh"),
                               b = read(".bias_ih"), c = read(".bias_hh"), p = read(".weight_hr");
        layers.emplace_back(
            gate_order::pytorch{},
            rnn_source{.input = layer == 0 ? l.source.last() : directions * width,
                       .hidden = a.hidden,
                       .w_input = w,
                       .w_recurrent = u,
                       .b_input = b,
                       .b_recurrent = c,
                       .projection = p,
                       .projected = a.projection},
            Cell{}, recurrent_quantization<P, A>(l, layer), l.who());
      }
    rnn_direction const order = a.direction == direction::both      ? rnn_direction::concat
                                : a.direction == direction::reverse ? rnn_direction::reverse
                                                                    : rnn_direction::forward;
    store s{{std::move(layers),
             {.max_time = l.source[1],
              .max_batch = l.max_batch,
              .workers = l.workers,
              .direction = order,
              .layout = rnn_layout::batch_first}},
            l.source[1],
            width,
            a.last_only};
    index_t const states = a.last_only ? a.layers * directions * l.max_batch * width : 0;
    l.scratch = round_up(s.layer.workspace_bytes(), 64) + round_up(states * 4, 64);
    return s;
  }
  /// Final states go through the front of `scratch`: a batch may have them from two directions.
  template <class E> static void run(store const& s, step_call const& c, E& e) noexcept {
    rnn_call<X, f32> call{
        .src = c.source<X>(), .dst = c.result(), .time = s.time, .batch = c.batch()};
    if (!s.last_only) {
      s.layer.run(call, c.scratch, e);
      return;
    }
    index_t const directions = s.layer.directions(), each = c.batch() * s.width,
                  states = s.layer.layers_count() * directions * each,
                  bytes = round_up(states * 4, 64), row = 4 * s.width;
    std::byte* const last = c.scratch.data;
    call.dst = nullptr;
    call.final_hidden = reinterpret_cast<f32*>(last);
    s.layer.run(call, {c.scratch.data + bytes, c.scratch.size - bytes}, e);
    for (index_t d = 0; d < directions; ++d)
      copy_rows(last + 4 * (states + (d - directions) * each), c.result<std::byte>() + d * row,
                c.batch(), row, directions * row, e);
  }
};

template <kernel_id K>
using recurrent_cell_of =
    std::conditional_t<K.op == op::lstm.id, ::ia_nn::lstm,
                       std::conditional_t<K.op == op::gru.id,
                                          std::conditional_t<K.variant == 0, ::ia_nn::gru, ::ia_nn::gru_reset_before>,
                                          std::conditional_t<K.variant == 0, vanilla<>,
                                                             vanilla<activation::relu>>>>;

} // namespace detail

template <kernel_id K, isa::tag I>
  requires(K.op == op::lstm.id || K.op == op::gru.id || K.op == op::rnn.id)
struct kernel<K, native_kernels<I>>
    : detail::recurrent_kernel<detail::recurrent_cell_of<K>,
                               detail::isa_of_product<I, K.multiplies>, K.multiplies,
                               element_of<K.reads>> {};

} // namespace graph
IA_NN_END

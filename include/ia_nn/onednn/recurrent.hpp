// SPDX-License-Identifier: Apache-2.0
//
// LSTM, GRU and vanilla recurrent layers in f32 and bf16. A layer of a stack is one primitive, for both
// of its directions:
//
//   source -> [to bf16] -> layer 0 -> layer 1 -> ... -> [to f32, to where it belongs] -> result
//
// Between layers values lie in scratch, (batch, time, features) throughout. In bf16 what a layer gives is
// rounded to bf16; the native kernel rounds what is multiplied and keeps results in f32.
//
// In 8 bits oneDNN has one scale for x and h, and networks here have two: those are this library's.
#pragma once

#include <ia_nn/graph/kernels/recurrent.hpp>
#include <ia_nn/onednn/kernel.hpp>

#include <ia_nn/begin.hpp>
namespace via_onednn {

/// A layer's weights in oneDNN's order of gates: z before r, and of the GRU that resets behind the
/// product a bias of its own for the recurrent part of n.
template <kernel_id K> class recurrent_weights {
  static constexpr bool is_lstm = K.op == graph::op::lstm.id, is_gru = K.op == graph::op::gru.id,
                        apart = is_gru && K.variant == 0;

public:
  static constexpr index_t gates = is_lstm ? 4 : is_gru ? 3 : 1, biases = apart ? 4 : gates;

  recurrent_weights(kernel_loader const& l, int layer)
      : l_(l), layer_(layer), hidden_(l.layer.attributes.hidden), directions_(graph::detail::directions_of(l.layer)) {}

  /// (1, directions, k, gates, hidden)
  memory matrix(char const* what, index_t k) const {
    std::vector<f32> to;
    for (index_t d = 0; d < directions_; ++d) {
      std::vector<f32> const w = read(what, d);
      for (index_t i = 0; i < k; ++i)
        for (index_t g = 0; g < gates; ++g)
          for (index_t o = 0; o < hidden_; ++o)
            to.push_back(w[static_cast<std::size_t>((source_gate(g) * hidden_ + o) * k + i)]);
    }
    return plain({{1, directions_, k, gates, hidden_}, data_type::f32, tag::ldigo}, to);
  }
  memory bias() const {
    std::vector<f32> to;
    for (index_t d = 0; d < directions_; ++d) {
      std::vector<f32> const b = read(".bias_ih", d), c = read(".bias_hh", d);
      for (index_t g = 0; g < biases; ++g)
        for (index_t o = 0; o < hidden_; ++o) {
          auto const at = static_cast<std::size_t>(source_gate(min_of(g, gates - 1)) * hidden_ + o);
          to.push_back(b.empty()              ? 0.0F
                       : !apart || g < 2      ? b[at] + c[at]
                       : g == 2               ? b[at]
                                              : c[at]);
        }
    }
    return plain({{1, directions_, biases, hidden_}, data_type::f32, tag::ldgo}, to);
  }
  memory projection(index_t width) const {
    std::vector<f32> to;
    for (index_t d = 0; d < directions_; ++d) {
      std::vector<f32> const w = read(".weight_hr", d);
      for (index_t i = 0; i < hidden_; ++i)
        for (index_t o = 0; o < width; ++o) to.push_back(w[static_cast<std::size_t>(o * hidden_ + i)]);
    }
    return plain({{1, directions_, hidden_, width}, data_type::f32, tag::ldio}, to);
  }

private:
  static constexpr index_t source_gate(index_t g) { return is_gru && g < 2 ? 1 - g : g; }
  std::vector<f32> read(char const* what, index_t direction) const {
    return l_.read_if_listed(what + ("_l" + std::to_string(layer_)) + (direction == 1 ? "_reverse" : ""));
  }
  kernel_loader const& l_;
  int layer_;
  index_t hidden_, directions_;
};

template <kernel_id K> class recurrent_maker {
  using weights_of = recurrent_weights<K>;
  static constexpr data_type operand =
      K.multiplies == graph::precision::bf16 ? data_type::bf16 : data_type::f32;
  static constexpr index_t bytes = operand == data_type::bf16 ? 2 : 4;

public:
  explicit recurrent_maker(kernel_loader& l)
      : l_(l), time_(l.source[1]), directions_(graph::detail::directions_of(l.layer)),
        width_(graph::detail::output_width(l.layer)),
        program_(std::make_unique<program>(l.items(), threads_of(l))) {
    graph::attribute_set const& a = l.layer.attributes;
    last_only_ = a.last_only;
    layers_ = a.layers;
    direction_ = a.direction == graph::direction::both      ? dnnl::rnn_direction::bidirectional_concat
                 : a.direction == graph::direction::reverse ? dnnl::rnn_direction::unidirectional_right2left
                                                            : dnnl::rnn_direction::unidirectional_left2right;
    index_t const features = directions_ * width_, ld = l.plan.places[l.what().out].ld;
    moves_ = bytes == 2 || ld != features || (last_only_ && directions_ == 2);
    // Scratch, for the largest batch: two values between layers, the source, final states, and cells.
    index_t const n = batch(l.items());
    each_ = round_up(n * time_ * features * bytes, 64);
    source_ = 2 * each_;
    states_ = source_ + (bytes == 2 ? round_up(n * time_ * l.source.last() * bytes, 64) : 0);
    cells_ = states_ + round_up(n * features * bytes, 64);
    pad_ = cells_ + round_up(n * directions_ * a.hidden * 4, 64);
  }

  std::unique_ptr<program> make() {
    for (int layer = 0; layer < layers_; ++layer) load(layer);
    for (int size = 0; size < program_->sizes(); ++size) {
      index_t const items = program_->items(size);
      if (bytes == 2 && !add_move(size, sequence(items, l_.source.last(), data_type::f32), source(),
                                  sequence(items, l_.source.last(), operand), {found::scratch, 0, source_}))
        return nullptr;
      for (int layer = 0; layer < layers_; ++layer)
        if (!add_layer(size, items, layer)) return nullptr;
      if (moves_ && !add_result(size, items)) return nullptr;
    }
    l_.scratch = pad_ + most_;
    return std::move(program_);
  }

private:
  struct layer_weights {
    weight_layouts layer, iter, projection;
    memory bias;
  };
  index_t batch(index_t items) const { return l_.source.dynamic() ? items : l_.source[0]; }
  memory::desc sequence(index_t items, index_t features, data_type t) const {
    return {{time_, batch(items), features}, t, tag::ntc};
  }
  place source() const {
    return {found::source, 0, 0, shape_of_value::bytes_of_item(l_.source, value_type::f32)};
  }
  place result() const {
    index_t const rows = last_only_ ? 1 : time_;
    return {found::result, 0, 0, rows * l_.plan.places[l_.what().out].ld * 4};
  }
  void load(int layer) {
    weights_of const w(l_, layer);
    index_t const features = layer == 0 ? l_.source.last() : directions_ * width_;
    bool const projected = l_.layer.attributes.projection > 0;
    weights_.push_back({weight_layouts(w.matrix(".weight_ih", features)),
                        weight_layouts(w.matrix(".weight_hh", width_)),
                        weight_layouts(projected ? w.projection(width_) : memory()), w.bias()});
  }
  bool add_move(int size, memory::desc const& from, place const& at, memory::desc const& to, place const& there) {
    dnnl::primitive_attr const a = attributes_with({});
    auto const d = attempt([&] {
      return dnnl::reorder::primitive_desc(engine(), from, engine(), to, a, true);
    });
    if (!d) return false;
    std::vector<argument> arguments{{DNNL_ARG_FROM, from, at}, {DNNL_ARG_TO, to, there}};
    add(size, dnnl::reorder(*d), *d, std::move(arguments));
    return true;
  }
  template <class D> void add(int size, dnnl::primitive const& code, D const& d, std::vector<argument> arguments) {
    if (index_t const n = static_cast<index_t>(d.scratchpad_desc().get_size()); n > 0) {
      arguments.push_back({DNNL_ARG_SCRATCHPAD, d.scratchpad_desc(), {found::scratch, 0, pad_}});
      most_ = max_of(most_, n);
    }
    program_->add(size, code, std::move(arguments));
  }

  bool add_layer(int size, index_t items, int layer) {
    bool const last = layer + 1 == layers_;
    index_t const features = layer == 0 ? l_.source.last() : directions_ * width_, n = batch(items),
                  hidden = l_.layer.attributes.hidden;
    memory::desc const none, x = sequence(items, features, operand),
                             y = sequence(items, directions_ * width_, operand),
                             w({1, directions_, features, weights_of::gates, hidden}, operand, tag::any),
                             u({1, directions_, width_, weights_of::gates, hidden}, operand, tag::any),
                             b({1, directions_, weights_of::biases, hidden}, data_type::f32, tag::ldgo),
                             h = last && last_only_
                                     ? memory::desc({1, directions_, n, width_}, operand, tag::ldnc)
                                     : none;
    place const from = layer > 0 ? place{found::scratch, 0, (layer - 1) % 2 * each_}
                       : bytes == 2 ? place{found::scratch, 0, source_}
                                    : source();
    place const between{found::scratch, 0, layer % 2 * each_};
    place const to = last && !moves_ && !last_only_ ? result() : between;
    std::vector<argument> arguments{{DNNL_ARG_SRC_LAYER, x, from}, {DNNL_ARG_DST_LAYER, y, to}};
    if (last && last_only_)
      arguments.push_back({DNNL_ARG_DST_ITER, h, moves_ ? place{found::scratch, 0, states_} : result()});
    dnnl::primitive_attr const a = attributes_with({});
    if constexpr (K.op == graph::op::lstm.id) {
      bool const projected = l_.layer.attributes.projection > 0;
      if (projected && bytes == 2) return false; // its code for bf16 gives other numbers (2.6 and 3.2)
      memory::desc const p = projected ? memory::desc({1, directions_, hidden, width_}, operand, tag::any) : none,
                         c = last && last_only_ ? memory::desc({1, directions_, n, hidden}, data_type::f32, tag::ldnc)
                                                : none;
      auto const d = describe<dnnl::lstm_forward>(a, inference, direction_, x, none, none, w, u, none, p, b, y, h, c);
      if (!d) return false;
      if (last && last_only_) arguments.push_back({DNNL_ARG_DST_ITER_C, c, {found::scratch, 0, cells_}});
      if (projected)
        arguments.push_back({DNNL_ARG_WEIGHTS_PROJECTION, d->weights_projection_desc(), {},
                             weights(layer).projection.in(d->weights_projection_desc())});
      return bind<dnnl::lstm_forward>(size, layer, *d, std::move(arguments));
    } else if constexpr (K.op == graph::op::gru.id) {
      using primitive = std::conditional_t<K.variant == 0, dnnl::lbr_gru_forward, dnnl::gru_forward>;
      auto const d = describe<primitive>(a, inference, direction_, x, none, w, u, b, y, h);
      return d && bind<primitive>(size, layer, *d, std::move(arguments));
    } else {
      algorithm const f = K.variant == 0 ? algorithm::eltwise_tanh : algorithm::eltwise_relu;
      auto const d = describe<dnnl::vanilla_rnn_forward>(a, inference, f, direction_, x, none, w, u, b, y, h);
      return d && bind<dnnl::vanilla_rnn_forward>(size, layer, *d, std::move(arguments));
    }
  }
  template <class Primitive, class D>
  bool bind(int size, int layer, D const& d, std::vector<argument> arguments) {
    layer_weights& all = weights(layer);
    arguments.push_back({DNNL_ARG_WEIGHTS_LAYER, d.weights_layer_desc(), {}, all.layer.in(d.weights_layer_desc())});
    arguments.push_back({DNNL_ARG_WEIGHTS_ITER, d.weights_iter_desc(), {}, all.iter.in(d.weights_iter_desc())});
    arguments.push_back({DNNL_ARG_BIAS, all.bias.get_desc(), {}, all.bias});
    program_->name = d.impl_info_str();
    add(size, Primitive(d), d, std::move(arguments));
    return true;
  }
  bool add_result(int size, index_t items) {
    index_t const n = batch(items), ld = l_.plan.places[l_.what().out].ld;
    if (!last_only_) {
      index_t const features = directions_ * width_;
      memory::desc const to({time_, n, features}, data_type::f32, memory::dims{ld, ld * time_, 1});
      return add_move(size, sequence(items, features, operand), {found::scratch, 0, (layers_ - 1) % 2 * each_}, to,
                      result());
    }
    memory::desc const from({1, directions_, n, width_}, operand, tag::ldnc),
        to({1, directions_, n, width_}, data_type::f32, memory::dims{ld * n, width_, ld, 1});
    return add_move(size, from, {found::scratch, 0, states_}, to, result());
  }
  layer_weights& weights(int layer) { return weights_[static_cast<std::size_t>(layer)]; }

  kernel_loader& l_;
  index_t time_, directions_, width_;
  bool last_only_ = false, moves_ = false;
  int layers_ = 1;
  dnnl::rnn_direction direction_{};
  index_t each_ = 0, source_ = 0, states_ = 0, cells_ = 0, pad_ = 0, most_ = 0;
  std::unique_ptr<program> program_;
  std::vector<layer_weights> weights_{};
};

template <kernel_id K> std::unique_ptr<program> make_recurrent(kernel_loader& l) {
  return recurrent_maker<K>(l).make();
}

} // namespace via_onednn

namespace graph {

template <kernel_id K, isa::tag I>
  requires((K.op == op::lstm.id || K.op == op::gru.id || K.op == op::rnn.id) && K.reads == value_type::f32 &&
           (K.multiplies == precision::f32 || K.multiplies == precision::bf16))
struct kernel<K, onednn_kernels<I>> : via_onednn::kernel_or_native<K, I, &via_onednn::make_recurrent<K>> {};

} // namespace graph
IA_NN_END

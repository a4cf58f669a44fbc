// SPDX-License-Identifier: Apache-2.0
//
// oneDNN: its recurrent primitives, forward for training and backward. Weights are reordered beforehand
// to the layouts that both ask for, which a training would do in every step; its gradients of weights
// are sums, so that they are cleared in every call. Layers of the same size are one primitive; in both
// directions every layer is one of its own that reads the result of the one before.
#include "onednn.hpp"
#include "rnn_training_peers.hpp"

#include <cstring>
#include <memory>
#include <unordered_map>

namespace bench {
namespace {

using dnnl::memory;
using type = memory::data_type;
using tag = memory::format_tag;
using arguments = std::unordered_map<int, memory>;

template <class Primitive, class... Arguments> auto describe(Arguments const&... x) {
#if DNNL_VERSION_MAJOR >= 3
  return typename Primitive::primitive_desc(onednn_engine(), x...);
#else
  return typename Primitive::primitive_desc(typename Primitive::desc(x...), onednn_engine());
#endif
}
template <class Primitive, class Hint, class... Arguments>
auto describe_back(Hint const& hint, Arguments const&... x) {
#if DNNL_VERSION_MAJOR >= 3
  return typename Primitive::primitive_desc(onednn_engine(), x..., hint);
#else
  return typename Primitive::primitive_desc(typename Primitive::desc(x...), onednn_engine(), hint);
#endif
}

void reorder(memory from, memory to) {
  dnnl::stream stream(onednn_engine());
  dnnl::reorder(from, to).execute(stream, from, to);
  stream.wait();
}
memory plain(memory::dims const& d, tag t, std::vector<float> const& values) {
  memory m({d, type::f32, t}, onednn_engine());
  std::memcpy(m.get_data_handle(), values.data(), values.size() * sizeof(float));
  return m;
}
memory in(memory::desc const& d, memory const& from) {
  memory m(d, onednn_engine());
  reorder(from, m);
  return m;
}
memory zeros(memory::desc const& d) {
  memory m(d, onednn_engine());
  std::memset(m.get_data_handle(), 0, d.get_size());
  return m;
}
std::vector<float> floats(memory const& from, memory::dims const& d, tag t) {
  memory to({d, type::f32, t}, onednn_engine());
  reorder(from, to);
  auto const begin = static_cast<float const*>(to.get_data_handle());
  return std::vector<float>(begin, begin + to.get_desc().get_size() / sizeof(float));
}

// Layers first .. first + count as one primitive.
class stage {
public:
  stage(rnn_problem const& p, product kind, long first, long count, memory const& src)
      : s_(p.shape), first_(first), count_(count), src_(src) {
    type const t = kind == product::bf16 ? type::bf16 : type::f32;
    auto const training = dnnl::prop_kind::forward_training;
    auto const direction = s_.direction == direction::concat
                               ? dnnl::rnn_direction::bidirectional_concat
                               : dnnl::rnn_direction::unidirectional_left2right;
    long const D = s_.directions(), I = s_.layer_input(first);
    w_dims_ = {count, D, I, s_.gates(), s_.hidden},
    u_dims_ = {count, D, s_.output(), s_.gates(), s_.hidden};
    memory::dims const b_dims{count, D, biases(), s_.hidden}, y_dims{s_.time, s_.batch, s_.width()};
    // Without a first state 2.6.3 gives wrong gradients of the recurrent weights of LSTM and vanilla layers.
    memory::dims const h_dims{count, D, s_.batch, s_.output()},
        c_dims{count, D, s_.batch, s_.hidden};
    memory::desc const h0(h_dims, t, tag::ldnc), c0(c_dims, type::f32, tag::ldnc),
        dh0(h_dims, type::f32, tag::ldnc);
    memory::desc const none, x = src.get_desc(), w(w_dims_, t, tag::any), u(u_dims_, t, tag::any),
                             b(b_dims, type::f32, tag::ldgo), y(y_dims, t, tag::tnc);
    memory::desc const dx({s_.time, s_.batch, I}, type::f32, tag::tnc),
        dw(w_dims_, type::f32, tag::any), du(u_dims_, type::f32, tag::any),
        dy(y_dims, type::f32, tag::tnc);
    memory const plain_w = matrix(p, &rnn_matrices::w, I),
                 plain_u = matrix(p, &rnn_matrices::u, s_.output());
    auto const back = dnnl::prop_kind::backward;
    auto const bind = [&]<class Forward, class Backward>(auto const& f, auto const& g,
                                                         Forward const*, Backward const*) {
      forward_ = Forward(f), backward_ = Backward(g);
      kernel_ = std::string(f.impl_info_str()) + ", backward " + g.impl_info_str();
      memory const dst(y, onednn_engine()), space(f.workspace_desc(), onednn_engine());
      memory const bias_memory = bias(p, b_dims);
      diff_src_ = zeros(dx), diff_dst_ = zeros(dy);
      diff_w_ = zeros(g.diff_weights_layer_desc()), diff_u_ = zeros(g.diff_weights_iter_desc());
      diff_b_ = zeros(b);
      forward_arguments_ = {{DNNL_ARG_SRC_LAYER, src_},
                            {DNNL_ARG_WEIGHTS_LAYER, in(f.weights_layer_desc(), plain_w)},
                            {DNNL_ARG_WEIGHTS_ITER, in(f.weights_iter_desc(), plain_u)},
                            {DNNL_ARG_BIAS, bias_memory},
                            {DNNL_ARG_DST_LAYER, dst},
                            {DNNL_ARG_WORKSPACE, space}};
      backward_arguments_ = {{DNNL_ARG_SRC_LAYER, src_},
                             {DNNL_ARG_WEIGHTS_LAYER, in(g.weights_layer_desc(), plain_w)},
                             {DNNL_ARG_WEIGHTS_ITER, in(g.weights_iter_desc(), plain_u)},
                             {DNNL_ARG_BIAS, bias_memory},
                             {DNNL_ARG_DST_LAYER, dst},
                             {DNNL_ARG_WORKSPACE, space},
                             {DNNL_ARG_DIFF_SRC_LAYER, diff_src_},
                             {DNNL_ARG_DIFF_WEIGHTS_LAYER, diff_w_},
                             {DNNL_ARG_DIFF_WEIGHTS_ITER, diff_u_},
                             {DNNL_ARG_DIFF_BIAS, diff_b_},
                             {DNNL_ARG_DIFF_DST_LAYER, diff_dst_}};
      dst_ = dst;
      memory const first_h = zeros(h0), first_c = zeros(c0), diff_h = zeros(dh0),
                   diff_c = zeros(c0);
      for (arguments* a : {&forward_arguments_, &backward_arguments_}) {
        (*a)[DNNL_ARG_SRC_ITER] = first_h;
        if (s_.cell == cell::lstm) (*a)[DNNL_ARG_SRC_ITER_C] = first_c;
      }
      backward_arguments_[DNNL_ARG_DIFF_SRC_ITER] = diff_h;
      if (s_.cell == cell::lstm) backward_arguments_[DNNL_ARG_DIFF_SRC_ITER_C] = diff_c;
    };
    switch (s_.cell) {
    case cell::lstm: {
      using F = dnnl::lstm_forward;
      using B = dnnl::lstm_backward;
      auto const f = describe<F>(training, direction, x, h0, c0, w, u, b, y, none, none);
      auto const g = describe_back<B>(f, back, direction, x, h0, c0, w, u, b, y, none, none, dx,
                                      dh0, c0, dw, du, b, dy, none, none);
      bind(f, g, static_cast<F*>(nullptr), static_cast<B*>(nullptr));
      break;
    }
    case cell::gru: {
      using F = dnnl::lbr_gru_forward;
      using B = dnnl::lbr_gru_backward;
      auto const f = describe<F>(training, direction, x, h0, w, u, b, y, none);
      auto const g = describe_back<B>(f, back, direction, x, h0, w, u, b, y, none, dx, dh0, dw, du,
                                      b, dy, none);
      bind(f, g, static_cast<F*>(nullptr), static_cast<B*>(nullptr));
      break;
    }
    case cell::gru_rb: {
      using F = dnnl::gru_forward;
      using B = dnnl::gru_backward;
      auto const f = describe<F>(training, direction, x, h0, w, u, b, y, none);
      auto const g = describe_back<B>(f, back, direction, x, h0, w, u, b, y, none, dx, dh0, dw, du,
                                      b, dy, none);
      bind(f, g, static_cast<F*>(nullptr), static_cast<B*>(nullptr));
      break;
    }
    case cell::tanh:
    case cell::relu: {
      using F = dnnl::vanilla_rnn_forward;
      using B = dnnl::vanilla_rnn_backward;
      auto const e =
          s_.cell == cell::tanh ? dnnl::algorithm::eltwise_tanh : dnnl::algorithm::eltwise_relu;
      auto const f = describe<F>(training, e, direction, x, h0, w, u, b, y, none);
      auto const g = describe_back<B>(f, back, e, direction, x, h0, w, u, b, y, none, dx, dh0, dw,
                                      du, b, dy, none);
      bind(f, g, static_cast<F*>(nullptr), static_cast<B*>(nullptr));
      break;
    }
    }
  }

  void forward(dnnl::stream& stream) const { forward_.execute(stream, forward_arguments_); }
  void backward(dnnl::stream& stream) const {
    for (memory const* m : {&diff_w_, &diff_u_, &diff_b_}) // it adds to them
      std::memset(m->get_data_handle(), 0, m->get_desc().get_size());
    backward_.execute(stream, backward_arguments_);
  }
  void set_diff_dst(memory const& m) { backward_arguments_[DNNL_ARG_DIFF_DST_LAYER] = m; }
  memory const& dst() const { return dst_; }
  memory const& diff_src() const { return diff_src_; }
  std::string const& kernel() const { return kernel_; }

  std::vector<float> diff_w() const { return unpacked(diff_w_, w_dims_); }
  std::vector<float> diff_u() const { return unpacked(diff_u_, u_dims_); }

private:
  // Its GRU has z before r.
  long source_gate(long g) const { return s_.gates() == 3 && g < 2 ? 1 - g : g; }
  long biases() const { return s_.cell == cell::gru ? 4 : s_.gates(); }

  template <class F> void each(rnn_problem const& p, F const& f) const {
    for (long l = 0; l < count_; ++l)
      for (long d = 0; d < s_.directions(); ++d) f(p.at(first_ + l, d));
  }
  memory matrix(rnn_problem const& p, std::vector<float> rnn_matrices::* member, long k) const {
    std::vector<float> to;
    each(p, [&](rnn_matrices const& m) {
      for (long i = 0; i < k; ++i)
        for (long g = 0; g < s_.gates(); ++g)
          for (long o = 0; o < s_.hidden; ++o)
            to.push_back(
                (m.*member)[static_cast<std::size_t>((source_gate(g) * s_.hidden + o) * k + i)]);
    });
    return plain({count_, s_.directions(), k, s_.gates(), s_.hidden}, tag::ldigo, to);
  }
  memory bias(rnn_problem const& p, memory::dims const& dims) const {
    std::vector<float> to;
    each(p, [&](rnn_matrices const& m) {
      for (long g = 0; g < biases(); ++g)
        for (long o = 0; o < s_.hidden; ++o) {
          auto const at =
              static_cast<std::size_t>(source_gate(std::min(g, s_.gates() - 1)) * s_.hidden + o);
          bool const apart = s_.cell == cell::gru && g >= 2;
          to.push_back(!apart ? m.b[at] + m.c[at] : g == 2 ? m.b[at] : m.c[at]);
        }
    });
    return plain(dims, tag::ldgo, to);
  }
  // Of the first layer and direction, (G*H, k).
  std::vector<float> unpacked(memory const& m, memory::dims const& d) const {
    std::vector<float> const from = floats(m, d, tag::ldigo);
    long const k = d[2], G = s_.gates(), H = s_.hidden;
    std::vector<float> to(static_cast<std::size_t>(k * G * H));
    for (long i = 0; i < k; ++i)
      for (long g = 0; g < G; ++g)
        for (long o = 0; o < H; ++o)
          to[static_cast<std::size_t>((source_gate(g) * H + o) * k + i)] =
              from[static_cast<std::size_t>((i * G + g) * H + o)];
    return to;
  }

  rnn_shape const s_;
  long first_, count_;
  memory src_, dst_, diff_src_, diff_dst_, diff_w_, diff_u_, diff_b_;
  memory::dims w_dims_, u_dims_;
  dnnl::primitive forward_, backward_;
  arguments forward_arguments_, backward_arguments_;
  std::string kernel_;
};

rnn_training_runner runner(rnn_training_problem const& p, product kind) {
  rnn_shape const& s = p.layers.shape;
  bool const together = s.direction == direction::forward && s.input == s.output();
  long const count = together ? s.layers : 1;
  memory src = plain({s.time, s.batch, s.input}, tag::tnc, p.layers.src);
  if (kind == product::bf16) src = in({{s.time, s.batch, s.input}, type::bf16, tag::tnc}, src);
  auto const stages = std::make_shared<std::vector<stage>>();
  for (long l = 0; l < s.layers; l += count)
    stages->emplace_back(p.layers, kind, l, count, l == 0 ? src : stages->back().dst());
  memory diff = plain({s.time, s.batch, s.width()}, tag::tnc, p.diff_dst);
  for (auto i = stages->rbegin(); i != stages->rend(); ++i) {
    i->set_diff_dst(diff);
    diff = i->diff_src();
  }
  auto const call = [stages, stream = dnnl::stream(onednn_engine())]() mutable {
    for (stage const& part : *stages) part.forward(stream);
    for (auto i = stages->rbegin(); i != stages->rend(); ++i) i->backward(stream);
    stream.wait();
  };
  auto const result = [stages, s] {
    return rnn_training_result{
        floats(stages->back().dst(), {s.time, s.batch, s.width()}, tag::tnc),
        floats(stages->front().diff_src(), {s.time, s.batch, s.input}, tag::tnc),
        stages->front().diff_w(), stages->front().diff_u()};
  };
  return {call, result, stages->back().kernel()};
}

std::optional<rnn_training_runner> make(rnn_training_problem const& p, product kind) {
  try {
    return runner(p, kind);
  } catch (dnnl::error const& e) {
    if (e.status == dnnl_out_of_memory) throw;
    return {}; // not implemented for these types and this instruction set
  }
}

} // namespace

rnn_training_peer onednn_rnn_training() { return {"onednn", onednn_version(), {}, make}; }

} // namespace bench

// SPDX-License-Identifier: Apache-2.0
//
// oneDNN: its recurrent primitives, weights reordered beforehand to the layout they ask for. Layers
// of the same size are one primitive; where layers differ, and in both directions at once, every
// layer is a primitive of its own that reads the result of the one before.
#include "onednn.hpp"
#include "rnn_peers.hpp"

#include <algorithm>
#include <cstring>
#include <memory>
#include <unordered_map>

namespace bench {
namespace {

using dnnl::memory;
using type = memory::data_type;
using tag = memory::format_tag;

// Version 2 describes an operation in an object of its own, version 3 does not.
template <class Primitive, class... Arguments>
auto describe(dnnl::primitive_attr const& attributes, Arguments const&... x) {
#if DNNL_VERSION_MAJOR >= 3
  return typename Primitive::primitive_desc(onednn_engine(), x..., attributes);
#else
  return typename Primitive::primitive_desc(typename Primitive::desc(x...), attributes,
                                            onednn_engine());
#endif
}

void reorder(memory from, memory to, dnnl::primitive_attr const& attributes = {}) {
  dnnl::stream stream(onednn_engine());
  dnnl::reorder(from, to, attributes).execute(stream, from, to);
  stream.wait();
}

memory plain(memory::dims const& d, tag t, std::vector<float> const& values) {
  memory m({d, type::f32, t}, onednn_engine());
  std::memcpy(m.get_data_handle(), values.data(), values.size() * sizeof(float));
  return m;
}

dnnl::rnn_direction direction_of(direction d) {
  if (d == direction::concat) return dnnl::rnn_direction::bidirectional_concat;
  if (d == direction::sum) return dnnl::rnn_direction::bidirectional_sum;
  return dnnl::rnn_direction::unidirectional_left2right;
}

// Layers first .. first + count as one primitive.
class stage {
public:
  stage(rnn_problem const& p, product kind, long first, long count, memory const& src, type dst)
      : p_(p), s_(p.shape), first_(first), count_(count), src_(src),
        dst_({s_.time, s_.batch, s_.width()}, adds_bytes(dst) ? type::f32 : dst, tag::tnc),
        dst_memory_(dst_, onednn_engine()), result_(dst_memory_) {
    if (kind == product::u8s8) quantize_weights();
    if (adds_bytes(dst)) {
      result_ = memory({{s_.time, s_.batch, s_.width()}, dst, tag::tnc}, onednn_engine());
      narrow_ = dnnl::reorder(dst_memory_, result_, attributes_);
    }
    auto const inference = dnnl::prop_kind::forward_inference;
    auto const direction = direction_of(s_.direction);
    type const weights = kind == product::f32    ? type::f32
                         : kind == product::bf16 ? type::bf16
                                                 : type::s8;
    memory::desc const none,
        x = src_.get_desc(),
        w({count, s_.directions(), s_.layer_input(first), s_.gates(), s_.hidden}, weights,
          tag::any),
        u({count, s_.directions(), s_.output(), s_.gates(), s_.hidden}, weights, tag::any),
        b({count, s_.directions(), biases(), s_.hidden}, type::f32, tag::ldgo);
    switch (s_.cell) {
    case cell::lstm: {
      memory::desc const projection =
          s_.projected > 0
              ? memory::desc({count, s_.directions(), s_.hidden, s_.projected}, weights, tag::any)
              : none;
      bind<dnnl::lstm_forward>(describe<dnnl::lstm_forward>(
          attributes_, inference, direction, x, none, none, w, u, none, projection, b, dst_, none, none));
      break;
    }
    case cell::gru:
      bind<dnnl::lbr_gru_forward>(describe<dnnl::lbr_gru_forward>(attributes_, inference, direction, x,
                                                                  none, w, u, b, dst_, none));
      break;
    case cell::gru_rb:
      bind<dnnl::gru_forward>(
          describe<dnnl::gru_forward>(attributes_, inference, direction, x, none, w, u, b, dst_, none));
      break;
    case cell::tanh:
    case cell::relu: {
      auto const f =
          s_.cell == cell::tanh ? dnnl::algorithm::eltwise_tanh : dnnl::algorithm::eltwise_relu;
      bind<dnnl::vanilla_rnn_forward>(describe<dnnl::vanilla_rnn_forward>(
          attributes_, inference, f, direction, x, none, w, u, b, dst_, none));
      break;
    }
    }
  }

  void operator()(dnnl::stream& stream) const {
    primitive_.execute(stream, arguments_);
    if (!narrow_) return;
    memory from = dst_memory_, to = result_; // references; version 3 wants them mutable
    narrow_->execute(stream, from, to);
  }
  memory const& result() const { return result_; }
  std::string const& kernel() const { return kernel_; }

private:
  // Where directions are added in 8 bits their zero points are added, too, and the next layer does
  // not expect that: they are added in f32.
  bool adds_bytes(type dst) const { return s_.direction == direction::sum && dst == type::u8; }

  // Its GRU has z before r, its second form a bias of its own for the recurrent part of n.
  long source_gate(long g) const { return s_.gates() == 3 && g < 2 ? 1 - g : g; }
  long biases() const { return s_.cell == cell::gru ? 4 : s_.gates(); }

  template <class F> void each(F const& f) const { // layers and directions
    for (long l = 0; l < count_; ++l)
      for (long d = 0; d < s_.directions(); ++d) f(p_.at(first_ + l, d));
  }

  // (layers, directions, k, gates, hidden)
  memory matrix(std::vector<float> rnn_matrices::* member, long k) const {
    std::vector<float> to;
    to.reserve(static_cast<std::size_t>(count_ * s_.directions() * k * s_.gates() * s_.hidden));
    each([&](rnn_matrices const& m) {
      for (long i = 0; i < k; ++i)
        for (long g = 0; g < s_.gates(); ++g)
          for (long o = 0; o < s_.hidden; ++o)
            to.push_back(
                (m.*member)[static_cast<std::size_t>((source_gate(g) * s_.hidden + o) * k + i)]);
    });
    return plain({count_, s_.directions(), k, s_.gates(), s_.hidden}, tag::ldigo, to);
  }

  memory bias() const {
    std::vector<float> to;
    each([&](rnn_matrices const& m) {
      for (long g = 0; g < biases(); ++g)
        for (long o = 0; o < s_.hidden; ++o) {
          auto const at =
              static_cast<std::size_t>(source_gate(std::min(g, s_.gates() - 1)) * s_.hidden + o);
          bool const apart = s_.cell == cell::gru && g >= 2;
          to.push_back(!apart ? m.b[at] + m.c[at] : g == 2 ? m.b[at] : m.c[at]);
        }
    });
    return plain({count_, s_.directions(), biases(), s_.hidden}, tag::ldgo, to);
  }

  memory projection() const {
    std::vector<float> to;
    each([&](rnn_matrices const& m) {
      for (long i = 0; i < s_.hidden; ++i)
        for (long o = 0; o < s_.projected; ++o)
          to.push_back(m.projection[static_cast<std::size_t>(o * s_.hidden + i)]);
    });
    return plain({count_, s_.directions(), s_.hidden, s_.projected}, tag::ldio, to);
  }

  // One scale per gate and unit, for both matrices of all layers and directions.
  void quantize_weights() {
    std::vector<float> scales(static_cast<std::size_t>(s_.gates() * s_.hidden));
    each([&](rnn_matrices const& m) {
      for (long g = 0; g < s_.gates(); ++g)
        for (long o = 0; o < s_.hidden; ++o) {
          float& largest = scales[static_cast<std::size_t>(g * s_.hidden + o)];
          auto const look = [&](std::vector<float> const& from, long k) {
            auto const row = from.begin() + (source_gate(g) * s_.hidden + o) * k;
            for (long i = 0; i < k; ++i) largest = std::max(largest, std::abs(row[i]));
          };
          look(m.w, m.input);
          look(m.u, s_.output());
        }
    });
    for (float& s : scales) s = s > 0 ? 127 / s : 1;
    attributes_.set_rnn_data_qparams(quantized_one, quantized_zero);
    attributes_.set_rnn_weights_qparams((1 << 3) + (1 << 4), scales);
  }

  memory packed(memory const& from, memory::desc const& to) const {
    memory m(to, onednn_engine());
    reorder(from, m, attributes_);
    return m;
  }

  template <class Primitive, class Descriptor> void bind(Descriptor const& d) {
    kernel_ = d.impl_info_str();
    primitive_ = Primitive(d);
    arguments_ = {{DNNL_ARG_SRC_LAYER, src_},
                  {DNNL_ARG_WEIGHTS_LAYER, packed(matrix(&rnn_matrices::w, s_.layer_input(first_)),
                                                  d.weights_layer_desc())},
                  {DNNL_ARG_WEIGHTS_ITER,
                   packed(matrix(&rnn_matrices::u, s_.output()), d.weights_iter_desc())},
                  {DNNL_ARG_BIAS, bias()},
                  {DNNL_ARG_DST_LAYER, dst_memory_}};
    if constexpr (std::is_same_v<Primitive, dnnl::lstm_forward>)
      if (s_.projected > 0)
        arguments_[DNNL_ARG_WEIGHTS_PROJECTION] = packed(projection(), d.weights_projection_desc());
  }

  rnn_problem const& p_; // for the constructor only
  rnn_shape const s_;
  long first_, count_;
  memory src_;
  dnnl::primitive_attr attributes_;
  memory::desc dst_;
  memory dst_memory_, result_;
  dnnl::primitive primitive_;
  std::optional<dnnl::reorder> narrow_; // from dst_memory_ to result_
  std::unordered_map<int, memory> arguments_;
  std::string kernel_;
};

memory source(rnn_problem const& p, product kind) {
  memory::dims const d{p.shape.time, p.shape.batch, p.shape.input};
  if (kind == product::f32) return plain(d, tag::tnc, p.src);
  memory m({d, kind == product::bf16 ? type::bf16 : type::u8, tag::tnc}, onednn_engine());
  if (kind == product::bf16) reorder(plain(d, tag::tnc, p.src), m);
  else
    std::transform(p.src.begin(), p.src.end(), static_cast<std::uint8_t*>(m.get_data_handle()),
                   quantize);
  return m;
}

rnn_runner runner(rnn_problem const& p, product kind) {
  rnn_shape const& s = p.shape;
  bool const together = s.direction == direction::forward && s.input == s.output();
  long const count = together ? s.layers : 1;
  type const between = kind == product::f32    ? type::f32
                       : kind == product::bf16 ? type::bf16
                                               : type::u8;
  auto const stages = std::make_shared<std::vector<stage>>();
  for (long l = 0; l < s.layers; l += count) {
    memory const src = l == 0 ? source(p, kind) : stages->back().result();
    bool const last = l + count == s.layers;
    stages->emplace_back(p, kind, l, count, src,
                         last && kind != product::bf16 ? type::f32 : between);
  }
  auto const call = [stages, stream = dnnl::stream(onednn_engine())]() mutable {
    for (stage const& part : *stages) part(stream);
    stream.wait();
  };
  auto const result = [stages, s] {
    memory const from = stages->back().result();
    memory to({{s.time, s.batch, s.width()}, type::f32, tag::tnc}, onednn_engine());
    reorder(from, to);
    auto const begin = static_cast<float const*>(to.get_data_handle());
    return std::vector<float>(begin, begin + s.time * s.batch * s.width());
  };
  return {call, result, stages->back().kernel()};
}

std::optional<rnn_runner> make(rnn_problem const& p, product kind) {
  // Its AVX512-BF16 kernel for projections gives wrong results (2.6.3 and 3.2), none is for 8 bits.
  if (kind == product::s8s8 || (kind != product::f32 && p.shape.projected > 0)) return {};
  try {
    return runner(p, kind);
  } catch (dnnl::error const& e) {
    if (e.status == dnnl_out_of_memory) throw;
    return {}; // not implemented for these types and this instruction set
  }
}

} // namespace

rnn_peer onednn_rnn() { return {"onednn", onednn_version(), {}, make}; }

} // namespace bench

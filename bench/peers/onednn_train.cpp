// SPDX-License-Identifier: Apache-2.0
//
// oneDNN: gradients of convolutions for source and weights. Weights, and their gradients, stay in the
// layout that it asks for; what reordering them in each step would cost is not counted. Images:
//
//   onednn_nhwc      channels last, as ours are
//   onednn_blocked   blocks of as many channels as a register has
//
// bf16: what is read has that type, gradients are f32.
#include "onednn.hpp"
#include "train_peers.hpp"

#include <cstring>
#include <optional>
#include <unordered_map>

namespace bench {
namespace {

using dnnl::algorithm, dnnl::convolution_backward_data, dnnl::convolution_backward_weights,
    dnnl::convolution_forward, dnnl::memory;
using type = memory::data_type;
using tag = memory::format_tag;

struct layer {
  bool has_groups;
  type read;
  memory::dims src, weights, dst, stride, dilation, pad_begin, pad_end;

  explicit layer(train_problem const& p)
      : has_groups(p.shape.groups > 1), read(p.type == product::bf16 ? type::bf16 : type::f32) {
    conv_shape const& s = p.shape;
    src = {s.batch, s.channels};
    dst = {s.batch, s.filters};
    weights = {s.filters / s.groups, s.group_channels()};
    if (has_groups) weights.insert(weights.begin(), s.groups);
    for (std::size_t i = 1; i < 3; ++i) {
      src.push_back(s.in[i]);
      dst.push_back(s.out(i));
      weights.push_back(s.kernel[i]);
      stride.push_back(s.stride[i]);
      dilation.push_back(s.dilation[i] - 1);
      pad_begin.push_back(s.pad_begin[i]);
      pad_end.push_back(s.pad_end[i]);
    }
  }
  tag plain_weights() const { return has_groups ? tag::goihw : tag::oihw; }
};

memory floats(memory::dims const& dims, tag t, std::vector<float> const& values) {
  memory m({dims, type::f32, t}, onednn_engine());
  std::memcpy(m.get_data_handle(), values.data(), values.size() * sizeof(float));
  return m;
}
memory laid_out(memory from, memory::desc const& to) {
  memory m(to, onednn_engine());
  dnnl::stream stream(onednn_engine());
  dnnl::reorder(from, m).execute(stream, from, m);
  stream.wait();
  return m;
}

// A descriptor of Primitive from the arguments of version 2 or 3, or none where oneDNN has only its
// reference loops.
template <class Primitive, class... Args>
std::optional<typename Primitive::primitive_desc>
describe(layer const& l, convolution_forward::primitive_desc const& forward, Args const&... descs) {
  using descriptor = typename Primitive::primitive_desc;
#if DNNL_VERSION_MAJOR >= 3
  descriptor d(onednn_engine(), algorithm::convolution_direct, descs..., l.stride, l.dilation, l.pad_begin,
               l.pad_end, forward);
#else
  descriptor d({algorithm::convolution_direct, descs..., l.stride, l.dilation, l.pad_begin, l.pad_end},
               onednn_engine(), forward);
#endif
  if (std::string(d.impl_info_str()).rfind("ref", 0) == 0) return {};
  return d;
}

template <class Primitive>
conv_contender contender_of(std::string const& name, typename Primitive::primitive_desc const& d,
                            std::unordered_map<int, memory> arguments, int result, memory::dims const& dims,
                            tag plain) {
  memory const to = arguments.at(result);
  conv_contender c;
  c.name = name;
  c.kernel = d.impl_info_str();
  c.call = [primitive = Primitive(d), stream = dnnl::stream(onednn_engine()), arguments]() mutable {
    primitive.execute(stream, arguments);
    stream.wait();
  };
  c.result = [to, dims, plain] {
    memory const floats_of = laid_out(to, {dims, type::f32, plain});
    auto const begin = static_cast<float const*>(floats_of.get_data_handle());
    return std::vector<float>(begin, begin + floats_of.get_desc().get_size() / sizeof(float));
  };
  return c;
}

std::optional<conv_contender> with_images(std::string const& name, train_problem const& p, layer const& l,
                                          tag images) {
  auto const image = [&](memory::dims const& dims, type t) { return memory::desc(dims, t, images); };
  memory::desc const any_weights(l.weights, l.read, tag::any);
  try {
#if DNNL_VERSION_MAJOR >= 3
    convolution_forward::primitive_desc const forward(
        onednn_engine(), dnnl::prop_kind::forward_training, algorithm::convolution_direct, image(l.src, l.read),
        any_weights, image(l.dst, l.read), l.stride, l.dilation, l.pad_begin, l.pad_end);
#else
    convolution_forward::primitive_desc const forward(
        {dnnl::prop_kind::forward_training, algorithm::convolution_direct, image(l.src, l.read), any_weights,
         image(l.dst, l.read), l.stride, l.dilation, l.pad_begin, l.pad_end},
        onednn_engine());
#endif
    memory const diff_dst = laid_out(floats(l.dst, tag::nhwc, p.diff_dst), image(l.dst, l.read));
    if (p.what == direction::src) {
      auto const d = describe<convolution_backward_data>(l, forward, image(l.src, type::f32), any_weights,
                                                         image(l.dst, l.read));
      if (!d) return {};
      return contender_of<convolution_backward_data>(
          name, *d,
          {{DNNL_ARG_DIFF_DST, diff_dst},
           {DNNL_ARG_WEIGHTS, laid_out(floats(l.weights, l.plain_weights(), p.weights), d->weights_desc())},
           {DNNL_ARG_DIFF_SRC, memory(d->diff_src_desc(), onednn_engine())}},
          DNNL_ARG_DIFF_SRC, l.src, tag::nhwc);
    }
    auto const d = describe<convolution_backward_weights>(
        l, forward, image(l.src, l.read), memory::desc(l.weights, type::f32, tag::any), image(l.dst, l.read));
    if (!d) return {};
    return contender_of<convolution_backward_weights>(
        name, *d,
        {{DNNL_ARG_DIFF_DST, diff_dst},
         {DNNL_ARG_SRC, laid_out(floats(l.src, tag::nhwc, p.src), image(l.src, l.read))},
         {DNNL_ARG_DIFF_WEIGHTS, memory(d->diff_weights_desc(), onednn_engine())}},
        DNNL_ARG_DIFF_WEIGHTS, l.weights, l.plain_weights());
  } catch (dnnl::error const& e) {
    if (e.status == dnnl_out_of_memory) throw;
    return {}; // not implemented for these types and this instruction set
  }
}

std::vector<conv_contender> make(train_problem const& p) {
  layer const l(p);
  constexpr bool wide = ia_nn::isa::has<own_isa, ia_nn::isa::avx512>;
  std::vector<conv_contender> list;
  if (auto c = with_images("onednn_nhwc", p, l, tag::nhwc)) list.push_back(*c);
  if (p.shape.channels % 8 == 0)
    if (auto c = with_images("onednn_blocked", p, l, wide ? tag::nChw16c : tag::nChw8c)) list.push_back(*c);
  return list;
}

} // namespace

train_peer onednn_train() { return {"onednn", onednn_version(), {}, make}; }

} // namespace bench

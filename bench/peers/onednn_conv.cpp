// SPDX-License-Identifier: Apache-2.0
//
// oneDNN: its convolution with weights reordered beforehand to the layout it asks for. Images:
//
//   onednn_nhwc      channels last, as ours are; 8-bit kernels know nothing else
//   onednn_blocked   the layout that it asks for or, if that is nhwc, blocks of as many channels as
//                    a register has; what reordering the first image and the last result of a
//                    network would cost is not counted
//   onednn_winograd  where `convolution_auto` chooses Winograd's algorithm
#include "conv_peers.hpp"
#include "onednn.hpp"

#include <algorithm>
#include <cstring>
#include <optional>
#include <unordered_map>

namespace bench {
namespace {

using dnnl::algorithm, dnnl::convolution_forward, dnnl::memory;
using type = memory::data_type;
using tag = memory::format_tag;
using descriptor = convolution_forward::primitive_desc;

constexpr bool version3 = DNNL_VERSION_MAJOR >= 3;

struct layer { // what does not depend on layouts
  bool deep;   // images with three axes
  type src_type, weights_type, dst_type;
  memory::dims src, weights, dst, bias, stride, dilation, pad_begin, pad_end;

  explicit layer(conv_problem const& p) : deep(p.shape.in[0] > 1 || p.shape.kernel[0] > 1) {
    conv_shape const& s = p.shape;
    src_type = p.type == product::bf16 ? type::bf16 : p.bytes() ? type::u8 : type::f32;
    weights_type = p.bytes() ? type::s8 : src_type;
    dst_type = src_type;
    src = {s.batch, s.channels};
    dst = {s.batch, s.filters};
    weights = {s.filters / s.groups, s.group_channels()};
    if (s.groups > 1) weights.insert(weights.begin(), s.groups);
    bias = {s.filters};
    for (std::size_t i = deep ? 0 : 1; i < 3; ++i) {
      src.push_back(s.in[i]);
      dst.push_back(s.out(i));
      weights.push_back(s.kernel[i]);
      stride.push_back(s.stride[i]);
      dilation.push_back(s.dilation[i] - 1); // zeros between taps
      pad_begin.push_back(s.pad_begin[i]);
      pad_end.push_back(s.pad_end[i]);
    }
  }
  tag last() const { return deep ? tag::ndhwc : tag::nhwc; }
  tag blocks() const {
    if (ia_nn::isa::has<own_isa, ia_nn::isa::avx512>) return deep ? tag::nCdhw16c : tag::nChw16c;
    return deep ? tag::nCdhw8c : tag::nChw8c;
  }
  tag plain_weights() const {
    bool const groups = weights.size() == src.size() + 1;
    return deep ? (groups ? tag::goidhw : tag::oidhw) : (groups ? tag::goihw : tag::oihw);
  }
};

// Scales of the sums per filter, and relu.
dnnl::primitive_attr attributes(conv_problem const& p) {
  dnnl::primitive_attr a;
  dnnl::post_ops then;
#if DNNL_VERSION_MAJOR >= 3
  if (p.bytes()) a.set_scales_mask(DNNL_ARG_WEIGHTS, p.shape.groups > 1 ? 3 : 1);
  then.append_eltwise(algorithm::eltwise_relu, 0, 0);
#else
  if (p.bytes()) a.set_output_scales(2, p.factor);
  then.append_eltwise(1, algorithm::eltwise_relu, 0, 0);
#endif
  a.set_post_ops(then);
  return a;
}

std::optional<descriptor> describe(conv_problem const& p, layer const& l, tag src_tag, tag dst_tag,
                                   algorithm how = algorithm::convolution_direct) {
  memory::desc const src(l.src, l.src_type, src_tag), dst(l.dst, l.dst_type, dst_tag),
      weights(l.weights, l.weights_type, tag::any), bias(l.bias, type::f32, tag::x);
  auto const use = dnnl::prop_kind::forward_inference;
  try {
#if DNNL_VERSION_MAJOR >= 3
    descriptor d(onednn_engine(), use, how, src, weights, bias, dst, l.stride, l.dilation,
                 l.pad_begin, l.pad_end, attributes(p));
#else
    descriptor d({use, how, src, weights, bias, dst, l.stride, l.dilation, l.pad_begin, l.pad_end},
                 attributes(p), onednn_engine());
#endif
    if (std::string(d.impl_info_str()).rfind("ref", 0) == 0) return {}; // its reference loops
    return d;
  } catch (dnnl::error const& e) {
    if (e.status == dnnl_out_of_memory) throw;
    return {}; // not implemented for these types and this instruction set
  }
}

void reorder(memory from, memory to) {
  dnnl::stream stream(onednn_engine());
  dnnl::reorder(from, to).execute(stream, from, to);
  stream.wait();
}

memory floats(memory::dims const& dims, tag t, std::vector<float> const& values) {
  memory m({dims, type::f32, t}, onednn_engine());
  std::memcpy(m.get_data_handle(), values.data(), values.size() * sizeof(float));
  return m;
}

memory laid_out(memory const& from, memory::desc const& to) {
  memory m(to, onednn_engine());
  reorder(from, m);
  return m;
}

// `src` is what another layer writes, or null: then it is the problem's.
conv_contender contender_of(std::string const& name, conv_problem const& p, layer const& l,
                            descriptor const& d, memory const& dst, memory const* src = nullptr) {
  // Version 2 scales the sum with its bias, version 3 adds the bias afterwards.
  std::vector<float> bias = p.bias;
  if (version3 && p.bytes())
    std::transform(bias.begin(), bias.end(), p.factor.begin(), bias.begin(), std::multiplies<>());
  std::unordered_map<int, memory> arguments{
      {DNNL_ARG_SRC, src ? *src : laid_out(floats(l.src, l.last(), p.src), d.src_desc())},
      {DNNL_ARG_WEIGHTS,
       laid_out(floats(l.weights, l.plain_weights(), p.weights), d.weights_desc())},
      {DNNL_ARG_BIAS, floats(l.bias, tag::x, bias)},
      {DNNL_ARG_DST, dst}};
#if DNNL_VERSION_MAJOR >= 3
  if (p.bytes())
    arguments[DNNL_ARG_ATTR_SCALES | DNNL_ARG_WEIGHTS] = floats(l.bias, tag::x, p.factor);
#endif
  conv_contender c;
  c.name = name;
  c.kernel = d.impl_info_str();
  c.call = [primitive = convolution_forward(d), stream = dnnl::stream(onednn_engine()),
            arguments]() mutable {
    primitive.execute(stream, arguments);
    stream.wait();
  };
  c.result = [dst, dims = l.dst, last = l.last(), size = p.shape.result_elements()] {
    memory const to = laid_out(dst, {dims, type::f32, last});
    auto const begin = static_cast<float const*>(to.get_data_handle());
    return std::vector<float>(begin, begin + size);
  };
  return c;
}

memory dst_of(descriptor const& d) { return memory(d.dst_desc(), onednn_engine()); }
conv_contender contender_of(std::string const& name, conv_problem const& p, layer const& l,
                            descriptor const& d) {
  return contender_of(name, p, l, d, dst_of(d));
}

std::vector<conv_contender> make(conv_problem const& p) {
  layer const l(p);
  std::vector<conv_contender> list;
  auto const last = describe(p, l, l.last(), l.last());
  if (last) list.push_back(contender_of("onednn_nhwc", p, l, *last));
  if (p.bytes()) return list;
  auto const same = [&](descriptor const& d) {
    return last && d.src_desc() == last->src_desc() && d.dst_desc() == last->dst_desc();
  };
  auto blocked = describe(p, l, tag::any, tag::any);
  if (blocked && same(*blocked)) // few channels are read in a layout of their own
    blocked = describe(p, l, p.shape.channels < 8 ? tag::any : l.blocks(), l.blocks());
  if (blocked) list.push_back(contender_of("onednn_blocked", p, l, *blocked));
  auto const fast = describe(p, l, tag::any, tag::any, algorithm::convolution_auto);
  if (fast && std::string(fast->impl_info_str()).find("wino") != std::string::npos)
    list.push_back(contender_of("onednn_winograd", p, l, *fast));
  return list;
}

std::vector<conv_contender> make_pair(conv_problem const& p, conv_problem const& q) {
  layer const l(p), m(q);
  std::vector<conv_contender> list;
  auto const add = [&](std::string const& name, tag t) {
    auto const one = describe(p, l, t, t), two = describe(q, m, t, t);
    if (!one || !two) return;
    memory const middle = dst_of(*one);
    conv_contender c = contender_of(name, q, m, *two, dst_of(*two), &middle);
    conv_contender const first = contender_of(name, p, l, *one, middle);
    c.kernel = first.kernel + " and " + c.kernel;
    c.call = [a = first.call, b = c.call] {
      a();
      b();
    };
    list.push_back(c);
  };
  add("onednn_nhwc", l.last());
  if (!p.bytes()) add("onednn_blocked", l.blocks());
  return list;
}

} // namespace

conv_peer onednn_conv() { return {"onednn", onednn_version(), {}, make, make_pair}; }

} // namespace bench

// SPDX-License-Identifier: Apache-2.0
//
// oneDNN: matmul and inner product, weights reordered beforehand to the layout it asks for or, if
// they come with every call, as they are; the faster of both.
#include "gemm_peers.hpp"
#include "onednn.hpp"

#include <memory>
#include <optional>
#include <unordered_map>

namespace bench {
namespace {

using dnnl::memory;
using type = memory::data_type;
using tag = memory::format_tag;

dnnl::engine const& engine() { return onednn_engine(); }

// Version 2 describes an operation in an object of its own, version 3 does not.
#if DNNL_VERSION_MAJOR >= 3
dnnl::matmul::primitive_desc matmul(memory::desc const& src, memory::desc const& weights,
                                    memory::desc const& dst) {
  return {engine(), src, weights, dst};
}
dnnl::inner_product_forward::primitive_desc
inner_product(memory::desc const& src, memory::desc const& weights, memory::desc const& dst) {
  return {engine(), dnnl::prop_kind::forward_inference, src, weights, dst};
}
#else
dnnl::matmul::primitive_desc matmul(memory::desc const& src, memory::desc const& weights,
                                    memory::desc const& dst) {
  return {{src, weights, dst}, engine()};
}
dnnl::inner_product_forward::primitive_desc
inner_product(memory::desc const& src, memory::desc const& weights, memory::desc const& dst) {
  return {{dnnl::prop_kind::forward_inference, src, weights, dst}, engine()};
}
#endif

struct types {
  type src, weights, dst;
};

types types_of(product p) {
  switch (p) {
  case product::bf16:
    return {type::bf16, type::bf16, type::f32};
  case product::u8s8:
    return {type::u8, type::s8, type::s32};
  case product::s8s8:
    return {type::s8, type::s8, type::s32};
  case product::f32:
    break;
  }
  return {type::f32, type::f32, type::f32};
}

// A primitive with its weights reordered; empty if oneDNN has only its reference loops for it.
template <class Primitive, class Descriptor>
std::function<void()> bind(Descriptor const& d, memory::desc const& plain, gemm_problem const& p,
                           void* c) {
  if (std::string(d.impl_info_str()).rfind("ref", 0) == 0) return {};
  dnnl::stream stream(engine());
  memory weights(d.weights_desc(), engine());
  memory from(plain, engine(), const_cast<void*>(p.b));
  dnnl::reorder(from, weights).execute(stream, from, weights);
  stream.wait();
  std::unordered_map<int, memory> const arguments{
      {DNNL_ARG_SRC, memory(d.src_desc(), engine(), const_cast<void*>(p.a))},
      {DNNL_ARG_WEIGHTS, weights},
      {DNNL_ARG_DST, memory(d.dst_desc(), engine(), c)}};
  return [primitive = Primitive(d), stream, arguments]() mutable {
    primitive.execute(stream, arguments);
    stream.wait();
  };
}

std::function<void()> attempt(std::function<std::function<void()>()> const& way) {
  try {
    return way();
  } catch (dnnl::error const&) {
    return {}; // not implemented for these types and this instruction set
  }
}

std::function<void()> make(gemm_problem const& p, void* c) {
  types const t = types_of(p.type);
  memory::desc const src({p.m, p.k}, t.src, tag::ab), dst({p.m, p.n}, t.dst, tag::ab);
  memory::desc const plain({p.k, p.n}, t.weights, tag::ab);
  memory::desc const plain_layer({p.n, p.k}, t.weights, tag::ba); // its weights are n x k
  memory::desc const any({p.k, p.n}, t.weights, tag::any),
      any_layer({p.n, p.k}, t.weights, tag::any);
  auto const as_matmul = attempt([&] {
    return bind<dnnl::matmul>(matmul(src, p.beforehand ? any : plain, dst), plain, p, c);
  });
  auto const as_layer = attempt([&] {
    return bind<dnnl::inner_product_forward>(
        inner_product(src, p.beforehand ? any_layer : plain_layer, dst), plain_layer, p, c);
  });
  return fastest({as_matmul, as_layer});
}

} // namespace

gemm_peer onednn_gemm() { return {"onednn", onednn_version(), {}, make}; }

} // namespace bench

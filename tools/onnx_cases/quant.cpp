// SPDX-License-Identifier: Apache-2.0
//
// QuantizeLinear, DequantizeLinear, DynamicQuantizeLinear, and the products of 8-bit tensors.
//
//   scales of QuantizeLinear and its inverse    one; one per index of `axis`; or one per block of
//                                               `block_size` along the axis, which is a channel of
//                                               the elements behind it for each block
//   u8 weights                                  w - 128 as s8, with zero points less 128
//   images                                      channels first, turned to channels last and back
#include "operators.hpp"

#include <ia_nn/gemm/gemm.hpp>
#include <ia_nn/int8/dynamic.hpp>
#include <ia_nn/ops/conv.hpp>

#include <algorithm>
#include <cstring>

namespace onnx_cases {
namespace {

using ia_nn::channel_layout;
using ia_nn::channel_quantization;
using ia_nn::s8;
using ia_nn::u8;
using I = ia_nn::isa::native;

std::size_t at(index_t i) { return static_cast<std::size_t>(i); }

std::vector<s32> s32_elements(npy_array const& array) {
  std::vector<s32> to;
  for (std::int64_t x : ia_nn::npy_elements<std::int64_t>(array)) to.push_back(static_cast<s32>(x));
  return to;
}

// The elements of an array of bytes as they are.
template <class Q> std::vector<Q> bytes_of(npy_array const& array) {
  std::vector<Q> v(at(array.size()));
  if (!v.empty()) std::memcpy(v.data(), array.bytes.data(), v.size());
  return v;
}

// Calls f with a value of the array's type, u8 or s8.
template <class F> auto with_type(npy_type type, F&& f) {
  if (type == npy_type::uint8) return f(u8{});
  if (type == npy_type::int8) return f(s8{});
  throw unsupported(std::string("elements of type ") + ia_nn::name_of(type));
}

// Scales and zero points of an operator with `axis` and `block_size`; call f(offset of elements,
// layout, parameters) for each part that has them in one order.
template <class F> void for_each_part(op_case const& c, std::vector<index_t> const& shape, F&& f) {
  npy_array const& scale = c.required(1);
  npy_array const* const zero = c.input(2);
  std::vector<f32> const scales = ia_nn::npy_elements<f32>(scale);
  std::vector<s32> zeros(scales.size());
  if (zero) {
    require_shape(*zero, scale.shape, "the zero point");
    zeros = s32_elements(*zero);
  }
  auto const rank = static_cast<index_t>(shape.size());
  index_t axis = c.attribute.get("axis", index_t{1});
  if (axis < 0) axis += rank;
  index_t const block = c.attribute.get("block_size", index_t{0});
  index_t outer = 1, inner = 1;
  for (index_t d = 0; d < rank; ++d)
    if (d != axis) (d < axis ? outer : inner) *= shape[at(d)];
  if (scales.size() == 1) {
    f(index_t{0}, channel_layout{outer, 1, inner * (axis < rank ? shape[at(axis)] : 1)},
      channel_quantization{scales.data(), zeros.data()});
  } else if (block == 0) {
    if (scale.shape != std::vector<index_t>{shape.at(at(axis))})
      throw std::runtime_error("the scales do not fit the axis");
    f(index_t{0}, channel_layout{outer, shape[at(axis)], inner},
      channel_quantization{scales.data(), zeros.data()});
  } else {
    index_t const extent = shape.at(at(axis)), blocks = ia_nn::ceil_div(extent, block);
    std::vector<index_t> expected = shape;
    expected[at(axis)] = blocks;
    require_shape(scale, expected, "the scale");
    for (index_t o = 0; o < outer; ++o)
      for (index_t b = 0; b < blocks; ++b) {
        index_t const p = (o * blocks + b) * inner, rows = std::min(block, extent - b * block);
        f((o * extent + b * block) * inner, channel_layout{rows, inner, 1},
          channel_quantization{scales.data() + p, zeros.data() + p});
      }
  }
}

std::vector<optional_array> run_quantize(op_case const& c) {
  c.attribute.only({"axis", "block_size", "output_dtype", "precision", "saturate"});
  npy_array const& x = c.required(0);
  std::vector<f32> const values = f32_elements(x);
  npy_type type = c.input(2) ? c.input(2)->type : npy_type::uint8;
  if (index_t const dtype = c.attribute.get("output_dtype", index_t{0}); dtype != 0) {
    if (dtype != 2 && dtype != 3) throw unsupported("output_dtype " + std::to_string(dtype));
    type = dtype == 2 ? npy_type::uint8 : npy_type::int8;
  }
  return with_type(type, [&]<class Q>(Q) {
    std::vector<Q> y(values.size());
    for_each_part(c, x.shape, [&](index_t from, channel_layout l, channel_quantization q) {
      q.check<Q>("QuantizeLinear", l.channels);
      ia_nn::quantize<I>(l, values.data() + from, y.data() + from, q);
    });
    return std::vector<optional_array>{ia_nn::make_npy(std::span<Q const>(y), x.shape)};
  });
}

std::vector<optional_array> run_dequantize(op_case const& c) {
  c.attribute.only({"axis", "block_size", "output_dtype"});
  npy_array const& x = c.required(0);
  if (c.required(1).type != npy_type::float32) throw unsupported("scales that are not float32");
  std::vector<f32> y(at(x.size()));
  auto const run = [&]<class Q>(std::vector<Q> const& values) {
    for_each_part(c, x.shape, [&](index_t from, channel_layout l, channel_quantization q) {
      ia_nn::dequantize<I>(l, values.data() + from, y.data() + from, q);
    });
  };
  if (x.type == npy_type::int32) run(s32_elements(x));
  else with_type(x.type, [&]<class Q>(Q) { run(bytes_of<Q>(x)); });
  return {ia_nn::make_npy(std::span<f32 const>(y), x.shape)};
}

std::vector<optional_array> run_dynamic(op_case const& c) {
  c.attribute.only({});
  npy_array const& x = c.required(0);
  std::vector<f32> const values = f32_elements(x);
  std::vector<u8> y(values.size());
  ia_nn::quantization const q =
      ia_nn::quantize_dynamic<I>(static_cast<index_t>(y.size()), values.data(), y.data());
  f32 const scale[1] = {q.scale};
  u8 const zero[1] = {static_cast<u8>(q.zero_point)};
  return {ia_nn::make_npy(std::span<u8 const>(y), x.shape),
          ia_nn::make_npy(std::span<f32 const>(scale), {}),
          ia_nn::make_npy(std::span<u8 const>(zero), {})};
}

// One zero point or scale; 0 or 1 where it is left out.
s32 zero_of(op_case const& c, std::size_t i) {
  if (!c.input(i)) return 0;
  std::vector<s32> const v = s32_elements(*c.input(i));
  if (v.size() != 1) throw unsupported("zero points per row or column");
  return v[0];
}
f32 scale_of(op_case const& c, std::size_t i) {
  npy_array const& array = c.required(i);
  if (array.size() != 1) throw unsupported("scales per row or column");
  return ia_nn::npy_elements<f32>(array)[0];
}

struct product_shape {
  index_t batch, m, n, k;
  std::vector<index_t> out;
};
product_shape product_of(npy_array const& a, npy_array const& b) {
  if (a.shape.size() != b.shape.size() || a.shape.size() < 2) throw unsupported("these ranks");
  std::size_t const r = a.shape.size();
  product_shape s{1, a.shape[r - 2], b.shape[r - 1], a.shape[r - 1], a.shape};
  for (std::size_t d = 0; d + 2 < r; ++d) {
    if (a.shape[d] != b.shape[d]) throw unsupported("broadcast batches");
    s.batch *= a.shape[d];
  }
  if (b.shape[r - 2] != s.k) throw std::runtime_error("A and B do not fit");
  s.out[r - 1] = s.n;
  return s;
}

// Weights of u8 or s8 as s8, and `n` zero points; one is for all of them.
struct signed_weights {
  std::vector<s8> values;
  std::vector<s32> zeros;

  signed_weights(npy_array const& w, npy_array const* zero, index_t n)
      : zeros(zero ? s32_elements(*zero) : std::vector<s32>(1)) {
    if (zeros.size() != 1 && zeros.size() != at(n)) throw unsupported("zero points of this shape");
    zeros.resize(at(n), zeros[0]);
    if (w.type == npy_type::uint8) {
      for (u8 x : bytes_of<u8>(w)) values.push_back(static_cast<s8>(x - 128));
      for (s32& x : zeros) x -= 128;
    } else if (w.type == npy_type::int8) values = bytes_of<s8>(w);
    else throw unsupported("weights of this type");
  }
};

// C = epilogue((a - a_zero) * (b - b_zero)) for all products of the batch.
template <class A, class C, class Epilogue>
std::vector<C> multiply(product_shape const& s, std::vector<A> const& a, npy_array const& b,
                        s32 a_zero, npy_array const* b_zero, Epilogue const& epilogue) {
  signed_weights const w(b, b_zero, s.n);
  ia_nn::gemm<I, A, s8, C> const plan(
      s.m, s.n, s.k, 1, {.a_zero_point = a_zero, .b_zero_points = w.zeros.data()});
  ia_nn::workspace scratch(plan.workspace_bytes());
  std::vector<C> y(at(s.batch * s.m * s.n));
  for (index_t i = 0; i < s.batch; ++i) {
    typename decltype(plan)::weights const packed(
        ia_nn::matrix(w.values.data() + i * s.k * s.n, s.k, s.n));
    plan.run(a.data() + i * s.m * s.k, s.k, packed, y.data() + i * s.m * s.n, s.n, epilogue,
             scratch);
  }
  return y;
}

std::vector<optional_array> run_matmul_integer(op_case const& c) {
  c.attribute.only({});
  npy_array const &a = c.required(0), &b = c.required(1);
  product_shape const s = product_of(a, b);
  return with_type(a.type, [&]<class A>(A) {
    std::vector<s32> const y =
        multiply<A, s32>(s, bytes_of<A>(a), b, zero_of(c, 2), c.input(3), ia_nn::chain<>{});
    return std::vector<optional_array>{ia_nn::make_npy(std::span<s32 const>(y), s.out)};
  });
}

std::vector<optional_array> run_qlinear_matmul(op_case const& c) {
  c.attribute.only({});
  npy_array const &a = c.required(0), &b = c.required(3);
  if (c.required(7).type != a.type) throw unsupported("results of another type than A");
  product_shape const s = product_of(a, b);
  ia_nn::requantize_tensor const stage{scale_of(c, 1) * scale_of(c, 4) / scale_of(c, 6),
                                       zero_of(c, 7)};
  return with_type(a.type, [&]<class A>(A) {
    std::vector<A> const y =
        multiply<A, A>(s, bytes_of<A>(a), b, zero_of(c, 2), c.input(5), ia_nn::chain{stage});
    return std::vector<optional_array>{ia_nn::make_npy(std::span<A const>(y), s.out)};
  });
}

// A convolution of images (N, C, spatial...) as sums, channels last.
struct conv_problem {
  ia_nn::conv_shape shape;
  index_t batch = 1;
  std::vector<index_t> out_shape; ///< as ONNX has it

  conv_problem(op_case const& c, npy_array const& x, npy_array const& w) {
    c.attribute.only({"auto_pad", "dilations", "group", "kernel_shape", "pads", "strides"});
    if (c.attribute.get("auto_pad", std::string("NOTSET")) != "NOTSET")
      throw unsupported("auto_pad");
    std::size_t const rank = x.shape.size();
    if (rank < 3 || rank > 5 || w.shape.size() != rank) throw unsupported("this rank");
    std::size_t const axes = rank - 2;
    auto const list = [&](char const* name, std::size_t n, index_t otherwise) {
      return c.attribute.get(name, std::vector<index_t>(n, otherwise));
    };
    auto const pads = list("pads", 2 * axes, 0), strides = list("strides", axes, 1),
               dilations = list("dilations", axes, 1);
    batch = x.shape[0];
    shape.channels = x.shape[1], shape.filters = w.shape[0];
    shape.groups = c.attribute.get("group", index_t{1});
    for (std::size_t a = 0; a < axes; ++a) {
      int const d = static_cast<int>(3 - axes + a);
      shape.in[d] = x.shape[a + 2];
      shape.win.kernel[d] = w.shape[a + 2];
      shape.win.stride[d] = strides.at(a), shape.win.dilation[d] = dilations.at(a);
      shape.win.pad_begin[d] = pads.at(a), shape.win.pad_end[d] = pads.at(axes + a);
    }
    shape.check(c.op.c_str());
    out_shape = {batch, shape.filters};
    for (std::size_t a = 0; a < axes; ++a)
      out_shape.push_back(shape.out()[static_cast<int>(3 - axes + a)]);
  }

  // (n, channels, pixels) <-> (n, pixels, channels)
  template <class T>
  static std::vector<T> exchanged(std::vector<T> const& v, index_t n, index_t a, index_t b) {
    std::vector<T> to(v.size());
    for (index_t i = 0; i < n; ++i)
      for (index_t j = 0; j < a; ++j)
        for (index_t k = 0; k < b; ++k) to[at((i * b + k) * a + j)] = v[at((i * a + j) * b + k)];
    return to;
  }

  // Sums of (x - x_zero) * (w - w_zero), channels last.
  template <class A>
  std::vector<s32> sums(std::vector<A> const& x, s32 x_zero, npy_array const& weights,
                        npy_array const* w_zero) const {
    signed_weights const w(weights, w_zero, shape.filters);
    std::vector<A> const src = exchanged(x, batch, shape.channels, shape.in.size());
    std::vector<s32> y(at(batch * shape.out().size() * shape.filters));
    ia_nn::conv<I, A, s8, s32> const layer(
        shape, w.values,
        {.max_batch = batch, .zero_point = x_zero, .weight_zero_points = w.zeros});
    ia_nn::workspace scratch(layer.workspace_bytes());
    layer.run(batch, src.data(), y.data(), ia_nn::chain<>{}, scratch);
    return y;
  }
  template <class T> npy_array result(std::vector<T> const& y) const {
    std::vector<T> const first = exchanged(y, batch, shape.out().size(), shape.filters);
    return ia_nn::make_npy(std::span<T const>(first), out_shape);
  }
};

std::vector<optional_array> run_conv_integer(op_case const& c) {
  npy_array const &x = c.required(0), &w = c.required(1);
  conv_problem const p(c, x, w);
  return with_type(x.type, [&]<class A>(A) {
    return std::vector<optional_array>{
        p.result(p.sums(bytes_of<A>(x), zero_of(c, 2), w, c.input(3)))};
  });
}

std::vector<optional_array> run_qlinear_conv(op_case const& c) {
  npy_array const &x = c.required(0), &w = c.required(3);
  conv_problem const p(c, x, w);
  std::vector<f32> factors = f32_elements(c.required(4));
  if (factors.size() != 1 && factors.size() != at(p.shape.filters))
    throw std::runtime_error("the scales of the weights do not fit");
  factors.resize(at(p.shape.filters), factors[0]);
  for (f32& f : factors) f = scale_of(c, 1) * f / scale_of(c, 6);
  std::vector<s32> const zeros(factors.size(), zero_of(c, 7));
  return with_type(x.type, [&]<class A>(A) {
    std::vector<s32> sums =
        p.sums(bytes_of<A>(x), zero_of(c, 2), w, &c.required(5));
    if (c.input(8)) {
      std::vector<s32> const bias = s32_elements(*c.input(8));
      for (std::size_t i = 0; i < sums.size(); ++i) sums[i] += bias.at(i % factors.size());
    }
    return with_type(c.required(7).type, [&]<class Q>(Q) {
      std::vector<Q> y(sums.size());
      ia_nn::requantize_sums<I>(
          {static_cast<index_t>(sums.size()) / p.shape.filters, p.shape.filters, 1}, sums.data(),
          y.data(), channel_quantization{factors.data(), zeros.data()});
      return std::vector<optional_array>{p.result(y)};
    });
  });
}

registration const quantize{"QuantizeLinear", run_quantize},
    dequantize{"DequantizeLinear", run_dequantize}, dynamic{"DynamicQuantizeLinear", run_dynamic},
    matmul_integer{"MatMulInteger", run_matmul_integer},
    qlinear_matmul{"QLinearMatMul", run_qlinear_matmul},
    conv_integer{"ConvInteger", run_conv_integer}, qlinear_conv{"QLinearConv", run_qlinear_conv};

} // namespace
} // namespace onnx_cases

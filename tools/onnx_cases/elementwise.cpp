// SPDX-License-Identifier: Apache-2.0
//
// Operators element by element, reductions and matrix products, as expressions (ops/expr.hpp).
#include "arrays.hpp"
#include "operators.hpp"

#include <ia_nn/ia_nn.hpp>
#include <ia_nn/ops/move.hpp>

#include <cstring>

namespace onnx_cases {
namespace {

using ia_nn::dyn;
using ia_nn::s8;
using ia_nn::u8;
using array_1 = ia_nn::shape<dyn>;
using array_2 = ia_nn::shape<dyn, dyn>;
using array_5 = ia_nn::shape<dyn, dyn, dyn, dyn, dyn>;
template <class T, class S> using view = ia_nn::tensor_view<T, S>;
namespace act = ia_nn::activation;

view<f32 const, array_1> flat(std::vector<f32> const& v) {
  return {v.data(), array_1(static_cast<index_t>(v.size()))};
}
// With axes of extent 1 before the first; broadcasting sees no difference.
template <class T> view<T, array_5> of_five(T* data, shape_list const& s) {
  if (s.size() > 5) throw unsupported("more than 5 axes");
  index_t e[5] = {1, 1, 1, 1, 1};
  std::copy(s.begin(), s.end(), e + 5 - s.size());
  return {data, array_5(e[0], e[1], e[2], e[3], e[4])};
}
shape_list broadcast(shape_list const& a, shape_list const& b) {
  shape_list s(std::max(a.size(), b.size()), 1);
  for (shape_list const* from : {&a, &b})
    for (std::size_t d = 0; d < from->size(); ++d) {
      index_t& n = s[d + s.size() - from->size()];
      if ((*from)[d] != 1) n = (*from)[d];
    }
  return s;
}

// ---- one operand

template <class F> std::vector<optional_array> mapped(npy_array const& x, F const& f) {
  auto const v = f32_elements(x);
  std::vector<f32> y(v.size());
  view<f32, array_1> const to(y.data(), array_1(static_cast<index_t>(y.size())));
  if (!y.empty()) ia_nn::eval(to, ia_nn::map(f, flat(v)));
  return {array_of(y, x.shape)};
}
template <class F> std::vector<optional_array> run_plain(op_case const& c) {
  return mapped(c.required(0), F{});
}
// Attributes `alpha` and a second one, with the defaults of F.
template <class F> std::vector<optional_array> run_alpha(op_case const& c) {
  c.attribute.only({"alpha"});
  F f;
  f.alpha = c.attribute.get("alpha", f.alpha);
  return mapped(c.required(0), f);
}
struct negative {
  auto operator()(auto v) const { return v * decltype(v)::broadcast(-1.0F); }
};
std::vector<optional_array> run_selu(op_case const& c) {
  c.attribute.only({"alpha", "gamma"});
  act::selu f;
  f.alpha = c.attribute.get("alpha", f.alpha), f.gamma = c.attribute.get("gamma", f.gamma);
  return mapped(c.required(0), f);
}
std::vector<optional_array> run_hard_sigmoid(op_case const& c) {
  c.attribute.only({"alpha", "beta"});
  return mapped(c.required(0), act::hard_sigmoid{c.attribute.get("alpha", 0.2F),
                                                 c.attribute.get("beta", 0.5F)});
}
std::vector<optional_array> run_swish(op_case const& c) {
  c.attribute.only({"alpha"});
  return mapped(c.required(0), act::swish<>{c.attribute.get("alpha", 1.0F)});
}
std::vector<optional_array> run_gelu(op_case const& c) {
  c.attribute.only({"approximate"});
  auto const how = c.attribute.get("approximate", std::string("none"));
  if (how == "tanh") return mapped(c.required(0), act::gelu_tanh<>{});
  return mapped(c.required(0), act::gelu<>{});
}

// ---- two operands of one type

// The elements as T, or `unsupported`. Integers of 32 bits pass through f32: 24 bits of them.
template <class T> std::vector<T> elements_of(npy_array const& a) {
  if (a.type != ia_nn::npy_type_of<T>())
    throw unsupported(std::string("elements of type ") + ia_nn::name_of(a.type));
  std::vector<T> v(at(a.size()));
  if (!v.empty()) std::memcpy(v.data(), a.bytes.data(), a.bytes.size());
  if constexpr (std::same_as<T, s32>)
    for (T const x : v)
      if (x < -(1 << 24) || x > 1 << 24) throw unsupported("integers of more than 24 bits");
  return v;
}

// f(expression, expression) -> expression
template <class T, class F> npy_array combined(npy_array const& a, npy_array const& b, F const& f) {
  auto const x = elements_of<T>(a), y = elements_of<T>(b);
  shape_list const shape = broadcast(a.shape, b.shape);
  std::vector<T> z(at(extents_product(shape)));
  if (!z.empty())
    ia_nn::eval(of_five(z.data(), shape),
                f(of_five(x.data(), a.shape), of_five(y.data(), b.shape)));
  return array_of(z, shape);
}

struct add {
  auto operator()(auto const& a, auto const& b) const { return a + b; }
};
struct subtract {
  auto operator()(auto const& a, auto const& b) const { return a - b; }
};
struct multiply {
  auto operator()(auto const& a, auto const& b) const { return a * b; }
};
struct divide {
  auto operator()(auto const& a, auto const& b) const { return a / b; }
};
struct largest {
  auto operator()(auto const& a, auto const& b) const { return ia_nn::max(a, b); }
};
struct smallest {
  auto operator()(auto const& a, auto const& b) const { return ia_nn::min(a, b); }
};
struct rectify {
  auto operator()(auto const& x, auto const& slope) const {
    return ia_nn::select(x < 0, x * slope, x);
  }
};
// e^(b log a): for a >= 0
struct power_of {
  template <class V> IA_NN_INLINE V operator()(V a, V b) const noexcept {
    return ia_nn::math::exp(b * ia_nn::math::log(a));
  }
};
struct power {
  auto operator()(auto const& a, auto const& b) const { return ia_nn::map(power_of{}, a, b); }
};

// Operand i. Before version 7 the second one says where it begins: axes of extent 1 go behind it.
npy_array operand(op_case const& c, std::size_t i) {
  npy_array b = c.required(i);
  if (c.opset >= 7) {
    c.attribute.only({});
    return b;
  }
  c.attribute.only({"axis", "broadcast"});
  if (i != 1 || !c.attribute.has("axis")) return b;
  std::size_t const rank = c.required(0).shape.size();
  std::size_t const axis = axis_of(c.attribute.get("axis", index_t{0}), rank);
  if (axis + b.shape.size() > rank) throw std::runtime_error("the second operand has too many axes");
  b.shape.resize(rank - axis, 1);
  return b;
}

template <class F> std::vector<optional_array> run_two(op_case const& c) {
  return {combined<f32>(operand(c, 0), operand(c, 1), F{})};
}
// Any number of operands, of any type whose values f32 holds.
template <class F> std::vector<optional_array> run_many(op_case const& c) {
  npy_array all = operand(c, 0);
  for (std::size_t i = 1; i < c.inputs.size(); ++i) {
    npy_array const next = operand(c, i);
    if (all.type == npy_type::int8) all = combined<s8>(all, next, F{});
    else if (all.type == npy_type::uint8) all = combined<u8>(all, next, F{});
    else if (all.type == npy_type::int32) all = combined<s32>(all, next, F{});
    else all = combined<f32>(all, next, F{});
  }
  if (c.inputs.size() == 1) static_cast<void>(f32_elements(all));
  return {all};
}
std::vector<optional_array> run_mean(op_case const& c) {
  auto const total = *run_many<add>(c).at(0);
  return mapped(total, act::linear{1.0F / static_cast<f32>(c.inputs.size()), 0.0F});
}
std::vector<optional_array> run_prelu(op_case const& c) {
  c.attribute.only({});
  npy_array slope = c.required(1);
  if (c.opset < 7 && slope.shape.size() == 1 && slope.shape[0] != 1) // along the channels
    slope.shape.resize(c.required(0).shape.size() - 1, 1);
  return {combined<f32>(c.required(0), slope, rectify{})};
}

std::vector<optional_array> run_clip(op_case const& c) {
  c.attribute.only({"max", "min"});
  npy_array y = c.required(0);
  auto const bound = [&](std::size_t i, char const* name, auto const& f) {
    npy_array limit;
    if (c.input(i)) limit = *c.input(i);
    else if (c.attribute.has(name))
      limit = array_of(std::vector<f32>{c.attribute.get(name, 0.0F)}, {});
    else return;
    if (y.type == npy_type::int8) y = combined<s8>(y, limit, f);
    else y = combined<f32>(y, limit, f);
  };
  bound(1, "min", largest{}), bound(2, "max", smallest{});
  return {y};
}

// ---- reductions: the kept axes first, then rows

enum class reduction { sum, mean, max, min };

template <reduction R> std::vector<optional_array> run_reduce(op_case const& c) {
  c.attribute.only({"axes", "keepdims", "noop_with_empty_axes"});
  npy_array const& x = c.required(0);
  shape_list const axes = integers(c, 1, "axes");
  if (axes.empty() && c.attribute.get("noop_with_empty_axes", 0) != 0) return {x};
  std::size_t const rank = x.shape.size();
  std::vector<bool> reduced(rank, axes.empty());
  for (index_t const a : axes) reduced[axis_of(a, rank)] = true;
  std::vector<int> order;
  shape_list shape;
  index_t rows = 1, n = 1;
  bool const keep = c.attribute.get("keepdims", 1) != 0;
  for (std::size_t d = 0; d < rank; ++d) {
    if (!reduced[d]) order.push_back(static_cast<int>(d)), rows *= x.shape[d];
    if (!reduced[d] || keep) shape.push_back(reduced[d] ? 1 : x.shape[d]);
  }
  for (std::size_t d = 0; d < rank; ++d)
    if (reduced[d]) order.push_back(static_cast<int>(d)), n *= x.shape[d];
  auto const v = f32_elements(x);
  std::vector<f32> sorted(std::max<std::size_t>(v.size(), 1)), y(at(rows));
  ia_nn::strided_move<ia_nn::isa::native>::transpose(sizeof(f32), x.shape, order)
      .run(v.data(), sorted.data());
  view<f32 const, array_2> const from(sorted.data(), array_2(rows, n));
  view<f32, array_1> const to(y.data(), array_1(rows));
  if (rows > 0) {
    constexpr auto last = ia_nn::axes<1>;
    if constexpr (R == reduction::sum) ia_nn::eval(to, ia_nn::sum(from, last));
    else if constexpr (R == reduction::mean) ia_nn::eval(to, ia_nn::mean(from, last));
    else if constexpr (R == reduction::max) ia_nn::eval(to, ia_nn::max(from, last));
    else ia_nn::eval(to, ia_nn::min(from, last));
  }
  return {array_of(y, shape)};
}

// ---- matrix products

using strided_matrix = ia_nn::tensor_view<f32 const, array_2, ia_nn::strided>;

// Rows and columns of a dense matrix, exchanged or not.
strided_matrix as_matrix(f32 const* p, index_t rows, index_t columns, bool transposed) {
  using map = ia_nn::strided::mapping<array_2>;
  if (transposed) return {p, map(array_2(columns, rows), 1, columns)};
  return {p, map(array_2(rows, columns), columns, 1)};
}

std::vector<optional_array> run_gemm(op_case const& c) {
  c.attribute.only({"alpha", "beta", "broadcast", "transA", "transB"});
  npy_array const &A = c.required(0), &B = c.required(1);
  if (A.shape.size() != 2 || B.shape.size() != 2) throw std::runtime_error("no matrices");
  auto const a = f32_elements(A), b = f32_elements(B);
  auto const left = as_matrix(a.data(), A.shape[0], A.shape[1], c.attribute.get("transA", 0) != 0);
  auto const right = as_matrix(b.data(), B.shape[0], B.shape[1], c.attribute.get("transB", 0) != 0);
  index_t const m = left.extent(0), n = right.extent(1);
  std::vector<f32> bias{0}, y(at(m * n));
  index_t rows = 1, columns = 1;
  if (npy_array const* const C = c.input(2)) {
    bias = f32_elements(*C);
    if (!C->shape.empty()) columns = C->shape.back();
    if (C->shape.size() == 2) rows = C->shape[0];
  }
  view<f32 const, array_2> const third(bias.data(), array_2(rows, columns));
  view<f32, array_2> const to(y.data(), array_2(m, n));
  ia_nn::eval(to, ia_nn::matmul(left, right) * c.attribute.get("alpha", 1.0F) +
                      third * c.attribute.get("beta", 1.0F));
  return {array_of(y, {m, n})};
}

registration const entries[] = {{"Relu", run_plain<act::relu>},
                                {"Sigmoid", run_plain<act::sigmoid<>>},
                                {"Tanh", run_plain<act::tanh<>>},
                                {"Softplus", run_plain<act::softplus>},
                                {"Softsign", run_plain<act::softsign>},
                                {"HardSwish", run_plain<act::hard_swish>},
                                {"Mish", run_plain<act::mish>},
                                {"Exp", run_plain<act::exp<>>},
                                {"Log", run_plain<act::log<>>},
                                {"Sqrt", run_plain<act::sqrt>},
                                {"Abs", run_plain<act::abs>},
                                {"Neg", run_plain<negative>},
                                {"LeakyRelu", run_alpha<act::leaky_relu>},
                                {"ThresholdedRelu", run_alpha<act::thresholded_relu>},
                                {"Elu", run_alpha<act::elu>},
                                {"Celu", run_alpha<act::celu>},
                                {"Selu", run_selu},
                                {"HardSigmoid", run_hard_sigmoid},
                                {"Swish", run_swish},
                                {"Gelu", run_gelu},
                                {"Add", run_two<add>},
                                {"Sub", run_two<subtract>},
                                {"Mul", run_two<multiply>},
                                {"Div", run_two<divide>},
                                {"Pow", run_two<power>},
                                {"Max", run_many<largest>},
                                {"Min", run_many<smallest>},
                                {"Sum", run_many<add>},
                                {"Mean", run_mean},
                                {"PRelu", run_prelu},
                                {"Clip", run_clip},
                                {"ReduceSum", run_reduce<reduction::sum>},
                                {"ReduceMean", run_reduce<reduction::mean>},
                                {"ReduceMax", run_reduce<reduction::max>},
                                {"ReduceMin", run_reduce<reduction::min>},
                                {"Gemm", run_gemm}};

} // namespace
} // namespace onnx_cases

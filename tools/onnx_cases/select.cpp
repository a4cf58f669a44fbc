// SPDX-License-Identifier: Apache-2.0
//
// Operators that choose elements by indices, or find them.
#include "arrays.hpp"
#include "operators.hpp"

#include <ia_nn/ops/gather.hpp>
#include <ia_nn/ops/top_k.hpp>

#include <cstring>

namespace onnx_cases {
namespace {

using native = ia_nn::isa::native;

npy_array empty_like(npy_array const& x, shape_list const& shape) {
  npy_array y{x.type, shape, {}, "memory"};
  y.bytes.resize(at(extents_product(shape) * ia_nn::bytes_of(x.type)));
  return y;
}
std::vector<std::int64_t> indices_of(npy_array const& a) { return ia_nn::npy_elements<std::int64_t>(a); }

std::vector<optional_array> run_gather(op_case const& c) {
  c.attribute.only({"axis"});
  npy_array const& x = c.required(0);
  npy_array const& indices = c.required(1);
  std::size_t const rank = x.shape.size(), axis = axis_of(c.attribute.get("axis", index_t{0}), rank);
  std::vector<std::int64_t> const rows = indices_of(indices);
  auto const count = static_cast<index_t>(rows.size());
  auto const middle = x.shape.begin() + static_cast<index_t>(axis);
  shape_list shape(x.shape.begin(), middle);
  shape.insert(shape.end(), indices.shape.begin(), indices.shape.end());
  shape.insert(shape.end(), middle + 1, x.shape.end());
  npy_array y = empty_like(x, shape);
  ia_nn::row_gather const layer(ia_nn::bytes_of(x.type), extents_product(x.shape, 0, axis), x.shape[axis],
                                extents_product(x.shape, axis + 1, rank));
  layer.check(count, rows.data());
  layer.run(count, x.bytes.data(), rows.data(), y.bytes.data());
  return {y};
}

std::vector<optional_array> run_gather_elements(op_case const& c) {
  c.attribute.only({"axis"});
  npy_array const& x = c.required(0);
  npy_array const& indices = c.required(1);
  auto const axis = static_cast<int>(axis_of(c.attribute.get("axis", index_t{0}), x.shape.size()));
  std::vector<std::int64_t> const list = indices_of(indices);
  npy_array y = empty_like(x, indices.shape);
  ia_nn::element_gather const layer(ia_nn::bytes_of(x.type), x.shape, indices.shape, axis);
  layer.check(list.data());
  layer.run(x.bytes.data(), list.data(), y.bytes.data());
  return {y};
}

std::vector<optional_array> run_scatter_elements(op_case const& c) {
  c.attribute.only({"axis", "reduction"});
  npy_array const& x = c.required(0);
  npy_array const& indices = c.required(1);
  auto const axis = static_cast<int>(axis_of(c.attribute.get("axis", index_t{0}), x.shape.size()));
  auto const how = c.attribute.get("reduction", std::string("none"));
  std::vector<std::int64_t> const list = indices_of(indices);
  ia_nn::element_scatter const layer(ia_nn::bytes_of(x.type), x.shape, indices.shape, axis);
  layer.check(list.data());
  if (how == "add") {
    std::vector<f32> const data = f32_elements(x), updates = f32_elements(c.required(2));
    std::vector<f32> y(data.size());
    layer.run_add(data.data(), updates.data(), list.data(), y.data());
    return {array_of(y, x.shape)};
  }
  if (how != "none") throw unsupported("reduction " + how);
  npy_array y = empty_like(x, x.shape);
  layer.run(x.bytes.data(), c.required(2).bytes.data(), list.data(), y.bytes.data());
  return {y};
}

// Elements to where the maximum of a pool was: indices count the whole tensor.
std::vector<optional_array> run_max_unpool(op_case const& c) {
  c.attribute.only({"kernel_shape", "pads", "strides"});
  npy_array const& x = c.required(0);
  shape_list const kernel = c.attribute.get("kernel_shape", shape_list{});
  shape_list const pads = c.attribute.get("pads", shape_list(2 * kernel.size()));
  shape_list const strides = c.attribute.get("strides", shape_list(kernel.size(), 1));
  shape_list shape = integers(c, 2, "");
  if (shape.empty()) {
    shape = {x.shape.at(0), x.shape.at(1)};
    for (std::size_t d = 0; d < kernel.size(); ++d)
      shape.push_back((x.shape.at(d + 2) - 1) * strides.at(d) + kernel[d] - pads.at(d) - pads.at(d + kernel.size()));
  }
  std::vector<std::int64_t> const places = indices_of(c.required(1));
  index_t const extent[] = {extents_product(shape)}, count[] = {x.size()};
  npy_array y = empty_like(x, shape); // zeros
  ia_nn::element_scatter const layer(ia_nn::bytes_of(x.type), extent, count, 0);
  layer.check(places.data());
  layer.run(y.bytes.data(), x.bytes.data(), places.data(), y.bytes.data());
  return {y};
}

std::vector<optional_array> run_one_hot(op_case const& c) {
  c.attribute.only({"axis"});
  npy_array const& indices = c.required(0);
  // Indices and the depth may be floating-point numbers.
  auto const whole = [](npy_array const& a) {
    if (a.type != npy_type::float32) return indices_of(a);
    std::vector<std::int64_t> to;
    for (f32 const x : ia_nn::npy_elements<f32>(a)) to.push_back(static_cast<std::int64_t>(x));
    return to;
  };
  std::vector<std::int64_t> const list = whole(indices);
  index_t const depth = whole(c.required(1)).at(0);
  npy_array const& values = c.required(2);
  std::size_t const rank = indices.shape.size() + 1, axis = axis_of(c.attribute.get("axis", index_t{-1}), rank);
  shape_list shape = indices.shape;
  shape.insert(shape.begin() + static_cast<index_t>(axis), depth);
  index_t const outer = extents_product(shape, 0, axis), inner = extents_product(shape, axis + 1, rank);
  auto const made = [&]<class T>(T) {
    T pair[2]; // off and on
    if (values.bytes.size() != sizeof pair) throw std::runtime_error("there are not two values");
    std::memcpy(pair, values.bytes.data(), sizeof pair);
    std::vector<T> y(at(extents_product(shape)));
    ia_nn::one_hot_rows<T>(depth, inner, pair[1], pair[0]).run(outer, list.data(), y.data());
    return std::vector<optional_array>{array_of(y, shape)};
  };
  if (values.type == npy_type::float32) return made(f32{});
  if (values.type == npy_type::int32) return made(s32{});
  if (values.type == npy_type::int64) return made(std::int64_t{});
  throw unsupported(std::string("values of type ") + ia_nn::name_of(values.type));
}

std::vector<optional_array> run_arg(op_case const& c, bool largest) {
  c.attribute.only({"axis", "keepdims", "select_last_index"});
  npy_array const& x = c.required(0);
  auto const values = f32_elements(x);
  std::size_t const axis = axis_of(c.attribute.get("axis", index_t{0}), x.shape.size());
  index_t const outer = extents_product(x.shape, 0, axis), inner = extents_product(x.shape, axis + 1, x.shape.size());
  bool const last = c.attribute.get("select_last_index", 0) != 0;
  std::vector<s32> places(at(outer * inner));
  ia_nn::arg_selection<native>({.n = x.shape[axis], .inner = inner, .largest = largest, .last = last})
      .run(outer, values.data(), places.data());
  std::vector<std::int64_t> const y(places.begin(), places.end());
  shape_list shape = x.shape;
  if (c.attribute.get("keepdims", 1) != 0) shape[axis] = 1;
  else shape.erase(shape.begin() + static_cast<index_t>(axis));
  return {array_of(y, shape)};
}
std::vector<optional_array> run_arg_max(op_case const& c) { return run_arg(c, true); }
std::vector<optional_array> run_arg_min(op_case const& c) { return run_arg(c, false); }

std::vector<optional_array> run_top_k(op_case const& c) {
  c.attribute.only({"axis", "largest", "sorted"});
  npy_array const& x = c.required(0);
  auto const values = f32_elements(x);
  std::size_t const axis = axis_of(c.attribute.get("axis", index_t{-1}), x.shape.size());
  index_t const k = indices_of(c.required(1)).at(0);
  shape_list shape = x.shape;
  shape[axis] = k;
  ia_nn::top_k_selection<native> const layer({.n = x.shape[axis], .k = k,
                                              .inner = extents_product(x.shape, axis + 1, x.shape.size()),
                                              .largest = c.attribute.get("largest", 1) != 0,
                                              .sorted = c.attribute.get("sorted", 1) != 0});
  std::vector<f32> best(at(extents_product(shape)));
  std::vector<s32> places(best.size());
  ia_nn::workspace scratch(layer.workspace_bytes());
  layer.run(extents_product(x.shape, 0, axis), values.data(), best.data(), places.data(), scratch);
  return {array_of(best, shape), array_of(std::vector<std::int64_t>(places.begin(), places.end()), shape)};
}

registration const entries[] = {{"Gather", run_gather},
                                {"GatherElements", run_gather_elements},
                                {"ScatterElements", run_scatter_elements},
                                {"MaxUnpool", run_max_unpool},
                                {"OneHot", run_one_hot},
                                {"ArgMax", run_arg_max},
                                {"ArgMin", run_arg_min},
                                {"TopK", run_top_k}};

} // namespace
} // namespace onnx_cases

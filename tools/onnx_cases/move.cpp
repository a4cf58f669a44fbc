// SPDX-License-Identifier: Apache-2.0
//
// Operators that move elements: of any type, since only its size matters.
#include "arrays.hpp"
#include "operators.hpp"

#include <ia_nn/ops/move.hpp>
#include <ia_nn/ops/pad.hpp>

#include <algorithm>

namespace onnx_cases {
namespace {

using move = ia_nn::strided_move<ia_nn::isa::native>;

npy_array empty_like(npy_array const& x, shape_list const& shape) {
  npy_array y{x.type, shape, {}, "memory"};
  y.bytes.resize(at(extents_product(shape) * ia_nn::bytes_of(x.type)));
  return y;
}

std::vector<optional_array> run_transpose(op_case const& c) {
  c.attribute.only({"perm"});
  npy_array const& x = c.required(0);
  std::vector<int> perm = c.attribute.get("perm", std::vector<int>{});
  if (perm.empty())
    for (std::size_t d = x.shape.size(); d-- > 0;) perm.push_back(static_cast<int>(d));
  shape_list shape;
  for (int const p : perm) shape.push_back(x.shape.at(static_cast<std::size_t>(p)));
  npy_array y = empty_like(x, shape);
  move::transpose(ia_nn::bytes_of(x.type), x.shape, perm).run(x.bytes.data(), y.bytes.data());
  return {y};
}

std::vector<optional_array> run_reshape(op_case const& c) {
  c.attribute.only({"allowzero", "shape"});
  npy_array const& x = c.required(0);
  shape_list shape = integers(c, 1, "shape");
  bool const zeros = c.attribute.get("allowzero", 0) != 0;
  for (std::size_t d = 0; d < shape.size(); ++d)
    if (shape[d] == 0 && !zeros) shape[d] = x.shape.at(d);
  for (index_t& n : shape)
    if (n == -1) {
      n = 1;
      n = x.size() / std::max<index_t>(extents_product(shape), 1);
      break;
    }
  return {reshaped(x, shape)};
}
std::vector<optional_array> run_flatten(op_case const& c) {
  c.attribute.only({"axis"});
  npy_array const& x = c.required(0);
  index_t const axis = c.attribute.get("axis", index_t{1});
  std::size_t const d = at(axis < 0 ? axis + static_cast<index_t>(x.shape.size()) : axis);
  return {
      reshaped(x, {extents_product(x.shape, 0, d), extents_product(x.shape, d, x.shape.size())})};
}
std::vector<optional_array> run_squeeze(op_case const& c) {
  c.attribute.only({"axes"});
  npy_array const& x = c.required(0);
  shape_list const axes = integers(c, 1, "axes");
  std::vector<bool> gone(x.shape.size());
  for (std::size_t d = 0; d < gone.size(); ++d) gone[d] = axes.empty() && x.shape[d] == 1;
  for (index_t const a : axes) gone[axis_of(a, gone.size())] = true;
  shape_list shape;
  for (std::size_t d = 0; d < gone.size(); ++d)
    if (!gone[d]) shape.push_back(x.shape[d]);
  return {reshaped(x, shape)};
}
std::vector<optional_array> run_unsqueeze(op_case const& c) {
  c.attribute.only({"axes"});
  npy_array const& x = c.required(0);
  shape_list const axes = integers(c, 1, "axes");
  std::vector<bool> added(x.shape.size() + axes.size());
  for (index_t const a : axes) added[axis_of(a, added.size())] = true;
  shape_list shape;
  auto next = x.shape.begin();
  for (bool const one : added) shape.push_back(one ? 1 : *next++);
  return {reshaped(x, shape)};
}

std::vector<optional_array> run_pad(op_case const& c) {
  c.attribute.only({"mode", "pads", "value"});
  npy_array const& x = c.required(0);
  std::size_t const rank = x.shape.size();
  shape_list const pads = integers(c, 1, "pads");
  shape_list begin(rank), end(rank), shape;
  shape_list axes = integers(c, 3, "");
  if (axes.empty())
    for (std::size_t d = 0; d < rank; ++d) axes.push_back(static_cast<index_t>(d));
  for (std::size_t i = 0; i < axes.size(); ++i) {
    begin[axis_of(axes[i], rank)] = pads.at(i);
    end[axis_of(axes[i], rank)] = pads.at(axes.size() + i);
  }
  for (std::size_t d = 0; d < rank; ++d) shape.push_back(begin[d] + x.shape[d] + end[d]);
  auto const name = c.attribute.get("mode", std::string("constant"));
  std::map<std::string, ia_nn::pad_mode> const modes = {{"constant", ia_nn::pad_mode::constant},
                                                        {"reflect", ia_nn::pad_mode::reflect},
                                                        {"edge", ia_nn::pad_mode::edge},
                                                        {"wrap", ia_nn::pad_mode::wrap}};
  if (!modes.contains(name)) throw unsupported("mode " + name);
  f32 const value = c.attribute.get("value", 0.0F);
  if (value != 0 && x.type != npy_type::float32) throw unsupported("a value that is no float32");
  void const* constant = c.input(2) ? static_cast<void const*>(c.input(2)->bytes.data()) : nullptr;
  if (!constant && value != 0) constant = &value;
  npy_array y = empty_like(x, shape);
  ia_nn::pad(ia_nn::bytes_of(x.type), x.shape, begin, end, modes.at(name))
      .run(x.bytes.data(), y.bytes.data(), constant);
  return {y};
}

std::vector<optional_array> run_concat(op_case const& c) {
  c.attribute.only({"axis"});
  npy_array const& first = c.required(0);
  std::size_t const axis = axis_of(c.attribute.get("axis", index_t{1}), first.shape.size());
  shape_list shape = first.shape, extents;
  std::vector<void const*> src;
  shape[axis] = 0;
  for (std::size_t i = 0; i < c.inputs.size(); ++i) {
    extents.push_back(c.required(i).shape.at(axis));
    src.push_back(c.required(i).bytes.data());
    shape[axis] += extents.back();
  }
  npy_array y = empty_like(first, shape);
  ia_nn::concat<ia_nn::isa::native>(ia_nn::bytes_of(first.type), extents_product(shape, 0, axis),
                                    extents, extents_product(shape, axis + 1, shape.size()))
      .run(src.data(), y.bytes.data());
  return {y};
}

npy_array sliced(npy_array const& x, shape_list const& start, shape_list const& count,
                 shape_list const& step) {
  npy_array y = empty_like(x, count);
  move::slice(ia_nn::bytes_of(x.type), x.shape, start, count, step)
      .run(x.bytes.data(), y.bytes.data());
  return y;
}

std::vector<optional_array> run_slice(op_case const& c) {
  c.attribute.only({"axes", "ends", "starts"});
  npy_array const& x = c.required(0);
  std::size_t const rank = x.shape.size();
  shape_list const starts = integers(c, 1, "starts"), ends = integers(c, 2, "ends");
  shape_list axes = integers(c, 3, "axes"), steps = integers(c, 4, "");
  if (axes.empty())
    for (std::size_t i = 0; i < starts.size(); ++i) axes.push_back(static_cast<index_t>(i));
  steps.resize(axes.size(), 1);
  shape_list start(rank), count = x.shape, step(rank, 1);
  for (std::size_t i = 0; i < axes.size(); ++i) {
    std::size_t const d = axis_of(axes[i], rank);
    index_t const n = x.shape[d], by = steps[i];
    // Bounds as the operator clamps them; backwards, -1 is the end before element 0.
    index_t const low = by > 0 ? 0 : -1, high = by > 0 ? n : n - 1;
    auto const bound = [&](index_t v, index_t lowest) {
      return std::clamp(v < 0 ? v + n : v, lowest, high);
    };
    start[d] = bound(starts[i], 0), step[d] = by;
    index_t const span = bound(ends[i], low) - start[d];
    count[d] = std::max<index_t>((span + by - (by > 0 ? 1 : -1)) / by, 0);
  }
  return {sliced(x, start, count, step)};
}

std::vector<optional_array> run_split(op_case const& c) {
  c.attribute.only({"axis", "num_outputs", "split"});
  npy_array const& x = c.required(0);
  std::size_t const axis = axis_of(c.attribute.get("axis", index_t{0}), x.shape.size());
  shape_list parts = integers(c, 1, "split");
  if (parts.empty()) {
    index_t const n = static_cast<index_t>(c.output_names.size());
    index_t const each = (x.shape[axis] + n - 1) / n;
    for (index_t i = 0; i < n; ++i)
      parts.push_back(std::clamp<index_t>(x.shape[axis] - i * each, 0, each));
  }
  std::vector<optional_array> out;
  shape_list start(x.shape.size()), count = x.shape, step(x.shape.size(), 1);
  for (index_t const n : parts) {
    count[axis] = n;
    out.emplace_back(sliced(x, start, count, step));
    start[axis] += n;
  }
  return out;
}

// Each axis twice: the copies, with a stride of 0, and the elements.
std::vector<optional_array> run_tile(op_case const& c) {
  npy_array const& x = c.required(0);
  shape_list const repeats = integers(c, 1, "");
  std::vector<ia_nn::move_axis> axes;
  shape_list shape;
  for (std::size_t d = 0; d < x.shape.size(); ++d) shape.push_back(x.shape[d] * repeats.at(d));
  if (x.shape.size() > 4) throw unsupported("more than 4 axes");
  for (std::size_t d = 0; d < x.shape.size(); ++d) {
    index_t const to = extents_product(shape, d + 1, shape.size());
    axes.push_back({repeats[d], to * x.shape[d], 0});
    axes.push_back({x.shape[d], to, extents_product(x.shape, d + 1, x.shape.size())});
  }
  npy_array y = empty_like(x, shape);
  move(ia_nn::bytes_of(x.type), axes).run(x.bytes.data(), y.bytes.data());
  return {y};
}

registration const entries[] = {
    {"Transpose", run_transpose}, {"Reshape", run_reshape},     {"Flatten", run_flatten},
    {"Squeeze", run_squeeze},     {"Unsqueeze", run_unsqueeze}, {"Pad", run_pad},
    {"Concat", run_concat},       {"Slice", run_slice},         {"Split", run_split},
    {"Tile", run_tile}};

} // namespace
} // namespace onnx_cases

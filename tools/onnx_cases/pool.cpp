// SPDX-License-Identifier: Apache-2.0
//
// MaxPool, AveragePool, LpPool and their global forms.
#include "operators.hpp"
#include "windows.hpp"

#include <ia_nn/math/activation.hpp>
#include <ia_nn/ops/pool.hpp>

#include <cmath>

namespace onnx_cases {
namespace {

using ia_nn::pool_kind;
using ia_nn::u8;
using native = ia_nn::isa::native;

// The window of the attributes over `image`, which has `rank` axes.
ia_nn::pool_shape shape_of(op_case const& c, index_t channels, ia_nn::spatial const& image,
                           std::size_t rank) {
  return {channels, image, window_of(c, image, rank, nullptr),
          c.attribute.get("ceil_mode", 0) != 0};
}

template <class T> std::vector<optional_array> max_pool(op_case const& c, npy_array const& x) {
  auto const b = images<T>(x);
  auto const s = shape_of(c, b.channels, b.in, x.shape.size() - 2);
  ia_nn::pool<native, T> const layer(pool_kind::max, s);
  index_t const size = b.batch * layer.out().size() * b.channels;
  std::vector<T> y(at(size));
  if (c.output_names.size() < 2) {
    layer.run(b.batch, b.pixels.data(), y.data());
    return {channels_first(y, b.batch, b.channels, layer.out(), x)};
  }
  std::vector<s32> places(at(size));
  layer.run_with_indices(b.batch, b.pixels.data(), y.data(), places.data());
  // Numbers within the whole tensor; with storage_order 1 the first axis of an image runs fastest.
  auto indices = channels_first(places, b.batch, b.channels, layer.out(), x);
  bool const columns = c.attribute.get("storage_order", 0) != 0;
  std::vector<std::int64_t> wide = ia_nn::npy_elements<std::int64_t>(indices);
  index_t const each = layer.out().size();
  for (std::size_t i = 0; i < wide.size(); ++i) {
    index_t p = wide[i];
    if (columns) {
      index_t const w = p % b.in.width, h = p / b.in.width % b.in.height;
      index_t const d = p / b.in.width / b.in.height;
      if (b.in.depth > 1) throw unsupported("storage_order 1 of three axes");
      p = d + h + w * b.in.height;
    }
    wide[i] = static_cast<index_t>(i) / each * b.in.size() + p;
  }
  return {channels_first(y, b.batch, b.channels, layer.out(), x), array_of(wide, indices.shape)};
}

std::vector<optional_array> run_max_pool(op_case const& c) {
  c.attribute.only(
      {"auto_pad", "ceil_mode", "dilations", "kernel_shape", "pads", "storage_order", "strides"});
  npy_array const& x = c.required(0);
  return x.type == npy_type::uint8 ? max_pool<u8>(c, x) : max_pool<f32>(c, x);
}

std::vector<optional_array> pooled(npy_array const& x, image_batch<f32> const& b, pool_kind kind,
                                   ia_nn::pool_shape const& s) {
  ia_nn::pool<native, f32> const layer(kind, s);
  std::vector<f32> y(at(b.batch * layer.out().size() * b.channels));
  layer.run(b.batch, b.pixels.data(), y.data());
  return {channels_first(y, b.batch, b.channels, layer.out(), x)};
}

std::vector<optional_array> run_average_pool(op_case const& c) {
  c.attribute.only({"auto_pad", "ceil_mode", "count_include_pad", "dilations", "kernel_shape",
                    "pads", "strides"});
  npy_array const& x = c.required(0);
  auto const b = images<f32>(x);
  bool const padded = c.attribute.get("count_include_pad", 0) != 0;
  return pooled(x, b, padded ? pool_kind::average_padded : pool_kind::average,
                shape_of(c, b.channels, b.in, x.shape.size() - 2));
}

template <pool_kind Kind> std::vector<optional_array> run_global_pool(op_case const& c) {
  npy_array const& x = c.required(0);
  auto const b = images<f32>(x);
  return pooled(x, b, Kind, ia_nn::pool_shape::global(b.channels, b.in));
}

// (sum of |x|^p)^(1/p): an average of powers, times the number of taps.
std::vector<optional_array> run_lp_pool(op_case const& c) {
  c.attribute.only({"auto_pad", "ceil_mode", "dilations", "kernel_shape", "p", "pads", "strides"});
  npy_array const& x = c.required(0);
  auto b = images<f32>(x);
  auto const s = shape_of(c, b.channels, b.in, x.shape.size() - 2);
  if (s.ceil_mode) throw unsupported("ceil_mode: windows of different numbers of taps");
  auto const p = c.attribute.get("p", index_t{2});
  for (f32& v : b.pixels) {
    f32 const a = std::abs(v);
    v = 1;
    for (index_t i = 0; i < p; ++i) v *= a;
  }
  ia_nn::pool<native, f32> const layer(pool_kind::average_padded, s);
  std::vector<f32> y(at(b.batch * layer.out().size() * b.channels));
  layer.run(b.batch, b.pixels.data(), y.data());
  ia_nn::activation::exp<> const exp;
  ia_nn::activation::log<> const log;
  f32 const taps = static_cast<f32>(s.win.kernel.size());
  for (f32& v : y) v = v == 0 ? 0 : exp(log(v * taps) / static_cast<f32>(p));
  return {channels_first(y, b.batch, b.channels, layer.out(), x)};
}

registration const entries[] = {{"MaxPool", run_max_pool},
                                {"AveragePool", run_average_pool},
                                {"LpPool", run_lp_pool},
                                {"GlobalMaxPool", run_global_pool<pool_kind::max>},
                                {"GlobalAveragePool", run_global_pool<pool_kind::average>}};

} // namespace
} // namespace onnx_cases

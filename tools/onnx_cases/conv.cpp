// SPDX-License-Identifier: Apache-2.0
//
// Conv and ConvTranspose.
#include "operators.hpp"
#include "windows.hpp"

#include <ia_nn/ops/deconv.hpp>

#include <algorithm>

namespace onnx_cases {
namespace {

using native = ia_nn::isa::native;

std::vector<f32> bias_of(op_case const& c, index_t filters) {
  if (!c.input(2)) return std::vector<f32>(at(filters));
  require_shape(*c.input(2), {filters}, "B");
  return f32_elements(*c.input(2));
}

template <class Layer>
std::vector<optional_array> result(op_case const& c, Layer const& layer, image_batch<f32> const& b,
                                   index_t filters, ia_nn::spatial const& out) {
  auto const bias = bias_of(c, filters);
  std::vector<f32> y(at(b.batch * out.size() * filters));
  ia_nn::workspace scratch(layer.workspace_bytes());
  layer.run(b.batch, b.pixels.data(), y.data(), ia_nn::chain{ia_nn::add_bias{bias.data()}},
            scratch);
  return {channels_first(y, b.batch, filters, out, c.required(0))};
}

std::vector<optional_array> run_conv(op_case const& c) {
  c.attribute.only({"auto_pad", "dilations", "group", "kernel_shape", "pads", "strides"});
  npy_array const &x = c.required(0), &w = c.required(1);
  auto const b = images<f32>(x);
  ia_nn::conv_shape s{b.channels, w.shape[0], c.attribute.get("group", index_t{1}), b.in, {}};
  s.win = window_of(c, b.in, x.shape.size() - 2, &w);
  ia_nn::conv<native, f32, f32, f32> const layer(s, f32_elements(w), {b.batch});
  return result(c, layer, b, s.filters, layer.out());
}

std::vector<optional_array> run_conv_transpose(op_case const& c) {
  c.attribute.only({"auto_pad", "dilations", "group", "kernel_shape", "output_padding",
                    "output_shape", "pads", "strides"});
  npy_array const &x = c.required(0), &w = c.required(1);
  auto const b = images<f32>(x);
  std::size_t const rank = x.shape.size() - 2;
  index_t const groups = c.attribute.get("group", index_t{1});
  ia_nn::deconv_shape s{b.channels, w.shape[1] * groups, groups, b.in, {}, ia_nn::no_padding};
  s.win = window_of(c, b.in, rank, &w, true);
  auto const extra = c.attribute.get("output_padding", shape_list(rank, 0));
  auto wanted = c.attribute.get("output_shape", shape_list());
  auto const automatic = c.attribute.get("auto_pad", std::string("NOTSET"));
  for (std::size_t i = 0; i < rank; ++i) {
    int const d = static_cast<int>(i + 3 - rank);
    s.output_padding[d] = extra.at(i);
    if (wanted.empty() && automatic.substr(0, 4) != "SAME") continue;
    // The padding follows from the output that is asked for.
    index_t const out = wanted.empty() ? b.in[d] * s.win.stride[d] : wanted.at(i);
    index_t const all = std::max<index_t>(
        (b.in[d] - 1) * s.win.stride[d] + s.output_padding[d] + s.win.reach(d) - out, 0);
    index_t const less = all / 2;
    s.win.pad_begin[d] = automatic == "SAME_UPPER" ? less : all - less;
    s.win.pad_end[d] = all - s.win.pad_begin[d];
    s.output_padding[d] += out - s.out()[d];
  }
  ia_nn::deconv<native, f32, f32, f32> const layer(s, f32_elements(w), {b.batch});
  return result(c, layer, b, s.filters, layer.out());
}

registration const conv{"Conv", run_conv}, transposed{"ConvTranspose", run_conv_transpose};

} // namespace
} // namespace onnx_cases

// SPDX-License-Identifier: Apache-2.0
//
// Normalizations, softmax, dropout.
#include "arrays.hpp"
#include "operators.hpp"

#include <ia_nn/ops/batch_norm.hpp>
#include <ia_nn/ops/group_norm.hpp>
#include <ia_nn/ops/layer_norm.hpp>
#include <ia_nn/ops/lrn.hpp>
#include <ia_nn/ops/softmax.hpp>
#include <ia_nn/train/batch_norm.hpp>

namespace onnx_cases {
namespace {

using native = ia_nn::isa::native;

// layer.run on images with the channels last.
template <class Run> std::vector<optional_array> on_images(npy_array const& x, Run&& run) {
  auto const b = images<f32>(x);
  std::vector<f32> y(b.pixels.size());
  run(b, y.data());
  return {channels_first(y, b.batch, b.channels, b.in, x)};
}

// Statistics of the batch; the running ones are outputs.
std::vector<optional_array> run_batch_norm_training(op_case const& c) {
  auto const scale = f32_elements(c.required(1)), shift = f32_elements(c.required(2));
  auto mean = f32_elements(c.required(3)), variance = f32_elements(c.required(4));
  std::vector<f32> of_batch(mean.size()), inverse(mean.size());
  std::vector<optional_array> y = on_images(c.required(0), [&](auto const& b, f32* to) {
    if (static_cast<index_t>(mean.size()) != b.channels) throw std::runtime_error("another number of channels");
    ia_nn::batch_norm_training<native> const layer({.channels = b.channels,
                                                    .epsilon = c.attribute.get("epsilon", 1e-5F),
                                                    .momentum = c.attribute.get("momentum", 0.9F)});
    ia_nn::workspace scratch(layer.workspace_bytes());
    layer.forward(b.batch * b.in.size(), b.pixels.data(), to,
                  {scale.data(), shift.data(), mean.data(), variance.data(), of_batch.data(), inverse.data()}, scratch);
  });
  y.push_back(array_of(mean, c.required(3).shape));
  y.push_back(array_of(variance, c.required(4).shape));
  return y;
}
std::vector<optional_array> run_batch_norm(op_case const& c) {
  c.attribute.only({"epsilon", "is_test", "momentum", "training_mode"});
  if (c.attribute.get("training_mode", 0) != 0) return run_batch_norm_training(c);
  auto const scale = f32_elements(c.required(1)), shift = f32_elements(c.required(2));
  auto const mean = f32_elements(c.required(3)), variance = f32_elements(c.required(4));
  ia_nn::batch_norm<native> const layer(
      {mean, variance, scale, shift, c.attribute.get("epsilon", 1e-5F)});
  return on_images(c.required(0), [&](auto const& b, f32* y) {
    if (layer.channels() != b.channels) throw std::runtime_error("another number of channels");
    layer.run(b.batch * b.in.size(), b.pixels.data(), y);
  });
}

std::vector<optional_array> run_group_norm(op_case const& c, index_t groups) {
  auto const scale = f32_elements(c.required(1)), shift = f32_elements(c.required(2));
  return on_images(c.required(0), [&](auto const& b, f32* y) {
    if (static_cast<index_t>(scale.size()) != b.channels)
      throw unsupported("one scale for each group");
    ia_nn::group_norm<native> const layer(b.channels, groups ? groups : b.channels, scale, shift,
                                          c.attribute.get("epsilon", 1e-5F));
    layer.run(b.batch, b.in.size(), b.pixels.data(), y);
  });
}
std::vector<optional_array> run_group(op_case const& c) {
  c.attribute.only({"epsilon", "num_groups", "stash_type"});
  return run_group_norm(c, c.attribute.get("num_groups", index_t{1}));
}
std::vector<optional_array> run_instance(op_case const& c) {
  c.attribute.only({"epsilon"});
  return run_group_norm(c, 0);
}

std::vector<optional_array> run_layer_norm(op_case const& c) {
  c.attribute.only({"axis", "epsilon", "stash_type"});
  npy_array const& x = c.required(0);
  std::size_t const axis = axis_of(c.attribute.get("axis", index_t{-1}), x.shape.size());
  index_t const rows = extents_product(x.shape, 0, axis);
  index_t const n = extents_product(x.shape, axis, x.shape.size());
  auto const values = f32_elements(x), scale = f32_elements(c.required(1));
  auto const shift = c.input(2) ? f32_elements(*c.input(2)) : std::vector<f32>();
  ia_nn::layer_norm<native> const layer(n, scale, shift, c.attribute.get("epsilon", 1e-5F));
  std::vector<f32> y(values.size()), mean(at(rows)), inverse(at(rows));
  layer.run({.rows = rows, .src = values.data(), .dst = y.data(), .mean = mean.data(),
             .inverse_deviation = inverse.data()});
  shape_list per_row = x.shape;
  for (std::size_t d = axis; d < per_row.size(); ++d) per_row[d] = 1;
  return {array_of(y, x.shape), array_of(mean, per_row), array_of(inverse, per_row)};
}

std::vector<optional_array> run_lrn(op_case const& c) {
  c.attribute.only({"alpha", "beta", "bias", "size"});
  return on_images(c.required(0), [&](auto const& b, f32* y) {
    ia_nn::lrn<native> const layer(b.channels, {.size = c.attribute.get("size", index_t{1}),
                                                .alpha = c.attribute.get("alpha", 1e-4F),
                                                .beta = c.attribute.get("beta", 0.75F),
                                                .bias = c.attribute.get("bias", 1.0F),
                                                .window = ia_nn::lrn_window::onnx});
    layer.run(b.batch * b.in.size(), b.pixels.data(), y);
  });
}

template <ia_nn::softmax_kind Kind> std::vector<optional_array> run_softmax(op_case const& c) {
  c.attribute.only({"axis"});
  npy_array const& x = c.required(0);
  bool const flat = c.opset < 13; // the axis and all behind it are one
  std::size_t const rank = x.shape.size();
  std::size_t const axis = axis_of(c.attribute.get("axis", flat ? index_t{1} : index_t{-1}), rank);
  std::size_t const end = flat ? rank : axis + 1;
  auto const values = f32_elements(x);
  std::vector<f32> y(values.size());
  ia_nn::softmax<native> const layer(extents_product(x.shape, axis, end),
                                     extents_product(x.shape, end, rank), Kind);
  layer.run(extents_product(x.shape, 0, axis), values.data(), y.data());
  return {array_of(y, x.shape)};
}

// At inference nothing happens, in training with ratio 0 neither.
std::vector<optional_array> run_dropout(op_case const& c) {
  c.attribute.only({"ratio", "seed"});
  npy_array const& x = c.required(0);
  if (npy_array const* const training = c.input(2);
      training && ia_nn::npy_elements<f32>(*training).at(0) != 0) {
    f32 const ratio = c.input(1) ? ia_nn::npy_elements<f32>(*c.input(1)).at(0) : 0.5F;
    if (ratio != 0) throw unsupported("training: the random numbers of the reference");
  }
  npy_array mask = x;
  mask.type = npy_type::boolean;
  mask.bytes.assign(at(x.size()), std::byte{1});
  return {x, mask};
}

registration const entries[] = {{"BatchNormalization", run_batch_norm},
                                {"GroupNormalization", run_group},
                                {"InstanceNormalization", run_instance},
                                {"LayerNormalization", run_layer_norm},
                                {"LRN", run_lrn},
                                {"Softmax", run_softmax<ia_nn::softmax_kind::linear>},
                                {"LogSoftmax", run_softmax<ia_nn::softmax_kind::logarithm>},
                                {"Dropout", run_dropout}};

} // namespace
} // namespace onnx_cases

// SPDX-License-Identifier: Apache-2.0
//
// Shapes of ONNX, and images between ONNX's layout (channels first) and ia_nn's (channels last).
#pragma once

#include "case.hpp"

#include <ia_nn/ops/window.hpp>

namespace onnx_cases {

using shape_list = std::vector<index_t>;

inline std::size_t at(index_t i) { return static_cast<std::size_t>(i); }

/// Axis d of `rank`, counted from the end if negative. Throws std::runtime_error.
std::size_t axis_of(index_t d, std::size_t rank);
/// The product of extents [from, to).
index_t extents_product(shape_list const& s, std::size_t from, std::size_t to);
index_t extents_product(shape_list const& s);
/// Integers of input i or, before it became one, of an attribute; empty without either.
shape_list integers(op_case const& c, std::size_t i, char const* attribute);

/// An array with these elements and this shape.
template <class T> npy_array array_of(std::vector<T> const& v, shape_list const& s) {
  return ia_nn::make_npy(std::span<T const>(v), s);
}
/// Elements without a change, in another shape.
npy_array reshaped(npy_array const& a, shape_list const& s);

/// (N, C, D1, D2, D3), up to three axes of an image, with the channels last.
template <class T> struct image_batch {
  index_t batch = 1, channels = 1;
  ia_nn::spatial in{};
  std::vector<T> pixels; ///< [batch][in][channels]
};
/// For elements f32 and u8 (T). Throws `unsupported` for more axes, another type.
template <class T> image_batch<T> images(npy_array const& x);
/// [batch][out][channels] as (N, C, ...) with as many axes as `like`.
template <class T>
npy_array channels_first(std::vector<T> const& pixels, index_t batch, index_t channels,
                         ia_nn::spatial const& out, npy_array const& like);

} // namespace onnx_cases

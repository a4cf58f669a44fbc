// SPDX-License-Identifier: Apache-2.0
//
// The attributes of ONNX that describe a window over an image.
#pragma once

#include "arrays.hpp"

namespace onnx_cases {

/// kernel_shape (or the last extents of the weights), strides, dilations, pads and auto_pad over an
/// image of `rank` axes. A transposed convolution's auto_pad is left to it.
ia_nn::window window_of(op_case const& c, ia_nn::spatial const& image, std::size_t rank,
                        npy_array const* weights, bool transposed = false);

} // namespace onnx_cases

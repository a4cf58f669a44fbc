// SPDX-License-Identifier: Apache-2.0
//
// When an output is right.
#pragma once

#include "case.hpp"

namespace onnx_cases {

/// |got - expected| <= absolute + relative * |expected|
struct tolerance {
  double relative, absolute;
};

/// What kernels are held to, and what the ONNX suite asks for, which is enough where a function is
/// approximated on purpose. Both are for float32 and float64; float16 has 1e-3 and 1e-3, integers
/// and bools are exact.
inline constexpr tolerance strict{1e-5, 1e-6}, of_suite{1e-3, 1e-7};

/// "" if got is expected, else a sentence: type, shape, or the worst element. A NaN is right where
/// a NaN is expected, an infinity where the same one is.
std::string difference(npy_array const& got, npy_array const& expected, tolerance allowed);

} // namespace onnx_cases

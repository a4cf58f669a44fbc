// SPDX-License-Identifier: Apache-2.0
//
// What all contenders of a case of the suite `rnn` are given, and the definition in double.
#pragma once

#include "rnn_shapes.hpp"

#include <cmath>
#include <cstdint>
#include <vector>

namespace bench {

/// One direction of one layer, as PyTorch stores it: gates i f g o or r z n, one after the other.
struct rnn_matrices {
  long input = 0, hidden = 0, projected = 0;
  std::vector<float> w;          ///< (G*H, I)
  std::vector<float> u;          ///< (G*H, R)
  std::vector<float> b, c;       ///< (G*H): bias of the input part, of the recurrent part
  std::vector<float> projection; ///< (R, H), or empty
};

/// Weights from [-1/sqrt(H), 1/sqrt(H)), biases from [-1/4, 1/4), inputs from [-1, 1). States stay
/// within [-1, 1], or not far beyond it with relu.
struct rnn_problem {
  rnn_shape shape;
  std::vector<rnn_matrices> matrices; ///< [layer][direction]
  std::vector<float> src;             ///< (T, N, I)

  explicit rnn_problem(rnn_shape const& s);
  rnn_matrices const& at(long layer, long d) const {
    return matrices[static_cast<std::size_t>(layer * shape.directions() + d)];
  }
};

/// Inputs and states as 8-bit integers: q = round(x * quantized_one) + quantized_zero. Seven bits,
/// for that libraries add pairs of products in 16 bits where there is no VNNI.
inline constexpr float quantized_one = 63;
inline constexpr int quantized_zero = 64;
inline std::uint8_t quantize(float x) {
  return static_cast<std::uint8_t>(std::lrint(x * quantized_one) + quantized_zero);
}

/// The first `time` steps of sequence n, as if they were all: (time, width).
std::vector<double> rnn_definition(rnn_problem const& p, long n, long time);

/// The largest difference between results, relative to the largest value, that rounding explains.
double rnn_tolerance(char const* type);

} // namespace bench

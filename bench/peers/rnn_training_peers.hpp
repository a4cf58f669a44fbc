// SPDX-License-Identifier: Apache-2.0
//
// Other libraries that train recurrent layers: forward and backward as one call.
#pragma once

#include "../product.hpp"
#include "../rnn_problem.hpp"

#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace bench {

/// A layer or a stack, its inputs and the gradient of its outputs.
struct rnn_training_problem {
  rnn_problem layers;
  std::vector<float> diff_dst; ///< (T, N, width), from [-1, 1)

  explicit rnn_training_problem(rnn_shape const& s);
};

/// What a call gives, for comparison.
struct rnn_training_result {
  std::vector<float> dst;      ///< (T, N, width)
  std::vector<float> diff_src; ///< (T, N, I)
  std::vector<float> diff_w; ///< (G*H, I) of the first layer's forward direction, as PyTorch has it
  std::vector<float> diff_u; ///< (G*H, H) of the same
};

struct rnn_training_runner {
  std::function<void()> call;
  std::function<rnn_training_result()> result;
  std::string kernel; ///< what the library says it runs, forward and backward
};

struct rnn_training_peer {
  std::string name, version, missing;
  std::function<std::optional<rnn_training_runner>(rnn_training_problem const&, product)> make;
};

std::vector<rnn_training_peer> rnn_training_peers();

rnn_training_peer onednn_rnn_training(); // defined only if it was found

} // namespace bench

// SPDX-License-Identifier: Apache-2.0
//
// Other libraries with recurrent layers. Each gets weights and inputs beforehand and may bring them
// into any type and layout.
#pragma once

#include "../product.hpp"
#include "../rnn_problem.hpp"

#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace bench {

/// Something that computes a case once per call.
struct rnn_runner {
  std::function<void()> call;
  std::function<std::vector<float>()> result; ///< (T, N, width), of the last call
  std::string kernel;                         ///< what the library says it runs, or nothing
};

struct rnn_peer {
  std::string name;
  std::string version; ///< and what it chose to run on
  std::string missing; ///< why it is not there; empty: it is
  /// Empty if the library does not compute this in that type with the instruction set in force. The
  /// problem need not outlive the call.
  std::function<std::optional<rnn_runner>(rnn_problem const&, product)> make;
};

/// All peers known to this build, those that were not found with the reason.
std::vector<rnn_peer> rnn_peers();

// ---- one sample at a time -----------------------------------------------------------------------

inline constexpr long stream_samples = 64; ///< the inputs of a stream, over and over

/// A recurrent layer with one output: y = dense . h + bias.
struct stream_problem {
  rnn_problem layer;        ///< one sequence of stream_samples
  std::vector<float> dense; ///< (H)
  float bias = 0.1F;

  stream_problem(cell c, long input, long hidden)
      : layer(rnn_shape{{}, c, stream_samples, 1, input, hidden}),
        dense(layer.at(0, 0).b.begin(), layer.at(0, 0).b.begin() + hidden) {}
};

struct stream_runner {
  std::function<void()> step;                 ///< the next sample
  std::function<void()> block;                ///< all samples
  std::function<std::vector<float>()> result; ///< all outputs from the first state on
};

struct stream_peer {
  std::string name, version, missing;
  std::function<std::optional<stream_runner>(stream_problem const&)> make;
};

std::vector<stream_peer> stream_peers();

// One per library, defined only if it was found.
rnn_peer onednn_rnn();
stream_peer rtneural_eigen_stream();
stream_peer rtneural_xsimd_stream();

} // namespace bench

// SPDX-License-Identifier: Apache-2.0
//
// Other libraries with convolutions. Each gets weights and sources beforehand and may bring them
// into any layout; bias, scales and relu belong to the call.
#pragma once

#include "../conv_problem.hpp"

#include <functional>
#include <string>
#include <vector>

namespace bench {

/// Something that computes a case once per call.
struct conv_contender {
  std::string name;   ///< of the library and what it was asked for
  std::string kernel; ///< what the library says it runs
  std::function<void()> call;
  std::function<std::vector<float>()> result; ///< (batch, depth, height, width, filters)
};

struct conv_peer {
  std::string name;
  std::string version; ///< and what it chose to run on
  std::string missing; ///< why it is not there; empty: it is
  /// Every way in which the library computes this with the instruction set in force, or none. The
  /// problem need not outlive the call.
  std::function<std::vector<conv_contender>(conv_problem const&)> make;
  /// The same of two layers, of which the second reads what the first writes.
  std::function<std::vector<conv_contender>(conv_problem const&, conv_problem const&)> make_pair;
};

conv_peer onednn_conv(); // defined only if it was found

/// All peers known to this build, those that were not found with the reason.
inline std::vector<conv_peer> conv_peers() {
#if defined(IA_NN_BENCH_ONEDNN)
  return {onednn_conv()};
#else
  return {{"onednn", {}, "not found; install it or pass -DDNNL_DIR=<folder>", {}}};
#endif
}

} // namespace bench

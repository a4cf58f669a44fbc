// SPDX-License-Identifier: Apache-2.0
//
// Other libraries with gradients of convolutions. Each gets its operands beforehand and may bring them
// into any layout.
#pragma once

#include "../train_problem.hpp"
#include "conv_peers.hpp"

namespace bench {

struct train_peer {
  std::string name;
  std::string version; ///< and what it chose to run on
  std::string missing; ///< why it is not there; empty: it is
  /// Every way in which the library computes this with the instruction set in force, or none. The
  /// problem need not outlive the call.
  std::function<std::vector<conv_contender>(train_problem const&)> make;
};

train_peer onednn_train(); // defined only if it was found

/// All peers known to this build, those that were not found with the reason.
inline std::vector<train_peer> train_peers() {
#if defined(IA_NN_BENCH_ONEDNN)
  return {onednn_train()};
#else
  return {{"onednn", {}, "not found; install it or pass -DDNNL_DIR=<folder>", {}}};
#endif
}

} // namespace bench

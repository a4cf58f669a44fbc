// SPDX-License-Identifier: Apache-2.0
#include "rnn_peers.hpp"

namespace bench {

std::vector<rnn_peer> rnn_peers() {
#if defined(IA_NN_BENCH_ONEDNN)
  return {onednn_rnn()};
#else
  return {{"onednn", {}, "not found; install it or pass -DDNNL_DIR=<folder>", {}}};
#endif
}

std::vector<stream_peer> stream_peers() {
  std::vector<stream_peer> peers;
#if defined(IA_NN_BENCH_RTNEURAL_EIGEN)
  peers.push_back(rtneural_eigen_stream());
#endif
#if defined(IA_NN_BENCH_RTNEURAL_XSIMD)
  peers.push_back(rtneural_xsimd_stream());
#endif
  if (peers.empty())
    peers.push_back({"rtneural", {}, "pass -DRTNEURAL_DIR=<its source folder>", {}});
  return peers;
}

} // namespace bench

// SPDX-License-Identifier: Apache-2.0
#include "rnn_training_peers.hpp"

#include <random>

namespace bench {

rnn_training_problem::rnn_training_problem(rnn_shape const& s)
    : layers(s), diff_dst(static_cast<std::size_t>(s.time * s.batch * s.width())) {
  std::minstd_rand random(11);
  for (float& v : diff_dst)
    v = (static_cast<float>((random() >> 8) & 0xffffU) - 32768.0F) / 32768.0F;
}

std::vector<rnn_training_peer> rnn_training_peers() {
#if defined(IA_NN_BENCH_ONEDNN)
  return {onednn_rnn_training()};
#else
  return {{"onednn", {}, "not found; install it or pass -DDNNL_DIR=<folder>", {}}};
#endif
}

} // namespace bench

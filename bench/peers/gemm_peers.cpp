// SPDX-License-Identifier: Apache-2.0
#include "gemm_peers.hpp"

#include <algorithm>
#include <chrono>

namespace bench {

std::vector<gemm_peer> gemm_peers(int threads) {
  std::vector<gemm_peer> peers;
#if defined(IA_NN_BENCH_ONEDNN)
  peers.push_back(onednn_gemm());
#else
  peers.push_back({"onednn", {}, "not found; install it or pass -DDNNL_DIR=<folder>", {}});
#endif
#if defined(IA_NN_BENCH_OPENBLAS)
  peers.push_back(openblas_gemm());
#else
  peers.push_back({"openblas", {}, "not found", {}});
#endif
#if defined(IA_NN_BENCH_EIGEN)
  peers.push_back(eigen_gemm(threads));
#else
  peers.push_back({"eigen", {}, "not found", {}});
#endif
  static_cast<void>(threads);
  return peers;
}

std::function<void()> fastest(std::vector<std::function<void()>> ways) {
  using clock = std::chrono::steady_clock;
  ways.erase(std::remove(ways.begin(), ways.end(), nullptr), ways.end());
  if (ways.empty()) return {};
  if (ways.size() == 1) return std::move(ways[0]);
  std::vector<double> best(ways.size(), 1e9);
  double spent = 0;
  for (int round = 0; round < 12 && (round < 2 || spent < 0.1); ++round)
    for (std::size_t i = 0; i < ways.size(); ++i) {
      ways[i](); // finds its data in the caches, its threads awake
      auto const start = clock::now();
      for (int r = 0; r < 3; ++r) ways[i]();
      double const took = std::chrono::duration<double>(clock::now() - start).count();
      best[i] = std::min(best[i], took);
      spent += took;
    }
  return std::move(
      ways[static_cast<std::size_t>(std::min_element(best.begin(), best.end()) - best.begin())]);
}

} // namespace bench

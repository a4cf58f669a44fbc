// SPDX-License-Identifier: Apache-2.0
//
// Other libraries that multiply matrices. Each gets the weights beforehand, as ours does, and may
// choose what suits it: layout of the weights, primitive, matrix-vector instead of matrix-matrix.
// Where ours gets them with every call, so do they.
#pragma once

#include "../product.hpp"

#include <functional>
#include <string>
#include <vector>

namespace bench {

struct gemm_problem {
  product type; ///< results: f32, f32, s32, s32
  long m, n, k;
  void const* a;          ///< m x k, row-major
  void const* b;          ///< k x n, row-major: the weights
  bool beforehand = true; ///< the weights may be brought into any layout before the calls
};

struct gemm_peer {
  std::string name;
  std::string version; ///< and what it chose to run on
  std::string missing; ///< why it is not there; empty: it is
  /// A call that writes c (m x n, row-major); empty if the library does not compute this product
  /// with the instruction set in force. The problem's matrices must outlive the call.
  std::function<std::function<void()>(gemm_problem const&, void* c)> make;
};

/// All peers known to this build, those that were not found with the reason.
std::vector<gemm_peer> gemm_peers(int threads);

// One per library, defined only if it was found.
gemm_peer onednn_gemm();
gemm_peer openblas_gemm();
gemm_peer eigen_gemm(int threads);

/// The fastest of several ways to compute the same thing, by a short race; empty ones are ignored.
std::function<void()> fastest(std::vector<std::function<void()>> ways);

} // namespace bench

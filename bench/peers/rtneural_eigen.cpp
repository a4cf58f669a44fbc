// SPDX-License-Identifier: Apache-2.0
//
// RTNeural on Eigen.
#define RTNEURAL_NAMESPACE rtneural_on_eigen
#define RTNEURAL_USE_EIGEN 1
#define EIGEN_STACK_ALLOCATION_LIMIT 0 // models of 256 units are larger than it allows
#include "rtneural.hpp"

namespace bench {

stream_peer rtneural_eigen_stream() {
  return {"rtneural_eigen", IA_NN_BENCH_RTNEURAL_VERSION, {}, rtneural_make_any};
}

} // namespace bench

// SPDX-License-Identifier: Apache-2.0
//
// RTNeural on xsimd.
#define RTNEURAL_NAMESPACE rtneural_on_xsimd
#define RTNEURAL_USE_XSIMD 1
#include "rtneural.hpp"

namespace bench {

stream_peer rtneural_xsimd_stream() {
  return {"rtneural_xsimd", IA_NN_BENCH_RTNEURAL_VERSION, {}, rtneural_make_any};
}

} // namespace bench

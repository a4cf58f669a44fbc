// SPDX-License-Identifier: Apache-2.0
//
// What files about oneDNN share. The cap on its instruction set comes from the environment of the
// process (`worker_environment`).
#pragma once

#include <dnnl.hpp>

#include <string>

namespace bench {

inline dnnl::engine const& onednn_engine() {
  static dnnl::engine const e(dnnl::engine::kind::cpu, 0);
  return e;
}

/// "2.6.3 as avx512_core"
inline std::string onednn_version() {
  dnnl_version_t const* const v = dnnl_version();
  auto const isa = [] {
    switch (dnnl::get_effective_cpu_isa()) {
    case dnnl::cpu_isa::sse41:
      return "sse41";
    case dnnl::cpu_isa::avx:
      return "avx";
    case dnnl::cpu_isa::avx2:
      return "avx2";
    case dnnl::cpu_isa::avx2_vnni:
      return "avx2_vnni";
    case dnnl::cpu_isa::avx512_core:
      return "avx512_core";
    case dnnl::cpu_isa::avx512_core_vnni:
      return "avx512_core_vnni";
    case dnnl::cpu_isa::avx512_core_bf16:
      return "avx512_core_bf16";
    case dnnl::cpu_isa::avx512_core_amx:
      return "avx512_core_amx";
    default:
      return "another instruction set";
    }
  };
  return std::to_string(v->major) + "." + std::to_string(v->minor) + "." +
         std::to_string(v->patch) + " as " + isa();
}

} // namespace bench

// SPDX-License-Identifier: Apache-2.0
//
// u8 x s8 by AVX-VNNI's vpdpbusd. In assembly, so that a translation unit compiled for AVX2 holds
// the kernel too and may choose it at run time.
#pragma once

#include <ia_nn/arch/avx2/bytes.hpp>
#include <ia_nn/arch/dot.hpp>

#include <ia_nn/begin.hpp>

namespace detail {

template <> struct dot_impl<isa::avx2_vnni, u8, s8> : bytes_of_ymm {
  using acc = vec<s32, isa::avx2_vnni>;
  static constexpr int a_registers = 1, b_registers = 1, temporaries = 0;

  static IA_NN_INLINE __m256i from_words(acc w) noexcept { return w.r; }
  static IA_NN_INLINE void mac(acc& c, __m256i a, __m256i b) noexcept {
    __asm__("%{vex%} vpdpbusd %2, %1, %0" : "+x"(c.r) : "x"(a), "x"(b));
  }
};

} // namespace detail

IA_NN_END

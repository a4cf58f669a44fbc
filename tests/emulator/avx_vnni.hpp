// SPDX-License-Identifier: Apache-2.0
//
// vpdpbusd, vpdpbusds, vpdpwssd, vpdpwssds on 128 or 256 bits:
//
//   dst.s32[i] += sum over j < 4 of u8(src1[4i+j]) * s8(src2[4i+j])       (b: bytes)
//   dst.s32[i] += sum over j < 2 of s16(src1[2i+j]) * s16(src2[2i+j])     (w: words)
//
// The sum is exact; without the last s it wraps into s32, with it it saturates once, at the end.
#pragma once

#include "decode.hpp"

#include <cstdint>

namespace ia_nn_test::emulator {

inline std::int64_t dot_bytes(std::uint8_t const* a, std::uint8_t const* b) noexcept {
  std::int64_t sum = 0;
  for (int j = 0; j < 4; ++j) sum += a[j] * static_cast<std::int8_t>(b[j]);
  return sum;
}

inline std::int64_t dot_words(std::uint8_t const* a, std::uint8_t const* b) noexcept {
  auto const word = [](std::uint8_t const* p) {
    return static_cast<std::int64_t>(static_cast<std::int16_t>(p[0] | p[1] << 8));
  };
  return word(a) * word(b) + word(a + 2) * word(b + 2);
}

/// One instruction on `bytes` (16 or 32) bytes; `dst` is read and written.
inline void execute_avx_vnni(op what, std::uint8_t* dst, std::uint8_t const* src1,
                             std::uint8_t const* src2, unsigned bytes) noexcept {
  bool const words = what == op::vpdpwssd || what == op::vpdpwssds;
  bool const saturates = what == op::vpdpbusds || what == op::vpdpwssds;
  for (unsigned i = 0; i < bytes; i += 4) {
    std::int32_t old = 0;
    __builtin_memcpy(&old, dst + i, 4);
    std::int64_t sum =
        old + (words ? dot_words(src1 + i, src2 + i) : dot_bytes(src1 + i, src2 + i));
    if (saturates) sum = sum > INT32_MAX ? INT32_MAX : sum < INT32_MIN ? INT32_MIN : sum;
    auto const result = static_cast<std::uint32_t>(static_cast<std::uint64_t>(sum) & 0xffffffffU);
    __builtin_memcpy(dst + i, &result, 4);
  }
}

} // namespace ia_nn_test::emulator

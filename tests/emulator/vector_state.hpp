// SPDX-License-Identifier: Apache-2.0
//
// The vector registers of an interrupted thread, in the XSAVE area of its signal frame.
//
//   0    legacy area: XMM i at 160 + 16 i; at 464 what the kernel says about the frame
//   512  XSAVE header: XSTATE_BV, a bit per component that is not in its initial state
//   ...  YMM_Hi128 (component 2) and ZMM_Hi256 (component 6) where CPUID leaf 13 says
//
// A component whose bit is clear is all zero whatever its memory holds.
#pragma once

#include <cpuid.h>
#include <cstdint>

namespace ia_nn_test::emulator {

/// Copies without a call: sanitizers would check a call against the stale shadow of the stack on
/// which the kernel wrote the signal frame.
inline void copy_raw(void* to, void const* from, unsigned long bytes) noexcept {
  asm volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(bytes) : : "memory");
}

inline void zero_raw(void* to, unsigned long bytes) noexcept {
  asm volatile("rep stosb" : "+D"(to), "+c"(bytes) : "a"(0) : "memory");
}

class vector_state {
public:
  /// Where this CPU keeps the upper parts; found once, outside the handler.
  struct layout {
    unsigned ymm_high = 0;
    unsigned zmm_high = 0; // 0: the CPU has no such component

    static layout of_this_cpu() noexcept {
      layout r;
      unsigned a = 0, b = 0, c = 0, d = 0;
      if (__get_cpuid_count(13, 2, &a, &b, &c, &d) != 0 && a != 0) r.ymm_high = b;
      if (__get_cpuid_count(13, 6, &a, &b, &c, &d) != 0 && a != 0) r.zmm_high = b;
      return r;
    }
  };

  /// `frame` is uc_mcontext.fpregs. Use only if `valid()`.
  vector_state(void* frame, layout where) noexcept
      : frame_(static_cast<std::uint8_t*>(frame)), where_(where) {}

  bool valid() const noexcept {
    if (frame_ == nullptr || where_.ymm_high == 0) return false;
    constexpr std::uint32_t extended_frame = 0x46505853; // FP_XSTATE_MAGIC1
    std::uint32_t magic = 0;
    std::uint64_t features = 0;
    copy_raw(&magic, frame_ + 464, sizeof magic);
    copy_raw(&features, frame_ + 472, sizeof features);
    return magic == extended_frame && (features & ymm_bit) != 0;
  }

  void read(unsigned i, std::uint8_t (&value)[32]) const noexcept {
    read_part(sse_bit, frame_ + 160 + 16 * i, value);
    read_part(ymm_bit, frame_ + where_.ymm_high + 16 * i, value + 16);
  }

  /// Writes as VEX instructions do: everything above the `bytes` written becomes zero.
  void write(unsigned i, std::uint8_t const* value, unsigned bytes) noexcept {
    static constexpr std::uint8_t zeros[16] = {};
    write_part(sse_bit, frame_ + 160, i, value);
    write_part(ymm_bit, frame_ + where_.ymm_high, i, bytes > 16 ? value + 16 : zeros);
    if (where_.zmm_high != 0 && (header() & zmm_bit) != 0)
      zero_raw(frame_ + where_.zmm_high + 32 * i, 32);
  }

private:
  static constexpr std::uint64_t sse_bit = 1U << 1, ymm_bit = 1U << 2, zmm_bit = 1U << 6;

  std::uint64_t header() const noexcept {
    std::uint64_t bits = 0;
    copy_raw(&bits, frame_ + 512, sizeof bits);
    return bits;
  }
  void read_part(std::uint64_t bit, std::uint8_t const* from, std::uint8_t* to) const noexcept {
    if ((header() & bit) != 0) copy_raw(to, from, 16);
    else zero_raw(to, 16);
  }
  void write_part(std::uint64_t bit, std::uint8_t* component, unsigned i,
                  std::uint8_t const* from) noexcept {
    std::uint64_t bits = header();
    if ((bits & bit) == 0) { // the other registers of the component must become the zeros they are
      zero_raw(component, 16 * 16);
      bits |= bit;
      copy_raw(frame_ + 512, &bits, sizeof bits);
    }
    copy_raw(component + 16 * i, from, 16);
  }

  std::uint8_t* frame_;
  layout where_;
};

} // namespace ia_nn_test::emulator

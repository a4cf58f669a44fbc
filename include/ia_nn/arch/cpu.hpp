// SPDX-License-Identifier: Apache-2.0
//
// What the CPU and the operating system offer: cpuid, XCR0, permission for AMX tile state, caches.
#pragma once

#include <ia_nn/arch/isa.hpp>
#include <ia_nn/core/error.hpp>

#include <cpuid.h>

#include <ia_nn/begin.hpp>

namespace cpu {

/// Bytes of data cache: of one core for L1 and L2, of the package for L3.
struct caches {
  index_t l1 = 32 * 1024, l2 = 1024 * 1024, l3 = 8 * 1024 * 1024;
};

namespace detail {

struct registers {
  unsigned a = 0, b = 0, c = 0, d = 0;
};
inline registers cpuid(unsigned leaf, unsigned subleaf = 0) noexcept {
  registers r;
  if (!__get_cpuid_count(leaf, subleaf, &r.a, &r.b, &r.c, &r.d)) return {};
  return r;
}
constexpr bool bit(unsigned word, int n) noexcept { return (word >> n & 1U) != 0; }

// Linux grants AMX tile data per process, on request (arch_prctl ARCH_REQ_XCOMP_PERM, component 18).
// Any failure, whatever its reason, means: no AMX.
inline bool amx_permission() noexcept {
#if defined(__linux__)
  long result = 158; // SYS_arch_prctl
  __asm__ volatile("syscall" : "+a"(result) : "D"(0x1023L), "S"(18L) : "rcx", "r11", "memory");
  return result == 0;
#else
  return false;
#endif
}

/// amx: without the permission, which is asked for where somebody wants tiles and not before.
struct features {
  bool avx2 = false, avx2_vnni = false, avx512 = false, avx512_vnni = false, avx512_bf16 = false,
       amx = false;
  caches cache;
};

inline features detect() noexcept {
  features f;
  registers const l1 = cpuid(1), l7 = cpuid(7), l7b = l7.a >= 1 ? cpuid(7, 1) : registers{};
  unsigned xcr0 = 0, high = 0;
  if (bit(l1.c, 27)) __asm__ volatile("xgetbv" : "=a"(xcr0), "=d"(high) : "c"(0));
  bool const ymm = (xcr0 & 0x6U) == 0x6U, zmm = ymm && (xcr0 & 0xe0U) == 0xe0U;
  bool const tiles = zmm && (xcr0 & 0x60000U) == 0x60000U;
  f.avx2 = ymm && bit(l7.b, 5) && bit(l1.c, 12);
  f.avx2_vnni = f.avx2 && bit(l7b.a, 4);
  f.avx512 = f.avx2 && zmm && bit(l7.b, 16) && bit(l7.b, 17) && bit(l7.b, 30) && bit(l7.b, 31);
  f.avx512_vnni = f.avx512 && bit(l7.c, 11);
  f.avx512_bf16 = f.avx512_vnni && bit(l7b.a, 5);
  f.amx = f.avx512_bf16 && tiles && bit(l7.d, 24) && bit(l7.d, 25) && bit(l7.d, 22);
  // Intel lists its caches under leaf 4, AMD the same way under 0x8000001d.
  for (unsigned leaf : {4U, 0x8000001dU}) {
    for (unsigned i = 0; i < 8; ++i) {
      registers const r = cpuid(leaf, i);
      unsigned const type = r.a & 31U;
      if (type == 0) break;
      if (type == 2) continue; // instructions
      index_t const bytes = index_t{(r.b >> 22) + 1} * index_t{(r.b >> 12 & 0x3ffU) + 1} *
                            index_t{(r.b & 0xfffU) + 1} * (index_t{r.c} + 1);
      unsigned const level = r.a >> 5 & 7U;
      (level == 1 ? f.cache.l1 : level == 2 ? f.cache.l2 : f.cache.l3) = bytes;
    }
  }
  return f;
}

// Facts about the machine, read once: cpuid is slow under virtualisation.
inline features const& known() noexcept {
  static features const f = detect();
  return f;
}

} // namespace detail

inline caches cache_sizes() noexcept { return detail::known().cache; }

} // namespace cpu

namespace isa {

/// True if this CPU and operating system can run I. For amx this asks the system for tile state.
template <tag I> bool available() noexcept {
  auto const& f = cpu::detail::known();
  if constexpr (std::same_as<I, amx>) {
    static bool const permitted = f.amx && cpu::detail::amx_permission();
    return permitted;
  } else if constexpr (std::same_as<I, avx512_bf16>) return f.avx512_bf16;
  else if constexpr (std::same_as<I, avx512_vnni>) return f.avx512_vnni;
  else if constexpr (std::same_as<I, avx512>) return f.avx512;
  else if constexpr (std::same_as<I, avx2_vnni>) return f.avx2_vnni;
  else if constexpr (std::same_as<I, avx2>) return f.avx2;
  else return true;
}

namespace detail {
/// False if this unit was compiled with -fassociative-math or -freciprocal-math.
inline bool exact_arithmetic() noexcept {
  f32 volatile one = 1, three = 3; // unknown to the compiler
  f32 const sum = one + 0x1p25F, quotient = three / 255.0F;
  return sum - 0x1p25F == 0 && quotient == 0x1.818182p-7F;
}
} // namespace detail

/// Set-up check, of the instruction set that a kernel uses: often one that the caller's tag
/// extends. Errors: errc::unsupported_isa; errc::bad_parameter for a unit whose flags change
/// results.
template <tag I> void require() {
#if defined(__clang__) // g++ has macros for these flags, see config.hpp
  if (!detail::exact_arithmetic())
    throw_error(errc::bad_parameter,
                "compiled with -fassociative-math or -freciprocal-math, which change results; put "
                "-fno-fast-math behind them");
#endif
#if defined(IA_NN_EMULATED) // tests: AMX and AVX-VNNI instructions are emulated where the CPU lacks them
  if constexpr (std::same_as<I, amx>) return require<avx512_bf16>();
  if constexpr (std::same_as<I, avx2_vnni>) return require<avx2>();
#endif
  if (!available<I>())
    throw_error(errc::unsupported_isa,
                std::string("this CPU or operating system cannot run ") + name<I>() +
                    "; compile for an older instruction set or choose one with isa::with_best");
}

namespace detail {
template <class F, class First, class... Rest>
decltype(auto) with_best_of(type_list<First, Rest...>, F&& f) {
  if constexpr (sizeof...(Rest) == 0) return f(First{});
  else {
    if (available<First>()) return f(First{});
    return with_best_of(type_list<Rest...>{}, static_cast<F&&>(f));
  }
}
} // namespace detail

/// Calls f(tag) with the best compiled instruction set that is available here and returns what it
/// returns (one type for all tags). One decision per model, not per kernel.
template <class F> decltype(auto) with_best(F&& f) {
  return detail::with_best_of(compiled{}, static_cast<F&&>(f));
}

} // namespace isa

IA_NN_END

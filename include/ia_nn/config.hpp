// ia_nn: neural-network kernels for Intel-architecture CPUs
// SPDX-License-Identifier: Apache-2.0
//
// The only macros of the library, and the inline namespace that keeps translation units compiled
// with different instruction sets apart: a tensor of one is not a tensor of the other, and the
// linker says so instead of merging their functions.
#pragma once

#include <ia_nn/version.hpp>

#define IA_NN_INLINE inline __attribute__((always_inline))
#define IA_NN_LAMBDA __attribute__((always_inline))
#define IA_NN_NOINLINE __attribute__((noinline))
#define IA_NN_RESTRICT __restrict
#define IA_NN_LIKELY(x) __builtin_expect(static_cast<bool>(x), 1)
#define IA_NN_UNLIKELY(x) __builtin_expect(static_cast<bool>(x), 0)

// Unrolls the next loop completely. GCC keeps arrays of accumulators in memory without it.
#define IA_NN_PRAGMA(x) _Pragma(#x)
#define IA_NN_UNROLL IA_NN_PRAGMA(GCC unroll 64) // clang honours this spelling too
#define IA_NN_ROLLED IA_NN_PRAGMA(GCC unroll 1)  // clang would unroll full register tiles and spill

// IA_NN_ASSERT(condition, parts of a sentence...): preconditions of `run`. With -DIA_NN_CHECKED (the
// tests) one that does not hold ends the program with its sentence, or with its text if it has none;
// else the compiler may assume nothing and no code is made.
#if defined(IA_NN_CHECKED)
#define IA_NN_ASSERT(condition, ...)                                                               \
  ((condition) ? static_cast<void>(0)                                                              \
               : ::ia_nn::checked::assertion_failed(__FILE__, __LINE__,                            \
                                                    #condition __VA_OPT__(, ) __VA_ARGS__))
#else
#define IA_NN_ASSERT(condition, ...) static_cast<void>(0)
#endif

// The flag set of this translation unit, as a namespace name.
#if defined(__AVX512BF16__)
#define IA_NN_FLAGS avx512_bf16
#elif defined(__AVX512VNNI__)
#define IA_NN_FLAGS avx512_vnni
#elif defined(__AVX512BW__) && defined(__AVX512DQ__) && defined(__AVX512VL__)
#define IA_NN_FLAGS avx512
#elif defined(__AVX2__) && defined(__FMA__) && defined(__AVXVNNI__)
#define IA_NN_FLAGS avx2_vnni
#elif defined(__AVX2__) && defined(__FMA__)
#define IA_NN_FLAGS avx2
#else
#define IA_NN_FLAGS x86_64
#endif
#if defined(__AMX_INT8__)
#define IA_NN_FLAGS_AMX _amx
#else
#define IA_NN_FLAGS_AMX
#endif
#if defined(IA_NN_EMULATED)
#define IA_NN_FLAGS_CHECKED _emulated
#elif defined(IA_NN_CHECKED)
#define IA_NN_FLAGS_CHECKED _checked
#else
#define IA_NN_FLAGS_CHECKED
#endif
#define IA_NN_CONCAT_(a, b, c, d, e) a##b##_##c##d##e
#define IA_NN_CONCAT(a, b, c, d, e) IA_NN_CONCAT_(a, b, c, d, e)
#define IA_NN_ABI                                                                                  \
  IA_NN_CONCAT(v, IA_NN_VERSION_MAJOR, IA_NN_FLAGS, IA_NN_FLAGS_AMX, IA_NN_FLAGS_CHECKED)

#define IA_NN_BEGIN                                                                                \
  namespace ia_nn {                                                                                \
  inline namespace IA_NN_ABI {
#define IA_NN_END                                                                                  \
  }                                                                                                \
  }

#if defined(IA_NN_CHECKED)
#include <cstdio>
namespace ia_nn::checked {
inline void print(char const* text) { std::fputs(text, stderr); }
inline void print(long long number) { std::fprintf(stderr, "%lld", number); }

/// "ia_nn: gemm: 5 rows, planned for at most 4 (file:line)" on stderr. What the program has printed
/// itself is not lost either.
template <class... Parts>
[[noreturn]] void assertion_failed(char const* file, int line, char const* condition,
                                   Parts... parts) {
  std::fflush(stdout);
  print("ia_nn: ");
  if constexpr (sizeof...(Parts) == 0) print("precondition violated: "), print(condition);
  else (print(parts), ...);
  std::fprintf(stderr, " (%s:%d)\n", file, line);
  std::fflush(stderr);
  __builtin_abort();
}
} // namespace ia_nn::checked
#endif

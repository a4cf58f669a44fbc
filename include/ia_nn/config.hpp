// ia_nn: neural-network kernels for Intel-architecture CPUs
// SPDX-License-Identifier: Apache-2.0
//
// The only macros of the library, and the inline namespace that keeps translation units compiled
// with different instruction sets apart: a tensor of one is not a tensor of the other, and the
// linker says so instead of merging their functions.
#pragma once

#include <ia_nn/version.hpp>

#if __cplusplus < 202002L
#error "ia_nn: this is C++20: compile with -std=c++20"
#include <C++20> // there is no such file: it ends the compilation, and thousands of complaints with it
#endif

// Sums, quotients and comparisons are those of IEEE 754. g++ has a macro for each part of
// -ffast-math, clang for two of them; isa::require looks for the others.
#if defined(__FAST_MATH__) || defined(__ASSOCIATIVE_MATH__) || defined(__RECIPROCAL_MATH__) ||     \
    defined(__NO_SIGNED_ZEROS__) || (defined(__FINITE_MATH_ONLY__) && __FINITE_MATH_ONLY__)
#error "ia_nn: -ffast-math, -Ofast and their parts (-ffinite-math-only, -fassociative-math, \
-freciprocal-math, -fno-signed-zeros) lose NaN and change results; put -fno-fast-math behind them"
#endif

#if !(defined(__AVX2__) && defined(__FMA__)) && !defined(IA_NN_VARIANT) && !defined(IA_NN_QUIET)
#pragma message("ia_nn: compiled without an instruction set (-march=native, -march=x86-64-v3), \
kernels are portable C++, 50 to 200 times slower; -DIA_NN_QUIET if that is meant")
#endif

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

// IA_NN_REQUIRE(condition, parts of a sentence...): a precondition of `run` that is always checked, a
// comparison for each call that stands between a mistake and foreign memory. One that does not hold
// ends the program with its sentence, or with its text if it has none.
#define IA_NN_REQUIRE(condition, ...)                                                              \
  (IA_NN_LIKELY(condition)                                                                         \
       ? static_cast<void>(0)                                                                      \
       : ::ia_nn::checked::assertion_failed(__FILE__, __LINE__,                                    \
                                            #condition __VA_OPT__(, ) __VA_ARGS__))

// The other preconditions: checked with -DIA_NN_CHECKED (the tests), else the compiler may assume
// nothing and no code is made.
#if defined(IA_NN_CHECKED)
#define IA_NN_ASSERT(condition, ...) IA_NN_REQUIRE(condition __VA_OPT__(, ) __VA_ARGS__)
#else
#define IA_NN_ASSERT(condition, ...) static_cast<void>(0)
#endif

// try and catch, where there are exceptions; else the second block is compiled and never entered.
// The declaration names the exception. `throw_error` of core/error.hpp takes the place of throw.
#if defined(__cpp_exceptions)
#define IA_NN_FLAGS_EXCEPTIONS
#define IA_NN_TRY try
#define IA_NN_CATCH(declaration) catch ([[maybe_unused]] declaration)
#else
#define IA_NN_FLAGS_EXCEPTIONS _noexcept
#define IA_NN_TRY if constexpr (true)
#define IA_NN_CATCH(declaration)                                                                   \
  else if ([[maybe_unused]] declaration = ::ia_nn::detail::any_error(); false)
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
#define IA_NN_CONCAT_(a, b, c, d, e, f) a##b##_##c##d##e##f
#define IA_NN_CONCAT(a, b, c, d, e, f) IA_NN_CONCAT_(a, b, c, d, e, f)
#define IA_NN_ABI                                                                                  \
  IA_NN_CONCAT(v, IA_NN_VERSION_MAJOR, IA_NN_FLAGS, IA_NN_FLAGS_AMX, IA_NN_FLAGS_CHECKED,          \
               IA_NN_FLAGS_EXCEPTIONS)

// Closes the namespace that begin.hpp opens, and gives back the macros and warnings it hides.
#define IA_NN_END                                                                                  \
  }                                                                                                \
  }                                                                                                \
  IA_NN_PRAGMA(GCC diagnostic pop)                                                                 \
  IA_NN_PRAGMA(pop_macro("I")) IA_NN_PRAGMA(pop_macro("K")) IA_NN_PRAGMA(pop_macro("columns"))     \
  IA_NN_PRAGMA(pop_macro("direct")) IA_NN_PRAGMA(pop_macro("emit"))                                \
  IA_NN_PRAGMA(pop_macro("far")) IA_NN_PRAGMA(pop_macro("index"))                                  \
  IA_NN_PRAGMA(pop_macro("lines")) IA_NN_PRAGMA(pop_macro("max")) IA_NN_PRAGMA(pop_macro("min"))   \
  IA_NN_PRAGMA(pop_macro("near")) IA_NN_PRAGMA(pop_macro("slots"))

#include <cstdio>
namespace ia_nn {
inline namespace IA_NN_ABI {
namespace checked {
inline void print(char const* text) { std::fputs(text, stderr); }
inline void print(long long number) { std::fprintf(stderr, "%lld", number); }

/// "ia_nn: gemm: 5 rows, planned for at most 4 (file:line)" on stderr. What the program has printed
/// itself is not lost either.
template <class... Parts>
[[noreturn, gnu::cold]] IA_NN_NOINLINE void assertion_failed(char const* file, int line,
                                                             char const* condition, Parts... parts) {
  std::fflush(stdout);
  print("ia_nn: ");
  if constexpr (sizeof...(Parts) == 0) print("precondition violated: "), print(condition);
  else (print(parts), ...);
  std::fprintf(stderr, " (%s:%d)\n", file, line);
  std::fflush(stderr);
  __builtin_abort();
}
} // namespace checked
} // namespace IA_NN_ABI
} // namespace ia_nn

// SPDX-License-Identifier: Apache-2.0
//
// Runs a test body once for each instruction set that was compiled and can be executed here, says
// which those are, and fails where there is none: a test that ran nothing proves nothing.
#pragma once

#include "catch.hpp"
#include "emulator/emulator.hpp"

#include <ia_nn/arch/cpu.hpp>
#include <ia_nn/arch/vec.hpp>

#include <cstdio>
#include <string>

#if defined(__SANITIZE_THREAD__)
#define IA_NN_TEST_THREAD_SANITIZER 1
#elif defined(__has_feature)
#define IA_NN_TEST_THREAD_SANITIZER __has_feature(thread_sanitizer)
#else
#define IA_NN_TEST_THREAD_SANITIZER 0
#endif

namespace ia_nn_test {

/// All tags, best first.
using all_isas = ia_nn::type_list<ia_nn::isa::amx, ia_nn::isa::avx512_bf16, ia_nn::isa::avx512_vnni,
                                  ia_nn::isa::avx512, ia_nn::isa::avx2_vnni, ia_nn::isa::avx2,
                                  ia_nn::isa::scalar>;

template <class T, class List> inline constexpr bool contains = false;
template <class T, class... Ts>
inline constexpr bool contains<T, ia_nn::type_list<Ts...>> = (std::same_as<T, Ts> || ...);

namespace detail {
template <class List> struct with_own_vec;
template <class... Ts> struct with_own_vec<ia_nn::type_list<Ts...>> {
  using type = ia_nn::prepend_if_t<
      contains<ia_nn::isa::avx512, ia_nn::type_list<Ts...>>, ia_nn::isa::avx512,
      ia_nn::prepend_if_t<contains<ia_nn::isa::avx2, ia_nn::type_list<Ts...>>, ia_nn::isa::avx2,
                          ia_nn::type_list<ia_nn::isa::scalar>>>;
};
} // namespace detail

/// The compiled tags whose registers differ: for tests of `vec` and of what is built on it alone. The
/// address sanitizer, under which compilation takes three times as long, gets no scalar code where
/// there is other: it has no tails.
using every_vector_isa = detail::with_own_vec<ia_nn::isa::compiled>::type;
#if defined(__SANITIZE_ADDRESS__)
using vector_isas =
    std::conditional_t<std::same_as<every_vector_isa,
                                    ia_nn::type_list<ia_nn::isa::avx512, ia_nn::isa::avx2,
                                                     ia_nn::isa::scalar>>,
                       ia_nn::type_list<ia_nn::isa::avx512, ia_nn::isa::avx2>, every_vector_isa>;
#else
using vector_isas = every_vector_isa;
#endif

/// True if I can be executed, by the CPU or, for AMX and AVX-VNNI, by the emulator. For these two
/// it also arms the emulator for the current test case, where the CPU lacks them.
template <ia_nn::isa::tag I> bool runnable() {
  if (ia_nn::isa::available<I>()) return true;
  if constexpr (std::same_as<I, ia_nn::isa::amx>)
    return ia_nn::isa::available<ia_nn::isa::avx512_bf16>() && emulator::amx_can_run() &&
           emulator::install();
  else if constexpr (std::same_as<I, ia_nn::isa::avx2_vnni>)
    return ia_nn::isa::available<ia_nn::isa::avx2>() && emulator::install();
  else return false;
}

/// "avx512", "amx (emulated)", ...
template <ia_nn::isa::tag I> std::string label() {
  bool const emulated = !ia_nn::isa::available<I>() && runnable<I>();
  return std::string(ia_nn::isa::name<I>()) + (emulated ? " (emulated)" : "");
}

/// Prints one line per process: what runs, what this machine lacks, what was not compiled.
inline void announce_isas() {
  static bool const once = [] {
    std::string run, lacking, absent;
    ia_nn::for_each_type(all_isas{}, [&](auto tag) {
      using I = decltype(tag);
      if constexpr (!contains<I, ia_nn::isa::compiled>)
        absent += std::string(" ") + ia_nn::isa::name<I>();
      else if (runnable<I>()) run += " " + label<I>();
      else lacking += std::string(" ") + ia_nn::isa::name<I>();
    });
    std::printf("isa: run:%s | not available here:%s | not compiled:%s\n", run.c_str(),
                lacking.empty() ? " none" : lacking.c_str(),
                absent.empty() ? " none" : absent.c_str());
    if (!emulator::amx_can_run()) std::printf("isa: no amx: %s\n", emulator::why_no_amx());
    std::fflush(stdout);
    return true;
  }();
  static_cast<void>(once);
}

/// Tiles, which are unlike everything else, and the best that the flags promise: for what does not
/// depend on vectors.
using tiles_and_native = std::conditional_t<contains<ia_nn::isa::amx, ia_nn::isa::compiled>,
                                            ia_nn::type_list<ia_nn::isa::amx, ia_nn::isa::native>,
                                            ia_nn::type_list<ia_nn::isa::native>>;

/// Compiling all instruction sets takes most of the time of the tests. g++ does. clang++, with the thread
/// sanitizer and without, takes those whose kernels have the most different forms: tiles, which have
/// vectors of 512 bits around them, and AVX2. Without tiles, the best vectors. The address sanitizer leaves
/// out those that read and write memory as another one does: AVX-VNNI as AVX2, AVX-512 VNNI as AVX-512 BF16,
/// which has its kernels.
template <class I, class List> inline constexpr bool left_to_gcc = [] {
  using namespace ia_nn::isa;
#if defined(__clang__)
  if (!contains<avx2, List> || std::same_as<I, avx2>) return false;
  if (contains<amx, List>) return !std::same_as<I, amx>;
  return std::same_as<I, scalar> || std::same_as<I, avx2_vnni> ||
         (contains<avx512_bf16, List> && (std::same_as<I, avx512> || std::same_as<I, avx512_vnni>));
#elif defined(__SANITIZE_ADDRESS__)
  return (contains<avx2, List> && std::same_as<I, avx2_vnni>) ||
         (contains<avx512_bf16, List> && std::same_as<I, avx512_vnni>);
#else
  return false;
#endif
}();

/// Calls f(tag) for each tag of List that can be executed here; fails the test if there is none,
/// but for AMX that this process must not use.
template <class List = ia_nn::isa::compiled, class F> void for_each_isa(F&& f) {
  announce_isas();
  int ran = 0;
  ia_nn::for_each_type(List{}, [&](auto tag) {
    using I = decltype(tag);
    if constexpr (!left_to_gcc<I, List>) {
      if (!runnable<I>()) return;
      INFO("isa " << label<I>());
      ++ran;
      f(tag);
    }
  });
  if (ran > 0) return;
  if (contains<ia_nn::isa::amx, List> && !emulator::amx_can_run())
    WARN("not run: " << emulator::why_no_amx());
  else FAIL("none of the instruction sets of this test can be executed here");
}

} // namespace ia_nn_test

// SPDX-License-Identifier: Apache-2.0
//
// Errors are thrown by set-up only: construction, packing, loading, `require`. `run` is noexcept.
//
// Where exceptions are off (-fno-exceptions) the sentence goes to stderr and std::terminate ends
// the program; std::set_terminate says what happens then. A program may have units of both kinds:
// the namespace keeps them apart.
#pragma once

#include <ia_nn/config.hpp>

#include <cstdio>
#include <exception>
#include <stdexcept>
#include <string>

#include <ia_nn/begin.hpp>

enum class errc {
  bad_shape,       ///< extents do not fit, are negative, or their product overflows
  bad_pointer,     ///< null or misaligned data
  overlap,         ///< a destination overlaps a source
  bad_parameter,   ///< a scale, zero point, group or option outside its domain
  unsupported_isa, ///< the CPU or the operating system lacks the instruction set
  small_workspace, ///< fewer bytes than the plan asks for
  bad_file,        ///< stored data that is truncated, foreign or damaged
  out_of_memory    ///< an allocation failed
};

/// Thrown by set-up. `what()` is a sentence: "ia_nn: matmul: src has 3 columns, weights expect 4".
class error : public std::runtime_error {
public:
  error(errc code, std::string const& sentence)
      : std::runtime_error("ia_nn: " + sentence), code_(code) {}
  errc code() const noexcept { return code_; }

private:
  errc code_;
};

/// `throw error(code, sentence)`, also where exceptions are off.
[[noreturn]] IA_NN_NOINLINE inline void throw_error(errc code, std::string const& sentence) {
  error const e(code, sentence);
#if defined(__cpp_exceptions)
  throw e;
#else
  std::fprintf(stderr, "%s\n", e.what());
  std::terminate();
#endif
}

#if !defined(__cpp_exceptions)
namespace detail {
struct any_error { // for IA_NN_CATCH
  template <class E> operator E const&() const noexcept { __builtin_unreachable(); }
};
} // namespace detail
#endif

IA_NN_END

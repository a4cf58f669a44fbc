// SPDX-License-Identifier: Apache-2.0
//
// Errors are thrown by set-up only: construction, packing, loading, `require`. `run` is noexcept.
#pragma once

#include <ia_nn/config.hpp>

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

IA_NN_END

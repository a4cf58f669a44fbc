// SPDX-License-Identifier: Apache-2.0
//
// The table of operators. A family of them is one more file in this folder:
//
//   std::vector<optional_array> run_relu(op_case const& c) { ... }
//   registration const relu{"Relu", run_relu};
#pragma once

#include "case.hpp"

#include <map>

namespace onnx_cases {

/// Computes the outputs of a case; may leave out those that are not expected. Throws `unsupported`.
using run_operator = std::vector<optional_array> (*)(op_case const&);

struct operator_entry {
  run_operator run = nullptr;
  /// Where functions are approximated on purpose: which, and their bound. Such an operator need
  /// only keep the tolerance of the ONNX suite.
  std::string approximation;
};

inline std::map<std::string, operator_entry>& operators() {
  static std::map<std::string, operator_entry> table;
  return table;
}

struct registration {
  registration(char const* op, run_operator run, char const* approximation = "") {
    if (!operators().try_emplace(op, operator_entry{run, approximation}).second)
      throw std::logic_error(std::string(op) + " is registered twice");
  }
};

} // namespace onnx_cases

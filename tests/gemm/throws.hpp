// SPDX-License-Identifier: Apache-2.0
//
// REQUIRE_ERROR(f, code, words): f() throws ia_nn::error with this code and a sentence that begins
// with "ia_nn: " and holds these words.
#pragma once

#include "catch.hpp"

#include <ia_nn/core/error.hpp>

namespace ia_nn_test {

/// "" if f behaves so, else what it did.
template <class F> std::string how_it_fails(F&& f, ia_nn::errc code, std::string const& words) {
  try {
    f();
  } catch (ia_nn::error const& e) {
    std::string const text = e.what();
    if (e.code() != code) return "error code " + std::to_string(static_cast<int>(e.code())) + ": " + text;
    if (text.rfind("ia_nn: ", 0) != 0 || text.find("ia_nn: ", 1) != std::string::npos)
      return "not one sentence of ours: " + text;
    if (text.find(words) == std::string::npos) return "other words: " + text;
    return {};
  }
  return "no error";
}

} // namespace ia_nn_test

#define REQUIRE_ERROR(f, code, words) REQUIRE(::ia_nn_test::how_it_fails(f, code, words) == "")

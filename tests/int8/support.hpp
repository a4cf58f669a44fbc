// SPDX-License-Identifier: Apache-2.0
//
// What the tests of quantization share: an executor that shows whether tasks depend on each other,
// random quantizations, comparison byte by byte, the sentences of errors.
#pragma once

#include "../isa.hpp"
#include "../oracle/int8.hpp"
#include "../random.hpp"

#include <cstring>
#include <vector>

namespace ia_nn_test {

/// Runs tasks from the last to the first, as the workers of a team would be numbered.
struct backwards {
  int workers = 1;
  int concurrency() const noexcept { return workers; }
  template <class F> void parallel_for(index_t n, F&& f) const noexcept {
    for (index_t task = n; task-- > 0;) f(task, static_cast<int>(task % workers));
  }
};

template <ia_nn::byte_element Q> quantization any_quantization(random& r) {
  s32 const zero = r.coin() ? 0
                            : static_cast<s32>(r.between(std::numeric_limits<Q>::min(),
                                                         std::numeric_limits<Q>::max()));
  return {r.uniform(0.001F, 0.1F), zero};
}

/// "" if both are the same, bit by bit, else the first difference.
template <class T> std::string differs(T const* got, T const* expected, index_t n) {
  for (index_t i = 0; i < n; ++i)
    if (std::memcmp(got + i, expected + i, sizeof(T)) != 0)
      return "element " + std::to_string(i) + " is " +
             std::to_string(static_cast<double>(static_cast<f32>(got[i]))) + ", expected " +
             std::to_string(static_cast<double>(static_cast<f32>(expected[i])));
  return {};
}

/// "" if f() throws ia_nn::error with this code and these words in its sentence.
template <class F> std::string how_it_fails(F&& f, ia_nn::errc code, std::string const& words) {
  try {
    f();
  } catch (ia_nn::error const& e) {
    std::string const text = e.what();
    if (e.code() != code) return "another code: " + text;
    if (text.rfind("ia_nn: ", 0) != 0) return "not a sentence of ours: " + text;
    return text.find(words) == std::string::npos ? "other words: " + text : std::string();
  }
  return "no error";
}

} // namespace ia_nn_test

#define REQUIRE_ERROR(f, code, words) REQUIRE(::ia_nn_test::how_it_fails(f, code, words) == "")

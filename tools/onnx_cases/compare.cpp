// SPDX-License-Identifier: Apache-2.0
#include "compare.hpp"

#include <cmath>
#include <cstdio>
#include <cstring>

namespace onnx_cases {

namespace {

bool is_real(npy_type t) {
  return t == npy_type::float64 || t == npy_type::float32 || t == npy_type::float16;
}

// The error of one number in units of what is allowed: right if at most 1.
double excess(double got, double expected, tolerance allowed) {
  if (got == expected || (std::isnan(got) && std::isnan(expected))) return 0;
  if (!std::isfinite(got) || !std::isfinite(expected)) return HUGE_VAL;
  return std::fabs(got - expected) / (allowed.absolute + allowed.relative * std::fabs(expected));
}

} // namespace

std::string difference(npy_array const& got, npy_array const& expected, tolerance allowed) {
  if (got.type != expected.type)
    return std::string("type ") + ia_nn::name_of(got.type) + ", expected " +
           ia_nn::name_of(expected.type);
  if (got.shape != expected.shape)
    return "shape " + ia_nn::detail::npy_shape_text(got.shape) + ", expected " +
           ia_nn::detail::npy_shape_text(expected.shape);
  if (expected.type == npy_type::float16) allowed = {1e-3, 1e-3};
  auto const g = ia_nn::npy_elements<double>(got), e = ia_nn::npy_elements<double>(expected);
  std::size_t const size = static_cast<std::size_t>(ia_nn::bytes_of(expected.type));
  std::size_t wrong = 0, worst = 0;
  double largest = 0;
  for (std::size_t i = 0; i < e.size(); ++i) {
    // Integers by their bytes: double does not hold all of 64 bits.
    bool const same =
        std::memcmp(got.bytes.data() + i * size, expected.bytes.data() + i * size, size) == 0;
    double const x = is_real(expected.type) ? excess(g[i], e[i], allowed) : same ? 0 : HUGE_VAL;
    if (x <= 1) continue;
    ++wrong;
    if (x > largest) largest = x, worst = i;
  }
  if (wrong == 0) return {};
  char text[200];
  std::snprintf(text, sizeof text,
                "%zu of %zu elements are wrong, the worst is number %zu: %.9g, expected %.9g",
                wrong, e.size(), worst, g[worst], e[worst]);
  return text;
}

} // namespace onnx_cases

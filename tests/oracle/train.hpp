// SPDX-License-Identifier: Apache-2.0
//
// What gradients should be: central differences of a scalar function, and how results in f32 are
// compared with numbers in double.
//
// Each gradient is tested twice. Central differences of the plain forward operator in double show
// that a formula is right; they take one forward pass per element, so they are for small cases.
// Sums written out in double, with the sum of magnitudes beside each, bound the rounding in larger
// ones.
#pragma once

#include "matmul.hpp"

#include <algorithm>

namespace ia_nn_test {

using doubles = std::vector<double>;

template <class Buffer> doubles to_doubles(Buffer const& b) {
  doubles d;
  for (auto const& x : b) d.push_back(static_cast<double>(x));
  return d;
}

/// What a kernel multiplies whose operands are rounded to bf16.
template <class Buffer> doubles rounded_to_bf16(Buffer const& b) {
  doubles d;
  for (f32 const x : b) d.push_back(static_cast<double>(static_cast<f32>(ia_nn::bf16(x))));
  return d;
}

/// d loss / d x[i] for each i; loss takes a doubles const&.
template <class Loss> doubles central_differences(doubles x, Loss&& loss, double h = 1e-4) {
  doubles slope(x.size());
  for (std::size_t i = 0; i < x.size(); ++i) {
    double const keep = x[i];
    x[i] = keep + h;
    double const above = loss(x);
    x[i] = keep - h;
    double const below = loss(x);
    x[i] = keep;
    slope[i] = (above - below) / (2 * h);
  }
  return slope;
}

inline double dot(doubles const& a, doubles const& b) {
  double s = 0;
  for (std::size_t i = 0; i < a.size(); ++i) s += a[i] * b[i];
  return s;
}

/// Sums, the sums of their terms' magnitudes, and how many terms the longest has.
struct sums {
  doubles sum, norm;
  index_t terms = 0;

  explicit sums(index_t n = 0) : sum(at(n)), norm(at(n)), count_(at(n)) {}
  void add(index_t i, double term) {
    sum[at(i)] += term;
    norm[at(i)] += std::fabs(term);
    terms = std::max(terms, ++count_[at(i)]);
  }

private:
  std::vector<index_t> count_;
};

/// "" if got is within `roundings` 2^-24 of each sum's norm (0: its number of terms and a few).
template <class Buffer>
std::string rounding_difference(Buffer const& got, sums const& want, double roundings = 0) {
  double const allowed =
      (roundings > 0 ? roundings : static_cast<double>(want.terms) + 8) * 0x1p-24;
  for (index_t i = 0; i < got.size(); ++i) {
    double const g = static_cast<double>(got[i]), w = want.sum[at(i)];
    if (!(std::fabs(g - w) <= allowed * want.norm[at(i)] + 1e-37))
      return "element " + std::to_string(i) + " is " + std::to_string(g) + ", expected " +
             std::to_string(w);
  }
  return {};
}

/// "" if |got - want| <= tolerance * (1 + the largest |want|).
template <class Buffer>
std::string difference(Buffer const& got, doubles const& want, double tolerance = 1e-5) {
  if (static_cast<std::size_t>(got.size()) != want.size()) return "another number of elements";
  double largest = 1;
  for (double const w : want) largest = std::max(largest, 1 + std::fabs(w));
  for (std::size_t i = 0; i < want.size(); ++i) {
    double const g = static_cast<double>(got.data()[i]);
    if (!(std::fabs(g - want[i]) <= tolerance * largest))
      return "element " + std::to_string(i) + " is " + std::to_string(g) + ", expected " +
             std::to_string(want[i]);
  }
  return {};
}

} // namespace ia_nn_test

// SPDX-License-Identifier: Apache-2.0
//
// What a stack of layers gave, and how near it must be to what it should give.
#pragma once

#include "oracle/rnn.hpp"
#include "random.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <sstream>
#include <string>

namespace ia_nn_test {

/// y (T, N, D*R) whatever the layout of the call was; hn (L*D, N, R), cn (L*D, N, H).
struct rnn_output {
  std::vector<f32> y, hn, cn;
  friend bool operator==(rnn_output const& a, rnn_output const& b) {
    // Equal bits, or two NaN.
    auto const same = [](std::vector<f32> const& u, std::vector<f32> const& v) {
      return std::equal(u.begin(), u.end(), v.begin(), v.end(), [](f32 p, f32 q) {
        return std::memcmp(&p, &q, sizeof(f32)) == 0 || (std::isnan(p) && std::isnan(q));
      });
    };
    return same(a.y, b.y) && same(a.hn, b.hn) && same(a.cn, b.cn);
  }
};

struct rnn_tolerance {
  double l2, largest;
};
/// "" if the values are near those wanted: |difference|_2 <= l2 |want|_2 and max |difference| <=
/// largest * max(1, max |want|). The terms of the sums behind an element have a size of about 1
/// even where they cancel, so that every element counts with at least 1/4 in |want|_2.
inline std::string near(char const* what, std::vector<double> const& want,
                        std::vector<f32> const& got, rnn_tolerance const& bound) {
  if (want.size() != got.size())
    return std::string(what) + " has " + std::to_string(got.size()) + " elements, wanted " +
           std::to_string(want.size());
  double error = 0, norm = 0, largest = 1, worst = 0;
  std::size_t where = 0;
  for (std::size_t i = 0; i < want.size(); ++i) {
    double const d = std::fabs(static_cast<double>(got[i]) - want[i]), w = std::fabs(want[i]);
    error += d * d, norm += std::max(w, 0.25) * std::max(w, 0.25), largest = std::max(largest, w);
    if (!(d <= worst)) worst = d, where = i;
  }
  if (std::sqrt(error) <= bound.l2 * std::sqrt(norm) && worst <= bound.largest * largest) return {};
  std::ostringstream s;
  s << what << ": relative error " << std::sqrt(error / norm) << " of at most " << bound.l2
    << ", largest difference " << worst << " of at most " << bound.largest * largest << " at "
    << where << ": " << got[where] << ", wanted " << want[where];
  return s.str();
}
inline std::string verdict(rnn_result const& want, rnn_output const& got,
                           rnn_tolerance const& bound) {
  std::string const y = near("y", want.y, got.y, bound);
  if (!y.empty()) return y;
  std::string const h = near("final h", want.hn, got.hn, bound);
  if (!h.empty() || got.cn.empty()) return h;
  return near("final c", want.cn, got.cn, bound);
}
inline rnn_result exactly(rnn_output const& o) {
  return {{o.y.begin(), o.y.end()}, {o.hn.begin(), o.hn.end()}, {o.cn.begin(), o.cn.end()}};
}

/// f32: each step adds the errors of K products, random in sign, and of up to four activations
/// (4.4e-7 each) to what it inherits, and gates between 0 and 1 damp that.
inline rnn_tolerance f32_tolerance(index_t k, index_t time) {
  double const steps = std::ceil(std::log2(static_cast<double>(k * std::max<index_t>(time, 1))));
  return {(4 * 8 + 4 * steps) * 0x1p-24, 1e-5};
}
/// bf16 against an oracle that rounds what the layer rounds: fast activations are within 2^-15.7.
/// From the second step on they may turn the rounding of an h, and one turned makes others turn: at
/// worst each is off by the distance of two bf16 numbers.
inline rnn_tolerance bf16_tolerance(index_t time) {
  return time <= 1 ? rnn_tolerance{0x1p-13, 0x1p-12} : rnn_tolerance{0x1p-7, 0x1p-5};
}

} // namespace ia_nn_test

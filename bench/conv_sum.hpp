// SPDX-License-Identifier: Apache-2.0
//
// All convolutions of a network as one row: the times of its cases, each as often as it occurs.
#pragma once

#include "harness.hpp"

#include <map>

namespace bench {

class conv_sums {
public:
  void add(std::string const& group, std::string const& case_name, long count) {
    counts_[group][case_name] = count;
  }
  /// Adds a row `sum` behind each group of which every case was measured: ours, every peer that
  /// computes all cases, and the best of each case.
  void append(report& r) const;

private:
  std::map<std::string, std::map<std::string, long>> counts_;
};

} // namespace bench

// SPDX-License-Identifier: Apache-2.0
//
// The memory of a batch of inputs.
#pragma once

#include "entry.hpp"

#include <deque>
#include <random>
#include <utility>
#include <vector>

namespace models::catalog {

class batch {
public:
  /// The next input. Errors: none; lengths are the caller's.
  void add(std::vector<f32> v) { sources_.emplace_back(floats_.emplace_back(std::move(v)).data()); }
  void add(std::vector<ia_nn::s32> v) { sources_.emplace_back(integers_.emplace_back(std::move(v)).data()); }
  batch_of_inputs const& sources() const { return sources_; }

  /// Uniform from -1 to 1, indices within their tables; the same for the same seed.
  static batch random(entry const& net, index_t items, unsigned seed) {
    batch b;
    std::minstd_rand random(seed + 1);
    for (terminal const& t : net.inputs) {
      auto const size = static_cast<std::size_t>(items * t.item());
      if (t.type == graph::value_type::s32) {
        std::vector<ia_nn::s32> v(size);
        index_t const rows = t.rows > 0 ? t.rows : 2;
        for (auto& x : v) x = static_cast<ia_nn::s32>(static_cast<index_t>(random() >> 4) % rows);
        b.add(std::move(v));
      } else {
        std::vector<f32> v(size);
        for (auto& x : v) x = static_cast<f32>(static_cast<int>(random() >> 8 & 0xffffU) - 0x8000) / 0x8000;
        b.add(std::move(v));
      }
    }
    return b;
  }

private:
  std::deque<std::vector<f32>> floats_;
  std::deque<std::vector<ia_nn::s32>> integers_;
  batch_of_inputs sources_;
};

} // namespace models::catalog

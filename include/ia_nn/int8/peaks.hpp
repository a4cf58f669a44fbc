// SPDX-License-Identifier: Apache-2.0
//
// What the entropy search must not see. It looks for the window that loses least of a distribution, so
// a peak at one number is all that matters to it: it cuts off whatever lies far from the peak.
//
//   relu               makes zeros, which are exact whatever the scale
//   plain background   makes one number for each channel, pixel after pixel
//
// Both can be most of a tensor, and say nothing about the range that the others need.
#pragma once

#include <ia_nn/core/meta.hpp>

#include <span>
#include <vector>

#include <ia_nn/begin.hpp>

/// Of x, rows of `channels` values, those that are not 0, not what they were in the row before, and not
/// what last repeated a row before, which is how background goes on behind something else; and one 0,
/// since a tensor of zeros has a range too.
inline void without_peaks(std::span<f32 const> x, index_t channels, std::vector<f32>& to) {
  to.assign(1, 0.0F);
  auto const row = static_cast<std::size_t>(channels);
  std::vector<f32> repeated(row);
  for (std::size_t first = 0; first < x.size(); first += row)
    for (std::size_t c = 0; c < row && first + c < x.size(); ++c) {
      f32 const v = x[first + c];
      if (v == 0 || v == repeated[c]) continue;
      if (first > 0 && v == x[first + c - row]) repeated[c] = v;
      else to.push_back(v);
    }
}

IA_NN_END

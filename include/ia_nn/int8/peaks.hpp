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

/// Of x, rows of `channels` values, those that are not 0 and not what they were in the row before; and
/// one 0, since a tensor of zeros has a range too.
inline void without_peaks(std::span<f32 const> x, index_t channels, std::vector<f32>& to) {
  to.assign(1, 0.0F);
  auto const row = static_cast<std::size_t>(channels);
  for (std::size_t i = 0; i < x.size(); ++i)
    if (x[i] != 0 && (i < row || x[i] != x[i - row])) to.push_back(x[i]);
}

IA_NN_END

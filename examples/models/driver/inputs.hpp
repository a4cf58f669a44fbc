// SPDX-License-Identifier: Apache-2.0
//
// Batches for a network: of files, or of random numbers.
#pragma once

#include "../catalog/batch.hpp"
#include "picture.hpp"

#include <string>
#include <vector>

namespace models::driver {

/// The memory of one batch.
class inputs {
public:
  /// Uniform from -1 to 1, indices within their tables; the same for the same seed.
  static inputs random(catalog::entry const& net, index_t batch, unsigned seed);
  /// One item, or as many as an array has in front, of each file: pictures (PNG, JPEG) for networks that take
  /// three colours, cut to the middle square, or, for detectors, whole; arrays (NPY) of the shape of the input, channels last or first,
  /// taken as they are. For networks with several inputs one array each, in their order. Items that are left of
  /// `batch` are copies of the first ones; batch 0: as many as the files have. Errors: ia_nn::error with the
  /// file's name.
  static inputs of_files(catalog::entry const& net, std::vector<std::string> const& files, index_t batch);

  index_t batch() const { return batch_; }
  catalog::batch_of_inputs const& sources() const { return memory_.sources(); }
  /// The file that each item came from.
  std::vector<std::string> const& names() const { return names_; }

private:
  index_t batch_ = 0;
  catalog::batch memory_;
  std::vector<std::string> names_;
};

} // namespace models::driver

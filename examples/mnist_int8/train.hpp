// SPDX-License-Identifier: Apache-2.0
//
// Training of a network in f32, by Adam and a rate that falls to zero along half a cosine.
#pragma once

#include "data.hpp"
#include "network.hpp"

#include <ia_nn/exec/thread_pool.hpp>

#include <functional>
#include <map>

namespace demo {

/// Weights by name.
using named_arrays = std::map<std::string, std::vector<f32>>;

struct train_options {
  index_t epochs = 2, batch = 64;
  double learning_rate = 1e-3;
  std::uint64_t seed = 1;
};

struct progress {
  index_t epoch, epochs, batch, batches; ///< all but `epochs` and `batches` count from 1
  double loss;                           ///< mean since the epoch began
};

/// The same seed gives the same weights, to the bit, for every number of threads. Images that
/// fill no batch are left out of an epoch. Errors: ia_nn::error.
named_arrays train(network const& n, image_set const& images, train_options const& o,
                   thread_pool& threads, std::function<void(progress const&)> const& report);

} // namespace demo

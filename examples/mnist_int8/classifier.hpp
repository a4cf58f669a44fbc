// SPDX-License-Identifier: Apache-2.0
//
// Networks that only run: in f32, in 8 bits with calibrated ranges, in 8 bits with ranges found in
// each call.
#pragma once

#include "network.hpp"

#include <ia_nn/exec/thread_pool.hpp>
#include <ia_nn/int8/schemes.hpp>

#include <memory>

namespace demo {

class classifier {
public:
  virtual ~classifier() = default;
  /// images [batch][height][width], logits [batch][10]. Allocates nothing; one call at a time.
  virtual void run(index_t batch, u8 const* images, f32* logits, thread_pool& threads) = 0;
};

/// Limits of the calls.
struct run_options {
  index_t max_batch = 64;
  int workers = 1; ///< threads
};

/// Parameters are folded ones. Errors: ia_nn::error.
std::unique_ptr<classifier> make_f32(network const& n, parameters const& p, run_options const& o);
std::unique_ptr<classifier> make_dynamic(network const& n, parameters const& p,
                                         run_options const& o);
/// `ranges` has one for each tensor.
std::unique_ptr<classifier> make_static(network const& n, parameters const& p,
                                        std::vector<value_range> const& ranges,
                                        run_options const& o);

enum class calibration { min_max, entropy };
/// The ranges of all tensors that the f32 network has for these images.
std::vector<value_range> calibrate(network const& n, parameters const& p, image_set const& images,
                                   index_t count, calibration how, thread_pool& threads);

} // namespace demo

// SPDX-License-Identifier: Apache-2.0
//
// Clocks, progress and tables.
#pragma once

#include "classifier.hpp"
#include "train.hpp"

#include <chrono>

namespace demo {

class stopwatch {
public:
  double seconds() const {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
  }

private:
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

/// One line that is written over on a terminal, one line per epoch elsewhere.
class training_reporter {
public:
  training_reporter();
  void operator()(progress const& p);

private:
  stopwatch time_;
  double shown_ = 0;
  bool terminal_;
};

/// A network and what was measured.
struct contestant {
  std::string name;
  std::unique_ptr<classifier> net;
  double accuracy = 0;  ///< percent of the test images
  double single_us = 0; ///< microseconds per image, one image per call, one thread
  double batch_us = 0;  ///< microseconds per image in batches, all threads
  bool is_int8() const { return name != "f32"; }
};

/// Accuracy of all images; the fastest of the repetitions of about `seconds` per number, the
/// contestants in turn, so that a busy moment of the machine is nobody's alone.
void measure(std::vector<contestant>& all, image_set const& test, index_t batch, double seconds,
             thread_pool& threads);
void print_table(std::vector<contestant> const& all, network const& n, index_t batch, int threads);

/// The layers in a few words.
std::string describe(network const& n);

} // namespace demo

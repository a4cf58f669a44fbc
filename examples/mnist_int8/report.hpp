// SPDX-License-Identifier: Apache-2.0
//
// Clocks, progress and tables.
#pragma once

#include "classifier.hpp"
#include "train.hpp"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <unistd.h>

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
  void operator()(progress const& p) {
    bool const ends = p.batch == p.batches;
    if (!ends && (!terminal_ || time_.seconds() - shown_ < 0.1)) return;
    shown_ = time_.seconds();
    std::fprintf(stderr, "%sepoch %td of %td, batch %4td of %td, mean loss %.4f, %.0f s%s",
                 terminal_ ? "\r" : "", p.epoch, p.epochs, p.batch, p.batches, p.loss,
                 time_.seconds(), ends ? "\n" : "");
  }

private:
  stopwatch time_;
  double shown_ = 0;
  bool terminal_ = ::isatty(STDERR_FILENO) != 0;
};

/// A network and what was measured.
struct contestant {
  std::string name;
  classifier& net;
  double accuracy = 0;  ///< percent of the test images
  double single_us = 0; ///< microseconds per image, one image per call, one thread
  double batch_us = 0;  ///< microseconds per image in batches, all threads
  bool is_int8() const { return name != "f32"; }
};

/// Percent of the images that it names rightly.
inline double accuracy(classifier& net, image_set const& set, index_t batch, thread_pool& threads) {
  std::vector<f32> logits(at(batch * 10));
  index_t right = 0;
  for (index_t first = 0; first < set.count; first += batch) {
    index_t const now = min_of(batch, set.count - first);
    net.run(now, set.image(first).data(), logits.data(), threads);
    for (index_t i = 0; i < now; ++i) {
      f32 const* const row = logits.data() + i * 10;
      right += std::max_element(row, row + 10) - row == set.labels[at(first + i)];
    }
  }
  return 100 * static_cast<double>(right) / static_cast<double>(set.count);
}

/// Microseconds per image of calls with `batch` images, of one pass over `images` of them.
inline double pass(classifier& net, image_set const& set, index_t batch, index_t images,
                   f32* logits, thread_pool& threads) {
  stopwatch const time;
  for (index_t i = 0; i + batch <= images; i += batch)
    net.run(batch, set.image(i).data(), logits, threads);
  return 1e6 * time.seconds() / static_cast<double>(images / batch * batch);
}

/// Accuracy of all images; the fastest of the repetitions of about `seconds` per number, the
/// contestants in turn, so that a busy moment of the machine is nobody's alone.
inline void measure(std::span<contestant> all, image_set const& test, index_t batch,
                    double seconds, thread_pool& threads) {
  std::vector<f32> logits(at(batch * 10));
  for (contestant& c : all) c.accuracy = accuracy(c.net, test, batch, threads);
  thread_pool alone(1);
  auto const rounds = [&](index_t images, index_t of, double contestant::* to, thread_pool& on) {
    images = min_of(images, test.count);
    of = min_of(of, images);
    stopwatch const time;
    double const end = seconds * static_cast<double>(all.size());
    do
      for (contestant& c : all) {
        double const us = pass(c.net, test, of, images, logits.data(), on);
        if (c.*to == 0 || us < c.*to) c.*to = us;
      }
    while (time.seconds() < end);
  };
  rounds(32, 1, &contestant::single_us, alone);
  rounds(4 * batch, batch, &contestant::batch_us, threads);
}

inline void print_table(std::span<contestant const> all, network const& n, index_t batch,
                        int threads) {
  index_t elements = 0, biases = 0;
  for (graph::step const& s : n.steps)
    if (s.kind->multiplies) {
      elements += graph::weights_of(n.nodes, s.anchor)[0].shape.size();
      biases += n.nodes[s.anchor].shape.last();
    }
  std::string const calls = std::to_string(batch) + " images per call, " + std::to_string(threads) +
                            (threads == 1 ? " thread" : " threads");
  std::printf("%-32s %8s   %-30s   %-30s %9s\n", "", "", "1 image per call, 1 thread",
              calls.c_str(), "");
  std::printf("%-32s %8s   %8s %10s %10s   %8s %10s %10s %9s\n", "", "accuracy", "us/image",
              "images/s", "times f32", "us/image", "images/s", "times f32", "weights");
  for (contestant const& c : all) {
    // A bias is 4 bytes in both; 8-bit filters have a scale as well.
    index_t const bytes = c.is_int8() ? elements + 8 * biases : 4 * (elements + biases);
    std::printf("%-32s %7.2f%%   %8.1f %10.0f %10.2f   %8.2f %10.0f %10.2f %5.0f KiB\n",
                c.name.c_str(), c.accuracy, c.single_us, 1e6 / c.single_us,
                all[0].single_us / c.single_us, c.batch_us, 1e6 / c.batch_us,
                all[0].batch_us / c.batch_us, static_cast<double>(bytes) / 1024);
  }
}

/// The layers in a few words.
inline std::string describe(network const& n) {
  std::string text = n.image().to_string();
  for (graph::node const& x : n.nodes.nodes) {
    std::string const units = std::to_string(x.shape.last());
    spatial const& kernel = x.attributes.win.kernel;
    if (x.kind == op::conv) text += ", conv " + kernel.to_string() + " to " + units;
    else if (x.kind == op::max_pool) text += ", max pool";
    else if (x.kind == op::dense) text += ", dense " + units;
    else if (x.kind == op::batch_norm) text += " + batch norm";
    else if (x.kind == op::add) text += " + shortcut";
    else if (x.kind == op::activation) text += " + relu";
  }
  return text;
}

} // namespace demo

// SPDX-License-Identifier: Apache-2.0
//
// Measures and prints.
#include "report.hpp"

#include <algorithm>
#include <cstdio>
#include <unistd.h>

namespace demo {
namespace {

index_t right_answers(f32 const* logits, u8 const* labels, index_t rows) {
  index_t right = 0;
  for (index_t r = 0; r < rows; ++r) {
    f32 const* const row = logits + r * 10;
    right += std::max_element(row, row + 10) - row == labels[r];
  }
  return right;
}

// Percent of the images that it names rightly.
double accuracy(classifier& net, image_set const& set, index_t batch, thread_pool& threads) {
  std::vector<f32> logits(static_cast<std::size_t>(batch * 10));
  index_t right = 0;
  for (index_t i = 0; i < set.count; i += batch) {
    index_t const now = min_of(batch, set.count - i);
    net.run(now, set.image(i).data(), logits.data(), threads);
    right += right_answers(logits.data(), set.labels.data() + i, now);
  }
  return 100 * static_cast<double>(right) / static_cast<double>(set.count);
}

// Microseconds per image of calls with `batch` images, of one pass over `images` of them.
double pass(classifier& net, image_set const& set, index_t batch, index_t images, f32* logits,
            thread_pool& threads) {
  stopwatch const time;
  for (index_t i = 0; i + batch <= images; i += batch)
    net.run(batch, set.image(i).data(), logits, threads);
  return 1e6 * time.seconds() / static_cast<double>(images / batch * batch);
}

} // namespace

training_reporter::training_reporter() : terminal_(::isatty(STDERR_FILENO) != 0) {}

void training_reporter::operator()(progress const& p) {
  bool const ends = p.batch == p.batches;
  if (!ends && (!terminal_ || time_.seconds() - shown_ < 0.1)) return;
  shown_ = time_.seconds();
  std::fprintf(stderr, "%sepoch %td of %td, batch %4td of %td, mean loss %.4f, %.0f s%s",
               terminal_ ? "\r" : "", p.epoch, p.epochs, p.batch, p.batches, p.loss,
               time_.seconds(), ends ? "\n" : "");
}

void measure(std::vector<contestant>& all, image_set const& test, index_t batch, double seconds,
             thread_pool& threads) {
  std::vector<f32> logits(static_cast<std::size_t>(batch * 10));
  for (contestant& c : all) c.accuracy = accuracy(*c.net, test, batch, threads);
  thread_pool alone(1);
  auto const rounds = [&](index_t images, index_t of, double contestant::* to, thread_pool& on) {
    images = min_of(images, test.count);
    of = min_of(of, images);
    stopwatch const time;
    double const end = seconds * static_cast<double>(all.size());
    do
      for (contestant& c : all) {
        double const us = pass(*c.net, test, of, images, logits.data(), on);
        if (c.*to == 0 || us < c.*to) c.*to = us;
      }
    while (time.seconds() < end);
  };
  rounds(32, 1, &contestant::single_us, alone);
  rounds(4 * batch, batch, &contestant::batch_us, threads);
}

void print_table(std::vector<contestant> const& all, network const& n, index_t batch, int threads) {
  double elements = 0, biases = 0;
  for (layer const& l : n.layers)
    if (l.has_weights()) {
      elements += static_cast<double>(l.shape.weights());
      biases += static_cast<double>(l.shape.filters);
    }
  std::printf("%-32s %8s   %-30s   %-30s %9s\n", "", "", "1 image per call, 1 thread",
              (std::to_string(batch) + " images per call, " + std::to_string(threads) +
               (threads == 1 ? " thread" : " threads"))
                  .c_str(),
              "");
  std::printf("%-32s %8s   %8s %10s %10s   %8s %10s %10s %9s\n", "", "accuracy", "us/image",
              "images/s", "times f32", "us/image", "images/s", "times f32", "weights");
  for (contestant const& c : all) {
    // A bias is 4 bytes in both; 8-bit filters have a scale as well.
    double const bytes = c.is_int8() ? elements + 8 * biases : 4 * elements + 4 * biases;
    std::printf("%-32s %7.2f%%   %8.1f %10.0f %10.2f   %8.2f %10.0f %10.2f %5.0f KiB\n",
                c.name.c_str(), c.accuracy, c.single_us, 1e6 / c.single_us,
                all[0].single_us / c.single_us, c.batch_us, 1e6 / c.batch_us,
                all[0].batch_us / c.batch_us, bytes / 1024);
  }
}

std::string describe(network const& n) {
  std::string text = n.image.to_string();
  for (layer const& l : n.layers) {
    conv_shape const& s = l.shape;
    if (l.what == kind::max_pool) text += ", max pool";
    else if (l.what == kind::dense) text += ", dense " + std::to_string(s.filters);
    else
      text += ", conv " + std::to_string(s.win.kernel.height) + " x " +
              std::to_string(s.win.kernel.width) + " to " + std::to_string(s.filters);
    if (!l.norm.empty()) text += " + batch norm";
    if (l.add >= 0) text += " + shortcut";
    if (l.relu) text += " + relu";
  }
  return text;
}

} // namespace demo

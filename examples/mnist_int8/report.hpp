// SPDX-License-Identifier: Apache-2.0
//
// Measurements, and what is made of them: a table and pictures.
#pragma once

#include "../common/progress.hpp"

#include <ia_nn/exec/thread_pool.hpp>
#include <ia_nn/graph/compiled.hpp>
#include <ia_nn/graph/show/drawing.hpp>
#include <ia_nn/io/idx_images.hpp>

#include <algorithm>
#include <cstdio>
#include <functional>

namespace demo {

using namespace ia_nn;
namespace drawing = ia_nn::graph::drawing;

using examples::now;

/// A form of a network and what was measured.
struct mode {
  std::string name;
  std::function<void(index_t, f32 const*, f32*, thread_pool&)> run; ///< batch, images, logits
  double accuracy = 0;            ///< percent
  double single = 0, batches = 0; ///< images/s: one a call, one thread; in batches, all threads
  int answers[10][10]{};          ///< [label][answer]
};

template <class Net, graph::backend Policy>
mode make_mode(char const* name, graph::weights_source auto const& w,
               graph::compile_options const& o) {
  auto const net = std::make_shared<graph::compiled<Net, Policy>>(w, o);
  auto const scratch = std::make_shared<workspace>(net->workspace_bytes());
  return {name, [=](index_t batch, f32 const* images, f32* logits, thread_pool& threads) {
            net->run(batch, images, logits, *scratch, threads);
          }};
}

/// All images once for the accuracy; then the fastest of many repetitions, the modes in turn, so
/// that a busy moment of the machine is nobody's alone.
inline void measure(std::span<mode> all, std::vector<f32> const& images,
                    std::vector<u8> const& labels, index_t batch, double seconds,
                    thread_pool& threads) {
  index_t const count = std::ssize(labels), pixels = std::ssize(images) / count;
  std::vector<f32> logits(labels.size() * 10);
  auto const speed = [&](mode& m, index_t last, index_t size, thread_pool& on) {
    double const began = now();
    for (index_t i = 0; i < last; i += size)
      m.run(min_of(size, last - i), images.data() + i * pixels, logits.data() + i * 10, on);
    return static_cast<double>(last) / (now() - began);
  };
  for (mode& m : all) {
    speed(m, count, batch, threads);
    for (std::size_t i = 0; i < labels.size(); ++i) {
      f32 const* const row = logits.data() + 10 * i;
      ++m.answers[labels[i]][std::max_element(row, row + 10) - row];
    }
    for (int i = 0; i < 10; ++i) m.accuracy += 100.0 * m.answers[i][i] / static_cast<double>(count);
  }
  auto const rounds = [&](double mode::*to, index_t last, index_t size, thread_pool& on) {
    for (double const end = now() + seconds * static_cast<double>(all.size()); now() < end;)
      for (mode& m : all) m.*to = std::max(m.*to, speed(m, min_of(last, count), size, on));
  };
  thread_pool alone(1);
  rounds(&mode::single, 8, 1, alone);
  rounds(&mode::batches, batch, batch, threads);
}

inline void print_table(std::span<mode const> all, index_t batch, int threads) {
  std::printf("%-32s            1 image a call, 1 thread         %td images a call, %d threads\n"
              "%-32s accuracy   us/image   images/s  times f32   us/image   images/s  times f32\n",
              "", batch, threads, "");
  for (mode const& m : all)
    std::printf("%-32s %7.2f%%   %8.1f %10.0f %10.2f   %8.2f %10.0f %10.2f\n", m.name.c_str(),
                m.accuracy, 1e6 / m.single, m.single, m.single / all[0].single, 1e6 / m.batches,
                m.batches, m.batches / all[0].batches);
}

/// A picture of the table: a bar for each number.
inline std::string bars(std::span<mode const> all) {
  std::string t;
  double y = 0;
  auto const add = [&](char const* title, double mode::*what, int digits) {
    t += drawing::words(10, y += 24, title);
    double most = 0;
    for (mode const& m : all) most = std::max(most, m.*what);
    for (int i = 0; mode const& m : all) {
      double const width = 300 * (m.*what) / most;
      y += 14;
      t += drawing::rectangle(210, y - 9, width, 12, drawing::color(i++), m.name) +
           drawing::words(10, y, m.name) +
           drawing::words(215 + width, y, drawing::number(m.*what, digits));
    }
  };
  add("accuracy in %", &mode::accuracy, 2);
  add("images/s, one a call, one thread", &mode::single, 0);
  add("images/s in batches, all threads", &mode::batches, 0);
  return drawing::begin(580, y + 10) + t + "</svg>\n";
}

/// How often each label was answered by which. Mistakes have a color of their own, and are compared
/// with the most frequent one: most images are on the diagonal.
inline std::string confusion(mode const& m) {
  std::string t = drawing::words(10, 15, m.name + ": labels downwards, answers to the right");
  int most[2] = {1, 1};
  for (int i = 0; i < 100; ++i)
    most[i % 11 == 0] = std::max(most[i % 11 == 0], m.answers[i / 10][i % 10]);
  for (int i = 0; i < 100; ++i) {
    int const label = i / 10, answer = i % 10, n = m.answers[label][answer];
    double const x = 30 + 34 * answer, y = 40 + 22 * label;
    std::string const hue = label == answer ? "210" : "20";
    std::string const light = std::to_string(97 - 45 * n / most[label == answer]);
    t += drawing::rectangle(x, y, 33, 21, "hsl(" + hue + ",70%," + light + "%)",
                            std::to_string(label) + " answered as " + std::to_string(answer)) +
         drawing::words(x + 5, y + 14, std::to_string(n));
    if (label == 0) t += drawing::words(x + 12, 34, std::to_string(answer));
    if (answer == 0) t += drawing::words(14, y + 14, std::to_string(label));
  }
  return drawing::begin(380, 270) + t + "</svg>\n";
}

} // namespace demo

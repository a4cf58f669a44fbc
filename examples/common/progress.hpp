// SPDX-License-Identifier: Apache-2.0
//
// What programs that train show: a line of progress, and the loss as a curve.
#pragma once

#include <ia_nn/graph/show/drawing.hpp>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <fstream>
#include <string>
#include <unistd.h>
#include <vector>

namespace examples {

inline double now() {
  using std::chrono::steady_clock, std::chrono::duration;
  return duration<double>(steady_clock::now().time_since_epoch()).count();
}

/// A line that is written over on a terminal; ten lines elsewhere.
class progress_bar {
public:
  /// `items` of `unit` in each step.
  progress_bar(long steps, long items, char const* unit, long done = 0)
      : steps_(steps), items_(items), done_(done), unit_(unit) {}

  void show(long step, float loss_of_step) {
    double const part = static_cast<double>(step) / static_cast<double>(steps_);
    double const time = now() - began_, fresh = static_cast<double>(step - done_);
    loss_ += (static_cast<double>(loss_of_step) - loss_) * (curve_.empty() ? 1 : 0.02);
    curve_.push_back(loss_);
    if (step < steps_ && (terminal_ ? time : part) < next_) return;
    next_ = (terminal_ ? time : part) + 0.1;
    std::fprintf(stderr, "%s[%-30.*s] %3.0f%%, loss %.3f, %6.0f %s/s, %3.0f s left%s", terminal_ ? "\r" : "",
                 static_cast<int>(30 * part), std::string(30, '#').c_str(), 100 * part, loss_,
                 fresh * static_cast<double>(items_) / time, unit_,
                 time / fresh * static_cast<double>(steps_ - step), terminal_ && step < steps_ ? "" : "\n");
  }
  double seconds() const { return now() - began_; }

  /// The smoothed loss of all steps as a picture.
  void save_curve(std::string const& path) const {
    namespace drawing = ia_nn::graph::drawing;
    if (curve_.empty()) return;
    double const most = *std::max_element(curve_.begin(), curve_.end());
    std::string points;
    for (std::size_t x = 0; x <= 500; ++x)
      points += drawing::number(50 + static_cast<double>(x), 0) + "," +
                drawing::number(240 - 220 * curve_[x * (curve_.size() - 1) / 500] / most, 1) + " ";
    std::ofstream(path) << drawing::begin(570, 270)
                        << "<polyline fill=\"none\" stroke=\"#1f77b4\" points=\"" + points + "\"/>\n"
                        << drawing::words(5, 24, drawing::number(most, 2)) << drawing::words(5, 243, "0")
                        << drawing::words(50, 260, "loss of " + std::to_string(curve_.size()) + " steps, the last " +
                                                       drawing::number(curve_.back(), 3))
                        << "</svg>\n";
  }

private:
  long steps_, items_, done_;
  char const* unit_;
  double began_ = now(), next_ = 0, loss_ = 0;
  bool terminal_ = ::isatty(STDERR_FILENO) != 0;
  std::vector<double> curve_{};
};

} // namespace examples

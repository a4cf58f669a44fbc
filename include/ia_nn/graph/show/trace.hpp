// SPDX-License-Identifier: Apache-2.0
//
// How long each step of a network takes. A trace is handed to `run`; `no_trace`, the default, makes
// no code.
#pragma once

#include <ia_nn/graph/show/dump.hpp>

#include <chrono>

#include <ia_nn/begin.hpp>
namespace graph {

/// Something with begin(step) and end(step), and start() if it is to know where a run begins, all
/// noexcept. A batch that runs in parts passes each step several times. Members of a parallel group
/// call it from several threads, each with a step of its own. One that also has wrote(step, loaded_plan,
/// frame) is told behind each step where its result lies (run/observe.hpp).
template <class T>
concept tracer = requires(T& t, int step) {
  { t.begin(step) } noexcept;
  { t.end(step) } noexcept;
};

/// Keeps the times of the last run, of a batch that runs in parts their sums. P: what layers of the
/// policy multiply that do not say.
template <class Net, precision P = precision::f32> class step_trace {
  using clock = std::chrono::steady_clock;

public:
  using network = Net;
  static constexpr int steps = schedule<Net, P>.count;
  static constexpr precision usual = P;

  /// A run begins.
  void start() noexcept {
    for (clock::duration& d : spent_) d = {};
  }
  void begin(int step) noexcept { start_[step] = clock::now(); }
  void end(int step) noexcept { spent_[step] += clock::now() - start_[step]; }

  /// Microseconds of a step.
  double microseconds(int step) const {
    return std::chrono::duration<double, std::micro>(spent_[step]).count();
  }

  /// One line for each step: time, share, GFLOP/s, GB/s, for `items` of the batch.
  std::string table(index_t items = 1) const {
    auto const& p = schedule<Net, P>;
    double sum = 0;
    for (int i = 0; i < p.count; ++i) sum += microseconds(i);
    std::string t = detail::padded("step", 30) + "        us       %  GFLOP/s     GB/s\n";
    auto const number = [](double x) { return detail::right(ia_nn::detail::number_text(x, 1), 9); };
    for (int i = 0; i < p.count; ++i) {
      step_cost const c = cost_of(typed<Net, P>, p.steps[i]);
      double const us = microseconds(i), n = static_cast<double>(items);
      double const per = us > 0 ? 1e-3 / us : 0; // 1e9 of what there is in one microsecond
      double const moved =
          n * static_cast<double>(c.read + c.written) + static_cast<double>(c.weights);
      t += detail::padded(detail::text_of(typed<Net, P>[p.steps[i].anchor]), 30) + " " +
           number(us) + number(sum > 0 ? 100 * us / sum : 0) +
           number(per * n * static_cast<double>(c.flops)) + number(per * moved) + "\n";
    }
    return t;
  }

  /// For chrome://tracing and Perfetto. Of several parts a step stands where the last one had it.
  std::string chrome() const {
    auto const& p = schedule<Net, P>;
    std::string t = "[";
    for (int i = 0; i < p.count; ++i)
      t += std::string(i ? ",\n" : "\n") + "{\"name\": \"" +
           detail::escaped(detail::text_of(typed<Net, P>[p.steps[i].anchor])) +
           "\", \"ph\": \"X\", \"pid\": 0, \"tid\": " +
           std::to_string(p.steps[i].group >= 0 ? 1 + i - p.times[i] : 0) +
           ", \"ts\": " + ia_nn::detail::number_text(between(start_[0], start_[i]), 3) +
           ", \"dur\": " + ia_nn::detail::number_text(microseconds(i), 3) + "}";
    return t + "\n]\n";
  }

private:
  static double between(clock::time_point a, clock::time_point b) {
    return std::chrono::duration<double, std::micro>(b - a).count();
  }
  static constexpr std::size_t count = static_cast<std::size_t>(steps);
  clock::time_point start_[count]{};
  clock::duration spent_[count]{};
};

} // namespace graph
IA_NN_END

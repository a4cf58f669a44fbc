// SPDX-License-Identifier: Apache-2.0
//
// One case: calls of all contenders in rotating order, so that a slow moment of the machine hits
// everyone alike. One group: its cases between two measurements of the peak, again if it moved.
#include "harness.hpp"

#include "cpu.hpp"

#include <benchmark/benchmark.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <ctime>
#include <dlfcn.h>
#include <regex>
#include <stdexcept>
#include <thread>

namespace bench {
namespace {

constexpr double shortest_sample = 20e-6; // calls are repeated until a sample takes this long
constexpr double longest_warm = 2e-3;     // longer calls have warmed up after their first part
constexpr int fewest_rounds = 9, most_rounds = 3000, most_copies = 64;
constexpr double tolerated_move = 0.15;
constexpr double largest_bytes = 1.5e9; // of all operands of a case
constexpr int most_measurements = 4; // of a group: once, and again at most three times

double now() {
  using clock = std::chrono::steady_clock;
  return std::chrono::duration<double>(clock::now().time_since_epoch()).count();
}

double cpu_seconds() { // of all threads of the process
  std::timespec t{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
  return static_cast<double>(t.tv_sec) + 1e-9 * static_cast<double>(t.tv_nsec);
}

double median(std::vector<double> v) {
  if (v.empty()) return unknown;
  auto const middle = v.begin() + static_cast<std::ptrdiff_t>(v.size() / 2);
  std::nth_element(v.begin(), middle, v.end());
  if (v.size() % 2 == 1) return *middle;
  return 0.5 * (*middle + *std::max_element(v.begin(), middle));
}

double minimum(std::vector<double> const& v) {
  return v.empty() ? unknown : *std::min_element(v.begin(), v.end());
}

// Workers of a team wait for more by spinning, up to `worker_environment`'s limits. A contender
// must not compete with the spinning of the one before it: the main thread lets that time pass.
double pause_between(int threads) {
  if (threads == 1) return 0;
  static bool const llvm_openmp = dlsym(RTLD_DEFAULT, "kmp_get_blocktime") != nullptr;
  return llvm_openmp ? 1.3e-3 : 300e-6; // its limit has a resolution of a millisecond
}

void let_pass(double seconds) {
  for (double const end = now() + seconds; now() < end;) __builtin_ia32_pause();
}

struct lane { // a contender and its samples
  std::string name;
  std::vector<std::function<void()>> copies; // more than one with --cold
  std::size_t turn = 0;
  int repetitions = 1;
  bool warm = true; // an untimed call before each sample: it finds its own data in the caches
  double estimate = 0;
  std::vector<double> seconds; // per call

  void call() {
    copies[turn]();
    turn = turn + 1 == copies.size() ? 0 : turn + 1;
  }
};

std::vector<lane> open_lanes(context& c, bench_case const& b) {
  std::size_t copies = 1;
  if (c.opt.cold) {
    std::size_t const bytes = std::max<std::size_t>(b.bytes, 64);
    copies = std::clamp<std::size_t>(2 * caches().l3 / bytes + 1, 2, most_copies);
  }
  std::vector<lane> lanes;
  for (std::size_t copy = 0; copy < copies; ++copy) {
    auto contenders = b.prepare();
    if (!c.opt.only.empty())
      contenders.erase(std::remove_if(contenders.begin(), contenders.end(),
                                      [&](contender const& x) { return x.name != c.opt.only; }),
                       contenders.end());
    if (copy == 0) lanes.resize(contenders.size());
    if (contenders.size() != lanes.size())
      throw std::runtime_error("case '" + b.name + "' prepared other contenders the second time");
    for (std::size_t i = 0; i < lanes.size(); ++i) {
      lanes[i].name = contenders[i].name;
      lanes[i].copies.push_back(std::move(contenders[i].call));
    }
  }
  return lanes;
}

// A team that never goes to sleep takes a core from whoever comes next.
void check_idle(context& c) {
  if (c.threads == 1) return;
  let_pass(pause_between(c.threads));
  double const start = cpu_seconds();
  constexpr double window = 4e-3;
  std::this_thread::sleep_for(std::chrono::duration<double>(window));
  if (cpu_seconds() - start > window / 4)
    c.out.note("in " + c.isa + " " + std::to_string(c.threads) +
               "t some contender's threads keep "
               "running between calls: they disturb the others, the figures are no good");
}

void calibrate(context& c, lane& l) {
  l.call();
  pin_new_threads(c.threads);
  l.estimate = 1e9;
  for (int i = 0; i < 3; ++i) {
    double const start = now();
    l.call();
    l.estimate = std::min(l.estimate, now() - start);
    if (l.estimate > 0.1) break;
  }
  l.repetitions = std::max(1, static_cast<int>(std::ceil(shortest_sample / l.estimate)));
  l.warm = !c.opt.cold && l.estimate < longest_warm;
}

int rounds_for(context const& c, std::vector<lane> const& lanes) {
  double round = 0;
  for (lane const& l : lanes)
    round += l.estimate * (l.repetitions + (l.warm ? 1 : 0)) + pause_between(c.threads);
  int const fewest = c.opt.quick || round > 1 ? 5 : fewest_rounds;
  return static_cast<int>(std::clamp<double>(c.opt.min_time / round, fewest, most_rounds));
}

// Google Benchmark's view of the run: it counts the iterations and hands over the result; the
// table is printed at the end.
class progress : public benchmark::BenchmarkReporter {
public:
  bool ReportContext(Context const&) override { return true; }
  void ReportRuns(std::vector<Run> const& runs) override {
    for (Run const& r : runs) {
      rounds += static_cast<int>(r.iterations);
      seconds += r.real_accumulated_time;
    }
  }
  int rounds = 0;
  double seconds = 0;
};

void sample(context const& c, std::string const& name, std::vector<lane>& lanes) {
  double const gap = pause_between(c.threads);
  std::size_t first = 0;
  benchmark::ClearRegisteredBenchmarks();
  benchmark::RegisterBenchmark(name.c_str(),
                               [&](benchmark::State& state) {
                                 for (auto iteration : state) {
                                   static_cast<void>(iteration);
                                   double round = 0;
                                   for (std::size_t i = 0; i < lanes.size(); ++i) {
                                     lane& l = lanes[(first + i) % lanes.size()];
                                     if (gap > 0) let_pass(gap);
                                     if (l.warm) l.call();
                                     double const start = now();
                                     for (int r = 0; r < l.repetitions; ++r) l.call();
                                     double const took = now() - start;
                                     l.seconds.push_back(took / l.repetitions);
                                     round += took;
                                   }
                                   ++first;
                                   state.SetIterationTime(round);
                                 }
                               })
      ->UseManualTime()
      ->Iterations(rounds_for(c, lanes));
  progress reporter;
  benchmark::RunSpecifiedBenchmarks(&reporter, std::string("all"));
  benchmark::ClearRegisteredBenchmarks();
  std::fprintf(stderr, "%s: %d rounds, %.2f s\n", name.c_str(), reporter.rounds, reporter.seconds);
}

void add_rows(std::vector<row>& rows, row const& base, std::vector<lane> const& lanes,
              double items) {
  lane const* ours = nullptr;
  for (lane const& l : lanes)
    if (l.name == "ours") ours = &l;
  double const our_median = ours != nullptr ? median(ours->seconds) / items : unknown;
  double const our_minimum = ours != nullptr ? minimum(ours->seconds) / items : unknown;
  double best_median = unknown, best_minimum = unknown;
  row r = base;
  r.ours_ms = our_median * 1e3;
  r.ours_min_ms = our_minimum * 1e3;
  for (lane const& l : lanes) {
    if (&l == ours) continue;
    double const m = median(l.seconds) / items, low = minimum(l.seconds) / items;
    best_median = std::fmin(best_median, m); // of a number and NaN: the number
    best_minimum = std::fmin(best_minimum, low);
    r.peer = l.name;
    r.peer_ms = m * 1e3;
    r.ratio = m / our_median;
    r.ratio_min = low / our_minimum;
    rows.push_back(r);
  }
  r.peer = std::isfinite(best_median) ? "best" : "none";
  r.peer_ms = best_median * 1e3;
  r.ratio = best_median / our_median;
  r.ratio_min = best_minimum / our_minimum;
  rows.push_back(r);
}

double moved(double before, double after) {
  if (!(before > 0) || !(after > 0)) return 0;
  return std::max(before, after) / std::min(before, after) - 1;
}

struct attempt {
  std::vector<row> rows;
  group_peak peaks;
  double move = 0;
};

attempt measure_group(context& c, std::string const& suite_name, group const& g) {
  std::string const name = c.group_name(g);
  attempt a;
  a.peaks.name = name_of(g.limit);
  a.peaks.unit = unit_of(g.limit);
  peak const probe = probe_of(g.limit);
  a.peaks.probe = name_of(probe) + " (" + unit_of(probe) + ")";
  a.peaks.before = measure(g.limit, c.threads);
  a.peaks.probe_before = measure(probe, c.threads);
  pin(0, 0);
  for (bench_case const& b : g.cases) {
    std::vector<lane> lanes = open_lanes(c, b);
    if (lanes.empty()) {
      c.out.note("nobody computes " + name);
      break;
    }
    for (lane& l : lanes) calibrate(c, l);
    check_idle(c);
    sample(c, name + "/" + b.name, lanes);
    row base;
    base.suite = suite_name;
    base.group = name;
    base.case_name = b.name;
    base.type = g.type;
    base.isa = c.isa;
    base.threads = c.threads;
    if (b.operations > 0) base.operations = b.operations / b.items;
    if (b.bytes > 0) base.bytes = static_cast<double>(b.bytes) / b.items;
    add_rows(a.rows, base, lanes, b.items);
  }
  if (c.threads > 1) let_pass(pause_between(c.threads));
  a.peaks.after = measure(g.limit, c.threads);
  a.peaks.probe_after = measure(probe, c.threads);
  pin(0, 0);
  a.move = std::max(moved(a.peaks.before, a.peaks.after),
                    moved(a.peaks.probe_before, a.peaks.probe_after));
  a.peaks.steady = a.move <= tolerated_move;
  double const top = 0.5 * (a.peaks.before + a.peaks.after);
  if (top > 0)
    for (row& r : a.rows) r.peak_pct = r.operations / (r.ours_ms * 1e-3) / (top * 1e9) * 100;
  return a;
}

} // namespace

std::string context::group_name(group const& g) const {
  return g.type + " " + isa + " " + std::to_string(threads) + "t" +
         (g.word.empty() ? "" : " " + g.word);
}

bool context::wanted(group const& g, std::string const& case_name) const {
  return opt.filter.empty() ||
         std::regex_search(group_name(g) + "/" + case_name, std::regex(opt.filter));
}

void context::skip(group const& g, std::string const& case_name, std::string const& why) {
  if (wanted(g, case_name)) out.skipped.push_back(group_name(g) + "/" + case_name + ": " + why);
}

void context::add(group& g, bench_case b, double peak) {
  double const seconds = peak > 0 ? 1.5 * b.operations / peak : 0;
  if (static_cast<double>(b.bytes) > largest_bytes)
    skip(g, b.name, "operands larger than 1.5 GB");
  else if (seconds > opt.max_call)
    skip(g, b.name, "a call would take about " + std::to_string(seconds) + " s");
  else g.cases.push_back(std::move(b));
}

void measure_suite(context& c, std::string const& name, suite const& make) {
  std::vector<group> groups = make(c);
  for (group& g : groups) {
    std::string const group_name = c.group_name(g);
    g.cases.erase(std::remove_if(g.cases.begin(), g.cases.end(),
                                 [&](bench_case const& b) { return !c.wanted(g, b.name); }),
                  g.cases.end());
    if (g.cases.empty()) continue;
    attempt best;
    int count = 0;
    do {
      attempt a = measure_group(c, name, g);
      ++count;
      if (!a.peaks.steady)
        std::fprintf(stderr, "%s: the peak moved by %.0f %%\n", group_name.c_str(), a.move * 100);
      if (count == 1 || a.move < best.move) best = std::move(a);
    } while (!best.peaks.steady && count < most_measurements);
    best.peaks.measured = count;
    c.out.rows.insert(c.out.rows.end(), best.rows.begin(), best.rows.end());
    if (!best.rows.empty()) c.out.groups[group_name] = best.peaks;
  }
}

} // namespace bench

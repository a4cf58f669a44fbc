// SPDX-License-Identifier: Apache-2.0
//
// How a suite is written: it lists groups of cases; a case, when its turn comes, prepares its
// operands and hands out contenders that all compute the same thing. The rest (order of the calls,
// clocks, peaks, percentages, tables, processes) is done here. docs/benchmarking.md says why so.
//
//   int main(int argc, char** argv) {
//     return bench::run(argc, argv, "gemm", IA_NN_BENCH_ISA_NAME, [](bench::context& c) {
//       return std::vector<bench::group>{{"f32", "", bench::peak::fma_zmm, cases_of(c)}};
//     });
//   }
//
// One executable is built per instruction set with the flags of that set, so nothing compiled for
// another one can slip in. `bench_<suite>` starts them one after the other, one process per
// instruction set and team size, and merges what they report.
#pragma once

#include "options.hpp"
#include "peak.hpp"
#include "report.hpp"

#include <cstddef>
#include <functional>
#include <string>
#include <utility>
#include <vector>

namespace bench {

/// Something that computes the case once per call. The one named "ours" is what peers are
/// compared with.
struct contender {
  std::string name;
  std::function<void()> call;
};

struct bench_case {
  std::string name;
  double operations = 0; ///< per call, in what the peak counts: a multiply and an add are two
  double items = 1;      ///< equal parts of a call, time steps for instance: times are those of one
  std::size_t bytes = 0; ///< of all operands of one contender, each counted once: what has to move
                         ///< at least, and how many copies `--cold` needs
  /// Makes operands and contenders and compares their results. Throws a sentence if they disagree,
  /// and that ends the run. What the contenders need must live in their `call`.
  std::function<std::vector<contender>()> prepare;
};

struct group {
  std::string type; ///< "f32", "bf16", "u8s8" ...
  std::string word; ///< tells kinds of case apart: "", "onthefly", "gemv" ...
  peak limit = peak::none;
  std::vector<bench_case> cases;
};

struct context { // what a suite may ask, and tell
  options const& opt;
  std::string isa;
  int threads;
  report& out;

  std::string group_name(group const& g) const; ///< "<type> <isa> <threads>t[ word]"
  bool wanted(group const& g, std::string const& case_name) const; ///< does `--filter` ask for it?
  /// Adds the case to its group, or skips it if its operands are too large or a call would take
  /// longer than `--max-call`. `peak`: of the group, in operations per second; 0 if unknown.
  void add(group& g, bench_case b, double peak);
  /// Puts a case that cannot be measured on the list of those, with the reason.
  void skip(group const& g, std::string const& case_name, std::string const& why);
};

using suite = std::function<std::vector<group>(context&)>;
using closing = std::function<void(context&)>; ///< looks at the rows, for instance for headlines

/// `main` of a suite's executable for the instruction set `isa`.
int run(int argc, char** argv, std::string const& name, std::string const& isa, suite const& make,
        closing const& close = {});

/// `main` of `bench_<name>`: starts the executables next to it that bear the names of `isas`.
int drive(int argc, char** argv, std::string const& name, std::vector<std::string> const& isas);

/// Measures every group of `make` in this process. Used by `run`.
void measure_suite(context& c, std::string const& name, suite const& make);

/// Environment of a worker: caps and team sizes that libraries read when they are loaded.
std::vector<std::pair<std::string, std::string>> worker_environment(std::string const& isa,
                                                                    int threads);

} // namespace bench

// SPDX-License-Identifier: Apache-2.0
//
// The command line that all suites share.
#pragma once

#include <string>
#include <vector>

namespace bench {

struct options {
  std::vector<int> threads;      ///< team sizes; default 1, and 2 where there are two CPUs
  std::vector<std::string> isas; ///< default: every one that the machine has
  std::string json;              ///< where the report goes; empty: nowhere
  std::string shapes;            ///< CSV of shapes; empty: the built-in list
  bool column_major = false;     ///< the CSV means C as BLAS does: C' = B' A' in row-major terms
  std::string filter;            ///< regular expression searched in "<group>/<case>"
  std::string only;              ///< a contender's name: the others are compared with, not timed
  bool quick = false;            ///< few samples: for a look, not for a claim
  bool cold = false;             ///< rotate over copies of the operands beyond the last cache
  bool polite = false;           ///< leave the scheduling priority alone
  double min_time = 0.5;         ///< seconds of samples per case, all contenders together
  double max_call = 0.5;         ///< seconds; cases expected to take longer are skipped by name; 5
                                 ///< for `rnn` and `train_rnn`, whose calls are whole sequences
  std::vector<std::string> command; ///< as it was asked for: suite and arguments
  std::string worker;            ///< hidden: this process measures one ISA and team into that file
};

/// Parses, fills in defaults; on a mistake or `--help` prints the text and ends the process.
options parse(int argc, char** argv, std::string const& suite);

/// The arguments that make a worker of one ISA and team size measure what `o` asks for.
std::vector<std::string> worker_arguments(options const& o, std::string const& isa, int threads,
                                          std::string const& file);

} // namespace bench

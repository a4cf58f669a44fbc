// SPDX-License-Identifier: Apache-2.0
//
// What a run found: one row per case and peer, printed as a table and written as JSON.
#pragma once

#include "options.hpp"

#include <limits>
#include <map>
#include <string>
#include <vector>

namespace bench {

inline constexpr double unknown = std::numeric_limits<double>::quiet_NaN(); // null in JSON

/// The case of rows that sum up the others of their group: not part of its geometric mean.
inline constexpr char const* sum_case = "sum";

/// Ratios are peer time / our time: above 1 we are faster.
struct row {
  std::string suite, group, case_name, type, isa;
  int threads = 0;
  double ours_ms = unknown; ///< median
  std::string peer;         ///< "best": the fastest, chosen by median for `ratio`, by minimum for
                            ///< `ratio_min`; "none": the case has no peer
  double peer_ms = unknown; ///< median
  double ratio = unknown, ratio_min = unknown;
  double peak_pct = unknown;    ///< of the group's peak, from the median of ours
  double operations = unknown;  ///< of what is timed, in what the group's peak counts
  double bytes = unknown;       ///< of its operands, each counted once
  double ours_min_ms = unknown; ///< for sums of rows
};

struct group_peak { // what a group was measured under
  std::string name, unit, probe;
  double before = unknown, after = unknown, probe_before = unknown, probe_after = unknown;
  int measured = 0; ///< how often the group was measured until its peak held still
  bool steady = false;
};

/// A figure of its own that is compared with published ones, for instance sequences per second.
struct headline {
  std::string what, group, unit;
  double ours = unknown, peer = unknown; ///< of the fastest peer
  std::map<std::string, double> published;
};

struct report {
  std::vector<row> rows;
  std::map<std::string, group_peak> groups;
  std::map<std::string, std::string> peers;   ///< name: version and what it chose to run on
  std::map<std::string, std::string> missing; ///< name: why it is not there
  std::vector<std::string> skipped, notes;
  std::vector<headline> headlines;
  std::map<std::string, std::map<std::string, double>> peaks; ///< name (unit): "1t" ...: figure

  void note(std::string const& sentence); ///< kept once
  /// Libraries to compare with: name, version, and a sentence where they are missing.
  template <class Peers> void list(Peers const& all) {
    for (auto const& p : all) {
      if (p.missing.empty()) peers[p.name] = p.version;
      else missing[p.name] = p.missing;
    }
  }
  void merge(report const& other);
};

struct geomean {
  std::string group, peer;
  double ratio = unknown;
};
std::vector<geomean> geomeans(report const& r);

void print(report const& r); ///< table, geometric means and remarks to stdout
void save(report const& r, std::string const& file, options const& o);
report load(std::string const& file); ///< what a worker saved

} // namespace bench

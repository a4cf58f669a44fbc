// SPDX-License-Identifier: Apache-2.0
#include "conv_sum.hpp"

#include <algorithm>
#include <cmath>
#include <set>

namespace bench {
namespace {

struct total {
  row first;
  std::size_t cases = 0;
  double ours = 0, peer = 0, ours_min = 0, peer_min = 0;
  double work = 0; // milliseconds times percent of the peak
};

} // namespace

void conv_sums::append(report& r) const {
  std::vector<row> all;
  for (std::size_t i = 0; i < r.rows.size();) {
    std::string const group = r.rows[i].group;
    std::size_t end = i;
    std::vector<std::pair<std::string, total>> totals; // by peer, in order of appearance
    std::set<std::string> measured;
    auto const counts = counts_.find(group);
    for (; end < r.rows.size() && r.rows[end].group == group; ++end) {
      row const& x = r.rows[end];
      all.push_back(x);
      if (counts == counts_.end() || counts->second.count(x.case_name) == 0) continue;
      auto const count = static_cast<double>(counts->second.at(x.case_name));
      measured.insert(x.case_name);
      auto at = std::find_if(totals.begin(), totals.end(),
                             [&](auto const& t) { return t.first == x.peer; });
      if (at == totals.end()) at = totals.insert(totals.end(), {x.peer, {x}});
      ++at->second.cases;
      at->second.ours += count * x.ours_ms;
      at->second.peer += count * x.peer_ms;
      at->second.ours_min += count * x.ours_min_ms;
      at->second.peer_min += count * x.ours_min_ms * x.ratio_min;
      at->second.work += count * x.ours_ms * x.peak_pct;
    }
    i = end;
    if (counts == counts_.end() || measured.size() != counts->second.size()) continue;
    for (auto const& [peer, t] : totals) {
      if (t.cases != measured.size()) continue;
      row sum = t.first;
      sum.case_name = sum_case;
      sum.ours_ms = t.ours;
      sum.peer_ms = t.peer;
      sum.ratio = t.peer / t.ours;
      sum.ratio_min = t.peer_min / t.ours_min;
      sum.peak_pct = t.work / t.ours;
      sum.operations = sum.bytes = unknown; // other operators lie between its parts
      all.push_back(sum);
    }
  }
  r.rows = std::move(all);
}

} // namespace bench

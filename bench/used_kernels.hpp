// SPDX-License-Identifier: Apache-2.0
//
// Which kernels other libraries chose for the cases of a group: told once, as a note.
#pragma once

#include "report.hpp"

#include <map>
#include <set>
#include <string>

namespace bench {

class used_kernels {
public:
  void add(std::string const& group, std::string const& kernel, std::string const& case_name) {
    cases_[group][kernel].insert(case_name);
  }
  void append(report& r) const {
    for (auto const& [group, kernels] : cases_) {
      std::string text;
      for (auto const& [name, cases] : kernels)
        text += (text.empty() ? "" : ", ") + name + " (" + std::to_string(cases.size()) + ")";
      r.note("kernels in " + group + " (cases): " + text);
    }
  }

private:
  std::map<std::string, std::map<std::string, std::set<std::string>>> cases_; ///< group, kernel: cases
};

} // namespace bench

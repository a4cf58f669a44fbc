// SPDX-License-Identifier: Apache-2.0
//
// Runs ONNX test cases through ia_nn and says for each operator how many passed, failed, or are
// not supported.
//
//   onnx_cases DIR... [--op A,B] [--verbose] [--if-present]
//
// Status 0: something ran and nothing failed. 77: --if-present, and there is no such folder.
#include "compare.hpp"
#include "operators.hpp"

#include <CLI/CLI.hpp>

#include <algorithm>
#include <cstdio>
#include <set>

namespace onnx_cases {
namespace {

namespace fs = std::filesystem;

struct named_reason {
  std::string name, reason;
};

struct tally {
  std::vector<named_reason> passed, failed;
  std::map<std::string, std::vector<std::string>> unsupported; ///< reason -> names
};

// "" if the node passes, else why it fails; `remark` says how it passed. What it computes joins the
// tensors of the graph. `approximation`: of this node or of one before it.
std::string check(op_case const& c, operator_entry const& entry, case_graph& g,
                  std::string const& approximation, std::string& remark) {
  std::vector<optional_array> const got = entry.run(c);
  for (std::size_t i = 0; i < c.expected.size(); ++i) {
    if (i < got.size() && got[i]) g.tensors.insert_or_assign(c.output_names[i], *got[i]);
    if (!c.expected[i]) continue;
    std::string const output = c.output_names[i] + ": ";
    if (i >= got.size() || !got[i]) return output + "not computed";
    std::string why = difference(*got[i], *c.expected[i], strict);
    if (!why.empty() && !approximation.empty()) {
      why = difference(*got[i], *c.expected[i], of_suite);
      remark = "within the suite's tolerance: " + approximation;
    }
    if (!why.empty()) return output + why;
  }
  return {};
}

// The kernels of the nodes, one after the other.
void run_case(case_file const& file, tally& t) {
  try {
    case_graph g = load_case(file);
    std::string approximation, remark, why;
    for (std::size_t i = 0; i < g.nodes.size() && why.empty(); ++i) {
      op_case const c = g.node(i, file);
      auto const entry = operators().find(c.op);
      if (entry == operators().end())
        throw unsupported(g.nodes.size() == 1 ? "no such operator" : "no operator " + c.op);
      if (!entry->second.approximation.empty()) approximation = entry->second.approximation;
      why = check(c, entry->second, g, approximation, remark);
    }
    if (why.empty()) t.passed.push_back({file.name, remark});
    else t.failed.push_back({file.name, why});
  } catch (unsupported const& e) {
    t.unsupported[e.what()].push_back(file.name);
  } catch (std::exception const& e) {
    t.failed.push_back({file.name, e.what()});
  }
}

std::vector<fs::path> folders_of_cases(std::vector<std::string> const& roots) {
  std::vector<fs::path> found;
  for (std::string const& root : roots)
    for (fs::directory_entry const& entry : fs::recursive_directory_iterator(root))
      if (entry.path().filename() == "case.json") found.push_back(entry.path().parent_path());
  std::sort(found.begin(), found.end());
  return found;
}

std::string join(std::vector<std::string> const& words) {
  std::string text;
  for (std::string const& word : words) text += (text.empty() ? "" : ", ") + word;
  return text;
}

// Returns the number of cases that ran and passed, and of those that failed.
std::pair<std::size_t, std::size_t> report(std::map<std::string, tally> const& tallies,
                                           bool verbose) {
  std::size_t passed = 0, failed = 0, idle = 0;
  for (auto const& [op, t] : tallies) {
    std::size_t count = 0;
    for (auto const& [reason, names] : t.unsupported) count += names.size();
    std::printf("%s: %zu passed, %zu failed, %zu unsupported\n", op.c_str(), t.passed.size(),
                t.failed.size(), count);
    for (auto const& [name, remark] : t.passed)
      if (verbose || !remark.empty())
        std::printf("  passed: %s%s%s\n", name.c_str(), remark.empty() ? "" : ", ", remark.c_str());
    for (auto const& [name, reason] : t.failed)
      std::printf("  failed: %s: %s\n", name.c_str(), reason.c_str());
    for (auto const& [reason, names] : t.unsupported)
      std::printf("  unsupported (%s): %s\n", reason.c_str(), join(names).c_str());
    passed += t.passed.size(), failed += t.failed.size(), idle += count;
  }
  std::printf("%zu passed, %zu failed, %zu unsupported\n", passed, failed, idle);
  return {passed, failed};
}

int run(std::vector<std::string> const& roots, std::vector<std::string> const& ops, bool verbose) {
  std::map<std::string, tally> tallies;
  for (std::string const& op : ops) tallies[op];
  for (fs::path const& folder : folders_of_cases(roots)) {
    case_file file;
    try {
      file = read_case(folder);
    } catch (std::exception const& e) { // whichever operator it is
      tallies["damaged"].failed.push_back({folder.filename().string(), e.what()});
      continue;
    }
    if (!ops.empty() && std::find(ops.begin(), ops.end(), file.label) == ops.end()) continue;
    run_case(file, tallies[file.label]);
  }
  auto const [passed, failed] = report(tallies, verbose);
  if (passed + failed == 0) std::printf("no case was run\n");
  int absent = 0;
  for (std::string const& op : ops) {
    tally const& t = tallies[op];
    if (!t.passed.empty() || !t.failed.empty() || !t.unsupported.empty()) continue;
    std::printf("there is no case of %s\n", op.c_str());
    ++absent;
  }
  return failed == 0 && passed > 0 && absent == 0 ? 0 : 1;
}

} // namespace
} // namespace onnx_cases

int main(int argc, char** argv) {
  CLI::App app("Runs ONNX test cases (folders with case.json and NPY files) through ia_nn.");
  std::vector<std::string> roots, ops;
  bool verbose = false, if_present = false;
  app.add_option("DIR", roots, "Folders that are searched for cases")->required();
  app.add_option("--op", ops, "Run cases of these operators only: A,B")->delimiter(',');
  app.add_flag("--verbose", verbose, "Name the cases that passed as well");
  app.add_flag("--if-present", if_present, "End with status 77 where a folder does not exist");
  CLI11_PARSE(app, argc, argv);

  for (std::string const& root : roots) {
    if (std::filesystem::is_directory(root)) continue;
    std::printf("there is no folder %s\n", root.c_str());
    if (!if_present) return 1;
    if (ops.empty())
      for (auto const& [op, entry] : onnx_cases::operators()) ops.push_back(op);
    std::printf("not run: the cases of %zu operators: %s\n", ops.size(),
                onnx_cases::join(ops).c_str());
    return 77;
  }
  try {
    return onnx_cases::run(roots, ops, verbose);
  } catch (std::exception const& e) {
    std::printf("onnx_cases: %s\n", e.what());
    return 1;
  }
}

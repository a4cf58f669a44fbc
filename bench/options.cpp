// SPDX-License-Identifier: Apache-2.0
#include "options.hpp"

#include "cpu.hpp"

#include <CLI/CLI.hpp>

#include <cstdlib>
#include <regex>

namespace bench {

options parse(int argc, char** argv, std::string const& suite) {
  options o;
  if (suite == "rnn" || suite == "train_rnn") o.max_call = 5;
  if (suite == "train_nets") o.max_call = 60;
  o.command = {suite};
  o.command.insert(o.command.end(), argv + 1, argv + argc);
  CLI::App app("ia_nn: measures the suite '" + suite + "' against its peers in the same run");
  app.add_option("--threads", o.threads, "team sizes, e.g. 1,2")
      ->delimiter(',')
      ->check(CLI::PositiveNumber);
  app.add_option("--isa", o.isas, "instruction sets, e.g. avx2,avx512")
      ->delimiter(',')
      ->check(CLI::IsMember({"avx2", "avx2_vnni", "avx512", "avx512_vnni", "avx512_bf16", "amx"}));
  app.add_option("--json", o.json, "write the report to this file");
  app.add_option("--shapes", o.shapes, "take the cases from this CSV")->check(CLI::ExistingFile);
  app.add_flag("--column-major", o.column_major,
               "the CSV's products are column-major, as in BLAS: m and n change places");
  app.add_option("--filter", o.filter,
                 "only cases whose \"<group>/<case>\" matches this expression");
  app.add_option("--only", o.only,
                 "time this contender alone, in whose caches then no other one's data are");
  app.add_option("--min-time", o.min_time, "seconds of samples per case")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  app.add_option("--max-call", o.max_call, "skip cases whose calls would take longer, seconds")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  app.add_flag("--quick", o.quick, "few samples per case");
  app.add_flag("--cold", o.cold, "rotate over copies of the operands: nothing is found in a cache");
  app.add_flag("--polite", o.polite, "do not raise the scheduling priority");
  app.add_option("--worker", o.worker)->group("");
  try {
    app.parse(argc, argv);
    std::regex const checked(o.filter);
  } catch (CLI::ParseError const& e) {
    std::exit(app.exit(e));
  } catch (std::regex_error const& e) {
    std::exit(app.exit(CLI::ValidationError("--filter", e.what())));
  }
  if (o.threads.empty()) {
    o.threads.push_back(1);
    if (allowed_cpus().size() > 1) o.threads.push_back(2);
  }
  if (o.isas.empty()) o.isas = available_isas();
  if (o.quick && app.count("--min-time") == 0) o.min_time = 0.1;
  return o;
}

std::vector<std::string> worker_arguments(options const& o, std::string const& isa, int threads,
                                          std::string const& file) {
  std::vector<std::string> a{"--worker",   file,
                             "--isa",      isa,
                             "--threads",  std::to_string(threads),
                             "--min-time", std::to_string(o.min_time),
                             "--max-call", std::to_string(o.max_call)};
  if (!o.shapes.empty()) a.insert(a.end(), {"--shapes", o.shapes});
  if (!o.filter.empty()) a.insert(a.end(), {"--filter", o.filter});
  if (!o.only.empty()) a.insert(a.end(), {"--only", o.only});
  if (o.column_major) a.emplace_back("--column-major");
  if (o.quick) a.emplace_back("--quick");
  if (o.cold) a.emplace_back("--cold");
  if (o.polite) a.emplace_back("--polite");
  return a;
}

} // namespace bench

// SPDX-License-Identifier: Apache-2.0
#include "report.hpp"

#include "cpu.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <ctime>
#include <fstream>
#include <stdexcept>
#include <unistd.h>

namespace bench {
namespace {

using json = nlohmann::ordered_json;

json number(double x) { return std::isfinite(x) ? json(x) : json(nullptr); }
double number(json const& j) { return j.is_number() ? j.get<double>() : unknown; }

std::string today() {
  std::time_t const now = std::time(nullptr);
  char text[32] = {};
  std::tm parts{};
  gmtime_r(&now, &parts);
  std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts);
  return text;
}

std::string compiler() {
#if defined(__clang__)
  return "clang " __clang_version__;
#else
  return "gcc " __VERSION__;
#endif
}

// "1.23", or "-" where there is nothing to say
std::string text(double x, char const* format = "%.2f") {
  if (!std::isfinite(x)) return "-";
  char s[32];
  std::snprintf(s, sizeof s, format, x);
  return s;
}

std::string milliseconds(double x) {
  if (x < 1e-3) return text(x * 1e6, "%.1f ns");
  return text(x, x < 0.1 ? "%.5f" : x < 10 ? "%.4f" : "%.2f");
}

std::vector<std::string> peer_names(report const& r) { // in order of appearance, "best" last
  std::vector<std::string> names;
  for (row const& x : r.rows)
    if (x.peer != "best" && x.peer != "none" &&
        std::find(names.begin(), names.end(), x.peer) == names.end())
      names.push_back(x.peer);
  if (!names.empty()) names.emplace_back("best");
  return names;
}

void print_table(std::vector<std::vector<std::string>> const& lines) {
  std::vector<std::size_t> width;
  for (auto const& line : lines)
    for (std::size_t i = 0; i < line.size(); ++i) {
      if (width.size() <= i) width.push_back(0);
      width[i] = std::max(width[i], line[i].size());
    }
  for (auto const& line : lines) {
    for (std::size_t i = 0; i < line.size(); ++i)
      std::printf(i == 0 ? "%-*s" : "  %*s", static_cast<int>(width[i]), line[i].c_str());
    std::printf("\n");
  }
}

void print_headlines(std::vector<headline> const& headlines) {
  if (headlines.empty()) return;
  std::printf("\n");
  std::vector<std::vector<std::string>> lines{
      {"beside published figures", "unit", "ours", "best peer", "published"}};
  for (headline const& h : headlines) {
    std::string published;
    for (auto const& [who, figure] : h.published)
      published += (published.empty() ? "" : ", ") + text(figure, "%.6g") + " (" + who + ")";
    lines.push_back({h.what + ", " + h.group, h.unit, text(h.ours, "%.5g"), text(h.peer, "%.5g"),
                     published});
  }
  print_table(lines);
  std::printf("\n");
}

} // namespace

void report::note(std::string const& sentence) {
  if (std::find(notes.begin(), notes.end(), sentence) == notes.end()) notes.push_back(sentence);
}

void report::merge(report const& other) {
  rows.insert(rows.end(), other.rows.begin(), other.rows.end());
  groups.insert(other.groups.begin(), other.groups.end());
  for (auto const& [name, version] : other.peers) {
    std::string& mine = peers[name]; // the same library may choose other kernels per worker
    if (mine.find(version) == std::string::npos) mine += (mine.empty() ? "" : "; ") + version;
  }
  missing.insert(other.missing.begin(), other.missing.end());
  for (std::string const& s : other.skipped)
    if (std::find(skipped.begin(), skipped.end(), s) == skipped.end()) skipped.push_back(s);
  for (std::string const& s : other.notes) note(s);
  headlines.insert(headlines.end(), other.headlines.begin(), other.headlines.end());
  peaks.insert(other.peaks.begin(), other.peaks.end());
}

std::vector<geomean> geomeans(report const& r) {
  struct sum {
    double logs = 0;
    int count = 0;
  };
  std::vector<std::pair<std::pair<std::string, std::string>, sum>> sums; // in order of appearance
  for (row const& x : r.rows) {
    if (!std::isfinite(x.ratio) || x.case_name == sum_case) continue;
    std::pair const key(x.group, x.peer);
    auto at = std::find_if(sums.begin(), sums.end(), [&](auto const& s) { return s.first == key; });
    if (at == sums.end()) at = sums.insert(sums.end(), {key, {}});
    at->second.logs += std::log(x.ratio);
    ++at->second.count;
  }
  std::vector<geomean> means;
  for (auto const& [key, s] : sums)
    means.push_back({key.first, key.second, std::exp(s.logs / s.count)});
  return means;
}

void print(report const& r) {
  auto const names = peer_names(r);
  if (!r.peaks.empty()) {
    std::vector<std::vector<std::string>> lines{{"machine peak"}};
    for (auto const& [team, figure] : r.peaks.begin()->second) lines[0].push_back(team);
    for (auto const& [name, figures] : r.peaks) {
      lines.push_back({name});
      for (auto const& [team, figure] : figures)
        lines.back().push_back(figure > 0 ? text(figure, "%.1f") : "-");
    }
    print_table(lines);
  }
  if (!r.rows.empty()) {
    std::printf(
        "\nmilliseconds (or ns): medians; x = peer time / our time by median, min = by minimum\n");
    std::vector<std::vector<std::string>> lines{{"case", "type", "isa", "thr", "ours ms"}};
    for (std::string const& name : names)
      lines[0].insert(lines[0].end(), {name + " ms", "x", "min"});
    lines[0].emplace_back("% peak");
    std::string last;
    for (std::size_t i = 0; i < r.rows.size();) {
      row const& first = r.rows[i];
      if (first.group != last) lines.push_back({"[" + first.group + "]"});
      last = first.group;
      std::vector<std::string> line{first.case_name, first.type, first.isa,
                                    std::to_string(first.threads), milliseconds(first.ours_ms)};
      std::size_t end = i;
      while (end < r.rows.size() && r.rows[end].group == first.group &&
             r.rows[end].case_name == first.case_name)
        ++end;
      for (std::string const& name : names) {
        row found;
        for (std::size_t j = i; j < end; ++j)
          if (r.rows[j].peer == name) found = r.rows[j];
        line.insert(line.end(),
                    {milliseconds(found.peer_ms), text(found.ratio), text(found.ratio_min)});
      }
      bool const steady = r.groups.count(first.group) == 0 || r.groups.at(first.group).steady;
      line.push_back(text(first.peak_pct, "%.1f") + (steady ? "" : "*"));
      lines.push_back(line);
      i = end;
    }
    print_table(lines);

    std::printf("\n");
    std::vector<std::vector<std::string>> means{{"geometric mean of peer / ours"}};
    for (std::string const& name : names) means[0].push_back(name);
    auto const all = geomeans(r);
    for (geomean const& g : all) {
      if (means.back()[0] != g.group) {
        means.push_back({g.group});
        for (std::string const& name : names) {
          auto const at = std::find_if(all.begin(), all.end(), [&](geomean const& x) {
            return x.group == g.group && x.peer == name;
          });
          means.back().push_back(at == all.end() ? "-" : text(at->ratio, "%.3f"));
        }
      }
    }
    if (means.size() > 1) print_table(means);
  }
  print_headlines(r.headlines);
  for (auto const& [name, g] : r.groups)
    std::printf("%s: %s %s before, %s after (%s)%s\n", name.c_str(), g.name.c_str(),
                text(g.before, "%.1f").c_str(), text(g.after, "%.1f").c_str(), g.unit.c_str(),
                g.steady ? "" : "; * the peak never held still: read with care");
  for (auto const& [name, version] : r.peers)
    std::printf("peer %s: %s\n", name.c_str(), version.c_str());
  for (auto const& [name, why] : r.missing)
    std::printf("peer %s is missing: %s\n", name.c_str(), why.c_str());
  for (std::string const& s : r.skipped) std::printf("skipped: %s\n", s.c_str());
  for (std::string const& s : r.notes) std::printf("note: %s\n", s.c_str());
  std::fflush(stdout);
}

void save(report const& r, std::string const& file, options const& o) {
  json machine;
  machine["cpu"] = cpu_model();
  machine["cpu_id"] = cpu_id();
  machine["cores"] = allowed_cpus().size();
  machine["flags"] = cpu_flags();
  machine["caches"] = {{"l1d", caches().l1d}, {"l2", caches().l2}, {"l3", caches().l3}};
  machine["peaks"] = json::object();
  for (auto const& [name, figures] : r.peaks)
    for (auto const& [team, figure] : figures) machine["peaks"][name][team] = number(figure);
  machine["compiler"] = compiler();
  machine["peers"] = r.peers;
  machine["missing"] = r.missing;
  machine["date"] = today();
  machine["command"] = o.command;
  machine["options"] = {{"threads", o.threads},  {"isa", o.isas},
                        {"shapes", o.shapes},    {"column_major", o.column_major},
                        {"filter", o.filter},    {"only", o.only},
                        {"quick", o.quick},
                        {"cold", o.cold},        {"min_time", o.min_time},
                        {"max_call", o.max_call}};
  machine["groups"] = json::object();
  for (auto const& [name, g] : r.groups)
    machine["groups"][name] = {{"peak", g.name},
                               {"unit", g.unit},
                               {"before", number(g.before)},
                               {"after", number(g.after)},
                               {"probe", g.probe},
                               {"probe_before", number(g.probe_before)},
                               {"probe_after", number(g.probe_after)},
                               {"measured", g.measured},
                               {"steady", g.steady}};
  machine["skipped"] = r.skipped;
  machine["notes"] = r.notes;

  json rows = json::array();
  for (row const& x : r.rows)
    rows.push_back({{"suite", x.suite},
                    {"group", x.group},
                    {"case", x.case_name},
                    {"type", x.type},
                    {"isa", x.isa},
                    {"threads", x.threads},
                    {"ours_ms", number(x.ours_ms)},
                    {"peer", x.peer},
                    {"peer_ms", number(x.peer_ms)},
                    {"ratio", number(x.ratio)},
                    {"ratio_min", number(x.ratio_min)},
                    {"peak_pct", number(x.peak_pct)},
                    {"operations", number(x.operations)},
                    {"bytes", number(x.bytes)},
                    {"ours_min_ms", number(x.ours_min_ms)}});
  json means = json::array();
  for (geomean const& g : geomeans(r))
    means.push_back({{"group", g.group}, {"peer", g.peer}, {"ratio", number(g.ratio)}});

  json headlines = json::array();
  for (headline const& h : r.headlines)
    headlines.push_back({{"what", h.what},
                         {"group", h.group},
                         {"unit", h.unit},
                         {"ours", number(h.ours)},
                         {"peer", number(h.peer)},
                         {"published", h.published}});

  json all{{"machine", machine}, {"rows", rows}, {"geomeans", means}};
  if (!headlines.empty()) all["headlines"] = headlines;
  std::ofstream out(file);
  out << all.dump(1) << "\n";
  out.close();
  if (!out) throw std::runtime_error("the report cannot be written to '" + file + "'");
}

report load(std::string const& file) {
  std::ifstream in(file);
  json const j = json::parse(in);
  json const& machine = j.at("machine");
  report r;
  r.peers = machine.at("peers").get<std::map<std::string, std::string>>();
  r.missing = machine.at("missing").get<std::map<std::string, std::string>>();
  r.skipped = machine.at("skipped").get<std::vector<std::string>>();
  r.notes = machine.at("notes").get<std::vector<std::string>>();
  for (auto const& [name, figures] : machine.at("peaks").items())
    for (auto const& [team, figure] : figures.items()) r.peaks[name][team] = number(figure);
  for (auto const& [name, g] : machine.at("groups").items())
    r.groups[name] = {g.at("peak"),
                      g.at("unit"),
                      g.at("probe"),
                      number(g.at("before")),
                      number(g.at("after")),
                      number(g.at("probe_before")),
                      number(g.at("probe_after")),
                      g.at("measured"),
                      g.at("steady")};
  for (json const& x : j.at("rows"))
    r.rows.push_back({x.at("suite"), x.at("group"), x.at("case"), x.at("type"), x.at("isa"),
                      x.at("threads"), number(x.at("ours_ms")), x.at("peer"),
                      number(x.at("peer_ms")), number(x.at("ratio")), number(x.at("ratio_min")),
                      number(x.at("peak_pct")), number(x.at("operations")), number(x.at("bytes")),
                      number(x.at("ours_min_ms"))});
  if (j.contains("headlines"))
    for (json const& h : j.at("headlines"))
      r.headlines.push_back({h.at("what"), h.at("group"), h.at("unit"), number(h.at("ours")),
                             number(h.at("peer")),
                             h.at("published").get<std::map<std::string, double>>()});
  return r;
}

} // namespace bench

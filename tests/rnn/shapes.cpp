// SPDX-License-Identifier: Apache-2.0
//
// Layers of well-known networks and their tails: ../shared/data/shapes/rnn_*.csv where that folder
// is. T and N are cut to 3; sizes beyond 160 are cut to one that leaves as much of a block of 32,
// and layers to 2.
#include "support.hpp"

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <map>

namespace ia_nn_test {
namespace {

namespace fs = std::filesystem;

// Next to the folder of the project, which is two above this file's.
fs::path folder() {
  return fs::path(__FILE__).parent_path().parent_path().parent_path().parent_path() / "shared" /
         "data" / "shapes";
}
constexpr char const* files[] = {"rnn_deepspeech_2.csv",    "rnn_inference.csv", "rnn_large.csv",
                                 "rnn_lstm_projection.csv", "rnn_small.csv",     "rnn_t.csv",
                                 "rnn_training.csv"};

std::vector<std::string> split(std::string const& line, char by) {
  std::vector<std::string> parts;
  std::istringstream s(line);
  for (std::string part; std::getline(s, part, by);) parts.push_back(part);
  return parts;
}
index_t reduced(index_t n) { return n <= 160 ? n : 128 + n % 32; }

struct row {
  std::string name;
  std::vector<std::string> cells;
  rnn_case c;
  bool layer; ///< h(t-1) is as long as h(t)
};
row parsed(std::map<std::string, std::string>& of) {
  auto const number = [&](char const* key) { return static_cast<index_t>(std::stol(of.at(key))); };
  row r;
  r.name = of.at("name"), r.cells = split(of.at("cells"), '|');
  bool const projected = of.at("cells").find("projection") != std::string::npos;
  index_t const out = number("output_size"), hidden = number("hidden_size");
  // Of one layer alone all sizes may differ; the cell's own is the hidden one, h has the output's.
  r.c.input = reduced(number("input_size")), r.c.hidden = reduced(hidden);
  if (projected) r.c.projected = reduced(out);
  r.c.layers = std::min<index_t>(number("layers"), 2);
  r.c.time = std::min<index_t>(number("seq_len"), 3);
  r.c.batch = std::clamp<index_t>(number("mb"), 1, 3); // 0: any
  std::string const& d = of.at("direction");
  r.c.direction = d == "unidirectional"                   ? rnn_direction::forward
                  : d.find("concat") != std::string::npos ? rnn_direction::concat
                  : d.find("sum") != std::string::npos    ? rnn_direction::sum
                                                          : rnn_direction::reverse;
  r.layer = number("state_in_size") == (projected ? out : hidden);
  return r;
}

template <class Cell> void check(row const& r, random& numbers) {
  rnn_problem<Cell> const p(r.c, numbers);
  INFO(r.name << ": " << Cell::name << " " << r.c.text());
  REQUIRE(verdict(p.want(), p.template run<rnn_weights<ia_nn::isa::native, Cell>>(),
                  p.tolerance()) == "");
}

} // namespace

TEST_CASE("layers of well-known networks", "[rnn][shapes]") {
  random numbers(240);
  int rows = 0, cells = 0, missing = 0;
  std::vector<std::string> other_state;
  for (char const* file : files) {
    std::ifstream in(folder() / file);
    if (!in) {
      std::printf("shapes: %s is missing\n", file);
      ++missing;
      continue;
    }
    std::string line;
    std::getline(in, line);
    std::vector<std::string> const keys = split(line, ',');
    while (std::getline(in, line)) {
      std::vector<std::string> const values = split(line, ',');
      if (values.empty()) continue;
      REQUIRE(values.size() == keys.size());
      std::map<std::string, std::string> of;
      for (std::size_t i = 0; i < keys.size(); ++i) of[keys[i]] = values[i];
      row const r = parsed(of);
      ++rows;
      if (!r.layer) other_state.push_back(std::string(file) + " " + r.name);
      for (std::string const& cell : r.cells) {
        ++cells;
        INFO(file << ", " << cell);
        if (cell == "lstm" || cell == "lstm_projection") check<lstm>(r, numbers);
        else if (cell == "gru_linear_before_reset") check<gru>(r, numbers);
        else if (cell == "gru") check<gru_reset_before>(r, numbers);
        else if (cell == "rnn" || cell == "rnn_tanh") check<ia_nn::vanilla<>>(r, numbers);
        else FAIL("a cell that this test does not know");
      }
    }
  }
  std::printf("shapes: %d rows, %d layers checked; %d files of %zu missing\n", rows, cells, missing,
              std::size(files));
  std::printf(
      "shapes: %zu rows are calls of one cell whose h(t-1) is not as long as h(t). No layer can "
      "have that: not applicable as they are, checked with the length of h(t) instead\n",
      other_state.size());
  for (std::string const& name : other_state) std::printf("  %s\n", name.c_str());
  std::fflush(stdout);
  if (missing == 0) REQUIRE(cells > 0);
}

} // namespace ia_nn_test

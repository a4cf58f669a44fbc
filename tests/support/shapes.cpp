// SPDX-License-Identifier: Apache-2.0
#include "support/shapes.hpp"

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <optional>
#include <sstream>
#include <stdexcept>

namespace ia_nn_test {
namespace {

namespace fs = std::filesystem;

// shared/data/shapes beside the project (this file is <project>/tests/support/shapes.cpp), or
// beside a folder above the current one, where the compiler was given a relative path.
fs::path find_folder() {
  std::error_code ignored;
  fs::path const project = fs::path(__FILE__).parent_path().parent_path().parent_path();
  for (fs::path at : {project, fs::current_path(ignored)})
    for (; at.has_relative_path(); at = at.parent_path()) {
      fs::path const folder = at.parent_path() / "shared" / "data" / "shapes";
      if (fs::is_directory(folder, ignored)) return folder;
    }
  return {};
}

fs::path const& folder() {
  static fs::path const found = find_folder();
  return found;
}

void say_missing(std::string const& what) {
  std::printf("not run: %s: 0 rows, there is no shared/data/shapes with it next to the project\n",
              what.c_str());
  std::fflush(stdout);
}

std::vector<std::string> fields_of(std::string line) {
  if (!line.empty() && line.back() == '\r') line.pop_back();
  std::vector<std::string> fields(1);
  for (char const c : line) {
    if (c == ',') fields.emplace_back();
    else fields.back() += c;
  }
  return fields;
}

std::optional<ia_nn::index_t> whole_number(std::string const& text) {
  ia_nn::index_t value = 0;
  char const* const end = text.data() + text.size();
  auto const [stop, code] = std::from_chars(text.data(), end, value);
  if (code != std::errc() || stop != end || text.empty()) return std::nullopt;
  return value;
}

} // namespace

ia_nn::index_t shape_row::at(char const* column, ia_nn::index_t otherwise) const {
  auto const found = value.find(column);
  return found == value.end() ? otherwise : found->second;
}

std::vector<shape_row> shape_rows(std::string const& file) {
  std::ifstream in(folder() / file);
  if (folder().empty() || !in) {
    say_missing(file);
    return {};
  }
  std::string line;
  std::getline(in, line);
  std::vector<std::string> const header = fields_of(line);
  if (std::find(header.begin(), header.end(), "name") == header.end())
    throw std::runtime_error(file + ": the first line has no column 'name'");
  std::vector<shape_row> rows;
  for (int number = 2; std::getline(in, line); ++number) {
    if (line.empty() || line == "\r") continue;
    std::vector<std::string> const fields = fields_of(line);
    if (fields.size() != header.size())
      throw std::runtime_error(file + ", line " + std::to_string(number) + ": " +
                               std::to_string(fields.size()) + " fields, the header has " +
                               std::to_string(header.size()));
    shape_row row;
    for (std::size_t i = 0; i < header.size(); ++i) {
      if (header[i] == "name") row.name = fields[i];
      else if (auto const n = whole_number(fields[i])) row.value[header[i]] = *n;
      else row.text[header[i]] = fields[i];
    }
    rows.push_back(std::move(row));
  }
  return rows;
}

std::vector<std::string> shape_files(std::string const& prefix) {
  std::vector<std::string> names;
  if (folder().empty()) {
    say_missing(prefix + "*.csv");
    return names;
  }
  for (auto const& entry : fs::directory_iterator(folder())) {
    std::string const name = entry.path().filename().string();
    if (name.rfind(prefix, 0) == 0 && entry.path().extension() == ".csv") names.push_back(name);
  }
  if (names.empty()) say_missing(prefix + "*.csv");
  std::sort(names.begin(), names.end());
  return names;
}

} // namespace ia_nn_test

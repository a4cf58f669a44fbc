// SPDX-License-Identifier: Apache-2.0
#include "csv.hpp"

#include <algorithm>
#include <charconv>
#include <fstream>
#include <sstream>
#include <stdexcept>

namespace bench {

std::vector<std::string> split(std::string const& text, char separator) {
  std::vector<std::string> list;
  std::istringstream in(text);
  for (std::string field; std::getline(in, field, separator);) list.push_back(field);
  return list;
}

csv::csv(std::string const& file) : file_(file) {
  std::ifstream in(file);
  std::string line;
  for (int number = 1; std::getline(in, line); ++number) {
    if (!line.empty() && line.back() == '\r') line.pop_back();
    if (number == 1) header_ = split(line, ',');
    else if (!line.empty()) rows_.push_back({number, split(line, ',')});
  }
  if (header_.empty()) throw std::runtime_error("'" + file + "' cannot be read or is empty");
  if (rows_.empty()) throw std::runtime_error("'" + file + "' lists no shapes");
}

std::optional<std::size_t> csv::find(std::string const& name) const {
  auto const at = std::find(header_.begin(), header_.end(), name);
  if (at == header_.end()) return std::nullopt;
  return static_cast<std::size_t>(at - header_.begin());
}

std::size_t csv::column(std::string const& name) const {
  if (auto const at = find(name)) return *at;
  throw std::runtime_error("'" + file_ + "' has no column '" + name + "' in its first line");
}

std::string const& csv::field(row const& r, std::size_t column) const {
  if (column < r.fields.size()) return r.fields[column];
  throw std::runtime_error("'" + file_ + "', line " + std::to_string(r.line) + ": too few fields");
}

long csv::extent(row const& r, std::size_t column, long lowest) const {
  std::string const& text = field(r, column);
  long value = 0;
  auto const end = text.data() + text.size();
  auto const [stop, error] = std::from_chars(text.data(), end, value);
  if (error != std::errc() || stop != end || value < lowest)
    throw std::runtime_error("'" + file_ + "', line " + std::to_string(r.line) + ": '" + text +
                             "' is not an extent");
  return value;
}

} // namespace bench

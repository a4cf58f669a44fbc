// SPDX-License-Identifier: Apache-2.0
#include "gemm_shapes.hpp"

#include <algorithm>
#include <charconv>
#include <fstream>
#include <sstream>
#include <stdexcept>

namespace bench {
namespace {

std::string extents(long m, long n, long k) {
  return std::to_string(m) + "x" + std::to_string(n) + "x" + std::to_string(k);
}

std::vector<std::string> fields(std::string line) {
  if (!line.empty() && line.back() == '\r') line.pop_back();
  std::vector<std::string> list;
  std::istringstream in(line);
  for (std::string field; std::getline(in, field, ',');) list.push_back(field);
  return list;
}

} // namespace

std::vector<gemm_shape> builtin_gemm_shapes() {
  constexpr long list[][3] = {
      // (batch, gates * hidden, input) of recurrent layers; dense layers
      {20, 3200, 800},
      {12, 5280, 1760},
      {1, 1024, 1024},
      {128, 1000, 2048},
      {1024, 1024, 1024},
      // from DeepBench: m x n x k as listed there
      {1760, 16, 1760},
      {1760, 128, 1760},
      {2048, 32, 2048},
      {4096, 16, 4096},
      {35, 700, 2048},
      {512, 16, 512},
      {128, 1500, 1280},
      {3072, 128, 1024},
      {512, 1500, 1536},
  };
  std::vector<gemm_shape> shapes;
  for (auto const& [m, n, k] : list) shapes.push_back({extents(m, n, k), m, n, k});
  return shapes;
}

std::vector<gemm_shape> read_gemm_shapes(std::string const& file, bool column_major) {
  std::ifstream in(file);
  std::string line;
  if (!std::getline(in, line))
    throw std::runtime_error("'" + file + "' cannot be read or is empty");
  auto const header = fields(line);
  auto const column = [&](char const* name) {
    auto const at = std::find(header.begin(), header.end(), name);
    if (at == header.end())
      throw std::runtime_error("'" + file + "' has no column '" + name + "' in its first line");
    return static_cast<std::size_t>(at - header.begin());
  };
  std::size_t const at_name = column("name"), at_m = column("m"), at_n = column("n"),
                    at_k = column("k");

  std::vector<gemm_shape> shapes;
  for (int number = 2; std::getline(in, line); ++number) {
    if (line.empty() || line == "\r") continue;
    auto const row = fields(line);
    auto const field = [&](std::size_t at) -> std::string const& {
      if (at >= row.size())
        throw std::runtime_error("'" + file + "', line " + std::to_string(number) +
                                 ": too few fields");
      return row[at];
    };
    auto const extent = [&](std::size_t at) {
      std::string const& text = field(at);
      long value = 0;
      auto const end = text.data() + text.size();
      auto const [stop, error] = std::from_chars(text.data(), end, value);
      if (error != std::errc() || stop != end || value < 1)
        throw std::runtime_error("'" + file + "', line " + std::to_string(number) + ": '" + text +
                                 "' is not an extent");
      return value;
    };
    long const m = extent(column_major ? at_n : at_m), n = extent(column_major ? at_m : at_n),
               k = extent(at_k);
    bool const twice = std::any_of(shapes.begin(), shapes.end(), [&](gemm_shape const& s) {
      return s.m == m && s.n == n && s.k == k;
    });
    if (!twice) shapes.push_back({field(at_name) + " " + extents(m, n, k), m, n, k});
  }
  if (shapes.empty()) throw std::runtime_error("'" + file + "' lists no shapes");
  return shapes;
}

} // namespace bench

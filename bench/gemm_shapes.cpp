// SPDX-License-Identifier: Apache-2.0
#include "gemm_shapes.hpp"

#include "csv.hpp"

#include <algorithm>

namespace bench {
namespace {

std::string extents(long m, long n, long k) {
  return std::to_string(m) + "x" + std::to_string(n) + "x" + std::to_string(k);
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
  csv const table(file);
  std::size_t const at_name = table.column("name"), at_m = table.column("m"),
                    at_n = table.column("n"), at_k = table.column("k");
  std::vector<gemm_shape> shapes;
  for (csv::row const& row : table.rows()) {
    long const m = table.extent(row, column_major ? at_n : at_m),
               n = table.extent(row, column_major ? at_m : at_n), k = table.extent(row, at_k);
    bool const twice = std::any_of(shapes.begin(), shapes.end(), [&](gemm_shape const& s) {
      return s.m == m && s.n == n && s.k == k;
    });
    if (!twice) shapes.push_back({table.field(row, at_name) + " " + extents(m, n, k), m, n, k});
  }
  return shapes;
}

} // namespace bench

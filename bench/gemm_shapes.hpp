// SPDX-License-Identifier: Apache-2.0
//
// The shapes of the suite `gemm`: row-major C (m x n) = A (m x k) * B (k x n).
#pragma once

#include <string>
#include <vector>

namespace bench {

struct gemm_shape {
  std::string name;
  long m, n, k;
};

/// Recurrent and dense layers at several batch sizes, and a selection of DeepBench's list.
std::vector<gemm_shape> builtin_gemm_shapes();

/// Reads columns name, m, n, k (others are ignored) by the names in the first line. Shapes that
/// occur twice are taken once. Throws a sentence with the line's number if the file is not like
/// that. With `column_major` the file means C (m x n) = A B column-major, as BLAS does. In memory
/// that is the row-major C' (n x m) = B' (n x k) A' (k x m), so m and n change places: lists made
/// for BLAS keep the weights in A and the batch in n.
std::vector<gemm_shape> read_gemm_shapes(std::string const& file, bool column_major);

} // namespace bench

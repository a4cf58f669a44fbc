// SPDX-License-Identifier: Apache-2.0
//
// Products of tensors, as numpy's matmul: vectors become matrices and back, the axes before the last two
// broadcast.
#include "arrays.hpp"
#include "operators.hpp"

#include <ia_nn/ops/batched_matmul.hpp>

#include <algorithm>

namespace onnx_cases {
namespace {

std::vector<optional_array> run_matmul(op_case const& c) {
  npy_array const &A = c.required(0), &B = c.required(1);
  auto const a = f32_elements(A), b = f32_elements(B);
  shape_list sa = A.shape, sb = B.shape;
  bool const row = sa.size() == 1, column = sb.size() == 1;
  if (row) sa.insert(sa.begin(), 1);
  if (column) sb.push_back(1);
  ia_nn::batched_matmul<ia_nn::isa::native> const plan({.a = sa, .b = sb});
  ia_nn::workspace scratch(plan.workspace_bytes());
  std::vector<f32> y(at(plan.c_size()));
  plan.check(a.data(), b.data(), y.data(), scratch);
  plan.run(a.data(), b.data(), y.data(), scratch);
  shape_list const &longer = sa.size() > sb.size() ? sa : sb, &other = sa.size() > sb.size() ? sb : sa;
  shape_list shape(longer.begin(), longer.end() - 2);
  for (std::size_t d = 0; d + 2 < other.size(); ++d) {
    index_t& n = shape[shape.size() - (other.size() - 2) + d];
    n = std::max(n, other[d]);
  }
  if (!row) shape.push_back(plan.m());
  if (!column) shape.push_back(plan.n());
  return {array_of(y, shape)};
}

registration const matmul{"MatMul", run_matmul};

} // namespace
} // namespace onnx_cases

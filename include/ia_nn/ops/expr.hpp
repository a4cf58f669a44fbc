// SPDX-License-Identifier: Apache-2.0
//
// Expressions of tensors: `y = relu(a * b + c)` is one loop over vector registers.
//
//   expr_shape       broadcasting
//   expr_node        the nodes of the tree
//   expr_functions   operators and functions that build them
//   expr_plan        shapes and strides to a loop nest; overlap
//   expr_lanes       leaves within a run of elements
//   elementwise      y = e: eval, assignment
//   reduce           sums, means, extremes over axes
//   expr_tile        an expression as the epilogue of another kernel
#pragma once

#include <ia_nn/ops/elementwise.hpp>
#include <ia_nn/ops/expr_activation.hpp>
#include <ia_nn/ops/expr_tile.hpp>
#include <ia_nn/ops/reduce.hpp>

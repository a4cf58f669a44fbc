// SPDX-License-Identifier: Apache-2.0
//
// Every kernel of this library.
#pragma once

#include <ia_nn/graph/kernels/attention.hpp>
#include <ia_nn/graph/kernels/conv.hpp>
#include <ia_nn/graph/kernels/custom.hpp>
#include <ia_nn/graph/kernels/dense.hpp>
#include <ia_nn/graph/kernels/detection.hpp>
#include <ia_nn/graph/kernels/elementwise.hpp>
#include <ia_nn/graph/kernels/embedding.hpp>
#include <ia_nn/graph/kernels/indexing.hpp>
#include <ia_nn/graph/kernels/matmul.hpp>
#include <ia_nn/graph/kernels/move.hpp>
#include <ia_nn/graph/kernels/norm.hpp>
#include <ia_nn/graph/kernels/parameter.hpp>
#include <ia_nn/graph/kernels/pool.hpp>
#include <ia_nn/graph/kernels/recurrent.hpp>
#include <ia_nn/graph/kernels/resize.hpp>
#include <ia_nn/graph/kernels/select.hpp>
#include <ia_nn/graph/kernels/selection.hpp>

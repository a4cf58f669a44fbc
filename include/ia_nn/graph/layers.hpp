// SPDX-License-Identifier: Apache-2.0
//
// The layers a network is built from. All of them are found by their arguments, so a network needs
// no using-directive (behind `using namespace ia_nn` the run-time classes of the same names stand
// in the way: layers/hidden.hpp).
#pragma once

#include <ia_nn/graph/ir/quantize_rules.hpp>
#include <ia_nn/graph/layers/attention.hpp>
#include <ia_nn/graph/layers/concat.hpp>
#include <ia_nn/graph/layers/conv.hpp>
#include <ia_nn/graph/layers/custom.hpp>
#include <ia_nn/graph/layers/dense.hpp>
#include <ia_nn/graph/layers/detection.hpp>
#include <ia_nn/graph/layers/elementwise.hpp>
#include <ia_nn/graph/layers/embedding.hpp>
#include <ia_nn/graph/layers/ends.hpp>
#include <ia_nn/graph/layers/hidden.hpp>
#include <ia_nn/graph/layers/indexing.hpp>
#include <ia_nn/graph/layers/matmul.hpp>
#include <ia_nn/graph/layers/move.hpp>
#include <ia_nn/graph/layers/norm.hpp>
#include <ia_nn/graph/layers/parameter.hpp>
#include <ia_nn/graph/layers/pool.hpp>
#include <ia_nn/graph/layers/recurrent.hpp>
#include <ia_nn/graph/layers/reshape.hpp>
#include <ia_nn/graph/layers/resize.hpp>
#include <ia_nn/graph/layers/rows.hpp>
#include <ia_nn/graph/layers/select.hpp>
#include <ia_nn/graph/layers/selection.hpp>
#include <ia_nn/graph/layers/shuffle.hpp>

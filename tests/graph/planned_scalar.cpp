// SPDX-License-Identifier: Apache-2.0
//
// Kernels of planned networks.
#include "planned_run.hpp"

namespace graph = ia_nn::graph;
using ia_nn::index_t;

IA_NN_PLANNED(scalar)

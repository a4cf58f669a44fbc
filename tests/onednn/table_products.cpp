// SPDX-License-Identifier: Apache-2.0
#include "run.hpp"

namespace {
using namespace ia_nn::graph;
onednn_test::table<kernel_id{op::conv.id}, kernel_id{op::deconv.id}, kernel_id{op::dense.id},
                   kernel_id{op::max_pool.id}, kernel_id{op::average_pool.id}> const products;
} // namespace

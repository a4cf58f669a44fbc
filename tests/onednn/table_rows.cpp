// SPDX-License-Identifier: Apache-2.0
#include "run.hpp"

namespace {
using namespace ia_nn::graph;
onednn_test::table<kernel_id{op::activation.id}, kernel_id{op::softmax.id}, kernel_id{op::log_softmax.id},
                   kernel_id{op::layer_norm.id}, kernel_id{op::lrn.id}, kernel_id{op::concat.id},
                   kernel_id{op::output.id}, kernel_id{op::transpose.id}, kernel_id{op::pad.id}> const rows;
} // namespace

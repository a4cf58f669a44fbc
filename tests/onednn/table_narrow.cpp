// SPDX-License-Identifier: Apache-2.0
#include "run.hpp"

namespace {
using namespace ia_nn::graph;
constexpr auto narrow = precision::bf16;
constexpr auto n = value_type::bf16, w = value_type::f32;
onednn_test::table<kernel_id{op::conv.id, narrow, n, n}, kernel_id{op::conv.id, narrow, n, w},
                   kernel_id{op::dense.id, narrow, n, n}, kernel_id{op::dense.id, narrow, n, w},
                   kernel_id{op::max_pool.id, precision::f32, n, n},
                   kernel_id{op::average_pool.id, precision::f32, n, n},
                   kernel_id{op::activation.id, precision::f32, w, n},
                   kernel_id{op::activation.id, precision::f32, n, w},
                   kernel_id{op::lstm.id, narrow}> const layers;
} // namespace

// SPDX-License-Identifier: Apache-2.0
#include "run.hpp"

namespace {
using namespace ia_nn::graph;
constexpr auto bytes = precision::s8;
constexpr auto u = value_type::u8, w = value_type::f32;
onednn_test::table<kernel_id{op::conv.id, bytes, u, u}, kernel_id{op::conv.id, bytes, u, w},
                   kernel_id{op::dense.id, bytes, u, u}, kernel_id{op::dense.id, bytes, u, w},
                   kernel_id{op::deconv.id, bytes, u, u},
                   kernel_id{op::max_pool.id, precision::f32, u, u},
                   kernel_id{op::average_pool.id, precision::f32, u, u},
                   kernel_id{op::activation.id, precision::f32, w, u},
                   kernel_id{op::activation.id, precision::f32, u, u}> const layers;
} // namespace

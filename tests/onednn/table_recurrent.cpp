// SPDX-License-Identifier: Apache-2.0
#include "run.hpp"

namespace {
using namespace ia_nn::graph;
constexpr auto f32_ = precision::f32;
constexpr auto wide = value_type::f32;
onednn_test::table<kernel_id{op::lstm.id}, kernel_id{op::gru.id}, kernel_id{op::gru.id, f32_, wide, wide, 1},
                   kernel_id{op::rnn.id}, kernel_id{op::rnn.id, f32_, wide, wide, 1}> const layers;
} // namespace

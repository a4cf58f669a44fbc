// SPDX-License-Identifier: Apache-2.0
//
// Everything but what is opt-in: executors with threads (exec/), training (train/train.hpp), networks
// (graph/layers.hpp, graph/compiled.hpp) and file readers (io/).
#pragma once

#include <ia_nn/arch/cpu.hpp>
#include <ia_nn/core/executor.hpp>
#include <ia_nn/core/fp_env.hpp>
#include <ia_nn/core/tensor.hpp>
#include <ia_nn/core/workspace.hpp>
#include <ia_nn/gemm/gemm.hpp>
#include <ia_nn/gemm/matmul.hpp>
#include <ia_nn/gemm/stages.hpp>
#include <ia_nn/int8/calibration.hpp>
#include <ia_nn/int8/conv.hpp>
#include <ia_nn/int8/dense.hpp>
#include <ia_nn/int8/dynamic_conv.hpp>
#include <ia_nn/int8/dynamic_dense.hpp>
#include <ia_nn/int8/elementwise.hpp>
#include <ia_nn/int8/quantize.hpp>
#include <ia_nn/int8/s4.hpp>
#include <ia_nn/math/activation.hpp>
#include <ia_nn/ops/attention.hpp>
#include <ia_nn/ops/batch_norm.hpp>
#include <ia_nn/ops/batched_matmul.hpp>
#include <ia_nn/ops/conv.hpp>
#include <ia_nn/ops/conv_separable.hpp>
#include <ia_nn/ops/deconv.hpp>
#include <ia_nn/ops/cumulative_sum.hpp>
#include <ia_nn/ops/dense.hpp>
#include <ia_nn/ops/detection/decode.hpp>
#include <ia_nn/ops/detection/priors.hpp>
#include <ia_nn/ops/detection/roi.hpp>
#include <ia_nn/ops/detection/suppression.hpp>
#include <ia_nn/ops/dropout.hpp>
#include <ia_nn/ops/embedding.hpp>
#include <ia_nn/ops/embedding_bag.hpp>
#include <ia_nn/ops/expr.hpp>
#include <ia_nn/ops/gather.hpp>
#include <ia_nn/ops/group_norm.hpp>
#include <ia_nn/ops/layer_norm.hpp>
#include <ia_nn/ops/lrn.hpp>
#include <ia_nn/ops/matmul_expr.hpp>
#include <ia_nn/ops/move.hpp>
#include <ia_nn/ops/pad.hpp>
#include <ia_nn/ops/pixel_shuffle.hpp>
#include <ia_nn/ops/pool.hpp>
#include <ia_nn/ops/resize.hpp>
#include <ia_nn/ops/scale_norm.hpp>
#include <ia_nn/ops/softmax.hpp>
#include <ia_nn/ops/top_k.hpp>
#include <ia_nn/ops/where.hpp>
#include <ia_nn/rnn/calibrate.hpp>
#include <ia_nn/rnn/rnn.hpp>
#include <ia_nn/rnn/stream.hpp>

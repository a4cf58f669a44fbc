// SPDX-License-Identifier: Apache-2.0
//
// Training: gradients of layers, a loss, optimizers.
#pragma once

#include <ia_nn/train/activation.hpp>
#include <ia_nn/train/adam.hpp>
#include <ia_nn/train/attention.hpp>
#include <ia_nn/train/batch_norm.hpp>
#include <ia_nn/train/batched_matmul.hpp>
#include <ia_nn/train/binary.hpp>
#include <ia_nn/train/clip.hpp>
#include <ia_nn/train/conv_forward.hpp>
#include <ia_nn/train/conv_src.hpp>
#include <ia_nn/train/conv_weights.hpp>
#include <ia_nn/train/deconv_src.hpp>
#include <ia_nn/train/deconv_weights.hpp>
#include <ia_nn/train/dense.hpp>
#include <ia_nn/train/dropout.hpp>
#include <ia_nn/train/element_loss.hpp>
#include <ia_nn/train/embedding.hpp>
#include <ia_nn/train/gather.hpp>
#include <ia_nn/train/group_norm.hpp>
#include <ia_nn/train/layer_norm.hpp>
#include <ia_nn/train/loss.hpp>
#include <ia_nn/train/lrn.hpp>
#include <ia_nn/train/move.hpp>
#include <ia_nn/train/pad.hpp>
#include <ia_nn/train/parameters.hpp>
#include <ia_nn/train/pool.hpp>
#include <ia_nn/train/reduce.hpp>
#include <ia_nn/train/resize.hpp>
#include <ia_nn/train/rmsprop.hpp>
#include <ia_nn/train/rnn/rnn_training.hpp>
#include <ia_nn/train/scale_norm.hpp>
#include <ia_nn/train/schedules.hpp>
#include <ia_nn/train/sgd.hpp>
#include <ia_nn/train/slope_tail.hpp>
#include <ia_nn/train/slopes.hpp>
#include <ia_nn/train/softmax.hpp>

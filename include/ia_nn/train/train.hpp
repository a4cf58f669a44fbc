// SPDX-License-Identifier: Apache-2.0
//
// Training: gradients of layers, a loss, optimizers.
#pragma once

#include <ia_nn/train/activation.hpp>
#include <ia_nn/train/adam.hpp>
#include <ia_nn/train/batch_norm.hpp>
#include <ia_nn/train/conv_forward.hpp>
#include <ia_nn/train/conv_src.hpp>
#include <ia_nn/train/conv_weights.hpp>
#include <ia_nn/train/deconv_weights.hpp>
#include <ia_nn/train/dense.hpp>
#include <ia_nn/train/loss.hpp>
#include <ia_nn/train/parameters.hpp>
#include <ia_nn/train/pool.hpp>
#include <ia_nn/train/sgd.hpp>

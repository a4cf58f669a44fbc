// SPDX-License-Identifier: Apache-2.0
//
// Every kernel that trains a layer.
#pragma once

#include <ia_nn/graph/train/attention.hpp>
#include <ia_nn/graph/train/binary.hpp>
#include <ia_nn/graph/train/elementwise.hpp>
#include <ia_nn/graph/train/matmul.hpp>
#include <ia_nn/graph/train/move.hpp>
#include <ia_nn/graph/train/norm.hpp>
#include <ia_nn/graph/train/pool.hpp>
#include <ia_nn/graph/train/products.hpp>
#include <ia_nn/graph/train/recurrent.hpp>
#include <ia_nn/graph/train/resize.hpp>
#include <ia_nn/graph/train/select.hpp>

// SPDX-License-Identifier: Apache-2.0
#include <ia_nn/core/executor.hpp>
#include <ia_nn/core/fp_env.hpp>
#include <ia_nn/core/tensor.hpp>
#include <ia_nn/core/workspace.hpp>

// SPDX-License-Identifier: Apache-2.0
#include <ia_nn/ia_nn.hpp>

// SPDX-License-Identifier: Apache-2.0
//
// oneDNN as a backend of networks: include this, link ia_nn::onednn, and give `compiled` the policy
// graph::onednn<> (onednn/policy.hpp). docs/onednn.md says what runs where, and what that costs.
//
// Without oneDNN's headers a network that asks for it is refused with a sentence; including this is not
// an error.
#pragma once

#include <ia_nn/onednn/policy.hpp>

#if __has_include(<oneapi/dnnl/dnnl.hpp>) && !defined(IA_NN_NO_ONEDNN)
#include <ia_nn/onednn/conv.hpp>
#include <ia_nn/onednn/elementwise.hpp>
#include <ia_nn/onednn/pool.hpp>
#include <ia_nn/onednn/recurrent.hpp>
#include <ia_nn/onednn/rows.hpp>
#endif

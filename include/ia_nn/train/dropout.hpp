// SPDX-License-Identifier: Apache-2.0
//
// Gradient of dropout. The forward pass is dropout::run (ops/dropout.hpp) with a round, say the number
// of the training step; the same round gives the same mask again, so that none is kept.
#pragma once

#include <ia_nn/ops/dropout.hpp>
#include <ia_nn/train/gradient.hpp>

#include <ia_nn/begin.hpp>

/// n elements; seed and p are those of `layer`, `round` that of its forward pass. diff_src may be
/// diff_dst.
template <isa::tag I, executor E = sequential>
void dropout_backward(dropout<I> const& layer, index_t n, f32 const* diff_dst, gradient diff_src,
                      std::uint64_t round, E&& e = {}) noexcept {
  if (!diff_src) return;
  if (diff_src.add) layer.accumulate(n, diff_dst, diff_src.data, round, e);
  else layer.run(n, diff_dst, diff_src.data, round, e);
}

IA_NN_END

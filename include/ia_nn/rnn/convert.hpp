// SPDX-License-Identifier: Apache-2.0
//
// Rows of inputs in the type of the product's operand: rounded, quantized or copied.
#pragma once

#include <ia_nn/rnn/operand.hpp>

#include <ia_nn/begin.hpp>

namespace detail {

/// n elements. To is f32, bf16, u8 or s8; From is To or f32.
template <isa::tag I, class To, class From>
void convert_row(To* to, From const* from, index_t n, quantizer const& q) noexcept {
  if constexpr (std::same_as<To, From>) {
    __builtin_memcpy(static_cast<void*>(to), from, static_cast<std::size_t>(n) * sizeof(To));
  } else {
    using V = vec<f32, I>;
    index_t i = 0;
    for (; i + V::size <= n; i += V::size) q.template apply<To>(V::load(from + i)).store(to + i);
    if (i < n) q.template apply<To>(V::load(from + i, n - i)).store(to + i, n - i);
  }
}

} // namespace detail

IA_NN_END

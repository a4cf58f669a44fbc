// SPDX-License-Identifier: Apache-2.0
//
// Rows of inputs in the type of the product's operand: rounded, quantized or copied.
#pragma once

#include <ia_nn/rnn/operand.hpp>

#include <ia_nn/begin.hpp>

namespace detail {

/// n elements. To is f32, bf16, u8 or s8; From is To or f32. Returns true if f32 that became bytes had
/// a NaN among them.
template <isa::tag I, class From, class To>
bool convert_row(index_t n, From const* from, To* to, quantizer const& q) noexcept {
  if constexpr (std::same_as<To, From>) {
    __builtin_memcpy(static_cast<void*>(to), from, static_cast<std::size_t>(n) * sizeof(To));
    return false;
  } else {
    using V = vec<f32, I>;
    V nan = V::zero();
    auto const one = [&](V x) IA_NN_LAMBDA {
      if constexpr (byte_element<To>) nan = select(x == x, nan, x);
      return q.template apply<To>(x);
    };
    index_t i = 0;
    for (; i + V::size <= n; i += V::size) one(V::load(from + i)).store(to + i);
    if (i < n) one(V::load(from + i, n - i)).store(to + i, n - i);
    return any_nan(nan);
  }
}

} // namespace detail

IA_NN_END

// SPDX-License-Identifier: Apache-2.0
//
// What the tests of expressions share: operands with random shapes and strides whose memory ends
// exactly where it should, an executor that runs tasks in a bad order, and small-integer data, for
// which f32 arithmetic is exact whatever the order.
#pragma once

#include "../isa.hpp"
#include "../random.hpp"

#include <ia_nn/ops/elementwise.hpp>
#include <ia_nn/ops/reduce.hpp>

#include <algorithm>
#include <array>
#include <vector>

namespace ia_nn_test {

using namespace ia_nn;

struct ramp { // max(x, 0), NaN passed on
  static constexpr int weight = 1;
  template <vector_register V> V operator()(V x) const noexcept { return max(V::zero(), x); }
};

/// Claims `workers` workers, runs the tasks last first.
struct backwards {
  int workers = 1;
  int concurrency() const noexcept { return workers; }
  template <class F> void parallel_for(index_t n, F&& f) noexcept {
    for (index_t i = n - 1; i >= 0; --i) f(i, static_cast<int>(i % workers));
  }
};
static_assert(executor<backwards>);

template <std::size_t Rank, class Sequence> struct any_shape;
template <std::size_t Rank, std::size_t... D> struct any_shape<Rank, std::index_sequence<D...>> {
  using type = shape<(static_cast<void>(D), dyn)...>;
};
template <std::size_t Rank>
using any_shape_t = typename any_shape<Rank, std::make_index_sequence<Rank>>::type;

/// A strided operand: dimensions in a random memory order, sometimes with gaps, data misaligned.
template <class T, std::size_t Rank> class operand {
public:
  using shape_type = any_shape_t<Rank>;
  using view_type = tensor_view<T, shape_type, strided>;

  operand(std::array<index_t, Rank> extent, random& r, bool plain = false)
      : operand(extent, strides_for(extent, r, plain), r) {}
  operand(std::array<index_t, Rank> extent, std::array<index_t, Rank> stride, random& r)
      : extent_(extent), stride_(stride), buffer_(needed(), r.between(0, 7)) {
    for (index_t i = 0; i < buffer_.size(); ++i)
      buffer_[i] = static_cast<T>(
          static_cast<f32>(std::is_unsigned_v<T> ? r.between(0, 8) : r.between(-8, 8)));
  }
  view_type view() {
    return [&]<std::size_t... D>(std::index_sequence<D...>) {
      shape_type const s(extent_[D]...);
      return view_type(buffer_.data(), typename view_type::mapping_type(s, stride_[D]...));
    }(std::make_index_sequence<Rank>{});
  }
  /// The element at the last Rank of the indices, where extent 1 stands for any index.
  template <std::size_t N> double at(std::array<index_t, N> const& index) const {
    index_t offset = 0;
    for (std::size_t d = 0; d < Rank; ++d)
      offset += (extent_[d] == 1 ? 0 : index[N - Rank + d]) * stride_[d];
    return static_cast<double>(static_cast<f32>(buffer_[offset]));
  }
  exact_buffer<T>& buffer() { return buffer_; }
  std::array<index_t, Rank> const& extent() const { return extent_; }
  index_t offset(std::array<index_t, Rank> const& index) const {
    index_t o = 0;
    for (std::size_t d = 0; d < Rank; ++d) o += index[d] * stride_[d];
    return o;
  }

private:
  static std::array<index_t, Rank> strides_for(std::array<index_t, Rank> const& extent, random& r,
                                               bool plain) {
    std::array<std::size_t, Rank> order{};
    for (std::size_t d = 0; d < Rank; ++d) order[d] = Rank - 1 - d; // fastest first
    if (!plain && r.coin())
      for (std::size_t d = Rank; d-- > 1;)
        std::swap(order[d], order[static_cast<std::size_t>(r.between(0, static_cast<index_t>(d)))]);
    std::array<index_t, Rank> stride{};
    index_t step = !plain && r.between(0, 3) == 0 ? 2 : 1;
    for (std::size_t d : order) {
      stride[d] = step;
      step *= std::max<index_t>(extent[d], 1);
      if (!plain && r.between(0, 3) == 0) step += 3;
    }
    return stride;
  }
  index_t needed() const {
    index_t last = 0;
    for (std::size_t d = 0; d < Rank; ++d) {
      if (extent_[d] == 0) return 0;
      last += (extent_[d] - 1) * stride_[d];
    }
    return last + 1;
  }

  std::array<index_t, Rank> extent_, stride_;
  exact_buffer<T> buffer_;
};

/// Calls f(index) for every index of the extents.
template <std::size_t Rank, class F>
void for_each_index(std::array<index_t, Rank> const& extent, F f) {
  std::array<index_t, Rank> index{};
  for (index_t n : extent)
    if (n == 0) return;
  for (;;) {
    f(index);
    std::size_t d = Rank;
    while (d-- > 0) {
      if (++index[d] < extent[d]) break;
      index[d] = 0;
      if (d == 0) return;
    }
    if (Rank == 0) return;
  }
}

/// What a value becomes when stored as T: computed without the library's registers.
template <class T> double stored_as(double x) {
  if constexpr (std::same_as<T, u8>) return std::min(255.0, std::max(0.0, x));
  else if constexpr (std::same_as<T, s8>) return std::min(127.0, std::max(-128.0, x));
  else if constexpr (std::same_as<T, bf16>)
    return static_cast<double>(static_cast<f32>(bf16(static_cast<f32>(x))));
  else return x;
}

/// The extents of an operand that broadcasts to `full`: some are 1.
template <std::size_t N, std::size_t Rank>
std::array<index_t, N> stretched(std::array<index_t, Rank> const& full, random& r) {
  std::array<index_t, N> e{};
  for (std::size_t d = 0; d < N; ++d) e[d] = r.between(0, 2) == 0 ? 1 : full[Rank - N + d];
  return e;
}

inline index_t some_extent(random& r) {
  constexpr index_t typical[] = {1, 2, 3, 5, 7, 8, 9, 15, 16, 17, 31, 33};
  return typical[r.between(0, 11)];
}

} // namespace ia_nn_test

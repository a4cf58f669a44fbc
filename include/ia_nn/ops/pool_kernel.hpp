// SPDX-License-Identifier: Apache-2.0
//
// Pooling of one window: vectors of channels stay in registers while the taps go by.
//
//   channels ->   [ V ][ V ][ V ][ V ]     four registers at a time, then one, then a masked one
//   for each tap     max or +
//
// Windows are clipped before the loops, so no tap is tested, and an average multiplies by a
// reciprocal. Sums of f32 are taken along rows, and then of rows; where that would be more than
// eight additions in a row, of pieces of rows, and a long_sum adds those up.
#pragma once

#include <ia_nn/arch/lanes.hpp>
#include <ia_nn/math/long_sum.hpp>

#include <ia_nn/begin.hpp>

namespace detail {

/// The taps of a window that lie in the image: their number along each axis and the elements from
/// one to the next.
struct pool_cell {
  index_t taps[3] = {1, 1, 1}, step[3] = {};
};

template <element T> inline constexpr f32 lowest_element = -__builtin_inff();
template <> inline constexpr f32 lowest_element<u8> = 0.0F;
template <> inline constexpr f32 lowest_element<s8> = -128.0F;

template <isa::tag I, element T> struct pool_kernel {
  using V = vec<f32, I>;
  using W = vec<s32, I>;
  static constexpr index_t width = V::size;

  // Calls body(unroll, first channel, lanes).
  template <class F> static IA_NN_INLINE void over_channels(index_t channels, F&& body) noexcept {
    index_t c = 0;
    for (; c + 4 * width <= channels; c += 4 * width) body(constant<4>{}, c, lanes<true>{width});
    each_register<V>(c, channels, [&](index_t i, auto at) IA_NN_LAMBDA { body(constant<1>{}, i, at); });
  }

  static IA_NN_NOINLINE void maximum(T const* src, pool_cell const& cell, T* dst,
                                     index_t channels) noexcept {
    if constexpr (byte_element<T>) byte_maximum(src, cell, dst, channels);
    else
      over_channels(channels, [&](auto unroll, index_t c, auto at) IA_NN_LAMBDA {
        constexpr int U = decltype(unroll)::value;
        V most[U];
        IA_NN_UNROLL
        for (int u = 0; u < U; ++u) most[u] = V::broadcast(lowest_element<T>);
        for (index_t z = 0; z < cell.taps[0]; ++z)
          for (index_t y = 0; y < cell.taps[1]; ++y) {
            T const* p = src + c + z * cell.step[0] + y * cell.step[1];
            for (index_t x = 0; x < cell.taps[2]; ++x, p += cell.step[2]) {
              IA_NN_UNROLL
              for (int u = 0; u < U; ++u)
                most[u] = detail::maximum(most[u], at.template load<V>(p + u * width));
            }
          }
        IA_NN_UNROLL
        for (int u = 0; u < U; ++u) at.store(most[u], dst + c + u * width);
      });
  }

  // 64 bytes at a time by loops of constant length, which the compiler turns into byte
  // instructions: vec has no registers of bytes.
  static IA_NN_INLINE void byte_maximum(T const* src, pool_cell const& cell, T* dst,
                                        index_t channels) noexcept {
    index_t c = 0;
    for (; c + 64 <= channels; c += 64) byte_block<64>(src + c, cell, dst + c);
    for (; c + 16 <= channels; c += 16) byte_block<16>(src + c, cell, dst + c);
    for (; c < channels; ++c) byte_block<1>(src + c, cell, dst + c);
  }
  template <int N>
  static IA_NN_INLINE void byte_block(T const* src, pool_cell const& cell, T* dst) noexcept {
    alignas(64) T most[N];
    for (int i = 0; i < N; ++i) most[i] = static_cast<T>(lowest_element<T>);
    for (index_t z = 0; z < cell.taps[0]; ++z)
      for (index_t y = 0; y < cell.taps[1]; ++y) {
        T const* p = src + z * cell.step[0] + y * cell.step[1];
        for (index_t x = 0; x < cell.taps[2]; ++x, p += cell.step[2])
          for (int i = 0; i < N; ++i) most[i] = p[i] > most[i] ? p[i] : most[i];
      }
    for (int i = 0; i < N; ++i) dst[i] = most[i];
  }

  /// dst = sum * scale; of bytes, sum of (src - zero_point) * scale + zero_point.
  static IA_NN_INLINE void average(T const* src, pool_cell const& cell, T* dst, index_t channels,
                                   f32 scale, s32 zero_point) noexcept {
    if constexpr (byte_element<T>) { // two operations less, where the store alone rounds
      if (zero_point != 0) return sums<true>(src, cell, dst, channels, scale, zero_point);
    } else if (cell.taps[0] * cell.taps[1] + cell.taps[2] > 10) {
      return average_of_many(src, cell, dst, channels, scale);
    }
    sums<false>(src, cell, dst, channels, scale, 0);
  }
  template <bool HasZero>
  static IA_NN_NOINLINE void sums(T const* src, pool_cell const& cell, T* dst, index_t channels,
                                  f32 scale, s32 zero_point) noexcept {
    using R = std::conditional_t<byte_element<T>, W, V>;
    R start = R::zero();
    if constexpr (HasZero)
      start = R::broadcast(-zero_point *
                           static_cast<s32>(cell.taps[0] * cell.taps[1] * cell.taps[2]));
    over_channels(channels, [&](auto unroll, index_t c, auto at) IA_NN_LAMBDA {
      constexpr int U = decltype(unroll)::value;
      R total[U];
      IA_NN_UNROLL
      for (int u = 0; u < U; ++u) total[u] = start;
      for (index_t z = 0; z < cell.taps[0]; ++z)
        for (index_t y = 0; y < cell.taps[1]; ++y) {
          T const* p = src + c + z * cell.step[0] + y * cell.step[1];
          R row[U];
          IA_NN_UNROLL
          for (int u = 0; u < U; ++u) row[u] = R::zero();
          for (index_t x = 0; x < cell.taps[2]; ++x, p += cell.step[2]) {
            IA_NN_UNROLL
            for (int u = 0; u < U; ++u) row[u] = row[u] + at.template load<R>(p + u * width);
          }
          IA_NN_UNROLL
          for (int u = 0; u < U; ++u) total[u] = total[u] + row[u];
        }
      IA_NN_UNROLL
      for (int u = 0; u < U; ++u) {
        V mean;
        if constexpr (HasZero)
          mean = round(to_f32(total[u]) * V::broadcast(scale)) +
                 V::broadcast(static_cast<f32>(zero_point));
        else if constexpr (byte_element<T>) mean = to_f32(total[u]) * V::broadcast(scale);
        else mean = total[u] * V::broadcast(scale);
        at.store(mean, dst + c + u * width);
      }
    });
  }

  // Two sums take the taps of a row by turns. After seven taps each they are a term of a long_sum:
  // seven additions in a row, and one of the long_sum.
  static IA_NN_NOINLINE void average_of_many(T const* src, pool_cell const& cell, T* dst,
                                             index_t channels, f32 scale) noexcept {
    over_channels(channels, [&](auto unroll, index_t c, auto at) IA_NN_LAMBDA {
      constexpr int U = decltype(unroll)::value;
      V even[U], odd[U];
      long_sum<V> total[U];
      IA_NN_UNROLL
      for (int u = 0; u < U; ++u) even[u] = odd[u] = V::zero();
      index_t room = 7;
      auto const flush = [&]() IA_NN_LAMBDA {
        room = 7;
        IA_NN_UNROLL
        for (int u = 0; u < U; ++u) total[u].add(even[u] + odd[u]), even[u] = odd[u] = V::zero();
      };
      index_t const step = cell.step[2];
      for (index_t z = 0; z < cell.taps[0]; ++z)
        for (index_t y = 0; y < cell.taps[1]; ++y) {
          T const* p = src + c + z * cell.step[0] + y * cell.step[1];
          index_t left = cell.taps[2];
          for (; left > 1; left -= 2, p += 2 * step) {
            if (room == 0) flush();
            --room;
            IA_NN_UNROLL
            for (int u = 0; u < U; ++u) {
              even[u] = even[u] + at.template load<V>(p + u * width);
              odd[u] = odd[u] + at.template load<V>(p + step + u * width);
            }
          }
          if (left == 0) continue;
          if (room == 0) flush();
          --room;
          IA_NN_UNROLL
          for (int u = 0; u < U; ++u) even[u] = even[u] + at.template load<V>(p + u * width);
        }
      flush();
      IA_NN_UNROLL
      for (int u = 0; u < U; ++u)
        at.store(total[u].value() * V::broadcast(scale), dst + c + u * width);
    });
  }

  /// The maximum and the number of its pixel; the first of equal ones, the first NaN if there is
  /// one. `first` is the pixel of the first tap, step_pixels those between taps.
  static IA_NN_NOINLINE void maximum_at(T const* src, pool_cell const& cell, T* dst, s32* indices,
                                        index_t channels, index_t first,
                                        index_t const* step_pixels) noexcept {
    over_channels(channels, [&](auto unroll, index_t c, auto at) IA_NN_LAMBDA {
      constexpr int U = decltype(unroll)::value;
      V most[U], place[U]; // of places the bits
      IA_NN_UNROLL
      for (int u = 0; u < U; ++u) {
        most[u] = V::broadcast(lowest_element<T>);
        place[u] = bits(W::broadcast(static_cast<s32>(first)));
      }
      for (index_t z = 0; z < cell.taps[0]; ++z)
        for (index_t y = 0; y < cell.taps[1]; ++y) {
          T const* p = src + c + z * cell.step[0] + y * cell.step[1];
          index_t pixel = first + z * step_pixels[0] + y * step_pixels[1];
          for (index_t x = 0; x < cell.taps[2]; ++x, p += cell.step[2], pixel += step_pixels[2]) {
            V const here = bits(W::broadcast(static_cast<s32>(pixel)));
            IA_NN_UNROLL
            for (int u = 0; u < U; ++u) {
              V const v = at.template load<V>(p + u * width);
              V const if_nan = select(most[u] == most[u], here, place[u]);
              place[u] = select(v == v, select(most[u] < v, here, place[u]), if_nan);
              most[u] = detail::maximum(most[u], v);
            }
          }
        }
      IA_NN_UNROLL
      for (int u = 0; u < U; ++u) {
        at.store(most[u], dst + c + u * width);
        at.store(bits(place[u]), indices + c + u * width);
      }
    });
  }
};

} // namespace detail

IA_NN_END

// SPDX-License-Identifier: Apache-2.0
//
// Loops over elements whose parameters belong to the tensor or to a channel.
//
// A tensor is [outer][channels][inner]: channels along the last axis have inner = 1, along an outer
// axis the product of what follows it, and a tensor as a whole is one channel.
//
//   inner = 1     a register holds elements of several channels: parameters are loaded
//   inner > 1     a register holds elements of one channel: parameters are broadcast
//
// A map has `state<V>(channel loader)`, the parameters in registers, and `apply(state, x)`. Work is
// divided by elements, in whole cache lines of bytes: any shape occupies every worker, and nobody
// shares a line of an aligned destination.
#pragma once

#include <ia_nn/arch/lanes.hpp>
#include <ia_nn/core/executor.hpp>

#include <ia_nn/begin.hpp>

/// Where the channels of a tensor lie.
struct channel_layout {
  index_t outer = 1, channels = 1, inner = 1;
  constexpr index_t size() const noexcept { return outer * channels * inner; }
};

namespace detail {

/// Parameters of consecutive channels, one per lane.
template <class V, bool Whole> struct lane_parameters {
  index_t channel;
  lanes<Whole> at;
  template <class T> IA_NN_INLINE V operator()(T const* p) const noexcept {
    return at.template load<V>(p + channel);
  }
};
/// Parameters of one channel.
template <class V> struct one_parameter {
  index_t channel;
  template <class T> IA_NN_INLINE V operator()(T const* p) const noexcept {
    return V::broadcast(static_cast<f32>(p[channel]));
  }
};

template <isa::tag I, class Map, class From, class To>
IA_NN_NOINLINE void map_one_channel(Map const& map, From const* from, To* to, index_t n,
                                    index_t channel) noexcept {
  using V = vec<f32, I>;
  auto const state = map.template state<V>(one_parameter<V>{channel});
  index_t i = 0;
  IA_NN_ROLLED for (; i + 4 * V::size <= n; i += 4 * V::size)
    IA_NN_UNROLL for (int u = 0; u < 4; ++u)
      map.apply(state, V::load(from + i + u * V::size)).store(to + i + u * V::size);
  each_register<V>(i, n, [&](index_t j, auto at) IA_NN_LAMBDA {
    at.store(map.apply(state, at.template load<V>(from + j)), to + j);
  });
}

template <isa::tag I, class Map, class From, class To>
IA_NN_NOINLINE void map_lanes(Map const& map, From const* from, To* to, index_t n,
                              index_t channel) noexcept {
  using V = vec<f32, I>;
  each_register<V>(0, n, [&]<bool Whole>(index_t i, lanes<Whole> at) IA_NN_LAMBDA {
    auto const state = map.template state<V>(lane_parameters<V, Whole>{channel + i, at});
    at.store(map.apply(state, at.template load<V>(from + i)), to + i);
  });
}

template <isa::tag I, class Map, class From, class To, executor E>
void map_channels(Map const& map, From const* from, To* to, channel_layout const& l,
                  E& e) noexcept {
  parallel_blocks(e, l.size(), 64, [&](index_t begin, index_t end, int) {
    index_t const run = l.inner == 1 ? l.channels : l.inner; // elements of one call at most
    for (index_t i = begin; i < end;) {
      index_t const at = i % run, n = min_of(end - i, run - at);
      if (l.inner == 1 && l.channels > 1) map_lanes<I>(map, from + i, to + i, n, at);
      else if (l.channels == 1) {
        map_one_channel<I>(map, from + i, to + i, end - i, 0);
        return;
      } else map_one_channel<I>(map, from + i, to + i, n, i / l.inner % l.channels);
      i += n;
    }
  });
}

} // namespace detail

IA_NN_END

// SPDX-License-Identifier: Apache-2.0
//
// The gradient of a depthwise convolution of stride > 1 for its source: the depthwise kernels of ops/ on
// diff_dst, with the taps of a phase in reverse order, a line of the source at a time. Each phase writes
// every stride-th pixel of it. 3 x 3 of stride 2 has a kernel of its own (conv_depthwise_halved.hpp).
//
// Lanes are channels. Operands are f32 in either type of products: no instruction for bf16 would make
// this faster, reading f32 from memory takes most of the time.
#pragma once

#include <ia_nn/train/conv_called.hpp>
#include <ia_nn/train/conv_depthwise_halved.hpp>
#include <ia_nn/train/conv_phases.hpp>
#include <ia_nn/train/slope_tail.hpp>

#include <ia_nn/begin.hpp>

namespace detail {

/// For layers of one filter per channel.
template <isa::tag I> class depthwise_backward_src {
  using weights_form = depthwise_weights<f32, f32>;
  using task = depthwise_task<f32, f32, f32>;

public:
  explicit depthwise_backward_src(conv_shape const& s) : s_(s), phases_(conv_phases(s)) {
    for (conv_phase const& p : phases_) {
      first_.push_back(cells_);
      cells_ += static_cast<index_t>(p.taps.size()) * weights_form::ld(s);
    }
  }
  index_t workspace_bytes() const noexcept { return f32_bytes(max_of(cells_, halved_depthwise_src<I>::cells(s_))); }

  template <class Tail, executor E>
  void run(index_t batch, f32 const* diff_dst, f32 const* weights, gradient const& diff_src,
           Tail const& tail, std::byte* scratch, E& e) const noexcept {
    f32* const packed = reinterpret_cast<f32*>(scratch);
    if (halved_depthwise_src<I>::serves(s_)) {
      halved_depthwise_src<I> const layer(s_, packed);
      layer.pack(weights, e);
      return with_source_chain(tail, diff_src, [&](auto const& chain_at) {
        layer.run(batch, diff_dst, diff_src.data, chain_at(0, s_.channels), e);
      });
    }
    e.parallel_for(static_cast<index_t>(phases_.size()), [&](index_t i, int) {
      conv_phase const& p = phases_[static_cast<std::size_t>(i)];
      pack_depthwise(s_.channels, weights, turned_weights(s_, p), static_cast<index_t>(p.taps.size()),
                     packed + first_[static_cast<std::size_t>(i)]);
    });
    with_source_chain(tail, diff_src, [&](auto const& chain_at) {
      lines(batch, diff_dst, packed, diff_src.data, chain_at, e);
    });
  }

private:
  template <class ChainAt, executor E>
  void lines(index_t batch, f32 const* diff_dst, f32 const* packed, f32* to, ChainAt const& chain_at,
             E& e) const noexcept {
    spatial const stride = s_.win.stride;
    e.parallel_for(batch * s_.in.depth * s_.in.height, [&](index_t line, int) {
      index_t const y = line % s_.in.height, z = line / s_.in.height % s_.in.depth,
                    n = line / s_.in.height / s_.in.depth;
      index_t const phase = first_phase(s_, z, y), apart = stride.width * s_.channels;
      for (index_t x = 0; x < min_of(stride.width, s_.in.width); ++x) {
        auto const i = static_cast<std::size_t>(phase + x);
        conv_phase const& p = phases_[i];
        index_t const first = (line * s_.in.width + x) * s_.channels, q = y / stride.height;
        auto const chain = chain_at(first, apart);
        if (p.taps.empty()) {
          no_sums<I>(p.pixels.width, s_.channels, to + first, apart, false, chain);
          continue;
        }
        task const t{&p.layer, diff_dst + n * p.layer.in.size() * s_.channels, s_.channels,
                     packed + first_[i], to + first, apart, z / stride.depth, {q, q + 1}, 0, 0};
        depthwise_band<I, task, std::remove_const_t<decltype(chain)>>(t, chain).run();
      }
    });
  }

  conv_shape s_;
  std::vector<conv_phase> phases_;
  std::vector<index_t> first_; ///< of each phase in the packed weights
  index_t cells_ = 0;
};

} // namespace detail

IA_NN_END

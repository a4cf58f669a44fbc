// SPDX-License-Identifier: Apache-2.0
//
// The gradient of a convolution of stride > 1 for its source as convolutions of diff_dst by the turned
// weights, one for each phase (conv_phases.hpp): each element of it is computed once, and nothing is
// added up in memory. A band of a phase stays in the worker's scratch, from where its pixels go to
// every stride-th pixel of the source.
#pragma once

#include <ia_nn/train/conv_packed.hpp>
#include <ia_nn/train/conv_phases.hpp>
#include <ia_nn/train/slope_tail.hpp>

#include <ia_nn/begin.hpp>

namespace detail {

template <isa::tag I, element E> class phased_backward_src {
  struct part {
    conv_phase phase;
    std::vector<packed_conv<I, E>> layer; ///< none without taps
    index_t first_byte = 0;               ///< of its packed weights
  };

public:
  phased_backward_src(conv_shape const& s, int workers) : s_(s), workers_(workers) {
    for (conv_phase& p : conv_phases(s)) parts_.push_back({std::move(p), {}, 0});
    for (part& p : parts_) {
      if (p.phase.taps.empty()) continue;
      p.layer.emplace_back(p.phase.layer, false);
      packed_conv<I, E> const& layer = p.layer[0];
      p.first_byte = weight_bytes_;
      weight_bytes_ += layer.weight_bytes();
      scratch_bytes_ = max_of(scratch_bytes_, layer.worker_bytes());
      band_bytes_ = max_of(band_bytes_, f32_bytes(layer.band_lines() * p.phase.pixels.width *
                                                  s.group_channels()));
    }
  }
  index_t workspace_bytes() const noexcept { return weight_bytes_ + workers_ * worker_bytes(); }

  template <class Tail, executor X>
  void run(index_t batch, f32 const* diff_dst, f32 const* weights, gradient const& diff_src,
           Tail const& tail, std::byte* scratch, X& e) const noexcept {
    for (part const& p : parts_) {
      if (p.layer.empty()) continue;
      packed_conv<I, E> const& layer = p.layer[0];
      weights_order const order = turned_weights(s_, p.phase);
      e.parallel_for(s_.groups * layer.panels(), [&](index_t i, int) {
        layer.pack(i / layer.panels(), i % layer.panels(), weights, order, scratch + p.first_byte);
      });
    }
    with_source_chain(tail, diff_src, [&](auto const& chain_at) {
      for (part const& p : parts_) interleaved(batch, p, diff_dst, diff_src, chain_at, scratch, e);
    });
  }

private:
  index_t worker_bytes() const noexcept { return scratch_bytes_ + band_bytes_; }

  template <class ChainAt, executor X>
  void interleaved(index_t batch, part const& p, f32 const* diff_dst, gradient const& diff_src, ChainAt const& chain_at,
                   std::byte* scratch, X& e) const noexcept {
    spatial const pixels = p.phase.pixels, stride = s_.win.stride;
    index_t const channels = s_.group_channels(), planes = batch * pixels.depth;
    std::byte* const own = scratch + weight_bytes_;
    if (pixels.size() == 0) return;
    // Line y of the phase, of its plane number `plane` in the batch.
    auto const first_of = [&](index_t plane, index_t y, index_t group) {
      index_t const n = plane / pixels.depth, z = plane % pixels.depth * stride.depth + p.phase.at.depth;
      return (((n * s_.in.depth + z) * s_.in.height + y * stride.height + p.phase.at.height) * s_.in.width +
              p.phase.at.width) * s_.channels + group * channels;
    };
    f32* const to = diff_src.data;
    index_t const apart = stride.width * s_.channels;
    // An image that does not stay in the caches is stored past them, if its pixels are whole lines.
    bool const streams = channels % 16 == 0 && s_.channels % 16 == 0 &&
                         reinterpret_cast<std::uintptr_t>(to) % 64 == 0 &&
                         batch * s_.in.size() * s_.channels * 4 >= cpu::cache_sizes().l3 / 4;
    if (p.layer.empty()) {
      e.parallel_for(planes * pixels.height, [&](index_t i, int) {
        index_t const first = first_of(i / pixels.height, i % pixels.height, 0);
        no_sums<I>(pixels.width, s_.channels, to + first, apart, streams, chain_at(first, apart));
      });
      return;
    }
    packed_conv<I, E> const& layer = p.layer[0];
    index_t const image = layer.shape().in.size() * s_.filters;
    index_t bands = ceil_div(pixels.height, layer.band_lines());
    if (planes * s_.groups * bands % workers_ && planes * s_.groups * bands < 16 * workers_)
      bands = min_of(pixels.height, round_up(bands, workers_));
    run_tasks(e, workers_, planes * s_.groups * bands, [&](index_t i, int worker) {
      index_t const band = i % bands, group = i / bands % s_.groups, plane = i / bands / s_.groups;
      block const lines = block_of(pixels.height, static_cast<int>(bands), static_cast<int>(band));
      f32* const sums = reinterpret_cast<f32*>(own + worker * worker_bytes() + scratch_bytes_);
      layer.run_band(diff_dst + plane / pixels.depth * image + group * s_.group_filters(),
                     scratch + p.first_byte, group, plane % pixels.depth, lines, sums,
                     own + worker * worker_bytes());
      for (index_t y = lines.begin; y < lines.end; ++y) {
        index_t const first = first_of(plane, y, group);
        auto const chain = chain_at(first, apart);
        f32 const* const row = sums + (y - lines.begin) * pixels.width * channels;
        put_pixels<I>(row, channels, pixels.width, channels, to + first, apart, streams, chain);
      }
    });
  }

  conv_shape s_;
  int workers_;
  std::vector<part> parts_;
  index_t weight_bytes_ = 0, scratch_bytes_ = 0, band_bytes_ = 0;
};

} // namespace detail

IA_NN_END

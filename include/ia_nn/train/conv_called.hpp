// SPDX-License-Identifier: Apache-2.0
//
// A convolution whose weights come with the call: they are packed into the workspace, then `conv`'s
// kernels run. Forward passes of layers that learn, and the gradients that are convolutions.
#pragma once

#include <ia_nn/ops/conv_depthwise.hpp>
#include <ia_nn/train/conv_packed.hpp>
#include <ia_nn/train/gradient.hpp>

#include <optional>

#include <ia_nn/begin.hpp>

namespace detail {

/// Weights of one filter per channel as [tap][registers of channels].
inline void pack_depthwise(index_t channels, f32 const* weights, weights_order const& order, index_t taps,
                           f32* to) noexcept {
  index_t const ld = round_up(channels, 16);
  for (index_t t = 0; t < taps; ++t, to += ld) {
    for (index_t c = 0; c < channels; ++c) to[c] = weights[c * order.group + order.tap(t)];
    for (index_t c = channels; c < ld; ++c) to[c] = 0;
  }
}

/// Images are f32, products of type E; of layers with one filter per channel always of f32.
template <isa::tag I, element E> class called_conv {
  using task = depthwise_task<f32, f32, f32>;

public:
  called_conv(conv_shape const& s, int workers) : s_(s), out_(s.out()), workers_(workers) {
    if (!(s.depthwise() && s.filters == s.channels)) packed_.emplace(s, true);
  }

  index_t workspace_bytes() const noexcept {
    return packed_ ? packed_->weight_bytes() + workers_ * packed_->worker_bytes()
                   : f32_bytes(s_.win.kernel.size() * depthwise_weights<f32, f32>::ld(s_));
  }

  /// overwrites: what is in dst is not read by the chain. The chain counts rows and columns from the
  /// first pixel of the batch and its first filter.
  template <class Chain, executor X>
  void run(index_t batch, f32 const* src, f32 const* weights, weights_order const& order, f32* dst,
           bool overwrites, Chain const& chain, std::byte* scratch, X& e) const noexcept {
    if (!packed_) return depthwise(batch, src, weights, order, dst, chain, scratch, e);
    packed_conv<I, E> const& layer = *packed_;
    e.parallel_for(s_.groups * layer.panels(), [&](index_t i, int) {
      layer.pack(i / layer.panels(), i % layer.panels(), weights, order, scratch);
    });
    auto const cut = layer.divide(batch, workers_);
    index_t const planes = layer.planes(batch), lines = layer.lines(batch);
    bool const streams = overwrites && layer.may_stream(batch * out_.size(), dst, s_.filters);
    std::byte* const own = scratch + layer.weight_bytes();
    run_tasks(e, workers_, planes * s_.groups * cut.bands * cut.shares, [&](index_t i, int worker) {
      index_t const share = i % cut.shares, band = i / cut.shares % cut.bands;
      index_t const group = i / cut.shares / cut.bands % s_.groups;
      index_t const plane = i / cut.shares / cut.bands / s_.groups;
      index_t const depth = layer.uniform() ? 1 : layer.shape().out().depth, n = plane / depth;
      index_t const first = plane * lines * layer.line_width(), column = group * s_.group_filters();
      layer.run(src + n * s_.in.size() * s_.channels + group * s_.group_channels(), scratch, group,
                plane % depth, block_of(lines, static_cast<int>(cut.bands), static_cast<int>(band)),
                block_of(layer.panels(), static_cast<int>(cut.shares), static_cast<int>(share)),
                dst + first * s_.filters + column, s_.filters, streams, first, column, chain,
                own + worker * layer.worker_bytes());
    });
  }

private:
  template <class Chain, executor X>
  void depthwise(index_t batch, f32 const* src, f32 const* weights, weights_order const& order, f32* dst,
                 Chain const& chain, std::byte* scratch, X& e) const noexcept {
    f32* const packed = reinterpret_cast<f32*>(scratch);
    pack_depthwise(s_.channels, weights, order, s_.win.kernel.size(), packed);
    index_t const planes = batch * out_.depth, height = out_.height;
    index_t bands = ceil_div(height, depthwise_lines(s_, sizeof(f32)));
    if (planes * bands % workers_) bands = min_of(height, round_up(bands, workers_));
    e.parallel_for(planes * bands, [&](index_t i, int) {
      index_t const plane = i / bands;
      block const part = block_of(height, static_cast<int>(bands), static_cast<int>(i % bands));
      index_t const first = (plane * height + part.begin) * out_.width;
      task const t{&s_, src + plane / out_.depth * s_.in.size() * s_.channels, s_.channels, packed,
                   dst + first * s_.channels, s_.channels, plane % out_.depth, part, first, 0};
      depthwise_band<I, task, Chain>(t, chain).run();
    });
  }

  conv_shape s_;
  spatial out_;
  int workers_;
  std::optional<packed_conv<I, E>> packed_; ///< none for one filter per channel
};

} // namespace detail

IA_NN_END

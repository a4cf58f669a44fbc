// SPDX-License-Identifier: Apache-2.0
//
// Transposed convolution of 1 to 3 axes: what convolution with the same window would take from out
// to in, turned around.
//
//   dst[n][i * stride - pad + t * dilation][f] += src[n][i][c] * w[c][f][t]
//
// Outputs o with the same o mod stride see the same taps: each such phase is a convolution of
// stride 1 with those taps, in reverse order. With stride 2 and a kernel of 4 there are two phases
// along an axis, of 2 taps each:
//
//   o = 0 2 4 ..   taps 1 3          o = 1 3 5 ..   taps 0 2          (pad 1)
//
// No product is computed that a stored zero would take part in. Phases leave their sums in the
// workspace; a last pass takes them through the stages and interleaves them.
#pragma once

#include <ia_nn/ops/conv.hpp>

#include <numeric>

#include <ia_nn/begin.hpp>

/// `win` is the window of the convolution that is transposed; output_padding adds outputs at the
/// end.
struct deconv_shape {
  index_t channels = 1, filters = 1, groups = 1;
  spatial in{};
  window win{};
  spatial output_padding = no_padding;

  constexpr spatial out() const noexcept {
    spatial o;
    for (int d = 0; d < 3; ++d)
      o[d] = (in[d] - 1) * win.stride[d] + win.reach(d) - win.pad_begin[d] - win.pad_end[d] +
             output_padding[d];
    return o;
  }
  constexpr index_t weights() const noexcept {
    return channels * (filters / groups) * win.kernel.size();
  }

  /// Errors: errc::bad_shape where groups do not divide or nothing is left of the output,
  /// errc::bad_parameter for kernels, strides, dilations and padding out of range.
  void check(char const* who) const {
    // The window over an image as large as its own padded reach: checks all but the image.
    conv_shape like{channels, filters, groups, {}, win};
    for (int d = 0; d < 3; ++d) like.in[d] = max_of(1, win.reach(d));
    for (int d = 0; d < 3; ++d) like.win.pad_begin[d] = like.win.pad_end[d] = 0;
    like.check(who);
    constexpr index_t most = index_t{1} << 30;
    for (int d = 0; d < 3; ++d) {
      static constexpr char const* axis_name[] = {"depth", "height", "width"};
      auto const at = std::string(who) + ": " + axis_name[d] + ": ";
      if (in[d] < 1 || in[d] > most)
        throw_error(errc::bad_shape, at + "the image has " + std::to_string(in[d]) + " elements");
      for (index_t pad : {win.pad_begin[d], win.pad_end[d], output_padding[d]})
        if (pad < -most || pad > most)
          throw_error(errc::bad_parameter,
                      at + "padding " + std::to_string(pad) + " is out of range");
      if (out()[d] < 1)
        throw_error(errc::bad_shape, at + "the padding leaves " + std::to_string(out()[d]) +
                                         " elements of the output");
    }
  }
};

namespace detail {

/// One axis of one phase: outputs phase, phase + stride, ... see taps first, first + step, ...
struct deconv_axis {
  index_t outputs = 0, taps = 0, first = 0, step = 1;
  index_t dilation = 1, pad_begin = 0, pad_end = 0; ///< of the phase's convolution

  deconv_axis() = default;
  deconv_axis(deconv_shape const& s, int d, index_t phase) {
    index_t const stride = s.win.stride[d], kernel = s.win.kernel[d], wide = s.win.dilation[d];
    index_t const common = std::gcd(stride, wide), shifted = phase + s.win.pad_begin[d];
    outputs = ceil_div(max_of(0, s.out()[d] - phase), stride);
    step = stride / common;
    dilation = wide / common;
    while (first < kernel && (shifted - first * wide) % stride != 0) ++first;
    if (first >= kernel) return;
    taps = ceil_div(kernel - first, step);
    // Output q of the phase sees input q + base - m * dilation with tap first + m * step.
    index_t const base = (shifted - first * wide) / stride, reach = (taps - 1) * dilation;
    pad_begin = reach - base;
    pad_end = outputs + reach - pad_begin - s.in[d];
  }
};

} // namespace detail

/// A x B -> C as in `conv`. Weights are [channels][filters / groups][depth][height][width], the
/// order of ONNX and PyTorch. Errors at construction: those of deconv_shape::check and of conv.
template <isa::tag I, element A, element B, element C> class deconv {
  using sums = typename conv<I, A, B, C>::accumulator;
  using inner = conv<I, A, B, sums>;

public:
  using accumulator = sums;

  template <class W>
  deconv(deconv_shape const& s, std::span<W const> weights, conv_options const& o = {})
      : shape_(s), out_((s.check("deconv"), s.out())), options_(o) {
    if (static_cast<index_t>(weights.size()) != s.weights())
      throw_error(errc::bad_shape, "deconv: the weights have " + std::to_string(weights.size()) +
                                       " elements, expected " + std::to_string(s.channels) + " x " +
                                       std::to_string(s.filters / s.groups) + " x " +
                                       s.win.kernel.to_string());
    spatial const stride = s.win.stride;
    for (index_t d = 0; d < stride.depth; ++d)
      for (index_t h = 0; h < stride.height; ++h)
        for (index_t w = 0; w < stride.width; ++w) add_phase(weights, {d, h, w});
  }
  template <class W>
  deconv(deconv_shape const& s, std::vector<W> const& weights, conv_options const& o = {})
      : deconv(s, std::span<W const>(weights), o) {}

  deconv_shape const& shape() const noexcept { return shape_; }
  spatial out() const noexcept { return out_; }
  index_t workspace_bytes() const noexcept { return sums_bytes() + conv_bytes_; }

  /// dst [batch][out][ld] = stages(deconv(src)), src in the order of the options; as conv::run.
  template <class Epilogue = chain<>, executor E = sequential>
  void run(index_t batch, A const* src, C* dst, index_t ld, Epilogue const& epilogue,
           workspace_view scratch, E&& e = {}) const noexcept {
    IA_NN_REQUIRE(batch >= 0 && batch <= options_.max_batch, "deconv: a batch of ", batch, ", planned for at most ",
                  options_.max_batch);
    IA_NN_ASSERT(batch == 0 || (src && dst), "deconv: src or dst is null");
    IA_NN_REQUIRE(scratch.holds(workspace_bytes()), "deconv: a workspace of ", scratch.size,
                  " bytes, run needs ", workspace_bytes(), " aligned to 64 bytes");
    IA_NN_ASSERT(ld == 0 || ld >= shape_.filters, "deconv: pixels of dst ", ld,
                 " elements apart have ", shape_.filters, " filters");
    if (ld == 0) ld = shape_.filters;
    sums* const cells = reinterpret_cast<sums*>(scratch.data);
    workspace_view const rest{scratch.data + sums_bytes(), scratch.size - sums_bytes()};
    for (phase const& p : phases_)
      if (!p.layer.empty())
        p.layer[0].run(batch, src, cells + p.first * options_.max_batch * shape_.filters, 0,
                       chain<>{}, rest, e);
    index_t const lines = batch * out_.depth * out_.height;
    auto const work = [&](index_t line, int) {
      index_t const y = line % out_.height, z = line / out_.height % out_.depth,
                    n = line / out_.height / out_.depth;
      interleave(n, z, y, cells, dst, ld, epilogue);
    };
    e.parallel_for(lines, work);
  }
  template <class Epilogue = chain<>, executor E = sequential>
  void run(index_t batch, A const* src, C* dst, Epilogue const& epilogue, workspace_view scratch,
           E&& e = {}) const noexcept {
    run(batch, src, dst, 0, epilogue, scratch, e);
  }

private:
  struct phase {
    spatial outputs;          ///< of the phase
    index_t first;            ///< pixels of one image of the phases before
    std::vector<inner> layer; ///< none where no tap meets the outputs: their sums are zero
  };

  index_t sums_bytes() const noexcept {
    index_t const cells = pixels_ * options_.max_batch * shape_.filters;
    return round_up(cells * static_cast<index_t>(sizeof(sums)), 64);
  }

  template <class W> void add_phase(std::span<W const> weights, spatial const& at) {
    detail::deconv_axis axis[3];
    conv_shape s{shape_.channels, shape_.filters, shape_.groups, shape_.in, {}};
    spatial outputs;
    for (int d = 0; d < 3; ++d) {
      axis[d] = {shape_, d, at[d]};
      outputs[d] = axis[d].outputs;
      s.win.kernel[d] = axis[d].taps;
      s.win.dilation[d] = axis[d].dilation;
      s.win.pad_begin[d] = axis[d].pad_begin;
      s.win.pad_end[d] = axis[d].pad_end;
    }
    phases_.push_back({outputs, pixels_, {}});
    pixels_ += outputs.size();
    if (outputs.size() == 0 || s.win.kernel.size() == 0) return;
    index_t const channels = s.group_channels(), filters = s.group_filters();
    spatial const kernel = shape_.win.kernel, taps = s.win.kernel;
    std::vector<W> part(static_cast<std::size_t>(s.weights()));
    std::size_t next = 0;
    for (index_t f = 0; f < s.filters; ++f)
      for (index_t c = 0; c < channels; ++c)
        for (index_t i = taps.depth; i-- > 0;)
          for (index_t j = taps.height; j-- > 0;)
            for (index_t k = taps.width; k-- > 0;) {
              index_t const channel = f / filters * channels + c;
              auto const tap = [&](int d, index_t m) { return axis[d].first + m * axis[d].step; };
              part[next++] = weights[static_cast<std::size_t>(
                  (((channel * filters + f % filters) * kernel.depth + tap(0, i)) * kernel.height +
                   tap(1, j)) *
                      kernel.width +
                  tap(2, k))];
            }
    phases_.back().layer.emplace_back(s, part, options_);
    conv_bytes_ = max_of(conv_bytes_, phases_.back().layer[0].workspace_bytes());
  }

  // One line of output: pixel x lies in the phase of x mod stride.
  template <class Epilogue>
  void interleave(index_t n, index_t z, index_t y, sums const* cells, C* dst, index_t ld,
                  Epilogue const& epilogue) const noexcept {
    spatial const stride = shape_.win.stride;
    index_t const filters = shape_.filters,
                  row = ((n * out_.depth + z) * out_.height + y) * out_.width;
    for (index_t x = 0; x < out_.width; ++x) {
      phase const& p = phases_[static_cast<std::size_t>(
          (z % stride.depth * stride.height + y % stride.height) * stride.width +
          x % stride.width)];
      C* const to = dst + (row + x) * ld;
      if (p.layer.empty()) {
        zeros(filters, row + x, to, ld, epilogue);
        continue;
      }
      index_t const pixel =
          ((n * p.outputs.depth + z / stride.depth) * p.outputs.height + y / stride.height) *
              p.outputs.width +
          x / stride.width;
      detail::finish_tile<I>(cells + (p.first * options_.max_batch + pixel) * filters, filters, 1,
                             filters, row + x, 0, epilogue, to, ld);
    }
  }
  template <class Epilogue>
  static void zeros(index_t filters, index_t row, C* to, index_t ld,
                    Epilogue const& epilogue) noexcept {
    alignas(64) sums none[64] = {};
    for (index_t f = 0; f < filters; f += 64)
      detail::finish_tile<I>(none, 64, 1, min_of(64, filters - f), row, f, epilogue, to + f, ld);
  }

  deconv_shape shape_;
  spatial out_;
  conv_options options_;
  std::vector<phase> phases_;
  index_t pixels_ = 0, conv_bytes_ = 0;
};

IA_NN_END

// SPDX-License-Identifier: Apache-2.0
//
// Depthwise windows of 3 x 3 of bf16, where an instruction multiplies pairs of them: what two rows
// have in a column becomes a pair of each channel, the third row a pair with zero.
//
//   row 0   a0 a1 a2 a3 ...           pair = a0 | b0 << 16          pair = c0
//   row 1   b0 b1 b2 b3 ...           sum += a0 * w00 + b0 * w10    sum += c0 * w20
//   row 2   c0 c1 c2 c3 ...
//
// 6 steps for an output instead of 9, and two instructions to load a column of 16 channels instead
// of six. Strips of 7 outputs and blocks of channels are those of conv_depthwise_strip.hpp. Every
// line is summed in the same order, wherever a band begins.
#pragma once

#include <ia_nn/ops/conv_depthwise_plane.hpp>

#include <ia_nn/begin.hpp>

namespace detail {

/// True if A is multiplied in pairs that can be made of rows.
template <class I, class A>
concept multiplies_pairs = std::same_as<A, bf16> && requires(A const* p) { dot<I, A, A>::from_rows(p, p); };

template <isa::tag I, class Task, class Epilogue> class depthwise_pairs : depthwise_plane {
  using C = std::remove_pointer_t<decltype(Task{}.dst)>;
  using D = dot<I, bf16, bf16>;
  using V = typename D::acc;
  static constexpr int width = V::size;
  static constexpr int in_line = 7; ///< outputs
  template <int Stride> static constexpr int seen = (in_line - 1) * Stride + 3; ///< columns
  static constexpr index_t in_block = 512; ///< channels

public:
  depthwise_pairs(Task const& t, Epilogue const& e) noexcept
      : depthwise_plane(*t.shape, t.plane), t_(t), epilogue_(e) {}

  static bool serve(conv_shape const& s) noexcept {
    return s.win.kernel == spatial{1, 3, 3} && s.win.dilation.width == 1 && s.win.stride.width <= 2;
  }
  void run() noexcept {
    if (w_.stride.width == 1) strips<1>();
    else strips<2>();
  }

private:
  template <int Stride> void strips() noexcept {
    index_t const whole = s_.channels / width * width;
    for (index_t c = 0; c < s_.channels; c += in_block) {
      block const channels{c, min_of(whole, c + in_block)};
      for (index_t x = 0; x < out_.width; x += in_line) {
        index_t const first = x * Stride - w_.pad_begin.width;
        bool const inside = first >= 0 && first + seen<Stride> <= s_.in.width && x + in_line <= out_.width;
        if (channels.size() > 0) {
          if (inside) strip<Stride, true, true>(channels, x);
          else strip<Stride, false, true>(channels, x);
        }
        if (c + in_block > whole && whole < s_.channels)
          strip<Stride, false, false>({whole, s_.channels}, x);
      }
    }
  }

  // A row of the source, or zeros, all of them in one place.
  struct row {
    bf16 const* p;
    index_t column, channels; ///< elements to the next column, to the next register of channels
  };

  // Outputs x .. x + 6 of all lines. Inside: all their columns are in the image, and all of them exist.
  template <int Stride, bool Inside, bool Whole>
  IA_NN_NOINLINE void strip(block channels, index_t x) noexcept {
    alignas(32) static constexpr bf16 zeros[width]{};
    index_t const first = x * Stride - w_.pad_begin.width, line = s_.in.width * t_.src_ld;
    index_t const count = min_of(in_line, out_.width - x), ldc = t_.ld, ld = ld_, first_row = t_.first_row,
                  out_width = out_.width;
    index_t const z = t_.plane * w_.stride.depth - w_.pad_begin.depth;
    lanes<Whole> const at{Whole ? width : s_.channels - channels.begin};
    unsigned there = 0; // a bit for each column: GCC makes a path for each end of a range
    for (int i = 0; i < seen<Stride>; ++i) there |= unsigned{first + i >= 0 && first + i < s_.in.width} << i;
    // Copies, which no store through dst can change, as far as GCC knows.
    Epilogue const epilogue = epilogue_;
    block const all = t_.lines;
    index_t const height = depths_.size() > 0 ? s_.in.height : 0, src_ld = t_.src_ld, next = w_.dilation.height,
                  down = w_.stride.height;
    index_t top = all.begin * down - w_.pad_begin.height; // row of the first tap
    index_t pixel = x; // of output, from the first line on
    bf16 const* image = t_.image + (z * s_.in.height + top) * line + first * src_ld + channels.begin;
    C* const plane = t_.dst + channels.begin;
    bf16 const* const packed = reinterpret_cast<bf16 const*>(t_.weights + 9 * ld + channels.begin);
    for (index_t y = all.begin; y < all.end; ++y, top += down, image += down * line, pixel += out_width) {
      row rows[3];
      IA_NN_UNROLL for (int h = 0; h < 3; ++h) {
        index_t const r = top + h * next;
        if (r >= 0 && r < height) rows[h] = {image + h * next * line, src_ld, width};
        else rows[h] = {zeros, 0, 0};
      }
      C* dst = plane + pixel * ldc;
      bf16 const* weights = packed;
      for (index_t c = channels.begin; c < channels.end; c += width) {
        V sum[in_line];
        multiply<Stride, Inside>(sum, rows, weights, 2 * ld, there, at);
        auto const result = [&](int p) {
          return as_f32(epilogue(sum[p], tile_position<Whole>{first_row + pixel + p, c, at}));
        };
        if (Whole && (Inside || count == in_line)) { // stages first: what they load serves all outputs
          IA_NN_UNROLL for (int p = 0; p < in_line; ++p) sum[p] = result(p);
          store_results(sum, dst, ldc);
        } else {
          IA_NN_UNROLL for (int p = 0; p < in_line; ++p)
            if (p < count) store_result(result(p), dst + p * ldc, at);
        }
        IA_NN_UNROLL for (int h = 0; h < 3; ++h) rows[h].p += rows[h].channels;
        weights += 2 * width;
        dst += width;
      }
    }
  }

  template <int Stride, bool Inside, bool Whole>
  IA_NN_INLINE static void multiply(V (&sum)[in_line], row const (&rows)[3], bf16 const* weights,
                                    index_t ld, unsigned there, lanes<Whole> at) noexcept {
    IA_NN_UNROLL for (int p = 0; p < in_line; ++p) sum[p] = V::zero();
    decltype(D::load_b(weights)) two[3], one[3];
    IA_NN_UNROLL for (int k = 0; k < 3; ++k) {
      two[k] = D::load_b(weights + k * ld);
      one[k] = D::load_b(weights + (3 + k) * ld);
    }
    bf16 const *p0 = rows[0].p, *p1 = rows[1].p, *p2 = rows[2].p;
    IA_NN_UNROLL for (int i = 0; i < seen<Stride>; ++i) {
      hold(p0), hold(p1), hold(p2);
      if (Inside || (there >> i & 1U)) {
        auto const [a, b] = [&] {
          if constexpr (Whole) return std::pair{D::from_rows(p0, p1), D::from_row(p2)};
          else return std::pair{D::from_rows(p0, p1, at.count), D::from_row(p2, at.count)};
        }();
        IA_NN_UNROLL for (int k = 0; k < 3; ++k)
          if (int const o = (i - k) / Stride; i >= k && (i - k) % Stride == 0 && o < in_line) {
            D::mac(sum[o], a, two[k]);
            D::mac(sum[o], b, one[k]);
          }
      }
      p0 += rows[0].column, p1 += rows[1].column, p2 += rows[2].column;
    }
  }

  Task const& t_;
  Epilogue const& epilogue_;
};

} // namespace detail

IA_NN_END

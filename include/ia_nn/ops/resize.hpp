// SPDX-License-Identifier: Apache-2.0
//
// Images of another size, channels last, of one to three axes.
//
//   element o of an axis reads at     half_pixel     (o + 0.5) / scale - 0.5
//                                     align_corners  o (in - 1) / (out - 1), 0 of one element
//                                     asymmetric     o / scale
//   nearest   the element that this is rounded to; bits are copied, of any type
//   linear    the two that it lies between, of each axis; beyond the ends the element there
//
// What PyTorch calls nearest is asymmetric and rounded down; nearest-exact half_pixel, halves up; linear,
// bilinear, trilinear half_pixel or align_corners. ONNX says all of it. Places and weights are computed once, in double.
// A linear result is off by at most 4 * 2^-24 of the magnitudes of what it reads for each axis that changes.
#pragma once

#include <ia_nn/arch/cpu.hpp>
#include <ia_nn/arch/lanes.hpp>
#include <ia_nn/core/executor.hpp>
#include <ia_nn/core/memory.hpp>
#include <ia_nn/core/shape.hpp>
#include <ia_nn/core/text.hpp>
#include <ia_nn/ops/resize_shape.hpp>

#include <cmath>
#include <cstring>

#include <ia_nn/begin.hpp>

namespace detail {

inline void check_resize(char const* who, resize_shape const& s) {
  for (int d = 0; d < 3; ++d) {
    if (s.in[d] < 1 || s.out[d] < 1 || s.channels < 1)
      throw_error(errc::bad_shape, std::string(who) + ": images " + s.in.to_string() + " and " + s.out.to_string() +
                                       " of " + std::to_string(s.channels) + " channels: all must be at least 1");
    if (!(s.scale[d] >= 0 && s.scale[d] < 0x1p60))
      throw_error(errc::bad_parameter, std::string(who) + ": scales must be positive, or 0 for out / in");
  }
  for (spatial const& x : {s.in, s.out}) {
    shape<dyn, dyn, dyn, dyn> const all(x.depth, x.height, x.width, s.channels); // throws when it overflows
    static_cast<void>(all);
  }
}

} // namespace detail

/// Elements of 1, 2, 4 or 8 bytes. Errors at construction: errc::bad_shape (extents below 1 or too large),
/// errc::bad_parameter (scales, element size).
class resize_nearest {
public:
  resize_nearest(index_t element_bytes, resize_shape const& s,
                 resize_rounding rounding = resize_rounding::half_down)
      : in_(s.in), out_(s.out), pixel_((detail::check_resize("resize_nearest", s), s.channels * element_bytes)) {
    if (element_bytes != 1 && element_bytes != 2 && element_bytes != 4 && element_bytes != 8)
      throw_error(errc::bad_parameter, "resize_nearest: elements of " + std::to_string(element_bytes) +
                                           " bytes, expected 1, 2, 4 or 8");
    for (int d = 0; d < 3; ++d) {
      from_[d] = aligned_array<index_t>(s.out[d]);
      for (index_t o = 0; o < s.out[d]; ++o) {
        double const x = s.place(d, o), i = rounding == resize_rounding::half_down ? std::ceil(x - 0.5)
                                            : rounding == resize_rounding::half_up ? std::floor(x + 0.5)
                                            : rounding == resize_rounding::down    ? std::floor(x)
                                                                                   : std::ceil(x);
        from_[d][o] = i < 0 ? 0 : min_of(s.in[d] - 1, static_cast<index_t>(i));
      }
    }
  }

  spatial const& in() const noexcept { return in_; }
  spatial const& out() const noexcept { return out_; }
  /// Which element of axis d element o is.
  index_t from(int d, index_t o) const noexcept { return from_[d][o]; }

  /// src [batch][in][channels], dst [batch][out][channels].
  template <executor E = sequential>
  void run(index_t batch, void const* src, void* dst, E&& e = {}) const noexcept {
    index_t const rows = out_.depth * out_.height, row = out_.width * pixel_;
    parallel_blocks(e, batch * rows, ceil_div(16384, row), [&](index_t begin, index_t end, int) {
      std::byte const* before = nullptr;
      for (index_t r = begin; r < end; ++r) {
        std::byte const* const x = static_cast<std::byte const*>(src) +
                                   ((r / rows * in_.depth + from_[0][r % rows / out_.height]) * in_.height +
                                    from_[1][r % out_.height]) * in_.width * pixel_;
        std::byte* const y = static_cast<std::byte*>(dst) + r * row;
        if (x == before) std::memcpy(y, y - row, static_cast<std::size_t>(row));
        else copy_row(x, y);
        before = x;
      }
    });
  }

private:
  void copy_row(std::byte const* x, std::byte* y) const noexcept {
    switch (pixel_) {
    case 1: return copy_pixels<1>(x, y);
    case 2: return copy_pixels<2>(x, y);
    case 3: return copy_pixels<3>(x, y);
    case 4: return copy_pixels<4>(x, y);
    case 8: return copy_pixels<8>(x, y);
    case 12: return copy_pixels<12>(x, y);
    case 16: return copy_pixels<16>(x, y);
    default:
      for (index_t o = 0; o < out_.width; ++o)
        std::memcpy(y + o * pixel_, x + from_[2][o] * pixel_, static_cast<std::size_t>(pixel_));
    }
  }
  template <std::size_t Bytes> void copy_pixels(std::byte const* x, std::byte* y) const noexcept {
    index_t const* const from = from_[2].data();
    for (index_t o = 0; o < out_.width; ++o, y += Bytes)
      std::memcpy(y, x + from[o] * static_cast<index_t>(Bytes), Bytes);
  }

  spatial in_, out_;
  index_t pixel_; ///< bytes
  aligned_array<index_t> from_[3];
};

/// f32. Errors at construction: those of resize_nearest, errc::unsupported_isa. A number that is not finite
/// makes all results NaN that lie between it and another, or on it.
template <isa::tag I> class resize_linear {
  using V = vec<f32, I>;

public:
  /// The elements that one lies between, and their weights.
  struct tap {
    index_t first, second;
    f32 left, right;
  };

  explicit resize_linear(resize_shape const& s) : in_(s.in), out_(s.out), channels_(s.channels) {
    isa::require<typename detail::vec_tag<I>::type>();
    detail::check_resize("resize_linear", s);
    for (int d = 0; d < 3; ++d) {
      taps_[d] = aligned_array<tap>(s.out[d]);
      for (index_t o = 0; o < s.out[d]; ++o) {
        double const last = static_cast<double>(s.in[d] - 1), at = s.place(d, o), x = at < 0 ? 0 : at > last ? last : at;
        index_t const i = static_cast<index_t>(x);
        double const right = x - static_cast<double>(i);
        taps_[d][o] = {i, min_of(i + 1, s.in[d] - 1), static_cast<f32>(1 - right), static_cast<f32>(right)};
      }
    }
  }

  spatial const& in() const noexcept { return in_; }
  spatial const& out() const noexcept { return out_; }
  index_t channels() const noexcept { return channels_; }
  tap const& of(int d, index_t o) const noexcept { return taps_[d][o]; }

  /// src [batch][in][channels], dst [batch][out][channels].
  template <executor E = sequential>
  void run(index_t batch, f32 const* src, f32* dst, E&& e = {}) const noexcept {
    index_t const rows = out_.depth * out_.height, row = out_.width * channels_;
    parallel_blocks(e, batch * rows, ceil_div(4096, row), [&](index_t begin, index_t end, int) {
      for (index_t r = begin; r < end; ++r) {
        tap const &z = taps_[0][r % rows / out_.height], &y = taps_[1][r % out_.height];
        f32 const* const image = src + r / rows * in_.size() * channels_;
        auto const line = [&](index_t d, index_t h) {
          return image + (d * in_.height + h) * in_.width * channels_;
        };
        f32* const to = dst + r * row;
        if (in_.depth == 1 && out_.depth == 1) {
          f32 const* const lines[] = {line(0, y.first), line(0, y.second)};
          f32 const weights[] = {y.left, y.right};
          blend<2>(lines, weights, to);
        } else {
          f32 const* const lines[] = {line(z.first, y.first), line(z.first, y.second), line(z.second, y.first),
                                      line(z.second, y.second)};
          f32 const weights[] = {z.left * y.left, z.left * y.right, z.right * y.left, z.right * y.right};
          blend<4>(lines, weights, to);
        }
      }
    });
  }

private:
  /// A row of the result from Lines rows.
  template <int Lines> void blend(f32 const* const (&line)[Lines], f32 const (&weight)[Lines], f32* y) const noexcept {
    for (index_t o = 0; o < out_.width; ++o, y += channels_) {
      tap const& t = taps_[2][o];
      index_t const a = t.first * channels_, b = t.second * channels_;
      V const left = V::broadcast(t.left), right = V::broadcast(t.right);
      detail::each_register<V>(0, channels_, [&](index_t c, auto at) IA_NN_LAMBDA {
        V sum = V::zero();
        IA_NN_UNROLL for (int l = 0; l < Lines; ++l) {
          V const x = fma(at.template load<V>(line[l] + b + c), right, at.template load<V>(line[l] + a + c) * left);
          sum = fma(x, V::broadcast(weight[l]), sum);
        }
        at.store(sum, y + c);
      });
    }
  }

  spatial in_, out_;
  index_t channels_;
  aligned_array<tap> taps_[3];
};

IA_NN_END

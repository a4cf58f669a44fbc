// SPDX-License-Identifier: Apache-2.0
//
// Pooling over windows, over whole images, and to a given size. One class does all three: each
// element of the result has, along each axis, a first element of the image and a number of taps,
// which set-up writes into tables. Channels come last (ops/window.hpp).
//
//   max        max over the taps in the image; a NaN among them is the result
//   average    (sum of the taps in the image) * f32(1 / count)
//     f32      count is what `pool_kind` says; rounding errors below 10 * 2^-24 of the mean |x|,
//              however many there are; a sum beyond 3.4e38 is infinite
//     u8, s8   saturate(round(f32(sum of q - zero_point) * f32(1 / count)) + zero_point)
//              the sum is exact in s32, its f32 exact below 2^24, rounding is to nearest even
//
// The scale of a quantized tensor passes through and is not needed. Its zero point is what padding
// has, and the number from which averages are rounded.
//
// A window that sees no element of the image gives -inf or the lowest integer as maximum, with
// index -1, and 0 or the zero point as average.
#pragma once

#include <ia_nn/arch/cpu.hpp>
#include <ia_nn/core/executor.hpp>
#include <ia_nn/core/memory.hpp>
#include <ia_nn/ops/pool_kernel.hpp>
#include <ia_nn/ops/window.hpp>

#include <ia_nn/begin.hpp>

enum class pool_kind {
  max,
  average,        ///< count: the taps in the image
  average_padded, ///< count: the taps in the image and its padding, which is 0 or the zero point
};

/// Windows that move over images of `channels`. With `ceil_mode` a last window may reach beyond the
/// padding (window::output); what lies there is never counted.
struct pool_shape {
  index_t channels = 1;
  spatial in{};
  window win{};
  bool ceil_mode = false;

  constexpr spatial out() const noexcept { return win.output(in, ceil_mode); }
  /// One window over the whole image.
  static constexpr pool_shape global(index_t channels, spatial const& in) noexcept {
    return {channels, in, {.kernel = in}, false};
  }
};

/// Images to `out`: element o of an axis takes the elements from floor(o in / out) to
/// ceil((o + 1) in / out), as PyTorch's adaptive pooling does.
struct adaptive_pool_shape {
  index_t channels = 1;
  spatial in{}, out{};
};

/// Pools images [batch][in][channels] of f32, u8 or s8 to [batch][out][channels].
///
/// Errors at construction: errc::bad_shape (channels, extents, see window::check; images of 2^31
/// pixels and more; windows of 2^23 taps and more for averages of u8 and s8),
/// errc::bad_parameter (strides, dilations, padding, a zero point that is no value of T),
/// errc::unsupported_isa. `run` is const, noexcept, allocates nothing; its result has the same bits
/// for any executor.
template <isa::tag I, element T> class pool {
  static_assert(std::same_as<T, f32> || std::same_as<T, bf16> || byte_element<T>,
                "ia_nn: pool: elements are f32, bf16, u8 or s8");
  using kernel = detail::pool_kernel<I, T>;
  using cell = detail::pool_cell;

public:
  /// zero_point: of u8 and s8.
  pool(pool_kind kind, pool_shape const& s, s32 zero_point = 0)
      : kind_(kind), channels_(s.channels), zero_point_(zero_point), in_(s.in) {
    s.win.check("pool", s.in, s.ceil_mode);
    prepare(s.out());
    for (int d = 0; d < 3; ++d) {
      step_[d] = s.win.dilation[d];
      for (index_t o = 0; o < out_[d]; ++o) axis_[d][o] = reach_of(s.win, d, o);
    }
    check_taps();
  }
  pool(pool_kind kind, adaptive_pool_shape const& s, s32 zero_point = 0)
      : kind_(kind), channels_(s.channels), zero_point_(zero_point), in_(s.in) {
    window{}.check("pool", s.in);
    for (int d = 0; d < 3; ++d)
      if (s.out[d] < 1 || s.out[d] > index_t{1} << 30)
        throw_error(errc::bad_shape, "pool: the result has " + s.out.to_string() + " elements");
    prepare(s.out);
    for (int d = 0; d < 3; ++d)
      for (index_t o = 0; o < out_[d]; ++o) {
        index_t const from = o * in_[d] / out_[d], to = ceil_div((o + 1) * in_[d], out_[d]);
        axis_[d][o] = {from, to - from, to - from};
      }
    check_taps();
  }

  index_t channels() const noexcept { return channels_; }
  spatial const& in() const noexcept { return in_; }
  spatial const& out() const noexcept { return out_; }

  /// src [batch][in][channels], dst [batch][out][channels]; they must not overlap.
  template <executor E = sequential>
  void run(index_t batch, T const* src, T* dst, E&& e = {}) const noexcept {
    run(batch, src, channels_, dst, channels_, e);
  }
  /// The same with src_ld and dst_ld elements from pixel to pixel: slices of channels.
  template <executor E = sequential>
  void run(index_t batch, T const* src, index_t src_ld, T* dst, index_t dst_ld,
           E&& e = {}) const noexcept {
    IA_NN_ASSERT(src_ld >= channels_ && dst_ld >= channels_, "pool: pixels ", src_ld, " and ",
                 dst_ld, " elements apart have ", channels_, " channels");
    for_each_window(
        batch, src_ld, e,
        [&](index_t from, index_t to, cell const& c, index_t count, index_t, block channels) {
          T const* const p = src + from * src_ld + channels.begin;
          T* const y = dst + to * dst_ld + channels.begin;
          if (kind_ == pool_kind::max) kernel::maximum(p, c, y, channels.size());
          else kernel::average(p, c, y, channels.size(), scale_of(count), zero_point_);
        });
  }
  /// The maximum, and where it was found: indices [batch][out][channels] of pixels of the image,
  /// (depth * height + row) * width + column; the first of equal ones. For pool_kind::max.
  template <executor E = sequential>
  void run_with_indices(index_t batch, T const* src, T* dst, s32* indices,
                        E&& e = {}) const noexcept {
    IA_NN_ASSERT(kind_ == pool_kind::max, "pool: averages have no indices");
    index_t const pixels[3] = {step_[0] * in_.height * in_.width, step_[1] * in_.width, step_[2]};
    for_each_window(
        batch, channels_, e,
        [&](index_t from, index_t to, cell const& c, index_t, index_t first, block channels) {
          index_t const at = to * channels_ + channels.begin;
          kernel::maximum_at(src + from * channels_ + channels.begin, c, dst + at, indices + at,
                             channels.size(), first, pixels);
        });
  }

private:
  // What one element of the result takes along an axis.
  struct reach {
    index_t first, taps, counted;
  };

  reach reach_of(window const& w, int d, index_t o) const noexcept {
    index_t const begin = o * w.stride[d] - w.pad_begin[d], step = w.dilation[d];
    index_t const image = in_[d] + min_of(w.pad_end[d], 0), padded = in_[d] + w.pad_end[d];
    // Taps i with begin + i * step in [0, image), and those before the end of the padding.
    index_t const skipped = begin < 0 ? min_of(ceil_div(-begin, step), w.kernel[d]) : 0;
    auto const before = [&](index_t end) {
      return begin >= end ? 0 : min_of(w.kernel[d], (end - begin - 1) / step + 1);
    };
    index_t const taps = max_of(before(image) - skipped, 0);
    index_t const counted = kind_ == pool_kind::average_padded ? before(padded) : taps;
    return {taps > 0 ? begin + skipped * step : 0, taps, counted};
  }
  void prepare(spatial const& out) {
    isa::require<typename detail::vec_tag<I>::type>();
    if (channels_ < 1 || channels_ > index_t{1} << 30)
      throw_error(errc::bad_shape, "pool: images have " + std::to_string(channels_) + " channels");
    index_t pixels = in_.depth * in_.height; // below 2^60
    if (pixels > INT32_MAX || (pixels *= in_.width) > INT32_MAX)
      throw_error(errc::bad_shape,
                  "pool: an image of " + in_.to_string() + " has more than 2^31 - 1 pixels");
    constexpr s32 low = std::same_as<T, s8> ? -128 : 0, high = std::same_as<T, s8> ? 127 : 255;
    if (zero_point_ != 0 && (!byte_element<T> || zero_point_ < low || zero_point_ > high))
      throw_error(errc::bad_parameter, "pool: an image of " + std::string(name_of<T>()) +
                                           " cannot have the zero point " +
                                           std::to_string(zero_point_));
    out_ = out;
    for (int d = 0; d < 3; ++d) axis_[d] = aligned_array<reach>(out[d]);
  }
  void check_taps() const {
    if constexpr (byte_element<T>) {
      index_t most = 1;
      for (int d = 0; d < 3; ++d) {
        index_t longest = 0;
        for (reach const& r : axis_[d]) longest = max_of(longest, r.taps);
        most *= longest;
      }
      if (kind_ != pool_kind::max && most >= index_t{1} << 23)
        throw_error(errc::bad_shape, "pool: a window of " + std::to_string(most) +
                                         " bytes: sums in 32 bits hold less than 2^23");
    }
  }
  static f32 scale_of(index_t count) noexcept {
    return count > 0 ? static_cast<f32>(1.0 / static_cast<double>(count)) : 0.0F;
  }

  // Calls f(pixel of the first tap, pixel of the result, cell, counted taps, the first tap's pixel
  // within its image or -1, channels) for every window. Rows of the result are shared among the
  // workers, and channels too where there are fewer rows than workers.
  template <class E, class F>
  void for_each_window(index_t batch, index_t ld, E& e, F&& f) const noexcept {
    index_t const rows = batch * out_.depth * out_.height;
    if (rows == 0) return;
    constexpr index_t granule = 64;
    index_t const workers = e.concurrency();
    index_t const parts =
        rows >= workers ? 1 : min_of(ceil_div(workers, rows), ceil_div(channels_, granule));
    index_t const taps = axis_[0][0].taps * axis_[1][0].taps * axis_[2][0].taps;
    index_t const work = max_of(out_.width * channels_ * max_of(taps, 1) / parts, 1);
    parallel_blocks(e, rows * parts, ceil_div(8192, work), [&](index_t begin, index_t end, int) {
      for (index_t task = begin; task < end; ++task) {
        index_t const row = task / parts;
        block const channels =
            block_of(channels_, static_cast<int>(parts), static_cast<int>(task % parts), granule);
        if (!channels.empty()) one_row(row, channels, ld, f);
      }
    });
  }
  template <class F> void one_row(index_t row, block channels, index_t ld, F&& f) const noexcept {
    index_t const image = row / (out_.depth * out_.height);
    reach const z = axis_[0][row / out_.height % out_.depth], y = axis_[1][row % out_.height];
    cell c;
    c.step[0] = step_[0] * in_.height * in_.width * ld;
    c.step[1] = step_[1] * in_.width * ld;
    c.step[2] = step_[2] * ld;
    index_t const line = (z.first * in_.height + y.first) * in_.width;
    for (index_t o = 0; o < out_.width; ++o) {
      reach const x = axis_[2][o];
      bool const empty = z.taps == 0 || y.taps == 0 || x.taps == 0;
      c.taps[0] = z.taps, c.taps[1] = y.taps, c.taps[2] = empty ? 0 : x.taps;
      index_t const first = empty ? 0 : line + x.first;
      f(image * in_.size() + first, row * out_.width + o, c, z.counted * y.counted * x.counted,
        empty ? -1 : first, channels);
    }
  }

  pool_kind kind_;
  index_t channels_;
  s32 zero_point_;
  spatial in_, out_{};
  index_t step_[3] = {1, 1, 1};
  aligned_array<reach> axis_[3];
};

IA_NN_END

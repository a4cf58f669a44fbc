// SPDX-License-Identifier: Apache-2.0
//
// The kernel of `conv` (ops/conv_band.hpp) for weights that come with each call, in f32, and are packed
// into the workspace: for layers that learn. Images are f32; where products are of bf16 they are
// rounded where a band is copied, the weights where they are packed.
#pragma once

#include <ia_nn/gemm/policy.hpp>
#include <ia_nn/ops/conv_band.hpp>

#include <ia_nn/begin.hpp>

namespace detail {

/// Where a weight lies: of filter f and channel c of group g, tap t of the layer at
/// g * group + f * filter + c * channel + taps[t], taps null for t itself.
struct weights_order {
  index_t group, filter, channel;
  index_t const* taps = nullptr;
  index_t tap(index_t t) const noexcept { return taps ? taps[t] : t; }
};

template <isa::tag I, element E> class packed_conv {
  using kernel = typename kernel_for<I, E, E, standard>::main;
  using panel_type = typename kernel::panel_type;
  using task = conv_task<f32, E, f32, panel_type>;
  static constexpr index_t nr = kernel::nr, kr = panel_type::kr;

public:
  /// whole: images are computed as a whole, so that lines of a product of rows may be others.
  explicit packed_conv(conv_shape const& s, bool whole)
      : plan_(whole ? flattened(s) : s, facts(), 0, false) {
    isa::require<typename kernel::isa_type>();
  }

  conv_shape const& shape() const noexcept { return plan_.shape; }
  /// True if all images are one plane, the lines of each behind those of the one before.
  bool uniform() const noexcept { return plan_.uniform; }
  index_t planes(index_t batch) const noexcept { return uniform() ? 1 : batch * plan_.out.depth; }
  index_t lines(index_t batch) const noexcept {
    return uniform() ? batch * plan_.out.depth * plan_.out.height : plan_.out.height;
  }
  index_t line_width() const noexcept { return plan_.out.width; }
  index_t band_lines() const noexcept { return plan_.band_lines; }
  index_t panels() const noexcept { return plan_.panels; }
  /// Bytes of packed weights of all groups, and of a worker.
  index_t weight_bytes() const noexcept { return plan_.shape.groups * group_cells() * index_t{sizeof(E)}; }
  index_t worker_bytes() const noexcept { return plan_.worker_bytes(); }

  struct division {
    index_t bands, shares;
  };
  /// Bands that fit the cache; if they do not occupy the workers, more of them, or shares of the
  /// panels where the weights are what is large.
  division divide(index_t batch, int workers) const noexcept {
    index_t const all = lines(batch), bands = ceil_div(all, plan_.band_lines);
    index_t const tasks = planes(batch) * plan_.shape.groups * bands;
    if (workers == 1 || tasks % workers == 0 || tasks >= 16 * workers) return {bands, 1};
    bool const large_weights = plan_.k() * plan_.shape.group_filters() >
                               plan_.shape.in.size() * plan_.shape.group_channels();
    if (tasks < 4 * workers && (large_weights || all < 2 * workers) && plan_.panels >= workers)
      return {bands, workers};
    return {min_of(all, round_up(bands, workers)), 1};
  }

  /// One panel of one group.
  void pack(index_t group, index_t panel, f32 const* weights, weights_order const& order,
            std::byte* packed) const noexcept {
    conv_shape const& s = plan_.shape;
    index_t const first = panel * nr, columns = min_of(nr, s.group_filters() - first);
    index_t const stride = panel_type::template stride<E>(plan_.k()), taps = s.win.kernel.size();
    E* const to = reinterpret_cast<E*>(packed) + group * group_cells() + panel * stride;
    f32 const* const from = weights + group * order.group + first * order.filter;
    if (columns < nr || stride != nr * taps * s.group_channels())
      __builtin_memset(static_cast<void*>(to), 0, static_cast<std::size_t>(stride) * sizeof(E));
    index_t const taps_of_run = plan_.joined ? s.win.kernel.width : 1;
    for (index_t c = 0; c < s.group_channels();) {
      // Values of k that one step multiplies, side by side: neighbouring channels of a tap.
      index_t const together = kr == 1 || plan_.slot % kr != 0 ? 1 : min_of(kr, s.group_channels() - c);
      for (index_t t = 0; t < taps; ++t) {
        index_t const k = plan_.gathers ? t * plan_.slot + c
                                        : t / taps_of_run * plan_.run + t % taps_of_run * plan_.slot + c;
        f32 const* const w = from + c * order.channel + order.tap(t);
        if constexpr (kr == 1) row(to + k * nr, w, order.filter, columns);
        else pair(to + k / kr * nr * kr + k % kr, w, order, columns, together);
      }
      c += together;
    }
  }

  /// Lines of plane `plane` (of one image, or of all if uniform) by a range of panels of a group.
  /// `image` and `dst` begin with the first channel and filter of the group and with pixel 0 of the
  /// image and of the plane, which is pixel `first_row` and column `first_column` for the chain.
  template <class Chain>
  void run(f32 const* image, std::byte const* packed, index_t group, index_t plane, block lines,
           block panels, f32* dst, index_t ld, bool streams, index_t first_row, index_t first_column,
           Chain const& chain, std::byte* scratch) const noexcept {
    task t{};
    t.image = image;
    t.b.data = reinterpret_cast<E const*>(packed) + group * group_cells();
    t.b.k = plan_.k(), t.b.n = plan_.shape.group_filters();
    t.dst = dst, t.ld = ld;
    t.plane = plane, t.lines = lines, t.panels = panels;
    t.first_row = first_row, t.first_column = first_column;
    t.streams = streams;
    t.scratch = scratch;
    run_conv_band<I, kernel>(plan_, t, chain);
  }

  /// The same lines by all panels, of which the first pixel goes to `dst`, others right behind it.
  void run_band(f32 const* image, std::byte const* packed, index_t group, index_t plane, block lines,
                f32* dst, std::byte* scratch) const noexcept {
    index_t const ld = plan_.shape.group_filters(), before = lines.begin * plan_.out.width * ld * 4;
    // Where pixel 0 would be; nothing is stored there.
    auto* const base = reinterpret_cast<f32*>(reinterpret_cast<std::uintptr_t>(dst) -
                                              static_cast<std::uintptr_t>(before));
    run(image, packed, group, plane, lines, {0, plan_.panels}, base, ld, false, 0, 0, chain<>{}, scratch);
  }

  /// True if results may be stored past the caches: so many pixels of ld elements.
  bool may_stream(index_t pixels, f32 const* dst, index_t ld) const noexcept {
    return nr % 16 == 0 && pixels * ld * 4 >= cpu::cache_sizes().l3 / 4 &&
           reinterpret_cast<std::uintptr_t>(dst) % 64 == 0 && ld % 16 == 0 &&
           plan_.shape.group_filters() % 16 == 0;
  }

private:
  index_t group_cells() const noexcept {
    return round_up(panel_type::template size<E>(plan_.k(), plan_.shape.group_filters()), 64);
  }
  static constexpr conv_kernel_facts facts() noexcept {
    return {sizeof(E),       sizeof(E),
            kernel::kr_a,    kernel::nr,
            kernel::max_rows, kernel::first_rows(kernel::max_rows),
            !std::same_as<E, f32>, kernel::is_amx};
  }
  // A product of rows has no lines: where images are copied, those that hold whole tiles serve best.
  static conv_shape flattened(conv_shape s) noexcept {
    index_t const pixels = s.in.size();
    if (std::same_as<E, f32> || s.win.kernel.size() != 1 || s.win.stride.size() != 1 || s.win.pads() ||
        kernel::is_amx)
      return s;
    for (index_t width = 16 * kernel::max_rows; width > 0; width -= kernel::max_rows)
      if (pixels % width == 0) {
        s.in = {1, pixels / width, width};
        break;
      }
    return s;
  }

  // One value of k of some columns.
  static IA_NN_INLINE void row(f32* to, f32 const* w, index_t apart, index_t columns) noexcept {
    if (apart == 1) __builtin_memcpy(static_cast<void*>(to), w, static_cast<std::size_t>(columns) * 4);
    else
      for (index_t j = 0; j < columns; ++j) to[j] = w[j * apart];
  }
  // Two of them, or one if the other is not its neighbour.
  static void pair(E* to, f32 const* w, weights_order const& order, index_t columns,
                   index_t together) noexcept {
    if constexpr (kr == 2) {
      if (together == 2 && columns == nr) {
        using V = vec<f32, packing_isa<I, nr>>;
        alignas(64) f32 rows[2][nr];
        row(rows[0], w, order.filter, nr);
        row(rows[1], w + order.channel, order.filter, nr);
        IA_NN_UNROLL for (index_t j = 0; j < nr; j += V::size)
          join_bf16(nearest_bf16(V::load(rows[0] + j)), nearest_bf16(V::load(rows[1] + j)))
              .store(reinterpret_cast<s32*>(to + j * 2));
        return;
      }
    }
    for (index_t i = 0; i < together; ++i)
      for (index_t j = 0; j < columns; ++j) to[j * kr + i] = E(w[i * order.channel + j * order.filter]);
  }

  conv_plan plan_;
};

} // namespace detail

IA_NN_END

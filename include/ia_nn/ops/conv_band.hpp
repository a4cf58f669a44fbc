// SPDX-License-Identifier: Apache-2.0
//
// One task of a convolution: a band of output lines of one image and group, by a range of panels.
//
//   copy the band (if the plan says so)
//   gather the tiles that cross lines
//   panel                       one panel of the weights ...
//     block of runs             ... or the part of it that stays in L2
//       tile                    while the band's pixels stream past it
//         epilogue after the last block
//
// Lines of a window that lie above or below the image for all of a tile are left out: 5 % of a 3 x 3
// window on 14 x 14. What a tile writes once more costs where k is short: with 32 channels in f32
// (896 cycles of products a tile) writing down the call once per panel took 2 % off, stages that
// stores cannot change 6 %. Not worth it (Zen 4): tiles in the outer loop and panels in the inner one,
// whatever the size of the weights, and prefetching the next tile's pixels.
#pragma once

#include <ia_nn/gemm/epilogue.hpp>
#include <ia_nn/gemm/pack_rows.hpp>
#include <ia_nn/gemm/packed_matrix.hpp>
#include <ia_nn/gemm/region.hpp>
#include <ia_nn/ops/conv_source.hpp>

#include <ia_nn/begin.hpp>

namespace detail {

template <class A, class B, class C, class Panel> struct conv_task {
  A const* image; ///< of this group: its first channel
  packed_view<B, Panel> b;
  C* dst;        ///< pixel 0 of the image, first filter of the group
  index_t ld;    ///< from pixel to pixel of dst
  index_t plane; ///< output plane (depth) of the band
  block lines;   ///< of output
  block panels;
  index_t first_row; ///< number of pixel 0 of the image for the epilogue
  index_t first_column;
  s32 zero_point; ///< of A
  bool streams;   ///< dst is stored past the caches; its tiles are aligned to 64 bytes
  s32 const* window_sums = nullptr; ///< weights with zero points: of pixel 0, from pixel to pixel `groups`
  s32 const* weight_zeros = nullptr; ///< of the first filter of the group
  std::byte* scratch;
};

template <isa::tag I, class Kernel, class Task, class Epilogue> class conv_band {
  using packed_a = typename Kernel::packed_a;
  using acc = typename Kernel::acc;
  using c_type = std::remove_pointer_t<decltype(Task{}.dst)>;
  static constexpr int nr = Kernel::nr;
  static constexpr bool integer = std::same_as<acc, s32>;
  enum class tile_kind { direct, gathered, packed };
  struct tile_source {
    packed_a const *a, *a2; ///< the first pixel of each half
    tile_kind kind;
    int first_run, last_run; ///< that see the image
  };
  static_assert(sizeof(tile_source) <= conv_plan::tile_entry);

public:
  conv_band(conv_plan const& p, Task const& t, Epilogue const& e) noexcept
      : p_(p), t_(t), epilogue_(e),
        pixels_((t.lines.size() - 1) * p.row_pixels + p.out.width),
        run_groups_(p.run / Kernel::kr_a) {
    if constexpr (std::same_as<packed_a, source_element>) {
      if (!p.copies) source_ = band_in_place<packed_a>(p, t.image, t.plane, t.lines);
    }
    if (p.copies)
      source_ = copy_band<I, packed_a>(p, t.image, t.plane, t.lines, fill(), t.scratch);
    std::byte* scratch = t.scratch + p.copy_bytes;
    auto const take = [&](index_t bytes) {
      std::byte* const from = scratch;
      scratch += bytes;
      return from;
    };
    gathered_ = reinterpret_cast<packed_a*>(take(p.gather_bytes));
    packed_ = reinterpret_cast<packed_a*>(take(p.packed_bytes));
    between_ = reinterpret_cast<acc*>(take(p.between_bytes));
    tiles_ = reinterpret_cast<tile_source*>(take(p.tile_bytes));
    find_tiles();
  }

  void run() noexcept {
    typename Kernel::context state;
    cpu::caches const cache = cpu::cache_sizes();
    bool const far = [&] {
      if constexpr (Kernel::is_amx) return Kernel::comes_from_far(t_.b, cache.l2);
      else return false;
    }();
    for (index_t panel = t_.panels.begin; panel < t_.panels.end; ++panel) {
      alignas(64) acc start[nr];
      bool const has_start = detail::start_row<I, Kernel>(start, t_.b.sums + panel * nr, nr, t_.zero_point);
      for (index_t r = 0; r < p_.runs; r += p_.block_runs) {
        block const runs{r, min_of(r + p_.block_runs, p_.runs)};
        // What all tiles of the panel have in common is written once: with 32 channels a tile takes
        // less than a thousand cycles.
        typename Kernel::call call(cache.l1, t_.b, panel, 1);
        call.b.fetch_next = panel + 1 < t_.panels.end;
        call.b.reused = pixels_ > p_.height;
        if constexpr (integer) call.b.pairs_fit = t_.b.pairs_fit(panel);
        call.c.ld = nr;
        tile_source const* source = tiles_;
        for (index_t q = 0; q < pixels_; q += p_.height) {
          if constexpr (Kernel::is_amx)
            if (far && (panel + 1 < t_.panels.end || runs.end < p_.runs))
              Kernel::fetch_ahead(call, t_.b.data + panel * t_.b.stride() + runs.end * p_.run * nr,
                                  runs.size() * run_groups_ * 32, runs.size() * run_groups_,
                                  ceil_div(pixels_, p_.height), q / p_.height);
          tile(state, call, panel, runs, q, has_start ? start : nullptr, *source++);
          call.b.fetch_next = false;
        }
      }
    }
    if (t_.streams) fence_streams();
  }

private:
  using source_element = std::remove_const_t<std::remove_pointer_t<decltype(Task{}.image)>>;

  // Padding is zero after the zero point: the packed element of that value.
  packed_a fill() const noexcept {
    if constexpr (integer) return static_cast<packed_a>(t_.zero_point + Kernel::a_shift);
    else return packed_a{};
  }
  static void clear(packed_a* p, index_t n) noexcept {
    __builtin_memset(static_cast<void*>(p), 0, static_cast<std::size_t>(n) * sizeof(packed_a));
  }

  // Where the pixels of every tile are, found once for all panels.
  void find_tiles() noexcept {
    index_t const width = p_.row_pixels;
    index_t x = 0, y = t_.lines.begin, left = pixels_;
    packed_a const* line = source_.first; // pixel 0 of the line
    packed_a* out = gathered_;
    auto const advance = [&](index_t n) {
      x += n;
      while (x >= width) {
        x -= width;
        ++y;
        line += source_.line;
      }
    };
    for (tile_source* to = tiles_; left > 0; ++to) {
      index_t const rows = min_of(p_.height, left), first = min_of(p_.first, rows);
      // The last tile of vectors is as tall as it needs to be, and packed.
      bool const packed = !Kernel::is_amx && rows < p_.height;
      auto const is_row = [&](index_t n) { return p_.uniform || p_.continuous || n <= 1 || x + n <= width; };
      packed_a const *const a = line + x * source_.pixel, *const begin = line;
      index_t const begin_x = x, top = y;
      bool direct = !packed && !p_.gathers && is_row(first);
      advance(first);
      packed_a const* const a2 = line + x * source_.pixel;
      direct = direct && is_row(rows - first);
      if (direct) {
        advance(rows - first);
        *to = {a, a2, tile_kind::direct, 0, 0};
      } else {
        line = begin;
        x = begin_x;
        y = top;
        for (index_t r = 0; r < rows; ++r) {
          gather(out + r * p_.gather_ld, line + x * source_.pixel);
          advance(1);
        }
        *to = {out, out + first * p_.gather_ld, tile_kind::gathered, 0, 0};
        if (packed) {
          // Whole tiles pack fast; the rows beyond the last are computed and left out.
          index_t const h = height_of<Kernel>(rows, p_.height);
          clear(out + rows * p_.gather_ld, (h - rows) * p_.gather_ld);
          pack_rows<I, Kernel::kr_a>(packed_, a_source<packed_a>{out, p_.gather_ld, 1}, h, h, p_.k(),
                                     p_.k() / Kernel::kr_a);
          *to = {packed_, packed_, tile_kind::packed, 0, 0};
        }
        out += p_.height * p_.gather_ld;
      }
      block const seen = runs_inside(top, x == 0 ? y - 1 : y);
      to->first_run = static_cast<int>(seen.begin);
      to->last_run = static_cast<int>(seen.end);
      left -= rows;
    }
  }

  // Runs that are inside the image for some of the lines top .. bottom of output. Padding has to be
  // zero to be left out, and runs to be lines of the window.
  block runs_inside(index_t top, index_t bottom) const noexcept {
    window const& w = p_.shape.win;
    if (!p_.skips || (integer && t_.zero_point + Kernel::a_shift != 0)) return {0, p_.runs};
    if (top * w.stride.height >= w.pad_begin.height &&
        bottom * w.stride.height - w.pad_begin.height + w.reach(1) <= p_.shape.in.height)
      return {0, p_.runs};
    block const above = taps_inside(top * w.stride.height - w.pad_begin.height, w.dilation.height,
                                    w.kernel.height, p_.shape.in.height);
    block const below = taps_inside(bottom * w.stride.height - w.pad_begin.height, w.dilation.height,
                                    w.kernel.height, p_.shape.in.height);
    index_t const each = p_.runs / w.kernel.height;
    return {min_of(above.begin, below.begin) * each, max_of(above.end, below.end) * each};
  }

  // The window of one pixel, k contiguous.
  void gather(packed_a* to, packed_a const* from) const noexcept {
    if constexpr (Kernel::is_amx) {
      // Lines of a small window as whole registers, of which each overwrites what the one before has
      // too much; behind the last run the band has 128 bytes more.
      constexpr index_t size = sizeof(packed_a);
      index_t const length = p_.length * size, last = p_.k() * size - (static_cast<index_t>(p_.offsets.size()) - 1) * length;
      if (p_.gathers && length <= 32 && last >= 32) return gather_lines<32>(to, from);
      if (p_.gathers && length <= 64 && last >= 64) return gather_lines<64>(to, from);
    }
    index_t const step = p_.gathers ? p_.length : p_.run;
    packed_a* const end = to + p_.k();
    for (index_t const offset : p_.offsets) {
      copy_elements(to, from + offset, p_.length);
      clear(to + p_.length, step - p_.length);
      to += step;
    }
    clear(to, end - to);
  }

  template <std::size_t Bytes> void gather_lines(packed_a* to, packed_a const* from) const noexcept {
    packed_a* const end = to + p_.k();
    for (index_t const offset : p_.offsets) {
      __builtin_memcpy(static_cast<void*>(to), from + offset, Bytes);
      to += p_.length;
    }
    clear(to, end - to);
  }

  IA_NN_INLINE void tile(typename Kernel::context& state, typename Kernel::call& call,
                         index_t panel, block runs, index_t q, acc const* start,
                         tile_source const& source) noexcept {
    bool const is_first = runs.begin == 0, is_last = runs.end == p_.runs;
    block const seen{max_of(runs.begin, source.first_run), min_of(runs.end, source.last_run)};
    index_t const count = max_of(0, seen.size()), begin = count > 0 ? seen.begin : 0;
    index_t const rows = min_of(p_.height, pixels_ - q);
    index_t const columns = min_of(nr, t_.b.n - panel * nr);
    call.height = static_cast<int>(rows);
    call.groups = count * run_groups_;
    call.b.p = t_.b.data + panel * t_.b.stride() + begin * p_.run * nr;
    int const first = static_cast<int>(min_of(p_.first, rows));
    if (source.kind == tile_kind::direct) {
      index_t const offset = p_.offsets[static_cast<std::size_t>(begin)];
      call.a.set_image(source.a + offset, source.a2 + offset, source_.pixel, first, Kernel::kr_a,
                       run_groups_, p_.jumps.data() + begin);
    } else if (source.kind == tile_kind::gathered) {
      call.a.set_matrix(source.a + begin * p_.run, p_.gather_ld, first, Kernel::kr_a, call.groups);
    } else {
      call.height = height_of<Kernel>(rows, p_.height);
      call.a.set_packed(source.a + begin * p_.run * call.height, call.height, Kernel::kr_a);
    }
    call.b.half = columns <= nr / 2 &&
                  (Kernel::is_amx ||
                   ((call.a.in_place || call.height == Kernel::max_rows) && call.height > 3));

    alignas(64) acc cells[Kernel::max_rows * nr];
    call.c.init = {is_first ? start : between_ + q * nr, is_first ? 0 : nr};
    if constexpr (integer)
      if (is_first && t_.window_sums) {
        subtract_windows(cells, start, panel, q, rows, call.height);
        call.c.init = {cells, nr};
      }
    index_t const row = t_.lines.begin * p_.out.width + q;
    c_type* const c = t_.dst + row * t_.ld + panel * nr;
    // Images that come from memory: the first panel asks for the pixels of the tile after next.
    if (p_.uniform && panel == t_.panels.begin && is_first) {
      auto const* const next = reinterpret_cast<char const*>(source.a + 2 * p_.height * p_.pitch);
      index_t const bytes = p_.height * p_.pitch * static_cast<index_t>(sizeof(packed_a));
      for (index_t i = 0; i < bytes; i += 64) __builtin_prefetch(next + i, 0, 3);
    }
    // C is fetched while the K-loop runs (gemm/region.hpp), unless it is too short to wait for it: then
    // the requests only delay each other (32 to 64 channels, batch 16: 9.6 instead of 11.5 ms).
    if (!Kernel::is_amx && is_last && !t_.streams && (call.groups > 64 || sizeof(c_type) == 1)) {
      constexpr index_t line = 64 / static_cast<index_t>(sizeof(c_type));
      for (index_t i = 0; i < rows; ++i) {
        c_type* const to = c + i * t_.ld;
        __builtin_prefetch(to, 1, 3);
        if (nr > line && columns > line) __builtin_prefetch(to + columns - 1, 1, 3);
      }
    }
    if constexpr (!Kernel::is_amx) {
      if (is_last && columns == nr && call.a.in_place && call.height == Kernel::max_rows)
        return Kernel::run_into(call,
                                tile_finish<Epilogue, c_type>{epilogue_, t_.first_row + row,
                                                              t_.first_column + panel * nr, c, t_.ld,
                                                              t_.streams});
    }
    if constexpr (Kernel::is_amx) {
      call.c.out = is_last ? nullptr : between_ + q * nr;
      amx_job job{};
      if (is_last) job = {finish_rows, this, q, panel, columns, static_cast<int>(rows)};
      Kernel::push(state, call, job);
    } else {
      call.c.out = is_last ? cells : between_ + q * nr;
      Kernel::run(state, call);
      if (is_last)
        finish_tile<I>(cells, nr, rows, columns, t_.first_row + row, t_.first_column + panel * nr,
                       epilogue_, c, t_.ld);
    }
  }

  static void finish_rows(amx_job const& j, std::byte* sums, int from, int to) noexcept {
    conv_band const& self = *static_cast<conv_band const*>(j.owner);
    self.finish(reinterpret_cast<acc const*>(sums), j.row, j.panel, from, to, j.columns);
  }
  // Rows from ... to of the tile that begins with pixel q.
  void finish(acc const* sums, index_t q, index_t panel, index_t from, index_t to,
              index_t columns) const noexcept {
    index_t const width = p_.continuous ? p_.row_pixels : pixels_, image = p_.continuous ? p_.out.width : pixels_;
    while (from < to) {
      index_t const v = q + from, y = v / width, x = v % width;
      index_t const n = min_of(to - from, width - x), seen = min_of(n, image - x);
      if (seen > 0) {
        index_t const row = t_.lines.begin * p_.out.width + y * image + x;
        finish_tile<I>(sums + from * nr, nr, seen, columns, t_.first_row + row,
                       t_.first_column + panel * nr, epilogue_, t_.dst + row * t_.ld + panel * nr, t_.ld);
      }
      from += n;
    }
  }

  // Zero points of the weights: a tile of pixels q ... starts from start - zero * sums of windows.
  void subtract_windows(acc* cells, acc const* start, index_t panel, index_t q, index_t rows,
                        index_t height) const noexcept {
    using V = vec<s32, I>;
    auto const pixel = [&](index_t v) {
      if (!p_.continuous) return v;
      return v / p_.row_pixels * p_.out.width + min_of(v % p_.row_pixels, p_.out.width - 1);
    };
    index_t const first = t_.lines.begin * p_.out.width;
    s32 const* const zeros = t_.weight_zeros + panel * nr;
    for (index_t r = 0; r < height; ++r) {
      V const sum =
          V::broadcast(t_.window_sums[(first + pixel(q + min_of(r, rows - 1))) * p_.shape.groups]);
      for (int i = 0; i < nr; i += V::size)
        ((start ? V::load(start + i) : V::zero()) - V::load(zeros + i) * sum).store(cells + r * nr + i);
    }
  }

  conv_plan const& p_;
  Task const& t_;
  Epilogue const& epilogue_;
  index_t pixels_, run_groups_;
  band_source<packed_a> source_{};
  packed_a* gathered_;
  packed_a* packed_;
  acc* between_;
  tile_source* tiles_;
};

template <isa::tag I, class Kernel, class Task, class Epilogue>
IA_NN_NOINLINE void run_conv_band(conv_plan const& p, Task const& t, Epilogue const& e) noexcept {
  conv_band<I, Kernel, Task, Epilogue>(p, t, e).run();
}

} // namespace detail

IA_NN_END

// SPDX-License-Identifier: Apache-2.0
//
// The loops of one task: a block of rows of C by a range of panels (blocking.hpp draws them).
#pragma once

#include <ia_nn/core/executor.hpp>
#include <ia_nn/gemm/blocking.hpp>
#include <ia_nn/gemm/epilogue.hpp>
#include <ia_nn/gemm/pack_rows.hpp>
#include <ia_nn/gemm/policy.hpp>

#include <ia_nn/begin.hpp>

namespace detail {

template <class A, class C, class Weights> struct gemm_task {
  a_source<A> a; ///< of the whole product
  Weights b;
  C* c;
  index_t ldc, k;
  index_t first_row; ///< number of row 0 for the epilogue
  block rows;        ///< of A and C
  block panels;
  std::byte* scratch;
};

/// Groups of k that a kernel walks: kr values for vectors, 64 bytes for AMX.
template <class Kernel> constexpr index_t group_count(index_t k) noexcept {
  return ceil_div(k, Kernel::kr_a);
}

/// Layout of a worker's scratch memory, in bytes: packed A, accumulators between blocks of k, sums
/// of rows (for zero points of B).
template <class Kernel, int Terms> struct region_layout {
  index_t a_term, accumulators, sums, total;
  region_layout(blocking const& b, index_t k, gemm_options const& options) noexcept {
    index_t const groups = group_count<Kernel>(k);
    a_term = b.scratch_rows * min_of(b.kc, groups) * Kernel::kr_a; // elements
    accumulators =
        round_up(a_term * Terms * static_cast<index_t>(sizeof(typename Kernel::packed_a)), 64);
    index_t const cells = b.cuts_k(groups) ? b.scratch_rows * b.nc * Kernel::nr : 0;
    sums = accumulators + cells * 4;
    total = round_up(sums + (options.shifts_b() ? b.scratch_rows * 4 : 0), 64);
  }
};
template <class Kernel, int Terms>
index_t region_bytes(blocking const& b, index_t k, gemm_options const& options) noexcept {
  return region_layout<Kernel, Terms>(b, k, options).total;
}

// Sums over k of the rows of A, as the operand's own values.
template <class A> void sum_rows(s32* sums, a_source<A> a, index_t rows, index_t k) noexcept {
  for (index_t r = 0; r < rows; ++r) {
    s32 s = 0;
    for (index_t i = 0; i < k; ++i)
      s += static_cast<s32>(a.data[r * a.row_stride + i * a.k_stride]);
    sums[r] = s;
  }
}

/// Height of the tile that begins `left` rows before the end.
template <class Kernel> constexpr int height_of(index_t left, int height) noexcept {
  if (left >= height) return height;
  if (left <= 3 || Kernel::rows_step == 1) return static_cast<int>(left);
  return static_cast<int>(round_up(left, Kernel::rows_step));
}

/// A tile of s32 sums starts from -zero * sum(b[:, n]), zero being the zero point of A with the shift of
/// s8 to u8. False, and nothing written, where that is 0 or sums are no integers. `sums`: those of
/// `count` columns, whole registers.
template <isa::tag I, class Kernel>
bool start_row(typename Kernel::acc* start, s32 const* sums, index_t count,
               s32 zero_point) noexcept {
  if constexpr (std::same_as<typename Kernel::acc, s32>) {
    s32 const zero = static_cast<s32>(static_cast<std::uint32_t>(zero_point) +
                                      static_cast<std::uint32_t>(Kernel::a_shift)); // may wrap
    if (zero == 0) return false;
    using V = vec<s32, I>;
    for (index_t i = 0; i < count; i += V::size)
      (V::zero() - V::load(sums + i) * V::broadcast(zero)).store(start + i);
    return true;
  } else {
    return false;
  }
}

template <isa::tag I, class Kernel, class Task, class Epilogue> class region {
  using acc = typename Kernel::acc;
  using packed_a = typename Kernel::packed_a;
  using a_type = std::remove_const_t<std::remove_pointer_t<decltype(Task{}.a.data)>>;
  using c_type = std::remove_pointer_t<decltype(Task{}.c)>;
  static constexpr int nr = Kernel::nr;
  static constexpr packing form = decltype(Task{}.b)::form;
  static constexpr int max_cells() noexcept {
    int const tall = (Kernel::max_rows + 1) * nr;
    int wide = 0;
    for (int h = 1; h <= 3; ++h)
      if (wide < h * Kernel::panels_of_tile(h) * nr) wide = h * Kernel::panels_of_tile(h) * nr;
    return tall > wide ? tall : wide;
  }

  static constexpr int most_columns = (Kernel::is_amx ? 2 : 4) * nr;
  static constexpr int most_cells = Kernel::is_amx ? 32 * nr : max_cells();
  static constexpr bool integer = std::same_as<acc, s32>;

public:
  region(Task const& t, blocking const& b, gemm_options const& o, Epilogue const& e) noexcept
      : t_(t), b_(b), o_(o), epilogue_(e), layout_(b, t.k, o), groups_(group_count<Kernel>(t.k)) {
    // Rows that alias in L1 are read in place by lower tiles.
    int const low = Kernel::rows_height(t.a.row_stride * static_cast<index_t>(sizeof(a_type)));
    if (b_.height == Kernel::max_rows && low < b_.height && reads_rows(low, low)) {
      b_.height = low;
      b_.mc = b_.mc / low * low;
    }
  }

  void run() noexcept {
    for (row_ = t_.rows.begin; row_ < t_.rows.end; row_ += b_.mc) {
      rows_ = min_of(b_.mc, t_.rows.end - row_);
      if constexpr (integer)
        if (o_.shifts_b()) sum_rows(sums(), t_.a.at(row_, 0), rows_, t_.k);
      if (b_.kc == groups_) {
        pack(0, groups_);
        panels(t_.panels, 0, groups_);
      } else {
        for (index_t p = t_.panels.begin; p < t_.panels.end; p += b_.nc)
          for (index_t g = 0; g < groups_; g += b_.kc) {
            index_t const count = min_of(b_.kc, groups_ - g);
            pack(g, count);
            panels({p, min_of(p + b_.nc, t_.panels.end)}, g, count);
          }
      }
    }
  }

private:
  packed_a* packed() const noexcept { return reinterpret_cast<packed_a*>(t_.scratch); }
  acc* between() const noexcept {
    return reinterpret_cast<acc*>(t_.scratch + layout_.accumulators);
  }
  s32* sums() const noexcept { return reinterpret_cast<s32*>(t_.scratch + layout_.sums); }

  // The kernel reads the caller's rows where packing would not pay.
  bool reads_rows(index_t rows, int height) const noexcept {
    if constexpr (!std::same_as<packed_a, a_type>) return false;
    else
      return t_.a.k_stride == 1 && rows == height &&
             Kernel::reads_rows(height, Kernel::panel_type::panels(t_.b.n), t_.k,
                                t_.a.row_stride * static_cast<index_t>(sizeof(a_type)));
  }

  void pack(index_t first_group, index_t count) noexcept {
    index_t const k0 = first_group * Kernel::kr_a;
    for (index_t r = 0; r < rows_; r += b_.height) {
      int const h = height_of<Kernel>(rows_ - r, b_.height);
      index_t const rows = min_of(h, rows_ - r);
      if (reads_rows(rows, h)) {
        if constexpr (Kernel::is_amx && std::same_as<packed_a, a_type>)
          if (index_t const end = t_.k / Kernel::kr_a * Kernel::kr_a; end < t_.k)
            pack_rows<I, Kernel::kr_a>(packed() + r * Kernel::kr_a, t_.a.at(row_ + r, end), h, rows,
                                       t_.k - end, 1);
        continue;
      }
      index_t const k = min_of(t_.k - k0, count * Kernel::kr_a);
      packed_a* const to = packed() + r * count * Kernel::kr_a;
      if constexpr (form.terms > 1)
        pack_rows_split<Kernel::kr_a>(to, layout_.a_term, form.terms, t_.a.at(row_ + r, k0), h, rows, k,
                                      count);
      else pack_rows<I, Kernel::kr_a>(to, t_.a.at(row_ + r, k0), h, rows, k, count);
    }
  }

  // Groups first_group ... of k, of which `count` are packed, for panels of a range.
  void panels(block range, index_t first_group, index_t count) noexcept {
    typename Kernel::context state;
    index_t const end = first_group + count, chunk = min_of(b_.chunk, count);
    // Accumulators between blocks of k are kept by panel: tiles of several do not fit there.
    int const at_once = b_.cuts_k(groups_) ? 1 : Kernel::panels_of_tile(b_.height);
    int step = 1;
    for (index_t p = range.begin; p < range.end; p += step) {
      step = range.end - p >= at_once ? at_once : 1;
      for (index_t g = first_group; g < end; g += chunk)
        tiles(state, {p, p + step}, range, {first_group, end}, {g, min_of(g + chunk, end)});
    }
  }

  // All rows of the block by the same panels and groups of k.
  void tiles(typename Kernel::context& state, block at, block range, block packed_groups,
             block groups) noexcept {
    index_t const p = at.begin, count = groups.size();
    int const step = static_cast<int>(at.size());
    bool const first = groups.begin == 0, last = groups.end == groups_;
    alignas(64) acc start[most_columns];
    bool const has_start = first && start_row<I, Kernel>(start, t_.b.sums + p * nr, step * nr,
                                                         o_.a_zero_point);
    bool const more = at.end < range.end || !last;
    bool const narrow = step == 1 && t_.b.n - p * nr <= nr / 2;
    typename Kernel::call call(b_.l1, t_.b, p, step, groups.begin * Kernel::kr_a * nr);
    call.terms = form.terms;
    call.a.term = layout_.a_term;
    call.b.reused = rows_ > b_.height;
    if constexpr (integer) call.b.pairs_fit = t_.b.pairs_fit(p, step);
    if constexpr (form.scaled) {
      index_t const stride = ceil_div(t_.k, t_.b.group) * nr;
      call.b.scales = {t_.b.scales + p * stride, stride, t_.b.group};
    }
    for (index_t r = 0; r < rows_; r += b_.height) {
      int const h = height_of<Kernel>(rows_ - r, b_.height);
      call.height = h;
      call.groups = count;
      place_a(call, r, packed_groups, groups, h);
      call.b.half = narrow && (Kernel::is_amx || h == Kernel::max_rows || (call.a.in_place && h > 3));
      call.b.fetch_next = r == 0 && at.end < t_.panels.end;
      if constexpr (Kernel::is_amx)
        if (more && !call.b.half && form.terms == 1 && Kernel::comes_from_far(t_.b, b_.l2))
          Kernel::fetch_ahead(call, call.b.p + count * Kernel::kr_a * nr * step, count * 32 * step, count,
                              ceil_div(rows_, b_.height), r / b_.height);
      tile(state, call, r, p, b_.chunk < b_.kc ? p : range.begin, has_start ? start : nullptr, first, last);
    }
  }

  void place_a(typename Kernel::call& call, index_t r, block packed_groups, block groups,
               int h) const noexcept {
    constexpr index_t kr = Kernel::kr_a;
    if constexpr (std::same_as<packed_a, a_type>)
      if (reads_rows(min_of(h, rows_ - r), h)) {
        bool const has_tail = Kernel::is_amx && groups.end * kr > t_.k; // the last group is not whole
        if (has_tail) --call.groups;
        call.a.set_matrix(t_.a.at(row_ + r, groups.begin * kr).data, t_.a.row_stride,
                          Kernel::first_rows(h), kr, call.groups);
        if (has_tail) call.a.tail = packed() + r * kr;
        return;
      }
    call.a.set_packed(packed() + r * packed_groups.size() * kr +
                          (groups.begin - packed_groups.begin) * h * kr,
                      h, kr);
  }

  void tile(typename Kernel::context& state, typename Kernel::call& call, index_t r, index_t p,
            index_t first_panel, acc const* start, bool first, bool last) noexcept {
    alignas(64) acc cells[most_cells];
    int const width = call.b.count * nr;
    index_t const rows = min_of(call.height, rows_ - r);
    index_t const columns = min_of(width, t_.b.n - p * nr);
    c_type* const c = t_.c + (row_ + r) * t_.ldc + p * nr;
    bool const whole = rows == call.height && columns == width && touches_c();
    acc* const block_cells =
        between() + (r * b_.nc + (p - first_panel) * call.height) * nr; // one panel where k is cut

    if (!first) {
      call.c.init = {block_cells, nr};
    } else {
      call.c.init = {start, 0};
      if constexpr (std::same_as<c_type, acc>)
        if (o_.accumulate) {
          if (whole && !start) {
            call.c.init = {c, t_.ldc};
          } else {
            gather(cells, width, c, rows, columns, call.height, start);
            call.c.init = {cells, width};
          }
        }
    }

    bool direct = false;
    if constexpr (Epilogue::empty && std::same_as<c_type, acc>)
      direct = last && whole && !(integer && o_.shifts_b());
    if (!last) {
      call.c.out = block_cells;
      call.c.ld = nr;
    } else if (direct) {
      call.c.out = reinterpret_cast<acc*>(c);
      call.c.ld = t_.ldc;
    } else {
      call.c.out = Kernel::is_amx ? nullptr : cells; // AMX: a place of the pipeline
      call.c.ld = width;
    }
    if constexpr (Kernel::is_amx) {
      amx_job job{};
      if (last && !direct)
        job = {finish_rows, this, r, p, columns, static_cast<int>(rows)};
      Kernel::push(state, call, job);
    } else {
      // C is fetched while the K-loop runs: otherwise its stores wait for memory one after the other
      // (u8 x s8 at 1024^3 on Zen 4: from 88 to 95 % of the peak).
      if (last)
        for (index_t i = 0; i < rows; ++i)
          for (index_t j = 0; j < columns; j += 64 / static_cast<index_t>(sizeof(c_type)))
            __builtin_prefetch(c + i * t_.ldc + j, 1, 3);
      run_terms(state, call);
      if (last && !direct) finish(cells, r, p, 0, rows, columns, width);
    }
  }

  // Sums of rows r + from ... by panels p ... to C.
  void finish(acc* sums, index_t r, index_t p, index_t from, index_t to, index_t columns,
              index_t width) const noexcept {
    if constexpr (integer)
      if (o_.shifts_b()) subtract_rows(sums + from * width, width, to - from, r + from, p * nr, columns);
    finish_tile<I>(sums + from * width, width, to - from, columns, t_.first_row + row_ + r + from,
                   p * nr, epilogue_, t_.c + (row_ + r + from) * t_.ldc + p * nr, t_.ldc);
  }
  static void finish_rows(amx_job const& j, std::byte* sums, int from, int to) noexcept {
    static_cast<region const*>(j.owner)->finish(reinterpret_cast<acc*>(sums), j.row, j.panel, from, to,
                                                j.columns, j.width);
  }
  // Tiles may be loaded from C and stored to it.
  bool touches_c() const noexcept {
    if constexpr (Kernel::is_amx)
      return Kernel::touches_rows(t_.ldc * static_cast<index_t>(sizeof(c_type)));
    else return true;
  }

  // AMX adds the products of all terms in its tiles; vectors do it tile by tile.
  void run_terms(typename Kernel::context& state, typename Kernel::call& call) noexcept {
    if constexpr (form.terms == 1) {
      Kernel::run(state, call);
    } else {
      typename Kernel::call one = call;
      for (int s = 0; s < term_pair_count(form.terms); ++s) {
        term_pair const pair = term_pairs(form.terms)[s];
        one.a.p = call.a.p + pair.a * call.a.term;
        one.b.p = call.b.p + pair.b * call.b.term;
        Kernel::run(state, one);
        one.c.init = {one.c.out, one.c.ld};
      }
    }
  }

  static void gather(acc* cells, int width, c_type const* c_raw, index_t ldc, index_t rows,
                     index_t columns, int height, acc const* start) noexcept {
    for (index_t i = 0; i < height; ++i)
      for (index_t j = 0; j < width; ++j) {
        acc x = start ? start[j] : acc{};
        if (i < rows && j < columns) {
          if constexpr (integer)
            x = static_cast<acc>(static_cast<std::uint32_t>(x) +
                                 static_cast<std::uint32_t>(c_raw[i * ldc + j]));
          else x = static_cast<acc>(c_raw[i * ldc + j]);
        }
        cells[i * width + j] = x;
      }
  }
  void gather(acc* cells, int width, c_type const* c, index_t rows, index_t columns, int height,
              acc const* start) const noexcept {
    gather(cells, width, c, t_.ldc, rows, columns, height, start);
  }

  // Zero points of B: C[m][n] -= zero[n] * (sum(a[m, :]) - k * a_zero_point).
  void subtract_rows(acc* cells, index_t width, index_t rows, index_t r, index_t column,
                     index_t columns) const noexcept {
    for (index_t i = 0; i < rows; ++i) {
      auto const u = [](auto x) { return static_cast<std::uint32_t>(x); };
      std::uint32_t const sum = u(sums()[r + i]) - u(t_.k) * u(o_.a_zero_point);
      for (index_t j = 0; j < columns; ++j) {
        s32 const zero = o_.b_zero_points ? o_.b_zero_points[column + j] : o_.b_zero_point;
        cells[i * width + j] = static_cast<acc>(u(cells[i * width + j]) - u(zero) * sum);
      }
    }
  }

  Task const& t_;
  blocking b_;
  gemm_options const& o_;
  Epilogue const& epilogue_;
  region_layout<Kernel, form.terms> layout_;
  index_t groups_;
  index_t row_ = 0, rows_ = 0; ///< current block of rows
};

template <isa::tag I, class Kernel, class Task, class Epilogue>
IA_NN_NOINLINE void run_region(Task const& t, blocking const& b, gemm_options const& o,
                               Epilogue const& e) noexcept {
  region<I, Kernel, Task, Epilogue>(t, b, o, e).run();
}

} // namespace detail

IA_NN_END

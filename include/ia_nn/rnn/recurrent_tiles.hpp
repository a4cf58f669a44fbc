// SPDX-License-Identifier: Apache-2.0
//
// The product of a recurrent step: h(t-1) by the weights of a block of units, whose gates are panels
// beside each other.
#pragma once

#include <ia_nn/rnn/cache_use.hpp>
#include <ia_nn/rnn/operand.hpp>

#include <ia_nn/begin.hpp>

namespace detail {

template <class W, class Kernel> struct recurrent_tiles {
  using matrix = typename W::matrix;
  using operand = operand_rows<typename W::operand_type, Kernel, matrix::parts>;
  using acc = typename Kernel::acc;
  static constexpr index_t nr = W::nr;

  // Some rows of a block of units, whose sums lie in `cells` [row][gate][nr].
  struct part {
    index_t block, row, rows;
    acc* cells;
  };

  // The sums of a part. Each of the block's first `fetch` panels fetches the panel behind it, which is
  // needed next. AMX calls `finish` for the rows of a part while it makes the tiles of the next one,
  // and hides its stores there.
  template <class Finish>
  static void run(typename Kernel::context& state, matrix const& u, s32 const* start,
                  operand const& a, part const& p, int fetch, Finish const& finish) noexcept {
    int const gates = u.gates(), height = a.height();
    auto const view = u.view();
    index_t const ld = gates * nr;
    // Panels of a tile. Tiles of vectors have 4 rows (operand.hpp), which leave registers for one.
    int const tile_panels = Kernel::is_amx ? Kernel::panels_of_tile(height) : 1;
    for (int g = 0, step = 1; g < gates; g += step) {
      step = g + tile_panels <= gates ? tile_panels : 1;
      index_t const panel = p.block * gates + g;
      for (index_t r = 0; r < p.rows; r += height) {
        // Where a panel is used by one tile only, it passes through L1 and the rows stay.
        typename Kernel::call call(p.rows > height ? l1_kept : 0, view, panel, step);
        a.place(call, p.row + r, recurrent_height_at<Kernel>(a.rows() - p.row - r, height));
        call.b.reused = p.rows > height;
        if constexpr (W::quantized) {
          call.c.init = {start + panel * nr, 0};
          call.b.pairs_fit = view.pairs_fit(panel, step);
        }
        call.c.out = p.cells + r * ld + g * nr;
        call.c.ld = ld;
        bool const fetches = g + step <= fetch && r == 0;
        if constexpr (Kernel::is_amx) {
          // A group of k is a line for each column.
          call.b.ahead = call.b.p + step * call.b.stride;
          call.b.ahead_lines = fetches ? Kernel::nr * step : 0;
          amx_job job{};
          if (g + step == gates)
            job = {finish_rows<Finish>, &finish, p.row + r, p.block, g * nr,
                   static_cast<int>(min_of(call.height, p.rows - r))};
          Kernel::push(state, call, job);
        } else {
          call.b.fetch_next = fetches;
          Kernel::run(state, call);
        }
      }
    }
    if constexpr (!Kernel::is_amx)
      for (index_t r = 0; r < p.rows; ++r) finish(p.block, p.row + r, p.cells + r * ld);
  }
  // Rows from .. to - 1 of the tile that `job` names. `sums` are those of its last panels, `columns`
  // behind the first.
  template <class Finish>
  static void finish_rows(amx_job const& job, std::byte* sums, int from, int to) noexcept {
    auto const& finish = *static_cast<Finish const*>(job.owner);
    for (int r = from; r < to; ++r)
      finish(job.panel, job.row + r,
             reinterpret_cast<acc const*>(sums) + r * job.width - job.columns);
  }
};

} // namespace detail

IA_NN_END

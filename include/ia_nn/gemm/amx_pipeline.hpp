// SPDX-License-Identifier: Apache-2.0
//
// Blocks of one task on AMX, one behind the other, in three stages:
//
//              block i + 1        block i               block i - 1
//   step 1     load, multiply     tiles -> memory
//   step 2     load, multiply                           rows 0 ..   -> results
//   ...        load, multiply                           rows 4 ..   -> results
//
// so that no stage waits for the one before. `push` takes a block in and moves the others on;
// `drain` ends them. Blocks of other heights or columns need another tile configuration, which
// clears the tiles: the pipeline drains itself before.
#pragma once

#include <ia_nn/gemm/amx_tile.hpp>

#include <ia_nn/begin.hpp>

namespace detail {

/// Rows and columns of tiles.
struct amx_extent {
  int height = 0, first = 0, columns = 0;
  friend bool operator==(amx_extent const&, amx_extent const&) = default;
  bool tall() const noexcept { return height > first; }
};

template <class A, class B, class Acc> class amx_pipeline {
public:
  amx_pipeline() noexcept {} // sums_ begins as whatever was there
  amx_pipeline(amx_pipeline const&) = delete;
  amx_pipeline& operator=(amx_pipeline const&) = delete;
  // Gives the tiles back, so that the thread's context stays small and callers find the unit as
  // they left it.
  ~amx_pipeline() {
    drain();
    if (extent_.height) amx::release();
  }

  /// The next block. Its sums go to `to`, or to a place of the pipeline, where `job` finds them.
  /// `fits`: what the block reads stays in L1; `again`: the next block reads the same B.
  void push(amx_extent const& e, amx_operands<A, B, Acc> const& o, bool fits, bool again,
            amx_place to, amx_job const& job) noexcept {
    if (!(e == extent_)) {
      drain();
      if (e.height != extent_.height || e.first != extent_.first) {
        amx::tile_config const c = amx_config(e.height, e.first);
        amx::load_config(c);
      }
      extent_ = e;
    }
    index_t const steps = max_of(1, o.steps * term_pair_count(o.terms));
    // A call for fewer rows costs more than it hides.
    finishing_.at_once = static_cast<int>(max_of(4, ceil_div(finishing_.job.rows, steps)));
    products(o, fits, again);
    finishing_ = multiplied_;
    if (!to.to) {
      to = {reinterpret_cast<std::byte*>(sums_[turn_]), max_of(2, e.columns) * 64};
      turn_ = 1 - turn_;
    }
    in_tiles_ = to;
    multiplied_ = {job, to.to, 0, 0};
    multiplied_.job.width = to.ld / 4;
  }

  /// All results are written.
  void drain() noexcept {
    if (!in_tiles_.to) return;
    finishing_.all();
    store();
    multiplied_.all();
    in_tiles_ = {};
    finishing_ = multiplied_ = {};
  }

private:
  void products(amx_operands<A, B, Acc> const& o, bool fits, bool again) noexcept {
    using enum amx_stream;
    // What is read once must not push what is read again out of L1, if both do not fit.
    if (extent_.tall()) {
      if (extent_.columns == 1) amx_products<2, 1, a>(o, in_tiles_, finishing_);
      else if (fits) amx_products<2, 2, none>(o, in_tiles_, finishing_);
      else if (again) amx_products<2, 2, a>(o, in_tiles_, finishing_);
      else amx_products<2, 2, b>(o, in_tiles_, finishing_);
    } else {
      if (extent_.columns == 4) amx_products<1, 4, b>(o, in_tiles_, finishing_);
      else if (extent_.columns == 2) amx_products<1, 2, none>(o, in_tiles_, finishing_);
      else amx_products<1, 1, none>(o, in_tiles_, finishing_);
    }
  }
  void store() const noexcept {
    std::byte* const to = in_tiles_.to;
    std::byte* const second = to + extent_.first * in_tiles_.ld;
    index_t const ld = in_tiles_.ld;
    bool const wide = extent_.columns > 1;
    amx::store<0>(to, ld);
    if (wide) amx::store<1>(to + 64, ld);
    if (extent_.tall()) {
      amx::store<2>(second, ld);
      if (wide) amx::store<3>(second + 64, ld);
    } else if (extent_.columns == 4) {
      amx::store<2>(to + 128, ld);
      amx::store<3>(to + 192, ld);
    }
  }

  alignas(64) Acc sums_[2][32 * 32];
  amx_extent extent_;
  int turn_ = 0;
  amx_place in_tiles_;
  amx_unfinished multiplied_, finishing_; ///< in tiles; in memory
};

} // namespace detail

IA_NN_END

// SPDX-License-Identifier: Apache-2.0
//
// What a plan of a product does, in words, and why: for people who look for time.
#pragma once

#include <ia_nn/core/text.hpp>
#include <ia_nn/gemm/region.hpp>

#include <string>

#include <ia_nn/begin.hpp>

namespace detail {

/// What `describe_plan` is told of a product.
struct plan_facts {
  index_t m, n, k;
  int terms;
  index_t row_bytes; ///< from row to row of A
  bool converts;     ///< A is packed as another type
};

inline std::string kilobytes(index_t bytes) { return number_text(static_cast<f32>(bytes) / 1024) + " KB"; }

/// One sentence for each decision.
template <class Kernel> std::string describe_plan(blocking const& b, plan_facts const& f) {
  auto const text = [](index_t x) { return std::to_string(x); };
  using view = packed_view<typename Kernel::b_type, typename Kernel::panel_type>;
  index_t const groups = group_count<Kernel>(f.k), panels = Kernel::panel_type::panels(f.n);
  index_t const group_bytes = Kernel::kr_a * Kernel::nr * f.terms * static_cast<index_t>(sizeof(typename Kernel::b_type));
  std::string s = std::string(Kernel::is_amx ? "tiles" : "vectors") + " of " +
                  std::string(isa::name<typename Kernel::isa_type>()) + ", " + text(b.height) + " x " +
                  text(Kernel::nr * Kernel::panels_of_tile(b.height)) + " at a time";
  if (f.terms > 1) s += ", " + text(term_pair_count(f.terms)) + " products of bf16 terms";
  s += ".\n" + text(b.grid.rows) + " x " + text(b.grid.columns) + " tasks, rows in blocks of " + text(b.mc) + ".\n";
  if (b.chunk < b.kc)
    s += "k in chunks of " + text(b.chunk * Kernel::kr_a) + ": a panel of B has " + kilobytes(groups * group_bytes) +
         ", a chunk of it stays in L1.\n";
  else if (b.kc < groups)
    s += "k in blocks of " + text(b.kc * Kernel::kr_a) + ": a panel of B has " + kilobytes(groups * group_bytes) +
         ", a block of it stays in L2 beside A.\n";
  else s += "k as a whole: a panel of B has " + kilobytes(groups * group_bytes) + ".\n";
  if (f.converts) s += "A is packed: the kernel reads another type.\n";
  else if (Kernel::reads_rows(b.height, panels, f.k, f.row_bytes))
    s += std::string("A is read where it lies") +
         (Kernel::is_amx && f.k % Kernel::kr_a ? ", but for the end of its rows" : "") + ".\n";
  else s += "A is packed: " + text(panels) + " panels read it.\n";
  if constexpr (Kernel::is_amx) {
    view v;
    v.k = f.k, v.n = f.n;
    s += f.terms == 1 && Kernel::comes_from_far(v, b.l2)
             ? "B is fetched ahead: its " + kilobytes(panels * groups * group_bytes) + " do not stay in L2.\n"
             : "B is not fetched ahead.\n";
  }
  return s;
}

} // namespace detail

IA_NN_END

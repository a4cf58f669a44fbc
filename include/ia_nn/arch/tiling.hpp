// SPDX-License-Identifier: Apache-2.0
//
// tiling<I, A, B>: rows and vectors of the register tile, chosen so that the accumulators, the held
// operand and one more fit the registers of I:
//
//   rows * vectors + vectors * b_registers + a_registers + temporaries <= registers
#pragma once

#include <ia_nn/arch/dot.hpp>

#include <ia_nn/begin.hpp>

/// Architectural vector registers. The scalar ISA has 16 as well, but its tile is free to spill.
template <isa::tag I>
inline constexpr int vector_registers = isa::has<I, isa::avx512> ? 32 : isa::has<I, isa::avx2> ? 16 : 64;

template <isa::tag I, element A, element B> struct tiling {
  using dot_type = dot<I, A, B>;
  static constexpr int vectors = isa::has<I, isa::avx2> ? 2 : 4;
  static constexpr int nr = vectors * dot_type::width;
  static constexpr int kr = dot_type::kr;
  // Even, so that a matrix of any number of rows wastes at most one row of one tile.
  static constexpr int fitting_rows = (vector_registers<I> - vectors * dot_type::b_registers -
                                       dot_type::a_registers - dot_type::temporaries) /
                                      vectors / 2 * 2;
  static constexpr int rows = isa::has<I, isa::avx2> ? fitting_rows : 4;
  static constexpr int few_rows = 3; ///< up to so many rows take the bandwidth-bound path
};

IA_NN_END

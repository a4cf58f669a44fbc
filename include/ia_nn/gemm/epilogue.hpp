// SPDX-License-Identifier: Apache-2.0
//
// What happens to an accumulator between the last product and the store: a chain of stages, each a
// function of a register and of its place in C.
//
//   chain{add_bias{b}, relu{}}                       acc -> acc + b[column] -> relu -> store
//   chain{scale_columns{s}, [](auto v) { return v * v; }}
//   chain{[=](auto v, auto at) { return v + at.template matrix<decltype(v)>(r, ld); }}
//
// A stage takes (v) or (v, at); v is a vec<f32, I>, or a vec<s32, I> until some stage
// converts it; stages that know f32 only get integers converted.
// `at` says which row and columns the lanes are and loads operands for them, tails included.
#pragma once

#include <ia_nn/arch/lanes.hpp>

#include <ia_nn/begin.hpp>

/// Where the lanes of one register lie in C: row `row`, columns column .. column + lanes.count - 1.
/// Whole is true if all lanes exist.
template <bool Whole> struct tile_position {
  static constexpr bool whole = Whole;
  index_t row, column;
  detail::lanes<Whole> lanes;

  /// p[column] for every lane: biases, scales per column.
  template <vector_register V, class T> IA_NN_INLINE V columns(T const* p) const noexcept {
    return lanes.template load<V>(p + column);
  }
  /// p[row][column] of a matrix with ld elements per row: residuals, factors.
  template <vector_register V, class T> IA_NN_INLINE V matrix(T const* p, index_t ld) const noexcept {
    return columns<V>(p + row * ld);
  }
};

namespace detail {

template <vector_register V> IA_NN_INLINE auto as_f32(V v) noexcept {
  if constexpr (std::same_as<typename V::value_type, f32>) return v;
  else return to_f32(v);
}

template <class S, class V, class At> IA_NN_INLINE auto apply_stage(S const& s, V v, At at) noexcept {
  if constexpr (requires { s(v, at); }) return s(v, at);
  else if constexpr (requires { s(v); }) return s(v);
  else {
    static_assert(std::same_as<typename V::value_type, s32> &&
                      (requires { s(as_f32(v)); } || requires { s(as_f32(v), at); }),
                  "ia_nn: an epilogue stage must be callable with a register, or with a register "
                  "and its tile_position");
    return apply_stage(s, as_f32(v), at);
  }
}

} // namespace detail

/// Stages, applied from left to right. An empty chain stores the accumulator as it is.
template <class... Stages> struct chain {
  static constexpr bool empty = true;
  template <class V, class At> IA_NN_INLINE V operator()(V v, At) const noexcept { return v; }
};

template <class First, class... Rest> struct chain<First, Rest...> {
  static constexpr bool empty = false;
  First first;
  chain<Rest...> rest;

  constexpr explicit chain(First f, Rest... r) : first(f), rest(r...) {}
  template <class V, class At> IA_NN_INLINE auto operator()(V v, At at) const noexcept {
    return rest(detail::apply_stage(first, v, at), at);
  }
};
template <class... Stages> chain(Stages...) -> chain<Stages...>;

namespace detail {

/// s32 numbers that a stage has already brought into the range of the 8-bit result: stored without
/// another look at them. For the last stage of a chain.
template <class V> struct in_byte_range {
  V v;
};
template <class V, byte_element T, bool Whole>
IA_NN_INLINE void store_result(in_byte_range<V> x, T* p, lanes<Whole> at) noexcept {
  at.store_low(x.v, p);
}

/// Chains whose results are bytes already, on registers that store two rows of them at once.
template <class V, class Epilogue, class C>
concept byte_rows = byte_element<C> && requires(V v, V const (&rows)[2][2], Epilogue const& e, C* c) {
  { e(v, tile_position<true>{}).v } -> std::convertible_to<V>;
  V::store_low_rows(rows, c, c);
};

// v as T at p: s32 registers keep their bits for s32, anything else goes through f32.
template <class V, class T, bool Whole>
IA_NN_INLINE void store_result(V v, T* p, lanes<Whole> at) noexcept {
  if constexpr (std::same_as<typename V::value_type, T> || std::same_as<typename V::value_type, f32>)
    at.store(v, p);
  else at.store(to_f32(v), p);
}

/// N rows of results, ldc apart: registers that are rounded are looked at together.
template <int N, class V, class T>
IA_NN_INLINE void store_results(V const (&rows)[N], T* p, index_t ldc) noexcept {
  if constexpr (requires { V::store_rows(rows, p, ldc); }) V::store_rows(rows, p, ldc);
  else
    IA_NN_UNROLL for (int i = 0; i < N; ++i) store_result(rows[i], p + i * ldc, lanes<true>{V::size});
}

/// Types whose results may be stored past the caches.
template <class C> concept streamable = std::same_as<C, f32> || std::same_as<C, bf16>;

/// What a chain makes of a register of sums.
template <class Epilogue, class V>
using result_in_f32 =
    decltype(as_f32(std::declval<Epilogue const&>()(std::declval<V>(), std::declval<tile_position<true>>())));
/// Registers of f32 of which two are stored as one of C.
template <class C, class V>
concept stores_both = requires(C* p, V v) {
  store_both(p, v, v);
  stream_both(p, v, v);
};

/// Takes a register of sums of a whole tile through the chain and stores it. (row, column) is the place
/// of the tile in C, c its element there, which is aligned to 64 bytes if it is streamed.
template <class Epilogue, class C> struct tile_finish {
  Epilogue epilogue; // a copy: a store through c cannot change it, and what it holds stays in registers
  index_t row, column;
  C* c;
  index_t ldc;
  bool streams;
  template <vector_register V> IA_NN_INLINE void operator()(int r, int j, V sums) const noexcept {
    tile_position<true> const at{row + r, column + j, V::size};
    if constexpr (streamable<C>)
      if (streams) return as_f32(epilogue(sums, at)).stream(c + r * ldc + j);
    store_result(epilogue(sums, at), c + r * ldc + j, at.lanes);
  }
  /// A whole row of two registers, which become one.
  template <vector_register V>
    requires stores_both<C, result_in_f32<Epilogue, V>>
  IA_NN_INLINE void both(int r, V a, V b) const noexcept {
    tile_position<true> const left{this->row + r, column, V::size}, right{this->row + r, column + V::size, V::size};
    auto const x = as_f32(epilogue(a, left)), y = as_f32(epilogue(b, right));
    if (streams) return stream_both(c + r * ldc, x, y);
    store_both(c + r * ldc, x, y);
  }
};

/// Runs the chain over a tile of accumulators (rows x columns, ld apart) and stores it to C, whose
/// element (row, column) of the whole matrix is c[0].
template <isa::tag I, class Acc, class Epilogue, class C>
IA_NN_INLINE void finish_tile(Acc const* acc, index_t ld, index_t rows, index_t columns, index_t row,
                              index_t column, Epilogue const& epilogue, C* c, index_t ldc) noexcept {
  using V = vec<Acc, I>;
  index_t first = 0;
  if constexpr (byte_rows<V, Epilogue, C>) {
    // Bytes of two rows at a time: the order of one register each costs twice the shuffles.
    if (columns == 2 * V::size)
      for (; first + 2 <= rows; first += 2) {
        V row_of[2][2];
        IA_NN_UNROLL for (int i = 0; i < 2; ++i)
          IA_NN_UNROLL for (int j = 0; j < 2; ++j)
            row_of[i][j] = epilogue(V::load(acc + (first + i) * ld + j * V::size),
                                    tile_position<true>{row + first + i, column + j * V::size, V::size})
                               .v;
        V::store_low_rows(row_of, c + first * ldc, c + (first + 1) * ldc);
      }
  }
  for (index_t r = first; r < rows; ++r) {
    each_register<V>(0, columns, [&]<bool Whole>(index_t j, lanes<Whole> at) IA_NN_LAMBDA {
      V const sums = at.template load<V>(acc + r * ld + j);
      store_result(epilogue(sums, tile_position<Whole>{row + r, column + j, at}), c + r * ldc + j, at);
    });
  }
}

} // namespace detail

IA_NN_END

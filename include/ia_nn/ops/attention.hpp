// SPDX-License-Identifier: Apache-2.0
//
// Scaled dot-product attention with several heads.
//
//   y[i] = sum over j of p[i][j] v[j]         p[i] = softmax over j of scale q[i] * k[j] + mask[i][j]
//
// Heads lie side by side in a row, as a dense layer gives them: q (batch, queries, heads * width), k and v
// (batch, keys, ...). A task is one head of one item, or every n-th block of its queries:
//
//   pack k and v of the head                                      once for all its queries
//     block of 64 queries
//       block of 128 keys          s = q transpose(k)             both products on the kernels of gemm
//                                  m' = max(m, s), p = e^(s - m')
//                                  o = o e^(m - m') + p v, l = l e^(m - m') + sum of p
//       y = o / l
//
// so that no matrix of queries by keys is in memory, and what there is of it stays in L1. Keys that nobody
// in a block of queries attends to are not multiplied. With bf16, p is rounded to it; m, l, and o are f32.
#pragma once

#include <ia_nn/core/text.hpp>
#include <ia_nn/gemm/gemm.hpp>
#include <ia_nn/math/exp.hpp>

#include <cmath>
#include <cstring>
#include <vector>

#include <ia_nn/begin.hpp>

/// A head has `width` columns in q and k, `value_width` in v and in the result.
struct attention_shape {
  index_t heads = 1, queries = 1, keys = 1;
  index_t width = 1;
  index_t value_width = 0; ///< 0: width
};

struct attention_options {
  bool causal = false;      ///< query i attends to keys 0 .. i + first_query
  index_t first_query = 0;  ///< the position of query 0 among the keys
  f32 scale = 0;            ///< 0: 1 / sqrt(width)
  index_t max_batch = 1;
  int workers = 1;
};

/// What one call reads and writes. Rows of an item are *_ld elements apart, 0: dense; items follow each
/// other, queries or keys rows apart.
template <element E, element C = E> struct attention_call {
  index_t batch = 1;
  E const* q = nullptr;
  E const* k = nullptr;
  E const* v = nullptr;
  C* dst = nullptr;
  index_t q_ld = 0, k_ld = 0, v_ld = 0, dst_ld = 0;
  /// Added to scale q k, -inf hides a key: element (item, head, query, key) is at item * mask_item +
  /// head * mask_head + query * mask_query + key; a distance of 0 repeats. Null: none.
  E const* mask = nullptr;
  index_t mask_item = 0, mask_head = 0, mask_query = 0;
  /// How many keys item b has; more are taken for all, less than none for none. The rest is not read.
  s32 const* lengths = nullptr;
};

/// A row of queries that may attend to nothing (all its keys are hidden) gives zeros.
///
/// Errors at construction: errc::bad_shape (extents below 1 or too large), errc::bad_parameter (a scale that
/// is not positive and finite, workers or max_batch below 1), errc::unsupported_isa. The same bits for any
/// executor.
template <isa::tag I, element E = f32, element C = E> class attention {
  static_assert(std::same_as<E, f32> || std::same_as<E, bf16>, "ia_nn: attention: operands are f32 or bf16");
  using product = gemm<I, E, E, f32>;
  using view_type = typename product::weights_view;
  using panel_type = typename view_type::panel_type;
  using V = vec<f32, I>;
  static constexpr index_t most_rows = 64, most_keys = 128;
  static_assert(most_keys % panel_type::nr == 0);

public:
  explicit attention(attention_shape const& s, attention_options const& o = {})
      : s_(checked(s, o)), o_(o), rows_(min_of(most_rows, s_.queries)), keys_(min_of(most_keys, s_.keys)),
        plans_{{plans(rows_, keys_), plans(rows_, rest(s_.keys, keys_))},
               {plans(rest(s_.queries, rows_), keys_), plans(rest(s_.queries, rows_), rest(s_.keys, keys_))}} {
    if (o_.scale == 0) o_.scale = static_cast<f32>(1 / std::sqrt(static_cast<double>(s_.width)));
  }

  attention_shape const& shape() const noexcept { return s_; }
  f32 scale() const noexcept { return o_.scale; }
  index_t workspace_bytes() const noexcept { return o_.workers * layout(s_, rows_, keys_, product_bytes()).total; }

  template <executor X = sequential>
  void run(attention_call<E, C> const& c, workspace_view scratch, X&& e = {}) const noexcept {
    if (c.batch <= 0) return;
    IA_NN_REQUIRE(c.batch <= o_.max_batch, "attention: a batch of ", c.batch, ", planned for at most ", o_.max_batch);
    IA_NN_REQUIRE(scratch.holds(workspace_bytes()), "attention: a workspace of ", scratch.size, " bytes, run needs ",
                  workspace_bytes(), " aligned to 64 bytes");
    IA_NN_ASSERT(c.q && c.k && c.v && c.dst, "attention: an operand is null");
    index_t const heads = c.batch * s_.heads, blocks = ceil_div(s_.queries, rows_);
    index_t const parts = min_of(blocks, ceil_div(o_.workers, heads)); // of a head: each packs its keys
    index_t const bytes = workspace_bytes() / o_.workers;
    run_tasks(e, o_.workers, heads * parts, [&](index_t task, int worker) {
      run_head(c, task / parts / s_.heads, task / parts % s_.heads, {task % parts, blocks}, parts,
               scratch.data + worker * bytes);
    });
  }

private:
  struct block_plans {
    product scores, first, more; ///< q k; p v that is written, that is added
  };
  /// Of one worker, in bytes.
  struct layout {
    index_t values, scores, shares, sums, state, products, total;
    layout(attention_shape const& s, index_t rows, index_t keys, index_t product_bytes) noexcept {
      auto const cells = [](index_t n, std::size_t size) { return round_up(n * static_cast<index_t>(size), 64); };
      values = cells(panel_type::template size<E>(s.width, s.keys), sizeof(E));
      scores = values + ceil_div(s.keys, keys) * cells(panel_type::template size<E>(keys, s.value_width), sizeof(E));
      shares = scores + cells(rows * keys, 4);
      sums = shares + (std::same_as<E, f32> ? 0 : cells(rows * keys, sizeof(E)));
      state = sums + cells(rows * s.value_width, 4);
      products = state + cells(3 * rows, 4);
      total = products + round_up(product_bytes, 64);
    }
  };
  struct row_state {
    f32 highest, total;
  };

  static attention_shape checked(attention_shape s, attention_options const& o) {
    if (s.value_width == 0) s.value_width = s.width;
    for (index_t const n : {s.heads, s.queries, s.keys, s.width, s.value_width})
      if (n < 1)
        throw_error(errc::bad_shape, "attention: heads, queries, keys and widths must be at least 1, one is " +
                                         std::to_string(n));
    ::ia_nn::shape<dyn, dyn, dyn, dyn> const all(o.max_batch < 0 ? 0 : o.max_batch, s.heads, max_of(s.queries, s.keys) + most_keys,
                                         max_of(s.width, s.value_width) + 64); // throws when it overflows
    static_cast<void>(all);
    if (o.max_batch < 1 || o.workers < 1)
      throw_error(errc::bad_parameter, "attention: max_batch is " + std::to_string(o.max_batch) + ", workers is " +
                                           std::to_string(o.workers) + ", both must be at least 1");
    if (!(o.scale >= 0 && o.scale < detail::infinity))
      throw_error(errc::bad_parameter, "attention: scale is " + detail::number_text(o.scale));
    return s;
  }
  static index_t rest(index_t n, index_t each) noexcept { return n % each == 0 ? each : n % each; }
  block_plans plans(index_t rows, index_t keys) const {
    return {product(rows, keys, s_.width), product(rows, s_.value_width, keys),
            product(rows, s_.value_width, keys, 1, {.accumulate = true})};
  }
  index_t product_bytes() const noexcept {
    index_t most = 0;
    for (auto const& by_rows : plans_)
      for (block_plans const& p : by_rows)
        most = max_of(most, max_of(p.scores.workspace_bytes(),
                                   max_of(p.first.workspace_bytes(), p.more.workspace_bytes())));
    return most;
  }

  /// B (k x n) as panels; of k only `some` values are there, the others are zeros.
  static void pack(E* to, E const* from, index_t k_stride, index_t n_stride, index_t k, index_t some,
                   index_t n) noexcept {
    index_t const stride = panel_type::template stride<E>(k), panels = panel_type::panels(n);
    if (some < k) std::memset(static_cast<void*>(to), 0, static_cast<std::size_t>(panels * stride) * sizeof(E));
    detail::panel_packer<panel_type, detail::packing_isa<I, panel_type::nr>, 1, E, E>{
        to, stride, 0, from, k_stride, n_stride, some, n, false}
        .run();
  }

  /// Blocks of queries begin, begin + step, ... of one head.
  void run_head(attention_call<E, C> const& c, index_t item, index_t head, block blocks, index_t step,
                std::byte* memory) const noexcept {
    layout const at(s_, rows_, keys_, product_bytes());
    index_t const q_ld = c.q_ld ? c.q_ld : s_.heads * s_.width, k_ld = c.k_ld ? c.k_ld : s_.heads * s_.width;
    index_t const v_ld = c.v_ld ? c.v_ld : s_.heads * s_.value_width,
                  dst_ld = c.dst_ld ? c.dst_ld : s_.heads * s_.value_width;
    E const* const q = c.q + item * s_.queries * q_ld + head * s_.width;
    E const* const k = c.k + item * s_.keys * k_ld + head * s_.width;
    E const* const v = c.v + item * s_.keys * v_ld + head * s_.value_width;
    C* const dst = c.dst + item * s_.queries * dst_ld + head * s_.value_width;
    E const* const mask = c.mask ? c.mask + item * c.mask_item + head * c.mask_head : nullptr;
    index_t const here = c.lengths ? max_of(0, min_of(s_.keys, index_t{c.lengths[item]})) : s_.keys;

    // Blocks of keys that are there at all; columns behind the last key are zeros.
    E* const keys = reinterpret_cast<E*>(memory);
    index_t const key_stride = panel_type::template stride<E>(s_.width), all = ceil_div(here, keys_);
    index_t const value_cells = round_up(panel_type::template size<E>(keys_, s_.value_width) * index_t{sizeof(E)}, 64) / index_t{sizeof(E)};
    E* const values = reinterpret_cast<E*>(memory + at.values);
    if (here > 0) {
      index_t const packed = panel_type::panels(here), wanted = panel_type::panels(min_of(all * keys_, s_.keys));
      pack(keys, k, 1, k_ld, s_.width, s_.width, here);
      std::memset(static_cast<void*>(keys + packed * key_stride), 0,
                  static_cast<std::size_t>((wanted - packed) * key_stride) * sizeof(E));
    }
    for (index_t b = 0; b < all; ++b) {
      index_t const first = b * keys_, count = min_of(keys_, s_.keys - first);
      pack(values + b * value_cells, v + first * v_ld, v_ld, 1, count, min_of(count, here - first), s_.value_width);
    }

    for (index_t b = blocks.begin; b < blocks.end; b += step) {
      index_t const row = b * rows_, rows = min_of(rows_, s_.queries - row);
      index_t const last = o_.causal ? max_of(0, min_of(here, row + rows + o_.first_query)) : here;
      row_state* const state = reinterpret_cast<row_state*>(memory + at.state);
      f32* const scores = reinterpret_cast<f32*>(memory + at.scores);
      f32* const sums = reinterpret_cast<f32*>(memory + at.sums);
      E* const shares = std::same_as<E, f32> ? reinterpret_cast<E*>(scores) : reinterpret_cast<E*>(memory + at.shares);
      workspace_view const scratch{memory + at.products, at.total - at.products};
      for (index_t r = 0; r < rows; ++r) state[r] = {-detail::infinity, 0};
      for (index_t first = 0; first < last; first += keys_) {
        index_t const count = min_of(keys_, s_.keys - first);
        block_plans const& p = plans_[rows < rows_ ? 1 : 0][count < keys_ ? 1 : 0];
        view_type view;
        view.data = keys + first / panel_type::nr * key_stride, view.k = s_.width, view.n = count;
        p.scores.run(q + row * q_ld, q_ld, view, scores, keys_, chain<>{}, scratch);
        for (index_t r = 0; r < rows; ++r) {
          index_t const end = o_.causal ? min_of(last, row + r + o_.first_query + 1) : last;
          index_t const seen = max_of(0, min_of(count, end - first));
          f32* const s = scores + r * keys_;
          f32 factor = o_.scale;
          if (mask) {
            add_mask(s, mask + (row + r) * c.mask_query + first, seen, factor);
            factor = 1;
          }
          f32 const correction = share(s, shares + r * keys_, seen, count, factor, state[r]);
          if (first > 0 && correction != 1) multiply(sums + r * s_.value_width, s_.value_width, correction);
        }
        view_type by;
        by.data = values + first / keys_ * value_cells, by.k = count, by.n = s_.value_width;
        (first > 0 ? p.more : p.first).run(shares, keys_, by, sums, s_.value_width, chain<>{}, scratch);
      }
      for (index_t r = 0; r < rows; ++r)
        divide(sums + r * s_.value_width, s_.value_width, last > 0 ? state[r].total : 0, dst + (row + r) * dst_ld);
    }
  }

  static void add_mask(f32* s, E const* mask, index_t n, f32 factor) noexcept {
    V const by = V::broadcast(factor);
    detail::each_register<V>(0, n, [&](index_t i, auto at) IA_NN_LAMBDA {
      at.store(fma(at.template load<V>(s + i), by, at.template load<V>(mask + i)), s + i);
    });
  }

  /// p = e^(factor s - m'), zeros behind the first n; p may be s. Returns e^(m - m'), the factor of what there is.
  static f32 share(f32* s, E* p, index_t n, index_t all, f32 factor, row_state& state) noexcept {
    V const lowest = V::broadcast(-detail::infinity);
    V m[4] = {lowest, lowest, lowest, lowest};
    index_t i = 0;
    for (; i + 4 * V::size <= n; i += 4 * V::size) {
      IA_NN_UNROLL
      for (int u = 0; u < 4; ++u) m[u] = max(m[u], V::load(s + i + u * V::size));
    }
    detail::each_register<V>(i, n, [&](index_t j, auto at) IA_NN_LAMBDA {
      m[0] = max(m[0], at.keep(at.template load<V>(s + j), lowest));
    });
    f32 const before = state.highest, here = highest_of(max(max(m[0], m[1]), max(m[2], m[3]))) * factor;
    f32 const most = here > before ? here : before, shift = most == -detail::infinity ? 0 : -most;
    V const by = V::broadcast(factor), less = V::broadcast(shift);
    // Rounding may leave the highest a little above 0.
    auto const power = [&](V x) IA_NN_LAMBDA { return detail::exp_nonpositive(min(V::zero(), fma(x, by, less))); };
    V sum[4] = {V::zero(), V::zero(), V::zero(), V::zero()};
    for (i = 0; i + 4 * V::size <= n; i += 4 * V::size) {
      IA_NN_UNROLL
      for (int u = 0; u < 4; ++u) {
        V const x = power(V::load(s + i + u * V::size));
        sum[u] = sum[u] + x;
        x.store(p + i + u * V::size);
      }
    }
    detail::each_register<V>(i, n, [&](index_t j, auto at) IA_NN_LAMBDA {
      V const x = at.keep(power(at.template load<V>(s + j)), V::zero());
      sum[0] = sum[0] + x;
      at.store(x, p + j);
    });
    for (i = n; i < all; ++i) p[i] = E{};
    f32 const correction = before == most ? 1 : before == -detail::infinity ? 0 : std::exp(before - most);
    state.total = state.total * correction + total_of((sum[0] + sum[1]) + (sum[2] + sum[3]));
    state.highest = most;
    return correction;
  }
  static IA_NN_INLINE f32 highest_of(V v) noexcept { return highest(v); }
  static IA_NN_INLINE f32 total_of(V v) noexcept { return sum(v); }
  static void multiply(f32* x, index_t n, f32 factor) noexcept {
    V const by = V::broadcast(factor);
    detail::each_register<V>(0, n, [&](index_t i, auto at) IA_NN_LAMBDA { at.store(at.template load<V>(x + i) * by, x + i); });
  }
  /// Zeros where there was nothing to attend to.
  static void divide(f32 const* x, index_t n, f32 total, C* y) noexcept {
    V const by = V::broadcast(total == 0 ? 0 : 1 / total);
    detail::each_register<V>(0, n, [&](index_t i, auto at) IA_NN_LAMBDA {
      at.store(total == 0 ? V::zero() : at.template load<V>(x + i) * by, y + i);
    });
  }

  attention_shape s_;
  attention_options o_;
  index_t rows_, keys_;
  block_plans plans_[2][2]; ///< by whole or last rows, whole or last keys
};

IA_NN_END

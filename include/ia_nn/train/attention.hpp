// SPDX-License-Identifier: Apache-2.0
//
// Training of attention (ops/attention.hpp). Of each head, with shares p and dp = diff_dst transpose(v):
//
//   diff_v    = transpose(p) diff_dst
//   ds        = p (dp - sum over keys of p dp)       diff_mask = ds
//   diff_q    = scale ds k
//   diff_k    = scale transpose(ds) q
//
// Shares are computed again from q and k, for 64 queries at a time: two matrices of 64 by keys are in memory.
// A head of an item is a task; where heads share a mask whose gradient is asked for, an item is.
#pragma once

#include <ia_nn/ops/attention.hpp>
#include <ia_nn/train/batched_matmul.hpp>

#include <ia_nn/begin.hpp>

/// One `backward`: the call, and its gradients, which have the shapes and distances of what they are for. q, k
/// and v, and their gradients, may be one array.
struct attention_backward_call {
  attention_call<f32> forward{}; ///< its dst is not read
  f32 const* diff_dst = nullptr; ///< rows dst_ld apart
  gradient diff_q{}, diff_k{}, diff_v{};
  gradient diff_mask{};
};

/// In f32. Errors at construction: those of attention.
template <isa::tag I> class attention_training {
  using product = detail::product_of_f32<I, f32>;
  using V = vec<f32, I>;
  static constexpr index_t most_rows = 64;

public:
  explicit attention_training(attention_shape const& s, attention_options const& o = {})
      : forward_(s, o), s_(forward_.shape()), o_(o), rows_(min_of(most_rows, s_.queries)),
        plans_{plans(rows_), plans(s_.queries % rows_ == 0 ? rows_ : s_.queries % rows_)} {}

  index_t workspace_bytes() const noexcept { return max_of(forward_.workspace_bytes(), o_.workers * bytes()); }

  template <executor X = sequential>
  void forward(attention_call<f32> const& c, workspace_view scratch, X&& e = {}) const noexcept {
    forward_.run(c, scratch, e);
  }
  template <executor X = sequential>
  void backward(attention_backward_call const& c, workspace_view scratch, X&& e = {}) const noexcept {
    IA_NN_REQUIRE(c.forward.batch <= o_.max_batch, "attention_training: a batch of ", c.forward.batch,
                  ", planned for at most ", o_.max_batch);
    IA_NN_REQUIRE(scratch.holds(workspace_bytes()), "attention_training: a workspace of ", scratch.size,
                  " bytes, run needs ", workspace_bytes(), " aligned to 64 bytes");
    bool const shared = c.diff_mask && c.forward.mask_head == 0;
    index_t const at_once = shared ? s_.heads : 1;
    run_tasks(e, o_.workers, c.forward.batch * s_.heads / at_once, [&](index_t task, int worker) {
      for (index_t h = task * at_once; h < (task + 1) * at_once; ++h)
        head(c, h / s_.heads, h % s_.heads, scratch.data + worker * bytes());
    });
  }

private:
  struct block_plans {
    product scores, shares, to_v, to_q, to_k;
  };
  block_plans plans(index_t rows) const {
    return {product(rows, s_.keys, s_.width, 1), product(rows, s_.keys, s_.value_width, 1),
            product(s_.keys, s_.value_width, rows, 1), product(rows, s_.width, s_.keys, 1),
            product(s_.keys, s_.width, rows, 1)};
  }
  index_t cells() const noexcept { return round_up(rows_ * s_.keys, 16); }
  index_t product_bytes() const noexcept {
    index_t most = 0;
    for (block_plans const& p : plans_)
      for (product const* const x : {&p.scores, &p.shares, &p.to_v, &p.to_q, &p.to_k}) most = max_of(most, x->workspace_bytes());
    return round_up(most, 64);
  }
  index_t bytes() const noexcept { return 2 * cells() * 4 + product_bytes(); }

  static void clear(gradient const& to, index_t rows, index_t columns, index_t ld) noexcept {
    if (!to || to.add) return;
    for (index_t r = 0; r < rows; ++r)
      std::memset(static_cast<void*>(to.data + r * ld), 0, static_cast<std::size_t>(columns) * sizeof(f32));
  }

  void head(attention_backward_call const& c, index_t item, index_t head, std::byte* memory) const noexcept {
    attention_call<f32> const& f = c.forward;
    auto const [heads, queries, keys, width, wide] = s_;
    index_t const q_ld = f.q_ld ? f.q_ld : heads * width, k_ld = f.k_ld ? f.k_ld : heads * width;
    index_t const v_ld = f.v_ld ? f.v_ld : heads * wide, dst_ld = f.dst_ld ? f.dst_ld : heads * wide;
    index_t const q_at = item * queries * q_ld + head * width, k_at = item * keys * k_ld + head * width,
                  v_at = item * keys * v_ld + head * wide;
    auto const moved = [](gradient g, index_t by) { return g ? gradient{g.data + by, g.add} : g; };
    gradient const dq = moved(c.diff_q, q_at), dk = moved(c.diff_k, k_at), dv = moved(c.diff_v, v_at);
    clear(dq, queries, width, q_ld), clear(dk, keys, width, k_ld), clear(dv, keys, wide, v_ld);
    index_t const mask_at = item * f.mask_item + head * f.mask_head;
    if (c.diff_mask && !c.diff_mask.add && (f.mask_head != 0 || head == 0))
      clear(moved(c.diff_mask, mask_at), f.mask_query ? queries : 1, keys, f.mask_query);
    index_t const here = f.lengths ? max_of(0, min_of(keys, index_t{f.lengths[item]})) : keys;
    f32* const p = reinterpret_cast<f32*>(memory);
    f32* const dp = p + cells();
    workspace_view const scratch{memory + 2 * cells() * 4, product_bytes()};
    sequential e;
    for (index_t row = 0; row < queries; row += rows_) {
      index_t const rows = min_of(rows_, queries - row);
      block_plans const& plan = plans_[rows < rows_ ? 1 : 0];
      f32 const *const q = f.q + q_at + row * q_ld, *const diff = c.diff_dst + (item * queries + row) * dst_ld + head * wide;
      plan.scores.run({q, q_ld, 1}, f.k + k_at, 1, k_ld, write_to(p), keys, scratch, e);
      plan.shares.run({diff, dst_ld, 1}, f.v + v_at, 1, v_ld, write_to(dp), keys, scratch, e);
      for (index_t r = 0; r < rows; ++r) {
        index_t const i = row + r, seen = o_.causal ? max_of(0, min_of(here, i + o_.first_query + 1)) : here;
        f32* const to_mask = c.diff_mask ? c.diff_mask.data + mask_at + i * f.mask_query : nullptr;
        slopes(p + r * keys, dp + r * keys, seen, f.mask ? f.mask + mask_at + i * f.mask_query : nullptr, to_mask);
      }
      if (dv) plan.to_v.run({p, 1, keys}, diff, dst_ld, 1, add_to(dv.data), v_ld, scratch, e);
      if (dq) plan.to_q.run({dp, keys, 1}, f.k + k_at, k_ld, 1, add_to(dq.data + row * q_ld), q_ld, scratch, e);
      if (dk) plan.to_k.run({dp, 1, keys}, q, q_ld, 1, add_to(dk.data), k_ld, scratch, e);
    }
  }

  /// p from scores to shares, dp to scale ds; zeros for keys that are not seen.
  void slopes(f32* p, f32* dp, index_t seen, f32 const* mask, f32* to_mask) const noexcept {
    f32 const scale = forward_.scale();
    f32 most = -detail::infinity;
    double total = 0, mean = 0;
    V const by = V::broadcast(scale);
    detail::each_register<V>(0, seen, [&](index_t i, auto at) IA_NN_LAMBDA {
      V x = at.template load<V>(p + i) * by;
      if (mask) x = x + at.template load<V>(mask + i);
      at.store(x, p + i);
    });
    for (index_t i = 0; i < seen; ++i) most = p[i] > most ? p[i] : most;
    if (most == -detail::infinity) seen_none(p, dp, seen);
    V const less = V::broadcast(most == -detail::infinity ? 0 : most);
    if (most != -detail::infinity)
      detail::each_register<V>(0, seen, [&](index_t i, auto at) IA_NN_LAMBDA {
        at.store(detail::exp_nonpositive(min(V::zero(), at.template load<V>(p + i) - less)), p + i);
      });
    for (index_t i = 0; i < seen; ++i) total += static_cast<double>(p[i]);
    V const share = V::broadcast(total == 0 ? 0 : static_cast<f32>(1 / total));
    detail::each_register<V>(0, seen, [&](index_t i, auto at) IA_NN_LAMBDA { at.store(at.template load<V>(p + i) * share, p + i); });
    for (index_t i = 0; i < seen; ++i) mean += static_cast<double>(p[i]) * static_cast<double>(dp[i]);
    V const center = V::broadcast(static_cast<f32>(mean));
    detail::each_register<V>(0, seen, [&](index_t i, auto at) IA_NN_LAMBDA {
      V const ds = at.template load<V>(p + i) * (at.template load<V>(dp + i) - center);
      if (to_mask) at.store(at.template load<V>(to_mask + i) + ds, to_mask + i);
      at.store(ds * by, dp + i);
    });
    for (index_t i = seen; i < s_.keys; ++i) p[i] = dp[i] = 0;
  }
  static void seen_none(f32* p, f32* dp, index_t seen) noexcept {
    for (index_t i = 0; i < seen; ++i) p[i] = dp[i] = 0;
  }

  attention<I> forward_;
  attention_shape s_;
  attention_options o_;
  index_t rows_;
  block_plans plans_[2];
};

IA_NN_END

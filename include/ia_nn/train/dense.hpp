// SPDX-License-Identifier: Apache-2.0
//
// Training of a fully connected layer, whose weights change after each batch.
//
//   dst          (m, n) = src (m, k) * transpose(weights (n, k)) + bias (n)
//   diff_src     (m, k) = diff_dst * weights
//   diff_weights (n, k) = transpose(diff_dst) * src
//   diff_bias    (n)    = sum of the rows of diff_dst
//
// The weights stay as the caller has them and are packed in each call. Rows of the batch are the
// inner dimension of diff_weights; they are multiplied in blocks of a fixed size, the last of which
// is filled up with zeros in the workspace. Where products are of bf16, the left operand is rounded to
// the workspace first, the right one where it is packed.
#pragma once

#include <ia_nn/gemm/gemm.hpp>
#include <ia_nn/gemm/stages.hpp>
#include <ia_nn/train/column_sums.hpp>
#include <ia_nn/train/slope_tail.hpp>

#include <ia_nn/begin.hpp>

/// A layer of `inputs` k and `outputs` n for at most max_rows rows m.
struct dense_training_shape {
  index_t inputs = 1, outputs = 1, max_rows = 1;
};

/// One `backward`. The gradients have the shapes of what they are for.
struct dense_backward_call {
  index_t rows = 0;
  f32 const* src = nullptr;      ///< (rows, inputs); may be null without diff_weights
  f32 const* diff_dst = nullptr; ///< (rows, outputs)
  f32 const* weights = nullptr;  ///< (outputs, inputs); may be null without diff_src
  gradient diff_src{};
  gradient diff_weights{};
  gradient diff_bias{};
};

/// All matrices are f32, row-major without gaps; weights are (outputs, inputs), as PyTorch has them.
/// Products are of type E: with bf16 both operands are rounded to it, and sums are f32.
///
/// Errors at construction: errc::bad_shape for extents below 1 (and those of `gemm`),
/// errc::bad_parameter for workers below 1, errc::unsupported_isa.
template <isa::tag I, element E = f32> class dense_training {
  static_assert(std::same_as<E, f32> || std::same_as<E, bf16>,
                "ia_nn: dense_training: products are of f32 or bf16");
  using V = vec<f32, I>;
  using product = gemm<I, E, E, f32>;
  static constexpr bool rounds = !std::same_as<E, f32>;

public:
  explicit dense_training(dense_training_shape const& s, int workers = 1)
      : s_((check(s, workers), s)), block_(ceil_div(s.max_rows, ceil_div(s.max_rows, 256))),
        forward_(s.max_rows, s.outputs, s.inputs, workers),
        weights_{product(s.outputs, s.inputs, block_, workers),
                 product(s.outputs, s.inputs, block_, workers, {.accumulate = true})},
        src_{product(s.max_rows, s.inputs, s.outputs, workers),
             product(s.max_rows, s.inputs, s.outputs, workers, {.accumulate = true})} {}

  dense_training_shape const& shape() const noexcept { return s_; }
  index_t workspace_bytes() const noexcept {
    index_t most = rounded_bytes(s_.max_rows, s_.inputs) + forward_.workspace_bytes_unpacked();
    index_t const operands = operand_bytes(block_, s_.outputs) + detail::f32_bytes(block_ * s_.inputs);
    for (int i = 0; i < 2; ++i) {
      most = max_of(most, rounded_bytes(s_.max_rows, s_.outputs) + src_[i].workspace_bytes_unpacked());
      most = max_of(most, operands + weights_[i].workspace_bytes_unpacked());
    }
    return max_of(most, detail::f32_bytes(detail::column_sum_cells(s_.outputs)));
  }

  /// dst = src * transpose(weights) + bias; bias may be null.
  template <executor X = sequential>
  void forward(index_t rows, f32 const* src, f32 const* weights, f32 const* bias, f32* dst,
               workspace_view scratch, X&& e = {}) const noexcept {
    if (rows <= 0) return;
    IA_NN_REQUIRE(rows <= s_.max_rows, "dense_training: ", rows,
                  " rows, planned for at most ", s_.max_rows);
    IA_NN_REQUIRE(scratch.holds(workspace_bytes()), "dense_training: a workspace of ", scratch.size,
                  " bytes, run needs ", workspace_bytes(), " aligned to 64 bytes");
    product const plan = forward_.with_rows(rows);
    E const* const a = operand(rows, rows, s_.inputs, src, scratch.data, e);
    workspace_view const rest = behind(scratch, rounded_bytes(s_.max_rows, s_.inputs));
    if (bias)
      plan.run_unpacked({a, operand_ld(s_.inputs), 1}, weights, 1, s_.inputs, dst, s_.outputs,
                        chain{add_bias{bias}}, rest, e);
    else
      plan.run_unpacked({a, operand_ld(s_.inputs), 1}, weights, 1, s_.inputs, dst, s_.outputs, chain<>{},
                        rest, e);
  }

  /// With a tail (train/slope_tail.hpp): diff_src = slope(value, gradient), or is added that.
  template <class Tail, executor X = sequential>
    requires detail::is_tail<Tail>
  void backward(dense_backward_call const& call, Tail const& tail, workspace_view scratch,
                X&& e = {}) const noexcept {
    auto const [rows, src, diff_dst, weights, diff_src, diff_weights, diff_bias] = call;
    IA_NN_REQUIRE(rows >= 0 && rows <= s_.max_rows, "dense_training: ", rows,
                  " rows, planned for at most ", s_.max_rows);
    IA_NN_REQUIRE(scratch.holds(workspace_bytes()), "dense_training: a workspace of ", scratch.size,
                  " bytes, run needs ", workspace_bytes(), " aligned to 64 bytes");
    if (diff_bias) {
      auto const add = [&](index_t r, index_t c, auto at, V(&s)[1]) IA_NN_LAMBDA {
        s[0] = s[0] + at.template load<V>(diff_dst + r * s_.outputs + c);
      };
      auto const finish = [&](index_t c, auto at, V const(&total)[1])
                              IA_NN_LAMBDA { detail::deliver(at, total[0], diff_bias, c); };
      detail::sum_columns<I, 1>(rows, s_.outputs, add, finish, reinterpret_cast<f32*>(scratch.data),
                                e);
    }
    if (diff_weights) weights_gradient(rows, src, diff_dst, diff_weights, scratch, e);
    if (diff_src && rows > 0) source_gradient(rows, diff_dst, weights, diff_src, tail, scratch, e);
  }
  template <executor X = sequential>
  void backward(dense_backward_call const& call, workspace_view scratch, X&& e = {}) const noexcept {
    backward(call, no_tail{}, scratch, e);
  }

private:
  static void check(dense_training_shape const& s, int workers) {
    detail::check_positive("dense_training", "inputs", s.inputs);
    detail::check_positive("dense_training", "outputs", s.outputs);
    detail::check_positive("dense_training", "max_rows", s.max_rows);
    detail::check_workers("dense_training", workers);
  }
  static workspace_view behind(workspace_view v, index_t bytes) noexcept {
    return {v.data + bytes, v.size - bytes};
  }

  // Left operands: rows of f32 as they are, or rounded to whole cache lines.
  static constexpr index_t operand_ld(index_t columns) noexcept {
    return rounds ? round_up(columns, detail::bf16_line) : columns;
  }
  static constexpr index_t operand_bytes(index_t rows, index_t columns) noexcept {
    return round_up(rows * operand_ld(columns) * index_t{sizeof(E)}, 64);
  }
  static constexpr index_t rounded_bytes(index_t rows, index_t columns) noexcept {
    return rounds ? operand_bytes(rows, columns) : 0;
  }
  // `wanted` rows, of which those behind the first `rows` are zero.
  template <executor X>
  static E const* operand(index_t rows, index_t wanted, index_t columns, f32 const* from, std::byte* memory,
                          X& e) noexcept {
    if constexpr (rounds) {
      index_t const ld = operand_ld(columns);
      E* const to = reinterpret_cast<E*>(memory);
      parallel_blocks(e, wanted, 16, [&](index_t begin, index_t end, int) {
        using lanes = detail::packing_isa<I, detail::bf16_line>;
        for (index_t r = begin; r < end; ++r)
          for (index_t c = 0; c < columns; c += detail::bf16_line) {
            index_t const n = r < rows ? min_of(detail::bf16_line, columns - c) : 0;
            detail::split_line<lanes, 1>(to + r * ld + c, 0, n > 0 ? from + r * columns + c : from, n);
          }
      });
      return to;
    } else {
      static_cast<void>(e);
      return rows == wanted ? from : filled_up(rows, wanted, columns, from, memory);
    }
  }
  static f32 const* filled_up(index_t rows, index_t wanted, index_t columns, f32 const* from,
                              std::byte* memory) noexcept {
    std::size_t const bytes = static_cast<std::size_t>(rows * columns) * sizeof(f32);
    __builtin_memcpy(memory, from, bytes);
    __builtin_memset(memory + bytes, 0,
                     static_cast<std::size_t>((wanted - rows) * columns) * sizeof(f32));
    return reinterpret_cast<f32 const*>(memory);
  }

  template <class Tail, executor X>
  void source_gradient(index_t rows, f32 const* diff_dst, f32 const* weights, gradient const& to,
                       Tail const& tail, workspace_view scratch, X& e) const noexcept {
    E const* const a = operand(rows, rows, s_.outputs, diff_dst, scratch.data, e);
    workspace_view const rest = behind(scratch, rounded_bytes(s_.max_rows, s_.outputs));
    auto const multiply = [&](product const& plan, auto const& stages) {
      plan.with_rows(rows).run_unpacked({a, operand_ld(s_.outputs), 1}, weights, s_.inputs, 1, to.data,
                                        s_.inputs, stages, rest, e);
    };
    // Without a tail the sums begin with what they are added to.
    if constexpr (std::same_as<Tail, no_tail>) multiply(src_[to.add ? 1 : 0], chain<>{});
    else multiply(src_[0], chain{detail::source_stage{tail, to}.at(0, s_.inputs)});
  }
  template <executor X>
  void weights_gradient(index_t rows, f32 const* src, f32 const* diff_dst, gradient const& to,
                        workspace_view scratch, X& e) const noexcept {
    bool add = to.add;
    if (rows == 0 && !add)
      __builtin_memset(static_cast<void*>(to.data), 0,
                       static_cast<std::size_t>(s_.inputs * s_.outputs) * sizeof(f32));
    std::byte* const other = scratch.data + operand_bytes(block_, s_.outputs);
    workspace_view const rest =
        behind(scratch, operand_bytes(block_, s_.outputs) + detail::f32_bytes(block_ * s_.inputs));
    for (index_t first = 0; first < rows; first += block_, add = true) {
      index_t const count = min_of(block_, rows - first);
      E const* const a = operand(count, block_, s_.outputs, diff_dst + first * s_.outputs, scratch.data, e);
      f32 const* b = src + first * s_.inputs;
      if (count < block_) b = filled_up(count, block_, s_.inputs, b, other);
      weights_[add ? 1 : 0].run_unpacked({a, 1, operand_ld(s_.outputs)}, b, s_.inputs, 1, to.data,
                                         s_.inputs, chain<>{}, rest, e);
    }
  }

  dense_training_shape s_;
  index_t block_;
  product forward_, weights_[2], src_[2];
};

IA_NN_END

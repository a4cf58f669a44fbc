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
// is filled up with zeros in the workspace.
#pragma once

#include <ia_nn/gemm/gemm.hpp>
#include <ia_nn/gemm/stages.hpp>
#include <ia_nn/train/column_sums.hpp>

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

/// All matrices are row-major without gaps; weights are (outputs, inputs), as PyTorch has them.
///
/// Errors at construction: errc::bad_shape for extents below 1 (and those of `gemm`),
/// errc::bad_parameter for workers below 1, errc::unsupported_isa.
template <isa::tag I> class dense_training {
  using V = vec<f32, I>;
  using product = gemm<I, f32, f32, f32>;

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
    index_t most = forward_.workspace_bytes_unpacked();
    for (int i = 0; i < 2; ++i) {
      most = max_of(most, src_[i].workspace_bytes_unpacked());
      most = max_of(most, last_block_bytes() + weights_[i].workspace_bytes_unpacked());
    }
    return max_of(most, detail::f32_bytes(detail::column_sum_cells(s_.outputs)));
  }

  /// dst = src * transpose(weights) + bias; bias may be null.
  template <executor E = sequential>
  void forward(index_t rows, f32 const* src, f32 const* weights, f32 const* bias, f32* dst,
               workspace_view scratch, E&& e = {}) const noexcept {
    if (rows <= 0) return;
    IA_NN_REQUIRE(rows <= s_.max_rows, "dense_training: ", rows,
                  " rows, planned for at most ", s_.max_rows);
    IA_NN_REQUIRE(scratch.holds(workspace_bytes()), "dense_training: a workspace of ", scratch.size,
                  " bytes, run needs ", workspace_bytes(), " aligned to 64 bytes");
    product const plan = forward_.with_rows(rows);
    if (bias)
      plan.run_unpacked({src, s_.inputs, 1}, weights, 1, s_.inputs, dst, s_.outputs,
                        chain{add_bias{bias}}, scratch, e);
    else
      plan.run_unpacked({src, s_.inputs, 1}, weights, 1, s_.inputs, dst, s_.outputs, chain<>{},
                        scratch, e);
  }

  template <executor E = sequential>
  void backward(dense_backward_call const& call, workspace_view scratch,
                E&& e = {}) const noexcept {
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
    if (diff_src && rows > 0)
      src_[diff_src.add ? 1 : 0].with_rows(rows).run_unpacked({diff_dst, s_.outputs, 1}, weights,
                                                              s_.inputs, 1, diff_src.data,
                                                              s_.inputs, chain<>{}, scratch, e);
  }

private:
  static void check(dense_training_shape const& s, int workers) {
    detail::check_positive("dense_training", "inputs", s.inputs);
    detail::check_positive("dense_training", "outputs", s.outputs);
    detail::check_positive("dense_training", "max_rows", s.max_rows);
    detail::check_workers("dense_training", workers);
  }
  index_t last_block_bytes() const noexcept {
    return detail::f32_bytes(block_ * s_.inputs) + detail::f32_bytes(block_ * s_.outputs);
  }
  template <executor E>
  void weights_gradient(index_t rows, f32 const* src, f32 const* diff_dst, gradient const& to,
                        workspace_view scratch, E& e) const noexcept {
    bool add = to.add;
    if (rows == 0 && !add)
      __builtin_memset(static_cast<void*>(to.data), 0,
                       static_cast<std::size_t>(s_.inputs * s_.outputs) * sizeof(f32));
    for (index_t first = 0; first < rows; first += block_, add = true) {
      index_t const count = min_of(block_, rows - first);
      f32 const* a = diff_dst + first * s_.outputs;
      f32 const* b = src + first * s_.inputs;
      if (count < block_) {
        a = filled_up(count, s_.outputs, a, scratch.data);
        b = filled_up(count, s_.inputs, b, scratch.data + detail::f32_bytes(block_ * s_.outputs));
      }
      weights_[add ? 1 : 0].run_unpacked(
          {a, 1, s_.outputs}, b, s_.inputs, 1, to.data, s_.inputs, chain<>{},
          {scratch.data + last_block_bytes(), scratch.size - last_block_bytes()}, e);
    }
  }
  f32 const* filled_up(index_t rows, index_t columns, f32 const* from,
                       std::byte* memory) const noexcept {
    std::size_t const bytes = static_cast<std::size_t>(rows * columns) * sizeof(f32);
    __builtin_memcpy(memory, from, bytes);
    __builtin_memset(memory + bytes, 0,
                     static_cast<std::size_t>((block_ - rows) * columns) * sizeof(f32));
    return reinterpret_cast<f32 const*>(memory);
  }

  dense_training_shape s_;
  index_t block_;
  product forward_, weights_[2], src_[2];
};

IA_NN_END

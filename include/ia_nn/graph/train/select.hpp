// SPDX-License-Identifier: Apache-2.0
//
// Training of where and of running sums. What a value is compared for has no gradient.
#pragma once

#include <ia_nn/graph/kernels/select.hpp>
#include <ia_nn/graph/train/elementwise.hpp>

#include <ia_nn/begin.hpp>
namespace graph {

template <training_id K, isa::tag I>
  requires(K.op == op::where.id)
struct training_kernel<K, native_kernels<I>> : plain_training {
  explicit training_kernel(training_layer const&) {}
  static void forward(training_call const& c) noexcept {
    ::ia_nn::where<registers>(call(c, operand(c, 0), operand(c, 1), operand(c, 2), c.result), *c.executor);
  }
  /// Sums over the elements that an operand is repeated for, each item by one worker.
  static void backward(training_call const& c) noexcept {
    if (gradient const x = c.diff_sources[0]; x && !x.add) fill(x.data, c.of.source(0).item() * c.images());
    for (int k = 1; k < 3; ++k) {
      gradient to = c.diff_sources[k];
      if (!to) continue;
      for (int before = 0; before < k; ++before) to.add = to.add || to.data == c.diff_sources[before].data;
      if (!to.add) fill(to.data, c.of.source(k).item() * c.images());
      where_operand const place = detail::placed_operand(c.shape(), c.of.source(k), to.data), x = operand(c, 0);
      index_t const columns = c.shape().last(), rows = c.rows() / c.images();
      comparison const is = c.of.attributes().is;
      f32 const number = c.of.attributes().number;
      c.executor->parallel_for(c.images(), [&](index_t i, int) {
        for (index_t r = 0; r < rows; ++r) {
          f32 const *const by = x.data + i * x.item + r * x.row, *const diff = c.diff_result + (i * rows + r) * columns;
          f32* const sum = to.data + i * place.item + r * place.row;
          for (index_t j = 0; j < columns; ++j)
            if (holds(is, by[j * x.column], number) == (k == 1)) sum[j * place.column] += diff[j];
        }
      });
    }
  }

private:
  using registers = detail::isa_of_f32<I>;
  static where_operand operand(training_call const& c, int k) noexcept {
    return detail::placed_operand(c.shape(), c.of.source(k), c.source(k));
  }
  static where_call call(training_call const& c, where_operand x, where_operand a, where_operand b, f32* dst) noexcept {
    return {.items = c.images(), .rows = c.rows() / c.images(), .columns = c.shape().last(), .x = x, .a = a, .b = b,
            .dst = dst, .is = c.of.attributes().is, .number = c.of.attributes().number};
  }
  static void fill(f32* p, index_t n) noexcept { __builtin_memset(p, 0, static_cast<std::size_t>(n) * sizeof(f32)); }
  static bool holds(comparison is, f32 x, f32 n) noexcept {
    switch (is) {
    case comparison::not_equal: return !(x == n);
    case comparison::equal: return x == n;
    case comparison::less: return x < n;
    case comparison::less_equal: return x <= n;
    case comparison::greater: return x > n;
    case comparison::greater_equal: return x >= n;
    }
    return false;
  }
};

/// Of a running sum: the running sum from the other end.
template <training_id K, isa::tag I>
  requires(K.op == op::cumulative_sum.id)
struct training_kernel<K, native_kernels<I>> : plain_training {
  explicit training_kernel(training_layer const& l)
      : axis_(l.source(), l.attributes().axis), size_(l.source().item() * l.images(l.source())),
        forward_(axis_.n, axis_.inner, {l.attributes().exclusive, l.attributes().backwards}),
        backward_(axis_.n, axis_.inner, {l.attributes().exclusive, !l.attributes().backwards}) {}
  index_t workspace_bytes() const noexcept { return ::ia_nn::detail::f32_bytes(size_); }
  void forward(training_call const& c) const noexcept {
    forward_.run(axis_.outer * c.images(), c.source(), c.result, *c.executor);
  }
  void backward(training_call const& c) const noexcept {
    f32* const sums = reinterpret_cast<f32*>(c.scratch.data);
    backward_.run(axis_.outer * c.images(), c.diff_result, sums, *c.executor);
    detail::pass_on<detail::isa_of_f32<I>>(c.size(), sums, c.diff_sources[0], *c.executor);
  }

private:
  detail::summed_axis axis_;
  index_t size_;
  ::ia_nn::cumulative_sum<detail::isa_of_f32<I>> forward_, backward_;
};

} // namespace graph
IA_NN_END

// SPDX-License-Identifier: Apache-2.0
//
// Training of operators on two values, of which one may be repeated over the other; of parameters and
// constants, which are values of their own.
#pragma once

#include <ia_nn/graph/layers/parameter.hpp>
#include <ia_nn/graph/layers/spread.hpp>
#include <ia_nn/graph/train/elementwise.hpp>
#include <ia_nn/ops/move.hpp>
#include <ia_nn/train/binary.hpp>

#include <ia_nn/begin.hpp>
namespace graph {

namespace detail {

constexpr binary_function binary_function_of(std::uint32_t op) {
  return op == op::add.id        ? binary_function::add
         : op == op::subtract.id ? binary_function::subtract
         : op == op::multiply.id ? binary_function::multiply
         : op == op::divide.id   ? binary_function::divide
         : op == op::minimum.id  ? binary_function::minimum
                                 : binary_function::maximum;
}
template <binary_function F, vector_register V> IA_NN_INLINE V binary_of(V a, V b) noexcept {
  if constexpr (F == binary_function::add) return a + b;
  else if constexpr (F == binary_function::subtract) return a - b;
  else if constexpr (F == binary_function::multiply) return a * b;
  else if constexpr (F == binary_function::divide) return a / b;
  else if constexpr (F == binary_function::minimum) return ::ia_nn::detail::minimum(a, b);
  else return ::ia_nn::detail::maximum(a, b);
}
inline operand_shape operand_shape_of(dims const& whole, dims const& part) noexcept {
  switch (spread_of(whole, part)) {
  case spread::channels:
    return operand_shape::row_of_image;
  case spread::rows:
    return operand_shape::element_of_row;
  case spread::items:
    return operand_shape::element_of_image;
  default:
    return operand_shape::whole;
  }
}

} // namespace detail

template <training_id K, isa::tag I>
  requires(K.op == op::add.id || K.op == op::subtract.id || K.op == op::multiply.id || K.op == op::divide.id ||
           K.op == op::minimum.id || K.op == op::maximum.id)
struct training_kernel<K, native_kernels<I>> : plain_training {
  explicit training_kernel(training_layer const& l)
      : a_(detail::operand_shape_of(l.layer.shape, l.source(0))),
        b_(detail::operand_shape_of(l.layer.shape, l.source(1))), rows_(rows_of(l.layer.shape)),
        backward_(f, rows_, l.layer.shape.last(), a_, b_) {}
  index_t workspace_bytes() const noexcept { return backward_.workspace_bytes(); }
  void forward(training_call const& c) const noexcept {
    f32 const *const a = c.source(0), *const b = c.source(1);
    auto const both = [](auto x, auto y) IA_NN_LAMBDA { return detail::binary_of<f>(x, y); };
    if (a_ == b_) return detail::map_elements<registers>(c.size(), c.result, *c.executor, both, a, b);
    index_t const columns = c.shape().last();
    parallel_blocks(*c.executor, c.rows(), ceil_div(::ia_nn::detail::elements_of_task, columns),
                    [&](index_t begin, index_t end, int) {
      for (index_t r = begin; r < end; ++r) {
        f32 const *const x = part(a, a_, r, columns), *const y = part(b, b_, r, columns);
        ::ia_nn::detail::each_register<V>(0, columns, [&](index_t i, auto at) IA_NN_LAMBDA {
          at.store(both(load(x, a_, i, at), load(y, b_, i, at)), c.result + r * columns + i);
        });
      }
    });
  }
  void backward(training_call const& c) const noexcept {
    gradient a = c.diff_sources[0], b = c.diff_sources[1];
    if (a.data == b.data) b.add = a.add, a.add = true; // x + x: the gradient of b is computed first
    backward_.run({.batch = c.rows() / rows_,
                   .a = c.source(0),
                   .b = c.source(1),
                   .diff_dst = c.diff_result,
                   .diff_a = a,
                   .diff_b = b},
                  c.scratch, *c.executor);
  }

private:
  using registers = detail::isa_of_f32<I>;
  using V = vec<f32, registers>;
  static constexpr binary_function f = detail::binary_function_of(K.op);

  static index_t rows_of(dims const& s) noexcept { return s.item() / s.last(); }
  /// Of row r of the result.
  f32 const* part(f32 const* p, operand_shape s, index_t r, index_t columns) const noexcept {
    switch (s) {
    case operand_shape::row_of_image:
      return p + r / rows_ * columns;
    case operand_shape::element_of_row:
      return p + r;
    case operand_shape::element_of_image:
      return p + r / rows_;
    default:
      return p + r * columns;
    }
  }
  template <class At> static IA_NN_INLINE V load(f32 const* p, operand_shape s, index_t i, At at) noexcept {
    bool const single = s == operand_shape::element_of_row || s == operand_shape::element_of_image;
    return single ? V::broadcast(*p) : at.template load<V>(p + i);
  }

  operand_shape a_, b_;
  index_t rows_;
  binary_backward<registers> backward_;
};

/// The same numbers for each item of the batch; their gradient is the sum over the items.
template <training_id K, isa::tag I>
  requires(K.op == op::parameter.id)
struct training_kernel<K, native_kernels<I>> : plain_training {
  explicit training_kernel(training_layer const& l)
      : item_(l.layer.shape.item()), planes_(l.attributes().reads == order::channels_first) {}
  index_t workspace_bytes() const noexcept {
    return ::ia_nn::detail::f32_bytes(item_) +
           ::ia_nn::detail::f32_bytes(::ia_nn::detail::column_sum_cells(item_));
  }
  void forward(training_call const& c) const noexcept {
    index_t const channels = c.shape().last();
    auto* const lies = reinterpret_cast<f32*>(c.scratch.data);
    f32 const* from = c.weights[0];
    if (planes_) {
      to_channels_last<registers>(1, channels, item_ / channels, from, lies);
      from = lies;
    }
    c.executor->parallel_for(c.images(), [&](index_t n, int) {
      __builtin_memcpy(c.result + n * item_, from, static_cast<std::size_t>(item_) * sizeof(f32));
    });
  }
  void backward(training_call const& c) const noexcept {
    index_t const channels = c.shape().last();
    auto* const sums = reinterpret_cast<f32*>(c.scratch.data);
    auto* const partial = reinterpret_cast<f32*>(c.scratch.data + ::ia_nn::detail::f32_bytes(item_));
    ::ia_nn::detail::sum_columns<registers, 1>(
        c.images(), item_,
        [&](index_t r, index_t i, auto at, V(&s)[1])
            IA_NN_LAMBDA { s[0] = s[0] + at.template load<V>(c.diff_result + r * item_ + i); },
        [&](index_t i, auto at, V const(&s)[1]) IA_NN_LAMBDA { at.store(s[0], sums + i); }, partial,
        *c.executor);
    f32 const* from = sums;
    if (planes_) { // the sums of parts are no longer needed
      to_channels_first<registers>(1, channels, item_ / channels, sums, partial);
      from = partial;
    }
    detail::pass_on<registers>(item_, from, c.diff_weights[0], *c.executor);
  }

private:
  using registers = detail::isa_of_f32<I>;
  using V = vec<f32, registers>;
  index_t item_;
  bool planes_;
};

template <training_id K, isa::tag I>
  requires(K.op == op::constant.id)
struct training_kernel<K, native_kernels<I>> : plain_training {
  explicit training_kernel(training_layer const&) {}
  static void forward(training_call const& c) noexcept {
    for (index_t i = 0; i < c.size(); ++i) c.result[i] = c.of.attributes().number;
  }
  static void backward(training_call const&) noexcept {}
};

} // namespace graph
IA_NN_END

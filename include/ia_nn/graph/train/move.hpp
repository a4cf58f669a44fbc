// SPDX-License-Identifier: Apache-2.0
//
// Training of what moves elements: concat, slice, transpose, pad; dropout; and look-ups in tables.
#pragma once

#include <ia_nn/graph/kernels/move.hpp>
#include <ia_nn/graph/layers/embedding.hpp>
#include <ia_nn/graph/train/kernel.hpp>
#include <ia_nn/ops/embedding.hpp>
#include <ia_nn/train/dropout.hpp>
#include <ia_nn/train/embedding.hpp>
#include <ia_nn/train/move.hpp>
#include <ia_nn/train/pad.hpp>

#include <ia_nn/begin.hpp>
namespace graph {

namespace detail {

/// The gradient of source k, moved back item by item.
template <class Backward> void move_back(Backward const& move, training_call const& c, int k) noexcept {
  index_t const from = c.of.source(k).item(), to = c.shape().item();
  gradient const diff = c.diff_sources[k];
  for_each_item(
      c.images(),
      [&](index_t i, auto& e) { move.run(c.diff_result + i * to, {diff.data + i * from, diff.add}, e); },
      *c.executor);
}

/// Moves within an item.
template <class Forward, class Backward> struct moved_items : plain_training {
  Forward forward_move;
  Backward backward_move;

  moved_items(Forward f, Backward b)
      : forward_move(static_cast<Forward&&>(f)), backward_move(static_cast<Backward&&>(b)) {}
  void forward(training_call const& c) const noexcept {
    index_t const from = c.of.source().item(), to = c.shape().item();
    f32 const number = c.of.attributes().number;
    for_each_item(
        c.images(),
        [&](index_t i, auto& e) {
          f32 const* const src = c.source() + i * from;
          if constexpr (std::same_as<Forward, ::ia_nn::pad>)
            forward_move.run(src, c.result + i * to, &number, e);
          else forward_move.run(src, c.result + i * to, e);
        },
        *c.executor);
  }
  void backward(training_call const& c) const noexcept {
    move_back(backward_move, c, 0);
  }
};

} // namespace detail

template <training_id K, isa::tag I>
  requires(K.op == op::transpose.id)
struct training_kernel<K, native_kernels<I>>
    : detail::moved_items<strided_move<detail::isa_of_f32<I>>, move_backward<detail::isa_of_f32<I>>> {
  explicit training_kernel(training_layer const& l) : training_kernel(l, axes_of(l)) {}

private:
  using registers = detail::isa_of_f32<I>;
  static std::array<int, 4> axes_of(training_layer const& l) {
    std::array<int, 4> a{};
    for (std::size_t d = 0; d + 1 < static_cast<std::size_t>(l.layer.shape.rank); ++d)
      a[d] = l.attributes().from_axis[d + 1] - 1;
    return a;
  }
  training_kernel(training_layer const& l, std::array<int, 4> const& axes)
      : training_kernel(detail::item_axes(l.source()), axes) {}
  training_kernel(detail::item_axes const& in, std::array<int, 4> const& axes)
      : detail::moved_items<strided_move<registers>, move_backward<registers>>(
            strided_move<registers>::transpose(4, in.extents(), {axes.data(), in.rank}),
            move_backward<registers>::transpose(in.extents(), {axes.data(), in.rank})) {}
};

template <training_id K, isa::tag I>
  requires(K.op == op::slice.id)
struct training_kernel<K, native_kernels<I>>
    : detail::moved_items<strided_move<detail::isa_of_f32<I>>, move_backward<detail::isa_of_f32<I>>> {
  explicit training_kernel(training_layer const& l)
      : training_kernel(detail::item_axes(l.source()), detail::item_axes(l.layer.shape), cut(l.attributes())) {}

private:
  using registers = detail::isa_of_f32<I>;
  struct slice_axes {
    index_t first[4]{}, step[4]{1, 1, 1, 1};
  };
  static slice_axes cut(attribute_set const& a) {
    slice_axes s;
    s.first[a.axis - 1] = a.first, s.step[a.axis - 1] = a.step;
    return s;
  }
  training_kernel(detail::item_axes const& in, detail::item_axes const& out, slice_axes const& s)
      : detail::moved_items<strided_move<registers>, move_backward<registers>>(
            strided_move<registers>::slice(4, in.extents(), {s.first, in.rank}, out.extents(),
                                           {s.step, in.rank}),
            move_backward<registers>::slice(in.extents(), {s.first, in.rank}, out.extents(),
                                            {s.step, in.rank})) {}
};

template <training_id K, isa::tag I>
  requires(K.op == op::pad.id)
struct training_kernel<K, native_kernels<I>>
    : detail::moved_items<::ia_nn::pad, pad_backward<detail::isa_of_f32<I>>> {
  explicit training_kernel(training_layer const& l)
      : training_kernel(detail::item_axes(l.source()), l.attributes()) {}

private:
  training_kernel(detail::item_axes const& in, attribute_set const& a)
      : detail::moved_items<::ia_nn::pad, pad_backward<detail::isa_of_f32<I>>>(
            ::ia_nn::pad(4, in.extents(), {a.front + 1, in.rank}, {a.back + 1, in.rank}, a.fill),
            pad_backward<detail::isa_of_f32<I>>(in.extents(), {a.front + 1, in.rank},
                                                {a.back + 1, in.rank}, a.fill)) {}
};

template <training_id K, isa::tag I>
  requires(K.op == op::concat.id)
struct training_kernel<K, native_kernels<I>> : plain_training {
  explicit training_kernel(training_layer const& l) {
    int const axis = l.attributes().axis;
    index_t const all = detail::size_from(l.layer.shape, axis);
    index_t before = 0;
    for (int k = 0; k < l.layer.inputs.count; ++k) {
      index_t const own = detail::size_from(l.source(k), axis), rows = l.source(k).item() / own;
      move_axis const axes[] = {{rows, all, own}, {own, 1, 1}};
      backward_.emplace_back(axes, rows * own, 0, before);
      before += own;
    }
  }
  void forward(training_call const& c) const noexcept {
    int const axis = c.of.attributes().axis;
    index_t const stride = detail::size_from(c.shape(), axis) * 4;
    index_t offset = 0;
    for (int k = 0; k < c.of.layer.inputs.count; ++k) {
      dims const& part = c.of.source(k);
      index_t const own = detail::size_from(part, axis), size = own * 4;
      detail::copy_rows(c.source<std::byte>(k), reinterpret_cast<std::byte*>(c.result) + offset,
                        part.item() / own * c.images(), size, stride, *c.executor);
      offset += size;
    }
  }
  void backward(training_call const& c) const noexcept {
    for (int k = 0; k < c.of.layer.inputs.count; ++k)
      if (c.diff_sources[k]) detail::move_back(backward_[static_cast<std::size_t>(k)], c, k);
  }

private:
  std::vector<move_backward<detail::isa_of_f32<I>>> backward_;
};

template <training_id K, isa::tag I>
  requires(K.op == op::dropout.id)
struct training_kernel<K, native_kernels<I>> : plain_training {
  explicit training_kernel(training_layer const& l) : mask_(l.attributes().number, l.seed) {}
  void forward(training_call const& c) const noexcept {
    mask_.run(c.size(), c.source(), c.result, c.round, *c.executor);
  }
  void backward(training_call const& c) const noexcept {
    dropout_backward(mask_, c.size(), c.diff_result, c.diff_sources[0], c.round, *c.executor);
  }

private:
  ::ia_nn::dropout<detail::isa_of_f32<I>> mask_;
};

template <training_id K, isa::tag I>
  requires(K.op == op::embedding.id)
struct training_kernel<K, native_kernels<I>> : plain_training {
  explicit training_kernel(training_layer const& l)
      : backward_({.rows = l.attributes().table_rows, .width = l.attributes().width}) {}
  static void forward(training_call const& c) noexcept {
    index_t const width = c.of.attributes().width;
    f32 const* const table = c.weights[0];
    s32 const* const ids = c.source<s32>();
    parallel_blocks(*c.executor, c.rows(), ceil_div(8192, width), [&](index_t begin, index_t end, int) {
      for (index_t i = begin; i < end; ++i) {
        IA_NN_ASSERT(ids[i] >= 0 && ids[i] < c.of.attributes().table_rows, "training: index ", i, " is ",
                     ids[i], ", the table has ", c.of.attributes().table_rows, " rows");
        __builtin_memcpy(c.result + i * width, table + ids[i] * width,
                         static_cast<std::size_t>(width) * sizeof(f32));
      }
    });
  }
  void backward(training_call const& c) const noexcept {
    gradient diff = c.diff_weights[0];
    if (c.named) {
      if (!diff.add) forget(*c.named, diff.data, *c.executor);
      for (index_t i = 0; i < c.rows(); ++i) c.named->add(c.source<s32>()[i]);
      diff.add = true; // to zeros, as for all rows
    }
    backward_.run(c.rows(), c.source<s32>(), c.diff_result, c.of.attributes().width, diff, *c.executor);
  }

private:
  /// The gradient of the step before.
  static void forget(table_rows& rows, f32* diff, any_executor& e) noexcept {
    index_t const width = rows.width();
    rows.each(e, [&](index_t row) {
      __builtin_memset(static_cast<void*>(diff + row * width), 0, static_cast<std::size_t>(width) * sizeof(f32));
    });
    rows.clear();
  }

  embedding_backward<detail::isa_of_f32<I>> backward_;
};

} // namespace graph
IA_NN_END

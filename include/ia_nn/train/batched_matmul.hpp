// SPDX-License-Identifier: Apache-2.0
//
// Training of products of two operands that are both known at run time only (ops/batched_matmul.hpp).
//
//   c      = a * b                          each product
//   diff_a = diff_c * transpose(b)          transposed as a is, added up over the products that read it
//   diff_b = transpose(a) * diff_c
//
// All arrays are f32. Where products are of bf16 the left operand is rounded to the workspace, the right one
// where it is packed. A matrix that several products read has its gradient from one worker, in order.
#pragma once

#include <ia_nn/ops/batched_matmul.hpp>
#include <ia_nn/train/gradient.hpp>

#include <ia_nn/begin.hpp>

namespace detail {

/// C (m x n), rows ldc apart, = or += A (m x k) * B (k x n) of f32 with any strides, multiplied as E. One of A's strides is 1.
template <isa::tag I, element E> class product_of_f32 {
  using product = gemm<I, E, E, f32>;
  static constexpr bool rounds = !std::same_as<E, f32>;

public:
  product_of_f32(index_t m, index_t n, index_t k, int workers)
      : write_(m, n, k, workers), add_(m, n, k, workers, {.accumulate = true}) {}

  index_t m() const noexcept { return write_.m(); }
  index_t n() const noexcept { return write_.n(); }
  index_t workspace_bytes() const noexcept {
    return rounded_bytes() + round_up(max_of(write_.workspace_bytes_unpacked(), add_.workspace_bytes_unpacked()), 64);
  }
  template <executor X>
  void run(a_source<f32> a, f32 const* b, index_t k_stride, index_t n_stride, gradient c, index_t ldc,
           workspace_view scratch, X& e) const noexcept {
    product const& plan = c.add ? add_ : write_;
    workspace_view const rest{scratch.data + rounded_bytes(), scratch.size - rounded_bytes()};
    plan.run_unpacked(operand(a, scratch.data), b, k_stride, n_stride, c.data, ldc, chain<>{}, rest, e);
  }

private:
  // Rows as they lie, or columns.
  index_t rounded_bytes() const noexcept {
    if constexpr (!rounds) return 0;
    index_t const m = write_.m(), k = write_.k();
    return round_up(max_of(m * round_up(k, bf16_line), k * round_up(m, bf16_line)) * index_t{sizeof(E)}, 64);
  }
  a_source<E> operand(a_source<f32> a, std::byte* memory) const noexcept {
    if constexpr (!rounds) {
      static_cast<void>(memory);
      return a;
    } else {
      using lanes = packing_isa<I, bf16_line>;
      bool const rows = a.k_stride == 1;
      index_t const count = rows ? write_.m() : write_.k(), size = rows ? write_.k() : write_.m();
      index_t const apart = rows ? a.row_stride : a.k_stride, ld = round_up(size, bf16_line);
      E* const to = reinterpret_cast<E*>(memory);
      for (index_t r = 0; r < count; ++r)
        for (index_t c = 0; c < size; c += bf16_line)
          split_line<lanes, 1>(to + r * ld + c, 0, a.data + r * apart + c, min_of(bf16_line, size - c));
      return rows ? a_source<E>{to, ld, 1} : a_source<E>{to, 1, ld};
    }
  }

  product write_, add_;
};

} // namespace detail

/// One `backward`. The gradients have the shapes of what they are for.
struct batched_matmul_backward_call {
  index_t outer = 0;           ///< elements of axis 0
  f32 const* a = nullptr;      ///< may be null without diff_b
  f32 const* b = nullptr;      ///< may be null without diff_a
  f32 const* diff_c = nullptr;
  gradient diff_a{};
  gradient diff_b{};           ///< may be the array of diff_a, of a product of a value by itself: both are added
};

/// Products are of type E. Both operands have axis 0, of which `outer` elements take part in a call. Errors
/// at construction: those of batched_matmul, errc::bad_shape if axis 0 is not that of both.
template <isa::tag I, element E = f32> class batched_matmul_training {
  using product = detail::product_of_f32<I, E>;

public:
  explicit batched_matmul_training(batched_matmul_shape const& s, int workers = 1)
      : axes_("batched_matmul_training", s), ta_(s.transposed_a), tb_(s.transposed_b), workers_(checked(axes_, s, workers)),
        forward_(m(), n(), k(), of_each(axes_.items())),
        to_a_(ta_ ? k() : m(), ta_ ? m() : k(), n(), of_each(targets(axes_, axes_.step_a))),
        to_b_(tb_ ? n() : k(), tb_ ? k() : n(), m(), of_each(targets(axes_, axes_.step_b))) {}

  index_t workspace_bytes() const noexcept {
    return max_of(bytes_for(forward_, axes_.items()), max_of(bytes_for(to_a_, targets(axes_, axes_.step_a)),
                                                             bytes_for(to_b_, targets(axes_, axes_.step_b))));
  }
  /// c, all dense.
  template <executor X = sequential>
  void forward(index_t outer, f32 const* a, f32 const* b, f32* c, workspace_view scratch, X&& e = {}) const noexcept {
    detail::product_axes const axes = begin(outer, scratch);
    detail::a_source<f32> const left = ta_ ? detail::a_source<f32>{a, 1, m()} : detail::a_source<f32>{a, k(), 1};
    each(forward_, axes_.items(), axes.items(), scratch, e, [&](index_t item, workspace_view own, auto& here) {
      auto const at = axes.at(item);
      forward_.run(left.offset(at.a), b + at.b, tb_ ? 1 : n(), tb_ ? k() : 1, write_to(c + item * m() * n()), n(), own, here);
    });
  }
  template <executor X = sequential>
  void backward(batched_matmul_backward_call const& c, workspace_view scratch, X&& e = {}) const noexcept {
    detail::product_axes const axes = begin(c.outer, scratch);
    index_t const item_size = m() * n();
    if (c.diff_a)
      each(to_a_, targets(axes_, axes_.step_a), targets(axes, axes.step_a), scratch, e,
           [&](index_t target, workspace_view own, auto& here) {
             sum(axes, axes.step_a, target, c.diff_a, [&](index_t item, gradient to) {
               auto const at = axes.at(item);
               f32 const *const b = c.b + at.b, *const d = c.diff_c + item * item_size;
               to.data += at.a;
               if (ta_) to_a_.run(tb_ ? source{b, 1, k()} : source{b, n(), 1}, d, 1, n(), to, to_a_.n(), own, here);
               else to_a_.run({d, n(), 1}, b, tb_ ? k() : 1, tb_ ? 1 : n(), to, to_a_.n(), own, here);
             });
           });
    if (!c.diff_b) return;
    gradient diff_b = c.diff_b;
    if (diff_b.data == c.diff_a.data) diff_b.add = true;
    each(to_b_, targets(axes_, axes_.step_b), targets(axes, axes.step_b), scratch, e,
         [&](index_t target, workspace_view own, auto& here) {
           sum(axes, axes.step_b, target, diff_b, [&](index_t item, gradient to) {
             auto const at = axes.at(item);
             f32 const *const a = c.a + at.a, *const d = c.diff_c + item * item_size;
             to.data += at.b;
             if (tb_) to_b_.run({d, 1, n()}, a, ta_ ? 1 : k(), ta_ ? m() : 1, to, to_b_.n(), own, here);
             else to_b_.run(ta_ ? source{a, m(), 1} : source{a, 1, k()}, d, n(), 1, to, to_b_.n(), own, here);
           });
         });
  }

private:
  using source = detail::a_source<f32>;
  using steps = index_t const (&)[detail::product_axes::most];

  index_t m() const noexcept { return axes_.m; }
  index_t n() const noexcept { return axes_.n; }
  index_t k() const noexcept { return axes_.k; }
  static int checked(detail::product_axes const& axes, batched_matmul_shape const& s, int workers) {
    detail::check_workers("batched_matmul_training", workers);
    if (s.a.size() != s.b.size() || axes.rank < 1 || s.a[0] != s.b[0])
      throw_error(errc::bad_shape, "batched_matmul_training: both operands need the same first axis");
    return workers;
  }
  /// Matrices of an operand.
  static index_t targets(detail::product_axes const& axes, steps step) noexcept {
    index_t all = 1;
    for (int d = 0; d < axes.rank; ++d) all *= step[d] != 0 ? axes.extent[d] : 1;
    return all;
  }
  /// Workers of one product.
  int of_each(index_t count) const noexcept { return count < workers_ ? workers_ : 1; }
  index_t bytes_for(product const& p, index_t count) const noexcept {
    return p.workspace_bytes() * (count < workers_ ? 1 : workers_);
  }
  detail::product_axes begin(index_t outer, [[maybe_unused]] workspace_view scratch) const noexcept {
    IA_NN_REQUIRE(outer >= 0 && outer <= axes_.extent[0], "batched_matmul_training: ", outer,
                  " elements of axis 0, planned for at most ", axes_.extent[0]);
    IA_NN_REQUIRE(scratch.holds(workspace_bytes()), "batched_matmul_training: a workspace of ", scratch.size,
                  " bytes, run needs ", workspace_bytes(), " aligned to 64 bytes");
    detail::product_axes axes = axes_;
    axes.extent[0] = outer;
    return axes;
  }
  /// f(i, workspace, executor), of which at most `planned` i were planned.
  template <class X, class F>
  void each(product const& p, index_t planned, index_t count, workspace_view scratch, X& e, F const& f) const noexcept {
    if (planned < workers_) {
      for (index_t i = 0; i < count; ++i) f(i, scratch, e);
      return;
    }
    index_t const own = p.workspace_bytes();
    run_tasks(e, workers_, count, [&](index_t i, int worker) {
      sequential here;
      f(i, workspace_view{scratch.data + worker * own, own}, here);
    });
  }
  /// f(product, where it goes) for all products that read matrix `target` of an operand.
  template <class F>
  static void sum(detail::product_axes const& axes, steps step, index_t target, gradient to, F const& f) noexcept {
    index_t const count = axes.items() / targets(axes, step);
    for (index_t r = 0; r < count; ++r) {
      index_t item = 0, stride = 1, own = target, repeated = r;
      for (int d = axes.rank - 1; d >= 0; --d) {
        index_t& from = step[d] != 0 ? own : repeated;
        item += from % axes.extent[d] * stride;
        from /= axes.extent[d];
        stride *= axes.extent[d];
      }
      f(item, to);
      to.add = true;
    }
  }

  detail::product_axes axes_;
  bool ta_, tb_;
  int workers_;
  product forward_, to_a_, to_b_;
};

IA_NN_END

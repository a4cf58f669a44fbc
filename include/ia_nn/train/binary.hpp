// SPDX-License-Identifier: Apache-2.0
//
// Gradients of operations on two operands, of which one may be repeated over the other.
//
//   y = a op b of shape (batch, rows, channels)
//
//   add        g                 g
//   subtract   g                 -g
//   multiply   g b               g a
//   divide     g / b             -g (a / b) / b
//   maximum    g where a > b     g where b > a; half of it each where they are equal, all of it each
//   minimum    g where a < b     g where b < a; where one is a NaN: PyTorch's
//
// A repeated operand has the sum over what it is repeated over. Sums along a row or over an image are
// those of row_sums.hpp, sums over all rows those of column_sums.hpp.
#pragma once

#include <ia_nn/train/column_sums.hpp>
#include <ia_nn/math/row_sums.hpp>

#include <ia_nn/begin.hpp>

enum class binary_function : unsigned char { add, subtract, multiply, divide, minimum, maximum };

/// The shape of an operand of a result of (batch, rows, channels).
enum class operand_shape : unsigned char {
  whole,            ///< (batch, rows, channels)
  row_of_image,     ///< (batch, 1, channels)
  element_of_row,   ///< (batch, rows, 1)
  element_of_image, ///< (batch, 1, 1)
  row,              ///< (1, 1, channels): a parameter that all rows share
  image             ///< (1, rows, channels): a parameter that all images share
};

/// One `run`. a and b, the operands of the forward pass, may be null for add and subtract. The gradient
/// of a whole operand may be diff_dst: that of a where both are whole.
struct binary_backward_call {
  index_t batch = 0;
  f32 const* a = nullptr;
  f32 const* b = nullptr;
  f32 const* diff_dst = nullptr; ///< (batch, rows, channels)
  gradient diff_a{};
  gradient diff_b{};
};

/// Errors at construction: errc::bad_shape for extents below 1 and where neither operand is whole,
/// errc::unsupported_isa.
template <isa::tag I> class binary_backward {
  using V = vec<f32, I>;

public:
  binary_backward(binary_function f, index_t rows, index_t channels,
                  operand_shape a = operand_shape::whole, operand_shape b = operand_shape::whole)
      : f_(f), a_(a), b_(b), rows_(rows), channels_(channels) {
    isa::require<typename detail::vec_tag<I>::type>();
    detail::check_positive("binary_backward", "rows", rows);
    detail::check_positive("binary_backward", "channels", channels);
    if (a != operand_shape::whole && b != operand_shape::whole)
      throw_error(errc::bad_shape, "binary_backward: neither operand has the shape of the result");
  }

  index_t workspace_bytes() const noexcept {
    bool const sums = a_ == operand_shape::row || b_ == operand_shape::row;
    return sums ? detail::f32_bytes(detail::column_sum_cells(channels_)) : 0;
  }

  template <executor E = sequential>
  void run(binary_backward_call const& c, workspace_view scratch = {}, E&& e = {}) const noexcept {
    IA_NN_REQUIRE(scratch.holds(workspace_bytes()), "binary_backward: a workspace of ",
                  scratch.size, " bytes, run needs ", workspace_bytes(), " aligned to 64 bytes");
    IA_NN_ASSERT(c.batch <= 0 || (c.diff_dst && (f_ == binary_function::add ||
                                                 f_ == binary_function::subtract || (c.a && c.b))),
                 "binary_backward: an array is null");
    operand const a = operand_of(c.a, a_), b = operand_of(c.b, b_);
    // The gradient of a whole operand last: it may be diff_dst.
    if (a_ != operand_shape::whole) {
      one(c, c.diff_a, a_, a, b, true, scratch, e);
      one(c, c.diff_b, b_, b, a, false, scratch, e);
    } else {
      one(c, c.diff_b, b_, b, a, false, scratch, e);
      one(c, c.diff_a, a_, a, b, true, scratch, e);
    }
  }

private:
  // Elements from image to image and row to row; a row of one element is repeated along the channels.
  struct operand {
    f32 const* data;
    index_t image, row;
    bool repeated;

    template <class At> IA_NN_INLINE V load(index_t n, index_t r, index_t c, At at) const noexcept {
      f32 const* const p = data + n * image + r * row;
      return repeated ? V::broadcast(*p) : at.template load<V>(p + c);
    }
  };
  operand operand_of(f32 const* data, operand_shape s) const noexcept {
    switch (s) {
    case operand_shape::whole:
      return {data, rows_ * channels_, channels_, false};
    case operand_shape::row_of_image:
      return {data, channels_, 0, false};
    case operand_shape::element_of_row:
      return {data, rows_, 1, true};
    case operand_shape::element_of_image:
      return {data, 1, 0, true};
    case operand_shape::row:
      return {data, 0, 0, false};
    case operand_shape::image:
      return {data, 0, channels_, false};
    }
    return {};
  }

  // Forms of a gradient, of the operand `own` beside `other`.
  struct linear {
    static constexpr bool reads = false;
    V sign;
    IA_NN_INLINE V operator()(V, V, V g) const noexcept { return g * sign; }
  };
  struct product {
    static constexpr bool reads = true;
    IA_NN_INLINE V operator()(V, V other, V g) const noexcept { return g * other; }
  };
  struct numerator {
    static constexpr bool reads = true;
    IA_NN_INLINE V operator()(V, V other, V g) const noexcept { return g / other; }
  };
  struct denominator {
    static constexpr bool reads = true;
    IA_NN_INLINE V operator()(V own, V other, V g) const noexcept {
      return -g * ((other / own) / own);
    }
  };
  struct extreme { // of the maximum; sign -1: of the minimum
    static constexpr bool reads = true;
    V sign;
    IA_NN_INLINE V operator()(V own, V other, V g) const noexcept {
      V const half = select(own == other, g * V::broadcast(0.5F), g);
      return select(own * sign < other * sign, V::zero(), half);
    }
  };

  template <executor E>
  void one(binary_backward_call const& c, gradient const& to, operand_shape shape,
           operand const& own, operand const& other, bool left, workspace_view scratch,
           E& e) const noexcept {
    if (!to) return;
    auto const as = [&](auto const& form) { sums_of(c, to, shape, own, other, form, scratch, e); };
    switch (f_) {
    case binary_function::add:
      return as(linear{V::broadcast(1.0F)});
    case binary_function::subtract:
      return as(linear{V::broadcast(left ? 1.0F : -1.0F)});
    case binary_function::multiply:
      return as(product{});
    case binary_function::divide:
      return left ? as(numerator{}) : as(denominator{});
    case binary_function::minimum:
      return as(extreme{V::broadcast(-1.0F)});
    case binary_function::maximum:
      return as(extreme{V::broadcast(1.0F)});
    }
  }

  template <class Form, executor E>
  void sums_of(binary_backward_call const& c, gradient const& to, operand_shape shape,
               operand const& own, operand const& other, Form const& form, workspace_view scratch,
               E& e) const noexcept {
    index_t const rows = rows_, channels = channels_, all = c.batch * rows;
    f32 const* const diff = c.diff_dst;
    // The gradient of element i of row r of image n; 0 in lanes that stand for no element.
    auto const term = [=](index_t n, index_t r, index_t i, auto at) IA_NN_LAMBDA {
      V const g = at.template load<V>(diff + (n * rows + r) * channels + i);
      if constexpr (Form::reads)
        return at.keep(form(own.load(n, r, i, at), other.load(n, r, i, at), g), V::zero());
      else return form(g, g, g);
    };
    auto const set = [&](index_t i, double sum) {
      to.data[i] = static_cast<f32>(to.add ? static_cast<double>(to.data[i]) + sum : sum);
    };
    switch (shape) {
    case operand_shape::whole:
      if (!Form::reads || (a_ == shape && b_ == shape)) { // one long row
        detail::each_register_parallel<I>(e, all * channels, [&](index_t i, auto at) IA_NN_LAMBDA {
          detail::deliver(at, term(0, 0, i, at), to, i);
        });
        return;
      }
      parallel_blocks(e, all, ceil_div(detail::elements_of_task, channels),
                      [&](index_t begin, index_t end, int) {
                        for (index_t k = begin; k < end; ++k) {
                          index_t const n = k / rows, r = k % rows;
                          detail::each_register<V>(
                              0, channels, [&](index_t i, auto at) IA_NN_LAMBDA {
                                detail::deliver(at, term(n, r, i, at), to, k * channels + i);
                              });
                        }
                      });
      return;
    case operand_shape::element_of_row:
      parallel_blocks(e, all, ceil_div(detail::elements_of_task, channels),
                      [&](index_t begin, index_t end, int) {
                        for (index_t k = begin; k < end; ++k) {
                          index_t const n = k / rows, r = k % rows;
                          double sum[1];
                          detail::sum_row<V, 1>(
                              channels,
                              [&](index_t i, auto at, V(&s)[1])
                                  IA_NN_LAMBDA { s[0] = s[0] + term(n, r, i, at); },
                              sum);
                          set(k, sum[0]);
                        }
                      });
      return;
    case operand_shape::element_of_image: // an image is one long row
      parallel_blocks(e, c.batch, 1, [&](index_t begin, index_t end, int) {
        for (index_t n = begin; n < end; ++n) {
          double sum[1];
          detail::sum_row<V, 1>(
              rows * channels,
              [&](index_t i, auto at, V(&s)[1]) IA_NN_LAMBDA { s[0] = s[0] + term(n, 0, i, at); },
              sum);
          set(n, sum[0]);
        }
      });
      return;
    case operand_shape::row_of_image: {
      constexpr index_t width = 64;
      index_t const blocks = ceil_div(channels, width);
      parallel_blocks(e, c.batch * blocks, 1, [&](index_t begin, index_t end, int) {
        for (index_t k = begin; k < end; ++k) {
          index_t const n = k / blocks, first = k % blocks * width;
          index_t const count = min_of(width, channels - first);
          double sums[width];
          detail::sum_pixels<V, 1>(
              rows, count,
              [&](index_t r, index_t i, auto at, V(&s)[1])
                  IA_NN_LAMBDA { s[0] = s[0] + term(n, r, first + i, at); },
              sums, width);
          for (index_t i = 0; i < count; ++i) set(n * channels + first + i, sums[i]);
        }
      });
      return;
    }
    case operand_shape::row:
      detail::sum_columns<I, 1>(
          all, channels,
          [&](index_t k, index_t i, auto at, V(&s)[1]) IA_NN_LAMBDA {
            s[0] = s[0] + term(0, k, i, at); // all rows as those of one image
          },
          [&](index_t i, auto at, V const(&total)[1])
              IA_NN_LAMBDA { detail::deliver(at, total[0], to, i); },
          reinterpret_cast<f32*>(scratch.data), e);
      return;
    case operand_shape::image: // images are pixels of rows * channels elements
      if (c.batch <= 64) {     // without sums of parts
        detail::sum_columns<I, 1>(
            c.batch, rows * channels,
            [&](index_t n, index_t i, auto at, V(&s)[1])
                IA_NN_LAMBDA { s[0] = s[0] + term(n, 0, i, at); },
            [&](index_t i, auto at, V const(&total)[1])
                IA_NN_LAMBDA { detail::deliver(at, total[0], to, i); },
            nullptr, e);
        return;
      }
      parallel_blocks(e, rows * channels, 1024, [&](index_t begin, index_t end, int) {
        constexpr index_t width = 64;
        for (index_t first = begin; first < end; first += width) {
          index_t const count = min_of(width, end - first);
          double sums[width];
          detail::sum_pixels<V, 1>(
              c.batch, count,
              [&](index_t n, index_t i, auto at, V(&s)[1])
                  IA_NN_LAMBDA { s[0] = s[0] + term(n, 0, first + i, at); },
              sums, width);
          for (index_t i = 0; i < count; ++i) set(first + i, sums[i]);
        }
      });
      return;
    }
  }

  binary_function f_;
  operand_shape a_, b_;
  index_t rows_, channels_;
};

IA_NN_END

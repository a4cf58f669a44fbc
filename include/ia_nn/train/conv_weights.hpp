// SPDX-License-Identifier: Apache-2.0
//
// The gradients of a convolution for its weights and its bias.
//
//   diff_weights[f][c][k] = sum of diff_dst[o][f] * src[at(o, k)][c]
//   diff_bias[f]          = sum of diff_dst[o][f]                      over images and output pixels o
//
// conv_windowed_weights.hpp has the kernel of the first, conv_depthwise_weights.hpp that of layers with one
// filter per channel.
#pragma once

#include <ia_nn/train/column_sums.hpp>
#include <ia_nn/train/conv_depthwise_weights.hpp>
#include <ia_nn/train/conv_windowed_weights.hpp>

#include <optional>

#include <ia_nn/begin.hpp>

/// Limits of the calls that a backward pass will see.
struct conv_backward_options {
  index_t max_batch = 1; ///< images of the largest batch
  int workers = 1;       ///< concurrency of the executor
};

namespace detail {
inline void check_conv_backward(char const* who, conv_shape const& s,
                                conv_backward_options const& o) {
  s.check(who);
  check_positive(who, "max_batch", o.max_batch);
  check_workers(who, o.workers);
  // Numbers of elements: these throw where they overflow.
  auto const count = [](index_t a, spatial const& b, index_t c) {
    shape<dyn, dyn, dyn, dyn, dyn> const all(a, b.depth, b.height, b.width, c);
    static_cast<void>(all);
  };
  count(o.max_batch, s.in, s.channels * 4);
  count(o.max_batch, s.out(), s.filters * 4);
  count(s.filters, s.win.kernel, s.group_channels() * 4);
}

/// Gradient of a bias: sums over `rows` rows of diff_dst.
template <isa::tag I, executor E>
void bias_gradient(index_t rows, index_t filters, f32 const* diff_dst, gradient const& to, f32* partial,
                   E& e) noexcept {
  using V = vec<f32, I>;
  auto const add = [&](index_t r, index_t c, auto at, V(&s)[1]) IA_NN_LAMBDA {
    s[0] = s[0] + at.template load<V>(diff_dst + r * filters + c);
  };
  auto const finish = [&](index_t c, auto at, V const(&total)[1])
                          IA_NN_LAMBDA { deliver(at, total[0], to, c); };
  sum_columns<I, 1>(rows, filters, add, finish, partial, e);
}

} // namespace detail

/// One call. The weights are in PyTorch's order: [filters][channels / groups][depth][height][width].
struct conv_backward_weights_call {
  index_t batch = 0;
  f32 const* src = nullptr;      ///< (batch, in, channels); may be null without diff_weights
  f32 const* diff_dst = nullptr; ///< (batch, out, filters)
  gradient diff_weights{};
  gradient diff_bias{}; ///< (filters)
};

/// Arrays are f32. Products are of type E: with bf16 both operands are rounded to it where they are
/// packed, and sums are f32. Layers of one filter per channel compute in f32 in either case.
///
/// Errors at construction: those of conv_shape::check; errc::bad_shape for max_batch below 1 and
/// for arrays larger than addresses; errc::bad_parameter for workers below 1;
/// errc::unsupported_isa.
template <isa::tag I, element E = f32> class conv_backward_weights {
  static_assert(std::same_as<E, f32> || std::same_as<E, bf16>,
                "ia_nn: conv_backward_weights: products are of f32 or bf16");

public:
  explicit conv_backward_weights(conv_shape const& s, conv_backward_options const& o = {})
      : s_((detail::check_conv_backward("conv_backward_weights", s, o), s)), max_batch_(o.max_batch) {
    isa::require<typename detail::vector_kernel<I, E, E>::isa_type>();
    if (s.depthwise() && s.filters == s.channels) depthwise_.emplace(s, o.max_batch);
    else windowed_.emplace(s, o.max_batch, o.workers);
  }

  conv_shape const& shape() const noexcept { return s_; }
  index_t workspace_bytes() const noexcept {
    return bias_bytes() + (depthwise_ ? depthwise_->workspace_bytes() : windowed_->workspace_bytes());
  }

  template <executor X = sequential>
  void run(conv_backward_weights_call const& call, workspace_view scratch,
           X&& e = {}) const noexcept {
    auto const [batch, src, diff_dst, diff_weights, diff_bias] = call;
    IA_NN_REQUIRE(batch >= 0 && batch <= max_batch_, "conv_backward_weights: a batch of ", batch, ", planned for at most ",
                  max_batch_);
    IA_NN_ASSERT(batch == 0 || (diff_dst && (src || !diff_weights)),
                 "conv_backward_weights: src or diff_dst is null");
    IA_NN_REQUIRE(scratch.holds(workspace_bytes()), "conv_backward_weights: a workspace of ", scratch.size,
                  " bytes, run needs ", workspace_bytes(), " aligned to 64 bytes");
    if (diff_bias)
      detail::bias_gradient<I>(batch * s_.out().size(), s_.filters, diff_dst, diff_bias,
                               reinterpret_cast<f32*>(scratch.data), e);
    if (!diff_weights) return;
    std::byte* const rest = scratch.data + bias_bytes();
    if (depthwise_) depthwise_->run(batch, src, diff_dst, diff_weights, rest, e);
    else windowed_->run(batch, src, diff_dst, diff_weights, rest, e);
  }

private:
  index_t bias_bytes() const noexcept {
    return detail::f32_bytes(detail::column_sum_cells(s_.filters));
  }

  conv_shape s_;
  index_t max_batch_;
  std::optional<detail::depthwise_backward_weights<I>> depthwise_;
  std::optional<detail::windowed_backward_weights<I, E>> windowed_;
};

IA_NN_END

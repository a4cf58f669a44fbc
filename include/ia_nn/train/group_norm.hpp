// SPDX-License-Identifier: Apache-2.0
//
// Gradients of group and instance normalization (ops/group_norm.hpp). With h = (x - mean) inv_std, mean
// and deviation those of an image and a group of channels, and N elements in such a group:
//
//   per image and channel, sums over pixels   s = sum diff_dst      t = sum diff_dst h
//   diff_beta = sum over images of s          diff_gamma = sum over images of t
//   diff_src  = inv_std (gamma diff_dst - (sum gamma s) / N - h (sum gamma t) / N)
//                                             sums over the channels of the group
//
// A task is an image and a span of channels, several whole groups in 64 or one group of more: it
// computes mean and deviation again, as the forward pass does, then s and t, then diff_src.
#pragma once

#include <ia_nn/ops/group_norm.hpp>
#include <ia_nn/train/gradient.hpp>
#include <ia_nn/math/row_sums.hpp>

#include <ia_nn/begin.hpp>

/// What a normalization was made with, and the largest batch.
struct group_norm_backward_shape {
  index_t channels = 1, groups = 1, max_batch = 1;
  f32 epsilon = 1e-5F;
};

/// One `run`. Arrays (batch, pixels, channels); gamma and the gradients of gamma and beta (channels).
struct group_norm_backward_call {
  index_t batch = 0, pixels = 0;
  f32 const* src = nullptr;
  f32 const* diff_dst = nullptr;
  f32 const* gamma = nullptr; ///< null: 1
  gradient diff_src{};        ///< may be diff_dst
  gradient diff_gamma{};
  gradient diff_beta{};
};

/// Errors at construction: errc::bad_shape (max_batch below 1, groups that do not divide the channels),
/// errc::bad_parameter for an epsilon that is negative or not finite, errc::unsupported_isa.
template <isa::tag I> class group_norm_backward {
  using V = vec<f32, I>;
  static constexpr index_t width = 64; // channels of one span of small groups

public:
  explicit group_norm_backward(group_norm_backward_shape const& s) : s_(s) {
    isa::require<typename detail::vec_tag<I>::type>();
    detail::check_positive("group_norm_backward", "max_batch", s.max_batch);
    if (s.channels < 1 || s.groups < 1 || s.channels % s.groups != 0)
      throw_error(errc::bad_shape, "group_norm_backward: " + std::to_string(s.groups) +
                                       " groups do not divide " + std::to_string(s.channels) +
                                       " channels");
    detail::check_epsilon("group_norm_backward", s.epsilon);
  }

  /// s and t of each image and channel, in double.
  index_t workspace_bytes() const noexcept {
    return round_up(s_.max_batch * s_.channels * 2 * static_cast<index_t>(sizeof(double)), 64);
  }

  template <executor E = sequential>
  void run(group_norm_backward_call const& c, workspace_view scratch, E&& e = {}) const noexcept {
    IA_NN_REQUIRE(c.batch >= 0 && c.batch <= s_.max_batch, "group_norm_backward: a batch of ",
                  c.batch, ", planned for at most ", s_.max_batch);
    IA_NN_REQUIRE(scratch.holds(workspace_bytes()), "group_norm_backward: a workspace of ",
                  scratch.size, " bytes, run needs ", workspace_bytes(), " aligned to 64 bytes");
    auto* const sums = reinterpret_cast<double*>(scratch.data);
    index_t const each = s_.channels / s_.groups;
    index_t const room = c.batch * ceil_div(s_.channels, width) < e.concurrency() ? 16 : width;
    index_t const span = each <= room ? room / each * each : each;
    index_t const spans = ceil_div(s_.channels, span);
    index_t const batch = c.pixels > 0 ? c.batch : 0;
    parallel_blocks(e, batch * spans, 1, [&](index_t begin, index_t end, int) {
      for (index_t task = begin; task < end; ++task) {
        index_t const first = task % spans * span, image = task / spans;
        one_span(c, image, first, min_of(span, s_.channels - first), each,
                 sums + 2 * (image * s_.channels + first));
      }
    });
    for (int k = 0; k < 2; ++k)
      if (gradient const& to = k == 0 ? c.diff_beta : c.diff_gamma)
        parallel_blocks(e, s_.channels, 1024, [&](index_t begin, index_t end, int) {
          for (index_t i = begin; i < end; ++i) {
            double total = to.add ? static_cast<double>(to.data[i]) : 0;
            for (index_t n = 0; n < batch; ++n) total += sums[2 * (n * s_.channels + i) + k];
            to.data[i] = static_cast<f32>(total);
          }
        });
  }

private:
  // `count` channels from number `first` on: whole groups of `each`, or one. pairs: s and t of each.
  void one_span(group_norm_backward_call const& c, index_t image, index_t first, index_t count,
                index_t each, double* pairs) const noexcept {
    index_t const at = image * c.pixels * s_.channels + first, groups = count / each;
    f32 const* const x = c.src + at;
    f32 const* const diff = c.diff_dst + at;
    double const n = static_cast<double>(c.pixels) * static_cast<double>(each);
    double total[width] = {}, squares[width] = {}, some[2 * width];
    f32 mean[width], group_mean[width], a[width], b[width], gamma[width];
    detail::moments m[width];
    auto const group_of = [&](index_t i) { return groups == 1 ? 0 : i / each; };
    auto const blocks = [&](auto&& f) {
      for (index_t i = 0; i < count; i += width) f(i, min_of(width, count - i));
    };
    auto const spread = [&](index_t i, index_t k) {
      for (index_t j = 0; j < k; ++j) mean[j] = group_mean[group_of(i + j)];
    };
    auto const deviation = [&](index_t i) {
      return [=, this, &mean](index_t p, index_t j, auto lanes) IA_NN_LAMBDA {
        return lanes.template load<V>(x + p * s_.channels + i + j) -
               lanes.template load<V>(mean + j);
      };
    };
    // The mean, as that of differences to the first number of the group.
    for (index_t g = 0; g < groups; ++g) group_mean[g] = x[g * each];
    blocks([&](index_t i, index_t k) {
      spread(i, k);
      auto const d = deviation(i);
      detail::sum_pixels<V, 1>(
          c.pixels, k,
          [&](index_t p, index_t j, auto lanes, V(&s)[1])
              IA_NN_LAMBDA { s[0] = s[0] + d(p, j, lanes); },
          some, width);
      for (index_t j = 0; j < k; ++j) total[group_of(i + j)] += some[j];
    });
    for (index_t g = 0; g < groups; ++g) {
      group_mean[g] = static_cast<f32>(static_cast<double>(group_mean[g]) + total[g] / n);
      total[g] = 0;
    }
    blocks([&](index_t i, index_t k) {
      spread(i, k);
      auto const deviate = deviation(i);
      detail::sum_pixels<V, 2>(
          c.pixels, k,
          [&](index_t p, index_t j, auto lanes, V(&s)[2]) IA_NN_LAMBDA {
            V const d = deviate(p, j, lanes);
            s[0] = s[0] + d, s[1] = fma(d, d, s[1]);
          },
          some, width);
      for (index_t j = 0; j < k; ++j) {
        total[group_of(i + j)] += some[j];
        squares[group_of(i + j)] += some[width + j];
      }
    });
    bool exact = true;
    for (index_t g = 0; g < groups; ++g) {
      m[g] = detail::moments_of(group_mean[g], total[g], squares[g], n, s_.epsilon);
      exact = exact && m[g].exact;
    }
    if (IA_NN_UNLIKELY(!exact)) {
      for (index_t g = 0; g < groups; ++g)
        wide(c, at + g * each, first + g * each, each, pairs + 2 * g * each);
      return;
    }
    // s and t; h = fma(x - mean, a, b)
    double along[width] = {}, level[width] = {};
    auto const constants = [&](index_t i, index_t k) {
      spread(i, k);
      for (index_t j = 0; j < k; ++j) {
        detail::moments const& own = m[group_of(i + j)];
        a[j] = own.inverse, b[j] = -own.rest * own.inverse;
        gamma[j] = c.gamma ? c.gamma[first + i + j] : 1.0F;
      }
    };
    blocks([&](index_t i, index_t k) {
      constants(i, k);
      auto const deviate = deviation(i);
      detail::sum_pixels<V, 2>(
          c.pixels, k,
          [&](index_t p, index_t j, auto lanes, V(&s)[2]) IA_NN_LAMBDA {
            V const h = fma(deviate(p, j, lanes), lanes.template load<V>(a + j),
                            lanes.template load<V>(b + j));
            V const g = lanes.template load<V>(diff + p * s_.channels + i + j);
            s[0] = s[0] + g, s[1] = fma(g, h, s[1]);
          },
          some, width);
      for (index_t j = 0; j < k; ++j) {
        pairs[2 * (i + j)] = some[j], pairs[2 * (i + j) + 1] = some[width + j];
        level[group_of(i + j)] += some[j] * static_cast<double>(gamma[j]);
        along[group_of(i + j)] += some[width + j] * static_cast<double>(gamma[j]);
      }
    });
    if (!c.diff_src) return;
    blocks([&](index_t i, index_t k) {
      constants(i, k);
      f32 scale[width], shift[width]; // diff_src = fma(h, scale, fma(gamma, diff, shift)) a
      for (index_t j = 0; j < k; ++j) {
        scale[j] = static_cast<f32>(-along[group_of(i + j)] / n);
        shift[j] = static_cast<f32>(-level[group_of(i + j)] / n);
      }
      auto const deviate = deviation(i);
      for (index_t p = 0; p < c.pixels; ++p)
        detail::each_register<V>(0, k, [&](index_t j, auto lanes) IA_NN_LAMBDA {
          V const inverse = lanes.template load<V>(a + j);
          V const h = fma(deviate(p, j, lanes), inverse, lanes.template load<V>(b + j));
          V const g = fma(lanes.template load<V>(diff + p * s_.channels + i + j),
                          lanes.template load<V>(gamma + j), lanes.template load<V>(shift + j));
          detail::deliver(lanes, fma(h, lanes.template load<V>(scale + j), g) * inverse, c.diff_src,
                          at + p * s_.channels + i + j);
        });
    });
  }

  // One group in double, for numbers whose squares leave f32 or that differ in their last bits only.
  IA_NN_NOINLINE void wide(group_norm_backward_call const& c, index_t at, index_t first,
                           index_t each, double* pairs) const noexcept {
    index_t const n = c.pixels * each;
    auto const place = [&](index_t i) { return at + i / each * s_.channels + i % each; };
    auto const m =
        detail::wide_moments_of(n, s_.epsilon, [&](index_t i) { return c.src[place(i)]; });
    auto const gamma = [&](index_t i) {
      return c.gamma ? static_cast<double>(c.gamma[first + i % each]) : 1.0;
    };
    for (index_t i = 0; i < 2 * each; ++i) pairs[i] = 0;
    double level = 0, along = 0;
    for (index_t i = 0; i < n; ++i) {
      double const g = static_cast<double>(c.diff_dst[place(i)]), t = g * m(c.src[place(i)]);
      pairs[2 * (i % each)] += g, pairs[2 * (i % each) + 1] += t;
      level += gamma(i) * g, along += gamma(i) * t;
    }
    if (!c.diff_src) return;
    level /= static_cast<double>(n), along /= static_cast<double>(n);
    for (index_t i = 0; i < n; ++i) {
      index_t const k = place(i);
      double const g = gamma(i) * static_cast<double>(c.diff_dst[k]);
      auto const d = static_cast<f32>((g - level - m(c.src[k]) * along) * m.inverse);
      c.diff_src.data[k] = c.diff_src.add ? c.diff_src.data[k] + d : d;
    }
  }

  group_norm_backward_shape s_;
};

/// Each channel of each image on its own.
template <isa::tag I> class instance_norm_backward : public group_norm_backward<I> {
public:
  explicit instance_norm_backward(index_t channels, index_t max_batch = 1, f32 epsilon = 1e-5F)
      : group_norm_backward<I>({channels, channels, max_batch, epsilon}) {}
};

IA_NN_END

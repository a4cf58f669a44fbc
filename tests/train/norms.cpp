// SPDX-License-Identifier: Apache-2.0
//
// Gradients of layer, group and instance normalization, softmax and local response normalization:
// against central differences of the formulas in double.
#include "oracle/norm.hpp"
#include "support.hpp"

#include <ia_nn/train/group_norm.hpp>
#include <ia_nn/train/layer_norm.hpp>
#include <ia_nn/train/lrn.hpp>
#include <ia_nn/train/softmax.hpp>

namespace ia_nn_test {
namespace {

using ia_nn::gradient;

/// Images (batch, pixels, channels), each group of channels of each normalized; a row is an image of one
/// pixel.
struct normalization {
  index_t batch, pixels, channels, groups;
  double epsilon;

  index_t size() const { return batch * pixels * channels; }
  doubles operator()(doubles const& x, doubles const& gamma, doubles const& beta) const {
    doubles y(x.size());
    index_t const each = channels / groups;
    for (index_t n = 0; n < batch; ++n)
      for (index_t g = 0; g < groups; ++g) {
        auto const place = [&](index_t i) {
          return at((n * pixels + i / each) * channels + g * each + i % each);
        };
        auto const m = moments_reference(pixels * each, [&](index_t i) { return x[place(i)]; });
        for (index_t i = 0; i < pixels * each; ++i) {
          std::size_t const c = at(g * each + i % each);
          y[place(i)] =
              (x[place(i)] - m.mean) / std::sqrt(m.variance + epsilon) * gamma[c] + beta[c];
        }
      }
    return y;
  }
};

struct norm_gradients {
  doubles src, gamma, beta;
};

norm_gradients gradients_of(normalization const& f, doubles const& x, doubles const& gamma,
                            doubles const& dy, double scale) {
  doubles const beta(gamma.size());
  norm_gradients g;
  g.src = central_differences(
      x, [&](doubles const& v) { return dot(f(v, gamma, beta), dy); }, 1e-4 * scale);
  g.gamma = central_differences(gamma, [&](doubles const& v) { return dot(f(x, v, beta), dy); });
  g.beta = central_differences(beta, [&](doubles const& v) { return dot(f(x, gamma, v), dy); });
  return g;
}

// run(tag, workers, src, diff_dst, gamma, three gradients). `scale`: of the numbers, whose gradient is
// compared after it has been multiplied by it.
template <class Run>
void check_norm(normalization const& f, random& r, double scale, bool with_gamma, Run&& run) {
  INFO(f.batch << " x " << f.pixels << " x " << f.channels << ", " << f.groups << " groups, scale "
               << scale);
  exact_buffer<f32> x(f.size()), diff(f.size()), dx(f.size()), gamma(f.channels), dg(f.channels),
      db(f.channels);
  r.fill(x.data(), x.size()), r.fill(diff.data(), diff.size());
  for (f32& v : x) v = (v + 0.5F) * static_cast<f32>(scale);
  for (f32& v : gamma) v = with_gamma ? 1 + 0.5F * r.normal() : 1;
  norm_gradients const want =
      gradients_of(f, to_doubles(x), to_doubles(gamma), to_doubles(diff), scale);
  f32 const* const given = with_gamma ? gamma.data() : nullptr;
  for_each_isa<vector_isas>([&](auto tag) {
    if (scale == 1) // what is added to would swallow the others
      check_requests(f.size(), dx, [&](gradient to, int workers) {
        run(tag, workers, x.data(), diff.data(), given, to, not_wanted, not_wanted);
      });
    else run(tag, 1, x.data(), diff.data(), given, write_to(dx.data()), not_wanted, not_wanted);
    doubles scaled = to_doubles(dx), expected = want.src;
    for (double& v : scaled) v *= scale;
    for (double& v : expected) v *= scale;
    REQUIRE(difference(scaled, expected, 1e-5) == "");
    check_requests(f.channels, dg, [&](gradient to, int workers) {
      run(tag, workers, x.data(), diff.data(), given, not_wanted, to, not_wanted);
    });
    REQUIRE(difference(dg, want.gamma, 1e-5) == "");
    check_requests(f.channels, db, [&](gradient to, int workers) {
      run(tag, workers, x.data(), diff.data(), given, not_wanted, not_wanted, to);
    });
    REQUIRE(difference(db, want.beta, 1e-5) == "");
    // All at once, and diff_src in the place of diff_dst.
    exact_buffer<f32> place(f.size()), dg2(f.channels), db2(f.channels);
    std::copy(diff.begin(), diff.end(), place.begin());
    run(tag, 2, x.data(), place.data(), given, write_to(place.data()), write_to(dg2.data()),
        write_to(db2.data()));
    REQUIRE((same_bits(place, dx) && same_bits(dg2, dg) && same_bits(db2, db)));
  });
}

} // namespace

TEST_CASE("gradients of layer normalization", "[train][norm]") {
  random r(930);
  auto const run = [](index_t n, index_t rows, double epsilon) {
    return [=](auto tag, int workers, f32 const* x, f32 const* diff, f32 const* gamma, gradient dx,
               gradient dg, gradient db) {
      ia_nn::layer_norm_backward<decltype(tag)> const plan(n, rows + 1, static_cast<f32>(epsilon));
      plan.run({rows, x, diff, gamma, dx, dg, db}, scratch(plan.workspace_bytes()),
               pool_of(workers));
    };
  };
  auto const check = [&](index_t rows, index_t n, double epsilon, double scale, bool with_gamma) {
    check_norm({rows, 1, n, 1, epsilon}, r, scale, with_gamma, run(n, rows, epsilon));
  };
  for (index_t n : {1, 7, 8, 9, 15, 16, 17, 35, 67}) check(3, n, 1e-3, 1, n % 2 != 0);
  check(70, 9, 1e-3, 1, true);   // rows in several parts
  check(1, 2070, 1e-3, 1, true); // several blocks of a row
  check(3, 35, 0, 1e25, true);   // squares beyond f32
  check(3, 35, 0, 1e-25, true);
}

TEST_CASE("gradients of group and instance normalization", "[train][norm]") {
  random r(931);
  auto const check = [&](normalization const& f, double scale, bool with_gamma) {
    check_norm(f, r, scale, with_gamma,
               [&](auto tag, int workers, f32 const* x, f32 const* diff, f32 const* gamma,
                   gradient dx, gradient dg, gradient db) {
                 ia_nn::group_norm_backward<decltype(tag)> const plan(
                     {f.channels, f.groups, f.batch + 1, static_cast<f32>(f.epsilon)});
                 plan.run({f.batch, f.pixels, x, diff, gamma, dx, dg, db},
                          scratch(plan.workspace_bytes()), pool_of(workers));
               });
  };
  check({2, 5, 1, 1, 1e-3}, 1, true);
  check({2, 9, 7, 7, 1e-3}, 1, true);
  check({1, 3, 16, 4, 1e-3}, 1, false);
  check({3, 4, 34, 2, 1e-3}, 1, true);  // 17 in a group
  check({2, 2, 70, 35, 1e-3}, 1, true); // more than one span
  check({1, 2, 130, 1, 1e-3}, 1, true); // a group of more channels than a span has
  check({1, 300, 3, 3, 1e-3}, 1, true); // several blocks of pixels
  check({2, 4, 6, 3, 0}, 1e25, true);
  check({2, 4, 6, 3, 0}, 1e-25, true);
  check({1, 1, 70, 1, 0}, 1e25, true);
}

TEST_CASE("instance normalization is group normalization", "[train][norm]") {
  random r(932);
  constexpr index_t channels = 19, pixels = 6, batch = 2;
  exact_buffer<f32> x(batch * pixels * channels), diff(x.size()), one(x.size()), other(x.size());
  r.fill(x.data(), x.size()), r.fill(diff.data(), x.size());
  for_each_isa<vector_isas>([&](auto tag) {
    ia_nn::instance_norm_backward<decltype(tag)> const plan(channels, batch, 1e-3F);
    ia_nn::group_norm_backward<decltype(tag)> const group({channels, channels, batch, 1e-3F});
    plan.run({batch, pixels, x.data(), diff.data(), nullptr, write_to(one.data())},
             scratch(plan.workspace_bytes()), pool_of(1));
    group.run({batch, pixels, x.data(), diff.data(), nullptr, write_to(other.data())},
              scratch(group.workspace_bytes()), pool_of(2));
    REQUIRE(same_bits(one, other));
  });
}

TEST_CASE("norms take other weights", "[train][norm]") {
  random r(933);
  constexpr index_t n = 19, rows = 4;
  exact_buffer<f32> x(rows * n), a(x.size()), b(x.size());
  std::vector<f32> scale(n), shift(n);
  r.fill(x.data(), x.size()), r.fill(scale.data(), n), r.fill(shift.data(), n);
  for_each_isa<vector_isas>([&](auto tag) {
    using I = decltype(tag);
    ia_nn::layer_norm<I> changed(n);
    changed.set_weights(scale.data(), shift.data());
    changed.run(rows, x.data(), a.data());
    ia_nn::layer_norm<I>(n, scale, shift).run(rows, x.data(), b.data());
    REQUIRE(same_bits(a, b));
    ia_nn::group_norm<I> group(n, 1, scale, shift);
    group.set_weights(nullptr, nullptr);
    group.run(1, rows, x.data(), a.data());
    ia_nn::group_norm<I>(n, 1).run(1, rows, x.data(), b.data());
    REQUIRE(same_bits(a, b));
  });
}

TEST_CASE("gradients of softmax", "[train][softmax]") {
  random r(934);
  struct shape {
    index_t outer, n, inner;
  };
  for (auto const& s :
       {shape{3, 1, 1}, shape{2, 7, 1}, shape{2, 16, 1}, shape{3, 17, 1}, shape{1, 67, 1},
        shape{1, 2070, 1}, shape{2, 5, 3}, shape{1, 9, 16}, shape{2, 19, 21}})
    for (bool logarithm : {false, true}) {
      INFO(s.outer << " x " << s.n << " x " << s.inner << ", " << logarithm);
      index_t const size = s.outer * s.n * s.inner;
      exact_buffer<f32> x(size), y(size), diff(size), dx(size);
      r.fill(x.data(), size), r.fill(diff.data(), size);
      doubles const dy = to_doubles(diff);
      auto const forward = [&](doubles const& v) {
        doubles to(v.size());
        for (index_t o = 0; o < s.outer; ++o)
          for (index_t i = 0; i < s.inner; ++i) {
            auto const place = [&](index_t k) { return at((o * s.n + k) * s.inner + i); };
            doubles const row =
                softmax_reference(s.n, [&](index_t k) { return v[place(k)]; }, logarithm);
            for (index_t k = 0; k < s.n; ++k) to[place(k)] = row[at(k)];
          }
        return to;
      };
      doubles const want =
          central_differences(to_doubles(x), [&](doubles const& v) { return dot(forward(v), dy); });
      doubles const result = forward(to_doubles(x));
      for (index_t i = 0; i < size; ++i) y[i] = static_cast<f32>(result[at(i)]);
      for_each_isa<vector_isas>([&](auto tag) {
        ia_nn::softmax_backward<decltype(tag)> const plan(
            s.n, s.inner, logarithm ? ia_nn::softmax_kind::logarithm : ia_nn::softmax_kind::linear);
        check_requests(size, dx, [&](gradient to, int workers) {
          plan.run(s.outer, y.data(), diff.data(), to, pool_of(workers));
        });
        REQUIRE(difference(dx, want, 1e-5) == "");
        exact_buffer<f32> place(size);
        std::copy(diff.begin(), diff.end(), place.begin());
        plan.run(s.outer, y.data(), place.data(), write_to(place.data()), pool_of(2));
        REQUIRE(same_bits(place, dx));
      });
    }
}

TEST_CASE("gradients of local response normalization", "[train][lrn]") {
  random r(935);
  constexpr index_t pixels = 3;
  struct lrn_case {
    index_t channels;
    ia_nn::lrn_options o;
    f32 scale = 1;
  };
  for (auto const& s :
       {lrn_case{1, {5, 0.5F, 0.75F, 1}}, lrn_case{7, {3, 0.5F, 0.75F, 2}},
        lrn_case{16, {4, 0.5F, 1.5F, 1}}, lrn_case{17, {4, 0.5F, 0.5F, 1, ia_nn::lrn_window::onnx}},
        lrn_case{35, {41, 2, 1, 1}}, lrn_case{67, {5, 1e-2F, 0.75F, 1}},
        lrn_case{9, {3, 0.5F, 0.75F, 0}},               // in double
        lrn_case{19, {3, -0.01F, 0.75F, 1}},            // in double
        lrn_case{9, {3, 0.5F, 0.75F, 1e-3F}, 1e15F}}) { // in double
    INFO(s.channels << " channels, size " << s.o.size << ", beta " << s.o.beta);
    index_t const size = pixels * s.channels;
    exact_buffer<f32> x(size), diff(size), dx(size);
    r.fill(x.data(), size), r.fill(diff.data(), size);
    for (f32& v : x) v = s.scale * (v + (v < 0 ? -0.1F : 0.1F));
    auto const d = [](f32 v) { return static_cast<double>(v); };
    doubles const dy = to_doubles(diff);
    auto const forward = [&](doubles const& v) {
      doubles y;
      for (index_t p = 0; p < pixels; ++p)
        for (index_t c = 0; c < s.channels; ++c) {
          bool const onnx = s.o.window == ia_nn::lrn_window::onnx;
          index_t const from = c - (onnx ? s.o.size - 1 : s.o.size) / 2;
          double squares = 0;
          for (index_t j = std::max<index_t>(from, 0); j < std::min(from + s.o.size, s.channels);
               ++j)
            squares += v[at(p * s.channels + j)] * v[at(p * s.channels + j)];
          y.push_back(v[at(p * s.channels + c)] *
                      std::pow(d(s.o.bias) + d(s.o.alpha) / static_cast<double>(s.o.size) * squares,
                               -d(s.o.beta)));
        }
      return y;
    };
    doubles want = central_differences(
        to_doubles(x), [&](doubles const& v) { return dot(forward(v), dy); }, 1e-5 * d(s.scale));
    double const unit = s.scale == 1 ? 1 : std::pow(d(s.scale), 1.5);
    for (double& v : want) v *= unit;
    for_each_isa<vector_isas>([&](auto tag) {
      ia_nn::lrn_backward<decltype(tag)> const plan(s.channels, s.o, 2);
      check_requests(size, dx, [&](gradient to, int workers) {
        plan.run(pixels, x.data(), diff.data(), to, scratch(plan.workspace_bytes()),
                 pool_of(workers));
      });
      doubles got = to_doubles(dx);
      for (double& v : got) v *= unit;
      REQUIRE(difference(got, want, 1e-5) == "");
    });
  }
}

TEST_CASE("errors of the gradients of norms", "[train][norm][errors]") {
  using I = ia_nn::isa::scalar;
  f32 const nan = std::nanf("");
  REQUIRE_ERROR([&] { ia_nn::layer_norm_backward<I> const p(0); }, errc::bad_shape,
                "layer_norm_backward: n is 0");
  REQUIRE_ERROR([&] { ia_nn::layer_norm_backward<I> const p(3, 0); }, errc::bad_shape,
                "layer_norm_backward: max_rows is 0");
  REQUIRE_ERROR([&] { ia_nn::layer_norm_backward<I> const p(3, 1, nan); }, errc::bad_parameter,
                "layer_norm_backward: epsilon is ");
  REQUIRE_ERROR([&] { ia_nn::group_norm_backward<I> const p({6, 4}); }, errc::bad_shape,
                "group_norm_backward: 4 groups do not divide 6 channels");
  REQUIRE_ERROR([&] { ia_nn::group_norm_backward<I> const p({6, 3, 1, -1}); }, errc::bad_parameter,
                "group_norm_backward: epsilon is -1");
  REQUIRE_ERROR([&] { ia_nn::softmax_backward<I> const p(2, 0); }, errc::bad_shape,
                "softmax_backward: inner is 0");
  REQUIRE_ERROR([&] { ia_nn::lrn_backward<I> const p(2, {.size = 0}); }, errc::bad_parameter,
                "lrn: size is 0");
}

} // namespace ia_nn_test

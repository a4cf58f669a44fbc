// SPDX-License-Identifier: Apache-2.0
//
// Chains of stages on the accumulators of vector and AMX tiles, edges included, against the same
// arithmetic done number by number on accumulators that an empty chain stored.
#include "support.hpp"

#include <ia_nn/math/activation.hpp>

#include <memory>

namespace ia_nn_test {
namespace {

namespace activation = ia_nn::activation;
using namespace ia_nn; // the stages

struct shape_of_c {
  index_t m, n, k;
};
constexpr shape_of_c shapes[] = {{1, 1, 3}, {1, 37, 9}, {2, 65, 4}, {3, 16, 5}, {4, 32, 8},
                                 {7, 33, 5}, {17, 15, 4}, {35, 67, 6}};

// Bit for bit, any NaN being equal to any; with a tolerance for values of elementary functions.
template <class C> bool equals(C got, C want, double tolerance) {
  if (__builtin_memcmp(&got, &want, sizeof got) == 0) return true;
  double const g = static_cast<double>(static_cast<f32>(got)), w = static_cast<double>(static_cast<f32>(want));
  return std::fabs(g - w) <= tolerance * std::fmax(1, std::fabs(w));
}

// stages(buffers) makes the chain, model(acc, i, j) the number it should store.
template <element A, element B, element C, class Isas, class Stages, class Model>
void check_chain(char const* what, Stages const& stages, Model const& model, double tolerance = 0) {
  using acc = accumulator_t<A>;
  random r(70);
  for (shape_of_c s : shapes)
    for (index_t gap : {0, 3}) {
      product_case p;
      p.m = s.m, p.n = s.n, p.k = s.k, p.c_gap = gap, p.workers = gap ? 3 : 1;
      INFO(what << ", " << p.text());
      product<A, B, acc> const plain(p, r);
      product<A, B, C> x(p, r);
      std::copy(plain.a_source().data, plain.a_source().data + s.m * s.k, x.a().begin());
      std::copy(plain.b_data(), plain.b_data() + s.k * s.n, x.b().begin());
      exact_buffer<acc> sums((s.m - 1) * x.ldc() + s.n);
      exact_buffer<C> out((s.m - 1) * x.ldc() + s.n);
      for_each_isa<Isas>([&](auto tag) {
        using I = decltype(tag);
        plain.template run<I>(sums);
        x.template run<I>(out, stages(p));
        index_t wrong = 0;
        for (index_t i = 0; i < s.m; ++i)
          for (index_t j = 0; j < s.n; ++j)
            wrong += !equals<C>(out[i * x.ldc() + j], model(p, sums[i * x.ldc() + j], i, j), tolerance);
        REQUIRE(wrong == 0);
        for (index_t i = 0; i + 1 < s.m; ++i)
          for (index_t j = s.n; j < x.ldc(); ++j)
            REQUIRE(std::memcmp(&out[i * x.ldc() + j], &x.c()[i * x.ldc() + j], sizeof(C)) == 0);
      });
    }
}

// Operands of stages with exactly as many elements as C has columns, or elements.
template <element T> class operands {
public:
  explicit operands(std::uint64_t stream, f32 lo = -4, f32 hi = 4) : r_(stream), lo_(lo), hi_(hi) {}
  exact_buffer<T> const& of(index_t count) {
    for (auto const& b : all_)
      if (b->size() == count) return *b;
    all_.push_back(std::make_unique<exact_buffer<T>>(count));
    r_.fill_between(all_.back()->data(), count, lo_, hi_);
    return *all_.back();
  }

private:
  random r_;
  f32 lo_, hi_;
  std::vector<std::unique_ptr<exact_buffer<T>>> all_;
};

using f32_isas = vector_isas;
using int_isas = kinds_of_kernels;

template <byte_element T> T requantized(s32 acc, f32 factor, s32 zero) {
  f32 const rounded = std::nearbyintf(static_cast<f32>(acc) * factor);
  return saturated<T>(static_cast<double>(rounded + static_cast<f32>(zero)));
}

// A stage of a user: a struct with state, and its own type of result.
struct halve_to_integer {
  s32 add;
  template <vector_register V> auto operator()(V v) const noexcept {
    auto const whole = to_s32(v * V::broadcast(0.5F));
    return whole + whole.broadcast(add);
  }
};

} // namespace

TEST_CASE("bias and activation on f32 tiles", "[gemm][epilogue]") {
  operands<f32> bias(71);
  check_chain<f32, f32, f32, f32_isas>(
      "add_bias, relu",
      [&](product_case const& p) { return chain{add_bias{bias.of(p.n).data()}, activation::relu{}}; },
      [&](product_case const& p, f32 v, index_t, index_t j) {
        f32 const x = v + bias.of(p.n)[j];
        return x > 0 ? x : 0.0F;
      });
  operands<bf16> narrow(72);
  check_chain<f32, f32, bf16, f32_isas>(
      "add_bias<bf16>, clip -> bf16",
      [&](product_case const& p) { return chain{add_bias{narrow.of(p.n).data()}, activation::clip{-1, 2}}; },
      [&](product_case const& p, f32 v, index_t, index_t j) {
        f32 const x = v + static_cast<f32>(narrow.of(p.n)[j]);
        return bf16(x < -1 ? -1 : x > 2 ? 2 : x);
      });
}

TEST_CASE("scales, factors and residuals on f32 tiles", "[gemm][epilogue]") {
  operands<f32> factor(73), bias(74), residual(75);
  operands<bf16> other(76);
  check_chain<f32, f32, f32, f32_isas>(
      "scale, scale_columns, add_residual",
      [&](product_case const& p) {
        return chain{scale{0.3F}, scale_columns{factor.of(p.n).data()},
                     add_residual{residual.of(p.m * p.n).data(), p.n}};
      },
      [&](product_case const& p, f32 v, index_t i, index_t j) {
        f32 const scaled = v * 0.3F * factor.of(p.n)[j];
        f32 volatile const rounded = scaled; // or the compiler contracts to an fma
        return rounded + residual.of(p.m * p.n)[i * p.n + j];
      },
      1e-6); // the compiler may contract the kernel's as well
  check_chain<f32, f32, f32, f32_isas>(
      "scale_bias, multiply<bf16>",
      [&](product_case const& p) {
        return chain{scale_bias{factor.of(p.n).data(), bias.of(p.n).data()},
                     multiply{other.of(p.m * p.n).data(), p.n}};
      },
      [&](product_case const& p, f32 v, index_t i, index_t j) {
        return std::fma(v, factor.of(p.n)[j], bias.of(p.n)[j]) *
               static_cast<f32>(other.of(p.m * p.n)[i * p.n + j]);
      });
}

TEST_CASE("tanh and gelu as stages", "[gemm][epilogue]") {
  check_chain<f32, f32, f32, f32_isas>(
      "tanh, then gelu",
      [](product_case const&) { return chain{activation::tanh<>{}, activation::gelu<>{}}; },
      [](product_case const&, f32 v, index_t, index_t) {
        double const t = std::tanh(static_cast<double>(v));
        return static_cast<f32>(t / 2 * std::erfc(-t / std::sqrt(2.0)));
      },
      4e-7);
}

TEST_CASE("stages of the user: lambdas with and without a position, structs", "[gemm][epilogue]") {
  operands<f32> table(77);
  check_chain<f32, f32, f32, f32_isas>(
      "lambda (v), lambda (v, at)",
      [&](product_case const& p) {
        f32 const* const t = table.of(p.m * p.n).data();
        index_t const ld = p.n;
        return chain{[](auto v) { return max(v, v.broadcast(0.5F)); },
                     [t, ld](auto v, auto at) { return min(v, at.template matrix<decltype(v)>(t, ld)); }};
      },
      [&](product_case const& p, f32 v, index_t i, index_t j) {
        f32 const t = table.of(p.m * p.n)[i * p.n + j], x = v > 0.5F ? v : 0.5F;
        return x < t ? x : t;
      });
  check_chain<f32, f32, f32, f32_isas>(
      "the row and the columns of a position",
      [](product_case const&) {
        return chain{[](auto v, auto at) {
          alignas(64) f32 lanes[16];
          for (int i = 0; i < v.size; ++i) // lanes beyond at.lanes must not be stored
            lanes[i] = i < at.lanes ? static_cast<f32>(1000 * at.row + at.column + i) : -1.0F;
          return v.load(lanes);
        }};
      },
      [](product_case const&, f32, index_t i, index_t j) { return static_cast<f32>(1000 * i + j); });
  check_chain<f32, f32, s8, f32_isas>(
      "a struct that turns to s32",
      [](product_case const&) { return chain{halve_to_integer{3}}; },
      [](product_case const&, f32 v, index_t, index_t) {
        return saturated<s8>(std::nearbyint(static_cast<double>(v) * 0.5) + 3);
      });
}

TEST_CASE("a residual may be the old destination", "[gemm][epilogue]") {
  random r(78);
  for (index_t m : {1, 5, 18})
    for_each_isa<f32_isas>([&](auto tag) {
      using I = decltype(tag);
      product_case p;
      p.m = m, p.n = 37, p.k = 11, p.c_gap = 2;
      product<f32, f32, f32> const x(p, r);
      exact_buffer<f32> sums((m - 1) * x.ldc() + p.n), out((m - 1) * x.ldc() + p.n);
      x.template run<I>(sums);
      x.template run<I>(out, chain{add_residual{out.data(), x.ldc()}});
      for (index_t i = 0; i < m; ++i)
        for (index_t j = 0; j < p.n; ++j)
          REQUIRE(out[i * x.ldc() + j] == sums[i * x.ldc() + j] + x.c_before()[i * x.ldc() + j]);
    });
}

TEST_CASE("integer bias and requantization are exact", "[gemm][epilogue][int8]") {
  operands<s32> bias(80, -20000, 20000);
  operands<f32> factor(81, 0.0001F, 0.01F), real_bias(82);
  check_chain<u8, s8, s32, int_isas>(
      "add_bias<s32>",
      [&](product_case const& p) { return chain{add_bias{bias.of(p.n).data()}}; },
      [&](product_case const& p, s32 v, index_t, index_t j) { return v + bias.of(p.n)[j]; });
  check_chain<u8, s8, u8, int_isas>(
      "add_bias<s32>, requantize -> u8",
      [&](product_case const& p) {
        return chain{add_bias{bias.of(p.n).data()}, requantize{factor.of(p.n).data(), 100}};
      },
      [&](product_case const& p, s32 v, index_t, index_t j) {
        return requantized<u8>(v + bias.of(p.n)[j], factor.of(p.n)[j], 100);
      });
  check_chain<s8, s8, s8, int_isas>(
      "requantize_tensor -> s8",
      [](product_case const&) { return chain{requantize_tensor{0.0078125F, -7}}; }, // many ties
      [](product_case const&, s32 v, index_t, index_t) { return requantized<s8>(v, 0.0078125F, -7); });
  check_chain<s8, s8, f32, int_isas>(
      "scale_columns, relu -> f32",
      [&](product_case const& p) { return chain{scale_columns{factor.of(p.n).data()}, activation::relu{}}; },
      [&](product_case const& p, s32 v, index_t, index_t j) {
        f32 const x = static_cast<f32>(v) * factor.of(p.n)[j];
        return x > 0 ? x : 0.0F;
      });
  check_chain<u8, s8, bf16, int_isas>(
      "add_bias<f32> -> bf16",
      [&](product_case const& p) { return chain{add_bias{real_bias.of(p.n).data()}}; },
      [&](product_case const& p, s32 v, index_t, index_t j) {
        return bf16(static_cast<f32>(v) + real_bias.of(p.n)[j]);
      });
}

TEST_CASE("stages on bf16 tiles", "[gemm][epilogue][bf16]") {
  operands<f32> bias(83);
  operands<bf16> residual(84);
  check_chain<bf16, bf16, bf16, int_isas>(
      "add_bias, add_residual<bf16>, relu -> bf16",
      [&](product_case const& p) {
        return chain{add_bias{bias.of(p.n).data()}, add_residual{residual.of(p.m * p.n).data(), p.n},
                     activation::relu{}};
      },
      [&](product_case const& p, f32 v, index_t i, index_t j) {
        f32 const x = v + bias.of(p.n)[j] + static_cast<f32>(residual.of(p.m * p.n)[i * p.n + j]);
        return bf16(x > 0 ? x : 0.0F);
      });
}

} // namespace ia_nn_test

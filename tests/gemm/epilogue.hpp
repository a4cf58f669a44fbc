// SPDX-License-Identifier: Apache-2.0
//
// Compares chains of stages with the same arithmetic done number by number, on accumulators that an
// empty chain stored.
#pragma once

#include "support.hpp"

#include <ia_nn/math/activation.hpp>

#include <memory>

namespace ia_nn_test {

namespace activation = ia_nn::activation;
using namespace ia_nn; // the stages

struct shape_of_c {
  index_t m, n, k;
};
inline constexpr shape_of_c shapes[] = {{1, 1, 3}, {1, 37, 9}, {2, 65, 4}, {3, 16, 5}, {4, 32, 8},
                                 {7, 33, 5}, {17, 15, 4}, {35, 67, 6}};

// Bit for bit, or with a tolerance for values of elementary functions.
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

} // namespace ia_nn_test

// SPDX-License-Identifier: Apache-2.0
//
// Loops by registers whose last one is not whole: every element once, none read or written behind
// the end.
#include "isa.hpp"
#include "random.hpp"

#include <ia_nn/arch/lanes.hpp>

using namespace ia_nn_test;
using ia_nn::vec;

TEST_CASE("lanes: a loop by registers sees every element once", "[arch]") {
  for_each_isa<vector_isas>([](auto tag) {
    using V = vec<f32, decltype(tag)>;
    ia_nn_test::random r(31);
    for (index_t n = 0; n <= 2 * V::size + 3; ++n) {
      exact_buffer<f32> src(n), dst(n);
      r.fill(src.data(), n);
      index_t registers = 0;
      ia_nn::detail::each_register<V>(0, n, [&]<bool Whole>(index_t i, ia_nn::detail::lanes<Whole> at) {
        CHECK(Whole == (i + V::size <= n));
        CHECK(at.count == (Whole ? V::size : n - i));
        V const x = at.template load<V>(src.data() + i);
        at.store(x + x, dst.data() + i);
        ++registers;
      });
      CHECK(registers == ia_nn::ceil_div(n, V::size));
      for (index_t i = 0; i < n; ++i) CHECK(dst[i] == 2 * src[i]);
    }
  });
}

TEST_CASE("lanes: what stands for no element is replaced", "[arch]") {
  for_each_isa<vector_isas>([](auto tag) {
    using V = vec<f32, decltype(tag)>;
    f32 out[16];
    for (index_t n = 0; n < V::size; ++n) {
      ia_nn::detail::lanes<false>{n}.keep(V::broadcast(3), V::broadcast(-5)).store(out);
      for (index_t i = 0; i < V::size; ++i) CHECK(out[i] == (i < n ? 3.0F : -5.0F));
    }
    ia_nn::detail::lanes<true>{V::size}.keep(V::broadcast(3), V::broadcast(-5)).store(out);
    for (index_t i = 0; i < V::size; ++i) CHECK(out[i] == 3.0F);
  });
}

// SPDX-License-Identifier: Apache-2.0
//
// `run` allocates nothing: operator new of the whole test executable counts. Not under sanitizers,
// which bring an operator new of their own.
#include "support.hpp"
#include "support/allocations.hpp"

#include <ia_nn/exec/thread_pool.hpp>
#include <ia_nn/math/activation.hpp>
#include <ia_nn/ops/dense.hpp>

#if IA_NN_TEST_COUNTS_ALLOCATIONS

namespace ia_nn_test {

TEST_CASE("run allocates nothing", "[gemm][allocation]") {
  {
    long const before = allocations;
    auto* volatile kept = new std::vector<int>(10); // the counter counts
    delete kept;
    ia_nn::aligned_array<f32> const counted_too(10);
    long const after = allocations;
    REQUIRE(after == before + 3);
  }

  random r(110);
  ia_nn::thread_pool pool(3);
  for_each_isa<vector_isas>([&](auto tag) {
    using I = decltype(tag);
    using G = gemm<I, f32, f32, f32>;
    product_case p;
    p.m = 50, p.n = 70, p.k = 8300;
    product<f32, f32, f32> const x(p, r);
    G const plan(p.m, p.n, p.k, 3);
    auto const w = x.template pack<G>();
    exact_buffer<f32> c(p.m * p.n);
    ia_nn::workspace scratch(plan.workspace_bytes()), more(plan.workspace_bytes_unpacked());
    long start = allocations;
    plan.run(x.a_source(), w, c.data(), p.n, chain{ia_nn::activation::relu{}}, scratch, pool);
    plan.with_rows(2).run(x.a_source(), w, c.data(), p.n, chain<>{}, scratch);
    plan.run_unpacked(x.a_source(), x.b_data(), p.n, 1, c.data(), p.n, chain<>{}, more, pool);
    long count = allocations - start;
    REQUIRE(count == 0);

    ia_nn::tensor<f32, ia_nn::shape<ia_nn::dyn, ia_nn::dyn>> src(20, 30), weights(30, 40), dst(20, 40);
    ia_nn::aligned_array<f32> const bias(40);
    ia_nn::dense<I, f32, f32, f32> const layer(weights, bias, {20, 3});
    ia_nn::workspace layer_scratch(layer.workspace_bytes());
    start = allocations;
    layer.run(src, dst, ia_nn::activation::relu{}, layer_scratch, pool);
    count = allocations - start;
    REQUIRE(count == 0);
  });
}

} // namespace ia_nn_test

#endif

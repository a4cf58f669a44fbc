// SPDX-License-Identifier: Apache-2.0
//
// No `run`, no conversion allocates: operator new of the whole test executable counts. Not under
// sanitizers, which bring an operator new of their own.
#include "layer.hpp"
#include "support/allocations.hpp"

#include <ia_nn/exec/thread_pool.hpp>
#include <ia_nn/int8/conv.hpp>
#include <ia_nn/int8/dense.hpp>
#include <ia_nn/int8/dynamic.hpp>
#include <ia_nn/int8/dynamic_dense.hpp>
#include <ia_nn/int8/elementwise.hpp>
#include <ia_nn/int8/s4.hpp>

#if IA_NN_TEST_COUNTS_ALLOCATIONS

namespace ia_nn_test {

TEST_CASE("quantized layers and conversions allocate nothing", "[int8][allocation]") {
  {
    long const before = allocations;
    auto* volatile kept = new std::vector<int>(10); // the counter counts
    delete kept;
    long const after = allocations;
    REQUIRE(after == before + 2);
  }
  for_each_isa<tiles_and_native>([](auto tag) {
    using I = decltype(tag);
    random r(70);
    ia_nn::thread_pool pool(3);
    index_t const n = 100000;
    std::vector<f32> x = normal_values(n, 1, r), back(x.size());
    std::vector<u8> y(x.size()), z(x.size());
    quantized_options o{.src = {0.1F, 3}, .dst = {0.2F, 4}, .max_rows = 9, .workers = 3};
    ia_nn::quantized_dense<I, u8, u8> const dense(
        ia_nn::quantize_weights(normal_values(40 * 70, 1, r), 40), o);
    ia_nn::conv_shape const s{
        .channels = 6, .filters = 6, .groups = 6, .in = {1, 9, 9}, .win = {.kernel = {1, 3, 3}}};
    ia_nn::quantized_conv<I, u8, u8> const conv(
        s, ia_nn::quantize_weights(normal_values(54, 1, r), 6), o);
    ia_nn::s4_dense<I> const four(ia_nn::quantize_s4<I>(normal_values(40 * 64, 1, r), 40, 32),
                                  {.max_rows = 5});
    ia_nn::dynamic_dense<I> const dynamic(ia_nn::quantize_weights(normal_values(40 * 70, 1, r), 40),
                                          {}, {.max_rows = 9, .workers = 3});
    ia_nn::workspace scratch(std::max({dense.workspace_bytes(), conv.workspace_bytes(),
                                       four.workspace_bytes(), dynamic.workspace_bytes()}));
    std::vector<s32> const sums(y.size(), 12345);
    ia_nn::concat_source<u8> const sources[2] = {{y.data(), 10, {0.1F, 0}},
                                                 {y.data() + 100, 5, {1, 0}}};

    long const start = allocations;
    quantization const q =
        ia_nn::quantize_dynamic<I>(n, x.data(), y.data(), ia_nn::scheme::asymmetric, pool);
    ia_nn::dequantize<I>(n, y.data(), back.data(), q, pool);
    ia_nn::rescale<I>(n, y.data(), z.data(), q, {0.1F, 0}, pool);
    ia_nn::quantized_add<I>(n, y.data(), q, z.data(), {0.1F, 0}, z.data(), q, pool);
    ia_nn::quantized_multiply<I>(n, y.data(), q, z.data(), {0.1F, 0}, z.data(), q, pool);
    ia_nn::quantized_relu<I>(n, y.data(), z.data(), q, 3.0F, pool);
    ia_nn::quantized_concat<I, u8>(10, sources, z.data(), {0.1F, 0}, pool);
    ia_nn::requantize_sums<I>(n, sums.data(), z.data(), 0.001F, 3, pool);
    ia_nn::quantize<I>(n, x.data(), y.data(), q, pool);
    dense.run(9, y.data(), z.data(), scratch, pool);
    dense.run_add(9, y.data(), z.data(), z.data(), scratch, pool);
    conv.run(9, y.data(), z.data(), scratch, pool);
    conv.run_add(9, y.data(), z.data(), z.data(), scratch, pool);
    dynamic.run(9, x.data(), 70, back.data(), 40, scratch, pool);
    four.run(5, x.data(), 64, back.data(), 40, ia_nn::chain<>{}, scratch, pool);
    long const count = allocations - start;
    REQUIRE(count == 0);
  });
}

} // namespace ia_nn_test

#endif

// SPDX-License-Identifier: Apache-2.0
//
// Training with products of bf16: gradients near those of f32, with the same bits for any number of threads.
#include "gradients.hpp"

#include <ia_nn/graph/layers.hpp>

namespace {

using namespace trainer_test;
using graph::builder, graph::value, graph::any_batch;

struct mixed {
  static constexpr value build(builder& b) {
    value x = input(b, "x", {any_batch, 6, 5, 3});
    x = tanh(batch_norm(conv2d(x, {.filters = 17, .kernel = 3, .pad = 1, .name = "conv"}), {.epsilon = 0.1F, .name = "bn"}));
    x = depthwise_conv2d(x, {.kernel = 3, .pad = 1, .name = "depthwise"});
    x = deconv2d(x, {.filters = 8, .kernel = 2, .stride = 2, .name = "up"});
    x = reshape(x, {12, 80}, {.order = graph::order::channels_last});
    x = matmul(tanh(matmul(x, x, {.transposed_b = true}) * 0.02F), x);
    x = lstm(x, {.hidden = 9, .direction = graph::direction::both, .name = "lstm"});
    x = gru(x, {.hidden = 7, .name = "gru"});
    x = rnn(x, {.hidden = 6, .last_only = true, .name = "rnn"});
    return dense(x, {.units = 33, .name = "fc"});
  }
};

TEST_CASE("products of bf16 in training") {
  announce_isas();
  training_problem const p(graph::detail::built<mixed>(), 3, 5);
  training_result first;
  ia_nn::thread_pool two(2), three(3);
  using narrow_isas = ia_nn::type_list<ia_nn::isa::amx, ia_nn::isa::avx512_bf16, ia_nn::isa::avx2>;
  ia_nn::for_each_type(narrow_isas{}, [&](auto tag) {
    using I = decltype(tag);
    if constexpr (ia_nn::isa::is_compiled<I>) {
      if (!runnable<I>()) return;
      INFO("isa " << label<I>());
      auto const narrow = [](graph::training_id k) {
        return graph::find_training_kernel<graph::native_kernels<I>, graph::narrow_training_kernel_ids>(k);
      };
      auto const run = [&](run_options o) {
        return run_step<graph::native_kernels<graph::detail::isa_of_f32<I>>>(p, o, narrow);
      };
      training_result const wide = run({}), found = run({.usual = graph::precision::bf16});
      for (ia_nn::thread_pool* const pool : {&two, &three})
        CHECK(same_bits(found, run({.pool = pool, .usual = graph::precision::bf16})));
      CHECK(!same_bits(found, wide));
      double dot = 0, a = 0, b = 0;
      for (std::size_t i = 0; i < wide.gradients.size(); ++i) {
        auto const x = static_cast<double>(wide.gradients[i]), y = static_cast<double>(found.gradients[i]);
        dot += x * y, a += x * x, b += y * y;
      }
      CHECK(dot >= 0.99 * std::sqrt(a * b));
      CHECK(std::fabs(std::sqrt(b / a) - 1) < 0.1);
    }
  });
}

} // namespace

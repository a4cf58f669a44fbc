// SPDX-License-Identifier: Apache-2.0
//
// A user's program with something of everything, on one instruction set, all headers included. It
// is compiled with many warnings, and run without exceptions and RTTI: `program 1` makes a mistake.
#include "every_header.hpp"

#include <cstdio>
#include <cstdlib>
#include <vector>

struct digits {
  static constexpr auto build(ia_nn::graph::builder& b) {
    auto x = input(b, "image", {ia_nn::graph::any_batch, 12, 12, 1});
    x = max_pool(relu(conv2d(x, {.filters = 8, .kernel = 3, .name = "conv"})), {.kernel = 2});
    return softmax(dense(flatten(x), {.units = 10, .name = "fc"}));
  }
};

static bool network() {
  using namespace ia_nn;
  std::vector<float> const zeros(2000);
  graph::memory_weights weights;
  weights.add("conv.weight", {8, 1, 3, 3}, std::span(zeros).first(72));
  weights.add("conv.bias", {8}, std::span(zeros).first(8));
  weights.add("fc.weight", {10, 200}, zeros);
  weights.add("fc.bias", {10}, std::span(zeros).first(10));
  graph::compiled<digits> const net(weights, {.max_batch = 2});
  workspace scratch(net.workspace_bytes());
  std::vector<float> images(2 * 12 * 12), probabilities(2 * 10);
  net.run(2, images.data(), probabilities.data(), scratch);
  return probabilities[0] == 0.1F;
}

static bool layers() {
  using namespace ia_nn;
  conv_shape const shape{.channels = 8, .filters = 8, .in = {1, 6, 6}, .win = {.kernel = {1, 3, 3}}};
  std::vector<f32> const w(static_cast<std::size_t>(shape.weights()), 0.5F), bias(8);
  quantized_options const o{.src = {0.1F, 0}, .dst = {0.1F, 0}};
  quantized_conv<isa::native, u8, u8> const conv(shape, quantize_weights(w, 8, bias, o.src.scale),
                                                 o.with_relu());
  workspace a(conv.workspace_bytes());
  std::vector<u8> x(6 * 6 * 8), y(4 * 4 * 8, 1);
  conv.run(1, x.data(), y.data(), a);

  std::vector<f32> const u(32 * 8), b(32), s(4 * 8);
  std::vector<f32> d(4 * 8, 1);
  rnn_source const source{.input = 8, .hidden = 8, .w_input = u, .w_recurrent = u, .b_input = b};
  rnn<rnn_weights<isa::native, lstm, f32>> const model(
      {gate_order::pytorch{}, source}, {.max_time = 4, .max_batch = 1, .workers = 2});
  workspace c(model.workspace_bytes());
  thread_pool pool(2);
  model.run(rnn_call<f32, f32>{.src = s.data(), .dst = d.data(), .time = 4, .batch = 1}, c, pool);
  return y[0] == 0 && d[0] == 0;
}

int main(int argc, char**) {
  using namespace ia_nn;
  std::set_terminate([] {
    std::fputs("the terminate handler\n", stderr);
    std::exit(0);
  });
  tensor<f32, shape<8, 16>> weights;
  tensor<f32, shape<dyn>> bias(argc > 1 ? 15 : 16);
  tensor<f32, shape<2, 8>> x;
  tensor<f32, shape<2, 16>> y;
  eval(x, 1);
  dense const layer(weights, bias, {.max_rows = 2});
  workspace scratch(layer.workspace_bytes());
  layer.run(x, y, activation::gelu{}, scratch);
  bool const good = y(1, 15) == 0 && network() && layers();
  std::puts(good ? "good" : "wrong");
  return good ? 0 : 1;
}

// SPDX-License-Identifier: Apache-2.0
//
// With IA_NN_CHECKED every `run` that is given too little memory or too large a batch ends the
// program with a sentence, and what a network compares where it knows extents. The comparisons do
// not depend on the instruction set: the scalar one stands for all.
#include "../gemm/throws.hpp"
#include "../support/in_child.hpp"

#include <ia_nn/graph/compiled.hpp>
#include <ia_nn/graph/layers.hpp>
#include <ia_nn/int8/conv.hpp>
#include <ia_nn/int8/dense.hpp>
#include <ia_nn/int8/dynamic_dense.hpp>
#include <ia_nn/int8/s4.hpp>
#include <ia_nn/ops/dense.hpp>
#include <ia_nn/train/train.hpp>

namespace precondition_nets {
struct sum {
  static constexpr auto build(ia_nn::graph::builder& b) {
    auto const x = input(b, "x", {ia_nn::graph::any_batch, 6});
    auto const ids = input(b, "ids", {ia_nn::graph::any_batch, 1}, ia_nn::graph::value_type::s32);
    return softmax(x + embedding(ids, {.rows = 5, .width = 6, .name = "table"}));
  }
};
struct image {
  static constexpr auto build(ia_nn::graph::builder& b) {
    return relu(input(b, "image", {ia_nn::graph::any_batch, 4, 5, 3}));
  }
};
struct channels_first {
  static constexpr auto build(ia_nn::graph::builder& b) {
    return relu(input(b, "image", {ia_nn::graph::any_batch, 4, 5, 3},
                      {.layout = ia_nn::graph::layout::channels_first}));
  }
};
struct pair_of_four { // a static batch
  static constexpr auto build(ia_nn::graph::builder& b) { return relu(input(b, "x", {2, 4})); }
};
} // namespace precondition_nets

namespace {

using namespace ia_nn;
using S = isa::scalar;
template <class Net> using compiled = graph::compiled<Net, graph::native<S>>;

/// run(workspace) must accept `bytes`, and refuse one less and a place that is not aligned.
template <class F> void check_workspace(std::string const& who, index_t bytes, F const& run) {
  INFO(who);
  REQUIRE(bytes > 0);
  workspace all(bytes + 64);
  workspace_view const v = all;
  run(workspace_view{v.data, bytes});
  std::string const needs =
      " bytes, run needs " + std::to_string(bytes) + " aligned to 64 bytes";
  REQUIRE_DEATH([&] { run(workspace_view{v.data, bytes - 1}); },
                who + ": a workspace of " + std::to_string(bytes - 1) + needs);
  REQUIRE_DEATH([&] { run(workspace_view{v.data + 4, bytes}); },
                who + ": a workspace of " + std::to_string(bytes) + needs);
}

// Large enough for every case.
struct memory {
  std::vector<f32> x = std::vector<f32>(4096, 0.5F), y = std::vector<f32>(4096),
                   z = std::vector<f32>(4096);
  std::vector<u8> bytes = std::vector<u8>(4096, 3);
};

TEST_CASE("preconditions of products", "[graph]") {
  memory m;
  gemm<S, f32, f32, f32> const plan(9, 40, 24);
  gemm<S, f32, f32, f32>::weights const w(matrix(m.x.data(), 24, 40));
  check_workspace("gemm", plan.workspace_bytes(), [&](workspace_view s) {
    plan.run(m.x.data(), 24, w, m.y.data(), 40, chain<>{}, s);
  });
  check_workspace("gemm", plan.workspace_bytes_unpacked(), [&](workspace_view s) {
    plan.run_unpacked({m.x.data(), 24, 1}, m.x.data(), 40, 1, m.y.data(), 40, chain<>{}, s);
  });
  REQUIRE_DEATH([&] { static_cast<void>(plan.with_rows(10)); },
                "gemm: 10 rows, planned for at most 9");
  workspace scratch(plan.workspace_bytes());
  gemm<S, f32, f32, f32>::weights const other(matrix(m.x.data(), 24, 41));
  REQUIRE_DEATH([&] { plan.run(m.x.data(), 24, other, m.y.data(), 40, chain<>{}, scratch); },
                "gemm: the weights have shape (24, 41), expected (24, 40)");
  REQUIRE_DEATH([&] { plan.run(m.x.data(), 24, w, m.y.data(), 39, chain<>{}, scratch); },
                "gemm: rows of the destination 39 elements apart hold 40 and overlap each other");

  dense<S, f32, f32, f32> const layer(matrix(m.x.data(), 24, 40), std::vector<f32>(40),
                                      {.max_rows = 9});
  auto const run = [&](index_t rows, index_t columns, workspace_view s) {
    layer.run(matrix(m.x.data(), rows, columns), matrix(m.y.data(), rows, 40), s);
  };
  check_workspace("gemm", layer.workspace_bytes(), [&](workspace_view s) { run(9, 24, s); });
  REQUIRE_DEATH([&] { run(10, 24, scratch); }, "gemm: 10 rows, planned for at most 9");
  REQUIRE_DEATH([&] { run(9, 23, scratch); },
                "dense: src is (9, 23), dst (9, 40), the weights are (24, 40)");
}

TEST_CASE("preconditions of convolutions", "[graph]") {
  memory m;
  conv_shape const s{.channels = 6, .filters = 5, .in = {1, 7, 7}, .win = {.kernel = {1, 3, 3}}};
  std::vector<f32> const w(static_cast<std::size_t>(s.weights()), 0.5F);
  auto const check = [&](char const* who, auto const& layer, auto const& run) {
    check_workspace(who, layer.workspace_bytes(), [&](workspace_view v) { run(2, v); });
    workspace scratch(layer.workspace_bytes());
    REQUIRE_DEATH([&] { run(3, scratch); },
                  std::string(who) + ": a batch of 3, planned for at most 2");
  };
  conv<S, f32, f32, f32> const layer(s, w, {.max_batch = 2});
  check("conv", layer, [&](index_t batch, workspace_view v) {
    layer.run(batch, m.x.data(), m.y.data(), chain<>{}, v);
  });
  workspace scratch(layer.workspace_bytes());
  REQUIRE_DEATH([&] { layer.run(2, m.x.data(), m.y.data(), 4, chain<>{}, scratch); },
                "conv: pixels of dst 4 elements apart have 5 filters");
  deconv<S, f32, f32, f32> const up({.channels = 6, .filters = 5, .in = s.in, .win = s.win}, w,
                                    {.max_batch = 2});
  check("deconv", up, [&](index_t batch, workspace_view v) {
    up.run(batch, m.x.data(), m.y.data(), chain<>{}, v);
  });
  conv_shape depthwise = s;
  depthwise.filters = depthwise.groups = 6;
  separable_conv<S, f32, f32, f32> const both(depthwise, 5, std::vector<f32>(54),
                                              std::vector<f32>(30), {.max_batch = 2});
  check("separable_conv", both, [&](index_t batch, workspace_view v) {
    both.run(batch, m.x.data(), m.y.data(), chain<>{}, chain<>{}, v);
  });
  quantized_options const o{.max_rows = 2};
  quantized_conv<S, u8, f32> const narrow(s, quantize_weights(w, 5), o);
  check("conv", narrow, [&](index_t batch, workspace_view v) {
    narrow.run(batch, m.bytes.data(), m.y.data(), v);
  });
  conv_backward_weights<S> const weights(s, {.max_batch = 2});
  check("conv_backward_weights", weights, [&](index_t batch, workspace_view v) {
    weights.run({batch, m.x.data(), m.x.data(), write_to(m.y.data()), write_to(m.z.data())}, v);
  });
  conv_backward_src<S> const src(s, {.max_batch = 2});
  check("conv_backward_src", src, [&](index_t batch, workspace_view v) {
    src.run(batch, m.x.data(), w.data(), write_to(m.y.data()), v);
  });
}

TEST_CASE("preconditions of layers of rows", "[graph]") {
  memory m;
  auto const check = [&](char const* who, auto const& layer, auto const& run) {
    check_workspace(who, layer.workspace_bytes(), [&](workspace_view v) { run(4, v); });
    workspace scratch(layer.workspace_bytes());
    REQUIRE_DEATH([&] { run(5, scratch); },
                  std::string(who) + ": 5 rows, planned for at most 4");
  };
  std::vector<f32> const w(32 * 48, 0.5F);
  quantized_dense<S, u8, f32> const bytes(quantize_weights(w, 48), {.max_rows = 4});
  check("gemm", bytes, [&](index_t rows, workspace_view v) {
    bytes.run(rows, m.bytes.data(), m.y.data(), v);
  });
  dynamic_dense<S> const dynamic(quantize_weights(w, 48), {}, {.max_rows = 4});
  check("dynamic_dense", dynamic, [&](index_t rows, workspace_view v) {
    dynamic.run(rows, m.x.data(), 32, m.y.data(), 48, v);
  });
  s4_dense<S> const nibbles(quantize_s4<S>(w, 48, 16), {.max_rows = 4});
  check("s4_dense", nibbles, [&](index_t rows, workspace_view v) {
    nibbles.run(rows, m.x.data(), 32, m.y.data(), 48, chain<>{}, v);
  });
  dense_training<S> const training({.inputs = 32, .outputs = 48, .max_rows = 4});
  check("dense_training", training, [&](index_t rows, workspace_view v) {
    training.forward(rows, m.x.data(), w.data(), nullptr, m.y.data(), v);
  });
  check("dense_training", training, [&](index_t rows, workspace_view v) {
    training.backward(
        {rows, m.x.data(), m.x.data(), w.data(), write_to(m.y.data()), write_to(m.z.data())}, v);
  });
  cross_entropy<S> const loss({.classes = 6, .max_rows = 4});
  std::vector<s32> labels(5, 2);
  check("cross_entropy", loss, [&](index_t rows, workspace_view v) {
    loss.run(cross_entropy_call<s32>{rows, m.x.data(), labels.data(), nullptr, m.y.data()}, v);
  });
  labels[1] = 6;
  workspace scratch(loss.workspace_bytes());
  REQUIRE_DEATH(
      [&] {
        loss.run(cross_entropy_call<s32>{2, m.x.data(), labels.data(), nullptr, m.y.data()},
                 scratch);
      },
      "cross_entropy: the label of row 1 is not one of 6 classes");

  batch_norm_training<S> const norm({.channels = 6});
  std::vector<f32> mean(6), inverse(6);
  batch_norm_state const state{.mean = mean.data(), .inv_std = inverse.data()};
  check_workspace("batch_norm_training", norm.workspace_bytes(), [&](workspace_view v) {
    norm.forward(4, m.x.data(), m.y.data(), state, v);
  });
  check_workspace("batch_norm_training", norm.workspace_bytes(), [&](workspace_view v) {
    norm.backward({4, m.x.data(), m.x.data(), write_to(m.y.data())}, state, v);
  });
  adam<S> optimizer(6);
  REQUIRE_DEATH([&] { optimizer.step(std::span(m.y).first(5), std::span(m.x).first(5)); },
                "adam: 5 parameters and 5 gradients, the state has 6");
}

TEST_CASE("preconditions of recurrent layers", "[graph]") {
  memory m;
  std::vector<f32> const w(4 * 5 * 6, 0.1F), u(4 * 5 * 5, 0.1F);
  rnn_source const source{.input = 6, .hidden = 5, .w_input = w, .w_recurrent = u};
  rnn<rnn_weights<S, lstm>> const model({gate_order::pytorch{}, source},
                                        {.max_time = 3, .max_batch = 2});
  auto const run = [&](index_t time, index_t batch, workspace_view v) {
    model.run(rnn_call<f32, f32>{.src = m.x.data(), .dst = m.y.data(), .time = time, .batch = batch},
              v);
  };
  check_workspace("rnn", model.workspace_bytes(), [&](workspace_view v) { run(3, 2, v); });
  workspace scratch(model.workspace_bytes());
  REQUIRE_DEATH([&] { run(4, 2, scratch); }, "rnn: T is 4 and N is 2, planned for at most 3 and 2");
  REQUIRE_DEATH([&] { run(3, 3, scratch); }, "rnn: T is 3 and N is 3, planned for at most 3 and 2");
}

TEST_CASE("preconditions of networks", "[graph]") {
  memory m;
  std::vector<s32> ids{0, 4, 1};
  graph::memory_weights weights;
  weights.add("table.weight", {5, 6}, std::span(m.x).first(30));
  compiled<precondition_nets::sum> const net(weights, {.max_batch = 2});
  auto const run = [&](index_t batch, workspace_view v) {
    net.run(batch, {m.x.data(), ids.data()}, {m.y.data()}, v);
  };
  check_workspace("network", net.workspace_bytes(), [&](workspace_view v) { run(2, v); });
  workspace scratch(net.workspace_bytes());
  REQUIRE_DEATH([&] { run(3, scratch); }, "network: a batch of 3, expected 1 to 2");
  REQUIRE_DEATH([&] { net.run(2, {m.x.data()}, {m.y.data()}, scratch); },
                "network: 1 inputs and 1 outputs, expected 2 and 1");
  REQUIRE_DEATH([&] { net.run(2, {ids.data(), m.x.data()}, {m.y.data()}, scratch); },
                "network: input 'x': its elements are not f32");
  REQUIRE_DEATH([&] { net.run(2, {m.x.data(), ids.data()}, {m.x.data()}, scratch); },
                "network: output 0 overlaps input 0");
  workspace wide(net.workspace_bytes() + 4 * 12);
  auto const floats = [&](index_t first) {
    return reinterpret_cast<f32*>(workspace_view(wide).data) + first;
  };
  index_t const last = net.workspace_bytes() / 4 - 1;
  for (index_t const first : {index_t{0}, last}) {
    REQUIRE_DEATH([&] { net.run(2, {floats(first), ids.data()}, {m.y.data()}, wide); },
                  "network: input 0 is in the workspace");
    REQUIRE_DEATH([&] { net.run(2, {m.x.data(), ids.data()}, {floats(first)}, wide); },
                  "network: output 0 is in the workspace");
  }
  net.run(2, {m.x.data(), ids.data()}, {floats(last + 1)}, wide); // behind what it needs
  ids[1] = 5;
  REQUIRE_DEATH([&] { run(2, scratch); },
                "embedding 'table': index 1 is 5, the table has 5 rows");
}

// "" if the status has this code and sentence and the result is as it was.
std::string how_it_refuses(graph::run_status const& s, std::vector<f32> const& result, errc code,
                           std::string const& sentence) {
  if (s) return "it ran";
  for (f32 const y : result)
    if (y != -1) return "something was computed";
  if (s.code() != code) return "another code: " + std::string(s.what());
  if (s.what() != "ia_nn: " + sentence) return "said: " + std::string(s.what());
  return ia_nn_test::how_it_fails([&] { s.require(); }, code, sentence);
}

TEST_CASE("run compares memory whose extents are known", "[graph]") {
  graph::memory_weights const none;
  compiled<precondition_nets::image> const net(none, {.max_batch = 2});
  workspace scratch(net.workspace_bytes());
  tensor<f32, shape<dyn, 4, 5, 3>> image(2);
  for (index_t i = 0; i < image.size(); ++i) image.data()[i] = static_cast<f32>(i % 7 - 3);
  std::vector<f32> const x(image.data(), image.data() + 120);
  std::vector<f32> expected(120), y(120);
  net.run(2, x.data(), expected.data(), scratch);
  auto const equals = [&](graph::run_status const& s) {
    s.require();
    bool const same = y == expected;
    y.assign(120, -1);
    return s && s.what().empty() && same;
  };
  static_assert(noexcept(net.run(2, x, y, scratch)));
  CHECK(equals(net.run(2, x, y, scratch)));
  CHECK(equals(net.run(2, {x}, {y}, scratch)));
  CHECK(equals(net.run(2, std::span(x), std::span(y), scratch, sequential{})));
  CHECK(equals(net.run(2, image, y, scratch)));
  CHECK(equals(net.run(2, std::as_const(image).view(), y, scratch)));
  using images = tensor_view<f32, shape<dyn, dyn, dyn, dyn>>;
  CHECK(equals(net.run(2, image, images(y.data(), {2, 4, 5, 3}), scratch)));
  expected.resize(60), expected.resize(120, -1); // one of two items
  CHECK(equals(net.run(1, image, y, scratch)));

  auto const refused = [&](graph::run_status const& s, errc code, std::string const& sentence) {
    return how_it_refuses(s, y, code, "network: " + sentence);
  };
  auto const of = [&](auto const& in, auto&& out) { return net.run(2, in, out, scratch); };
  CHECK(refused(net.run(3, x, y, scratch), errc::bad_parameter,
                "a batch of 3, expected 1 to 2") == "");
  CHECK(refused(net.run(0, x, y, scratch), errc::bad_parameter,
                "a batch of 0, expected 1 to 2") == "");
  CHECK(refused(of(std::span(x).first(119), y), errc::bad_shape,
                "input 'image' has 119 elements, a batch of 2 has 120") == "");
  CHECK(refused(of(x, std::span(y).first(119)), errc::bad_shape,
                "output 'output' has 119 elements, a batch of 2 has 120") == "");
  CHECK(refused(of(std::vector<s32>(120), y), errc::bad_parameter,
                "input 'image': its elements are not f32") == "");
  CHECK(refused(of(std::span<f32>(static_cast<f32*>(nullptr), 120), y), errc::bad_pointer,
                "input 'image' is null") == "");
  CHECK(refused(of(std::span(y).first(119), std::span(y)), errc::bad_shape,
                "input 'image' has 119 elements, a batch of 2 has 120") == "");
  CHECK(refused(of(y, y), errc::overlap, "output 0 overlaps input 0") == "");
  tensor<f32, shape<dyn, dyn, dyn, dyn>> const first(2, 3, 4, 5), one(1, 4, 5, 3);
  CHECK(refused(of(first, y), errc::bad_shape,
                "input 'image' is a tensor of (2, 3, 4, 5), expected (2, 4, 5, 3), channels "
                "last") == "");
  CHECK(refused(of(one, y), errc::bad_shape,
                "input 'image' is a tensor of (1, 4, 5, 3), expected (2, 4, 5, 3), channels "
                "last") == "");
  CHECK(refused(net.run(2, {tensor<f32, shape<dyn, dyn>>(2, 60)}, y, scratch), errc::bad_shape,
                "input 'image' is a tensor of (2, 60), expected (2, 4, 5, 3), channels last") == "");
  using map = strided::mapping<shape<dyn, dyn, dyn, dyn>>;
  std::vector<f32> wide(240);
  tensor_view<f32 const, shape<dyn, dyn, dyn, dyn>, strided> const slice(
      wide.data(), map(shape<dyn, dyn, dyn, dyn>(2, 4, 5, 3), 120, 30, 6, 1));
  CHECK(refused(of(slice, y), errc::bad_shape,
                "input 'image': its elements are not one behind the other") == "");
  CHECK(refused(net.run(2, {x, x}, y, scratch), errc::bad_parameter,
                "2 inputs and 1 outputs, expected 1 and 1") == "");

  // The same elements with channels first, for a network that turns them.
  compiled<precondition_nets::channels_first> const turned(none, {.max_batch = 2});
  tensor<f32, shape<dyn, 3, 4, 5>> planes(2);
  for (index_t n = 0; n < 2; ++n)
    for (index_t c = 0; c < 3; ++c)
      for (index_t p = 0; p < 20; ++p)
        planes.data()[(n * 3 + c) * 20 + p] = image.data()[(n * 20 + p) * 3 + c];
  workspace more(turned.workspace_bytes());
  net.run(2, x.data(), expected.data(), scratch);
  CHECK(equals(turned.run(2, planes, y, more)));
  tensor<f32, shape<dyn, dyn, dyn, dyn>> const pixels(2, 4, 5, 3);
  CHECK(refused(turned.run(2, pixels, y, more), errc::bad_shape,
                "input 'image' is a tensor of (2, 4, 5, 3), expected (2, 3, 4, 5), channels "
                "first") == "");

  // Or indexed with channels first and stored with channels last.
  tensor<f32, shape<dyn, 3, 4, 5>, ia_nn::nhwc> last(2);
  std::copy(x.begin(), x.end(), last.data());
  net.run(2, x.data(), expected.data(), scratch);
  CHECK(equals(net.run(2, last, y, scratch)));
  CHECK(refused(of(tensor<f32, shape<dyn, dyn, dyn, dyn>, ia_nn::nhwc>(2, 4, 5, 3), y), errc::bad_shape,
                "input 'image' is a tensor of (2, 5, 3, 4), expected (2, 4, 5, 3), channels "
                "last") == "");

  compiled<precondition_nets::pair_of_four> const fixed(none);
  workspace least(fixed.workspace_bytes());
  tensor<f32, shape<2, 4>> const four;
  fixed.run(2, four, std::span(y).first(8), least).require();
  y.assign(120, -1);
  CHECK(refused(fixed.run(1, four, y, least), errc::bad_parameter,
                "a batch of 1, expected 2") == "");
  CHECK(refused(fixed.run(2, tensor<f32, shape<dyn, 4>>(1), y, least), errc::bad_shape,
                "input 'x' is a tensor of (1, 4), expected (2, 4)") == "");
}

TEST_CASE("run compares lists", "[graph]") {
  std::vector<f32> const table(30, 0.5F);
  graph::memory_weights weights;
  weights.add("table.weight", {5, 6}, table);
  compiled<precondition_nets::sum> const net(weights, {.max_batch = 2});
  workspace scratch(net.workspace_bytes());
  std::vector<f32> const x{1, 2, 3, 4, 5, 6, 6, 5, 4, 3, 2, 1};
  std::vector<s32> ids{4, 0};
  std::vector<f32> y(12, -1), expected(12);
  net.run(2, {x.data(), ids.data()}, {expected.data()}, scratch);
  auto const refused = [&](graph::run_status const& s, errc code, std::string const& sentence) {
    return how_it_refuses(s, y, code, sentence);
  };
  workspace_view const all = scratch;
  CHECK(refused(net.run(2, {x, ids}, y, {all.data, all.size - 1}), errc::small_workspace,
                "network: a workspace of " + std::to_string(all.size - 1) + " bytes, run needs " +
                    std::to_string(all.size) + " aligned to 64 bytes") == "");
  CHECK(refused(net.run(2, {x, ids}, y, {all.data + 4, all.size}), errc::bad_pointer,
                "network: a workspace of " + std::to_string(all.size) + " bytes, run needs " +
                    std::to_string(all.size) + " aligned to 64 bytes") == "");
  CHECK(refused(net.run(2, {ids, x}, y, scratch), errc::bad_parameter,
                "network: input 'x': its elements are not f32") == "");
  CHECK(refused(net.run(2, {x, std::span(ids).first(1)}, y, scratch), errc::bad_shape,
                "network: input 'ids' has 1 elements, a batch of 2 has 2") == "");
  CHECK(refused(net.run(2, {x, ids}, {y, y}, scratch), errc::bad_parameter,
                "network: 2 inputs and 2 outputs, expected 2 and 1") == "");
  for (s32 const wrong : {-1, 5}) {
    ids[1] = wrong;
    CHECK(refused(net.run(2, {x, ids}, y, scratch), errc::bad_parameter,
                  "embedding 'table': index 1 is " + std::to_string(wrong) +
                      ", the table has 5 rows") == "");
  }
  ids[1] = 0;
  net.run(2, {x, ids}, y, scratch).require();
  CHECK(y == expected);
  net.run(2, {x, std::array<s32, 2>{4, 0}}, {std::span(y)}, scratch, sequential{}).require();
  CHECK(y == expected);
}

// What a program printed before is not lost in a buffer, and the sentence is on stderr.
TEST_CASE("a violated precondition flushes", "[graph]") {
  char const name[] = "preconditions.txt";
  auto const r = ia_nn_test::in_child([&] {
    if (!std::freopen(name, "w", stdout)) _exit(1);
    std::setvbuf(stderr, nullptr, _IOFBF, 1 << 16);
    std::printf("printed before");
    static_cast<void>(gemm<S, f32, f32, f32>(1, 1, 1).with_rows(2));
  });
  CHECK(r.signal == SIGABRT);
  CHECK(r.text.rfind("ia_nn: gemm: 2 rows, planned for at most 1 (", 0) == 0);
  char text[32] = {};
  std::FILE* const file = std::fopen(name, "r");
  REQUIRE(file);
  CHECK(std::fread(text, 1, sizeof text - 1, file) > 0);
  std::fclose(file);
  std::remove(name);
  CHECK(text == std::string("printed before"));
}

} // namespace

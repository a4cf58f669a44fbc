// SPDX-License-Identifier: Apache-2.0
//
// Gradients, losses, steps and rates that PyTorch computed (tools/make_golden_gradients.py has put them
// into tests/golden/gradients.safetensors), against those of ia_nn. Images have their channels last.
#include "oracle/train.hpp"
#include "support.hpp"

#include <ia_nn/io/safetensors.hpp>
#include <ia_nn/ops/layer_norm.hpp>
#include <ia_nn/ops/pool.hpp>
#include <ia_nn/train/activation.hpp>
#include <ia_nn/train/adam.hpp>
#include <ia_nn/train/batch_norm.hpp>
#include <ia_nn/train/binary.hpp>
#include <ia_nn/train/clip.hpp>
#include <ia_nn/train/element_loss.hpp>
#include <ia_nn/train/embedding.hpp>
#include <ia_nn/train/group_norm.hpp>
#include <ia_nn/train/layer_norm.hpp>
#include <ia_nn/train/lrn.hpp>
#include <ia_nn/train/pad.hpp>
#include <ia_nn/train/pool.hpp>
#include <ia_nn/train/reduce.hpp>
#include <ia_nn/train/rmsprop.hpp>
#include <ia_nn/train/schedules.hpp>
#include <ia_nn/train/sgd.hpp>
#include <ia_nn/train/softmax.hpp>

namespace ia_nn_test {
namespace {

namespace act = ia_nn::activation;
using ia_nn::gradient;
using ia_nn::spatial;
using numbers = std::vector<f32>;

ia_nn::safetensors const& golden() {
  static ia_nn::safetensors const file =
      ia_nn::load_safetensors(IA_NN_GOLDEN "/gradients.safetensors");
  return file;
}
numbers of(std::string const& name) { return golden().to_f32(name, golden().at(name).shape); }
index_t extent(std::string const& name, int d) {
  return golden().at(name).shape[static_cast<std::size_t>(d)];
}
index_t size(numbers const& x) { return static_cast<index_t>(x.size()); }
doubles wide(numbers const& x) { return {x.begin(), x.end()}; }

/// run(gradient) must make what PyTorch made.
template <class Run> void expect(std::string const& name, double tolerance, Run&& run) {
  INFO(name);
  numbers const want = of(name);
  numbers got(want.size(), std::nanf(""));
  run(write_to(got.data()));
  REQUIRE(difference(std::span<f32 const>(got), wide(want), tolerance) == "");
}

} // namespace

TEST_CASE("slopes of PyTorch", "[train][golden]") {
  numbers const dy = of("slopes.dy");
  for_each_isa<vector_isas>([&](auto tag) {
    using I = decltype(tag);
    auto const check = [&](char const* name, auto const& f, auto const& slope) {
      bool const positive = std::string(name) == "sqrt" || std::string(name) == "log";
      numbers x = of(positive ? "slopes.positive" : "slopes.x");
      if (std::string(name) == "exp")
        for (f32& v : x) v = std::min(v, 8.0F);
      numbers y;
      for (f32 const v : x) y.push_back(f(v));
      numbers const want = of(std::string("slopes.") + name);
      numbers got(want.size());
      bool const result = slope.value_of == ia_nn::slope::reads::dst;
      ia_nn::activation_backward<I>(size(x), result ? y.data() : x.data(), dy.data(),
                                    write_to(got.data()), slope);
      for (std::size_t i = 0; i < x.size(); ++i) {
        INFO(name << " at " << x[i]);
        auto const w = static_cast<double>(want[i]);
        REQUIRE(std::fabs(static_cast<double>(got[i]) - w) <= 1e-6 * (1 + std::fabs(w)));
      }
    };
    auto const both = [&](char const* name, auto const& f) { check(name, f, ia_nn::slope_of(f)); };
    both("identity", act::identity{});
    both("relu", act::relu{});
    both("leaky_relu", act::leaky_relu{0.125F});
    both("clip", act::clip{-1, 2});
    check("relu6", act::relu6, ia_nn::slope::hard_tanh{0, 6});
    both("elu", act::elu{0.75F});
    both("selu", act::selu{});
    both("celu", act::celu{0.5F});
    both("sigmoid", act::sigmoid<>{});
    both("hard_sigmoid", act::hard_sigmoid{});
    both("tanh", act::tanh<>{});
    both("softplus", act::softplus{});
    both("softsign", act::softsign{});
    both("gelu", act::gelu<>{});
    both("gelu_tanh", act::gelu_tanh<>{});
    both("swish", act::swish<>{});
    both("swish_1.5", act::swish<>{1.5F});
    both("hard_swish", act::hard_swish{});
    both("mish", act::mish{});
    both("square", act::square{});
    both("sqrt", act::sqrt{});
    both("abs", act::abs{});
    both("exp", act::exp<>{});
    both("log", act::log<>{});
    both("linear", act::linear{-1.5F, 2});
  });
}

TEST_CASE("gradients of norms of PyTorch", "[train][golden]") {
  for_each_isa<vector_isas>([&](auto tag) {
    using I = decltype(tag);
    { // rows: forward with weights of its own, then backward
      numbers const x = of("layer_norm.x"), dy = of("layer_norm.dy"),
                    gamma = of("layer_norm.gamma"), beta = of("layer_norm.beta");
      index_t const rows = extent("layer_norm.x", 0), n = extent("layer_norm.x", 1);
      ia_nn::layer_norm<I> forward(n);
      forward.set_weights(gamma.data(), beta.data());
      expect("layer_norm.y", 1e-6, [&](gradient to) { forward.run(rows, x.data(), to.data); });
      ia_nn::layer_norm_backward<I> const plan(n, rows);
      auto const run = [&](gradient dx, gradient dg, gradient db) {
        plan.run({rows, x.data(), dy.data(), gamma.data(), dx, dg, db},
                 scratch(plan.workspace_bytes()));
      };
      expect("layer_norm.dx", 1e-6, [&](gradient to) { run(to, {}, {}); });
      expect("layer_norm.dgamma", 1e-6, [&](gradient to) { run({}, to, {}); });
      expect("layer_norm.dbeta", 1e-6, [&](gradient to) { run({}, {}, to); });
    }
    {
      numbers const x = of("batch_norm.x"), dy = of("batch_norm.dy"),
                    gamma = of("batch_norm.gamma"), beta = of("batch_norm.beta");
      index_t const rows = extent("batch_norm.x", 0), n = extent("batch_norm.x", 1);
      ia_nn::batch_norm_training<I> const plan({.channels = n});
      numbers mean(gamma.size()), inv_std(gamma.size());
      ia_nn::batch_norm_state const s{.gamma = gamma.data(),
                                      .beta = beta.data(),
                                      .mean = mean.data(),
                                      .inv_std = inv_std.data()};
      expect("batch_norm.y", 1e-6, [&](gradient to) {
        plan.forward(rows, x.data(), to.data, s, scratch(plan.workspace_bytes()));
      });
      auto const run = [&](gradient dx, gradient dg, gradient db) {
        plan.backward({rows, x.data(), dy.data(), dx, dg, db}, s, scratch(plan.workspace_bytes()));
      };
      expect("batch_norm.dx", 1e-6, [&](gradient to) { run(to, {}, {}); });
      expect("batch_norm.dgamma", 1e-6, [&](gradient to) { run({}, to, {}); });
      expect("batch_norm.dbeta", 1e-6, [&](gradient to) { run({}, {}, to); });
    }
    {
      numbers const x = of("group_norm.x"), dy = of("group_norm.dy"),
                    gamma = of("group_norm.gamma");
      ia_nn::group_norm_backward<I> const plan({6, 3, 2});
      auto const run = [&](gradient dx, gradient dg, gradient db) {
        plan.run({2, 15, x.data(), dy.data(), gamma.data(), dx, dg, db},
                 scratch(plan.workspace_bytes()));
      };
      expect("group_norm.dx", 1e-6, [&](gradient to) { run(to, {}, {}); });
      expect("group_norm.dgamma", 1e-6, [&](gradient to) { run({}, to, {}); });
      expect("group_norm.dbeta", 1e-6, [&](gradient to) { run({}, {}, to); });
      numbers const x1 = of("instance_norm.x"), dy1 = of("instance_norm.dy");
      ia_nn::instance_norm_backward<I> const own(5, 2);
      expect("instance_norm.dx", 1e-6, [&](gradient to) {
        own.run({2, 12, x1.data(), dy1.data(), nullptr, to}, scratch(own.workspace_bytes()));
      });
    }
    auto const softmax = [&](std::string const& name, index_t outer, index_t n, index_t inner,
                             ia_nn::softmax_kind kind) {
      numbers const y = of(name + ".y"), dy = of(name + ".dy");
      ia_nn::softmax_backward<I> const plan(n, inner, kind);
      expect(name + ".dx", 1e-6, [&](gradient to) { plan.run(outer, y.data(), dy.data(), to); });
    };
    softmax("softmax", 3, 11, 1, ia_nn::softmax_kind::linear);
    softmax("log_softmax", 3, 11, 1, ia_nn::softmax_kind::logarithm);
    softmax("softmax_middle", 2, 5, 4, ia_nn::softmax_kind::linear);
    for (index_t n : {3, 4}) {
      std::string const name = "lrn" + std::to_string(n);
      numbers const x = of(name + ".x"), dy = of(name + ".dy");
      ia_nn::lrn_backward<I> const plan(7, {n, 0.5F, 0.75F, 1.5F});
      expect(name + ".dx", 1e-6, [&](gradient to) {
        plan.run(size(x) / 7, x.data(), dy.data(), to, scratch(plan.workspace_bytes()));
      });
    }
  });
}

TEST_CASE("gradients of pools of PyTorch", "[train][golden]") {
  for_each_isa<vector_isas>([&](auto tag) {
    using I = decltype(tag);
    auto const maxima = [&](std::string const& name, auto const& shape, auto const& forward) {
      numbers const x = of(name + ".x"), dy = of(name + ".dy");
      index_t const batch = extent(name + ".x", 0);
      ia_nn::recomputed_max_pool_backward<I> const plan(shape);
      expect(name + ".dx", 1e-6, [&](gradient to) {
        plan.run(batch, x.data(), dy.data(), to, scratch(plan.workspace_bytes()));
      });
      expect(name + ".y", 0, [&](gradient to) {
        ia_nn::pool<I, f32>(ia_nn::pool_kind::max, forward).run(batch, x.data(), to.data);
      });
    };
    auto const windows = [&](std::string const& name, ia_nn::pool_backward_shape const& s) {
      maxima(name, s, ia_nn::pool_shape{s.channels, s.in, s.win, s.ceil_mode});
    };
    windows("max_pool", {5, {1, 8, 7}, {{1, 3, 3}, {1, 2, 2}, {}, {0, 1, 1}, {0, 1, 1}}, true});
    windows("max_pool_dilated", {3, {1, 6, 5}, {{1, 2, 2}, {}, {1, 2, 2}}});
    windows("max_pool_line", {3, {1, 1, 9}, {{1, 1, 3}, {1, 1, 2}}});
    windows("max_pool_volume", {3, {4, 5, 4}, {{2, 2, 2}, {2, 2, 2}}});
    ia_nn::adaptive_pool_shape const adaptive{3, {1, 7, 5}, {1, 3, 2}};
    maxima("max_pool_adaptive", adaptive, adaptive);
    auto const averages = [&](std::string const& name, auto const& shape) {
      numbers const dy = of(name + ".dy");
      expect(name + ".dx", 1e-6, [&](gradient to) {
        ia_nn::average_pool_backward<I>(shape).run(extent(name + ".x", 0), dy.data(), to);
      });
    };
    for (bool count : {false, true})
      averages(count ? "average_pool_true" : "average_pool_false",
               ia_nn::pool_backward_shape{
                   5, {1, 8, 7}, {{1, 3, 3}, {1, 2, 2}, {}, {0, 1, 1}, {0, 1, 1}}, true, count});
    averages("average_pool_adaptive", adaptive);
  });
}

TEST_CASE("gradients of two operands of PyTorch", "[train][golden]") {
  using f = ia_nn::binary_function;
  using shape = ia_nn::operand_shape;
  std::pair<char const*, f> const functions[] = {
      {"add", f::add},       {"subtract", f::subtract}, {"multiply", f::multiply},
      {"divide", f::divide}, {"minimum", f::minimum},   {"maximum", f::maximum}};
  std::pair<char const*, shape> const shapes[] = {{"whole", shape::whole},
                                                  {"row_of_image", shape::row_of_image},
                                                  {"element_of_row", shape::element_of_row},
                                                  {"element_of_image", shape::element_of_image},
                                                  {"row", shape::row},
                                                  {"image", shape::image}};
  for_each_isa<vector_isas>([&](auto tag) {
    for (auto const& [function_name, function] : functions)
      for (auto const& [shape_name, repeated] : shapes) {
        std::string const name = std::string(function_name) + "." + shape_name;
        numbers const a = of(name + ".x"), b = of(name + ".b"), dy = of(name + ".dy");
        ia_nn::binary_backward<decltype(tag)> const plan(function, 3, 5, shape::whole, repeated);
        auto const run = [&](gradient da, gradient db) {
          plan.run({2, a.data(), b.data(), dy.data(), da, db}, scratch(plan.workspace_bytes()));
        };
        expect(name + ".dx", 1e-6, [&](gradient to) { run(to, {}); });
        expect(name + ".db", 1e-6, [&](gradient to) { run({}, to); });
      }
  });
}

TEST_CASE("gradients of padding, reductions and embeddings of PyTorch", "[train][golden]") {
  for_each_isa<vector_isas>([&](auto tag) {
    using I = decltype(tag);
    std::pair<char const*, ia_nn::pad_mode> const modes[] = {
        {"constant", ia_nn::pad_mode::constant},
        {"reflect", ia_nn::pad_mode::reflect},
        {"edge", ia_nn::pad_mode::edge},
        {"wrap", ia_nn::pad_mode::wrap}};
    for (auto const& [mode_name, mode] : modes) {
      std::string const name = std::string("pad_") + mode_name;
      index_t const extents[] = {2, 4, 3, 3}, begin[] = {0, 1, 2, 0}, end[] = {0, 2, 1, 0};
      numbers const dy = of(name + ".dy");
      ia_nn::pad_backward<I> const plan(extents, begin, end, mode);
      expect(name + ".dx", 1e-6, [&](gradient to) { plan.run(dy.data(), to); });
    }
    using r = ia_nn::reduction_function;
    std::pair<char const*, r> const functions[] = {
        {"sum", r::sum}, {"mean", r::mean}, {"max", r::max}, {"min", r::min}, {"l2", r::l2}};
    for (auto const& [function_name, function] : functions) {
      std::string const name = std::string("reduce_") + function_name;
      numbers const x = of(name + ".x"), y = of(name + ".y"), dy = of(name + ".dy");
      ia_nn::reduction_backward<I> const plan(function, 6, 4);
      expect(name + ".dx", 1e-6,
             [&](gradient to) { plan.run({3, x.data(), y.data(), dy.data(), to}); });
    }
    auto const index = golden().copy<s32>("embedding.index", {6});
    numbers const dy = of("embedding.dy");
    ia_nn::embedding_backward<I> const plan({5, 7, 2});
    expect("embedding.dx", 1e-6, [&](gradient to) { plan.run(6, index.data(), dy.data(), 7, to); });
  });
}

TEST_CASE("losses of PyTorch", "[train][golden]") {
  numbers const x = of("loss.x"), target = of("loss.target");
  auto const labels = golden().copy<s32>("loss.labels", {3});
  for_each_isa<vector_isas>([&](auto tag) {
    using I = decltype(tag);
    auto const check = [&](auto const& form) {
      std::string const name = form.name;
      ia_nn::element_loss<I, std::remove_cvref_t<decltype(form)>> const plan({size(x)}, form);
      f32 loss = 0;
      expect(name + ".dx", 1e-6, [&](gradient to) {
        plan.run({size(x), x.data(), target.data(), nullptr, &loss, to},
                 scratch(plan.workspace_bytes()));
      });
      REQUIRE(std::fabs(loss - of(name + ".loss")[0]) < 1e-6F);
    };
    namespace form = ia_nn::loss_form;
    check(form::squared{});
    check(form::absolute{});
    check(form::huber{0.5F});
    check(form::smooth_l1{0.25F});
    check(form::logistic{1.5F});
    ia_nn::cross_entropy<I> const plan({7, 3});
    f32 loss = 0;
    expect("cross_entropy.dx", 1e-6, [&](gradient to) {
      plan.run(ia_nn::cross_entropy_call<s32>{3, x.data(), labels.data(), nullptr, &loss, to},
               scratch(plan.workspace_bytes()));
    });
    REQUIRE(std::fabs(loss - of("cross_entropy.loss")[0]) < 1e-6F);
  });
}

TEST_CASE("optimizers of PyTorch", "[train][golden]") {
  numbers const slopes = of("optimizer.gradients");
  for_each_isa<vector_isas>([&](auto tag) {
    using I = decltype(tag);
    auto const check = [&](char const* name, auto optimizer) {
      expect(std::string("optimizer.") + name, 2e-6, [&](gradient to) {
        numbers const start = of("optimizer.x");
        std::copy(start.begin(), start.end(), to.data);
        for (std::size_t t = 0; t < 5; ++t)
          optimizer.step(std::span<f32>(to.data, 9),
                         std::span<f32 const>(slopes).subspan(9 * t, 9));
      });
    };
    check("sgd", ia_nn::sgd<I>(9, {0.05, 0.9, 0.25, 0.01}));
    check("nesterov", ia_nn::sgd<I>(9, {0.05, 0.9, 0, 0.01, true}));
    check("adam", ia_nn::adam<I>(9, {0.05, 0.8, 0.95, 1e-3, 0.01}));
    check("adamw", ia_nn::adam<I>(9, {0.05, 0.8, 0.95, 1e-3, 0.1, true}));
    check("adagrad", ia_nn::adagrad<I>(9, {0.05, 0.1, 0.01, 1e-3}));
    check("rmsprop", ia_nn::rmsprop<I>(9, {0.05, 0.9, 1e-3, 0.01, 0.8, true}));
    expect("clip.gradient", 1e-6, [&](gradient to) {
      std::copy(slopes.begin(), slopes.begin() + 9, to.data);
      numbers value(9);
      ia_nn::parameter_list list;
      list.add("p", value, {to.data, 9});
      double const norm = ia_nn::clip_gradient_norm<I>(list, 0.5);
      REQUIRE(std::fabs(norm / static_cast<double>(of("clip.norm")[0]) - 1) < 1e-6);
    });
  });
}

TEST_CASE("learning rates of PyTorch", "[train][golden]") {
  namespace s = ia_nn::schedule;
  auto const check = [](char const* name, auto const& rate) {
    INFO(name);
    numbers const want = of(std::string("schedule.") + name);
    REQUIRE(want.size() == 40);
    for (index_t i = 0; i < 40; ++i) {
      INFO("step " << i);
      auto const w = static_cast<double>(want[at(i)]);
      REQUIRE(std::fabs(rate(i) - w) <= 1e-6 * w + 1e-9);
    }
  };
  check("step", s::step{0.5, 7, 0.5});
  check("multi_step", s::multi_step{0.5, std::array<index_t, 2>{5, 20}, 0.25});
  check("exponential", s::exponential{0.5, 0.9});
  check("cosine", s::cosine{0.5, 30, 0.01});
  check("linear", s::linear{0.5, 10, 0.25, 0.75});
  check("warm_up", s::warm_up{8, 0.1, s::cosine{0.5, 32}});
  check("one_cycle", s::one_cycle{0.5, 40});
  check("one_cycle_three", s::one_cycle{0.5, 40, 0.3, 25, 1e4, true, true});
}

} // namespace ia_nn_test

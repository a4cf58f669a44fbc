// SPDX-License-Identifier: Apache-2.0
//
// Optimizers against their formulas in double, over several steps and parameters.
#include "support.hpp"

#include <ia_nn/train/adam.hpp>
#include <ia_nn/train/clip.hpp>
#include <ia_nn/train/rmsprop.hpp>
#include <ia_nn/train/sgd.hpp>

#include <memory>

namespace ia_nn_test {
namespace {

using ia_nn::adam_options;
using ia_nn::parameter_list;

// Sizes around registers, none, and more than one task.
constexpr index_t sizes[] = {1, 7, 8, 17, 0, 35, 2 * 8192 + 3};
constexpr int steps = 4;

// One parameter per size, values and gradients in buffers of their exact size.
struct model {
  std::vector<std::unique_ptr<exact_buffer<f32>>> values, gradients;
  parameter_list list;

  model() {
    for (index_t n : sizes) {
      auto const made = [n](auto& to) {
        to.push_back(std::make_unique<exact_buffer<f32>>(n));
        return std::span<f32>(to.back()->data(), at(n));
      };
      auto const value = made(values), gradient = made(gradients);
      list.add("p" + std::to_string(list.size()), value, gradient);
    }
  }
  void fill(random& r, bool with_values) {
    for (ia_nn::parameter const& p : list)
      for (std::size_t i = 0; i < p.value.size(); ++i) {
        if (with_values) p.value[i] = r.normal();
        p.gradient[i] = r.normal();
      }
  }
};

// update(t, x, g, a, b) makes step t = 0, 1 ... of one element; a and b are its state.
template <class Make, class Update>
void check_optimizer(std::uint64_t stream, Make&& make, Update&& update) {
  for_each_isa<vector_isas>([&](auto tag) {
    std::vector<std::vector<f32>> first;
    for (int workers : {1, 2, 3}) {
      model m;
      random r(stream);
      m.fill(r, true);
      std::vector<doubles> x, a, b;
      for (ia_nn::parameter const& p : m.list) {
        x.push_back(to_doubles(p.value));
        a.emplace_back(p.value.size()), b.emplace_back(p.value.size());
      }
      auto original = make(tag, m.list.elements());
      original.check(m.list);
      for (int t = 0; t < steps; ++t) {
        auto optimizer = original; // the state goes with the copy
        m.fill(r, false);
        std::size_t i = 0;
        for (ia_nn::parameter const& p : m.list) {
          for (std::size_t j = 0; j < p.value.size(); ++j)
            update(t, x[i][j], static_cast<double>(p.gradient[j]), a[i][j], b[i][j]);
          ++i;
        }
        optimizer.step(m.list, pool_of(workers));
        REQUIRE(optimizer.steps() == t + 1);
        original = optimizer;
      }
      std::size_t i = 0;
      for (ia_nn::parameter const& p : m.list) {
        INFO(p.name << ", " << workers << " workers");
        REQUIRE(difference(*m.values[i], x[i], 2e-6) == "");
        if (workers == 1) first.emplace_back(p.value.begin(), p.value.end());
        REQUIRE(std::equal(p.value.begin(), p.value.end(), first[i].begin(), first[i].end()));
        ++i;
      }
    }
  });
}

template <class Options> void check_sgd(std::uint64_t stream, Options const& o) {
  check_optimizer(
      stream, [&](auto tag, index_t n) { return ia_nn::sgd<decltype(tag)>(n, o); },
      [&](int t, double& x, double g, double& v, double&) {
        g += o.weight_decay * x;
        v = t == 0 ? g : o.momentum * v + (1 - o.dampening) * g;
        x -= o.learning_rate * (o.nesterov ? g + o.momentum * v : v);
      });
}

void check_adam(std::uint64_t stream, adam_options const& o) {
  bool const onnx = o.form == ia_nn::adam_form::onnx;
  check_optimizer(
      stream, [&](auto tag, index_t n) { return ia_nn::adam<decltype(tag)>(n, o); },
      [&](int t, double& x, double g, double& v, double& h) {
        if (o.decoupled) x -= o.learning_rate * o.weight_decay * x;
        else g += o.weight_decay * x;
        v = o.beta1 * v + (1 - o.beta1) * g;
        h = o.beta2 * h + (1 - o.beta2) * g * g;
        if (onnx) {
          double const rate = t == 0 ? o.learning_rate
                                     : o.learning_rate * std::sqrt(1 - std::pow(o.beta2, t)) /
                                           (1 - std::pow(o.beta1, t));
          x -= rate * v / (std::sqrt(h) + o.epsilon);
        } else {
          double const v_hat = v / (1 - std::pow(o.beta1, t + 1));
          double const h_hat = h / (1 - std::pow(o.beta2, t + 1));
          x -= o.learning_rate * v_hat / (std::sqrt(h_hat) + o.epsilon);
        }
        x *= 1 - o.final_decay;
      });
}

} // namespace

TEST_CASE("gradient descent", "[train][optimizer]") {
  using o = ia_nn::sgd_options;
  check_sgd(30, o{.learning_rate = 0.1});
  check_sgd(31, o{.learning_rate = 0.1, .momentum = 0.9});
  check_sgd(32, o{.learning_rate = 0.05, .momentum = 0.8, .dampening = 0.3, .weight_decay = 0.1});
  check_sgd(33, o{.learning_rate = 0.05, .momentum = 0.8, .weight_decay = 0.1, .nesterov = true});
}

TEST_CASE("Adam", "[train][optimizer]") {
  check_adam(35, {.learning_rate = 0.01});
  check_adam(36, {.learning_rate = 0.01, .epsilon = 1e-3, .weight_decay = 0.1});
  check_adam(37, {.learning_rate = 0.01, .weight_decay = 0.1, .decoupled = true});
  check_adam(38, {.learning_rate = 0.01,
                  .beta1 = 0.95,
                  .beta2 = 0.85,
                  .epsilon = 1e-2,
                  .weight_decay = 0.001,
                  .final_decay = 0.1,
                  .form = ia_nn::adam_form::onnx});
}

TEST_CASE("Adagrad", "[train][optimizer]") {
  check_optimizer(
      39,
      [](auto tag, index_t n) {
        return ia_nn::adagrad<decltype(tag)>(n, {.learning_rate = 0.1,
                                                 .learning_rate_decay = 0.1,
                                                 .weight_decay = 0.001,
                                                 .epsilon = 1e-5});
      },
      [](int t, double& x, double g, double& h, double&) {
        g += 0.001 * x;
        h += g * g;
        x -= 0.1 / (1 + t * 0.1) * g / (std::sqrt(h) + 1e-5);
      });
}

TEST_CASE("RMSProp", "[train][optimizer]") {
  for (ia_nn::rmsprop_options const& o :
       {ia_nn::rmsprop_options{.learning_rate = 0.01, .smoothing = 0.8, .weight_decay = 0.01},
        ia_nn::rmsprop_options{.learning_rate = 0.01, .epsilon = 1e-3, .momentum = 0.9},
        ia_nn::rmsprop_options{
            .learning_rate = 0.01, .smoothing = 0.5, .epsilon = 0.1, .centred = true}})
    check_optimizer(
        41, [&](auto tag, index_t n) { return ia_nn::rmsprop<decltype(tag)>(n, o); },
        [&](int, double& x, double g, double& h, double& other) {
          g += o.weight_decay * x;
          h = o.smoothing * h + (1 - o.smoothing) * g * g;
          double inside = h;
          if (o.centred) {
            other = o.smoothing * other + (1 - o.smoothing) * g;
            inside -= other * other;
          }
          double d = g / (std::sqrt(inside) + o.epsilon);
          if (o.momentum > 0) d = other = o.momentum * other + d;
          x -= o.learning_rate * d;
        });
}

TEST_CASE("the state of an optimizer by name", "[train][optimizer]") {
  using I = ia_nn::isa::scalar;
  random r(42);
  exact_buffer<f32> x(3), y(3), g(3);
  r.fill(x.data(), 3), r.fill(g.data(), 3);
  std::copy(x.begin(), x.end(), y.begin());
  std::span<f32> const xs(x.data(), 3), ys(y.data(), 3);
  std::span<f32 const> const gs(g.data(), 3);
  auto const check = [&](auto one, auto fresh, std::vector<std::string> const& names) {
    std::copy(x.begin(), x.end(), y.begin());
    auto other = one;
    for (int t = 0; t < 2; ++t) one.step(xs, gs), other.step(ys, gs);
    auto const& stored = std::as_const(one);
    REQUIRE(stored.state().size() == static_cast<index_t>(names.size()));
    index_t i = 0;
    for (auto const& s : fresh.state()) {
      REQUIRE(s.name == names[at(i)]);
      ia_nn::optimizer_state<f32 const> const from = stored.state()[i++];
      REQUIRE((std::string(from.name) == s.name && from.values.size() == 3));
      std::copy(from.values.begin(), from.values.end(), s.values.begin());
    }
    fresh.set_steps(one.steps());
    fresh.step(xs, gs), other.step(ys, gs);
    REQUIRE(same_bits(x, y));
  };
  ia_nn::rmsprop_options const all{.momentum = 0.5, .centred = true};
  check(ia_nn::sgd<I>(3), ia_nn::sgd<I>(3), {});
  check(ia_nn::sgd<I>(3, {.momentum = 0.5, .dampening = 0.5}),
        ia_nn::sgd<I>(3, {.momentum = 0.5, .dampening = 0.5}), {"velocity"});
  check(ia_nn::adam<I>(3), ia_nn::adam<I>(3), {"first_moment", "second_moment"});
  check(ia_nn::adagrad<I>(3), ia_nn::adagrad<I>(3), {"squares"});
  check(ia_nn::rmsprop<I>(3, all), ia_nn::rmsprop<I>(3, all), {"squares", "mean", "velocity"});
}

TEST_CASE("gradients kept within bounds", "[train][optimizer]") {
  for_each_isa<vector_isas>([](auto tag) {
    using I = decltype(tag);
    std::vector<doubles> first;
    for (int workers : {1, 2, 3}) {
      model m;
      random r(43);
      m.fill(r, true);
      double squares = 0;
      std::vector<doubles> old;
      for (ia_nn::parameter const& p : m.list) {
        old.push_back(to_doubles(p.gradient));
        for (double const v : old.back()) squares += v * v;
      }
      double const norm = std::sqrt(squares);
      double const found = ia_nn::clip_gradient_norm<I>(m.list, norm / 4, pool_of(workers));
      REQUIRE(std::fabs(found / norm - 1) < 40 * 0x1p-24);
      REQUIRE(std::fabs(ia_nn::gradient_norm<I>(m.list, pool_of(workers)) / (norm / 4) - 1) < 1e-5);
      first.push_back({found, ia_nn::gradient_norm<I>(m.list)});
      REQUIRE(first.back() == first.front());
      std::size_t k = 0;
      for (ia_nn::parameter const& p : m.list) {
        for (double& v : old[k]) v *= norm / 4 / (norm + 1e-6);
        REQUIRE(difference(*m.gradients[k], old[k], 1e-6) == "");
        ++k;
        static_cast<void>(p);
      }
      // Below the bound nothing happens.
      std::vector<f32> const before(m.gradients[6]->begin(), m.gradients[6]->end());
      ia_nn::clip_gradient_norm<I>(m.list, norm, pool_of(workers));
      REQUIRE(std::equal(before.begin(), before.end(), m.gradients[6]->begin()));
      ia_nn::clip_gradient_values<I>(m.list, 0.1F, pool_of(workers));
      for (std::size_t i = 0; i < before.size(); ++i)
        REQUIRE((*m.gradients[6])[static_cast<index_t>(i)] == std::clamp(before[i], -0.1F, 0.1F));
    }
  });
}

TEST_CASE("norms of gradients whose squares f32 does not hold", "[train][optimizer]") {
  for_each_isa<vector_isas>([](auto tag) {
    for (f32 const unit : {1e-30F, 1e-20F, 1e20F, 3e37F}) {
      exact_buffer<f32> x(19), g(19);
      for (f32& v : g) v = unit;
      parameter_list list;
      list.add("p", {x.data(), 19}, {g.data(), 19});
      double const want = std::sqrt(19.0) * static_cast<double>(unit);
      REQUIRE(std::fabs(ia_nn::gradient_norm<decltype(tag)>(list) / want - 1) < 1e-6);
      if (unit > 1) { // the smaller ones vanish beside 1e-6
        ia_nn::clip_gradient_norm<decltype(tag)>(list, 1e-3 * want);
        REQUIRE(std::fabs(static_cast<double>(g[18]) / static_cast<double>(unit) / 1e-3 - 1) <
                1e-5);
      }
      g[3] = std::nanf("");
      REQUIRE(std::isnan(ia_nn::gradient_norm<decltype(tag)>(list)));
      ia_nn::clip_gradient_values<decltype(tag)>(list, 1);
      REQUIRE(std::isnan(g[3]));
    }
  });
}

TEST_CASE("a flat array, another rate, and restored state", "[train][optimizer]") {
  using I = ia_nn::isa::scalar;
  exact_buffer<f32> x(3), y(3), g(3);
  random r(40);
  r.fill(x.data(), 3), r.fill(g.data(), 3);
  std::copy(x.begin(), x.end(), y.begin());
  std::span<f32> const x_span(x.data(), 3), y_span(y.data(), 3);
  std::span<f32 const> const g_span(g.data(), 3);
  ia_nn::adam<I> one(3), other(3);
  one.step(x_span, g_span), other.step(y_span, g_span);
  ia_nn::adam<I> restored(3);
  std::copy(one.first_moment().begin(), one.first_moment().end(), restored.first_moment().begin());
  std::copy(one.second_moment().begin(), one.second_moment().end(),
            restored.second_moment().begin());
  restored.set_steps(one.steps());
  restored.step(x_span, g_span), other.step(y_span, g_span);
  REQUIRE(same_bits(x, y));
  ia_nn::sgd<I> slow(3, {.learning_rate = 1});
  slow.set_learning_rate(0.25);
  REQUIRE(slow.learning_rate() == 0.25);
  slow.step(x_span, g_span);
  for (index_t i = 0; i < 3; ++i) REQUIRE(x[i] == std::fmaf(-0.25F, g[i], y[i]));
}

TEST_CASE("adam: gradients whose squares f32 does not hold", "[train][optimizer]") {
  // The first step is one learning rate against the gradient's sign, whatever its size.
  for_each_isa<vector_isas>([](auto tag) {
    exact_buffer<f32> x(3), g(3);
    g[0] = 1e20F, g[1] = -4e20F, g[2] = 1e15F;
    ia_nn::adam<decltype(tag)> one(3, {.learning_rate = 0.125});
    one.step(std::span<f32>(x.data(), 3), std::span<f32 const>(g.data(), 3));
    for (index_t i = 0; i < 3; ++i)
      REQUIRE(std::fabs(static_cast<double>(x[i]) + (g[i] > 0 ? 0.125 : -0.125)) < 1e-6);
  });
}

TEST_CASE("lists of parameters", "[train][optimizer]") {
  parameter_list list;
  exact_buffer<f32> a(4), b(4);
  std::fill(b.begin(), b.end(), 1.0F);
  std::span<f32> const A(a.data(), 4), B(b.data(), 4);
  list.add("weights", A, B);
  REQUIRE(
      (list.size() == 1 && list.elements() == 4 && list.find("weights")->value.data() == A.data()));
  REQUIRE(list.find("bias") == nullptr);
  list.clear_gradients();
  REQUIRE((b[0] == 0 && b[3] == 0));
  REQUIRE_ERROR([&] { list.add("weights", A, B); }, errc::bad_parameter,
                "there are two parameters 'weights'");
  REQUIRE_ERROR([&] { list.add("", A, B); }, errc::bad_parameter, "a parameter has no name");
  REQUIRE_ERROR([&] { list.add("bias", A, B.first(3)); }, errc::bad_shape,
                "'bias' has 4 elements, its gradient 3");
  REQUIRE_ERROR([&] { list.add("bias", A.first(3), A.last(3)); }, errc::overlap,
                "'bias' overlaps its gradient");
}

TEST_CASE("errors of optimizers", "[train][optimizer][errors]") {
  using I = ia_nn::isa::scalar;
  using sgd = ia_nn::sgd<I>;
  using adam = ia_nn::adam<I>;
  double const nan = std::nan(""), inf = std::numeric_limits<double>::infinity();
  for (double const rate : {-1.0, nan, inf, -inf}) {
    REQUIRE_ERROR([&] { sgd const o(1, {.learning_rate = rate}); }, errc::bad_parameter,
                  "sgd: learning_rate is ");
    REQUIRE_ERROR([&] { adam const o(1, {.learning_rate = rate}); }, errc::bad_parameter,
                  "adam: learning_rate is ");
    REQUIRE_ERROR([&] { adam(1).set_learning_rate(rate); }, errc::bad_parameter,
                  "must be a number that is not negative");
    REQUIRE_ERROR([&] { adam const o(1, {.epsilon = rate}); }, errc::bad_parameter,
                  "adam: epsilon is ");
    REQUIRE_ERROR([&] { sgd const o(1, {.momentum = rate}); }, errc::bad_parameter,
                  "sgd: momentum is ");
    REQUIRE_ERROR([&] { ia_nn::rmsprop<I> const o(1, {.smoothing = rate}); }, errc::bad_parameter,
                  "rmsprop: smoothing is ");
    REQUIRE_ERROR([&] { ia_nn::adagrad<I> const o(1, {.weight_decay = rate}); },
                  errc::bad_parameter, "adagrad: weight_decay is ");
  }
  REQUIRE_ERROR([&] { adam const o(1, {.beta2 = 1}); }, errc::bad_parameter,
                "beta2 is 1, must be within [0, 1)");
  REQUIRE_ERROR([&] { sgd const o(1, {.dampening = 1.5}); }, errc::bad_parameter,
                "dampening is 1.5, must be within [0, 1]");
  REQUIRE_ERROR([&] { sgd const o(-1); }, errc::bad_shape, "sgd: -1 elements");
  REQUIRE_ERROR([&] { adam(3).check(parameter_list()); }, errc::bad_shape,
                "adam: the parameters have 0 elements, the state 3");
}

} // namespace ia_nn_test

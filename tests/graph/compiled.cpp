// SPDX-License-Identifier: Apache-2.0
//
// What `compiled` promises beside what its kernels do (planned.hpp): networks that the compiler
// planned against the oracle, the same bits for any number of threads, no allocation, concurrent
// runs, traces, and a sentence for every mistake.
#include "../../examples/models/mnist.hpp"
#include "../../examples/models/wide_deep.hpp"
#include "../../examples/models/with_softmax.hpp"
#include "../gemm/throws.hpp"
#include "../support/allocations.hpp"
#include "../support/locale.hpp"
#include "nets.hpp"
#include "planned.hpp"

#include <ia_nn/exec/thread_pool.hpp>
#include <ia_nn/graph/show/trace.hpp>

#include <thread>

long graph_test::allocations_made() { return allocations; }

namespace {

using namespace graph_test;
using graph_nets::mixed;
using ia_nn::errc;
using ia_nn::thread_pool;
using namespace ia_nn::graph;

using wide = models::wide_deep<any_batch, 50, 3>;
using digits = models::with_softmax<models::mnist<>>;

TEST_CASE("models", "[graph]") {
  REQUIRE(ready());
  check_net<wide>(2);
  check_net<digits>(3);
  check_net<mixed>(4);
}

template <class Net> void check_threads() {
  problem const p = problem_of<Net>(5, 4);
  call const one = run<Net>(p, {.max_batch = 4});
  for (int threads = 2; threads <= 3; ++threads) {
    thread_pool pool(threads);
    REQUIRE(same_bits(one, run<Net>(p, {.max_batch = 6, .workers = threads}, pool)));
  }
}
TEST_CASE("threads", "[graph]") {
  REQUIRE(ready());
  check_threads<wide>();
  check_threads<digits>();
}

TEST_CASE("run allocates nothing, and many may run", "[graph]") {
  REQUIRE(ready());
  problem const p = problem_of<digits>(7, 2);
  compiled<digits> const net(p.weights.from, {.max_batch = 2});
  call const expected = run<digits>(p, {.max_batch = 2});
  constexpr int callers = 3;
  std::deque<call> calls;
  std::deque<workspace> scratch;
  for (int i = 0; i < callers; ++i)
    calls.emplace_back(p), scratch.emplace_back(net.workspace_bytes());
  long const before = allocations.load();
  net.run(2, calls[0].in, calls[0].to, scratch[0]);
  std::span const image(static_cast<f32 const*>(calls[0].in[0].data), 2 * 28 * 28);
  bool const fits = static_cast<bool>(net.run(2, image, calls[0].out[0], scratch[0]));
  bool const refused = !net.run(3, image, calls[0].out[0], scratch[0]);
  long const after = allocations.load();
  if (IA_NN_TEST_COUNTS_ALLOCATIONS) {
    CHECK(before > 0);
    CHECK(after == before);
  }
  CHECK((fits && refused));
  std::vector<std::thread> threads;
  for (int i = 0; i < callers; ++i)
    threads.emplace_back([&, i] {
      std::size_t const k = static_cast<std::size_t>(i);
      for (int n = 0; n < 5; ++n) net.run(2, calls[k].in, calls[k].to, scratch[k]);
    });
  for (auto& t : threads) t.join();
  for (call const& c : calls) CHECK(same_bits(expected, c));
}

TEST_CASE("trace", "[graph]") {
  REQUIRE(ready());
  problem const p = problem_of<wide>(9, 2);
  compiled<wide> const net(p.weights.from, {.max_batch = 2});
  call c(p);
  workspace scratch(net.workspace_bytes());
  step_trace<wide> trace;
  net.run(2, c.in, c.to, scratch, sequential{}, trace);
  REQUIRE(trace.table(2).find("deep1") != std::string::npos);
  REQUIRE(trace.chrome().find("\"name\": \"deep1\", \"ph\": \"X\"") != std::string::npos);
  std::string const table = trace.table(2), chrome = trace.chrome();
  ia_nn_test::in_other_locales([&] {
    CHECK(trace.table(2) == table);
    CHECK(trace.chrome() == chrome);
  });
  REQUIRE(same_bits(c, run<wide>(p, {.max_batch = 2})));
}

// Stages that end in a product, with sums behind them: compilers may make one multiply-add of both.
struct rounded_products {
  static constexpr void build(builder& b) {
    auto const x = input(b, "x", {any_batch, 19}), o = input(b, "o", {any_batch, 37});
    auto const y = dense(x, {.units = 37, .name = "a"});
    output(y * o + o);
    output(swish(dense(x, {.units = 37, .name = "b"})) - o);
    output(square(conv1d(reshape(x, {19, 1}), {.filters = 37, .name = "c"})) * 0.5F + 1.0F);
    output(softmax(y * o) * y + y);
  }
};
struct switched : rounded_products {
  static constexpr options passes{.compile_tails = false};
};

template <ia_nn::isa::tag I, ia_nn::element Usual> void check_rounding() {
  using policy = native<I, Usual>;
  if (!runnable<I>()) return;
  problem const p = problem_of<rounded_products>(12, 9);
  call const c = run<rounded_products, policy>(p, {.max_batch = 9});
  CHECK(same_bits(c, run<switched, policy>(p, {.max_batch = 9})));
  if (std::same_as<Usual, f32>)
    CHECK(same_bits(c, run<plain<rounded_products>, policy>(p, {.max_batch = 9})));
  // The same rows in any batch.
  compiled<rounded_products, policy> const net(p.weights.from, {.max_batch = 9});
  workspace scratch(net.workspace_bytes());
  for (index_t batch = 1; batch < 9; ++batch) {
    call part(p);
    net.run(batch, part.in, part.to, scratch);
    for (std::size_t i = 0; i < c.out.size(); ++i) {
      index_t const size = c.out[i].size() / 9 * batch;
      CHECK(std::memcmp(part.out[i].data(), c.out[i].data(),
                        static_cast<std::size_t>(size) * sizeof(f32)) == 0);
    }
  }
}

TEST_CASE("each stage rounds", "[graph]") {
  check_rounding<ia_nn::isa::native, f32>();
  check_rounding<ia_nn::isa::avx2, f32>();
  check_rounding<ia_nn::isa::avx2, ia_nn::bf16>();
}

struct small {
  static constexpr auto build(builder& b) {
    return batch_norm(conv2d(input(b, "x", {any_batch, 4, 4, 3}), {.filters = 2, .name = "stem"}),
                      {.affine = false, .name = "norm"});
  }
};

TEST_CASE("mistakes have a sentence", "[graph]") {
  REQUIRE(ready());
  std::vector<f32> const numbers(64, 1.0F);
  auto const some = [&](std::size_t n) { return std::span<f32 const>(numbers.data(), n); };
  auto const with = [&](auto change) {
    return [&, change] {
      memory_weights w;
      change(w);
      compiled<small> const net(w);
      static_cast<void>(net);
    };
  };
  auto const norm = [&](memory_weights& w) {
    w.add("norm.running_mean", {2}, some(2));
    w.add("norm.running_var", {2}, some(2));
  };
  REQUIRE_ERROR(with([&](memory_weights& w) { w.add("stem.bias", {2}, some(2)), norm(w); }),
                errc::bad_parameter, "conv2d 'stem': there is no weight 'stem.weight'");
  REQUIRE_ERROR(
      with([&](memory_weights& w) {
        w.add("stem.weight", {2, 4, 1, 1}, some(8)), w.add("stem.bias", {2}, some(2)), norm(w);
      }),
      errc::bad_shape,
      "conv2d 'stem': weight 'stem.weight' has the shape (2, 4, 1, 1), expected (2, 3, 1, 1)");
  REQUIRE_ERROR(with([&](memory_weights& w) {
                  w.add("stem.weight", {2, 3, 1, 1}, some(6)), w.add("stem.bias", {2}, some(2));
                  w.add("norm.running_mean", {2}, some(2));
                }),
                errc::bad_parameter, "batch_norm 'norm': there is no weight 'norm.running_var'");
  REQUIRE_ERROR(with([&](memory_weights& w) {
                  w.add("stem.weight", {2, 3, 1, 1}, some(6)), w.add("stem.bias", {2}, some(2)),
                      norm(w);
                  w.add("stam.weight", {1}, some(1));
                }),
                errc::bad_parameter, "no layer has a weight 'stam.weight'");
  REQUIRE_ERROR([] { static_cast<void>(memory_weights().shape("a")); }, errc::bad_parameter,
                "weights: there is no 'a'");
  REQUIRE_ERROR([] { static_cast<void>(memory_weights().values("a")); }, errc::bad_parameter,
                "weights: there is no 'a'");
  REQUIRE_ERROR([&] { memory_weights().add("a", {3}, some(2)); }, errc::bad_shape,
                "'a' has 2 elements, its shape 3");

  memory_weights w;
  w.add("stem.weight", {2, 3, 1, 1}, some(6)), w.add("stem.bias", {2}, some(2)), norm(w);
  REQUIRE_ERROR([&] { compiled<small>(w, {.max_batch = 0}); }, errc::bad_parameter,
                "max_batch is 0");
  compiled<small> const net(w, {.max_batch = 2});
  std::vector<f32> x(96), y(64);
  std::vector<s32> ids(96);
  workspace good(net.workspace_bytes() + 64);
  std::vector<source> in{x.data()};
  std::vector<f32*> out{y.data()};
  REQUIRE_ERROR([&] { net.check(3, in, out, good); }, errc::bad_parameter,
                "a batch of 3, expected 1 to 2");
  REQUIRE_ERROR([&] { net.check(2, {}, out, good); }, errc::bad_parameter,
                "0 inputs and 1 outputs, expected 1 and 1");
  in[0] = ids.data();
  REQUIRE_ERROR([&] { net.check(2, in, out, good); }, errc::bad_parameter,
                "input 'x': its elements are not f32");
  in[0] = x.data(), out[0] = nullptr;
  REQUIRE_ERROR([&] { net.check(2, in, out, good); }, errc::bad_pointer, "output 'output' is null");
  out[0] = y.data();
  workspace little(net.workspace_bytes() > 0 ? net.workspace_bytes() - 1 : 0);
  if (net.workspace_bytes() > 0)
    REQUIRE_ERROR([&] { net.check(2, in, out, little); }, errc::small_workspace,
                  "bytes, run needs");
  net.check(2, in, out, good);

  problem p = problem_of<wide>(10, 2);
  compiled<wide> const tables(p.weights.from, {.max_batch = 2});
  call c(p);
  workspace scratch(tables.workspace_bytes());
  p.integers[3][1] = 50;
  REQUIRE_ERROR([&] { tables.check(2, c.in, c.to, scratch); }, errc::bad_parameter,
                "embedding 'table3': index 1 is 50, the table has 50 rows");
}

} // namespace

// SPDX-License-Identifier: Apache-2.0
//
// Operators that stand outside of the library, through its public headers alone: one that works
// element by element, one with weights. docs/adding-a-kernel.md says how.
#include "../isa.hpp"
#include "../random.hpp"

#include <ia_nn/exec/thread_pool.hpp>
#include <ia_nn/graph/compiled.hpp>
#include <ia_nn/graph/layers.hpp>
#include <ia_nn/graph/show/dump.hpp>

namespace outside {

namespace graph = ia_nn::graph;
using graph::node, graph::node_inputs, graph::value, graph::value_type;
using ia_nn::f32, ia_nn::index_t;

// ---- x if |x| > lambda, else 0

inline constexpr graph::operator_row hard_shrink_row{
    .name = "outside::hard_shrink",
    .element_wise = true,
    .in_place = true,
    .joins_groups = true,
    .writes_slices = true,
    .shape = graph::rules::keeps_shape,
    .flops = [](node const& n, node_inputs) { return n.shape.size(); },
    .shown = [](node const&) { return "hard_shrink"; },
    .by_channel = graph::rules::always};

constexpr value hard_shrink(value x, f32 lambda = 0.5F, graph::named const& o = {}) {
  node n{.kind = hard_shrink_row, .name = o.name};
  n.attributes.a = lambda;
  return graph::apply(n, {x}, "hard_shrink");
}

// ---- x if x > 0, else slope[channel] x

constexpr void prelu_weights(node const& n, node_inputs, std::vector<graph::weight>& to) {
  to.push_back({".weight", {n.shape.last()}});
}
inline constexpr graph::operator_row prelu_row{.name = "outside::prelu",
                                               .element_wise = true,
                                               .in_place = true,
                                               .shape = graph::rules::keeps_rows,
                                               .weights = prelu_weights};

constexpr value prelu(value x, graph::named const& o = {}) {
  return graph::apply({.kind = prelu_row, .name = o.name}, {x}, "prelu");
}

// ---- x y, which has kernels for bf16: all that it reads and writes has one type

inline constexpr graph::operator_row product_row{.name = "outside::product",
                                                 .element_wise = true,
                                                 .narrow = true,
                                                 .shape = graph::rules::keeps_shape};
constexpr value product(value x, value y) {
  return graph::apply({.kind = product_row}, {x, y}, "product");
}
template <class T> struct product_kernel : graph::plain_kernel {
  using store = graph::no_store;
  static store load(graph::kernel_loader&) { return {}; }
  template <class E> static void run(store const&, graph::step_call const& c, E&) noexcept {
    T const *const x = c.source<T>(0), *const y = c.source<T>(1);
    for (index_t i = 0; i < c.rows() * c.shape().last(); ++i)
      c.result<T>()[i] = T(static_cast<f32>(x[i]) * static_cast<f32>(y[i]));
  }
};

struct hard_shrink_kernel : graph::plain_kernel {
  using store = graph::no_store;
  static store load(graph::kernel_loader&) { return {}; }
  template <class E> static void run(store const&, graph::step_call const& c, E& e) noexcept {
    index_t const columns = c.shape().last();
    f32 const lambda = c.layer().attributes.a, *const x = c.source();
    f32* const y = c.result();
    ia_nn::parallel_blocks(e, c.rows(), 64, [&](index_t begin, index_t end, int) {
      for (index_t r = begin; r < end; ++r)
        for (index_t k = 0; k < columns; ++k) {
          f32 const v = x[r * columns + k];
          y[r * c.ld() + k] = v > lambda || v < -lambda ? v : 0.0F;
        }
    });
  }
};

struct prelu_kernel : graph::plain_kernel {
  using store = std::vector<f32>;
  static store load(graph::kernel_loader& l) { return l.read(".weight"); }
  template <class E> static void run(store const& slopes, graph::step_call const& c, E&) noexcept {
    index_t const columns = static_cast<index_t>(slopes.size());
    f32 const* const x = c.source();
    f32* const y = c.result();
    for (index_t r = 0; r < c.rows(); ++r)
      for (index_t k = 0; k < columns; ++k) {
        f32 const v = x[r * columns + k];
        y[r * columns + k] = v > 0 ? v : slopes[static_cast<std::size_t>(k)] * v;
      }
  }
};

} // namespace outside

// For every set of kernels: these are written without registers of their own.
template <ia_nn::graph::kernel_id K, class Kernels>
  requires(K.op == outside::hard_shrink_row.id)
struct ia_nn::graph::kernel<K, Kernels> : outside::hard_shrink_kernel {};
template <ia_nn::graph::kernel_id K, class Kernels>
  requires(K.op == outside::prelu_row.id)
struct ia_nn::graph::kernel<K, Kernels> : outside::prelu_kernel {};

// A backend that has one kernel, and takes the others from the library.
namespace outside {
struct few_kernels {
  using isa_type = ia_nn::isa::native;
  using fallback = graph::native<>::kernels;
  static constexpr char const* name = "few";
};
struct few {
  using kernels = few_kernels;
  static constexpr graph::precision usual = graph::precision::f32;
};
static_assert(graph::backend<few> && graph::backend<graph::native<>> && !graph::backend<int>);
inline int negations = 0;
struct negation_kernel : graph::plain_kernel { // in place of a softmax
  using store = graph::no_store;
  static store load(graph::kernel_loader&) { return {}; }
  template <class E> static void run(store const&, graph::step_call const& c, E&) noexcept {
    ++negations;
    for (index_t i = 0; i < c.rows() * c.shape().last(); ++i) c.result()[i] = -c.source()[i];
  }
};
} // namespace outside
template <ia_nn::graph::kernel_id K>
  requires(K.op == ia_nn::graph::op::softmax.id)
struct ia_nn::graph::kernel<K, outside::few_kernels> : outside::negation_kernel {};

template <ia_nn::graph::kernel_id K, class Kernels>
  requires(K.op == outside::product_row.id && K.reads == K.writes)
struct ia_nn::graph::kernel<K, Kernels>
    : outside::product_kernel<ia_nn::graph::element_of<K.reads>> {};

namespace {

using namespace outside;

struct net {
  static constexpr auto build(graph::builder& b) {
    auto const x = input(b, "x", {graph::any_batch, 4, 3, 6});
    auto const y = hard_shrink(relu(x) - x, 0.25F);              // in place
    auto const z = prelu(tanh(x), {.name = "slopes"});
    return graph::concat({hard_shrink(z), y});                  // writes into the concat
  }
};
// In a bf16 network they read and write f32, whatever is around them.
struct narrow {
  static constexpr auto build(graph::builder& b) {
    auto const x = input(b, "x", {graph::any_batch, 8});
    return dense(hard_shrink(dense(x, {.units = 8, .name = "a"})), {.units = 8, .name = "b"});
  }
};
// Of two inputs: bf16 if both are.
struct products {
  static constexpr auto build(graph::builder& b) {
    auto const x = input(b, "x", {graph::any_batch, 8});
    auto const both = product(dense(x, {.units = 8, .name = "a"}), relu(dense(x, {.units = 8, .name = "b"})));
    auto const one = product(dense(x, {.units = 8, .name = "c"}), softmax(x));
    return dense(both, {.units = 8, .name = "d"}) + dense(one, {.units = 8, .name = "e"});
  }
};
template <int Number> constexpr value_type type_of_product() {
  int seen = 0;
  for (node const& n : graph::typed<products, graph::precision::bf16>.nodes)
    if (n.kind == product_row && seen++ == Number) return n.type;
  return value_type::s32;
}
static_assert(type_of_product<0>() == value_type::bf16 && type_of_product<1>() == value_type::f32);
constexpr auto& narrow_plan = graph::schedule<narrow, graph::precision::bf16>;
static_assert(narrow_plan.count == 5); // two of them convert
constexpr auto& plan = graph::schedule<net>;
static_assert(graph::planned<net>);
// relu(x) - x, tanh, and three of ours; the prelu's and one shrink's results are not copied.
static_assert(plan.count == 5 && plan.buffer_count == 2);
static_assert(graph::weight_count(graph::original<net>, graph::original<net>.edit().find("slopes")) == 6);

TEST_CASE("operators from outside", "[graph]") {
  constexpr index_t items = 3, size = items * 4 * 3 * 6;
  ia_nn_test::random r(31);
  std::vector<f32> x(size), slopes(6), y(2 * size);
  for (f32& v : x) v = r.normal();
  for (f32& v : slopes) v = r.normal();
  graph::memory_weights weights;
  CHECK_THROWS_WITH(graph::compiled<net>(weights),
                    "ia_nn: outside::prelu 'slopes': there is no weight 'slopes.weight'");
  weights.add("slopes.weight", {6}, slopes);
  graph::compiled<net> const compiled(weights, {.max_batch = items, .workers = 2});
  ia_nn::workspace scratch(compiled.workspace_bytes());
  ia_nn::thread_pool pool(2);
  compiled.run(items, x, y, scratch, pool).require();
  auto const shrink = [](double v, double lambda) { return std::fabs(v) > lambda ? v : 0.0; };
  for (index_t i = 0; i < size; ++i) {
    double const v = x[static_cast<std::size_t>(i)];
    double const t = std::tanh(v);
    double const p = t > 0 ? t : t * static_cast<double>(slopes[static_cast<std::size_t>(i % 6)]);
    std::size_t const at = static_cast<std::size_t>(i / 6 * 12 + i % 6);
    CHECK(std::fabs(y[at] - shrink(p, 0.5)) <= 1e-6); // no |p| lies so close to 0.5
    CHECK(std::fabs(y[at + 6] - shrink(std::fmax(v, 0) - v, 0.25)) <= 1e-6);
  }

  std::vector<f32> unit(64), eight(8), none(8);
  for (std::size_t i = 0; i < 8; ++i) unit[9 * i] = 1, eight[i] = 0.25F * static_cast<f32>(i);
  graph::memory_weights identities;
  for (char const* const name : {"a", "b"}) {
    identities.add(std::string(name) + ".weight", {8, 8}, unit);
    identities.add(std::string(name) + ".bias", {8}, none);
  }
  graph::compiled<narrow, graph::native<ia_nn::isa::native, ia_nn::bf16>> const two(identities);
  ia_nn::workspace more(two.workspace_bytes());
  two.run(1, eight, none, more).require();
  for (std::size_t i = 0; i < 8; ++i) CHECK(none[i] == (i > 2 ? eight[i] : 0.0F));

  graph::memory_weights five;
  for (char const* const name : {"a", "b", "c", "d", "e"}) {
    five.add(std::string(name) + ".weight", {8, 8}, unit);
    five.add(std::string(name) + ".bias", {8}, std::vector<f32>(8));
  }
  graph::compiled<products, graph::native<ia_nn::isa::native, ia_nn::bf16>> const squares(five);
  ia_nn::workspace last(squares.workspace_bytes());
  squares.run(1, eight, none, last).require();
  double sum = 0;
  for (f32 const v : eight) sum += std::exp(static_cast<double>(v));
  for (std::size_t i = 0; i < 8; ++i) { // eighths: bf16 holds squares of quarters
    double const v = static_cast<double>(eight[i]);
    CHECK(std::fabs(static_cast<double>(none[i]) - (v * v + v * std::exp(v) / sum)) <= 0.01);
  }
  CHECK(graph::dump_steps<net>().find("hard_shrink") != std::string::npos);
}

struct two_backends {
  static constexpr auto build(graph::builder& b) {
    auto const x = input(b, "x", {graph::any_batch, 8});
    return softmax(relu(dense(x, {.units = 8, .name = "a"}))) + 1.0F;
  }
};

TEST_CASE("a backend has some kernels and falls back for the others", "[graph]") {
  graph::memory_weights weights;
  std::vector<f32> unit(64), x(8), y(8);
  for (std::size_t i = 0; i < 8; ++i) unit[9 * i] = 1, x[i] = static_cast<f32>(i) - 4;
  weights.add("a.weight", {8, 8}, unit);
  weights.add("a.bias", {8}, std::vector<f32>(8));
  graph::compiled<two_backends, few> const compiled(weights);
  ia_nn::workspace scratch(compiled.workspace_bytes());
  compiled.run(1, x, y, scratch).require();
  CHECK(negations == 1);
  for (std::size_t i = 0; i < 8; ++i) CHECK(y[i] == 1 - std::fmax(x[i], 0.0F));
}

} // namespace

// SPDX-License-Identifier: Apache-2.0
//
// Tables of embeddings: where only the rows are changed that a batch has named, the bits are those of a change of all
// rows; lazy optimizers leave the others alone.
#include "../isa.hpp"
#include "../random.hpp"

#include <ia_nn/exec/thread_pool.hpp>
#include <ia_nn/graph/layers.hpp>
#include <ia_nn/graph/train/trainer.hpp>
#include <ia_nn/train/sgd.hpp>

#include <cstring>

namespace {

using namespace ia_nn_test;
namespace graph = ia_nn::graph;
using ia_nn::s32;

constexpr index_t words = 97, width = 5, length = 6, most = 4;

/// Two tables, one of them beside a number.
struct two_tables {
  static constexpr auto build(graph::builder& b) {
    auto const text = input(b, "text", {graph::any_batch, length}, graph::value_type::s32);
    auto const kind = input(b, "kind", {graph::any_batch, 1}, graph::value_type::s32);
    auto const x = embedding(text, {.rows = words, .width = width, .name = "words"});
    auto const y = embedding(kind, {.rows = 3, .width = 2, .name = "kinds"});
    return dense(graph::concat({flatten(x), flatten(y)}), {.units = 4, .name = "fc"});
  }
};
template <class Optimizer> using trainer_of = graph::trainer<two_tables, graph::cross_entropy_loss<>, Optimizer>;
using registers = ia_nn::isa::native;

struct batch_of {
  std::vector<s32> text, kind, labels;
  index_t size;

  explicit batch_of(ia_nn_test::random& r) : size(r.between(1, most)) {
    for (index_t i = 0; i < size * length; ++i) text.push_back(static_cast<s32>(r.between(0, r.between(0, words - 1))));
    for (index_t i = 0; i < size; ++i) {
      kind.push_back(static_cast<s32>(r.between(0, 2)));
      labels.push_back(static_cast<s32>(r.between(0, 3)));
    }
  }
};
bool same(std::span<f32 const> a, std::span<f32 const> b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size_bytes()) == 0;
}
template <class Trainer> bool same_state(Trainer& a, Trainer& b) {
  bool all = same(a.state().weights.values(), b.state().weights.values());
  for (index_t i = 0; i < a.optimizer().state().size(); ++i)
    all = all && same(a.optimizer().state()[i].values, b.optimizer().state()[i].values);
  return all;
}

/// Steps of one trainer that changes rows and another one that has been asked for its gradients.
template <class Optimizer, class Options>
void compare(ia_nn_test::random& r, graph::train_options o, Options const& options) {
  o.batch = most;
  o.workers = 2;
  trainer_of<Optimizer> rows(o, options), all(o, options);
  REQUIRE(rows.optimizer().zero_changes_nothing());
  static_cast<void>(all.gradients());
  ia_nn::thread_pool pool(2);
  for (int step = 0; step < 12; ++step) {
    batch_of const b(r);
    f32 const loss = rows.step(b.size, {b.text, b.kind}, b.labels, pool).require();
    REQUIRE(all.step(b.size, {b.text, b.kind}, b.labels).require() == loss);
    REQUIRE(same_state(rows, all));
    REQUIRE(same(rows.state().weights.gradients(), all.state().weights.gradients()));
  }
  // What is asked for its gradients in the middle goes on with all rows.
  rows.parameters().find("words.weight")->gradient[0] = 0;
  for (int step = 0; step < 3; ++step) {
    batch_of const b(r);
    rows.step(b.size, {b.text, b.kind}, b.labels).require();
    all.step(b.size, {b.text, b.kind}, b.labels).require();
    REQUIRE(same_state(rows, all));
  }
}

TEST_CASE("a change of named rows has the bits of a change of all rows") {
  ia_nn_test::random r(31);
  using sgd = ia_nn::sgd<registers>;
  using adagrad = ia_nn::adagrad<registers>;
  compare<sgd>(r, {}, ia_nn::sgd_options{.learning_rate = 0.3});
  compare<sgd>(r, {.accumulate = 3, .clip_norm = 0.2, .clip_value = 0.01}, ia_nn::sgd_options{.learning_rate = 0.3});
  compare<adagrad>(r, {.accumulate = 2}, ia_nn::adagrad_options{.learning_rate_decay = 0.1});
  compare<adagrad>(r, {.clip_norm = 0.1}, ia_nn::adagrad_options{});
}

TEST_CASE("optimizers that change elements without a gradient say so") {
  CHECK_FALSE(ia_nn::sgd<registers>(1, {.momentum = 0.9}).zero_changes_nothing());
  CHECK_FALSE(ia_nn::sgd<registers>(1, {.weight_decay = 0.1}).zero_changes_nothing());
  CHECK_FALSE(ia_nn::adagrad<registers>(1, {.weight_decay = 0.1}).zero_changes_nothing());
  CHECK_FALSE(ia_nn::adagrad<registers>(1, {.epsilon = 0}).zero_changes_nothing());
  CHECK_FALSE(ia_nn::adam<registers>(1).zero_changes_nothing());
}

TEST_CASE("lazy Adam leaves rows alone that nobody has named") {
  ia_nn_test::random r(32);
  using adam = ia_nn::adam<registers>;
  trainer_of<adam> t({.batch = most, .lazy_tables = true}), plain({.batch = most});
  adam reference(t.optimizer().elements());
  std::vector<f32> value(t.gradients().size());
  std::copy_n(t.state().weights.values().begin(), value.size(), value.begin());
  auto const of_table = [&](char const* name) { // where it begins among all elements, and how many it has
    std::size_t at = 0;
    for (ia_nn::parameter const& p : t.parameters())
      if (p.name == name) return std::pair{at, p.value.size()};
      else at += p.value.size();
    return std::pair{at, std::size_t{0}};
  };
  auto const [first, size] = of_table("words.weight");
  auto const [first_kind, size_kind] = of_table("kinds.weight");
  REQUIRE(size == static_cast<std::size_t>(words * width));
  REQUIRE(size_kind == 6);
  bool left_alone = false;
  for (int step = 0; step < 10; ++step) {
    batch_of const b(r);
    t.step(b.size, {b.text, b.kind}, b.labels).require();
    plain.step(b.size, {b.text, b.kind}, b.labels).require();
    // A step on everything, and back to what it was for the rows that are not there.
    std::vector<f32> const old = value, m(reference.first_moment().begin(), reference.first_moment().end()),
                           h(reference.second_moment().begin(), reference.second_moment().end());
    reference.step(std::span<f32>(value), std::span<f32 const>(t.gradients()));
    auto const put_back = [&](std::size_t i) {
      left_alone = left_alone || value[i] != old[i];
      value[i] = old[i], reference.first_moment()[i] = m[i], reference.second_moment()[i] = h[i];
    };
    for (std::size_t i = 0; i < size; ++i)
      if (std::count(b.text.begin(), b.text.end(), static_cast<s32>(i / width)) == 0) put_back(first + i);
    for (std::size_t i = 0; i < size_kind; ++i)
      if (std::count(b.kind.begin(), b.kind.end(), static_cast<s32>(i / 2)) == 0) put_back(first_kind + i);
    REQUIRE(same(value, t.state().weights.values()));
    REQUIRE(same(reference.first_moment(), t.optimizer().first_moment()));
    REQUIRE(same(reference.second_moment(), t.optimizer().second_moment()));
  }
  CHECK(left_alone); // otherwise both are the same
  CHECK_FALSE(same_state(t, plain));
}

} // namespace

// SPDX-License-Identifier: Apache-2.0
//
// A network is trained, interrupted, resumed, and handed over to `compiled`.
#include "../isa.hpp"
#include "../random.hpp"

#include <ia_nn/exec/thread_pool.hpp>
#include <ia_nn/graph/compiled.hpp>
#include <ia_nn/graph/layers.hpp>
#include <ia_nn/graph/files/checkpoint.hpp>
#include <ia_nn/graph/train/trainer.hpp>
#include <ia_nn/train/schedules.hpp>
#include <ia_nn/train/sgd.hpp>

#include <csignal>
#include <cstring>
#include <filesystem>
#include <sys/wait.h>
#include <unistd.h>

namespace {

using namespace ia_nn_test;
namespace graph = ia_nn::graph;
using Catch::Matchers::Contains;

/// Images of a bright quarter, and which one it is.
struct quarters {
  std::vector<f32> images;
  std::vector<ia_nn::u8> labels;

  quarters(ia_nn_test::random& r, index_t count) {
    for (index_t n = 0; n < count; ++n) {
      auto const label = static_cast<ia_nn::u8>(r.between(0, 3));
      labels.push_back(label);
      for (int i = 0; i < 64; ++i) {
        bool const bright = (i / 32 == label / 2) && (i % 8 / 4 == label % 2);
        images.push_back(0.3F * r.normal() + (bright ? 1.0F : 0.0F));
      }
    }
  }
};

struct small {
  static constexpr auto build(graph::builder& b) {
    auto x = input(b, "image", {graph::any_batch, 8, 8, 1});
    x = max_pool(relu(batch_norm(conv2d(x, {.filters = 8, .kernel = 3, .pad = 1, .name = "conv"}), {.name = "bn"})),
                 {.kernel = 2});
    return dense(dropout(flatten(x), {.p = 0.1F}), {.units = 4, .name = "fc"});
  }
};
struct without_norm {
  static constexpr auto build(graph::builder& b) {
    auto x = input(b, "image", {graph::any_batch, 8, 8, 1});
    return dense(tanh(dense(flatten(x), {.units = 9, .name = "fc1"})), {.units = 4, .name = "fc2"});
  }
};
struct deep {
  static constexpr auto build(graph::builder& b) {
    auto x = input(b, "image", {graph::any_batch, 8, 8, 1});
    for (int i = 0; i < 6; ++i)
      x = gelu(batch_norm(conv2d(x, {.filters = 8, .kernel = 3, .pad = 1, .name = graph::label("conv") + i}),
                          {.name = graph::label("bn") + i}));
    return dense(global_average_pool(x), {.units = 4, .name = "fc"});
  }
};
using labels = graph::cross_entropy_loss<ia_nn::u8>;
using small_trainer = graph::trainer<small, labels>;

template <class Trainer> std::vector<f32> weights_of(Trainer const& t) {
  std::vector<f32> all;
  graph::memory_weights const w = t.weights();
  for (std::string const& n : w.names())
    for (f32 const x : w.values(n)) all.push_back(x);
  return all;
}
bool same(std::vector<f32> const& a, std::vector<f32> const& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(f32)) == 0;
}

TEST_CASE("a network learns, and runs compiled") {
  ia_nn_test::random r(1);
  small_trainer t({.batch = 32, .schedule = ia_nn::schedule::one_cycle{.rate = 0.02, .steps = 60}});
  f32 first = 0, last = 0;
  for (int step = 0; step < 60; ++step) {
    quarters const q(r, 32);
    last = t.step(32, q.images, q.labels).require();
    if (step == 0) first = last;
  }
  CHECK(last < 0.3F * first);
  graph::compiled<small> const net(t.weights(), {.max_batch = 64});
  quarters const q(r, 64);
  std::vector<f32> y(64 * 4);
  ia_nn::workspace scratch(net.workspace_bytes());
  net.run(64, q.images, y, scratch).require();
  int right = 0;
  for (int n = 0; n < 64; ++n)
    right += std::max_element(y.begin() + 4 * n, y.begin() + 4 * n + 4) - (y.begin() + 4 * n) == q.labels[static_cast<std::size_t>(n)];
  CHECK(right >= 60);
}

TEST_CASE("training has the same bits for any number of threads") {
  std::vector<std::vector<f32>> found;
  for (int const threads : {1, 2, 3}) {
    ia_nn_test::random r(2);
    ia_nn::thread_pool pool(threads);
    small_trainer t({.batch = 7, .workers = threads, .clip_norm = 0.5});
    for (int step = 0; step < 4; ++step) {
      index_t const batch = 7 - step;
      quarters const q(r, batch);
      t.step(batch, q.images, q.labels, pool).require();
    }
    found.push_back(weights_of(t));
  }
  CHECK(same(found[0], found[1]));
  CHECK(same(found[0], found[2]));
}

TEST_CASE("gradients of several steps are averaged") {
  ia_nn_test::random r(3);
  quarters const q(r, 8);
  using trainer = graph::trainer<without_norm, labels, ia_nn::sgd<ia_nn::isa::native>>;
  ia_nn::sgd_options const rate{.learning_rate = 0.5};
  trainer whole({.batch = 8}, rate), halves({.batch = 4, .accumulate = 2}, rate);
  std::vector<f32> const before = weights_of(halves);
  whole.step(8, q.images, q.labels).require();
  using span = std::span<ia_nn::u8 const>;
  halves.step(4, std::vector<f32>(q.images.begin(), q.images.begin() + 256), span(q.labels).first(4)).require();
  CHECK(same(before, weights_of(halves)));
  CHECK_THROWS_WITH(graph::save_checkpoint("/tmp/none", halves), Contains("gradients of 1 steps wait for others"));
  halves.step(4, std::vector<f32>(q.images.begin() + 256, q.images.end()), span(q.labels).last(4)).require();
  std::vector<f32> const a = weights_of(whole), b = weights_of(halves);
  CHECK(!same(before, b));
  for (std::size_t i = 0; i < a.size(); ++i) CHECK(std::fabs(a[i] - b[i]) <= 1e-5F);
}

TEST_CASE("a byte limit makes values twice, with the same bits") {
  ia_nn_test::random r(4);
  quarters const q(r, 16);
  using trainer = graph::trainer<deep, labels>;
  trainer all({.batch = 16});
  index_t const bytes = all.bytes().values + all.bytes().workspace;
  trainer less({.batch = 16, .byte_limit = bytes * 3 / 4});
  CHECK(less.bytes().values + less.bytes().workspace <= bytes * 3 / 4);
  CHECK(less.bytes().keep != graph::keep_values::all);
  for (trainer* const t : {&all, &less}) t->step(16, q.images, q.labels).require();
  CHECK(same(weights_of(all), weights_of(less)));
  CHECK_THROWS_WITH(trainer({.batch = 16, .byte_limit = 1000}), Contains(".byte_limit is 1000, a step needs at least"));
}

TEST_CASE("what does not fit is told, and nothing changes") {
  ia_nn_test::random r(5);
  quarters q(r, 4);
  small_trainer t({.batch = 4});
  std::vector<f32> const before = weights_of(t);
  auto const told = [&](auto const& status) {
    CHECK(!status);
    CHECK(same(before, weights_of(t)));
    return std::string(status.what());
  };
  CHECK_THAT(told(t.step(5, q.images, q.labels)), Contains("a batch of 5, expected 1 to 4"));
  CHECK_THAT(told(t.step(0, q.images, q.labels)), Contains("a batch of 0"));
  CHECK_THAT(told(t.step(3, q.images, q.labels)), Contains("4 targets, expected 3"));
  CHECK_THAT(told(t.step(4, std::vector<f32>(255), q.labels)), Contains("input 'image' has 255 elements"));
  q.labels[2] = 4;
  CHECK_THAT(told(t.step(4, q.images, q.labels)), Contains("label 4 of row 2 is not one of 4 classes"));
  q.labels[2] = 3;
  q.images[70] = NAN;
  CHECK_THAT(told(t.step(4, q.images, q.labels)), Contains("the loss is not finite: the first value that is not is that of conv2d 'conv'"));
  CHECK_THROWS_WITH(t.step(4, q.images, q.labels).require(), Contains("the loss is not finite"));
  CHECK_THROWS_WITH(small_trainer({.batch = 0}), Contains("batch is 0 and workers 1"));
  CHECK_THROWS_WITH(small_trainer({.accumulate = 0}), Contains(".accumulate is 0"));
  CHECK_THROWS_WITH(small_trainer({.clip_norm = -1}), Contains("clip_norm is -1"));
}

/// A file that goes when the test does.
struct temporary {
  std::string path = (std::filesystem::temp_directory_path() / ("ia_nn_checkpoint_" + std::to_string(::getpid()))).string();
  ~temporary() {
    std::error_code ignored;
    std::filesystem::remove(path, ignored);
  }
};

TEST_CASE("training that is resumed has the bits of training that was not interrupted") {
  temporary const file;
  ia_nn_test::random r(6);
  quarters const q(r, 8);
  small_trainer one({.batch = 8}), other({.batch = 8, .seed = 9});
  for (int i = 0; i < 3; ++i) one.step(8, q.images, q.labels).require();
  graph::save_checkpoint(file.path, one);
  graph::resume_checkpoint(file.path, other);
  CHECK(same(weights_of(one), weights_of(other)));
  small_trainer third({.batch = 8});
  graph::resume_checkpoint(file.path, third);
  for (int i = 0; i < 3; ++i) one.step(8, q.images, q.labels).require(), third.step(8, q.images, q.labels).require();
  CHECK(same(weights_of(one), weights_of(third)));

  graph::trainer<without_norm, labels> another({.batch = 8});
  std::vector<f32> const before = weights_of(another);
  CHECK_THROWS_WITH(graph::resume_checkpoint(file.path, another), Contains("is of another network"));
  CHECK(same(before, weights_of(another)));
  graph::trainer<small, labels, ia_nn::sgd<ia_nn::isa::native>> descent({.batch = 8});
  CHECK_THROWS_WITH(graph::resume_checkpoint(file.path, descent), Contains("is of the optimizer 'adam', not sgd"));
  graph::save_weights(file.path, one);
  CHECK_THROWS_WITH(graph::resume_checkpoint(file.path, one), Contains("is no checkpoint of a trainer"));
  other.load(graph::file_weights(ia_nn::load_safetensors(file.path)));
  CHECK(same(weights_of(one), weights_of(other)));
}

TEST_CASE("a kill at any moment leaves a whole checkpoint") {
  temporary const file;
  ia_nn_test::random r(7);
  quarters const q(r, 8);
  small_trainer t({.batch = 8});
  graph::save_checkpoint(file.path, t);
  for (int i = 0; i < 20; ++i) {
    pid_t const child = ::fork();
    if (child == 0) {
      for (;;) {
        if (!t.step(8, q.images, q.labels)) ::_exit(1);
        graph::save_checkpoint(file.path, t);
      }
    }
    REQUIRE(child > 0);
    ::usleep(static_cast<useconds_t>(r.between(200, 6000)));
    ::kill(child, SIGKILL);
    ::waitpid(child, nullptr, 0);
    small_trainer again({.batch = 8});
    graph::resume_checkpoint(file.path, again);
  }
  for (auto const& e : std::filesystem::directory_iterator(std::filesystem::path(file.path).parent_path()))
    if (e.path().string().starts_with(file.path + ".tmp")) std::filesystem::remove(e.path());
}

struct sequence {
  static constexpr auto build(graph::builder& b) {
    auto x = input(b, "text", {graph::any_batch, 12}, graph::value_type::s32);
    x = lstm(embedding(x, {.rows = 9, .width = 4, .name = "e"}), {.hidden = 5, .name = "lstm"});
    return dense(x, {.units = 9, .name = "next"});
  }
};
TEST_CASE("sequences of other lengths: plans are kept, and not more than said") {
  using trainer = graph::trainer<sequence, graph::cross_entropy_loss<>>;
  trainer t({.batch = 2, .plans = 3});
  CHECK(t.plans().misses() == 1);
  std::vector<s32> text(2 * 40), next(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) text[i] = static_cast<s32>(i % 9), next[i] = static_cast<s32>((i + 1) % 9);
  auto const step = [&](trainer& of, index_t length) {
    auto const n = static_cast<std::size_t>(2 * length);
    of.use_shapes({{graph::any_batch, length}});
    return of.step(2, std::vector<s32>(text.begin(), text.begin() + 2 * length), std::span(next).first(n)).require();
  };
  for (int i = 0; i < 3; ++i) step(t, 12), step(t, 7);
  CHECK(t.plans().misses() == 2); // a second step of a shape makes no plan
  CHECK(t.plans().hits() == 5);
  f32 first = 0, last = 0;
  index_t most = 0;
  for (int i = 0; i < 10000; ++i) {
    last = step(t, 2 + (i * 7919) % 39);
    if (i == 0) first = last;
    most = std::max(most, t.plans().size());
  }
  CHECK(most == 3);
  CHECK(t.plans().evictions() == t.plans().misses() - 3);
  CHECK(last < first);
  // Another length is what a network of that length would be.
  struct longer {
    static constexpr auto build(graph::builder& b) {
      auto x = input(b, "text", {graph::any_batch, 20}, graph::value_type::s32);
      x = lstm(embedding(x, {.rows = 9, .width = 4, .name = "e"}), {.hidden = 5, .name = "lstm"});
      return dense(x, {.units = 9, .name = "next"});
    }
  };
  trainer a({.batch = 2});
  graph::trainer<longer, graph::cross_entropy_loss<>> b({.batch = 2});
  f32 const loss = step(a, 20);
  CHECK(b.step(2, std::vector<s32>(text.begin(), text.begin() + 40), std::span(next).first(40)).require() == loss);
  CHECK(same(weights_of(a), weights_of(b)));
  CHECK_THROWS_WITH(t.use_shapes({{graph::any_batch, 3, 4}}), Contains("input 'text' is of shape (any, 12), which cannot become (any, 3, 4)"));
  CHECK_THROWS_WITH(t.use_shapes({}), Contains("too few shapes of inputs"));
  small_trainer images({.batch = 2});
  CHECK_THROWS_WITH(images.use_shapes({{graph::any_batch, 10, 8, 1}}), Contains("weight 'fc.weight' would be of shape (4, 160), not (4, 128)"));
}

TEST_CASE("images of another size: what pools over the whole image still does") {
  ia_nn_test::random r(9);
  graph::trainer<deep, labels> t({.batch = 2});
  t.use_shapes({{graph::any_batch, 12, 5, 1}});
  std::vector<f32> x(2 * 60);
  for (f32& v : x) v = r.normal();
  std::vector<ia_nn::u8> const y{1, 2};
  std::vector<f32> const before = weights_of(t);
  t.step(2, x, y).require();
  CHECK(!same(before, weights_of(t)));
  t.use_shapes({{graph::any_batch, 8, 8, 1}});
  quarters const q(r, 2);
  t.step(2, q.images, q.labels).require();
}

struct to_numbers {
  static constexpr auto build(graph::builder& b) {
    return dense(input(b, "x", {graph::any_batch, 3}), {.units = 2, .name = "fc"});
  }
};
TEST_CASE("losses of elements") {
  graph::trainer<to_numbers, graph::squared_loss> t({.batch = 4}, ia_nn::adam_options{.learning_rate = 0.02});
  ia_nn_test::random r(8);
  std::vector<f32> x(12), y;
  for (f32& v : x) v = r.normal();
  for (int i = 0; i < 4; ++i)
    for (int k = 0; k < 2; ++k)
      y.push_back(x[static_cast<std::size_t>(3 * i + k)] - 2 * x[static_cast<std::size_t>(3 * i + 2)]);
  f32 loss = 0;
  for (int step = 0; step < 6000; ++step) loss = t.step(4, x, y).require();
  CHECK(loss < 1e-2F);
  CHECK_THAT(std::string(t.step(4, x, std::vector<f32>(7)).what()), Contains("7 targets, expected 8"));
}

} // namespace

// SPDX-License-Identifier: Apache-2.0
//
// No operator's `run` allocates: operator new of the whole test executable counts. Not under
// sanitizers, which bring an operator new of their own.
#include "support/allocations.hpp"

#if IA_NN_TEST_COUNTS_ALLOCATIONS
#include "op_support.hpp"

#include <ia_nn/exec/thread_pool.hpp>
#include <ia_nn/math/activation.hpp>
#include <ia_nn/ops/attention.hpp>
#include <ia_nn/ops/batch_norm.hpp>
#include <ia_nn/ops/batched_matmul.hpp>
#include <ia_nn/ops/conv_separable.hpp>
#include <ia_nn/ops/cumulative_sum.hpp>
#include <ia_nn/ops/deconv.hpp>
#include <ia_nn/ops/detection/decode.hpp>
#include <ia_nn/ops/detection/roi.hpp>
#include <ia_nn/ops/detection/suppression.hpp>
#include <ia_nn/ops/dropout.hpp>
#include <ia_nn/ops/embedding.hpp>
#include <ia_nn/ops/embedding_bag.hpp>
#include <ia_nn/ops/expr.hpp>
#include <ia_nn/ops/gather.hpp>
#include <ia_nn/ops/group_norm.hpp>
#include <ia_nn/ops/layer_norm.hpp>
#include <ia_nn/ops/lrn.hpp>
#include <ia_nn/ops/move.hpp>
#include <ia_nn/ops/pad.hpp>
#include <ia_nn/ops/pool.hpp>
#include <ia_nn/ops/resize.hpp>
#include <ia_nn/ops/scale_norm.hpp>
#include <ia_nn/ops/softmax.hpp>
#include <ia_nn/ops/top_k.hpp>
#include <ia_nn/ops/where.hpp>

namespace ia_nn_test {
namespace {

using ia_nn::bf16;
using ia_nn::chain;
using ia_nn::conv_shape;
using ia_nn::f32;
using ia_nn::index_t;
using ia_nn::s32;
using ia_nn::s8;
using ia_nn::u8;
using ia_nn::window;
using I = ia_nn::isa::native;

/// f(executor) in the calling thread and in three, counted.
template <class F> void counted(char const* name, F const& f) {
  static ia_nn::thread_pool pool(3);
  ia_nn::sequential alone;
  long const before = allocations;
  f(alone);
  f(pool);
  long const after = allocations;
  INFO(name);
  CHECK(after == before);
}

constexpr index_t batch = 2, channels = 24, side = 9, pixels = side * side;
constexpr ia_nn::spatial image{1, side, side};
constexpr window three{.kernel = {1, 3, 3}, .pad_begin = {0, 1, 1}, .pad_end = {0, 1, 1}};

template <class A, class B, class C> void convolutions(char const* name) {
  INFO(name);
  std::vector<A> const x(at(batch * pixels * channels));
  std::vector<C> y(at(batch * 4 * pixels * channels));
  std::vector<B> const w(at(9 * channels * channels));
  auto const first = [&](index_t n) { return std::span<B const>(w).first(at(n)); };
  std::vector<s32> const zeros(at(channels), 3);
  ia_nn::conv_options o{.max_batch = batch, .workers = 3};
  conv_shape s{.channels = channels, .filters = channels, .in = image, .win = three};
  for (index_t const groups : {index_t{1}, index_t{3}, channels})
    for (bool const shifted : {false, true}) {
      if (shifted && !std::same_as<B, s8>) continue;
      s.groups = groups;
      if (shifted) o.weight_zero_points = zeros;
      ia_nn::conv<I, A, B, C> layer(s, first(s.weights()), o);
      ia_nn::workspace scratch(layer.workspace_bytes());
      counted("conv", [&](auto& e) {
        layer.run(batch, x.data(), y.data(), chain<>{}, scratch, e);
        layer.set_weights(first(s.weights()));
      });
      o.weight_zero_points = {};
    }
  ia_nn::deconv_shape const d{channels, channels, 1, image, three};
  ia_nn::deconv<I, A, B, C> const up(d, first(d.weights()), o);
  ia_nn::workspace scratch(up.workspace_bytes());
  counted("deconv",
          [&](auto& e) { up.run(batch, x.data(), y.data(), chain<>{}, scratch, e); });
  s.groups = channels;
  ia_nn::separable_conv<I, A, B, C> const pair(s, 5, first(s.weights()), first(5 * channels),
                                               {.max_batch = batch, .workers = 3});
  ia_nn::workspace more(pair.workspace_bytes());
  counted("separable_conv", [&](auto& e) {
    pair.run(batch, x.data(), y.data(), chain<>{}, chain<>{}, more, e);
  });
}

template <class T> void pools(char const* name) {
  INFO(name);
  std::vector<T> const x(at(batch * pixels * channels));
  std::vector<T> y(x.size());
  std::vector<s32> places(x.size());
  for (ia_nn::pool_kind const kind : {ia_nn::pool_kind::max, ia_nn::pool_kind::average,
                                      ia_nn::pool_kind::average_padded}) {
    ia_nn::pool<I, T> const window(kind, ia_nn::pool_shape{channels, image, three}),
        adaptive(kind, ia_nn::adaptive_pool_shape{channels, image, {1, 4, 5}});
    counted("pool", [&](auto& e) {
      window.run(batch, x.data(), y.data(), e);
      adaptive.run(batch, x.data(), y.data(), e);
      if (kind == ia_nn::pool_kind::max)
        window.run_with_indices(batch, x.data(), y.data(), places.data(), e);
    });
  }
}

TEST_CASE("convolutions allocate nothing", "[ops][allocation]") {
  if (!runnable<I>()) FAIL("this machine lacks the instructions the test was compiled for");
  convolutions<f32, f32, f32>("f32");
  convolutions<bf16, bf16, f32>("bf16");
  convolutions<u8, s8, s32>("u8");
}

TEST_CASE("operators allocate nothing", "[ops][allocation]") {
  if (!runnable<I>()) FAIL("this machine lacks the instructions the test was compiled for");
  long const before = allocations;
  auto* volatile kept = new std::vector<int>(10); // the counter counts
  delete kept;
  REQUIRE(allocations > before);

  pools<f32>("f32");
  pools<u8>("u8");
  index_t const n = batch * pixels * channels, rows = batch * pixels;
  std::vector<f32> const x(at(n), 0.5F), parameters(at(channels), 1.0F);
  std::vector<f32> y(at(2 * n)), mean(at(rows)), more(at(rows));
  std::vector<u8> bytes(at(n));
  std::vector<s32> const numbers(at(rows), 3);
  std::span<f32 const> const p = parameters;

  ia_nn::softmax<I> const rows_of(channels), columns_of(pixels, channels),
      logarithms(channels, 1, ia_nn::softmax_kind::logarithm);
  counted("softmax", [&](auto& e) {
    rows_of.run(rows, x.data(), y.data(), e);
    columns_of.run(batch, x.data(), y.data(), e);
    logarithms.run(rows, x.data(), y.data(), channels + 1, e);
  });
  ia_nn::layer_norm<I> const layers(channels, p, p);
  counted("layer_norm", [&](auto& e) {
    layers.run({.rows = rows, .src = x.data(), .dst = y.data(), .mean = mean.data(),
                .inverse_deviation = more.data()},
               e);
    layers.run(rows, x.data(), y.data(), channels + 1, e);
  });
  ia_nn::group_norm<I> const groups(channels, 3, p, p);
  ia_nn::instance_norm<I> const instances(channels, p, p);
  counted("group_norm", [&](auto& e) {
    groups.run(batch, pixels, x.data(), y.data(), e);
    instances.run(batch, pixels, x.data(), y.data(), e);
  });
  ia_nn::batch_norm<I> const norm({p, p, p, p, 1e-5F});
  counted("batch_norm", [&](auto& e) {
    norm.run(rows, x.data(), y.data(), ia_nn::activation::relu{}, e);
  });
  ia_nn::lrn<I> const response(channels, {});
  counted("lrn", [&](auto& e) {
    response.run(rows, x.data(), y.data(), e);
    response.run(rows, x.data(), y.data(), channels + 1, e);
  });

  ia_nn::embedding_table<f32> const two[] = {{x.data(), rows, channels, 0},
                                             {x.data(), 10, 20, channels}};
  ia_nn::embedding<f32> const tables(two), table(two[0]);
  s32 const* const indices[] = {numbers.data(), numbers.data()};
  counted("embedding", [&](auto& e) {
    tables.run(rows, indices, y.data(), tables.width(), e);
    table.run(rows, numbers.data(), y.data(), channels, e);
  });

  index_t const extents[] = {batch * side, side, channels}, begin[] = {1, 2, 0}, step[] = {2, 1, 1},
                count[] = {8, 7, channels};
  auto const slice = ia_nn::strided_move<I>::slice(4, extents, begin, count, step);
  auto const turned = ia_nn::strided_move<I>::transpose(4, extents, std::vector<int>{2, 0, 1});
  index_t const halves[] = {10, 14};
  ia_nn::concat<I> const joined(4, rows, halves, 1);
  void const* const parts[] = {x.data(), x.data()};
  index_t const some[] = {1, 0, 2};
  counted("moves", [&](auto& e) {
    slice.run(x.data(), y.data(), e);
    turned.run(x.data(), y.data(), e);
    joined.run(parts, y.data(), e);
    ia_nn::to_channels_last<I>(batch, channels, pixels, x.data(), y.data(), e);
    ia_nn::to_channels_first<I>(batch, channels, pixels, x.data(), y.data(), e);
  });
  for (ia_nn::pad_mode const mode : {ia_nn::pad_mode::constant, ia_nn::pad_mode::reflect,
                                     ia_nn::pad_mode::edge, ia_nn::pad_mode::wrap}) {
    ia_nn::pad const padded(4, extents, some, some, mode);
    counted("pad", [&](auto& e) { padded.run(x.data(), y.data(), nullptr, e); });
  }
  index_t const images[] = {batch, pixels, channels};
  ia_nn::batched_matmul<I> const products({.a = images, .b = images, .transposed_b = true}, 3);
  ia_nn::attention<I> const heads({.heads = 3, .queries = pixels, .keys = pixels, .width = channels / 3},
                                  {.causal = true, .max_batch = batch, .workers = 3});
  ia_nn::workspace scratch(ia_nn::max_of(products.workspace_bytes(), heads.workspace_bytes()));
  std::vector<f32> square(at(batch * pixels * pixels));
  counted("products of values", [&](auto& e) {
    products.run(x.data(), x.data(), square.data(), scratch, e);
    heads.run({.batch = batch, .q = x.data(), .k = x.data(), .v = x.data(), .dst = y.data()}, scratch, e);
  });
  ia_nn::rms_norm<I> const lengths(channels, p);
  ia_nn::cumulative_sum<I> const sums(pixels, channels);
  ia_nn::resize_shape const smaller{channels, image, {1, 5, 4}};
  ia_nn::resize_nearest const nearest(4, smaller);
  ia_nn::resize_linear<I> const linear(smaller);
  counted("lengths, sums, sizes, selection", [&](auto& e) {
    lengths.run(rows, x.data(), y.data(), e);
    sums.run(batch, x.data(), y.data(), e);
    nearest.run(batch, x.data(), y.data(), e);
    linear.run(batch, x.data(), y.data(), e);
    ia_nn::where_operand const all{x.data(), pixels * channels, channels, 1};
    ia_nn::where<I>({.items = batch, .rows = pixels, .columns = channels, .x = all, .a = all, .b = all, .dst = y.data()}, e);
  });
  ia_nn::dropout<I> const drop(0.5F, 1);
  counted("dropout", [&](auto& e) {
    drop.run(n, x.data(), y.data(), 2, e);
    drop.mask(n, bytes.data(), 2, e);
  });

  ia_nn::tensor<f32, ia_nn::shape<ia_nn::dyn, channels>> const a(rows);
  ia_nn::tensor<f32, ia_nn::shape<channels>> const row;
  ia_nn::tensor<f32, ia_nn::shape<ia_nn::dyn, channels>> to(rows);
  ia_nn::tensor<f32, ia_nn::shape<channels, ia_nn::dyn>> turned_around(rows);
  ia_nn::tensor<f32, ia_nn::shape<ia_nn::dyn>> totals(rows);
  counted("expressions", [&](auto& e) {
    ia_nn::eval<I>(to, ia_nn::relu(a * 2.0F + row), e);
    ia_nn::eval<I>(turned_around, ia_nn::transposed(a.view()) + 1.0F, e);
    ia_nn::eval<I>(totals, ia_nn::sum(a, ia_nn::axes<1>), e);
    mean[0] = ia_nn::sum<I>(a * a, e) + ia_nn::max<I>(a, e);
  });
}

TEST_CASE("selection, gathers and detection allocate nothing", "[ops][allocation]") {
  if (!runnable<I>()) FAIL("this machine lacks the instructions the test was compiled for");
  std::vector<f32> const x(4096, 0.5F);
  std::vector<f32> y(4096);
  std::vector<s32> indices(64);
  ia_nn::top_k_selection<I> const top({.n = 64, .k = 5, .inner = 3}, 3);
  ia_nn::suppression<I> const best({.boxes = 60, .classes = 3}, 2, 3);
  ia_nn::workspace scratch(std::max(top.workspace_bytes(), best.workspace_bytes()));
  index_t const extents[] = {8, 16, 4}, few[] = {8, 2, 4};
  counted("top_k", [&](auto& e) { top.run(4, x.data(), y.data(), indices.data(), scratch, e); });
  counted("arg_max", [&](auto& e) { ia_nn::arg_selection<I>({.n = 64}).run(8, x.data(), indices.data(), e); });
  ia_nn::row_gather const rows(4, 2, 16, 8);
  ia_nn::element_gather const elements(4, extents, few, 1);
  ia_nn::element_scatter const put(4, extents, few, 1);
  ia_nn::bag_embedding<I> const bags(ia_nn::bag_kind::mean, {x.data(), 100, 20});
  std::fill(indices.begin(), indices.end(), 1);
  counted("gathers", [&](auto& e) {
    rows.run(5, x.data(), indices.data(), y.data(), e);
    elements.run(x.data(), indices.data(), y.data(), e);
    put.run_add(x.data(), x.data(), indices.data(), y.data(), e);
    ia_nn::one_hot_rows<f32>(9).run(64, indices.data(), y.data(), e);
    bags.run(8, 6, indices.data(), y.data(), 20, e);
  });
  ia_nn::box_decoder<I> const decoder({.boxes = 60});
  ia_nn::roi_pooling<I> const regions(ia_nn::roi_kind::align, {.channels = 8, .height = 9, .width = 9, .out_height = 2, .out_width = 2});
  counted("detection", [&](auto& e) {
    best.run({.batch = 2, .boxes = x.data(), .scores = x.data(), .rows = y.data()}, scratch, e);
    decoder.run(2, x.data(), x.data(), true, y.data(), e);
    regions.run({.count = 9, .src = x.data(), .boxes = x.data() + 100, .dst = y.data()}, e);
  });
}

} // namespace
} // namespace ia_nn_test

#endif

namespace ia_nn_test {
long allocations_made() { return allocations; }
} // namespace ia_nn_test

// SPDX-License-Identifier: Apache-2.0
//
// A small classifier learns: convolution, batch normalisation, relu, pooling, a dense layer and
// cross-entropy, with each optimizer. Once it runs, nothing is allocated.
#include "support.hpp"
#include "support/allocations.hpp"

#include <ia_nn/train/train.hpp>

namespace ia_nn_test {
namespace {

using ia_nn::conv_shape;
using ia_nn::gradient;

constexpr index_t batch = 32, size = 8, filters = 6, classes = 3;
constexpr index_t pixels = size * size, pooled = pixels / 4;

// Images of noise with a bar: across, down, or none.
struct data_set {
  std::vector<f32> image = std::vector<f32>(at(batch * pixels));
  std::vector<ia_nn::u8> label = std::vector<ia_nn::u8>(at(batch));
  explicit data_set(random& r) {
    for (index_t n = 0; n < batch; ++n) {
      f32* const p = image.data() + n * pixels;
      for (index_t i = 0; i < pixels; ++i) p[i] = 0.3F * r.normal();
      label[at(n)] = static_cast<ia_nn::u8>(n % classes);
      index_t const line = r.between(1, size - 2);
      for (index_t i = 0; i < size; ++i) {
        if (n % classes == 0) p[line * size + i] += 1.5F;
        if (n % classes == 1) p[i * size + line] += 1.5F;
      }
    }
  }
};

// One layer of each kind. All memory is made by the constructor.
template <ia_nn::isa::tag I> struct network {
  conv_shape shape{1, filters, 1, {1, size, size}, {{1, 3, 3}, {}, {}, {0, 1, 1}, {0, 1, 1}}};
  ia_nn::pool_backward_shape pool_shape{filters, {1, size, size}, {{1, 2, 2}, {1, 2, 2}}};
  ia_nn::conv_backward_weights<I> conv;
  ia_nn::conv_backward_src<I> conv_src;
  ia_nn::batch_norm_training<I> norm{{filters}};
  ia_nn::max_pool_backward pool{pool_shape};
  ia_nn::dense_training<I> dense;
  ia_nn::cross_entropy<I> loss;
  std::vector<f32> conv_w, gamma, beta, dense_w, dense_b;
  std::vector<f32> g_conv_w, g_gamma, g_beta, g_dense_w, g_dense_b;
  std::vector<f32> y1, y2, y3, logits, d1, d2, d3, d_logits, d_image, mean, inv_std;
  std::vector<s32> index;
  ia_nn::parameter_list list;
  ia_nn::workspace memory;
  ia_nn::thread_pool& pool_of_threads;

  network(random& r, int workers)
      : conv(shape, {batch, workers}), conv_src(shape, {batch, workers}),
        dense({pooled * filters, classes, batch}, workers),
        loss({.classes = classes, .max_rows = batch, .workers = workers}),
        y1(at(batch * pixels * filters)), y2(y1.size()), y3(y1.size() / 4),
        logits(at(batch * classes)), d1(y1.size()), d2(y1.size()), d3(y3.size()),
        d_logits(logits.size()), d_image(at(batch * pixels)), mean(at(filters)),
        inv_std(at(filters)), index(y3.size()),
        memory(std::max({conv.workspace_bytes(), conv_src.workspace_bytes(), norm.workspace_bytes(),
                         dense.workspace_bytes(), loss.workspace_bytes()})),
        pool_of_threads(pool_of(workers)) {
    auto const make = [&](char const* name, std::vector<f32>& value, std::vector<f32>& gradient,
                          index_t n, f32 spread, f32 middle) {
      value.resize(at(n)), gradient.resize(at(n));
      for (f32& v : value) v = middle + spread * r.normal();
      list.add(name, value, gradient);
    };
    make("conv.weights", conv_w, g_conv_w, shape.weights(), 0.3F, 0);
    make("norm.gamma", gamma, g_gamma, filters, 0, 1);
    make("norm.beta", beta, g_beta, filters, 0, 0);
    make("dense.weights", dense_w, g_dense_w, pooled * filters * classes, 0.1F, 0);
    make("dense.bias", dense_b, g_dense_b, classes, 0, 0);
  }

  // The forward convolution and pooling, as plain loops: other tests are about fast ones.
  void convolve(f32 const* x) noexcept {
    for (index_t n = 0; n < batch; ++n)
      for (index_t y = 0; y < size; ++y)
        for (index_t c = 0; c < size; ++c)
          for (index_t f = 0; f < filters; ++f) {
            f32 sum = 0;
            for (index_t k = 0; k < 9; ++k) {
              index_t const i = y + k / 3 - 1, j = c + k % 3 - 1;
              if (i >= 0 && i < size && j >= 0 && j < size)
                sum += x[n * pixels + i * size + j] * conv_w[at(f * 9 + k)];
            }
            y1[at((n * pixels + y * size + c) * filters + f)] = sum;
          }
  }
  void pool_relu() noexcept {
    for (index_t o = 0; o < batch * pooled * filters; ++o) {
      index_t const f = o % filters, p = o / filters % pooled, n = o / filters / pooled;
      index_t const first = p / (size / 2) * 2 * size + p % (size / 2) * 2;
      f32 best = -1;
      for (index_t const i : {first, first + 1, first + size, first + size + 1}) {
        f32 const v = std::max(0.0F, y2[at((n * pixels + i) * filters + f)]);
        if (v > best) best = v, index[at(o)] = static_cast<s32>(i);
      }
      y3[at(o)] = best;
    }
  }
  f32 gradients(data_set const& d) noexcept {
    auto& e = pool_of_threads;
    convolve(d.image.data());
    ia_nn::batch_norm_state const s{gamma.data(), beta.data(), nullptr,
                                    nullptr,      mean.data(), inv_std.data()};
    norm.forward(batch * pixels, y1.data(), y2.data(), s, memory, e);
    pool_relu();
    dense.forward(batch, y3.data(), dense_w.data(), dense_b.data(), logits.data(), memory, e);
    f32 result = 0;
    loss.run(ia_nn::cross_entropy_call<ia_nn::u8>{batch, logits.data(), d.label.data(), nullptr,
                                                  &result, write_to(d_logits.data())},
             memory, e);
    dense.backward({batch, y3.data(), d_logits.data(), dense_w.data(), write_to(d3.data()),
                    write_to(g_dense_w.data()), write_to(g_dense_b.data())},
                   memory, e);
    pool.run(batch, index.data(), d3.data(), write_to(d2.data()), e);
    ia_nn::activation_backward<I>(static_cast<index_t>(d2.size()), y2.data(), d2.data(),
                                  write_to(d2.data()), ia_nn::slope::relu{}, e);
    norm.backward({batch * pixels, y1.data(), d2.data(), write_to(d1.data()),
                   write_to(g_gamma.data()), write_to(g_beta.data())},
                  s, memory, e);
    conv.run({batch, d.image.data(), d1.data(), write_to(g_conv_w.data())}, memory, e);
    conv_src.run(batch, d1.data(), conv_w.data(), write_to(d_image.data()), memory, e);
    return result;
  }
};

/// All: kernels of training differ in registers alone, but what stands around them asks for the
/// instruction set. Sanitizers, under which compilation takes three times as long, get two of them.
using learning_isas =
    std::conditional_t<!IA_NN_TEST_COUNTS_ALLOCATIONS &&
                           contains<ia_nn::isa::amx, ia_nn::isa::compiled>,
                       ia_nn::type_list<ia_nn::isa::amx, ia_nn::isa::avx2>, ia_nn::isa::compiled>;

/// From about 1 the loss falls below `below`, on each instruction set and with the same bits for any
/// number of workers.
template <class I, class Optimizer> void learns(Optimizer const& fresh, f32 below) {
  std::vector<f32> first;
  for (int workers : {1, 3}) {
    random r(50);
    network<I> net(r, workers);
    data_set const data(r);
    auto optimizer = fresh(net.list.elements());
    f32 const before = net.gradients(data);
    optimizer.step(net.list, net.pool_of_threads);
    long const made = allocations;
    f32 after = 0;
    for (int i = 0; i < 150; ++i) {
      after = net.gradients(data);
      optimizer.step(net.list, net.pool_of_threads);
    }
    REQUIRE(allocations == made);
    INFO("loss " << before << " before, " << after << " after");
    REQUIRE(before > 0.5F);
    REQUIRE(after < below);
    if (workers == 1) first = net.dense_w;
    REQUIRE(first == net.dense_w);
  }
}

} // namespace

TEST_CASE("a small classifier learns", "[train][net]") {
#if IA_NN_TEST_COUNTS_ALLOCATIONS
  long const before = allocations;
  auto* volatile kept = new std::vector<int>(10); // the counter counts
  delete kept;
  REQUIRE(allocations > before);
#endif
  for_each_isa<learning_isas>([](auto tag) {
    using I = decltype(tag);
    learns<I>(
        [](index_t n) {
          return ia_nn::sgd<I>(n, {.learning_rate = 0.05, .momentum = 0.9, .weight_decay = 1e-4});
        },
        0.02F);
    learns<I>([](index_t n) { return ia_nn::adam<I>(n, {.learning_rate = 0.01}); }, 0.02F);
    learns<I>([](index_t n) { return ia_nn::adagrad<I>(n, {.learning_rate = 0.05}); }, 0.05F);
    learns<I>(
        [](index_t n) {
          return ia_nn::rmsprop<I>(n, {.learning_rate = 1e-3, .momentum = 0.9, .centred = true});
        },
        0.05F);
  });
}

TEST_CASE("recurrent layers in training allocate nothing", "[train][rnn][allocation]") {
  using I = ia_nn::isa::native;
  constexpr index_t T = 6, N = 3, In = 5, H = 33, gates = 3 * H;
  ia_nn::rnn_training<I, ia_nn::gru> const net(
      {.input = In, .hidden = H, .layers = 2},
      {.max_time = T, .max_batch = N, .workers = 3, .dropout = 0.5F, .checkpoint = 2});
  std::vector<f32> const w(at(gates * In), 0.1F), u(at(gates * H), 0.01F), x(at(T * N * In), 0.5F);
  std::vector<f32> y(at(T * N * H)), dy(y.size(), 1.0F), dx(x.size()), dw(w.size()), du(u.size());
  std::vector<ia_nn::rnn_source> const weights{{.input = In, .hidden = H, .w_input = w, .w_recurrent = u},
                                               {.input = H, .hidden = H, .w_input = u, .w_recurrent = u}};
  std::vector<ia_nn::rnn_gradients> const gradients{
      {.w_input = write_to(dw.data())}, {.w_recurrent = write_to(du.data())}};
  ia_nn::workspace reserve(net.reserve_bytes()), work(net.workspace_bytes());
  s32 const lengths[N] = {6, 2, 5};
  long const before = allocations;
  for (int i = 0; i < 3; ++i) {
    net.forward({.weights = weights, .src = x.data(), .dst = y.data(), .time = T, .batch = N, .lengths = lengths},
                reserve, work, pool_of(3));
    net.backward({.weights = weights, .src = x.data(), .dst = y.data(), .diff_dst = dy.data(), .time = T,
                  .batch = N, .lengths = lengths, .diff_src = write_to(dx.data()), .gradients = gradients},
                 reserve, work, pool_of(3));
  }
  long const after = allocations;
  CHECK(after == before);
  CHECK(dw[0] != 0);
}

TEST_CASE("the other backward passes allocate nothing", "[train][allocation]") {
  using I = ia_nn::isa::native;
  if (!runnable<I>()) FAIL("this machine lacks the instructions the test was compiled for");
  std::vector<f32> const x(at(batch * pixels * filters), 0.5F);
  std::vector<f32> y(x.size());
  ia_nn::average_pool_backward<I> const average(
      {filters, {1, size, size}, {{1, 3, 3}, {}, {}, {0, 1, 1}, {0, 1, 1}}});
  auto& e = pool_of(3);
  auto const slope = [&](auto const& f) {
    ia_nn::activation_backward<I>(static_cast<index_t>(x.size()), x.data(), x.data(),
                                  write_to(y.data()), f, e);
  };
  std::vector<f32> sums(x.size());
  gradient const all = write_to(y.data()), some = write_to(sums.data());
  auto const n = static_cast<index_t>(x.size());
  ia_nn::layer_norm_backward<I> const layer(filters, batch * pixels);
  ia_nn::group_norm_backward<I> const group({filters, 2, batch});
  ia_nn::softmax_backward<I> const softmax(filters), across(pixels, filters);
  ia_nn::lrn_backward<I> const lrn(filters, {}, 3);
  ia_nn::recomputed_max_pool_backward<I> const maxima(
      {filters, {1, size, size}, {{1, 3, 3}, {}, {}, {0, 1, 1}, {0, 1, 1}}}, 3);
  ia_nn::binary_backward<I> const product(ia_nn::binary_function::multiply, pixels, filters,
                                          ia_nn::operand_shape::whole, ia_nn::operand_shape::row);
  index_t const extents[] = {batch, size, size, filters}, one[] = {0, 1, 1, 0},
                inner[] = {batch, size - 2, size - 2, filters};
  index_t const steps[] = {1, 1, 1, 1}, halves[] = {2, 4};
  int const turned[] = {0, 3, 1, 2};
  auto const slice = ia_nn::move_backward<I>::slice(extents, one, inner, steps);
  auto const transpose = ia_nn::move_backward<I>::transpose(extents, turned);
  ia_nn::concat_backward<I> const concat(batch * pixels, halves, 1);
  gradient const parts[] = {all, some};
  ia_nn::pad_backward<I> const pad(inner, one, one, ia_nn::pad_mode::edge);
  ia_nn::reduction_backward<I> const reduce(ia_nn::reduction_function::max, filters);
  ia_nn::embedding_backward<I> const table({batch, filters});
  ia_nn::sparse_embedding_backward<I> const rows({batch, filters}, batch);
  std::vector<s32> const indices(at(batch), 3);
  std::vector<index_t> distinct(at(batch));
  ia_nn::dropout<I> const drop(0.5F, 1);
  ia_nn::mean_squared_error<I> const squares({n});
  ia_nn::rmsprop<I> optimizer(n, {.momentum = 0.5});
  ia_nn::parameter_list list;
  list.add("x", y, sums);
  index_t bytes = 0;
  for (index_t const b : {layer.workspace_bytes(), group.workspace_bytes(), lrn.workspace_bytes(),
                          maxima.workspace_bytes(), product.workspace_bytes(),
                          rows.workspace_bytes(), squares.workspace_bytes()})
    bytes = std::max(bytes, b);
  ia_nn::workspace memory(bytes);
  f32 loss = 0;
  long const before = allocations;
  layer.run({batch * pixels, x.data(), x.data(), nullptr, all, some, some}, memory, e);
  group.run({batch, pixels, x.data(), x.data(), nullptr, all, some, some}, memory, e);
  softmax.run(batch * pixels, x.data(), x.data(), all, e);
  across.run(batch, x.data(), x.data(), all, e);
  lrn.run(batch * pixels, x.data(), x.data(), all, memory, e);
  maxima.run(batch, x.data(), x.data(), all, memory, e);
  product.run({batch, x.data(), x.data(), x.data(), all, some}, memory, e);
  for (gradient const& to : {all, add_to(y.data())}) {
    slice.run(x.data(), to, e);
    transpose.run(x.data(), to, e);
  }
  concat.run(x.data(), parts, e);
  pad.run(x.data(), all, e);
  reduce.run({batch * pixels, x.data(), x.data(), x.data(), all}, e);
  table.run(batch, indices.data(), x.data(), filters, all, e);
  rows.run(ia_nn::sparse_embedding_backward_call<s32>{batch, indices.data(), x.data(), 0,
                                                      distinct.data(), y.data()},
           memory, e);
  ia_nn::dropout_backward(drop, n, x.data(), all, 1, e);
  squares.run({n, x.data(), x.data(), nullptr, &loss, all}, memory, e);
  ia_nn::clip_gradient_norm<I>(list, 1, e);
  ia_nn::clip_gradient_values<I>(list, 1, e);
  optimizer.step(list, e);
  static_cast<void>(optimizer.state().size());
  average.run(batch, x.data(), write_to(y.data()), e);
  ia_nn::global_average_pool_backward<I>(batch, pixels, filters, x.data(), write_to(y.data()), e);
  slope(ia_nn::slope::relu{});
  slope(ia_nn::slope::leaky_relu{});
  slope(ia_nn::slope::sigmoid{});
  slope(ia_nn::slope::tanh{});
  long const after = allocations;
  CHECK(after == before);
}

} // namespace ia_nn_test

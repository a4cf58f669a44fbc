// SPDX-License-Identifier: Apache-2.0
//
// The suite `train_setup`: what it costs to make the plan of a gradient in each call, instead of once. The peer
// "made each time" makes the layer and its workspace, runs it, and throws both away.
#include "harness.hpp"
#include "product.hpp"

#include <ia_nn/core/memory.hpp>
#include <ia_nn/train/train.hpp>

#include <memory>

namespace {

using bench::own_isa, ia_nn::index_t, ia_nn::f32;

/// Arrays that are large enough for all layers.
struct arrays {
  std::vector<f32> a, b, c, d;
  explicit arrays(index_t n)
      : a(static_cast<std::size_t>(n), 0.5F), b(a), c(a), d(a) {}
};

/// `make()` gives a layer, `run(layer, arrays, workspace)` its gradient.
template <class Make, class Run>
void add(bench::group& g, bench::context& c, char const* name, index_t elements, Make make, Run run) {
  bench::bench_case b;
  b.name = name;
  b.prepare = [=]() -> std::vector<bench::contender> {
    auto const data = std::make_shared<arrays>(elements);
    auto const layer = std::make_shared<decltype(make())>(make());
    auto const scratch = std::make_shared<ia_nn::workspace>(layer->workspace_bytes());
    return {{"ours", [=] { run(*layer, *data, *scratch); }},
            {"made each time", [=] {
               auto const fresh = make();
               ia_nn::workspace own(fresh.workspace_bytes());
               run(fresh, *data, own);
             }}};
  };
  c.add(g, std::move(b), 0);
}

/// Plans that need no workspace.
template <class T> struct without_workspace {
  T layer;
  static index_t workspace_bytes() { return 0; }
};

bench::group backward(bench::context& c, char const* word, index_t batch, index_t side, index_t channels) {
  using namespace ia_nn;
  bench::group g{"f32", word, bench::peak::none, {}};
  index_t const pixels = batch * side * side, all = pixels * channels;
  window const three{{1, 3, 3}, {}, {}, {0, 1, 1}, {0, 1, 1}}, two{{1, 2, 2}, {1, 2, 2}};
  conv_shape const conv{channels, channels, 1, {1, side, side}, three};
  deconv_shape const deconv{channels, channels, 1, {1, side, side}, three};
  index_t const most = max_of(all, channels * channels * 9);
  add(g, c, "convolution, source", most, [=] { return conv_backward_src<own_isa>(conv, {.max_batch = batch}); },
      [=](auto const& l, arrays& x, ia_nn::workspace_view s) { l.run(batch, x.a.data(), x.b.data(), write_to(x.c.data()), s); });
  add(g, c, "convolution, weights", most, [=] { return conv_backward_weights<own_isa>(conv, {.max_batch = batch}); },
      [=](auto const& l, arrays& x, ia_nn::workspace_view s) {
        l.run({.batch = batch, .src = x.a.data(), .diff_dst = x.b.data(), .diff_weights = write_to(x.c.data())}, s);
      });
  add(g, c, "transposed convolution, source", most,
      [=] { return deconv_backward_src<own_isa>(deconv, {.max_batch = batch}); },
      [=](auto const& l, arrays& x, ia_nn::workspace_view s) { l.run(batch, x.a.data(), x.b.data(), write_to(x.c.data()), s); });
  add(g, c, "dense", max_of(all, channels * channels),
      [=] { return dense_training<own_isa>({channels, channels, pixels}); },
      [=](auto const& l, arrays& x, ia_nn::workspace_view s) {
        l.backward({.rows = pixels, .src = x.a.data(), .diff_dst = x.b.data(), .weights = x.d.data(),
                    .diff_src = write_to(x.c.data()), .diff_weights = not_wanted, .diff_bias = not_wanted}, s);
      });
  add(g, c, "average pool", all,
      [=] { return without_workspace{average_pool_backward<own_isa>(pool_backward_shape{channels, {1, side, side}, two})}; },
      [=](auto const& l, arrays& x, auto const&) { l.layer.run(batch, x.a.data(), write_to(x.c.data())); });
  add(g, c, "LRN", all, [=] { return lrn_backward<own_isa>(channels, {.size = 5}); },
      [=](auto const& l, arrays& x, ia_nn::workspace_view s) { l.run(pixels, x.a.data(), x.b.data(), write_to(x.c.data()), s); });
  add(g, c, "batch normalization", all, [=] { return batch_norm_training<own_isa>({channels}); },
      [=](auto const& l, arrays& x, ia_nn::workspace_view s) {
        l.backward({.rows = pixels, .src = x.a.data(), .diff_dst = x.b.data(), .diff_src = write_to(x.c.data())},
                   {.mean = x.d.data(), .inv_std = x.d.data() + channels}, s);
      });
  add(g, c, "relu", all, [=] { return without_workspace<int>{}; },
      [=](auto const&, arrays& x, auto const&) {
        activation_backward<own_isa>(all, x.a.data(), x.b.data(), write_to(x.c.data()), slope::relu{});
      });
  return g;
}

std::vector<bench::group> groups(bench::context& c) {
  if constexpr (!bench::is_base) return {};
  else return {backward(c, "14x14", 32, 14, 128), backward(c, "small", 1, 7, 16)};
}

} // namespace

int main(int argc, char** argv) {
  return bench::run(argc, argv, "train_setup", bench::own_isa_name, groups);
}

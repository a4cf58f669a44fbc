// SPDX-License-Identifier: Apache-2.0
//
// The 8-bit networks of examples/mnist_int8 on every instruction set: the same bits on all of them,
// from any number of threads, and near what the layers give in double.
#include "../../examples/mnist_int8/dynamic_net.hpp"
#include "../../examples/mnist_int8/nets.hpp"
#include "../../examples/mnist_int8/static_net.hpp"
#include "isa.hpp"
#include "oracle/train.hpp"
#include "random.hpp"

#include <ia_nn/graph/run/weights.hpp>

#include <cmath>
#include <cstring>

// In a namespace that does not see ia_nn's classes, as examples/mnist_int8/nets.hpp.
namespace small_nets {

using ia_nn::graph::builder, ia_nn::graph::value;

/// Traps of vectors cost 10 us each: such a network is small.
struct small {
  static constexpr char const* title = "";
  static constexpr value build(builder& b) {
    auto x = input(b, "image", {ia_nn::graph::any_batch, 6, 6, 1});
    x = relu(conv2d(x, {.filters = 5, .kernel = 3, .pad = 1, .name = "a"}));
    x = max_pool(x, {.kernel = 2});
    x = relu(conv2d(x, {.filters = 5, .kernel = 3, .pad = 1, .name = "b"}) + x);
    x = relu(dense(flatten(x), {.units = 9, .name = "c"}));
    return dense(x, {.units = 10, .name = "d"});
  }
};

} // namespace small_nets

namespace ia_nn_test {
namespace {

namespace graph = ia_nn::graph;
namespace op = ia_nn::graph::op;

using ia_nn::thread_pool;
using ia_nn::value_range;

/// The nodes of a network one by one, as loops.
struct oracle {
  std::vector<double> logits;
  std::vector<value_range> ranges; ///< of what each node gives

  oracle(demo::network const& n, graph::memory_weights const& w, std::vector<u8> const& images,
         index_t batch)
      : n_(n), w_(w) {
    std::vector<std::vector<double>> all;
    for (int id = 0; id < n.nodes.count(); ++id) {
      graph::node const& x = n.nodes[id];
      std::vector<double> y;
      if (x.kind == op::input)
        for (u8 const pixel : images) y.push_back(static_cast<double>(pixel) / 255);
      else y = all[at(x.inputs[0])];
      if (x.kind == op::conv || x.kind == op::max_pool) y = windows(id, batch, y);
      else if (x.kind == op::dense) y = products(id, batch, y);
      else if (x.kind == op::reshape) y = flattened(id, batch, y);
      else if (x.kind == op::batch_norm) normalize(id, y);
      for (std::size_t i = 0; i < y.size(); ++i)
        if (x.kind == op::add) y[i] += all[at(x.inputs[1])][i];
        else if (x.kind == op::activation) y[i] = std::fmax(y[i], 0);
      double most = 0;
      for (double const v : y) most = std::fmax(most, std::fabs(v));
      ranges.push_back({0, static_cast<f32>(most)});
      all.push_back(std::move(y));
    }
    ranges[0] = {0, 1};
    logits = all.back();
  }

private:
  using values = std::vector<double>;

  values array(int id, char const* suffix) const {
    std::string const name = n_.name(id) + suffix;
    if (!w_.has(name)) return values(at(n_.nodes[id].shape.last()), 0.0);
    std::vector<f32> const w = w_.values(name);
    return {w.begin(), w.end()};
  }
  values windows(int id, index_t batch, values const& x) const {
    graph::node const& node = n_.nodes[id];
    graph::dims const &in = n_.nodes[node.inputs[0]].shape, &out = node.shape;
    auto const& win = node.attributes.win;
    index_t const channels = in[3], kernel = win.kernel.height;
    bool const multiplies = node.kind == op::conv;
    values const w = multiplies ? array(id, ".weight") : values(), bias = array(id, ".bias");
    values y;
    for (index_t b = 0; b < batch; ++b)
      for (index_t oy = 0; oy < out[1]; ++oy)
        for (index_t ox = 0; ox < out[2]; ++ox)
          for (index_t f = 0; f < out[3]; ++f) {
            double sum = bias[at(f)], most = -INFINITY;
            for (index_t ky = 0; ky < kernel; ++ky)
              for (index_t kx = 0; kx < kernel; ++kx) {
                index_t const iy = oy * win.stride.height + ky - win.pad_begin.height,
                              ix = ox * win.stride.width + kx - win.pad_begin.width;
                if (iy < 0 || iy >= in[1] || ix < 0 || ix >= in[2]) continue;
                double const* const pixel = x.data() + ((b * in[1] + iy) * in[2] + ix) * channels;
                if (!multiplies) most = std::fmax(most, pixel[f]);
                for (index_t c = 0; multiplies && c < channels; ++c)
                  sum += pixel[c] * w[at(((f * channels + c) * kernel + ky) * kernel + kx)];
              }
            y.push_back(multiplies ? sum : most);
          }
    return y;
  }
  values products(int id, index_t batch, values const& x) const {
    index_t const units = n_.nodes[id].shape[1], k = static_cast<index_t>(x.size()) / batch;
    values const w = array(id, ".weight"), bias = array(id, ".bias");
    values y;
    for (index_t b = 0; b < batch; ++b)
      for (index_t u = 0; u < units; ++u) {
        y.push_back(bias[at(u)]);
        for (index_t i = 0; i < k; ++i) y.back() += x[at(b * k + i)] * w[at(u * k + i)];
      }
    return y;
  }
  /// Channel by channel, as PyTorch has it.
  values flattened(int id, index_t batch, values const& x) const {
    index_t const channels = n_.nodes[n_.nodes[id].inputs[0]].shape[3],
                  pixels = static_cast<index_t>(x.size()) / batch / channels;
    values y;
    for (index_t b = 0; b < batch; ++b)
      for (index_t c = 0; c < channels; ++c)
        for (index_t p = 0; p < pixels; ++p) y.push_back(x[at((b * pixels + p) * channels + c)]);
    return y;
  }
  void normalize(int id, values& y) const {
    values const mean = array(id, ".running_mean"), variance = array(id, ".running_var"),
                 scale = array(id, ".weight"), shift = array(id, ".bias");
    for (std::size_t i = 0; i < y.size(); ++i) {
      std::size_t const c = i % mean.size();
      y[i] = (y[i] - mean[c]) / std::sqrt(variance[c] + 1e-5) * scale[c] + shift[c];
    }
  }

  demo::network const& n_;
  graph::memory_weights const& w_;
};

/// Outputs stay about as large as inputs.
graph::memory_weights random_weights(demo::network const& n, random& r) {
  graph::memory_weights all;
  n.each_weight([&](graph::node const& layer, std::string_view suffix, std::string const& name,
                    std::vector<index_t> const& shape) {
    index_t size = 1;
    for (index_t const extent : shape) size *= extent;
    bool const matrix = layer.kind != op::batch_norm && suffix == ".weight";
    f32 const middle = layer.kind == op::batch_norm && suffix == ".weight" ? 1.0F : 0.0F;
    f32 const spread = matrix ? std::sqrt(2 / static_cast<f32>(size / shape[0])) : 0.1F;
    std::vector<f32> x(at(size));
    for (f32& v : x) v = middle + spread * r.normal();
    if (suffix == ".running_var")
      for (f32& v : x) v = 1 + std::fabs(v);
    all.add(name, shape, std::move(x));
  });
  return all;
}

/// The address sanitizer, which compiles slowly, gets tiles and AVX2.
using network_isas =
    std::conditional_t<under_asan && contains<ia_nn::isa::amx, ia_nn::isa::compiled>,
                       ia_nn::type_list<ia_nn::isa::amx, ia_nn::isa::avx2>, ia_nn::isa::compiled>;

template <class Net> void check(std::uint64_t seed, bool small) {
  constexpr index_t batch = 2;
  random r(seed);
  demo::network const n = demo::network_of<Net>();
  graph::memory_weights const w = random_weights(n, r);
  std::vector<u8> images(at(batch * n.size(0)));
  for (u8& x : images) x = static_cast<u8>(r.between(0, 255));
  oracle const want(n, w, images, batch);
  double most = 0;
  for (double const x : want.logits) most = std::fmax(most, std::fabs(x));
  REQUIRE(most > 0);

  thread_pool one(1), two(2);
  demo::run_options const o{.max_batch = batch + 1, .workers = 2};
  std::vector<f32> fixed, dynamic;
  auto const run = [&](demo::classifier& net, std::vector<f32>& first) {
    for (thread_pool* const pool : {&one, &two}) {
      std::vector<f32> y(want.logits.size(), NAN);
      net.run(batch, images.data(), y.data(), *pool);
      if (first.empty()) first = y;
      CHECK(std::memcmp(y.data(), first.data(), y.size() * sizeof(f32)) == 0);
    }
  };
  for_each_isa<network_isas>([&](auto tag) {
    using I = decltype(tag);
    if (std::same_as<I, ia_nn::isa::avx2_vnni> && !ia_nn::isa::available<I>() && !small) return;
    demo::static_net<I> calibrated(n, w, want.ranges, o);
    run(calibrated, fixed);
    demo::dynamic_net<I> ranging(n, w, o);
    run(ranging, dynamic);
  });
  // Each tensor and each filter is rounded to 1 / 255 and 1 / 127 of its range, a few layers deep.
  for (auto const* got : {&fixed, &dynamic})
    for (std::size_t i = 0; i < got->size(); ++i)
      CHECK(std::fabs(static_cast<double>((*got)[i]) - want.logits[i]) <= 0.05 * most);
}

} // namespace

TEST_CASE("the networks of the 8-bit demo", "[int8][net]") {
  check<small_nets::small>(1, true);
  check<demo_nets::plain>(2, false);
  check<demo_nets::residual>(3, false);
}

} // namespace ia_nn_test

// SPDX-License-Identifier: Apache-2.0
//
// The 8-bit networks of examples/mnist_int8 on every instruction set: the same bits on all of them,
// from any number of threads, and near what the layers give in double.
#include "../../examples/mnist_int8/dynamic_net.hpp"
#include "../../examples/mnist_int8/static_net.hpp"
#include "isa.hpp"
#include "oracle/train.hpp"
#include "random.hpp"

#include <cstring>

namespace ia_nn_test {
namespace {

using ia_nn::thread_pool;
using ia_nn::value_range;

/// A plain network, convolutions and dense layers alike, as loops.
struct oracle {
  std::vector<double> logits;
  std::vector<value_range> ranges; ///< of the image and of what each layer gives

  oracle(demo::network const& n, demo::parameters const& p, std::vector<u8> const& images,
         index_t batch) {
    std::vector<std::vector<double>> t(1);
    for (u8 const x : images) t[0].push_back(static_cast<double>(x) / 255);
    ranges.push_back({0, 1});
    for (std::size_t i = 0; i < n.layers.size(); ++i) {
      demo::layer const& l = n.layers[i];
      auto& y = t.emplace_back();
      for (index_t b = 0; b < batch; ++b) run(l, p[i], t[i].data() + b * l.inputs(), y);
      for (std::size_t k = 0; k < y.size(); ++k) {
        if (l.add >= 0) y[k] += t[at(l.add)][k];
        if (l.relu) y[k] = std::fmax(y[k], 0);
      }
      double most = 0;
      for (double const x : y) most = std::fmax(most, std::fabs(x));
      ranges.push_back({0, static_cast<f32>(most)});
    }
    logits = t.back();
  }

private:
  static void run(demo::layer const& l, demo::layer_parameters const& p, double const* x,
                  std::vector<double>& y) {
    auto const& s = l.shape;
    auto const &in = s.in, out = s.out(), kernel = s.win.kernel;
    for (index_t oy = 0; oy < out.height; ++oy)
      for (index_t ox = 0; ox < out.width; ++ox)
        for (index_t f = 0; f < s.filters; ++f) {
          double sum = l.has_weights() ? static_cast<double>(p.bias[at(f)]) : 0, most = -INFINITY;
          for (index_t ky = 0; ky < kernel.height; ++ky)
            for (index_t kx = 0; kx < kernel.width; ++kx) {
              index_t const iy = oy * s.win.stride.height + ky - s.win.pad_begin.height,
                            ix = ox * s.win.stride.width + kx - s.win.pad_begin.width;
              if (iy < 0 || iy >= in.height || ix < 0 || ix >= in.width) continue;
              double const* const pixel = x + (iy * in.width + ix) * s.channels;
              most = std::fmax(most, pixel[f % s.channels]);
              if (!l.has_weights()) continue;
              f32 const* const w =
                  p.weight.data() + (f * s.channels * kernel.height + ky) * kernel.width + kx;
              for (index_t c = 0; c < s.channels; ++c)
                sum += pixel[c] * static_cast<double>(w[c * kernel.height * kernel.width]);
            }
          y.push_back(l.has_weights() ? sum : most);
        }
  }
};

/// Traps of vectors cost 10 us each: such a network is small.
demo::network small_network() {
  demo::network n{"", {1, 6, 6}, true, {}};
  n.conv("a", 5, 3).max_pool().conv("b", 5, 3, "", 2).dense("c", 9, true).dense("d", 10, false);
  return n;
}

/// The address sanitizer, which compiles slowly, gets tiles and AVX2.
using network_isas =
    std::conditional_t<under_asan && contains<ia_nn::isa::amx, ia_nn::isa::compiled>,
                       ia_nn::type_list<ia_nn::isa::amx, ia_nn::isa::avx2>, ia_nn::isa::compiled>;

void check(demo::network const& n, std::uint64_t seed, bool small) {
  constexpr index_t batch = 2;
  random r(seed);
  demo::parameters p = demo::initial_parameters(n, seed);
  for (auto& l : p)
    for (f32& b : l.bias) b = 0.1F * r.normal();
  p = demo::folded(n, std::move(p));
  std::vector<u8> images(at(batch * n.image.size()));
  for (u8& x : images) x = static_cast<u8>(r.between(0, 255));
  oracle const want(n, p, images, batch);
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
    demo::static_net<I> calibrated(n, p, want.ranges, o);
    run(calibrated, fixed);
    demo::dynamic_net<I> ranging(n, p, o);
    run(ranging, dynamic);
  });
  // Each tensor and each filter is rounded to 1 / 255 and 1 / 127 of its range, a few layers deep.
  for (auto const* got : {&fixed, &dynamic})
    for (std::size_t i = 0; i < got->size(); ++i)
      CHECK(std::fabs(static_cast<double>((*got)[i]) - want.logits[i]) <= 0.05 * most);
}

} // namespace

TEST_CASE("the networks of the 8-bit demo", "[int8][net]") {
  check(small_network(), 1, true);
  check(demo::plain_network(), 2, false);
  check(demo::residual_network(), 3, false);
}

} // namespace ia_nn_test

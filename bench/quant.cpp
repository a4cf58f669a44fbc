// SPDX-License-Identifier: Apache-2.0
//
// The suite `quant`: conversions between f32, sums and 8 bits, and products with weights of 4 bits,
// all of which read and write more than they calculate. Each conversion is set against a copy of as
// many bytes (read and written) in the same threads: the ratio is the part of the copy bandwidth
// that it reaches. Weights of 4 bits are set against those of 8 bits with the same groups.
#include "cpu.hpp"
#include "harness.hpp"
#include "operands.hpp"
#include "product.hpp"

#include <ia_nn/exec/thread_pool.hpp>
#include <ia_nn/gemm/gemm.hpp>
#include <ia_nn/int8/dynamic.hpp>
#include <ia_nn/int8/s4.hpp>

#include <memory>
#include <random>
#include <stdexcept>

namespace {

using namespace ia_nn;
using bench::own_isa;

struct place { // where the operands of a case lie
  char const* word;
  bench::peak limit;
  double bytes; ///< of all operands
};

template <class T> void fill(bench::buffer<T> const& x) {
  std::minstd_rand random(1);
  for (std::size_t i = 0; i < x.size(); ++i) {
    auto const r = static_cast<int>((random() >> 8) & 255U);
    if constexpr (std::is_same_v<T, f32>) x[i] = static_cast<f32>(r - 128) * 0.037F;
    else if constexpr (std::is_same_v<T, s32>) x[i] = (r - 128) * 90;
    else x[i] = static_cast<T>(r);
  }
}

constexpr index_t channels = 64; // of conversions per channel

struct parameters { // what conversions get
  std::vector<f32> scales = std::vector<f32>(channels, 0.037F);
  std::vector<s32> zeros = std::vector<s32>(channels, 3);
  quantization q{0.037F, 3};
};

// Ours and a copy of as many bytes; `convert(from, to, n, parameters, pool)` does the work and
// reads its source `reads` times, `check(x, y)` refuses a wrong element.
template <class From, class To, class Convert, class Check>
void add(bench::group& g, bench::context& c, std::string const& name, place const& p,
         Convert convert, Check check, std::size_t reads = 1) {
  auto const n =
      static_cast<std::size_t>(p.bytes / (sizeof(From) + sizeof(To))) / channels * channels;
  std::size_t const bytes = n * (reads * sizeof(From) + sizeof(To));
  bench::bench_case b;
  b.name = name;
  b.operations = static_cast<double>(bytes);
  b.bytes = 2 * bytes;
  b.prepare = [=, threads = c.threads] {
    auto const pool = std::make_shared<thread_pool>(threads);
    auto const from = std::make_shared<bench::buffer<From> const>(n);
    auto const to = std::make_shared<bench::buffer<To> const>(n);
    auto const with = std::make_shared<parameters const>();
    auto const half = std::make_shared<bench::buffer<char> const>(bytes / 2);
    auto const other = std::make_shared<bench::buffer<char> const>(bytes / 2);
    fill(*from);
    auto const ours = [=] {
      convert(from->data(), to->data(), static_cast<index_t>(n), *with, *pool);
    };
    auto const copy = [=] {
      parallel_blocks(
          *pool, static_cast<index_t>(bytes / 2), 4096, [&](index_t x, index_t end, int) {
            std::memcpy(other->data() + x, half->data() + x, static_cast<std::size_t>(end - x));
          });
    };
    ours();
    for (std::size_t i = 0; i < n; i += 997)
      if (!check((*from)[i], (*to)[i])) throw std::runtime_error("quant " + name + " is wrong");
    return std::vector<bench::contender>{{"ours", ours}, {"copy", copy}};
  };
  c.add(g, std::move(b), 0);
}

int rounded(f32 x, s32 zero, int low, int high) {
  return std::clamp(static_cast<int>(std::nearbyint(x)) + zero, low, high);
}

bench::group conversions(bench::context& c, place const& p) {
  bench::group g{"quant", p.word, p.limit, {}};
  using I = own_isa;
  auto const one = [](f32 x, auto y) { return y == rounded(x / 0.037F, 3, 0, 255); };
  auto const signed_one = [](f32 x, s8 y) { return y == rounded(x / 0.037F, 3, -128, 127); };
  auto const sum = [](s32 x, u8 y) {
    return y == rounded(static_cast<f32>(x) * 0.037F, 3, 0, 255);
  };
  auto const in_channels = [](index_t n) { return channel_layout{n / channels, channels, 1}; };
  auto const of = [](parameters const& w) {
    return channel_quantization{w.scales.data(), w.zeros.data()};
  };
  add<f32, u8>(
      g, c, "quantize f32 u8", p,
      [](auto* x, auto* y, index_t n, auto const& w, auto& e) { quantize<I>(n, x, y, w.q, e); },
      one);
  add<f32, s8>(
      g, c, "quantize f32 s8, channels", p,
      [=](auto* x, auto* y, index_t n, auto const& w, auto& e) {
        quantize<I>(in_channels(n), x, y, of(w), e);
      },
      signed_one);
  add<f32, u8>(
      g, c, "quantize dynamic f32 u8", p,
      [](auto* x, auto* y, index_t n, auto const&, auto& e) {
        quantize_dynamic<I>(n, x, y, scheme::asymmetric, e);
      },
      [](f32 x, u8 y) { return y == static_cast<u8>(std::nearbyint(x / 0.037F) + 128); }, 2);
  add<u8, f32>(
      g, c, "dequantize u8 f32", p,
      [](auto* x, auto* y, index_t n, auto const& w, auto& e) { dequantize<I>(n, x, y, w.q, e); },
      [](u8 x, f32 y) { return y == static_cast<f32>(x - 3) * 0.037F; });
  add<s32, u8>(
      g, c, "requantize s32 u8", p,
      [](auto* x, auto* y, index_t n, auto const& w, auto& e) {
        requantize_sums<I>(n, x, y, w.q.scale, w.q.zero_point, e);
      },
      sum);
  add<s32, u8>(
      g, c, "requantize s32 u8, channels", p,
      [=](auto* x, auto* y, index_t n, auto const& w, auto& e) {
        requantize_sums<I>(in_channels(n), x, y, of(w), e);
      },
      sum);
  add<u8, s8>(
      g, c, "rescale u8 s8", p,
      [](auto* x, auto* y, index_t n, auto const& w, auto& e) {
        rescale<I>(n, x, y, w.q, quantization{0.05F, 0}, e);
      },
      [](u8 x, s8 y) {
        return y == rounded(static_cast<f32>(x - 3) * (0.037F / 0.05F), 0, -128, 127);
      });
  return g;
}

// A row or a few by n columns of weights in groups of 32.
void add_product(bench::group& g, bench::context& c, index_t m, index_t n, index_t k) {
  constexpr index_t group = 32;
  bench::bench_case b;
  b.name = std::to_string(m) + "x" + std::to_string(n) + "x" + std::to_string(k);
  auto const weights = static_cast<std::size_t>(n * k);
  b.operations = static_cast<double>(n * k) * (0.5 + 4.0 / group);
  b.bytes = 3 * weights;
  b.prepare = [=, threads = c.threads] {
    auto const pool = std::make_shared<thread_pool>(threads);
    std::vector<s8> q(weights);
    std::minstd_rand random(2);
    for (s8& x : q) x = static_cast<s8>(static_cast<int>((random() >> 8) & 15U) - 8);
    std::vector<f32> const scales(weights / group, 0.01F);
    auto const src = std::make_shared<bench::buffer<f32> const>(static_cast<std::size_t>(m * k));
    auto const four = std::make_shared<bench::buffer<f32> const>(static_cast<std::size_t>(m * n));
    auto const eight = std::make_shared<bench::buffer<f32> const>(static_cast<std::size_t>(m * n));
    fill(*src);

    using narrow = s4_dense<own_isa>;
    auto const ours = std::make_shared<narrow const>(packed_s4<own_isa>(q, n, group, scales),
                                                     s4_options{m, threads});
    auto const scratch = std::make_shared<workspace>(ours->workspace_bytes());
    using wide = gemm<own_isa, f32, s8, f32, grouped>;
    // The scales are all alike, so (n, k / group) and (k / group, n) are the same.
    auto const plan = std::make_shared<wide const>(m, n, k, threads);
    auto const packed = std::make_shared<typename wide::weights const>(
        transposed(matrix(static_cast<s8 const*>(q.data()), n, k)),
        matrix(static_cast<f32 const*>(scales.data()), k / group, n), group);
    auto const more = std::make_shared<workspace>(plan->workspace_bytes());
    auto const first = [=] {
      ours->run(m, src->data(), k, four->data(), n, chain<>{}, *scratch, *pool);
    };
    auto const second = [=] {
      plan->run(src->data(), k, *packed, eight->data(), n, chain<>{}, *more, *pool);
    };
    first();
    second();
    if (bench::distance(*four, *eight) > 1e-4)
      throw std::runtime_error("quant: 4 and 8 bits differ");
    return std::vector<bench::contender>{{"ours", first}, {"ours_s8", second}};
  };
  c.add(g, std::move(b), 0);
}

std::vector<bench::group> groups(bench::context& c) {
  std::vector<bench::group> list;
  if constexpr (bench::is_base) {
    auto const l2 = static_cast<double>(bench::caches().l2 ? bench::caches().l2 : 1U << 20);
    place const near{"L2", bench::peak::stream_l2, l2 / 4 * c.threads};
    place const far{"memory", bench::peak::stream_dram, 256e6};
    list.push_back(conversions(c, near));
    list.push_back(conversions(c, far));
    bench::group g{"f32s4", "", bench::peak::stream_dram, {}};
    for (index_t m : {1, 4})
      for (index_t n : {1024, 4096, 16384}) add_product(g, c, m, n, 4096);
    list.push_back(std::move(g));
  }
  return list;
}

} // namespace

int main(int argc, char** argv) {
  return bench::run(argc, argv, "quant", bench::own_isa_name, groups);
}

// SPDX-License-Identifier: Apache-2.0
//
// The suite `gemm`: matrix products against other libraries. Built once per instruction set.
#include "gemm_shapes.hpp"
#include "harness.hpp"
#include "operands.hpp"
#include "ours_gemm.hpp"
#include "peers/gemm_peers.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <memory>
#include <random>
#include <stdexcept>
#include <type_traits>

namespace {

using namespace ia_nn;

using bench::own_isa, bench::own_isa_name;
template <class T> using matrix = bench::buffer<T>;

// Values that every peer handles exactly or alike. Floats: [-0.5, 0.5). Integers: below VNNI some
// add two products in 16 bits with saturation, or halve the weights to avoid that; activations of
// 7 bits and even weights of 7 bits come through both unharmed.
template <class T> void fill(matrix<T> const& x, bool weights, unsigned seed) {
  std::minstd_rand random(seed);
  for (std::size_t i = 0; i < x.size(); ++i) {
    auto const r = static_cast<int>((random() >> 8) & 127U); // 0 .. 127
    if constexpr (std::is_same_v<T, u8>) x[i] = static_cast<u8>(r);
    else if constexpr (std::is_same_v<T, s8>)
      x[i] = static_cast<s8>(weights ? ((r - 64) & ~1) : r - 64);
    else x[i] = T(static_cast<f32>(random() & 0xffffU) / 65536.0F - 0.5F);
  }
}

// How many products of the group's peak one multiplication costs: f32 as sums of bf16 terms.
template <class Kind> inline constexpr int products = 1;
template <> inline constexpr int products<bench::bf16_terms<2>> = 3;
template <> inline constexpr int products<bench::bf16_terms<3>> = 6;

// Weights come as they are with every call, for peers as for us.
template <class Kind> inline constexpr bool by_call = std::is_same_v<Kind, bench::on_the_fly>;

// Relative to the largest value. Sums of very many terms differ by more with their order.
template <class A, class C> double tolerance(long k) {
  if constexpr (std::is_same_v<C, s32>) return 0;
  double const length = std::max(1.0, std::sqrt(static_cast<double>(k) / 65536));
  return (std::is_same_v<A, bf16> ? 1e-2 : 1e-4) * length;
}

template <class A, class B, class C> struct operands {
  bench::gemm_shape shape;
  matrix<A> a;
  matrix<B> b;

  explicit operands(bench::gemm_shape const& s)
      : shape(s), a(static_cast<std::size_t>(s.m * s.k)), b(static_cast<std::size_t>(s.k * s.n)) {
    fill(a, false, 1);
    fill(b, true, 2);
  }

  // Some elements in double, rows and columns spread over the whole: exact for 8-bit integers.
  void check(std::string const& who, matrix<C> const& c) const {
    double scale = 0, worst = 0;
    std::minstd_rand random(3);
    for (int probe = 0; probe < 100; ++probe) {
      auto const i = static_cast<long>(random()) % shape.m,
                 j = static_cast<long>(random()) % shape.n;
      double sum = 0;
      for (long l = 0; l < shape.k; ++l)
        sum += static_cast<double>(static_cast<f32>(a[static_cast<std::size_t>(i * shape.k + l)])) *
               static_cast<double>(static_cast<f32>(b[static_cast<std::size_t>(l * shape.n + j)]));
      double const d =
          std::abs(static_cast<double>(c[static_cast<std::size_t>(i * shape.n + j)]) - sum);
      if (!(d <= worst)) worst = d;
      scale = std::max(scale, std::abs(sum));
    }
    refuse(who, "the definition", scale > 0 ? worst / scale : worst);
  }

  void compare(std::string const& who, matrix<C> const& c, std::string const& with,
               matrix<C> const& d) const {
    refuse(who, with, bench::distance(c, d));
  }

private:
  void refuse(std::string const& who, std::string const& with, double error) const {
    if (error <= tolerance<A, C>(shape.k)) return;
    throw std::runtime_error("gemm " + std::string(name_of<A>()) + " " + shape.name + " on " +
                             own_isa_name + ": " + who + " differs from " + with + " by " +
                             std::to_string(error) + " of the largest value");
  }
};

template <class A, class B, class C, class Kind>
std::vector<bench::contender> contenders(std::vector<bench::gemm_peer> const& peers,
                                         bench::product type, bench::gemm_shape const& shape,
                                         int threads) {
  auto const x = std::make_shared<operands<A, B, C> const>(shape);
  auto const result = [&] {
    return std::make_shared<matrix<C> const>(static_cast<std::size_t>(shape.m * shape.n));
  };
  std::vector<bench::contender> list;
  std::vector<std::shared_ptr<matrix<C> const>> results;

  if constexpr (bench::offered<own_isa, A, B, C, Kind>) {
    auto const c = result();
    auto const ours = std::make_shared<bench::ours_gemm<own_isa, A, B, C, Kind>>(
        shape.m, shape.n, shape.k, x->a.data(), x->b.data(), c->data(), threads);
    list.push_back({"ours", [x, c, ours] { (*ours)(); }});
    results.push_back(c);
  }
  for (bench::gemm_peer const& p : peers) {
    if (!p.missing.empty()) continue;
    auto const c = result();
    auto call = p.make({type, shape.m, shape.n, shape.k, x->a.data(), x->b.data(), !by_call<Kind>},
                       c->data());
    if (!call) continue;
    list.push_back({p.name, [x, c, call = std::move(call)] { call(); }});
    results.push_back(c);
  }
  if constexpr (products<Kind> > 1) { // what it is meant to beat is our own f32
    auto const c = result();
    auto const f32_ours = std::make_shared<bench::ours_gemm<isa::avx512, f32, f32, f32>>(
        shape.m, shape.n, shape.k, x->a.data(), x->b.data(), c->data(), threads);
    list.push_back({"ours_f32", [x, c, f32_ours] { (*f32_ours)(); }});
    results.push_back(c);
  }
  for (std::size_t i = 0; i < list.size(); ++i) {
    std::memset(static_cast<void*>(results[i]->data()), 0x7f, results[i]->size() * sizeof(C));
    list[i].call();
    x->check(list[i].name, *results[i]);
    if (i > 0) x->compare(list[i].name, *results[i], list[0].name, *results[0]);
  }
  return list;
}

template <class A, class B, class C, class Kind = bench::prepacked>
void add(std::vector<bench::group>& groups, bench::context& c, std::string const& type_name,
         bench::product type, std::vector<bench::gemm_peer> const& peers,
         std::vector<bench::gemm_shape> const& shapes) {
  bench::group g{
      type_name, Kind::word, bench::limit_of(products<Kind> > 1 ? bench::product::bf16 : type), {}};
  double const peak = bench::measure(g.limit, c.threads) * 1e9;
  for (bench::gemm_shape const& s : shapes) {
    double const m = static_cast<double>(s.m), n = static_cast<double>(s.n),
                 k = static_cast<double>(s.k);
    double const bytes = m * k * sizeof(A) + k * n * sizeof(B) + m * n * sizeof(C);
    bench::bench_case b;
    b.name = s.name;
    b.operations = 2 * m * n * k * products<Kind>;
    b.bytes = static_cast<std::size_t>(bytes);
    b.prepare = [=, threads = c.threads] {
      return contenders<A, B, C, Kind>(peers, type, s, threads);
    };
    c.add(g, std::move(b), peak);
  }
  groups.push_back(std::move(g));
}

std::vector<bench::group> groups(bench::context& c) {
  auto const shapes = c.opt.shapes.empty()
                          ? bench::builtin_gemm_shapes()
                          : bench::read_gemm_shapes(c.opt.shapes, c.opt.column_major);
  auto const peers = bench::gemm_peers(c.threads);
  c.out.list(peers);
  std::vector<bench::group> list;
  using bench::on_the_fly;
  using bench::product;
  if constexpr (bench::is_base) {
    add<f32, f32, f32>(list, c, "f32", product::f32, peers, shapes);
    add<f32, f32, f32, on_the_fly>(list, c, "f32", product::f32, peers, shapes);
  }
  if constexpr (bench::is_base || bench::has_bf16)
    add<bf16, bf16, f32>(list, c, "bf16", product::bf16, peers, shapes);
  if constexpr (bench::has_bf16)
    add<bf16, bf16, f32, on_the_fly>(list, c, "bf16", product::bf16, peers, shapes);
  if constexpr (bench::has_new_bytes) {
    add<u8, s8, s32>(list, c, "u8s8", product::u8s8, peers, shapes);
    add<s8, s8, s32>(list, c, "s8s8", product::s8s8, peers, shapes);
    if constexpr (!bench::is_base)
      add<u8, s8, s32, on_the_fly>(list, c, "u8s8", product::u8s8, peers, shapes);
  }
  if constexpr (bench::has_tiles) {
    add<f32, f32, f32, bench::bf16_terms<2>>(list, c, "f32", product::f32, peers, shapes);
    add<f32, f32, f32, bench::bf16_terms<3>>(list, c, "f32", product::f32, peers, shapes);
  }
  return list;
}

} // namespace

int main(int argc, char** argv) { return bench::run(argc, argv, "gemm", own_isa_name, groups); }

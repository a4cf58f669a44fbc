// SPDX-License-Identifier: Apache-2.0
//
// The same bits for any number of workers and any executor.
#include "support.hpp"

#include <ia_nn/core/fp_env.hpp>
#include <ia_nn/exec/thread_pool.hpp>
#if defined(_OPENMP)
#include <ia_nn/exec/openmp.hpp>
#endif

#include <thread>

namespace ia_nn_test {
namespace {

/// One type for all executors, so that each product is compiled once.
struct some_executor {
  ia_nn::thread_pool* pool = nullptr;
  int omp = 0;
  int concurrency() const noexcept { return pool ? pool->concurrency() : omp ? omp : 1; }
  template <ia_nn::task_function F> void parallel_for(index_t n, F&& f) const noexcept {
    if (pool) pool->parallel_for(n, f);
#if defined(_OPENMP)
    else if (omp) ia_nn::openmp(omp).parallel_for(n, f);
#endif
    else ia_nn::sequential{}.parallel_for(n, f);
  }
  std::string text() const {
    return (pool ? "pool of " : omp ? "openmp " : "sequential ") + std::to_string(concurrency());
  }
};

struct executors {
  ia_nn::thread_pool one{1}, two{2}, three{3}, eight{8};
  std::vector<some_executor> all;
  executors() : all{{}, {&one}, {&two}, {&three}, {&eight}} {
#if defined(_OPENMP)
    for (int t : {1, 2, 3, 8}) all.push_back({nullptr, t});
#endif
  }
};
std::vector<some_executor> const& all_executors() {
  static executors e;
  return e.all;
}

template <class T> bool same(exact_buffer<T> const& a, exact_buffer<T> const& b) {
  return std::memcmp(a.data(), b.data(), at(a.size()) * sizeof(T)) == 0;
}

// Plans for 1, 2, 3 and 8 workers, each with executors of that many workers, of fewer and of more.
template <element A, element B, element C, class Policy, class Isas>
void same_bits_for_all(product_case p, std::uint64_t stream) {
  random r(stream);
  product<A, B, C, Policy> const x(p, r);
  matmul_reference const ref = x.reference();
  for_each_isa<Isas>([&](auto tag) {
    using I = decltype(tag);
    using G = gemm<I, A, B, C, Policy>;
    if (traps<I, A, Policy>() && p.m * p.n * p.k > 1000000) return;
    auto const w = x.template pack<G>();
    exact_buffer<C> first(p.m * p.n), out(p.m * p.n);
    x.template run<I>(first);
    REQUIRE(x.template verdict<I>(ref, first) == "");
    for (int workers : {1, 2, 3, 8}) {
      G const plan(p.m, p.n, p.k, workers, p.options);
      exact_buffer<std::byte> scratch(plan.workspace_bytes());
      for (some_executor const& e : all_executors()) {
        INFO(ia_nn::name_of<A>() << " " << p.text() << ", planned for " << workers << ", " << e.text());
        std::memset(scratch.data(), 0xff, at(scratch.size()));
        std::memset(out.data(), 0xee, at(out.size()) * sizeof(C));
        if (p.options.accumulate) std::copy(x.c_before().begin(), x.c_before().end(), out.begin());
        plan.run(x.a_source(), w, out.data(), p.n, chain<>{}, {scratch.data(), scratch.size()}, e);
        REQUIRE(same(out, first));
      }
    }
  });
}

using kernels_of_f32 = vector_isas;
using all = swept_isas;

product_case sized(index_t m, index_t n, index_t k, gemm_options o = {}) {
  product_case p;
  p.m = m, p.n = n, p.k = k, p.options = o;
  return p;
}

} // namespace

TEST_CASE("f32 has the same bits for any number of workers", "[gemm][threads]") {
  same_bits_for_all<f32, f32, f32, standard, kernels_of_f32>(sized(61, 131, 67), 50);
  same_bits_for_all<f32, f32, f32, standard, kernels_of_f32>(sized(1, 700, 65), 51);
  same_bits_for_all<f32, f32, f32, standard, kernels_of_f32>(sized(3, 41, 9), 52);
  same_bits_for_all<f32, f32, f32, standard, kernels_of_f32>(sized(300, 5, 33, {true}), 53);
  same_bits_for_all<f32, f32, f32, standard, kernels_of_f32>(sized(16, 67, 8300, {true}), 54);
}

TEST_CASE("bf16 has the same bits for any number of workers", "[gemm][threads]") {
  same_bits_for_all<bf16, bf16, f32, standard, all>(sized(70, 99, 67), 55);
  same_bits_for_all<bf16, bf16, f32, standard, all>(sized(1, 260, 64), 56);
}

TEST_CASE("int8 has the same bits for any number of workers", "[gemm][threads]") {
  same_bits_for_all<u8, s8, s32, standard, all>(sized(41, 70, 33, {false, 3, -5}), 57);
  same_bits_for_all<u8, s8, s32, standard, all>(sized(2, 150, 20), 58);
}

TEST_CASE("one plan runs in several threads at once", "[gemm][threads]") {
  random r(59);
  product<f32, f32, f32> const x(sized(40, 70, 50), r);
  for_each_isa<vector_isas>([&](auto tag) {
    using I = decltype(tag);
    using G = gemm<I, f32, f32, f32>;
    G const plan(40, 70, 50, 2);
    auto const w = x.template pack<G>();
    exact_buffer<f32> first(40 * 70), a(40 * 70), b(40 * 70);
    x.template run<I>(first);
    ia_nn::workspace scratch_a(plan.workspace_bytes()), scratch_b(plan.workspace_bytes());
    auto const repeat = [&](exact_buffer<f32>& to, ia_nn::workspace& scratch) {
      for (int i = 0; i < 20; ++i) plan.run(x.a_source(), w, to.data(), 70, chain<>{}, scratch);
    };
    std::thread other([&] { repeat(b, scratch_b); });
    repeat(a, scratch_a);
    other.join();
    REQUIRE(same(a, first));
    REQUIRE(same(b, first));
  });
}

TEST_CASE("denormals are kept or flushed as the caller's scope says, by all workers",
          "[gemm][threads][denormals]") {
  constexpr index_t m = 40, n = 70, k = 3;
  exact_buffer<f32> a(m * k), b(k * n), c(m * n);
  for (f32& x : a) x = 0x1p-140F;
  for (f32& x : b) x = 1;
  for_each_isa<vector_isas>([&](auto tag) {
    using G = gemm<decltype(tag), f32, f32, f32>;
    G const plan(m, n, k, 8);
    auto const w = pack_for<G, standard>(b.data(), k, n, n, 1);
    ia_nn::workspace scratch(plan.workspace_bytes());
    for (some_executor const& e : all_executors())
      for (auto mode : {ia_nn::denormals::keep, ia_nn::denormals::flush}) {
        INFO(e.text());
        std::memset(c.data(), 0xee, m * n * sizeof(f32));
        {
          ia_nn::denormal_scope const scope(mode);
          plan.run(a.data(), k, w, c.data(), n, chain<>{}, scratch, e);
        }
        f32 const want = mode == ia_nn::denormals::keep ? 3 * 0x1p-140F : 0.0F;
        REQUIRE(std::count_if(c.begin(), c.end(), [&](f32 x) {
                  return __builtin_bit_cast(std::uint32_t, x) == __builtin_bit_cast(std::uint32_t, want);
                }) == m * n);
      }
  });
}

} // namespace ia_nn_test

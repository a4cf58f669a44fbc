// SPDX-License-Identifier: Apache-2.0
//
// Every elementary function against libm in double: a dense sample on each ISA, the same bits from
// each of them, special values, and (hidden: `test_math "[.slow]"`) all 2^32 arguments.
#include "math/accuracy.hpp"

#include "isa.hpp"
#include "random.hpp"

#include <cstdio>

using namespace ia_nn_test;
namespace isa = ia_nn::isa;
namespace act = ia_nn::activation;
using ia_nn::fast;
using ia_nn::precise;

namespace {

constexpr index_t chunk = 4096;

struct worst {
  double value = 0;
  f32 at = 0;
  void see(double v, f32 x) {
    if (v > value) value = v, at = x;
  }
};

// Arguments u0, u0 + step, ... as bit patterns, then what a stride would miss.
std::vector<f32> sample(std::uint64_t step) {
  std::vector<f32> x;
  for (std::uint64_t u = 0; u <= 0xffffffffU; u += step)
    x.push_back(from_bits(static_cast<std::uint32_t>(u)));
  // Ends of every binade, and where reductions and selections change sides.
  for (std::uint32_t e = 0; e < 512; ++e)
    for (std::uint32_t d = 0; d < 4; ++d) {
      x.push_back(from_bits((e << 23) + d));
      x.push_back(from_bits((e << 23) - 1 - d));
    }
  for (f32 edge :
       {0.17328680F, 0.34657359F, 0.51986039F, 0.55F,     0.875F,    0.70710678F, 1.4142135F,
        2.0F,        3.1F,        3.95F,       4.0F,      6.1F,      8.0F,        9.01F,
        14.4F,       16.0F,       17.4F,       20.0F,     85.5F,     86.99F,      87.0F,
        87.33654F,   87.5F,       88.37626F,   88.72283F, 88.72284F, 89.0F,       103.27893F,
        103.97208F,  104.0F,      110.0F})
    for (std::uint32_t d = 0; d < 64; ++d)
      for (f32 sign : {1.0F, -1.0F}) x.push_back(sign * from_bits(to_bits(edge) + d - 32));
  while (x.size() % chunk != 0) x.push_back(0.0F);
  return x;
}

bool same(f32 a, f32 b) { return to_bits(a) == to_bits(b) || (std::isnan(a) && std::isnan(b)); }

} // namespace

TEST_CASE("elementary functions keep their bounds, with the same bits on every ISA", "[math]") {
  std::vector<f32> const x = sample(under_asan ? 20011 : 1009);
  for_each_function([&](char const* name, auto f, double (*reference)(double), bound promised) {
    INFO("function " << name);
    std::vector<double> real(chunk);
    std::vector<f32> y(chunk), first(chunk);
    for (std::size_t base = 0; base < x.size(); base += chunk) {
      for (std::size_t i = 0; i < chunk; ++i) real[i] = reference(static_cast<double>(x[base + i]));
      bool have_first = false;
      ia_nn::for_each_type(vector_isas{}, [&](auto tag) {
        using I = decltype(tag);
        if (!runnable<I>()) return;
        ia_nn_test::map<I>(f, x.data() + base, y.data(), chunk);
        for (std::size_t i = 0; i < chunk; ++i) {
          difference const d = compare(y[i], real[i]);
          bool const held = promised.holds(d), equal = !have_first || same(y[i], first[i]);
          if (held && equal) continue;
          CAPTURE(isa::name<I>(), x[base + i], to_bits(x[base + i]), y[i], first[i], real[i], d.ulp,
                  d.relative, d.absolute);
          REQUIRE(held);
          REQUIRE(equal);
        }
        if (!have_first) first = y;
        have_first = true;
      });
      if (!have_first) FAIL("none of the instruction sets of this test can be executed here");
    }
    SUCCEED(name);
  });
}

TEST_CASE("elementary functions at special values", "[math]") {
  constexpr f32 inf = std::numeric_limits<f32>::infinity();
  for_each_isa<vector_isas>([&](auto tag) {
    using v = ia_nn::vec<f32, decltype(tag)>;
    auto const at = [](auto const& f, f32 x) {
      f32 y[16] = {};
      f(v::broadcast(x)).store(y);
      return y[0];
    };
    auto const both = [&](auto p) {
      using P = decltype(p);
      act::exp<P> const exp;
      CHECK(at(exp, 0.0F) == 1.0F);
      CHECK(at(exp, -0.0F) == 1.0F);
      CHECK(at(exp, inf) == inf);
      CHECK(at(exp, 1e30F) == inf);
      CHECK(at(exp, 88.8F) == inf);
      CHECK(std::isfinite(at(exp, 88.72F)));
      CHECK(same(at(exp, -inf), 0.0F));
      CHECK(same(at(exp, -1e30F), 0.0F));
      act::log<P> const log;
      CHECK(at(log, 1.0F) == 0.0F);
      CHECK(at(log, 0.0F) == -inf);
      CHECK(at(log, -0.0F) == -inf);
      CHECK(at(log, inf) == inf);
      for (f32 x : {-1.0F, -inf, -1e-45F, -1e38F}) CHECK(std::isnan(at(log, x)));
      act::tanh<P> const tanh;
      act::sigmoid<P> const sigmoid;
      erf_function<P> const erf;
      CHECK(same(at(tanh, 0.0F), 0.0F));
      CHECK(same(at(tanh, -0.0F), -0.0F));
      CHECK(same(at(erf, 0.0F), 0.0F));
      CHECK(same(at(erf, -0.0F), -0.0F));
      CHECK(same(at(act::gelu<P>{}, -0.0F), -0.0F));
      constexpr bool exact = std::same_as<P, precise>;
      CHECK(at(tanh, inf) >= (exact ? 1.0F : 0.9999F));
      CHECK(at(erf, inf) >= (exact ? 1.0F : 0.9999F));
      CHECK(at(sigmoid, inf) >= (exact ? 1.0F : 0.9999F));
      for (f32 x : {0.1F, 5.0F, 6.1F, 9.5F, 18.0F, 100.0F, 1e30F, inf}) {
        CHECK(at(tanh, x) <= 1.0F);
        CHECK(at(erf, x) <= 1.0F);
        CHECK(at(sigmoid, x) <= 1.0F);
        CHECK(at(sigmoid, -x) >= 0.0F);
        CHECK(at(tanh, -x) == -at(tanh, x));
        CHECK(at(erf, -x) == -at(erf, x));
      }
      CHECK(at(sigmoid, -inf) <= (exact ? 0.0F : 0x1p-125F));
      for (f32 x : {-inf, -1e30F}) {
        CHECK(std::fabs(at(act::gelu<P>{}, x)) <= (exact ? 0.0F : 0x1p-40F));
        CHECK(std::fabs(at(act::gelu_tanh<P>{}, x)) <= (exact ? 0.0F : 0x1p-120F));
        CHECK(at(act::swish<P>{}, x) == 0.0F);
      }
      for (f32 x : {1e30F, inf}) {
        CHECK(at(act::gelu<P>{}, x) == x);
        CHECK(at(act::gelu_tanh<P>{}, x) >= x * 0.9999F);
        CHECK(at(act::swish<P>{}, x) >= x * 0.9999F);
      }
    };
    both(precise{});
    both(fast{});
    // Each NaN, quiet or signalling, of either sign, gives a NaN.
    for_each_function([&](char const* name, auto f, double (*)(double), bound) {
      for (std::uint32_t u : {0x7fc00000U, 0xffc00000U, 0x7f800001U, 0xffffffffU, 0x7fffffffU}) {
        INFO(name << " of the NaN " << u);
        CHECK(std::isnan(at(f, from_bits(u))));
      }
    });
  });
}

TEST_CASE("all f32 arguments of every elementary function", "[math][.slow]") {
  std::printf("%-18s %9s %-16s %9s %-16s %9s %-16s\n", "function", "max ulp", "at", "relative",
              "at", "absolute", "at");
  for_each_function([&](char const* name, auto f, double (*reference)(double), bound promised) {
    INFO("function " << name);
    std::vector<f32> x(chunk), y(chunk);
    worst ulp, relative, absolute;
    long long broken = 0;
    for (std::uint64_t base = 0; base < 0x100000000U; base += chunk) {
      for (std::size_t i = 0; i < chunk; ++i)
        x[i] = from_bits(static_cast<std::uint32_t>(base + i));
      ia_nn_test::map<isa::native>(f, x.data(), y.data(), chunk);
      for (std::size_t i = 0; i < chunk; ++i) {
        double const real = reference(static_cast<double>(x[i]));
        difference const d = compare(y[i], real);
        if (!promised.holds(d)) ++broken;
        absolute.see(d.absolute, x[i]);
        if (d.absolute <= promised.absolute) continue; // counts as flushed
        ulp.see(d.ulp, x[i]);
        if (std::fabs(real) >= 0x1p-126) relative.see(d.relative, x[i]);
      }
    }
    std::printf("%-18s %9.3f %-16a   2^%6.2f %-16a  2^%6.2f %-16a %s\n", name, ulp.value,
                static_cast<double>(ulp.at), std::log2(relative.value),
                static_cast<double>(relative.at), std::log2(absolute.value),
                static_cast<double>(absolute.at), broken == 0 ? "holds" : "BROKEN");
    std::fflush(stdout);
    CHECK(broken == 0);
  });
}

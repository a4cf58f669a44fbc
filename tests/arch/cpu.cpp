// SPDX-License-Identifier: Apache-2.0
//
// Detection against what the operating system says, choice of the best tag, refusal of a missing
// one.
#include "isa.hpp"

#include <ia_nn/ia_nn.hpp>
#include <ia_nn/int8/s4.hpp>
#include <ia_nn/train/train.hpp>

#include <fstream>
#include <set>
#include <sstream>
#include <string>

using namespace ia_nn_test;
namespace isa = ia_nn::isa;

namespace {

// The flags of the first CPU in /proc/cpuinfo; empty where there is no such file.
std::set<std::string> flags_of_system() {
  std::ifstream file("/proc/cpuinfo");
  std::string line;
  while (std::getline(file, line))
    if (line.rfind("flags", 0) == 0) {
      std::istringstream words(line.substr(line.find(':') + 1));
      std::set<std::string> flags;
      for (std::string word; words >> word;) flags.insert(word);
      return flags;
    }
  return {};
}

// The first tag of a list that can be executed, by name; written without with_best.
template <class... Is> std::string first_available(ia_nn::type_list<Is...>) {
  std::string found;
  ((found.empty() && isa::available<Is>() ? found = isa::name<Is>() : found), ...);
  return found;
}

template <class I> void check_require() {
  INFO("isa " << isa::name<I>());
  if (isa::available<I>()) {
    CHECK_NOTHROW(isa::require<I>());
    return;
  }
  try {
    isa::require<I>();
    FAIL("require accepted an instruction set that is not available");
  } catch (ia_nn::error const& e) {
    CHECK(e.code() == ia_nn::errc::unsupported_isa);
    std::string const text = e.what();
    CHECK(text.rfind("ia_nn: this CPU or operating system cannot run ", 0) == 0);
    CHECK(text.find(isa::name<I>()) != std::string::npos);
    CHECK(text.find("with_best") != std::string::npos);
  }
}

} // namespace

TEST_CASE("cpu: availability agrees with the flags that the system lists", "[arch]") {
  auto const flags = flags_of_system();
  if (flags.empty()) {
    WARN("no /proc/cpuinfo: nothing to compare with");
    return;
  }
  auto const all = [&](std::initializer_list<char const*> names) {
    for (char const* name : names)
      if (flags.count(name) == 0) return false;
    return true;
  };
  CHECK(isa::available<isa::scalar>());
  CHECK(isa::available<isa::avx2>() == all({"avx2", "fma"}));
  CHECK(isa::available<isa::avx2_vnni>() == all({"avx2", "fma", "avx_vnni"}));
  bool const avx512 = all({"avx2", "fma", "avx512f", "avx512bw", "avx512dq", "avx512vl"});
  CHECK(isa::available<isa::avx512>() == avx512);
  CHECK(isa::available<isa::avx512_vnni>() == (avx512 && all({"avx512_vnni"})));
  bool const bf16 = avx512 && all({"avx512_vnni", "avx512_bf16"});
  CHECK(isa::available<isa::avx512_bf16>() == bf16);
  // The system may still refuse the tile state, so for AMX the flags are necessary only.
  if (isa::available<isa::amx>()) CHECK((bf16 && all({"amx_tile", "amx_int8", "amx_bf16"})));
}

TEST_CASE("cpu: what extends an available tag's base is available with its base", "[arch]") {
  ia_nn::for_each_type(all_isas{}, [](auto outer) {
    ia_nn::for_each_type(all_isas{}, [](auto inner) {
      using I = decltype(outer);
      using Base = decltype(inner);
      if constexpr (isa::has<I, Base>) {
        INFO(isa::name<I>() << " extends " << isa::name<Base>());
        if (isa::available<I>()) CHECK(isa::available<Base>());
      }
    });
  });
}

TEST_CASE("cpu: with_best calls with the first available tag, once, and returns its result",
          "[arch]") {
  int calls = 0;
  std::string const best = isa::with_best([&](auto tag) {
    ++calls;
    return std::string(isa::name<decltype(tag)>());
  });
  CHECK(calls == 1);
  CHECK(best == first_available(isa::compiled{}));
  int value = 0;
  int& reference = isa::with_best([&](auto) -> int& { return value; });
  CHECK(&reference == &value);
}

TEST_CASE("cpu: require refuses what is missing, with a sentence", "[arch]") {
  ia_nn::for_each_type(all_isas{}, [](auto tag) { check_require<decltype(tag)>(); });
}

TEST_CASE("cpu: compiled tags lie in order and end with scalar", "[arch]") {
  // No tag of the list comes after one that it extends.
  ia_nn::for_each_type(isa::compiled{}, [](auto tag) {
    using I = decltype(tag);
    bool seen_self = false;
    ia_nn::for_each_type(isa::compiled{}, [&](auto other) {
      using O = decltype(other);
      if (std::same_as<O, I>) seen_self = true;
      else if (isa::has<I, O>) CHECK(seen_self);
    });
    CHECK(seen_self);
  });
  STATIC_REQUIRE(contains<isa::scalar, isa::compiled>);
  STATIC_REQUIRE(contains<isa::native, isa::compiled>);
}

TEST_CASE("cpu: caches are plausible", "[arch]") {
  auto const c = ia_nn::cpu::cache_sizes();
  CHECK(c.l1 >= 8 * 1024);
  CHECK(c.l1 <= 1024 * 1024);
  CHECK(c.l2 > c.l1);
  CHECK(c.l3 > 0);
}

namespace {

/// What a product needs, by hand.
template <class I, class A, class B> struct needed_for {
  using type = I;
};
template <> struct needed_for<isa::avx512_bf16, ia_nn::u8, ia_nn::s8> {
  using type = isa::avx512_vnni;
};
template <> struct needed_for<isa::avx512_vnni, ia_nn::bf16, ia_nn::bf16> {
  using type = isa::avx512;
};
template <> struct needed_for<isa::avx2_vnni, ia_nn::bf16, ia_nn::bf16> {
  using type = isa::avx2;
};
template <class I, class A, class B> using needed = typename needed_for<I, A, B>::type;

static_assert(std::same_as<ia_nn::dot_isa<isa::scalar, ia_nn::f32, ia_nn::f32>, isa::scalar>);

template <class F> bool refused(F&& construct) {
  try {
    construct();
    return false;
  } catch (ia_nn::error const& e) {
    CHECK(e.code() == ia_nn::errc::unsupported_isa);
    return true;
  }
}

} // namespace

TEST_CASE("cpu: set-up asks for what a kernel uses, not for all of the caller's tag", "[arch]") {
  using ia_nn::bf16, ia_nn::f32, ia_nn::s8, ia_nn::u8;
  using ia_nn::detail::vec_tag;
  std::vector<f32> const one(16, 1.0F);
  ia_nn::for_each_type(isa::compiled{}, [&](auto tag) {
    using I = decltype(tag);
    using V = typename vec_tag<I>::type;
    if (!isa::available<V>()) return;
    INFO("isa " << isa::name<I>());
    // Vectors of f32 and conversions.
    CHECK_NOTHROW((ia_nn::adam<I>(4)));
    CHECK_NOTHROW((ia_nn::sgd<I>(4)));
    CHECK_NOTHROW((ia_nn::adagrad<I>(4)));
    CHECK_NOTHROW((ia_nn::cross_entropy<I>({.classes = 3, .max_rows = 2})));
    CHECK_NOTHROW((ia_nn::batch_norm_training<I>({.channels = 3})));
    CHECK_NOTHROW((ia_nn::average_pool_backward<I>(ia_nn::pool_backward_shape{.channels = 1, .in = {1, 4, 4}})));
    CHECK_NOTHROW((ia_nn::dropout<I>(0.5F, 1)));
    CHECK_NOTHROW((ia_nn::softmax<I>(4)));
    CHECK_NOTHROW((ia_nn::layer_norm<I>(4)));
    CHECK_NOTHROW((ia_nn::group_norm<I>(4, 2)));
    CHECK_NOTHROW((ia_nn::lrn<I>(4, {})));
    CHECK_NOTHROW((ia_nn::concat<I>(4, 1, std::vector<ia_nn::index_t>{1, 2}, 1)));
    CHECK_NOTHROW((ia_nn::s4_dense<I>(ia_nn::quantize_s4<I>(one, 1, 8))));
    CHECK_NOTHROW((ia_nn::gemm<I, f32, f32, f32>(2, 3, 4)));
    CHECK_NOTHROW((ia_nn::gemm<I, f32, s8, f32, ia_nn::grouped>(2, 3, 4)));
    // Products that have instructions of their own ask for these, a depthwise layer not for tiles.
    using of_bytes = needed<I, u8, s8>;
    using of_halves = needed<I, bf16, bf16>;
    CHECK(refused([] { ia_nn::gemm<I, u8, s8, f32>(2, 3, 4); }) == !isa::available<of_bytes>());
    CHECK(refused([] { ia_nn::gemm<I, bf16, bf16, f32>(2, 3, 4); }) ==
          !isa::available<of_halves>());
    CHECK(refused([] { ia_nn::gemm<I, f32, f32, f32, ia_nn::bf16_terms<2>>(2, 3, 4); }) ==
          (std::same_as<I, isa::amx> && !isa::available<I>()));
    ia_nn::conv_shape s{.channels = 2, .filters = 2, .in = {1, 2, 2}};
    std::vector<s8> const w(4, 1);
    CHECK(refused([&] { ia_nn::conv<I, u8, s8, f32>(s, w); }) == !isa::available<of_bytes>());
    s.groups = 2;
    CHECK(refused([&] { ia_nn::conv<I, u8, s8, f32>(s, std::vector<s8>(2, 1)); }) ==
          !isa::available<ia_nn::dot_isa<I, u8, s8>>());
  });
}

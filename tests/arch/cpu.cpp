// SPDX-License-Identifier: Apache-2.0
//
// Detection against what the operating system says, choice of the best tag, refusal of a missing
// one.
#include "isa.hpp"

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

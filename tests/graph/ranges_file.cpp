// SPDX-License-Identifier: Apache-2.0
//
// Files of ranges: every number there and back, what a reader must refuse, files of other networks.
#include "../gemm/throws.hpp"
#include "../io/temporary_folder.hpp"
#include "../random.hpp"
#include "../support/locale.hpp"
#include "written_ranges.hpp"

#include <ia_nn/graph/files/ranges.hpp>
#include <ia_nn/graph/layers.hpp>

#include <algorithm>
#include <bit>
#include <fstream>
#include <iterator>

namespace {

namespace graph = ia_nn::graph;
using graph::value_ranges;
using ia_nn::errc;
using ia_nn::f32;
using ia_nn_test::temporary_folder;

// Networks that differ in one thing.
template <graph::label Layer, ia_nn::index_t Filters, bool Relu, ia_nn::index_t Batch = graph::any_batch>
struct net {
  static constexpr auto build(graph::builder& b) {
    auto const x = input(b, "image", {Batch, 8, 8, 3});
    auto const y = conv2d(x, {.filters = Filters, .kernel = 3, .name = Layer});
    return Relu ? relu(y) : tanh(y);
  }
};
using first = net<"conv", 8, true>;
using wider = net<"conv", 9, true>;
static_assert(graph::fingerprint_of<first>() == graph::fingerprint_of<net<"conv", 8, true, 4>>());
static_assert(graph::fingerprint_of<first>() != graph::fingerprint_of<net<"conw", 8, true>>());
static_assert(graph::fingerprint_of<first>() != graph::fingerprint_of<net<"conv", 9, true>>());
static_assert(graph::fingerprint_of<first>() != graph::fingerprint_of<net<"conv", 8, false>>());

constexpr f32 most = 0x1.fffffep127F;

// Bounds of every kind: denormal, next to powers of ten and two, the largest, any bits.
value_ranges many(ia_nn_test::random& r) {
  value_ranges all;
  f32 const edges[] = {0, -0.0F, 0x1p-149F, 0x1p-126F, 0x1.fffffcp-127F, 0.1F, 1, 16777216, 16777218,
                       1e10F, 9.999999e9F, 1.00000001e10F, 8388608.5F, most, 3.4e38F, 6, 1e-9F};
  int n = 0;
  for (f32 const low : edges)
    for (f32 const high : edges) all.add("edge" + std::to_string(n++), {-low, high});
  while (n < 20000) {
    f32 const low = std::bit_cast<f32>(static_cast<std::uint32_t>(r.next()) | 0x80000000U),
              high = std::bit_cast<f32>(static_cast<std::uint32_t>(r.next()) & 0x7fffffffU);
    if (low >= -most && high <= most) all.add("any" + std::to_string(n++), {low, high});
  }
  all.add("", {-1, 1});
  all.add("quoted \"\\\b\n\x01 \xc3\xa9 \xe2\x82\xac", {-2, 2});
  return all;
}

TEST_CASE("ranges come back from a file as they were", "[graph][ranges]") {
  ia_nn_test::random r(1);
  value_ranges const all = many(r);
  temporary_folder const folder;
  std::string const path = folder.path + "/a.json";
  graph::save_ranges(path, all);
  REQUIRE(graph::load_ranges(path) == all);
  REQUIRE(graph::load_stored_ranges(path).network.empty());
  ia_nn_test::in_other_locales([&] {
    graph::save_ranges(path, all, {.network = "two words \"\xc3\xa9"});
    REQUIRE(graph::load_ranges(path) == all);
  });
  REQUIRE(graph::load_stored_ranges(path).network == "two words \"\xc3\xa9");
  graph::save_ranges(path, {});
  REQUIRE(graph::load_ranges(path).empty());
  REQUIRE(folder.names() == std::set<std::string>{"a.json"});
}

TEST_CASE("ranges of another network are refused", "[graph][ranges][error]") {
  value_ranges all;
  all.add("conv", {0, 6});
  temporary_folder const folder;
  std::string const path = folder.path + "/a.json";
  graph::save_ranges<first>(path, all);
  REQUIRE(graph::load_ranges<first>(path) == all);
  REQUIRE(graph::load_ranges<net<"conv", 8, true, 2>>(path) == all);
  REQUIRE_ERROR([&] { (void)graph::load_ranges<wider>(path); }, errc::bad_file,
                "a.json' has ranges of the network '");
  graph::save_ranges(path, all);
  REQUIRE_ERROR([&] { (void)graph::load_ranges<first>(path); }, errc::bad_file,
                "does not say which network its ranges are for");
}

TEST_CASE("what is no file of ranges is refused with a sentence", "[graph][ranges][error]") {
  auto const with = [](std::string const& ranges) {
    return "{\"format\": \"ia_nn ranges\", \"version\": 1, \"ranges\": {" + ranges + "}}";
  };
  REQUIRE(graph::parse_ranges(with("\"a\": [-0, 0.0]")).ranges.find("a")->high == 0);
  REQUIRE(graph::parse_ranges(with("\"a\": [-1, 18446744073709551616]")).ranges.find("a")->high ==
          0x1p64F);
  using namespace std::string_literals;
  std::pair<std::string, char const*> const wrong[] = {
      {"", "'memory' is no JSON in UTF-8, at byte 1"},
      {"{", "is no JSON"},
      {with("") + "x", "is no JSON in UTF-8, at byte 55"},
      {with("") + "\0"s, "is no JSON in UTF-8, at byte 55"},
      {with("\"\xff\": [0, 1]"), "is no JSON"},
      {with("\"a\": [0, NaN]"), "is no JSON"},
      {with("\"a\": [0, Infinity]"), "is no JSON"},
      {with("\"a\": [0, +1]"), "is no JSON"},
      {with("\"a\": [0, 01]"), "is no JSON"},
      {"[]", "has a list out of place"},
      {"1", "has a number out of place"},
      {"\"a\"", "has a string out of place"},
      {"{}", "has no format"},
      {"{\"format\": \"ia_nn ranges\"}", "has no version"},
      {"{\"format\": \"ia_nn ranges\", \"version\": 1}", "has no ranges"},
      {"{\"format\": \"other\"}", "has the format 'other', expected 'ia_nn ranges'"},
      {"{\"format\": 1}", "has a number out of place"},
      {"{\"format\": null}", "has a null out of place"},
      {"{\"version\": 2}", "has the version 2, only 1 can be read"},
      {"{\"version\": 1.0}", "has a number out of place"},
      {"{\"version\": -1}", "has a number out of place"},
      {"{\"version\": true}", "has a truth value out of place"},
      {"{\"version\": 1, \"version\": 1}", "has the member 'version' twice"},
      {"{\"more\": 1}", "has an unknown member 'more'"},
      {"{\"network\": {}}", "has an object out of place"},
      {"{\"network\": []}", "has a list out of place"},
      {"{\"ranges\": []}", "has a list out of place"},
      {"{\"ranges\": \"\"}", "has a string out of place"},
      {with("\"a\": 1"), "has a number out of place, in 'a'"},
      {with("\"a\": {}"), "has an object out of place, in 'a'"},
      {with("\"a\": [[0, 1]]"), "has a list out of place, in 'a'"},
      {with("\"a\": [\"0\", 1]"), "has a string out of place, in 'a'"},
      {with("\"a\": []"), "has a range of fewer than two numbers, in 'a'"},
      {with("\"a\": [0]"), "has a range of fewer than two numbers, in 'a'"},
      {with("\"a\": [0, 1, 2]"), "has a range of more than two numbers, in 'a'"},
      {with("\"a\": [1, 2]"), "has the range 1 to 2, which does not contain 0, in 'a'"},
      {with("\"a\": [-2, -1]"), "does not contain 0, in 'a'"},
      {with("\"a\": [2, -1]"), "does not contain 0, in 'a'"},
      {with("\"a\": [0, 3.4028236e38]"), "has a number that is no f32: '3.4028236e38', in 'a'"},
      {with("\"a\": [0, 1e39]"), "has a number that is no f32"},
      {with("\"a\": [0, 1e-50]"), "has a number that is no f32"},
      {with("\"a\": [0, 1e309]"), "has a number beyond 10^308, in 'a'"},
      {with("\"a\": [0, 1], \"b\": [0, 1], \"a\": [0, 1]"), "has two ranges of 'a'"}};
  for (auto const& [text, words] : wrong) {
    INFO(text);
    CHECK(ia_nn_test::how_it_fails([&] { (void)graph::parse_ranges(text); }, errc::bad_file, words) == "");
  }
  temporary_folder const folder;
  REQUIRE_ERROR([&] { (void)graph::load_ranges(folder.path + "/none"); }, errc::bad_file,
                "cannot be opened");
  folder.write("large", std::string((1 << 24) + 1, ' '));
  REQUIRE_ERROR([&] { (void)graph::load_ranges(folder.path + "/large"); }, errc::bad_file,
                "has 16777217 bytes, ranges have 16 MB at most");
  value_ranges odd;
  odd.add("\xff", {0, 1});
  REQUIRE_ERROR([&] { graph::save_ranges(folder.path + "/odd", odd); }, errc::bad_parameter,
                "is not UTF-8");
  REQUIRE(folder.names() == std::set<std::string>{"large"});
}

// written_ranges.hpp is what ranges_header writes of these, and compiled into this test.
constexpr graph::constant_range constants[] = {
    {"", -1, 1},
    {"any", -0.1F, 0x1.fffffep127F},
    {"conv1", 0, 6},
    {"image", -2.117904F, 2.64F},
    {"odd \"\\?\?/\n\1\063 \xc3\xa9", -0x1p-149F, 1e-9F}};
static_assert(std::ranges::equal(written_ranges, constants,
                                 [](graph::constant_range const& a, graph::constant_range const& b) {
                                   return a.name == b.name && a.low == b.low && a.high == b.high;
                                 }));
static_assert(graph::find_range(written_ranges, "conv1")->high == 6);
static_assert(graph::find_range(written_ranges, "conv2") == nullptr);

TEST_CASE("ranges as C++", "[graph][ranges]") {
  value_ranges all;
  for (graph::constant_range const& r : constants) all.add(r.name, {r.low, r.high});
  temporary_folder const folder;
  auto const text = [](std::filesystem::path const& path) {
    std::ifstream file(path, std::ios::binary);
    REQUIRE(file);
    return std::string(std::istreambuf_iterator<char>(file), {});
  };
  std::string const path = folder.path + "/written.hpp";
  ia_nn_test::in_other_locales([&] { graph::write_ranges_header(path, all, "written_ranges"); });
  REQUIRE(text(path) == text(std::filesystem::path(__FILE__).parent_path() / "written_ranges.hpp"));
  for (char const* const name : {"", "1a", "a b", "a;", "a-b"})
    REQUIRE_ERROR([&] { (void)graph::ranges_header(all, name); }, errc::bad_parameter,
                  "is no identifier");
}

} // namespace

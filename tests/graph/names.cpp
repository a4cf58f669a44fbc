// SPDX-License-Identifier: Apache-2.0
//
// Names of weights: prefixes, other names than the network's, and a sentence for each name that does
// not fit, with the one that was meant.
#include "../gemm/throws.hpp"
#include "support.hpp"

#include <ia_nn/graph/layers.hpp>

#include <chrono>

namespace {

namespace graph = ia_nn::graph;
using graph_test::ready;
using ia_nn::errc, ia_nn::f32, ia_nn::index_t, ia_nn::workspace;
using namespace std::string_literals;

/// y = (2 x + 1) . (1, 1) + 3 with the weights below.
struct net {
  static constexpr auto build(graph::builder& b) {
    auto const x = input(b, "x", {graph::any_batch, 2});
    static_cast<void>(dense(x, {.units = 3, .name = "aux"})); // no output needs it
    auto const n = batch_norm(x, {.epsilon = 0, .name = "norm1"});
    return dense(relu(n, {.name = "act"}), {.units = 1, .name = "fc"});
  }
};
struct tied {
  static constexpr auto build(graph::builder& b) {
    auto x = input(b, "x", {graph::any_batch, 2});
    x = dense(x, {.units = 2, .bias = false, .name = "first"});
    return dense(x, {.units = 2, .bias = false, .name = "second"});
  }
};

using name_list = std::vector<std::string>;
name_list const own{"norm1.running_mean", "norm1.running_var", "norm1.weight",
                    "norm1.bias",         "fc.weight",         "fc.bias"};

/// The numbers of `net`, in the order of `own`, under these names.
graph::memory_weights with_names(name_list const& names, name_list const& more = {}) {
  std::vector<std::vector<f32>> const numbers{{0, 0}, {1, 1}, {2, 2}, {1, 1}, {1, 1}, {3}};
  graph::memory_weights w;
  for (std::size_t i = 0; i < names.size(); ++i) {
    std::vector<f32> x = numbers[i];
    index_t const size = static_cast<index_t>(x.size());
    w.add(names[i], i == 4 ? std::vector<index_t>{1, 2} : std::vector<index_t>{size}, std::move(x));
  }
  for (std::string const& n : more) w.add(n, {1}, std::vector<f32>{0});
  return w;
}
name_list behind(std::string const& prefix, name_list names = own) {
  for (std::string& n : names) n = prefix + n;
  return names;
}
name_list replaced(std::string const& from, std::string const& to) {
  name_list names = own;
  for (std::string& n : names)
    if (n.starts_with(from)) n = to + n.substr(from.size());
  return names;
}

void runs(graph::memory_weights const& w, graph::compile_options const& o = {}) {
  graph::compiled<net> const n(w, o);
  workspace scratch(n.workspace_bytes());
  std::vector<f32> const x{1, 2};
  std::vector<f32> y(1);
  n.run(1, x, y, scratch).require();
  CHECK(std::fabs(y[0] - 11) < 1e-4F); // 3 + 5 + 3
}
std::string said(graph::memory_weights const& w, graph::compile_options const& o = {}) {
  try {
    graph::compiled<net> const n(w, o);
  } catch (ia_nn::error const& e) {
    CHECK(e.code() == errc::bad_parameter);
    return std::string(e.what()).substr(7);
  }
  return "nothing";
}

TEST_CASE("prefixes of names", "[graph]") {
  REQUIRE(ready());
  runs(with_names(own));
  runs(with_names(own), {.prefixes = {"module."}}); // tried, and not there
  runs(with_names(behind("module.")), {.prefixes = {"module."}});
  runs(with_names(behind("model.")), {.prefixes = {"module.", "model."}});
  runs(with_names(behind("model.module.")), {.prefixes = {"module.", "model.", "model.module."}});
  runs(with_names(behind("m"s + '\0')), {.prefixes = {"m"s + '\0'}});
  // Two models in one file: the first prefix that fits, a prefix rather than none.
  name_list const both = behind("ema.");
  graph::memory_weights two = with_names(behind("model."));
  for (std::string const& n : both)
    two.add(n, with_names(own).shape(n.substr(4)), with_names(own).values(n.substr(4)));
  runs(two, {.allow_unknown_weights = true, .prefixes = {"ema.", "model."}});
  CHECK(said(two, {.prefixes = {"ema.", "model."}}) ==
        "network: no layer has a weight 'model.norm1.running_mean' (with the prefix 'ema.'); 5 "
        "others are not expected either");
  CHECK(said(with_names(own, {"ema.fc.weight"}), {.prefixes = {"ema."}}) ==
        "network: no layer has a weight 'ema.fc.weight' (none of the prefixes fits); the nearest "
        "that layers expect is 'fc.weight'");
}

TEST_CASE("other names than the network's", "[graph]") {
  REQUIRE(ready());
  runs(with_names(replaced("fc", "classifier.1")), {.names = {{"fc", "classifier.1"}}});
  runs(with_names(replaced("fc.bias", "b")), {.names = {{"fc.bias", "b"}}});
  runs(with_names(behind("module.", replaced("fc", "head"))),
       {.prefixes = {"module."}, .names = {{"fc", "head"}}});
  runs(with_names(replaced("norm1.weight", "gamma")),
       {.names = {{"norm1", "norm1"}, {"norm1.weight", "gamma"}}}); // a weight before its layer
  // The two change their names.
  name_list swapped = own;
  for (std::string& n : swapped)
    n = n.starts_with("fc") ? "norm1" + n.substr(2) : "fc" + n.substr(5);
  runs(with_names(swapped), {.names = {{"fc", "norm1"}, {"norm1", "fc"}}});

  CHECK(said(with_names(own), {.names = {{"fd", "fc"}}}) ==
        "network: .names has 'fd', which is no layer with weights, and no weight, of the network; "
        "the nearest is 'fc'");
  CHECK(said(with_names(own), {.names = {{"act", "relu"}}}) ==
        "network: .names has 'act', which is no layer with weights, and no weight, of the network");
  CHECK(said(with_names(own), {.names = {{"fc.wieght", "fc.weight"}}})
            .ends_with("; the nearest is 'fc.weight'"));
  CHECK(
      said(with_names(own), {.names = {{"", "fc"}}}).starts_with("network: .names has '', which"));
  CHECK(said(with_names(own), {.names = {{"fc", "a"}, {"fc", "b"}}}) ==
        "network: .names has two names for 'fc'");
  CHECK(said(with_names(own), {.names = {{"fc", "head"}}}) ==
        "dense 'fc': there is no weight 'head.weight'; another is missing");
  runs(with_names(own), {.names = {{"aux", "other"}}}); // a layer that is not needed
  runs(with_names(own, {"other.weight", "other.bias"}), {.names = {{"aux", "other"}}});
}

TEST_CASE("one weight for two layers", "[graph]") {
  REQUIRE(ready());
  graph::memory_weights w;
  w.add("both.weight", {2, 2}, std::vector<f32>{1, 2, 0, 1});
  graph::compiled<tied> const n(w,
                                {.names = {{"first", "both"}, {"second.weight", "both.weight"}}});
  workspace scratch(n.workspace_bytes());
  std::vector<f32> const x{1, 1};
  std::vector<f32> y(2);
  n.run(1, x, y, scratch).require();
  CHECK(y == std::vector<f32>{5, 1});
}

TEST_CASE("weights that are missing", "[graph]") {
  REQUIRE(ready());
  CHECK(said(with_names(behind("module."))) ==
        "network: the source has none of its 6 weights under their names, and 6 with 'module.' in "
        "front, as 'module.norm1.running_mean': give .prefixes = {\"module.\"}");
  CHECK(said(with_names(behind("module.")), {.prefixes = {"model."}}) ==
        "network: the source has none of its 6 weights under their names (none of the prefixes "
        "fits), and 6 with 'module.' in front, as 'module.norm1.running_mean': give .prefixes = "
        "{\"module.\"}");
  CHECK(said(with_names(replaced("norm1", "module.norm1"), {"module.fc.bias"})) ==
        "batch_norm 'norm1': there is no weight 'norm1.running_mean'; the source has "
        "'module.norm1.running_mean': give .prefixes = {\"module.\"}; 3 others are missing");
  CHECK(said(with_names(replaced("fc", "head.fc"))) ==
        "dense 'fc': there is no weight 'fc.weight'; the nearest that no layer reads is "
        "'head.fc.weight': give .names = {{\"fc\", \"head.fc\"}}; another is missing");
  CHECK(said(with_names(behind("m.", replaced("fc", "head.fc"))), {.prefixes = {"m."}}) ==
        "dense 'fc': there is no weight 'm.fc.weight' (with the prefix 'm.'); the nearest that no "
        "layer reads is 'm.head.fc.weight': give .names = {{\"fc\", \"head.fc\"}}; another is missing");
  CHECK(
      said(with_names(replaced("norm1.running_var", "norm1.runing_vra"))) ==
      "batch_norm 'norm1': there is no weight 'norm1.running_var'; the nearest that no layer reads "
      "is 'norm1.runing_vra'");
  CHECK(said(with_names(replaced("fc", "linear"))) ==
        "dense 'fc': there is no weight 'fc.weight'; another is missing");
  CHECK(said({}) ==
        "batch_norm 'norm1': there is no weight 'norm1.running_mean'; 5 others are missing");
  // Before shapes are looked at, and of those that are left over.
  graph::memory_weights w = with_names({own.begin(), own.begin() + 4});
  w.add("fc.bias", {7}, std::vector<f32>(7));
  w.add("fd.weight", {7}, std::vector<f32>(7));
  CHECK(said(w) == "dense 'fc': there is no weight 'fc.weight'; the nearest that no layer reads is "
                   "'fd.weight'");
}

TEST_CASE("weights that no layer has", "[graph]") {
  REQUIRE(ready());
  CHECK(said(with_names(own, {"norm2.weight"})) ==
        "network: no layer has a weight 'norm2.weight'; the nearest that layers expect is "
        "'norm1.weight'");
  CHECK(said(with_names(own, {"norm1.scale_of_all"})) ==
        "network: no layer has a weight 'norm1.scale_of_all'; batch_norm 'norm1' has no "
        ".scale_of_all");
  CHECK(said(with_names(own, {"other", "another.one"})) ==
        "network: no layer has a weight 'other'; another is not expected either");
  runs(with_names(own, {"other", "another.one"}), {.allow_unknown_weights = true});
  runs(with_names(own, {"aux.weight", "aux.bias"}));
  CHECK(said(with_names(own, {"aux.running_mean"}))
            .starts_with("network: no layer has a weight 'aux.running_mean'"));
}

TEST_CASE("hostile names", "[graph]") {
  REQUIRE(ready());
  CHECK(said(with_names(own, {""})) == "network: no layer has a weight ''");
  CHECK(said(with_names(own, {"a\0\n\"b"s + "\x7f"})) ==
        "network: no layer has a weight 'a\\x00\\x0a\"b\\x7f'");
  CHECK(said(with_names(own, {"fc\0.weight"s})) == // not "fc.weight", and not its end
        "network: no layer has a weight 'fc\\x00.weight'; the nearest that layers expect is "
        "'fc.weight'");
  CHECK(said(with_names(own, {std::string(1 << 20, 'x')})) ==
        "network: no layer has a weight '" + std::string(120, 'x') + "... (1048576 characters)'");
  CHECK(said(with_names(replaced("fc.weight", std::string(1 << 20, '.') + ".fc.weight"))).size() <
        500);
  CHECK(said(with_names(own, {"."})) == "network: no layer has a weight '.'");
}

TEST_CASE("distances of names", "[graph]") {
  using graph::detail::edit_distance, graph::detail::nearest, graph::detail::same_ending;
  CHECK(edit_distance("conv1", "conv1", 3) == 0);
  CHECK(edit_distance("", "abc", 3) == 3);
  CHECK(edit_distance("", "abcd", 3) == 4);
  CHECK(edit_distance("kitten", "sitting", 3) == 3);
  CHECK(edit_distance("kitten", "sitting", 2) == 3); // more than 2
  CHECK(edit_distance("wieght", "weight", 3) == 1);
  CHECK(edit_distance("abcdef", "badcfe", 3) == 3);
  CHECK(edit_distance("abc", "xyz", 3) == 3);
  CHECK((same_ending("module.fc", "fc") && same_ending("fc", "a/fc")));
  CHECK(!(same_ending("fc", "fc") || same_ending("afc", "fc") || same_ending("a.fc", "")));
  // Against the whole table.
  ia_nn_test::random r(1);
  auto const text = [&] {
    std::string s;
    for (auto n = r.between(0, 9); n > 0; --n) s += static_cast<char>('a' + r.between(0, 2));
    return s;
  };
  for (int tries = 0; tries < 2000; ++tries) {
    std::string const a = text(), b = text();
    std::vector<std::vector<index_t>> d(a.size() + 1, std::vector<index_t>(b.size() + 1));
    for (std::size_t i = 0; i <= a.size(); ++i)
      for (std::size_t j = 0; j <= b.size(); ++j) {
        if (i == 0 || j == 0) {
          d[i][j] = static_cast<index_t>(i + j);
          continue;
        }
        d[i][j] =
            std::min({d[i - 1][j] + 1, d[i][j - 1] + 1, d[i - 1][j - 1] + (a[i - 1] != b[j - 1])});
        if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
          d[i][j] = std::min(d[i][j], d[i - 2][j - 2] + 1);
      }
    for (index_t bound = 0; bound < 5; ++bound)
      CHECK(edit_distance(a, b, bound) == std::min(d.back().back(), bound + 1));
  }
}

/// A network of 1,000 layers, made at run time, and 5,000 weights.
TEST_CASE("thousands of names", "[graph]") {
  graph::builder b;
  b.most = 4096;
  auto x = input(b, "x", {graph::any_batch, 4});
  for (int i = 0; i < 1000; ++i) x = batch_norm(x, {.name = graph::label("stage.") + i + ".norm"});
  output(x);
  REQUIRE(!b.net.wrong());
  graph::draft const& d = b.net;
  graph::plan_view const view{
      d.nodes.data(), nullptr, nullptr,        nullptr,   nullptr,
      d.count(),      0,       d.nodes.data(), d.count(), graph::precision::f32};
  auto const source = [&](std::string const& prefix, std::string const& more) {
    graph::memory_weights w;
    for (int i = 0; i < 1000; ++i)
      for (char const* what : {"weight", "bias", "running_mean", "running_var", "unread"})
        if (what != "unread"s || !more.empty())
          w.add(prefix + "stage." + std::to_string(i) + ".norm." +
                    (what == "unread"s ? more : what),
                {4}, std::vector<f32>(4));
    return w;
  };
  auto const checked = [&](graph::memory_weights const& w, graph::compile_options o) {
    for (int i = 0; i < 1000; ++i) {
      std::string const layer = "stage." + std::to_string(i) + ".norm";
      o.names.emplace_back(layer, layer);
    }
    graph::detail::reader_of<graph::memory_weights> reader(w, o);
    graph::detail::weight_check(view, reader, o).run();
  };
  auto const begin = std::chrono::steady_clock::now();
  checked(source("module.", ""), {.prefixes = {"model.", "module.", "x."}});
  checked(source("", "unread"), {.allow_unknown_weights = true});
  REQUIRE_ERROR(
      [&] { checked(source("", "waight"), {}); }, errc::bad_parameter,
      "'stage.0.norm.waight'; the nearest that layers expect is 'stage.0.norm.weight'; 999 "
      "others are not expected either");
  REQUIRE_ERROR([&] { checked(source("module.", "x"), {}); }, errc::bad_parameter,
                "none of its 4000 weights");
  // Every name ends like the first that is missing.
  graph::memory_weights same;
  for (int i = 0; i < 5000; ++i)
    same.add(std::to_string(i) + ".stage.0.norm.running_mean", {4}, std::vector<f32>(4));
  REQUIRE_ERROR([&] { checked(same, {}); }, errc::bad_parameter, "0.stage.0.norm.running_mean");
  // A bound that catches anything quadratic in the numbers of names, sanitizers included.
  CHECK(std::chrono::steady_clock::now() - begin < std::chrono::seconds(5));
}

} // namespace

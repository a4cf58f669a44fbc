// SPDX-License-Identifier: Apache-2.0
//
// Networks in 8 bits that the compiler planned: values in s8 and u8 without zero points, each step
// against the oracle, on tiles and on the best vectors.
#include "byte_nets.hpp"
#include "bytes.hpp"

#include <ia_nn/graph/run/calibrate.hpp>

namespace {

using namespace graph_test;
using namespace graph_nets;

/// Keeps what each step has written.
class recorder final : public value_observer {
public:
  std::map<int, std::vector<double>> seen;

private:
  void see(written_value const& v) override {
    std::vector<double>& to = seen[v.id];
    to.clear();
    auto const read = [&]<class T>(T const*) {
      for (index_t r = 0; r < v.rows; ++r)
        for (index_t k = 0; k < v.columns; ++k)
          to.push_back(static_cast<double>(v.row<T>(r)[k]));
    };
    if (v.what.type == value_type::u8) read(static_cast<u8 const*>(nullptr));
    else if (v.what.type == value_type::s8) read(static_cast<s8 const*>(nullptr));
    else read(static_cast<f32 const*>(nullptr));
  }
};

/// A value of a run. That of a concat into which its parts were written is put together from these.
std::vector<double> value_of(plan_view const& v, recorder const& r, int id) {
  id = graph::detail::root(v.nodes, id);
  if (auto const found = r.seen.find(id); found != r.seen.end()) return found->second;
  std::vector<double> y;
  node const& n = v.nodes[id];
  if (n.kind != op::concat) return y;
  std::vector<std::vector<double>> parts;
  for (int const in : n.inputs) parts.push_back(value_of(v, r, in));
  index_t const rows = std::ssize(parts[0]) / v.nodes[n.inputs[0]].shape.last();
  for (index_t row = 0; row < rows; ++row)
    for (std::vector<double> const& x : parts) {
      index_t const width = std::ssize(x) / rows;
      y.insert(y.end(), x.begin() + row * width, x.begin() + (row + 1) * width);
    }
  return y;
}

/// Each kind of step that reads or writes s8: with operands of both types, in pools, moves and concats.
struct signed_net {
  static constexpr quantize_rules quantize{.mode = quantize_mode::full,
                                           .values = byte_values::symmetric,
                                           .in_float = {"h"}};
  static constexpr void build(builder& b) {
    auto const x = input(b, "x", {any_batch, 6, 5, 3});
    auto const a = relu(conv3(x, "a", 8)), c = conv3(a, "c", 8);
    auto const p = max_pool(c, {.kernel = 3, .stride = 1, .pad = 1, .name = "p"});
    auto const t = tanh(c) * a;
    auto const d = relu(conv3(average_pool(a, {.kernel = 3, .stride = 1, .pad = 1}), "d", 8) + a);
    auto const e = conv3(t, "e", 8) + c;
    auto const both = concat({conv3(p, "b0", 4), average_pool(p, {.kernel = 3, .stride = 1, .pad = 1})});
    auto const g = gelu(conv3(pad(both, {.begin = {1, 1}, .end = {-1, -1}, .value = -0.5F}), "g", 8)) - d;
    output(conv3(g, "end", 5));
    output(dense(flatten(e), {.units = 7, .name = "fc"}));
    output(conv3(relu(conv3(d, "h", 8)), "behind_h", 5));
  }
};
template <value_type T> constexpr int count_of() {
  int n = 0;
  for (node const& x : typed<signed_net, precision::s8>.nodes) n += x.type == T;
  return n;
}
static_assert(count_of<value_type::s8>() >= 10 && count_of<value_type::u8>() >= 4);

TEST_CASE("values in s8", "[graph][bytes]") {
  problem const p = problem_of<signed_net>(30, 3);
  value_ranges const all = calibrate<signed_net>(p.weights.from, {p.floats[0]});
  ia_nn::thread_pool two(2);
  for (f32 const part : {1.0F, 0.4F}) {
    INFO("ranges times " << part);
    compile_options o{.max_batch = 3, .workers = 2};
    for (named_range const& r : all.all())
      o.ranges.add(r.name, {r.range.low * part, r.range.high * part});
    for_each_isa<tiles_and_native>([&](auto tag) {
      using policy = native<decltype(tag), s8>;
      using network = observed_network<signed_net, policy>;
      compiled<signed_net, policy> const net(p.weights.from, o);
      network run(net);
      recorder r;
      call const c(p);
      run.run(p.batch, c.in, r, two);
      auto const value = [&](int id) { return value_of(network::plan, r, id); };
      int const known = check_steps({network::plan, p.batch, value}, p, o.ranges);
      CHECK(known + 1 >= network::plan.count); // h is in f32
      if (part == 1)
        for (int i = 0; i < 3; ++i) {
          exact_buffer<f32> const& y = c.out[static_cast<std::size_t>(i)];
          f32 const* const is = run.result(i);
          REQUIRE(y.size() > 0);
          CHECK(distance(is, p.expected[static_cast<std::size_t>(i)]) <= 0.1);
        }
    });
  }
}

} // namespace

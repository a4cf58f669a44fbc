// SPDX-License-Identifier: Apache-2.0
//
// The suite `train_rnn`: forward and backward of recurrent layers and stacks against other libraries.
// Built once per instruction set. PyTorch has a process of its own: bench/peers/train_torch.py.
#include "harness.hpp"
#include "ours_train_rnn.hpp"

#include <stdexcept>

namespace {

using bench::own_isa, bench::own_isa_name, bench::product;

// Differences over values, by the sums of their squares.
[[maybe_unused]] double distance_of_sums(std::vector<float> const& a, std::vector<float> const& b) {
  double difference = 0, value = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    double const x = static_cast<double>(a[i]), y = static_cast<double>(b[i]);
    difference += (x - y) * (x - y), value += y * y;
  }
  return std::sqrt(difference / value);
}

// A relu has a kink: of millions of units some are so near to 0 that rounding decides whether the
// gradient of one goes through.
[[maybe_unused]] void compare(std::string const& type, bench::rnn_shape const& s,
                              std::string const& who, bench::rnn_training_result const& got,
                              bench::rnn_training_result const& want) {
  double const layers = std::sqrt(static_cast<double>(s.layers));
  double const kink = s.cell == bench::cell::relu ? 100 : 1;
  auto const part = [&](char const* what, std::vector<float> const& a,
                        std::vector<float> const& b) {
    double const error =
        s.cell == bench::cell::relu ? distance_of_sums(a, b) : bench::distance(a, b);
    if (a.size() == b.size() && error <= bench::rnn_tolerance(type.c_str()) * layers * kink) return;
    throw std::runtime_error("train_rnn " + type + " " + s.name + " on " + own_isa_name + ": " +
                             what + " of " + who + " differs by " + std::to_string(error) +
                             " of the largest value");
  };
  part("dst", got.dst, want.dst);
  part("diff_src", got.diff_src, want.diff_src);
  part("diff_w", got.diff_w, want.diff_w);
  part("diff_u", got.diff_u, want.diff_u);
}

template <class A>
std::vector<bench::contender>
contenders(bench::context& c, std::vector<bench::rnn_training_peer> const& peers,
           bench::group const& g, product type, bench::rnn_shape const& s) {
  bench::rnn_training_problem const p(s);
  std::vector<bench::contender> list;
  bench::rnn_training_result expected;
  bench::with_cell(s.cell, [&](auto cell) {
    auto const ours =
        std::make_shared<bench::ours_rnn_training<own_isa, decltype(cell), A>>(p, c.threads);
    ours->forward(), ours->backward();
    expected = ours->result();
    list.push_back({"ours", [ours] { ours->forward(), ours->backward(); }});
    return 0;
  });
  for (auto const& peer : peers) {
    if (!peer.missing.empty()) continue;
    auto other = peer.make(p, type);
    std::string name = peer.name;
    if (!other && type != product::f32) other = peer.make(p, product::f32), name += "_f32";
    if (!other) continue;
    other->call();
    compare(g.type, s, name, other->result(), expected);
    c.out.note(name + " computes " + bench::name_of(s.cell) + " in " + c.group_name(g) + " with " +
               other->kernel);
    list.push_back({name, std::move(other->call)});
  }
  return list;
}

std::vector<bench::rnn_kind> kinds() {
  using bench::cell, bench::direction;
  auto const shape = [](cell c, long time, long layers, direction d) {
    std::string name = bench::name_of(c);
    if (layers > 1) name += " " + std::to_string(layers) + " layers";
    name += " " + std::to_string(time) + "x20x800x800";
    if (d == direction::concat) name += " concat";
    return bench::rnn_shape{name, c, time, 20, 800, 800, 0, layers, d};
  };
  bench::rnn_kind layer{"layer", {}}, stack{"stack", {}};
  for (cell c : {cell::lstm, cell::gru, cell::gru_rb, cell::tanh, cell::relu})
    layer.shapes.push_back(shape(c, 300, 1, direction::forward));
  for (cell c :
       {cell::lstm, cell::gru, cell::tanh, cell::relu}) { // of 300 steps, which take minutes
    stack.shapes.push_back(shape(c, 50, 5, direction::forward));
    stack.shapes.push_back(shape(c, 20, 5, direction::concat));
  }
  return {layer, stack};
}

template <class A>
void add(std::vector<bench::group>& groups, bench::context& c, std::string const& type_name,
         product type, std::vector<bench::rnn_training_peer> const& peers) {
  double const peak = bench::measure(bench::limit_of(type), c.threads) * 1e9;
  for (bench::rnn_kind const& kind : kinds()) {
    bench::group g{type_name, kind.word, bench::limit_of(type), {}};
    for (bench::rnn_shape const& s : kind.shapes) {
      bench::bench_case b;
      b.name = s.name;
      b.operations = 3 * s.operations(); // forward, gradients of inputs and states, of weights
      b.bytes = static_cast<std::size_t>(
          3 * s.weights() * 4 +
          2 * static_cast<double>(s.time * s.batch * (s.input + s.width())) * 4);
      bench::group const named{type_name, kind.word, g.limit, {}};
      b.prepare = [=, &c] { return contenders<A>(c, peers, named, type, s); };
      c.add(g, std::move(b), peak);
    }
    groups.push_back(std::move(g));
  }
}

std::vector<bench::group> groups(bench::context& c) {
  auto const peers = bench::rnn_training_peers();
  c.out.list(peers);
  std::vector<bench::group> list;
  if constexpr (bench::is_base) add<ia_nn::f32>(list, c, "f32", product::f32, peers);
  if constexpr (bench::has_bf16) add<ia_nn::bf16>(list, c, "bf16", product::bf16, peers);
  return list;
}

// Sequences per second beside those published for MXNet's fused recurrent layers on two sockets of a
// Skylake 8180, 56 cores.
void headlines(bench::context& c) {
  std::map<std::string, double> const published{{"lstm 300x20x800x800", 153.5},
                                                {"gru 300x20x800x800", 171.9},
                                                {"relu 300x20x800x800", 357.1},
                                                {"tanh 300x20x800x800", 319.0}};
  for (bench::row const& r : c.out.rows) {
    if (r.peer != "best" && r.peer != "none") continue;
    auto const found = published.find(r.case_name);
    if (found == published.end()) continue;
    c.out.headlines.push_back({r.case_name + ", forward and backward",
                               r.group,
                               "samples/s",
                               20 / (r.ours_ms * 1e-3),
                               20 / (r.peer_ms * 1e-3),
                               {{"56 Skylake cores", found->second}}});
  }
}

} // namespace

int main(int argc, char** argv) {
  return bench::run(argc, argv, "train_rnn", own_isa_name, groups, headlines);
}

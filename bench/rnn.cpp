// SPDX-License-Identifier: Apache-2.0
//
// The suite `rnn`: recurrent layers over whole sequences, and one sample at a time, against other
// libraries. Built once per instruction set.
#include "harness.hpp"
#include "operands.hpp"
#include "ours_rnn.hpp"
#include "peers/rnn_peers.hpp"
#include "rnn_stream.hpp"

#include <algorithm>
#include <cmath>
#include <stdexcept>

namespace {

using bench::own_isa, bench::own_isa_name, bench::product;

// A peer without a kernel for the type shows the best that it has instead, under another name.
// Without instructions for bf16 that is f32: what emulates bf16 there takes several times as long.
struct offer {
  bench::rnn_runner runner;
  std::string name;
};
std::optional<offer> offered(bench::rnn_peer const& peer, bench::rnn_problem const& p,
                             product type) {
  if (auto r = peer.make(p, type)) return offer{std::move(*r), peer.name};
  if (type == product::u8s8 && bench::has_bf16)
    if (auto r = peer.make(p, product::bf16)) return offer{std::move(*r), peer.name + "_bf16"};
  if (type != product::f32)
    if (auto r = peer.make(p, product::f32)) return offer{std::move(*r), peer.name + "_f32"};
  return {};
}

void refuse(std::string const& type, bench::rnn_shape const& s, std::string const& who,
            std::string const& with, double error) {
  // Errors of layers are independent of each other.
  double const layers = std::sqrt(static_cast<double>(s.layers));
  if (error <= bench::rnn_tolerance(type.c_str()) * layers) return;
  throw std::runtime_error("rnn " + type + " " + s.name + " on " + own_isa_name + ": " + who +
                           " differs from " + with + " by " + std::to_string(error) +
                           " of the largest value");
}

// The first steps of the first and the last sequence, as many as are computed in a moment: a
// sequence has to be followed from its beginning, in all layers, both directions from both ends.
void check(std::string const& type, bench::rnn_problem const& p, bench::ours_runner& ours) {
  bench::rnn_shape const& s = p.shape;
  constexpr double multiplications = 2e8;
  long const time = std::clamp(static_cast<long>(multiplications / s.weights()), 1L, s.time);
  ours.run(time);
  auto const all = ours.result(time);
  for (long n : {0L, s.batch - 1}) {
    std::vector<float> computed;
    for (long t = 0; t < time; ++t) {
      auto const from = all.begin() + (t * s.batch + n) * s.width();
      computed.insert(computed.end(), from, from + s.width());
    }
    refuse(type, s, "ours", "the definition",
           bench::distance(computed, bench::rnn_definition(p, n, time)));
  }
}

template <class A, class B>
std::vector<bench::contender>
contenders(bench::context& c, std::vector<bench::rnn_peer> const& peers, bench::group const& g,
           product type, bench::rnn_shape const& s) {
  bench::rnn_problem const p(s);
  std::vector<bench::contender> list;
  auto const ours = bench::make_ours<own_isa, A, B>(p, c.threads);
  check(g.type, p, *ours);
  ours->run(s.time);
  auto const expected = ours->result(s.time);
  list.push_back({"ours", [ours, time = s.time] { ours->run(time); }});
  for (bench::rnn_peer const& peer : peers) {
    if (!peer.missing.empty()) continue;
    auto other = offered(peer, p, type);
    if (!other) continue;
    other->runner.call();
    refuse(g.type, s, other->name, "ours", bench::distance(other->runner.result(), expected));
    c.out.note(other->name + " computes " + bench::name_of(s.cell) + " in " + c.group_name(g) +
               " with " + other->runner.kernel);
    list.push_back({other->name, std::move(other->runner.call)});
  }
  return list;
}

template <class A, class B>
void add(std::vector<bench::group>& groups, bench::context& c, std::string const& type_name,
         product type, std::vector<bench::rnn_peer> const& peers,
         std::vector<bench::rnn_kind> const& kinds) {
  double const peak = bench::measure(bench::limit_of(type), c.threads) * 1e9;
  for (bench::rnn_kind const& kind : kinds) {
    bench::group g{type_name, kind.word, bench::limit_of(type), {}};
    for (bench::rnn_shape const& s : kind.shapes) {
      bench::bench_case b;
      b.name = s.name;
      b.operations = s.operations();
      b.bytes = static_cast<std::size_t>(
          s.weights() * sizeof(B) +
          static_cast<double>(s.time * s.batch) *
              static_cast<double>(s.input * static_cast<long>(sizeof(A)) +
                                  s.width() * static_cast<long>(sizeof(float))));
      bench::group const named{type_name, kind.word, g.limit, {}};
      b.prepare = [=, &c] { return contenders<A, B>(c, peers, named, type, s); };
      c.add(g, std::move(b), peak);
    }
    groups.push_back(std::move(g));
  }
}

std::vector<bench::group> groups(bench::context& c) {
  auto const peers = bench::rnn_peers();
  c.out.list(peers);
  std::vector<bench::rnn_kind> kinds;
  if (c.opt.shapes.empty()) {
    kinds = bench::builtin_rnn_kinds();
  } else {
    bench::rnn_list list = bench::read_rnn_shapes(c.opt.shapes);
    for (std::string const& s : list.skipped) c.out.skipped.push_back(s);
    kinds.push_back({"", std::move(list.shapes)});
  }
  std::vector<bench::group> list;
  using ia_nn::f32, ia_nn::bf16, ia_nn::u8, ia_nn::s8;
  if constexpr (bench::is_base) add<f32, f32>(list, c, "f32", product::f32, peers, kinds);
  if constexpr (bench::has_bf16) add<bf16, bf16>(list, c, "bf16", product::bf16, peers, kinds);
  if constexpr (bench::has_new_bytes) add<u8, s8>(list, c, "u8s8", product::u8s8, peers, kinds);
  if constexpr (bench::is_base)
    if (c.opt.shapes.empty() && c.threads == 1) bench::add_streams(list, c);
  return list;
}

// Sequences per second of the layers for which others have published figures: MXNet's layers with
// cuDNN on a P100, and Intel's on two sockets of a Skylake 8180; a sequence of 1600 steps.
void headlines(bench::context& c) {
  struct wanted {
    char const* start; // of the case's name
    char const* what;
    bool rate;
    double factor; // sequences per call, or calls per sequence
    std::map<std::string, double> published;
  };
  std::vector<wanted> const list{{"lstm 300x20x800x800",
                                  "LSTM 300x20x800x800",
                                  true,
                                  20,
                                  {{"P100", 1049.8}, {"two Skylake 8180", 394.7}}},
                                 {"gru 300x20x800x800",
                                  "GRU 300x20x800x800",
                                  true,
                                  20,
                                  {{"P100", 952.4}, {"two Skylake 8180", 392.2}}},
                                 {"gru 200x12x161x1760",
                                  "GRU 1600x12x161x1760, 8 times 200 steps",
                                  false,
                                  8,
                                  {{"published", 1.32}}},
                                 {"gru_rb 200x12x161x1760",
                                  "GRU reset before, 1600x12x161x1760, 8 times 200 steps",
                                  false,
                                  8,
                                  {{"published", 1.32}}}};
  for (bench::row const& r : c.out.rows) {
    if ((r.peer != "best" && r.peer != "none") || r.group.find("deepspeech") == std::string::npos)
      continue;
    for (wanted const& w : list) {
      if (r.case_name.rfind(w.start, 0) != 0) continue;
      auto const figure = [&](double ms) {
        return w.rate ? w.factor / (ms * 1e-3) : w.factor * ms * 1e-3;
      };
      c.out.headlines.push_back({w.what, r.group, w.rate ? "samples/s" : "s", figure(r.ours_ms),
                                 figure(r.peer_ms), w.published});
    }
  }
}

} // namespace

int main(int argc, char** argv) {
  return bench::run(argc, argv, "rnn", own_isa_name, groups, headlines);
}

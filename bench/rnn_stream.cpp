// SPDX-License-Identifier: Apache-2.0
#include "rnn_stream.hpp"

#include "ours_stream.hpp"

#include <stdexcept>

namespace bench {

namespace {

std::vector<double> definition(stream_problem const& s) {
  auto const h = rnn_definition(s.layer, 0, stream_samples);
  std::vector<double> y(stream_samples, static_cast<double>(s.bias));
  for (std::size_t i = 0; i < h.size(); ++i)
    y[i / s.dense.size()] += h[i] * static_cast<double>(s.dense[i % s.dense.size()]);
  return y;
}

template <class Cell, long Input, long Hidden>
std::vector<contender> contenders(context& c, cell kind, bool by_block) {
  stream_problem const p(kind, Input, Hidden);
  auto const expected = definition(p);
  auto const compare = [&](std::string const& who, std::vector<float> const& y) {
    double const error = distance(y, expected);
    if (error <= rnn_tolerance("f32")) return;
    throw std::runtime_error("rnn stream " + std::string(name_of(kind)) + " " +
                             std::to_string(Input) + "x" + std::to_string(Hidden) + " on " +
                             own_isa_name + ": " + who + " differs from the definition by " +
                             std::to_string(error) + " of the largest value");
  };
  auto const ours = std::make_shared<ours_stream<own_isa, Cell, Input, Hidden>>(p);
  compare("ours", ours->result(by_block));
  std::vector<contender> list;
  if (by_block) list.push_back({"ours", [ours] { ours->block(); }});
  else list.push_back({"ours", [ours] { ours->step(); }});
  for (stream_peer const& peer : stream_peers()) {
    if (!peer.missing.empty()) {
      c.out.missing[peer.name] = peer.missing;
      continue;
    }
    auto runner = peer.make(p);
    if (!runner) continue;
    c.out.peers[peer.name] = peer.version;
    compare(peer.name, runner->result());
    list.push_back({peer.name, by_block ? std::move(runner->block) : std::move(runner->step)});
  }
  return list;
}

template <class Cell, long Input, long Hidden>
void add(group& g, context& c, cell kind, bool by_block) {
  bench_case b;
  rnn_shape const s{{}, kind, 1, 1, Input, Hidden};
  b.name = std::string(name_of(kind)) + " " + std::to_string(Input) + "x" + std::to_string(Hidden);
  b.items = by_block ? stream_samples : 1;
  b.operations = b.items * (s.operations() + 2.0 * Hidden);
  b.bytes = static_cast<std::size_t>(4 * s.weights());
  b.prepare = [&c, kind, by_block] { return contenders<Cell, Input, Hidden>(c, kind, by_block); };
  c.add(g, std::move(b), 0);
}

template <long Hidden> void add_both(group& g, context& c, bool by_block) {
  add<ia_nn::lstm, 1, Hidden>(g, c, cell::lstm, by_block);
  add<ia_nn::gru, 1, Hidden>(g, c, cell::gru, by_block);
  add<ia_nn::lstm, Hidden, Hidden>(g, c, cell::lstm, by_block);
  add<ia_nn::gru, Hidden, Hidden>(g, c, cell::gru, by_block);
}

template <long... Hidden>
void add_group(std::vector<group>& groups, context& c, std::string const& word, bool by_block) {
  group g{"f32", word, limit_of(product::f32), {}};
  (add_both<Hidden>(g, c, by_block), ...);
  groups.push_back(std::move(g));
}

} // namespace

void add_streams(std::vector<group>& groups, context& c) {
  if constexpr (is_base) {
    add_group<8, 16, 20, 32, 40, 64, 128, 256>(groups, c, "stream", false);
    add_group<8, 16>(groups, c, "stream64", true);
  }
}

} // namespace bench

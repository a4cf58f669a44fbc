// SPDX-License-Identifier: Apache-2.0
//
// The suite `train`: gradients of the convolutions of networks for source and weights, against other
// libraries. Built once per instruction set.
#include "conv_sum.hpp"
#include "harness.hpp"
#include "ours_train.hpp"
#include "peers/train_peers.hpp"
#include "used_kernels.hpp"

#include <random>
#include <stdexcept>

namespace {

using bench::own_isa, bench::own_isa_name, bench::product;

struct suite {
  std::vector<bench::train_peer> peers = bench::train_peers();
  bench::conv_sums sums;
  bench::used_kernels kernels;
};

void refuse(bench::train_problem const& p, std::string const& who, std::string const& with,
            std::vector<float> const& is, std::vector<float> const& should) {
  double const error = is.size() == should.size()
                           ? bench::distance(is, should) / (p.type == product::bf16 ? 1e-2 : 1e-4)
                           : INFINITY;
  if (error <= 1) return;
  throw std::runtime_error("train " + p.shape.name + " on " + own_isa_name + ": " + who + " differs from " +
                           with + " by " + std::to_string(error) + " times what rounding explains");
}

template <class E>
std::vector<bench::contender> contenders(bench::context& c, suite& all, std::string const& group, product type,
                                         bench::direction what, bench::conv_shape const& s) {
  bench::train_problem const p(s, type, what);
  auto const ours = std::make_shared<bench::ours_train<own_isa, E>>(p, c.threads);
  ours->run();
  std::vector<float> const expected = ours->result();
  std::minstd_rand random(5);
  std::vector<std::size_t> places{0, expected.size() - 1};
  for (int i = 0; i < 100; ++i) places.push_back(random() % expected.size());
  std::vector<float> is, should;
  for (std::size_t at : places) {
    is.push_back(expected[at]);
    should.push_back(static_cast<float>(p.definition(at)));
  }
  refuse(p, "ours", "the definition", is, should);
  std::vector<bench::contender> list{{"ours", [ours] { ours->run(); }}};
  for (bench::train_peer const& peer : all.peers) {
    if (!peer.missing.empty()) continue;
    for (bench::conv_contender& other : peer.make(p)) {
      other.call();
      refuse(p, other.name, "ours", other.result(), expected);
      all.kernels.add(group, other.name + " " + other.kernel, s.name);
      list.push_back({other.name, std::move(other.call)});
    }
  }
  return list;
}

template <class E>
void add(std::vector<bench::group>& groups, bench::context& c, suite& all, std::string const& type_name,
         product type) {
  double const peak = bench::measure(bench::limit_of(type), c.threads) * 1e9;
  for (bench::train_kind const& kind : bench::train_kinds()) {
    bench::group g{type_name, kind.word, bench::limit_of(type), {}};
    std::string const name = c.group_name(g);
    for (bench::conv_shape const& s : kind.shapes) {
      bench::bench_case b;
      b.name = s.name;
      b.operations = s.operations();
      b.bytes = static_cast<std::size_t>(s.source_elements() + s.weight_elements() + s.result_elements()) * 4;
      b.prepare = [=, &c, &all] { return contenders<E>(c, all, name, type, kind.what, s); };
      c.add(g, std::move(b), peak);
      all.sums.add(name, s.name, s.count);
    }
    groups.push_back(std::move(g));
  }
}

std::vector<bench::group> groups(bench::context& c, suite& all) {
  c.out.list(all.peers);
  std::vector<bench::group> list;
  if constexpr (bench::is_base) add<ia_nn::f32>(list, c, all, "f32", product::f32);
  if constexpr (bench::has_bf16) add<ia_nn::bf16>(list, c, all, "bf16", product::bf16);
  return list;
}

void close(bench::context& c, suite const& all) {
  all.sums.append(c.out);
  all.kernels.append(c.out);
}

} // namespace

int main(int argc, char** argv) {
  suite all;
  return bench::run(
      argc, argv, "train", own_isa_name, [&](bench::context& c) { return groups(c, all); },
      [&](bench::context& c) { close(c, all); });
}

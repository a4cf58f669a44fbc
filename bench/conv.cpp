// SPDX-License-Identifier: Apache-2.0
//
// The suite `conv`: the convolutions of networks, with bias and relu, against other libraries.
// Built once per instruction set.
#include "conv_sum.hpp"
#include "harness.hpp"
#include "ours_conv.hpp"
#include "peers/conv_peers.hpp"
#include "used_kernels.hpp"

#include <random>
#include <stdexcept>

namespace {

using bench::own_isa, bench::own_isa_name, bench::product;

struct suite {
  std::vector<bench::conv_peer> peers = bench::conv_peers();
  bench::conv_sums sums;
  bench::used_kernels kernels;
};

void refuse(std::string const& type, bench::conv_shape const& s, std::string const& who,
            std::string const& with, double error) {
  if (error <= 1) return;
  throw std::runtime_error("conv " + type + " " + s.name + " on " + own_isa_name + ": " + who +
                           " differs from " + with + " by " + std::to_string(error) +
                           " times what rounding explains");
}

// The corners of the result and some elements between them.
template <class Definition>
double distance_from_definition(bench::conv_problem const& p, std::vector<float> const& result,
                                Definition const& definition) {
  std::minstd_rand random(5);
  std::vector<std::size_t> places{0, result.size() - 1};
  for (int i = 0; i < 100; ++i) places.push_back(random() % result.size());
  std::vector<float> is, should;
  for (std::size_t at : places) {
    is.push_back(result[at]);
    should.push_back(static_cast<float>(definition(at)));
  }
  return bench::conv_error(p, is, should);
}

// A depthwise layer and the 1x1 behind it: ours as one kernel, ours as two, and others'.
template <class A, class B, class C>
std::vector<bench::contender>
pair_contenders(bench::context& c, suite& all, std::string const& group,
                std::string const& type_name, product type, bench::conv_shape const& s) {
  bench::conv_problem const p(s.first(), type), q(s.second(), type);
  std::vector<bench::contender> list;
  using pair = bench::ours_pair<own_isa, A, B, C>;
  auto const ours = std::make_shared<pair>(p, q, c.threads, true),
             apart = std::make_shared<pair>(p, q, c.threads, false);
  ours->run();
  std::vector<float> const expected = ours->result();
  auto const definition = [&](std::size_t at) { return bench::pair_definition(p, q, at); };
  refuse(type_name, s, "ours", "the definition", distance_from_definition(q, expected, definition));
  apart->run();
  refuse(type_name, s, "ours in two", "ours", bench::conv_error(q, apart->result(), expected));
  list.push_back({"ours", [ours] { ours->run(); }});
  list.push_back({"ours_in_two", [apart] { apart->run(); }});
  for (bench::conv_peer const& peer : all.peers) {
    if (!peer.missing.empty()) continue;
    for (bench::conv_contender& other : peer.make_pair(p, q)) {
      other.call();
      refuse(type_name, s, other.name, "ours", bench::conv_error(q, other.result(), expected));
      all.kernels.add(group, other.name + " " + other.kernel, s.name);
      list.push_back({other.name, std::move(other.call)});
    }
  }
  return list;
}

template <class A, class B, class C>
std::vector<bench::contender> contenders(bench::context& c, suite& all, std::string const& group,
                                         std::string const& type_name, product type,
                                         bench::conv_shape const& s) {
  if (s.behind > 0) return pair_contenders<A, B, C>(c, all, group, type_name, type, s);
  bench::conv_problem const p(s, type);
  std::vector<bench::contender> list;
  auto const ours = bench::make_ours<own_isa, A, B, C>(p, c.threads);
  ours->run();
  std::vector<float> const expected = ours->result();
  refuse(type_name, s, "ours", "the definition",
         distance_from_definition(p, expected, [&](std::size_t at) { return p.definition(at); }));
  list.push_back({"ours", [ours] { ours->run(); }});
  for (bench::conv_peer const& peer : all.peers) {
    if (!peer.missing.empty()) continue;
    for (bench::conv_contender& other : peer.make(p)) {
      other.call();
      refuse(type_name, s, other.name, "ours", bench::conv_error(p, other.result(), expected));
      all.kernels.add(group, other.name + " " + other.kernel, s.name);
      list.push_back({other.name, std::move(other.call)});
    }
  }
  return list;
}

template <class A, class B, class C>
void add(std::vector<bench::group>& groups, bench::context& c, suite& all,
         std::string const& type_name, product type, std::vector<bench::conv_kind> const& kinds) {
  double const peak = bench::measure(bench::limit_of(type), c.threads) * 1e9;
  // Bytes between layers fill 8 bits: the sums of pairs that others form without VNNI saturate.
  constexpr bool exact = ia_nn::isa::has<own_isa, ia_nn::isa::avx512_vnni> ||
                         ia_nn::isa::has<own_isa, ia_nn::isa::avx2_vnni>;
  for (bench::conv_kind const& kind : kinds) {
    if (kind.word.find("pairs") != std::string::npos && type == product::u8s8 && !exact) continue;
    bench::group g{type_name, kind.word, bench::limit_of(type), {}};
    std::string const name = c.group_name(g);
    for (bench::conv_shape const& s : kind.shapes) {
      bench::bench_case b;
      b.name = s.name;
      b.operations = s.operations();
      b.bytes = static_cast<std::size_t>(s.source_elements()) * sizeof(A) +
                static_cast<std::size_t>(s.weight_elements() + s.filters * s.behind) * sizeof(B) +
                static_cast<std::size_t>((s.behind > 0 ? s.second() : s).result_elements()) *
                    sizeof(C);
      b.prepare = [=, &c, &all] { return contenders<A, B, C>(c, all, name, type_name, type, s); };
      c.add(g, std::move(b), peak);
      all.sums.add(name, s.name, s.count);
    }
    groups.push_back(std::move(g));
  }
}

std::vector<bench::group> groups(bench::context& c, suite& all) {
  c.out.list(all.peers);
  auto const kinds =
      c.opt.shapes.empty()
          ? bench::builtin_conv_kinds()
          : std::vector<bench::conv_kind>{{"", bench::read_conv_shapes(c.opt.shapes)}};
  std::vector<bench::group> list;
  using ia_nn::f32, ia_nn::bf16, ia_nn::u8, ia_nn::s8;
  if constexpr (bench::is_base) add<f32, f32, f32>(list, c, all, "f32", product::f32, kinds);
  if constexpr (bench::has_bf16) add<bf16, bf16, bf16>(list, c, all, "bf16", product::bf16, kinds);
  if constexpr (bench::has_new_bytes) add<u8, s8, u8>(list, c, all, "u8s8", product::u8s8, kinds);
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
      argc, argv, "conv", own_isa_name, [&](bench::context& c) { return groups(c, all); },
      [&](bench::context& c) { close(c, all); });
}

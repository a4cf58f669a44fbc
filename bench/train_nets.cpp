// SPDX-License-Identifier: Apache-2.0
//
// The suite `train_nets`: one step of training of whole networks: forward, backward, stochastic gradient descent.
// bench/peers/train_nets.py holds it against PyTorch.
#include "train_nets/nets.hpp"

namespace {

std::vector<bench::group> groups(bench::context& c) {
  std::vector<bench::group> list;
  for (auto const& nets : {bench::plain_nets(), bench::residual_nets(), bench::early_inceptions(), bench::late_inceptions()})
    for (bench::trained_entry const& net : nets)
      for (bench::trained_variant const& v : net.variants) {
        auto at = list.begin();
        while (at != list.end() && at->type != v.precision) ++at;
        if (at == list.end()) at = list.insert(at, {v.precision, "", bench::limit_of(v.type), {}});
        bench::bench_case b;
        b.name = std::string(net.name) + " batch " + std::to_string(net.batch);
        b.operations = net.operations * static_cast<double>(net.batch);
        b.prepare = [&c, name = net.name, batch = net.batch, make = v.make]() -> std::vector<bench::contender> {
          return {{"ours", make(c, name, batch)}};
        };
        c.add(*at, std::move(b), 0); // no call is too long
      }
  return list;
}

} // namespace

int main(int argc, char** argv) {
  return bench::run(argc, argv, "train_nets", bench::own_isa_name, groups);
}

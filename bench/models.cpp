// SPDX-License-Identifier: Apache-2.0
//
// The suite `models`: the published networks of examples/models, one image and sixteen, in f32, bf16 and 8
// bits. bench/peers/nets.py puts other libraries beside it.
#include "../examples/models/catalog/batch.hpp"
#include "harness.hpp"
#include "product.hpp"

namespace {

using namespace bench;
using ia_nn::graph::precision;
namespace catalog = models::catalog;

struct form {
  char const* word;
  precision multiply;
  product type;
};
constexpr form forms[] = {{"f32", precision::f32, product::f32},
                          {"bf16", precision::bf16, product::bf16},
                          {"int8", precision::s8, product::u8s8}};

/// Our kernels, and oneDNN as a backend if it is there.
std::vector<contender> contenders(catalog::entry const& net, precision p, ia_nn::index_t items, int threads) {
  auto const in = std::make_shared<catalog::batch const>(catalog::batch::random(net, items, 1));
  catalog::random_weights const weights(net.weights);
  std::vector<contender> all;
  auto const add = [&](char const* name, catalog::backend by) {
    std::shared_ptr<catalog::session> const run =
        net.open(catalog::weight_source(weights),
                 {.multiply = p, .by = by, .batch = items, .threads = threads, .samples = {in->sources()}});
    all.push_back({name, [=] { run->run(items, in->sources()); }});
  };
  add("ours", catalog::backend::native);
#if defined(IA_NN_CATALOG_ONEDNN)
  add("onednn_backend", catalog::backend::onednn);
#endif
  return all;
}

std::vector<group> groups(context& c) {
  std::vector<group> list;
  for (catalog::entry const& net : catalog::all())
    for (form const& f : forms) {
      if (f.multiply == precision::bf16 && !has_bf16) continue;
      group g{f.word, net.name, limit_of(f.type), {}};
      for (ia_nn::index_t items : {1, 16}) {
        bench_case b;
        b.name = "batch " + std::to_string(items);
        b.operations = net.flops * static_cast<double>(items);
        b.prepare = [&net, f, items, threads = c.threads] { return contenders(net, f.multiply, items, threads); };
        c.add(g, std::move(b), 0);
      }
      list.push_back(std::move(g));
    }
  return list;
}

} // namespace

int main(int argc, char** argv) { return bench::run(argc, argv, "models", own_isa_name, groups); }

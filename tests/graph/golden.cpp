// SPDX-License-Identifier: Apache-2.0
//
// Networks of PyTorch: what tools/make_golden.py has put into tests/golden, against the same networks
// written here, on every instruction set, fused and step by step.
#include "golden_nets.hpp"
#include "planned.hpp"

#include <ia_nn/io/npy.hpp>
#include <ia_nn/io/safetensors.hpp>
#include <ia_nn/ops/move.hpp>

#include <filesystem>

namespace {

using namespace graph_test;
using ia_nn::npy_array;

/// Whether files have images, (batch, channels, ...), or what has the same order here.
enum class order { as_it_is, channels_first };

std::vector<f32> elements(npy_array const& a, order of) {
  std::vector<f32> const x = ia_nn::npy_elements<f32>(a);
  if (of == order::as_it_is) return x;
  std::vector<f32> y(x.size());
  index_t const batch = a.shape[0], channels = a.shape[1], pixels = a.size() / (batch * channels);
  ia_nn::to_channels_last<ia_nn::isa::scalar>(batch, channels, pixels, x.data(), y.data());
  return y;
}

/// The files of a network that has `outputs` outputs; PyTorch put them side by side.
problem load(std::string const& name, order in, order out, index_t outputs) {
  std::string const path = IA_NN_GOLDEN "/" + name;
  problem p;
  if (std::filesystem::exists(path + ".safetensors")) { // some have no weights
    graph::file_weights const file(ia_nn::load_safetensors(path + ".safetensors"));
    for (std::string const& n : file.names())
      p.weights.from.add(n, file.shape(n), p.weights.store.emplace_back(file.values(n)));
  }
  npy_array const x = ia_nn::load_npy(path + ".in.npy"), y = ia_nn::load_npy(path + ".out.npy");
  p.batch = x.shape[0];
  std::vector<f32> const given = elements(x, in), expected = elements(y, out);
  if (x.type == ia_nn::npy_type::int32) {
    auto& ids = p.integers.emplace_back(x.size());
    std::copy(given.begin(), given.end(), ids.begin());
    p.in.emplace_back(ids.data());
  } else {
    auto& numbers = p.floats.emplace_back(x.size());
    std::copy(given.begin(), given.end(), numbers.begin());
    p.in.emplace_back(numbers.data());
  }
  index_t const columns = y.size() / (p.batch * outputs);
  for (index_t o = 0; o < outputs; ++o) {
    std::vector<double>& e = p.expected.emplace_back();
    for (index_t b = 0; b < p.batch; ++b) {
      auto const begin = expected.begin() + (b * outputs + o) * columns;
      e.insert(e.end(), begin, begin + columns);
    }
  }
  return p;
}

void check(char const* name, graph::draft const& written, order in, order out) {
  INFO(name);
  run_time_plan const fused(written, {}), pairs(written, {.fuse_pairs = true}),
      apart(written, graph::unfused);
  problem const p = load(name, in, out, written.count_of(graph::op::output));
  for_each_isa<planned_isas>([&](auto tag) {
    using I = decltype(tag);
    graph::compile_options const o{.max_batch = p.batch};
    call const reference = run_planned<I>(apart, p, o);
    for (run_time_plan const* const n : {&fused, &pairs})
      compare(p, run_planned<I>(*n, p, o), reference, 1e-5, 1e-5);
  });
}
template <class Net> void check(char const* name, order in, order out) {
  check(name, graph::detail::built<Net>(), in, out);
}

TEST_CASE("networks of PyTorch", "[graph]") {
  constexpr order rows = order::as_it_is, image = order::channels_first;
  check<golden::mlp>("mlp", rows, rows);
  check<golden::lenet>("lenet", image, rows);
  check<golden::residual>("residual", image, rows);
  check<golden::separable>("separable", image, rows);
  check<golden::lstm>("lstm", rows, rows);
  check<golden::gru>("gru", rows, rows);
  check<golden::words>("words", rows, rows);
  check<golden::decoder>("decoder", rows, image);
  check<golden::group_norms>("group_norms", image, image);
  check<golden::local_response>("local_response", image, image);
  check<golden::tones>("tones", image, rows);
  check<golden::volume>("volume", image, rows);
  check<golden::functions>("functions", rows, rows);
  check<golden::epsilons>("epsilons", rows, rows);
}

} // namespace

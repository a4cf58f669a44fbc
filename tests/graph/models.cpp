// SPDX-License-Identifier: Apache-2.0
//
// The networks of the examples, the large ones on small images, on every instruction set.
#include "../../examples/images/nets.hpp"
#include "../../examples/models/inception_v3.hpp"
#include "../../examples/models/mnist.hpp"
#include "../../examples/models/mobilenet.hpp"
#include "../../examples/models/resnet.hpp"
#include "../../examples/models/wide_deep.hpp"
#include "../../examples/models/with_softmax.hpp"
#include "nets.hpp"
#include "planned.hpp"

#include <ia_nn/graph/run/calibrate.hpp>

namespace {

using namespace graph_test;
using ia_nn::graph::any_batch;
using ia_nn::graph::precision;

/// Operands that are rounded to bf16 are 2^-9 off, some layers deep.
void check_bf16(run_time_plan const& n, std::uint64_t seed) {
  problem const p = n.make_problem(seed, 3);
  for_each_isa<planned_isas>([&](auto tag) {
    call const c = run_planned<decltype(tag)>(n, p, {.max_batch = 3}, precision::bf16);
    double const d = distance(c.out[0], p.expected[0]);
    CHECK(d <= 0.05);
    CHECK(d > 0);
  });
}

TEST_CASE("digits", "[graph]") {
  both_ways const n = both_ways::of<models::with_softmax<models::mnist<>>>();
  check_everywhere(n, 1);
  check_threads(n.fused, 2, 4);
  check_bf16(n.fused, 3);
}

TEST_CASE("the networks of the 8-bit demo in f32", "[graph]") {
  check_everywhere(both_ways::of<images::plain>(), 1);
  check_everywhere(both_ways::of<images::residual>(), 2);
}

/// In 8 bits each value and each filter is rounded to 1 / 255 and 1 / 127 of its range, some layers deep.
template <class Net> void check_bytes_of(std::uint64_t seed) {
  run_time_plan const n = run_time_plan::of<Net>();
  problem const p = n.make_problem(seed, 2);
  graph::compile_options o{.max_batch = 3, .workers = 2};
  o.ranges = graph::calibrate<Net>(p.weights.from, p.floats[0]);
  ia_nn::thread_pool two(2);
  for_each_isa<planned_isas>([&](auto tag) {
    using I = decltype(tag);
    // An instruction that is emulated takes 10 us.
    if (std::same_as<I, ia_nn::isa::avx2_vnni> && !ia_nn::isa::available<I>()) return;
    call const c = run_planned<I>(n, p, o, precision::s8);
    double const d = distance(c.out[0], p.expected[0]);
    CHECK(d <= 0.05);
    CHECK(d > 1e-4);
    CHECK(same_bits(c, run_planned<I>(n, p, o, precision::s8, &two)));
  });
}
TEST_CASE("the networks of the 8-bit demo in 8 bits", "[graph]") {
  check_bytes_of<images::plain>(15);
  check_bytes_of<images::residual>(16);
}

TEST_CASE("wide and deep", "[graph]") {
  both_ways const n = both_ways::of<models::wide_deep<any_batch, 50, 3>>();
  check_everywhere(n, 4);
  check_threads(n.fused, 5, 4);
  check_bf16(n.fused, 6);
}

TEST_CASE("MobileNet", "[graph]") {
  using mobile = models::mobilenet<any_batch, 32>;
  both_ways const n = both_ways::of<graph_nets::paired<mobile>>();
  CHECK(n.fused.count_pairs() == 13);
  check_everywhere(n, 7);
  check_same(n.fused, run_time_plan::of<mobile>(), 8);
}

/// The instruction sets between these have no kernels of their own for networks.
using large_isas =
    std::conditional_t<contains<ia_nn::isa::amx, planned_isas> && !under_asan,
                       ia_nn::type_list<ia_nn::isa::amx, ia_nn::isa::avx512_bf16, ia_nn::isa::avx2,
                                        ia_nn::isa::scalar>,
                       planned_isas>;

/// Some fifty layers deep, and more.
void check_large(both_ways const& n, std::uint64_t seed) {
  problem const p = n.fused.make_problem(seed, 1);
  for_each_isa<large_isas>([&](auto tag) {
    using I = decltype(tag);
    compare(p, run_planned<I>(n.fused, p, {.max_batch = 1}),
            run_planned<I>(n.apart, p, {.max_batch = 1}), 1e-6, 1e-5);
    call const narrow = run_planned<I>(n.fused, p, {.max_batch = 1}, precision::bf16);
    CHECK(distance(narrow.out[0], p.expected[0]) <= 0.1);
  });
}
TEST_CASE("ResNet-50", "[graph]") {
  check_large(both_ways::of<models::resnet50_v1<any_batch, 32>>(), 10);
  check_large(both_ways::of<models::resnet50_v1_5<any_batch, 32>>(), 11);
}
TEST_CASE("Inception v3", "[graph]") {
  check_large(both_ways::of<models::inception_v3<any_batch, 75>>(), 12);
}

} // namespace

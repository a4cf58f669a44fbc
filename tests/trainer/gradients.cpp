// SPDX-License-Identifier: Apache-2.0
#include "gradients.hpp"

#include "../support/allocations.hpp"

namespace trainer_test {

training_problem::training_problem(graph::draft const& written, index_t items, std::uint64_t number)
    : nodes(written) {
  graph::simplify_for_training(nodes);
  INFO(graph::mistake_in_training(nodes).view());
  REQUIRE(graph::mistake_in_training(nodes).empty());
  ia_nn_test::random r(number);
  numbers = problem(nodes.nodes.data(), nodes.count(), items, r);
  for (std::size_t i = 0; i < numbers.expected[0].size(); ++i) loss_weights.push_back(r.normal());
}
int training_problem::output() const {
  int id = 0;
  while (nodes[id].kind != graph::op::output) ++id;
  return id;
}
double training_problem::loss() const {
  std::vector<std::vector<ia_nn::u8>> masks(nodes.nodes.size());
  training_mode const mode{[&](int id, index_t i) {
    graph::node const& n = nodes[id];
    std::vector<ia_nn::u8>& mask = masks[static_cast<std::size_t>(id)];
    ia_nn::dropout<ia_nn::isa::scalar> const drop(n.attributes.number, graph::seed_of_layer(seed, id));
    if (mask.empty()) {
      mask.resize(static_cast<std::size_t>(n.shape.size() * (n.shape.dynamic() ? numbers.batch : 1)));
      drop.mask(std::ssize(mask), mask.data(), round);
    }
    return mask[static_cast<std::size_t>(i)] ? static_cast<double>(drop.scale()) : 0.0;
  }};
  std::vector<double> const y = interpret(nodes.nodes.data(), nodes.count(), numbers.weights, numbers.batch,
                                          numbers.numbers, &mode)[0];
  double sum = 0;
  for (std::size_t i = 0; i < y.size(); ++i) sum += y[i] * static_cast<double>(loss_weights[i]);
  return sum;
}

long allocations_made() { return allocations; }

bool same_bits(training_result const& a, training_result const& b) {
  return a.gradients.size() == b.gradients.size() && std::memcmp(&a.loss, &b.loss, sizeof a.loss) == 0 &&
         std::memcmp(a.gradients.data(), b.gradients.data(), a.gradients.size() * sizeof(f32)) == 0;
}

namespace {

/// Up to the rounding of sums.
bool is_near(training_result const& a, training_result const& b) {
  double off = 0, scale = 0;
  for (std::size_t i = 0; i < a.gradients.size(); ++i) {
    off = std::fmax(off, std::fabs(static_cast<double>(a.gradients[i]) - static_cast<double>(b.gradients[i])));
    scale = std::fmax(scale, std::fabs(static_cast<double>(a.gradients[i])));
  }
  return off <= 1e-3 * scale;
}

/// The slope along one weight by central differences, or nothing where two of them differ: there is a kink.
bool slope_of(training_problem const& p, f32& x, double scale, double& slope) {
  f32 const before = x;
  auto const difference = [&](f32 step) {
    f32 const up = before + step, down = before - step;
    x = up;
    double const high = p.loss();
    x = down;
    double const low = p.loss();
    x = before;
    return (high - low) / (static_cast<double>(up) - static_cast<double>(down));
  };
  double const wide = difference(0x1p-15F), near = difference(0x1p-17F);
  slope = near + (near - wide) / 15; // what is left of the error is of the fourth order
  return std::fabs(wide - near) <= 2e-3 * std::fmax(scale, std::fabs(near));
}

} // namespace

void check_gradients(training_problem& p, comparison& c) {
  ++c.networks;
  constexpr double bound = 2e-3;
  training_result first;
  ia_nn::thread_pool two(2), three(3);
  for_each_isa<vector_isas>([&](auto tag) {
    using I = decltype(tag);
    INFO("isa " << ia_nn::isa::name<I>());
    training_result const alone = run_step<graph::native_kernels<I>>(p, {});
    for (ia_nn::thread_pool* const pool : {&two, &three}) CHECK(same_bits(alone, run_step<graph::native_kernels<I>>(p, {.pool = pool})));
    CHECK(same_bits(alone, run_step<graph::native_kernels<I>>(p, {.in_place = false})));
    // Of a value with three readers the gradients are added in another order.
    c.other_isas_off += !is_near(alone, run_step<graph::native_kernels<I>>(p, {.fuse_slopes = false}));
    for (graph::keep_values const k : {graph::keep_values::products, graph::keep_values::every_second, graph::keep_values::every_eighth})
      CHECK(same_bits(alone, run_step<graph::native_kernels<I>>(p, {.keep = k})));
    if (first.gradients.empty()) first = alone;
    c.other_isas_off += !is_near(first, alone);
  });
  double const exact = p.loss();
  c.loss_off += !(std::fabs(static_cast<double>(first.loss) - exact) <=
                  1e-5 * std::sqrt(static_cast<double>(p.loss_weights.size())) * std::fmax(1.0, std::fabs(exact)));

  double largest_of_all = 0;
  for (f32 const g : first.gradients) largest_of_all = std::fmax(largest_of_all, std::fabs(static_cast<double>(g)));
  ia_nn_test::random r(p.nodes.nodes.size());
  std::size_t at = 0;
  graph::trained_weights const list(p.nodes);
  for (auto const& w : list.all()) {
    if (!w.learned) continue;
    auto& x = const_cast<std::vector<f32>&>(*p.numbers.weights.by_name.at(w.name));
    double scale = largest_of_all / 64; // what should be 0 is what is left of sums
    for (std::size_t i = 0; i < x.size(); ++i)
      scale = std::fmax(scale, std::fabs(static_cast<double>(first.gradients[at + i])));
    for (int sample = 0; sample < 3; ++sample) {
      auto const i = static_cast<std::size_t>(r.between(0, std::ssize(x) - 1));
      double slope = 0;
      if (!slope_of(p, x[i], scale, slope)) continue;
      double const found = static_cast<double>(first.gradients[at + i]);
      ++c.compared;
      if (std::fabs(found - slope) <= bound * scale) continue;
      ++c.off;
      UNSCOPED_INFO(w.name << "[" << i << "]: " << found << ", by differences " << slope);
    }
    at += x.size();
  }
}

} // namespace trainer_test

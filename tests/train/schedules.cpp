// SPDX-License-Identifier: Apache-2.0
//
// Learning rates that change with the steps, against their recursions and values worked out by hand;
// golden.cpp compares them with PyTorch's.
#include "support.hpp"

#include <ia_nn/train/schedules.hpp>

namespace ia_nn_test {
namespace {

namespace schedule = ia_nn::schedule;
bool near(double a, double b) { return std::fabs(a - b) <= 1e-12 * (1 + std::fabs(b)); }

} // namespace

TEST_CASE("schedules", "[train][schedule]") {
  CHECK((near(schedule::constant{0.5}(7), 0.5)));
  schedule::step const step{1, 3, 0.5};
  CHECK((near(step(0), 1) && near(step(2), 1) && near(step(3), 0.5) && near(step(8), 0.25)));
  schedule::multi_step const stones{1.0, std::array<index_t, 2>{2, 5}, 0.1};
  CHECK((near(stones(1), 1) && near(stones(2), 0.1) && near(stones(4), 0.1) &&
         near(stones(5), 0.01)));
  schedule::exponential const falling{2, 0.5};
  CHECK((near(falling(0), 2) && near(falling(3), 0.25)));
  schedule::cosine const half{1, 10, 0.2};
  CHECK((near(half(0), 1) && near(half(5), 0.6) && near(half(10), 0.2) && near(half(20), 1)));
  schedule::linear const line{2, 4, 0.5, 1};
  CHECK((near(line(0), 1) && near(line(1), 1.25) && near(line(4), 2) && near(line(9), 2)));
}

TEST_CASE("a schedule behind a warm-up begins at its beginning", "[train][schedule]") {
  schedule::warm_up const rate{4, 0.25, schedule::step{0.8, 3, 0.5}};
  CHECK((near(rate(0), 0.2) && near(rate(2), 0.5) && near(rate(4), 0.8) && near(rate(6), 0.8) &&
         near(rate(7), 0.4)));
  schedule::warm_up const none{0, 0.5, schedule::constant{3}};
  CHECK(near(none(0), 3));
}

TEST_CASE("one cycle", "[train][schedule]") {
  for (bool lines : {false, true}) {
    schedule::one_cycle const two{1, 100, 0.3, 25, 1e4, false, lines};
    CHECK((near(two(0), 0.04) && near(two(29), 1) && near(two(99), 4e-6) && near(two(1000), 4e-6)));
    schedule::one_cycle const three{1, 100, 0.3, 25, 1e4, true, lines};
    CHECK((near(three(0), 0.04) && near(three(29), 1) && near(three(58), 0.04) &&
           near(three(99), 4e-6)));
    for (schedule::one_cycle const& c : {two, three})
      for (index_t s = 0; s + 1 < 100; ++s) CHECK((s < 29) == (c(s) < c(s + 1)));
    CHECK(near(two(64), lines ? 0.5 + 2e-6 : (1 + 4e-6) / 2));
  }
}

} // namespace ia_nn_test

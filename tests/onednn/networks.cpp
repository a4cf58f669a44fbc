// SPDX-License-Identifier: Apache-2.0
//
// Networks as they are published, some with fewer pixels: the oracle, this library and oneDNN.
#include "run.hpp"

#include "../../examples/models/inception_v3.hpp"
#include "../../examples/models/mnist.hpp"
#include "../../examples/models/mobilenet.hpp"
#include "../../examples/models/resnet.hpp"
#include "../catch.hpp"

namespace {

using namespace onednn_test;

std::vector<std::size_t> largest(std::vector<f32> const& x, std::size_t classes) {
  std::vector<std::size_t> all;
  for (std::size_t i = 0; i < x.size(); i += classes)
    all.push_back(static_cast<std::size_t>(std::max_element(x.begin() + static_cast<std::ptrdiff_t>(i),
                                                            x.begin() + static_cast<std::ptrdiff_t>(i + classes)) -
                                           x.begin()) - i);
  return all;
}
template <class Net> void check_network(int expected, index_t batch) {
  planned const n = planned::of<Net>();
  problem const p = n.make_problem(3, batch);
  graph::compile_options const o{.max_batch = p.batch};
  outcome const native = run(n, p, false, o), other = run(n, p, true, o);
  int const steps = steps_of_onednn(other);
  for (std::size_t k = 0; k < other.by.size(); ++k) UNSCOPED_INFO(other.layers[k] << ": " << other.by[k]);
  CHECK(steps >= expected);
  CHECK(distance(other.out[0], p.expected[0]) <= 1e-5);
  CHECK(distance(other.out[0], native.out[0]) <= 1e-5);
  std::size_t const classes = other.out[0].size() / static_cast<std::size_t>(p.batch);
  CHECK(largest(other.out[0], classes) == largest(native.out[0], classes));
}

TEST_CASE("MNIST by oneDNN", "[onednn]") { check_network<models::mnist<>>(5, 7); }
TEST_CASE("ResNet by oneDNN", "[onednn]") {
  check_network<models::network_of<models::resnet{.layers = 18, .classes = 10}, graph::any_batch, 32>>(20, 3);
}
TEST_CASE("MobileNet by oneDNN", "[onednn]") {
  check_network<models::network_of<models::mobilenet_v1{.width_percent = 50, .classes = 10}, graph::any_batch, 32>>(
      20, 3);
}
TEST_CASE("Inception by oneDNN", "[onednn]") { check_network<models::inception_v3<graph::any_batch, 75>>(80, 1); }

} // namespace

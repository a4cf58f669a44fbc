// SPDX-License-Identifier: Apache-2.0
#include "../ssd.hpp"
#include "entry_of.hpp"

namespace {

/// Priors are no parameters; they are added to every source of weights.
template <auto Ssd> models::catalog::entry detector(std::string name, models::catalog::pixel_scale pixels) {
  using namespace models;
  using ssd = std::remove_const_t<decltype(Ssd)>;
  auto e = catalog::entry_of<Ssd>(std::move(name), "SSD", catalog::meaning::boxes, pixels);
  e.parameters -= 4 * ia_nn::prior_count(ssd::priors);
  e.open = [open = e.open](catalog::weight_source const& from, catalog::session_options const& o) {
    auto const all = with_priors<ssd>(from);
    return open(catalog::weight_source(all), o);
  };
  return e;
}

} // namespace

std::vector<models::catalog::entry> models::catalog::detectors() {
  constexpr f32 byte = 1.0F / 255;
  return {
      detector<ssd_vgg16{}>("ssd300_vgg16", {{0.48235F, 0.45882F, 0.40784F}, {byte, byte, byte}}),
      // 127 of 255 is the middle, 128 the deviation.
      detector<ssd_mobilenet{}>("ssd300_mobilenet_v1",
                                {{127 * byte, 127 * byte, 127 * byte}, {128 * byte, 128 * byte, 128 * byte}}),
  };
}

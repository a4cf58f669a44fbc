// SPDX-License-Identifier: Apache-2.0
//
// Finds, reads and draws images.
#include "data.hpp"
#include "nets.hpp"

#include <ia_nn/io/gzip.hpp>

#include <filesystem>

namespace demo {
namespace {

void check(image_sets const& sets) {
  image_set const &a = sets.train, &b = sets.test;
  auto const text = [](image_set const& s) {
    return std::to_string(s.count) + " images of " + std::to_string(s.height) + " x " +
           std::to_string(s.width);
  };
  constexpr index_t side = demo_nets::side;
  if (a.height != side || b.height != side || a.width != side || b.width != side || a.count < 1 ||
      b.count < 1)
    throw error(errc::bad_shape, "'" + sets.name + "' has " + text(a) + " to train and " + text(b) +
                                     " to test; some of 28 x 28 are needed");
}

image_set squares(index_t count, random_numbers& random) {
  constexpr index_t size = 28, side = 4;
  image_set set{count, size, size, {}, {}};
  set.images.resize(static_cast<std::size_t>(count * size * size));
  set.labels.resize(static_cast<std::size_t>(count));
  for (u8& pixel : set.images) pixel = static_cast<u8>(random.below(80));
  for (index_t i = 0; i < count; ++i) {
    // Ten places in two rows of five; each square is off its place by up to a pixel.
    index_t const place = i % 10;
    index_t const top = 4 + place / 5 * 14 + random.below(3);
    index_t const left = place % 5 * 5 + 1 + random.below(3);
    for (index_t y = top; y < top + side; ++y)
      for (index_t x = left; x < left + side; ++x)
        set.images[static_cast<std::size_t>((i * size + y) * size + x)] =
            static_cast<u8>(176 + random.below(80));
    set.labels[static_cast<std::size_t>(i)] = static_cast<u8>(place);
  }
  return set;
}

} // namespace

image_sets load_images(std::string const& folder) {
  image_sets sets{load_image_set(folder, "train", gunzip{}),
                  load_image_set(folder, "t10k", gunzip{}), folder};
  check(sets);
  return sets;
}

std::string installed_images() {
  std::string const folder = "/usr/share/datasets/fashion-mnist";
  return std::filesystem::is_directory(folder) ? folder : "";
}

image_sets draw_squares(index_t train, index_t test, std::uint64_t seed) {
  random_numbers random(seed);
  image_set first = squares(train, random);
  return {std::move(first), squares(test, random), "squares"};
}

} // namespace demo

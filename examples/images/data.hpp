// SPDX-License-Identifier: Apache-2.0
//
// Small pictures with labels: from files, or drawn.
#pragma once

#include "nets.hpp"

#include <ia_nn/io/gzip.hpp>
#include <ia_nn/io/idx_images.hpp>

#include <random>

namespace images {

using ia_nn::f32, ia_nn::image_set, ia_nn::index_t, ia_nn::u8;

/// Of MNIST, Fashion-MNIST or any set of that form: train-images-idx3-ubyte[.gz] and so on.
inline image_set load(std::string const& folder, char const* what) {
  image_set set = ia_nn::load_image_set(folder, what, ia_nn::gunzip{});
  if (set.height == side && set.width == side && set.count > 0) return set;
  throw ia_nn::error(ia_nn::errc::bad_shape, "'" + folder + "': images of 28 x 28 are needed");
}
/// A bright square in one of ten places of a noisy image; the place is the label.
inline image_set squares(index_t count, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  auto const below = [&](unsigned n) { return static_cast<index_t>(random() % n); };
  image_set set{count, side, side, {}, {}};
  for (index_t i = 0; i < count; ++i) { // two rows of five places, up to two pixels further
    index_t const top = 4 + i % 10 / 5 * 14 + below(3), left = 1 + i % 5 * 5 + below(3);
    for (index_t k = 0; k < set.height * set.width; ++k) {
      index_t const y = k / set.width - top, x = k % set.width - left;
      bool const within = y >= 0 && y < 4 && x >= 0 && x < 4;
      set.images.push_back(static_cast<u8>(below(80) + (within ? 176 : 0)));
    }
    set.labels.push_back(static_cast<u8>(i % 10));
  }
  return set;
}
/// From 0 to 1, of at most `count` images.
inline std::vector<f32> pixels_of(image_set const& set, index_t count) {
  std::vector<f32> to;
  for (index_t i = 0; i < std::min(count, set.count); ++i)
    for (u8 const x : set.image(i)) to.push_back(static_cast<f32>(x) / 255);
  return to;
}

} // namespace images

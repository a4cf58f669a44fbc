// SPDX-License-Identifier: Apache-2.0
//
// The images that the demo learns from: IDX files of a folder, or squares that it draws itself.
#pragma once

#include "nets.hpp"

#include <ia_nn/io/gzip.hpp>
#include <ia_nn/io/idx_images.hpp>

#include <filesystem>

namespace demo {

using namespace ia_nn;

struct image_sets {
  image_set train, test;
  std::string name;
};

/// MNIST, Fashion-MNIST or any set of that form: train-images-idx3-ubyte and so on, with or without
/// ".gz". Errors: ia_nn::error (bad_file, and bad_shape for images of another size than 28 x 28).
inline image_sets load_images(std::string const& folder) {
  auto const load = [&](char const* what) {
    image_set set = load_image_set(folder, what, gunzip{});
    constexpr index_t side = demo_nets::side;
    if (set.height != side || set.width != side || set.count < 1)
      throw error(errc::bad_shape, "'" + folder + "' has " + std::to_string(set.count) +
                                       " images of " + std::to_string(set.height) + " x " +
                                       std::to_string(set.width) + "; some of 28 x 28 are needed");
    return set;
  };
  return {load("train"), load("t10k"), folder};
}

/// Where Debian's package dataset-fashion-mnist puts its files, or "" if it is not installed.
inline std::string installed_images() {
  std::string const folder = "/usr/share/datasets/fashion-mnist";
  return std::filesystem::is_directory(folder) ? folder : "";
}

/// Reproducible on every machine, which the standard's distributions are not.
class random_numbers {
public:
  explicit random_numbers(std::uint64_t seed) : state_(seed) {}
  /// Source: Steele, Lea and Flood, Fast splittable pseudorandom number generators (SplitMix64).
  std::uint64_t bits() {
    std::uint64_t z = state_ += 0x9e3779b97f4a7c15U;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9U;
    z = (z ^ z >> 27) * 0x94d049bb133111ebU;
    return z ^ z >> 31;
  }
  /// In [0, n). The bias of the remainder is n / 2^64.
  index_t below(index_t n) { return static_cast<index_t>(bits() % static_cast<std::uint64_t>(n)); }
  /// In [-1, 1).
  f32 around_zero() { return static_cast<f32>(bits() >> 40) * 0x1p-23F - 1; }

private:
  std::uint64_t state_;
};

/// A bright square in one of ten places of a noisy image; the place is the label.
inline image_set squares(index_t count, random_numbers& random) {
  constexpr index_t size = demo_nets::side, side = 4;
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

inline image_sets draw_squares(index_t train, index_t test, std::uint64_t seed) {
  random_numbers random(seed);
  image_set first = squares(train, random);
  return {std::move(first), squares(test, random), "squares"};
}

} // namespace demo

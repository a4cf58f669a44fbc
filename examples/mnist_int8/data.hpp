// SPDX-License-Identifier: Apache-2.0
//
// The images that the demo learns from: IDX files of a folder, or squares that it draws itself.
#pragma once

#include <ia_nn/io/idx_images.hpp>

namespace demo {

using namespace ia_nn;

struct image_sets {
  image_set train, test;
  std::string name;
};

/// MNIST, Fashion-MNIST or any set of that form: train-images-idx3-ubyte and so on, with or without
/// ".gz". Errors: ia_nn::error (bad_file, and bad_shape for images of another size than 28 x 28).
image_sets load_images(std::string const& folder);

/// Where Debian's package dataset-fashion-mnist puts its files, or "" if it is not installed.
std::string installed_images();

/// A bright square in one of ten places of a noisy image of 28 x 28; the place is the label.
image_sets draw_squares(index_t train, index_t test, std::uint64_t seed);

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

} // namespace demo

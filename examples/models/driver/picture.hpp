// SPDX-License-Identifier: Apache-2.0
//
// Pictures: read from PNG and JPEG by libpng and TurboJPEG, scaled and cut to what a network takes.
#pragma once

#include "../network_of.hpp"

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace models::driver {

/// 8 bits for each of three colours, line by line.
struct picture {
  index_t width = 0, height = 0;
  std::vector<std::uint8_t> rgb{};

  std::uint8_t* at(index_t x, index_t y) { return rgb.data() + 3 * (y * width + x); }
  std::uint8_t const* at(index_t x, index_t y) const { return rgb.data() + 3 * (y * width + x); }
};

inline constexpr index_t most_pixels = 100'000'000;

/// PNG or JPEG, whichever the bytes are; transparency is laid on black. `name` is for sentences. Errors:
/// ia_nn::error, errc::bad_file, for another format, a truncated or damaged file, more than `most` pixels, for
/// which no memory is taken.
picture parse_picture(std::span<std::byte const> file, std::string const& name, index_t most = most_pixels);
/// The same of a file. Errors: and errc::bad_file if it cannot be read.
picture load_picture(std::string const& path);
/// A PNG. Errors: errc::bad_file if it cannot be written.
void save_png(picture const& p, std::string const& path);

/// Of `width` x `height`: the mean of what each pixel covers, weighted by a triangle, as Pillow's and
/// torchvision's bilinear filter has it.
picture scaled(picture const& from, index_t width, index_t height);
/// The middle square of the picture, scaled so that its sides are `pixels`; `share` of the smaller side is
/// kept (torchvision's 224 of 256: 0.875).
picture middle_square(picture const& from, index_t pixels, double share = 0.875);

} // namespace models::driver

// SPDX-License-Identifier: Apache-2.0
//
// Pictures in memory, which libpng and TurboJPEG read.
#include "../../examples/models/driver/picture.cpp"
#include "fuzz.hpp"

using namespace ia_nn_fuzz;

int LLVMFuzzerTestOneInput(std::uint8_t const* bytes, std::size_t n) {
  accepted(bytes, n, [](std::span<std::byte const> file) {
    constexpr ia_nn::index_t most = 1 << 18;
    models::driver::picture const p = models::driver::parse_picture(file, "memory", most);
    require(p.width > 0 && p.height > 0 && p.width * p.height <= most, "as large as is allowed");
    require(std::ssize(p.rgb) == 3 * p.width * p.height, "a byte for each colour of each pixel");
    auto const small = models::driver::middle_square(p, 7);
    require(small.width == 7 && small.height == 7 && small.rgb.size() == 147, "of the size that was asked for");
  });
  return 0;
}

// SPDX-License-Identifier: Apache-2.0
//
// IDX files in memory, and sets of images and labels made of two of them.
#include "fuzz.hpp"

#include <ia_nn/io/idx_images.hpp>

using namespace ia_nn_fuzz;

int LLVMFuzzerTestOneInput(std::uint8_t const* bytes, std::size_t n) {
  accepted(bytes, n, [](std::span<std::byte const> file) {
    ia_nn::npy_array const a = ia_nn::parse_idx(file);
    check_array(a, file);
    require(!a.shape.empty() && a.shape.size() <= 8, "1 to 8 dimensions");
    require(file.size() == 4 + 4 * a.shape.size() + a.bytes.size(), "every byte has a meaning");
    std::size_t const width = static_cast<std::size_t>(bytes_of(a.type));
    std::byte const* const stored = file.data() + 4 + 4 * a.shape.size();
    for (std::size_t i = 0; i < a.bytes.size(); ++i)
      require(a.bytes[i] == stored[i / width * width + (width - 1 - i % width)],
              "elements are the file's, turned around");
    require(ia_nn::npy_elements<double>(a).size() == static_cast<std::size_t>(a.size()),
            "all elements are converted");
  });

  // The first byte says where the file of labels begins.
  if (n < 1) return 0;
  std::size_t const split = 1 + std::min<std::size_t>(bytes[0], n - 1);
  accepted(bytes + 1, n - 1, [&](std::span<std::byte const> files) {
    ia_nn::image_set const set = ia_nn::make_image_set(ia_nn::parse_idx(files.first(split - 1)),
                                                       ia_nn::parse_idx(files.subspan(split - 1)));
    require(set.labels.size() == static_cast<std::size_t>(set.count), "a label for each image");
    require(set.images.size() == static_cast<std::size_t>(set.count * set.height * set.width),
            "all pixels");
    for (ia_nn::index_t i = 0; i < set.count; ++i) {
      require(set.labels[static_cast<std::size_t>(i)] < 10, "labels are in range");
      require(set.image(i).size() == static_cast<std::size_t>(set.height * set.width), "pixels");
    }
  });
  return 0;
}

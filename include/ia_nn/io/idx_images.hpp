// SPDX-License-Identifier: Apache-2.0
//
// Labelled images in a folder of IDX files, as MNIST and sets of the same form come: one file of
// images [n][height][width] in u8, and one of n labels in u8.
#pragma once

#include <ia_nn/io/idx.hpp>

#include <ia_nn/begin.hpp>

/// Grey images with a label each.
struct image_set {
  index_t count = 0, height = 0, width = 0;
  std::vector<u8> images; ///< [count][height][width], 0 to 255
  std::vector<u8> labels; ///< [count]

  /// The pixels of image i, [height][width].
  std::span<u8 const> image(index_t i) const noexcept {
    IA_NN_ASSERT(i >= 0 && i < count, "idx: image ", i, " of ", count);
    auto const n = static_cast<std::size_t>(height * width);
    return std::span<u8 const>(images).subspan(static_cast<std::size_t>(i) * n, n);
  }
};

namespace detail {

inline void require_u8(npy_array const& array, std::size_t rank, char const* what) {
  if (array.type != npy_type::uint8 || array.shape.size() != rank)
    npy_fail(array.name, std::string("holds ") + name_of(array.type) + " in the shape " +
                             npy_shape_text(array.shape) + ", " + what + " are u1 of rank " +
                             std::to_string(rank));
}

inline std::vector<u8> u8_elements(npy_array const& array) {
  std::vector<u8> to(array.bytes.size());
  if (!to.empty()) std::memcpy(to.data(), array.bytes.data(), to.size());
  return to;
}

/// The first of <folder>/<set>-<what><-|.>idx<rank>-ubyte[.gz] that can be opened.
inline std::string find_idx(std::string const& folder, std::string const& set, char const* what,
                            int rank) {
  return within_memory(folder, [&] {
    std::string tried;
    for (char const* const end : {"", ".gz"})
      for (char const dot : {'-', '.'}) {
        std::string const name =
            set + '-' + what + dot + "idx" + std::to_string(rank) + "-ubyte" + end;
        std::string path = folder + '/' + name;
        if (::access(path.c_str(), R_OK) == 0) return path;
        tried += (tried.empty() ? "" : ", ") + name;
      }
    npy_fail(folder, "holds none of " + tried);
  });
}

} // namespace detail

/// The set of these images and labels. Errors: errc::bad_file if they are not u8 of rank 3 and 1
/// and as many, or if a label is not below `classes`; errc::out_of_memory.
inline image_set make_image_set(npy_array const& images, npy_array const& labels,
                                index_t classes = 10) {
  detail::require_u8(images, 3, "images");
  detail::require_u8(labels, 1, "labels");
  index_t const n = labels.shape[0];
  if (images.shape[0] != n)
    detail::npy_fail(labels.name, "holds " + std::to_string(n) + " labels, '" + images.name +
                                      "' holds " + std::to_string(images.shape[0]) + " images");
  image_set set = detail::within_memory(images.name, [&] {
    return image_set{n, images.shape[1], images.shape[2], detail::u8_elements(images),
                     detail::u8_elements(labels)};
  });
  for (std::size_t i = 0; i < set.labels.size(); ++i)
    if (set.labels[i] >= classes)
      detail::npy_fail(labels.name, "has the label " + std::to_string(set.labels[i]) +
                                        " at position " + std::to_string(i) +
                                        ", labels are below " + std::to_string(classes));
  return set;
}

/// The images and labels in `folder`, from the files
///     <set>-images-idx3-ubyte   or   <set>-images.idx3-ubyte
///     <set>-labels-idx1-ubyte   or   <set>-labels.idx1-ubyte
/// with or without ".gz" behind the name; MNIST's sets are "train" and "t10k". `decompress` is as
/// for `load_idx`. Errors: errc::bad_file, also where `make_image_set` has one;
/// errc::out_of_memory.
template <detail::decompressor Decompress>
image_set load_image_set(std::string const& folder, std::string const& set,
                         Decompress const& decompress, index_t classes = 10) {
  std::string const images = detail::find_idx(folder, set, "images", 3);
  std::string const labels = detail::find_idx(folder, set, "labels", 1);
  return make_image_set(load_idx(images, decompress), load_idx(labels, decompress), classes);
}

/// The same from files that are not compressed.
inline image_set load_image_set(std::string const& folder, std::string const& set,
                                index_t classes = 10) {
  std::string const images = detail::find_idx(folder, set, "images", 3);
  std::string const labels = detail::find_idx(folder, set, "labels", 1);
  return make_image_set(load_idx(images), load_idx(labels), classes);
}

IA_NN_END

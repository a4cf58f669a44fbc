// SPDX-License-Identifier: Apache-2.0
#include "picture.hpp"

#include <ia_nn/core/error.hpp>

#include <png.h>
#include <turbojpeg.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <fstream>
#include <iterator>
#include <memory>

namespace models::driver {
namespace {

[[noreturn]] void fail(std::string const& name, std::string const& what) {
  ia_nn::throw_error(ia_nn::errc::bad_file, "'" + name + "' " + what);
}

picture of_size(index_t width, index_t height, std::string const& name, index_t most) {
  if (width < 1 || height < 1) fail(name, "has no pixels");
  if (width > most / height)
    fail(name, "has " + std::to_string(width) + " x " + std::to_string(height) + " pixels, more than " +
                   std::to_string(most));
  return {width, height, std::vector<std::uint8_t>(static_cast<std::size_t>(3 * width * height))};
}

picture parse_png(std::span<std::byte const> file, std::string const& name, index_t most) {
  png_image image{};
  image.version = PNG_IMAGE_VERSION;
  std::unique_ptr<png_image, decltype(&png_image_free)> const frees(&image, png_image_free);
  if (!png_image_begin_read_from_memory(&image, file.data(), file.size())) fail(name, std::string("is no PNG: ") + image.message);
  picture p = of_size(static_cast<index_t>(image.width), static_cast<index_t>(image.height), name, most);
  image.format = PNG_FORMAT_RGB;
  png_color const black{};
  if (!png_image_finish_read(&image, &black, p.rgb.data(), 0, nullptr)) fail(name, std::string("is a damaged PNG: ") + image.message);
  return p;
}

picture parse_jpeg(std::span<std::byte const> file, std::string const& name, index_t most) {
  std::unique_ptr<void, decltype(&tjDestroy)> const reader(tjInitDecompress(), tjDestroy);
  auto const* const bytes = reinterpret_cast<unsigned char const*>(file.data());
  auto const size = static_cast<unsigned long>(file.size());
  int width = 0, height = 0, sampling = 0, colours = 0;
  if (!reader || tjDecompressHeader3(reader.get(), bytes, size, &width, &height, &sampling, &colours) != 0)
    fail(name, std::string("is no JPEG: ") + tjGetErrorStr2(reader.get()));
  if (colours == TJCS_CMYK || colours == TJCS_YCCK) fail(name, "has the colours of a printer (CMYK)");
  picture p = of_size(width, height, name, most);
  // A truncated file is a warning to the library, which makes the rest grey.
  if (tjDecompress2(reader.get(), bytes, size, p.rgb.data(), width, 0, height, TJPF_RGB,
                    TJFLAG_STOPONWARNING | TJFLAG_LIMITSCANS) != 0)
    fail(name, std::string("is a damaged JPEG: ") + tjGetErrorStr2(reader.get()));
  return p;
}

/// Each line of `from` to `width` pixels; the picture is turned on the way, so that two calls scale both sides.
picture scaled_and_turned(picture const& from, index_t width) {
  picture to{from.height, width, std::vector<std::uint8_t>(static_cast<std::size_t>(3 * from.height * width))};
  double const step = static_cast<double>(from.width) / static_cast<double>(width), reach = std::max(step, 1.0);
  std::vector<double> weights;
  for (index_t x = 0; x < width; ++x) {
    double const middle = (static_cast<double>(x) + 0.5) * step;
    index_t const first = std::max(index_t{0}, static_cast<index_t>(middle - reach + 0.5)),
                  last = std::min(from.width, static_cast<index_t>(middle + reach + 0.5));
    double sum = 0;
    weights.clear();
    for (index_t i = first; i < last; ++i) {
      weights.push_back(std::max(0.0, 1 - std::abs(static_cast<double>(i) + 0.5 - middle) / reach));
      sum += weights.back();
    }
    for (index_t y = 0; y < from.height; ++y)
      for (int c = 0; c < 3; ++c) {
        double value = 0;
        for (index_t i = first; i < last; ++i) value += weights[static_cast<std::size_t>(i - first)] * from.at(i, y)[c];
        to.at(y, x)[c] = static_cast<std::uint8_t>(std::lround(value / sum));
      }
  }
  return to;
}

} // namespace

picture parse_picture(std::span<std::byte const> file, std::string const& name, index_t most) {
  constexpr unsigned char png[] = {0x89, 'P', 'N', 'G'}, jpeg[] = {0xff, 0xd8};
  auto const begins = [&](auto const& magic) {
    return file.size() >= sizeof magic && std::memcmp(file.data(), magic, sizeof magic) == 0;
  };
  if (begins(png)) return parse_png(file, name, most);
  if (begins(jpeg)) return parse_jpeg(file, name, most);
  fail(name, file.empty() ? "is empty" : "is neither a PNG nor a JPEG");
}
picture load_picture(std::string const& path) {
  std::ifstream file(path, std::ios::binary);
  std::string const bytes{std::istreambuf_iterator<char>(file), {}};
  if (!file) fail(path, "cannot be read");
  return parse_picture(std::as_bytes(std::span(bytes)), path);
}

void save_png(picture const& p, std::string const& path) {
  png_image image{};
  image.version = PNG_IMAGE_VERSION;
  image.width = static_cast<png_uint_32>(p.width);
  image.height = static_cast<png_uint_32>(p.height);
  image.format = PNG_FORMAT_RGB;
  if (!png_image_write_to_file(&image, path.c_str(), 0, p.rgb.data(), 0, nullptr))
    fail(path, std::string("cannot be written: ") + image.message);
}

picture scaled(picture const& from, index_t width, index_t height) {
  if (from.width == width && from.height == height) return from;
  return scaled_and_turned(scaled_and_turned(from, width), height);
}

picture middle_square(picture const& from, index_t pixels, double share) {
  auto const small = static_cast<double>(std::min(from.width, from.height));
  auto const side = std::max(index_t{1}, static_cast<index_t>(std::lround(small * share)));
  index_t const left = (from.width - side) / 2, top = (from.height - side) / 2;
  picture square{side, side, {}};
  for (index_t y = 0; y < side; ++y)
    square.rgb.insert(square.rgb.end(), from.at(left, top + y), from.at(left, top + y) + 3 * side);
  return scaled(square, pixels, pixels);
}

} // namespace models::driver

// SPDX-License-Identifier: Apache-2.0
//
// IDX files of every type, sets of images in a folder, and what damaged files are answered with.
// The header itself is compiled here without zlib.
#include "io/npy_file.hpp"
#include "io/temporary_folder.hpp"

#include <ia_nn/io/idx_images.hpp>

using namespace ia_nn_test;
using namespace ia_nn_test::npy;

namespace {

std::string big_endian(std::uint64_t x, std::size_t bytes) {
  std::string text;
  for (std::size_t i = bytes; i-- > 0;) text += static_cast<char>(x >> 8 * i & 0xffU);
  return text;
}

std::string header(unsigned char code, std::vector<std::uint32_t> const& extents) {
  std::string text{0, 0, static_cast<char>(code), static_cast<char>(extents.size())};
  for (std::uint32_t const n : extents) text += big_endian(n, 4);
  return text;
}

std::string const images_2x2x3 = header(8, {2, 2, 3}) + "abcdefghijkl";
std::string const labels_2 = header(8, {2}) + "\x03\x09";

/// Parses a copy that ends exactly with its last byte.
ia_nn::npy_array parse_copy(std::string const& file, std::string const& name = "some.idx") {
  exact_buffer<char> bytes(static_cast<index_t>(file.size()));
  std::copy(file.begin(), file.end(), bytes.begin());
  return ia_nn::parse_idx(std::as_bytes(std::span<char const>(bytes.data(), file.size())), name);
}

template <class T, class Bits> void check_type(unsigned char code, ia_nn_test::random& r) {
  INFO("type " << static_cast<int>(code));
  for (auto const& shape : std::vector<std::vector<std::uint32_t>>{
           {1}, {7}, {0}, {2, 3}, {3, 0, 2}, {1, 2, 1, 3, 1, 2, 1, 1}}) {
    std::size_t count = 1;
    for (std::uint32_t const n : shape) count *= n;
    std::vector<T> values(count);
    std::string file = header(code, shape);
    for (T& v : values) {
      if constexpr (std::is_floating_point_v<T>) v = static_cast<T>(r.normal());
      else v = static_cast<T>(r.next());
      Bits bits;
      std::memcpy(&bits, &v, sizeof v);
      file += big_endian(bits, sizeof v);
    }
    ia_nn::npy_array const a = parse_copy(file);
    CHECK(a.type == ia_nn::npy_type_of<T>());
    CHECK(a.shape == std::vector<index_t>(shape.begin(), shape.end()));
    CHECK(a.name == "some.idx");
    REQUIRE(a.bytes.size() == count * sizeof(T));
    CHECK(std::equal(a.bytes.begin(), a.bytes.end(),
                     std::as_bytes(std::span<T const>(values)).begin()));
    temporary_file const stored(file);
    CHECK(ia_nn::load_idx(stored.path).bytes == a.bytes);
  }
}

} // namespace

TEST_CASE("idx: every type and rank", "[io]") {
  ia_nn_test::random r(11);
  check_type<std::uint8_t, std::uint8_t>(0x08, r);
  check_type<std::int8_t, std::uint8_t>(0x09, r);
  check_type<std::int16_t, std::uint16_t>(0x0b, r);
  check_type<std::int32_t, std::uint32_t>(0x0c, r);
  check_type<float, std::uint32_t>(0x0d, r);
  check_type<double, std::uint64_t>(0x0e, r);
  // Spelled out once, so that the test and the reader cannot share a mistake.
  auto const a = parse_copy("\0\0\x0b\1\0\0\0\3\0\1\xff\xfe\x12\x34"s);
  CHECK(ia_nn::npy_elements<std::int64_t>(a) == std::vector<std::int64_t>{1, -2, 0x1234});
  auto const b = parse_copy("\0\0\x0d\1\0\0\0\1\xc0\x20\0\0"s);
  CHECK(ia_nn::npy_elements<double>(b) == std::vector<double>{-2.5});
}

TEST_CASE("idx: damaged files are answered with a sentence", "[io]") {
  struct row {
    std::string file;
    char const* says;
  };
  row const rows[] = {
      {"", "ends within its first 4 bytes, it has 0"},
      {"\0\0\x08"s, "ends within its first 4 bytes, it has 3"},
      {"\0\1\x08\1"s, "is no IDX file"},
      {"\x93NUMPY", "is no IDX file"},
      {"\x1f\x8b\x08\0"s, "is compressed; with gunzip{} of <ia_nn/io/gzip.hpp> it can be read"},
      {"\x1f\x8b"s, "is compressed"},
      {"\0\0\x0a\1"s, "has elements of type 10, known are 8, 9, 11, 12, 13 and 14"},
      {"\0\0\x08\0"s, "has 0 dimensions, 1 to 8 can be read"},
      {header(8, std::vector<std::uint32_t>(9, 1)) + "x", "has 9 dimensions"},
      {"\0\0\x08\xff"s, "has 255 dimensions"},
      {"\0\0\x08\2\0\0\0\1"s, "ends within its extents: 4 bytes are left, 8 are needed"},
      {"\0\0\x08\1"s, "ends within its extents: 0 bytes are left, 4 are needed"},
      {images_2x2x3.substr(0, 27), "holds 11 bytes of elements, its header says 12"},
      {images_2x2x3 + "x", "holds 13 bytes of elements, its header says 12"},
      {header(14, {2}) + "12345678", "holds 8 bytes of elements, its header says 16"},
      {header(8, {0xffffffffU}), "holds 0 bytes of elements, its header says 4294967295"},
      {header(8, {0xffffffffU, 0x7fffffffU}), "its header says 9223372030412324865"},
      {header(9, {0xffffffffU, 0xffffffffU}), "more than 2^63 bytes"},
      {header(14, {0xffffffffU, 0x7fffffffU}), "more than 2^63 bytes"},
      {header(8, {0, 0xffffffffU, 0xffffffffU, 0xffffffffU}), "more than 2^63 bytes"},
      {header(8, std::vector<std::uint32_t>(8, 256)), "more than 2^63 bytes"},
  };
  for (row const& r : rows) {
    std::string const said = sentence([&] { parse_copy(r.file); });
    INFO("expected: " << r.says << "\nsaid: " << said);
    CHECK(said.rfind("ia_nn: 'some.idx' ", 0) == 0);
    CHECK(said.find(r.says) != std::string::npos);
    // The same file on disk takes the same path.
    temporary_file const file(r.file);
    std::string const loaded = sentence([&] { ia_nn::load_idx(file.path); });
    CHECK(loaded.find(r.says) != std::string::npos);
    CHECK(loaded.find(file.path) != std::string::npos);
  }
  temporary_file const file;
  CHECK(sentence([&] { ia_nn::load_idx(file.path + ".absent"); }).find("cannot be opened") !=
        std::string::npos);
  CHECK(sentence([&] { ia_nn::load_idx("/"); }).find("cannot be read") != std::string::npos);
}

TEST_CASE("idx: mutated files are parsed or refused", "[io]") {
  ia_nn_test::random r(12);
  int parsed = 0, refused = 0;
  std::string const files[] = {images_2x2x3, labels_2, header(14, {1, 2}) + std::string(16, '\3')};
  for (int round = 0; round < 20000; ++round) {
    std::string file = files[at(round % 3)];
    for (index_t n = r.between(1, 3); n > 0 && !file.empty(); --n) {
      auto const i = at(static_cast<int>(r.between(0, static_cast<index_t>(file.size()) - 1)));
      if (r.coin()) file[i] = static_cast<char>(file[i] ^ (1 << r.between(0, 7)));
      else if (r.coin()) file.erase(i, 1);
      else file.insert(i, 1, static_cast<char>(r.between(0, 14)));
    }
    try {
      ia_nn::npy_array const a = parse_copy(file);
      ++parsed;
      REQUIRE(file.size() == 4 + 4 * a.shape.size() + a.bytes.size());
    } catch (ia_nn::error const& e) {
      ++refused;
      REQUIRE(e.code() == ia_nn::errc::bad_file);
    }
  }
  CHECK(parsed > 1000);
  CHECK(refused > 5000);
}

TEST_CASE("idx: sets of images are found by the usual names", "[io]") {
  for (char const* const images : {"train-images-idx3-ubyte", "train-images.idx3-ubyte"})
    for (char const* const labels : {"train-labels-idx1-ubyte", "train-labels.idx1-ubyte"}) {
      temporary_folder const folder;
      folder.write(images, images_2x2x3);
      folder.write(labels, labels_2);
      ia_nn::image_set const set = ia_nn::load_image_set(folder.path, "train");
      CHECK(set.count == 2);
      CHECK(set.height == 2);
      CHECK(set.width == 3);
      CHECK(set.labels == std::vector<u8>{3, 9});
      REQUIRE(set.images.size() == 12);
      CHECK(set.image(0)[0] == 'a');
      CHECK(set.image(1)[5] == 'l');
      CHECK(set.image(1).size() == 6);
      CHECK(sentence([&] {
              ia_nn::load_image_set(folder.path, "train", 9);
            }).find("-ubyte' has the label 9 at position 1, labels are below 9") !=
            std::string::npos);
      CHECK(sentence([&] { ia_nn::load_image_set(folder.path, "t10k"); })
                .find("' holds none of t10k-images-idx3-ubyte, t10k-images.idx3-ubyte, "
                      "t10k-images-idx3-ubyte.gz, t10k-images.idx3-ubyte.gz") != std::string::npos);
    }
  temporary_folder const folder;
  folder.write("train-images-idx3-ubyte", images_2x2x3);
  CHECK(sentence([&] {
          ia_nn::load_image_set(folder.path, "train");
        }).find("holds none of train-labels-idx1-ubyte") != std::string::npos);
  CHECK(sentence([&] {
          ia_nn::load_image_set(folder.path + "/absent", "train");
        }).find("holds none of") != std::string::npos);
}

TEST_CASE("idx: images and labels must belong together", "[io]") {
  auto const images = parse_copy(images_2x2x3, "i.idx"), labels = parse_copy(labels_2, "l.idx");
  auto const said = [](ia_nn::npy_array const& i, ia_nn::npy_array const& l, index_t classes = 10) {
    return sentence([&] { ia_nn::make_image_set(i, l, classes); });
  };
  CHECK(said(images, labels).empty());
  CHECK(said(images, labels, 256).empty());
  CHECK(said(labels, labels).find("'l.idx' holds u1 in the shape (2,), images are u1 of rank 3") !=
        std::string::npos);
  CHECK(said(images, images).find("'i.idx' holds u1 in the shape (2, 2, 3), labels are u1 of") !=
        std::string::npos);
  CHECK(said(parse_copy(header(9, {2, 2, 3}) + "abcdefghijkl"), labels).find("holds i1") !=
        std::string::npos);
  CHECK(said(images, parse_copy(header(8, {3}) + "\1\2\3", "l.idx"))
            .find("'l.idx' holds 3 labels, 'i.idx' holds 2 images") != std::string::npos);
  CHECK(
      said(images, parse_copy(header(8, {2}) + "\1\x0a")).find("has the label 10 at position 1") !=
      std::string::npos);
  // No image at all is a set too.
  CHECK(
      ia_nn::make_image_set(parse_copy(header(8, {0, 28, 28})), parse_copy(header(8, {0}))).count ==
      0);
}

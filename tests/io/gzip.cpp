// SPDX-License-Identifier: Apache-2.0
//
// gzip files: there and back, several members, the limit, damage of every byte; and MNIST.
#include "io/npy_file.hpp"
#include "io/temporary_folder.hpp"

#include <ia_nn/io/gzip.hpp>
#include <ia_nn/io/idx_images.hpp>

#include <cmath>

using namespace ia_nn_test;
using namespace ia_nn_test::npy;

namespace {

/// With a header of its own if one is given.
std::string pack(std::string const& contents, int level = 9, gz_header* header = nullptr) {
  z_stream z{};
  REQUIRE(deflateInit2(&z, level, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) == Z_OK);
  if (header) REQUIRE(deflateSetHeader(&z, header) == Z_OK);
  std::string packed(deflateBound(&z, static_cast<uLong>(contents.size())) + 32, '\0');
  z.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(contents.data()));
  z.avail_in = static_cast<uInt>(contents.size());
  z.next_out = reinterpret_cast<Bytef*>(packed.data());
  z.avail_out = static_cast<uInt>(packed.size());
  REQUIRE(deflate(&z, Z_FINISH) == Z_STREAM_END);
  packed.resize(packed.size() - z.avail_out);
  deflateEnd(&z);
  return packed;
}

/// Unpacks a copy that ends exactly with its last byte.
std::string unpack(std::string const& file, ia_nn::gunzip const& decompress = {}) {
  exact_buffer<char> bytes(static_cast<index_t>(file.size()));
  std::copy(file.begin(), file.end(), bytes.begin());
  auto const contents =
      decompress(std::as_bytes(std::span<char const>(bytes.data(), file.size())), "some.gz");
  return {reinterpret_cast<char const*>(contents.data()), contents.size()};
}

std::string noise(std::size_t n, ia_nn_test::random& r) {
  std::string text(n, '\0');
  for (char& c : text) c = static_cast<char>(r.bits() & 0x3fU);
  return text;
}

std::string const idx_file("\0\0\x0b\1\0\0\0\3\0\1\xff\xfe\x12\x34", 14);

} // namespace

TEST_CASE("gzip: files are unpacked", "[io]") {
  ia_nn_test::random r(21);
  // Around the piece that is unpacked at once.
  for (int const size : {0, 1, 16383, 16384, 16385, 100003}) {
    std::size_t const n = at(size);
    std::string const contents = noise(n, r);
    for (int const level : {0, 1, 9}) {
      CAPTURE(n, level);
      CHECK(unpack(pack(contents, level)) == contents);
      // The limit is one of bytes: neither one too few nor one too many.
      CHECK(unpack(pack(contents, level), {n}) == contents);
      if (n > 0)
        CHECK(sentence([&] {
                unpack(pack(contents, level), {n - 1});
              }).find("'some.gz' unpacks to more than " + std::to_string(n - 1) + " bytes") !=
              std::string::npos);
    }
  }
  std::string const a = noise(20000, r), b = noise(3, r);
  CHECK(unpack(pack(a) + pack("") + pack(b)) == a + b);
  CHECK_FALSE(sentence([&] { unpack(pack(a) + pack(b), {20002}); }).empty());
}

TEST_CASE("gzip: headers with every field, and zeros behind members", "[io]") {
  ia_nn_test::random r(22);
  std::string const contents = noise(1000, r);
  std::string extra = "ab\4\0wxyz"s, name(70000, 'n'), comment = "a comment";
  std::string all;
  for (int fields = 0; fields < 16; ++fields) {
    gz_header header{};
    if (fields & 1) {
      header.extra = reinterpret_cast<Bytef*>(extra.data());
      header.extra_len = static_cast<uInt>(extra.size());
    }
    if (fields & 2) header.name = reinterpret_cast<Bytef*>(name.data());
    if (fields & 4) header.comment = reinterpret_cast<Bytef*>(comment.data());
    header.hcrc = fields >> 3;
    CAPTURE(fields);
    std::string const packed = pack(contents, 9, &header);
    CHECK(unpack(packed) == contents);
    // gzip(1) and Python's gzip take zeros for padding.
    for (std::size_t const zeros : {1U, 2U, 511U, 512U, 100000U}) {
      CHECK(unpack(packed + std::string(zeros, '\0')) == contents);
      CHECK(unpack(packed + std::string(zeros, '\0') + packed) == contents + contents);
    }
    all += packed + std::string(static_cast<std::size_t>(fields), '\0');
  }
  CHECK(unpack(all).size() == 16000);
}

TEST_CASE("gzip: a small file of many bytes stops at the limit", "[io]") {
  std::string const bomb = pack(std::string(64 << 20, '\0'));
  CHECK(bomb.size() < 70000);
  std::size_t const limit = 1 << 20;
  CHECK(sentence([&] { unpack(bomb, {limit}); }).find("more than 1048576 bytes, the limit") !=
        std::string::npos);
  // Members that are small each, large together.
  std::string many;
  for (int i = 0; i < 100; ++i) many += pack(std::string(20000, 'x'));
  CHECK(unpack(many).size() == 2000000);
  CHECK_FALSE(sentence([&] { unpack(many, {1999999}); }).empty());
  // Room is made for what there is, not for what the trailer says, and not for more.
  std::string const most = pack(std::string(limit - 5, 'x'));
  auto const contents = ia_nn::gunzip{limit}(std::as_bytes(std::span<char const>(most)));
  CHECK(contents.size() == limit - 5);
  CHECK(contents.capacity() == contents.size());
}

TEST_CASE("gzip: damaged files are answered with a sentence", "[io]") {
  std::string const contents = "some text, some text, some other text";
  std::string const good = pack(contents);
  struct row {
    std::string file;
    char const* says;
  };
  std::string crc = good, length = good, method = good;
  crc[good.size() - 8] = static_cast<char>(crc[good.size() - 8] ^ 1);
  length[good.size() - 1] = static_cast<char>(length[good.size() - 1] ^ 1);
  method[2] = 9;
  row const rows[] = {
      {"", "ends within its compressed data"},
      {good.substr(0, 1), "ends within its compressed data"},
      {good.substr(0, good.size() - 1), "ends within its compressed data"},
      {"plain text", "is a damaged gzip file: incorrect header check"},
      {method, "is a damaged gzip file: unknown compression method"},
      {crc, "is a damaged gzip file: incorrect data check"},
      {length, "is a damaged gzip file: incorrect length check"},
      {good + "x", "has 1 bytes behind its compressed data"},
      {good + "\x1f", "has 1 bytes behind its compressed data"},
      {good + std::string(512, '\0') + "xy", "has 2 bytes behind its compressed data"},
      {good + "\x1f\0"s, "has 2 bytes behind its compressed data"},
      {std::string(512, '\0'), "is a damaged gzip file: incorrect header check"},
      {std::string(512, '\0') + good, "is a damaged gzip file: incorrect header check"},
      {good + "\x1f\x8b", "ends within its compressed data"},
      {good + crc, "incorrect data check"},
  };
  for (row const& r : rows) {
    std::string const said = sentence([&] { unpack(r.file); });
    INFO("expected: " << r.says << "\nsaid: " << said);
    CHECK(said.rfind("ia_nn: 'some.gz' ", 0) == 0);
    CHECK(said.find(r.says) != std::string::npos);
  }
  // Behind the header each bit matters; in it, some say nothing about the contents.
  for (std::size_t n = 0; n < good.size(); ++n)
    CHECK_FALSE(sentence([&] { unpack(good.substr(0, n)); }).empty());
  int refused = 0;
  for (std::size_t bit = 0; bit < 8 * good.size(); ++bit) {
    std::string file = good;
    file[bit / 8] = static_cast<char>(file[bit / 8] ^ (1 << bit % 8));
    std::string got;
    bool const bad = !sentence([&] { got = unpack(file); }).empty();
    refused += bad;
    if (!bad) REQUIRE(got == contents);
    if (bit >= 80) REQUIRE(bad);
  }
  CHECK(refused > static_cast<int>(8 * (good.size() - 10)));
}

TEST_CASE("gzip: IDX files are read packed or not, by what they begin with", "[io]") {
  for (std::string const& bytes : {idx_file, pack(idx_file)}) {
    temporary_file const file(bytes);
    auto const a = ia_nn::load_idx(file.path, ia_nn::gunzip{});
    CHECK(ia_nn::npy_elements<std::int64_t>(a) == std::vector<std::int64_t>{1, -2, 0x1234});
    CHECK(a.name == file.path);
  }
  temporary_file const packed(pack(idx_file)), longer(pack(idx_file + "x")), empty;
  CHECK(sentence([&] { ia_nn::load_idx(packed.path); }).find("is compressed; with gunzip{}") !=
        std::string::npos);
  CHECK(sentence([&] {
          ia_nn::load_idx(packed.path, ia_nn::gunzip{13});
        }).find("unpacks to more than 13 bytes") != std::string::npos);
  CHECK(sentence([&] {
          ia_nn::load_idx(longer.path, ia_nn::gunzip{});
        }).find(longer.path + "' holds 7 bytes of elements, its header says 6") !=
        std::string::npos);
  CHECK(sentence([&] {
          ia_nn::load_idx(empty.path, ia_nn::gunzip{});
        }).find("ends within its first 4 bytes, it has 0") != std::string::npos);
}

TEST_CASE("gzip: packed sets of images", "[io]") {
  temporary_folder const folder;
  folder.write("t10k-images.idx3-ubyte.gz", pack("\0\0\x08\3\0\0\0\2\0\0\0\1\0\0\0\2wxyz"s));
  folder.write("t10k-labels-idx1-ubyte", "\0\0\x08\1\0\0\0\2\0\x09"s);
  auto const set = ia_nn::load_image_set(folder.path, "t10k", ia_nn::gunzip{});
  CHECK(set.count == 2);
  CHECK(set.labels == std::vector<u8>{0, 9});
  CHECK(set.image(1)[1] == 'z');
  CHECK(sentence([&] {
          ia_nn::load_image_set(folder.path, "t10k", ia_nn::gunzip{}, 3);
        }).find("labels are below 3") != std::string::npos);
  CHECK(sentence([&] { ia_nn::load_image_set(folder.path, "t10k"); }).find("is compressed") !=
        std::string::npos);
}

// This file is <project>/tests/io/gzip.cpp; MNIST lies beside the project, or nowhere.
TEST_CASE("gzip: MNIST, if it is there", "[io]") {
  auto const folder = std::filesystem::path(__FILE__).parent_path() / "../../../shared/data/mnist";
  if (!std::filesystem::exists(folder)) {
    std::printf("not run: MNIST: 0 images, there is no shared/data/mnist next to the project\n");
    SUCCEED();
    return;
  }
  auto const train = ia_nn::load_image_set(folder, "train", ia_nn::gunzip{});
  auto const test = ia_nn::load_image_set(folder, "t10k", ia_nn::gunzip{});
  CHECK(train.count == 60000);
  CHECK(test.count == 10000);
  CHECK(train.height == 28);
  CHECK(train.width == 28);
  auto const per_class = [](ia_nn::image_set const& set) {
    std::vector<int> n(10);
    for (u8 const label : set.labels) ++n[label];
    return n;
  };
  CHECK(per_class(train) ==
        std::vector<int>{5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949});
  CHECK(per_class(test) == std::vector<int>{980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009});
  std::vector<u8> const first(train.labels.begin(), train.labels.begin() + 10);
  CHECK(first == std::vector<u8>{5, 0, 4, 1, 9, 2, 1, 3, 1, 4});
  double sum = 0, squares = 0;
  for (u8 const pixel : train.images) {
    sum += pixel / 255.0;
    squares += pixel / 255.0 * (pixel / 255.0);
  }
  double const mean = sum / static_cast<double>(train.images.size());
  double const deviation =
      std::sqrt(squares / static_cast<double>(train.images.size()) - mean * mean);
  CHECK(std::abs(mean - 0.1307) < 0.00005);
  CHECK(std::abs(deviation - 0.3081) < 0.00005);
  std::printf("MNIST: %td and %td images read\n", train.count, test.count);
}

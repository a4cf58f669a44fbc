// SPDX-License-Identifier: Apache-2.0
//
// How much memory readers take, and what they say when there is none.
#include "io/npy_file.hpp"
#include "io/temporary_folder.hpp"
#include "support/allocations.hpp"

#include <ia_nn/io/gzip.hpp>
#include <ia_nn/io/idx_images.hpp>
#include <ia_nn/io/safetensors.hpp>
#include <ia_nn/io/safetensors_write.hpp>

using namespace ia_nn_test;
using namespace ia_nn_test::npy;

namespace {

std::string pack(std::string const& contents) {
  z_stream z{};
  REQUIRE(deflateInit2(&z, 1, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) == Z_OK);
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

/// Bytes that f() had at most, beyond those from before; 0 where nothing is counted.
template <class F> long bytes_of_call(F&& f) {
  long const before = allocated_bytes;
  most_allocated_bytes = before;
  f();
  return most_allocated_bytes - before;
}

std::string numbers_file(std::string const& shape, std::size_t bytes) {
  return padded("{'descr': '<f4', 'fortran_order': True, 'shape': " + shape + ", }", 128) +
         std::string(bytes, '\1');
}

std::string safetensors_file(std::string const& header, std::string const& data) {
  std::uint64_t const n = header.size();
  return std::string(reinterpret_cast<char const*>(&n), sizeof n) + header + data;
}

} // namespace

TEST_CASE("memory: files that are refused take none, whatever they say they hold", "[io]") {
  struct row {
    std::string begins;
    std::uintmax_t size; // the rest is a hole
    char const* says;
  };
  std::uintmax_t const gib = std::uintmax_t{1} << 30;
  std::string const one = R"({"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]}})";
  std::string const twice =
      R"({"a":{"dtype":"U8","shape":[0],"data_offsets":[0,0]},)"
      R"("a":{"dtype":"U8","shape":[6442450944],"data_offsets":[0,6442450944]}})";
  row const tensors[] = {
      {safetensors_file(one, ""), 6 * gib, "bytes that belong to no tensor, from byte 4"},
      {safetensors_file("[", ""), 6 * gib, "does not begin with '{'"},
      {safetensors_file(twice, ""), 8 + twice.size() + 6 * gib, "has two tensors 'a'"},
      {std::string(8, '\xff'), 6 * gib, "more than 100 MB"},
  };
  row const arrays[] = {
      {"\x93NUMPY\2\0\xf0\xff\xff\xff"s, 4 * gib,
       "a header of 4294967280 bytes, 65535 can be read"},
      {"\x93NUMPY\3\0\0\0\1\0"s, 4 * gib, "a header of 65536 bytes"},
      {numbers_file("(4,)", 0), 6 * gib, "its header says 16"},
      {numbers_file("(1610612736, 2)", 0), 6 * gib, "its header says 12884901888"},
  };
  row const idx[] = {
      {"\0\0\x08\3\0\0\0\x06\x40\0\0\0\0\0\0\2"s, 6 * gib, "its header says"},
      {"\x1f\x8b\x09", 6 * gib, "unknown compression method"},
  };
  temporary_folder const folder;
  auto const check = [&](row const& r, auto const& load) {
    std::string const path = folder.path + "/sparse";
    std::ofstream(path, std::ios::binary) << r.begins;
    std::filesystem::resize_file(path, r.size);
    std::string said;
    long const bytes = bytes_of_call([&] { said = sentence([&] { load(path); }); });
    INFO("expected: " << r.says << "\nsaid: " << said);
    CHECK(said.find(r.says) != said.npos);
    CHECK(bytes < 100000);
  };
  for (row const& r : tensors) check(r, [](auto const& p) { ia_nn::load_safetensors(p); });
  for (row const& r : arrays) check(r, [](auto const& p) { ia_nn::load_npy(p); });
  for (row const& r : idx) check(r, [](auto const& p) { ia_nn::load_idx(p, ia_nn::gunzip{}); });
}

TEST_CASE("memory: what is read takes as much as it holds, once", "[io]") {
  std::size_t const size = 5'000'000; // no power of two, nor near one
  std::string const elements(size, '\7');
  std::string const idx = "\0\0\x08\1\0\x4c\x4b\x40"s + elements;
  std::string const packed = pack(idx), array = numbers_file("(1250, 1000)", size);
  std::string const tensors = safetensors_file(
      R"({"a":{"dtype":"U8","shape":[5000000],"data_offsets":[0,5000000]}})", elements);
  temporary_file const on_disk[] = {temporary_file(idx), temporary_file(packed),
                                    temporary_file(array), temporary_file(tensors)};
  auto const bytes = std::as_bytes(std::span<char const>(packed));
  ia_nn::gunzip const tight{idx.size()};
  long const taken[] = {
      bytes_of_call([&] { CHECK(tight(bytes).size() == idx.size()); }),
      bytes_of_call([&] { CHECK(ia_nn::parse_idx(tight(bytes)).bytes.size() == size); }),
      bytes_of_call([&] { CHECK(ia_nn::load_idx(on_disk[0].path).bytes.size() == size); }),
      bytes_of_call([&] { CHECK(ia_nn::load_idx(on_disk[1].path, tight).bytes.size() == size); }),
      bytes_of_call([&] { CHECK(ia_nn::load_npy(on_disk[2].path).bytes.size() == size); }),
      bytes_of_call([&] { CHECK(ia_nn::load_safetensors(on_disk[3].path).entries().size() == 1); }),
  };
  for (long const b : taken) {
    CHECK(b < static_cast<long>(size) + 100000);
#if IA_NN_TEST_COUNTS_ALLOCATIONS
    CHECK(b >= static_cast<long>(size));
#endif
  }
}

#if IA_NN_TEST_COUNTS_ALLOCATIONS
TEST_CASE("memory: wherever it ends the error is errc::out_of_memory", "[io]") {
  std::string const name(100, 'n'); // names and types that need memory of their own
  std::string const idx = "\0\0\x08\3\0\0\0\1\0\0\0\2\0\0\0\3abcdef"s,
                    labels = "\0\0\x08\1\0\0\0\1\1"s;
  std::string const array = numbers_file("(2, 3)", 24);
  std::string const tensors = safetensors_file(
      "{\"__metadata__\":{\"" + name + "\":\"" + name + "\"},\"" + name +
          R"(":{"dtype":"F32","shape":[1,2,3],"data_offsets":[0,24]},"b":{"dtype":")" + name +
          R"(","shape":[4],"data_offsets":[24,28]}})",
      std::string(28, '\1'));
  temporary_folder const folder;
  folder.write("train-images-idx3-ubyte.gz", pack(idx));
  folder.write("train-labels-idx1-ubyte", labels);
  folder.write("a.npy", array);
  folder.write("t.st", tensors);
  std::string const images = folder.path + "/train-images-idx3-ubyte.gz",
                    plain = folder.path + "/train-labels-idx1-ubyte", npy = folder.path + "/a.npy",
                    st = folder.path + "/t.st", set = "train", out = folder.path + "/out";
  auto const view = [](std::string const& s) { return std::as_bytes(std::span<char const>(s)); };
  std::string const packed = pack(idx);
  ia_nn::npy_array const numbers = ia_nn::parse_npy(view(array), name);
  ia_nn::safetensors const file = ia_nn::load_safetensors(st);
  std::vector<index_t> const shape{1, 2, 3};

  int failures = 0;
  auto const exhaust = [&](char const* what, auto const& read) {
    INFO(what);
    for (long k = 0;; ++k) {
      REQUIRE(k < 1000);
      bool refused = false, escaped = false;
      std::string said;
      failing_allocation = allocations + k;
      try {
        read();
      } catch (ia_nn::error const& e) {
        refused = e.code() == ia_nn::errc::out_of_memory;
        said = e.what();
      } catch (std::exception const& e) {
        escaped = true;
        said = e.what();
      }
      bool const reached = allocations > failing_allocation;
      failing_allocation = -1;
      INFO("allocation " << k << ": " << said);
      CHECK_FALSE(escaped);
      CHECK(refused == reached);
      if (!reached) return;
      ++failures;
      CHECK(said.find("memory") != said.npos);
    }
  };
  exhaust("parse_npy", [&] { ia_nn::parse_npy(view(array), name); });
  exhaust("load_npy", [&] { ia_nn::load_npy(npy); });
  exhaust("npy_elements", [&] { ia_nn::npy_elements<f32>(numbers); });
  exhaust("save_npy", [&] { ia_nn::save_npy(out, numbers); });
  exhaust("parse_idx", [&] { ia_nn::parse_idx(view(idx), name); });
  exhaust("load_idx", [&] { ia_nn::load_idx(plain); });
  exhaust("gunzip", [&] { ia_nn::gunzip{}(view(packed), name); });
  exhaust("load_idx, packed", [&] { ia_nn::load_idx(images, ia_nn::gunzip{}); });
  exhaust("load_image_set", [&] { ia_nn::load_image_set(folder.path, set, ia_nn::gunzip{}); });
  exhaust("safetensors", [&] { ia_nn::safetensors(view(tensors), "memory"); });
  exhaust("load_safetensors", [&] { ia_nn::load_safetensors(st); });
  exhaust("copy", [&] { file.copy<f32>(name, shape); });
  exhaust("to_f32", [&] { file.to_f32(name, shape); });
  exhaust("save_safetensors",
          [&] { ia_nn::save_safetensors(out, file.entries(), file.metadata()); });
  CHECK(failures > 100);
  CHECK(ia_nn::load_safetensors(out).entries().size() == 2);
}
#endif

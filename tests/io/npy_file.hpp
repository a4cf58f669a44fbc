// SPDX-License-Identifier: Apache-2.0
//
// What the tests of NPY files share: files in memory and on disk, and what an error says.
#pragma once

#include "catch.hpp"
#include "random.hpp"

#include <ia_nn/io/npy.hpp>

#include <filesystem>
#include <unistd.h>

namespace ia_nn_test::npy {

using namespace std::literals;

inline std::size_t at(int i) { return static_cast<std::size_t>(i); }

/// A header of version 1.0 that is filled up to `size` bytes.
inline std::string padded(std::string const& dictionary, std::size_t size) {
  std::string file("\x93NUMPY\1\0", 8);
  file += static_cast<char>((size - 10) & 0xffU);
  file += static_cast<char>((size - 10) >> 8);
  file += dictionary;
  if (file.size() >= size)
    throw std::logic_error("the header is longer than " + std::to_string(size));
  file.resize(size - 1, ' ');
  return file + '\n';
}

/// Parses a copy that ends exactly with its last byte.
inline ia_nn::npy_array parse(std::string const& file) {
  exact_buffer<char> bytes(static_cast<index_t>(file.size()));
  std::copy(file.begin(), file.end(), bytes.begin());
  return ia_nn::parse_npy(std::as_bytes(std::span<char const>(bytes.data(), file.size())),
                          "some.npy");
}

inline std::string contents(std::string const& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

/// A file that exists as long as this object.
struct temporary_file {
  std::string path = std::filesystem::temp_directory_path() / "ia_nn_npy_XXXXXX";

  explicit temporary_file(std::string const& bytes = {}) {
    int const descriptor = ::mkstemp(path.data());
    REQUIRE(descriptor >= 0);
    ::close(descriptor);
    std::ofstream(path, std::ios::binary) << bytes;
  }
  temporary_file(temporary_file const&) = delete;
  temporary_file& operator=(temporary_file const&) = delete;
  ~temporary_file() { ::unlink(path.c_str()); }
};

/// What f() complains about; "" if it does not. Any error but errc::bad_file fails the test.
template <class F> std::string sentence(F&& f) {
  try {
    f();
  } catch (ia_nn::error const& e) {
    CHECK(e.code() == ia_nn::errc::bad_file);
    return e.what();
  }
  return {};
}

} // namespace ia_nn_test::npy

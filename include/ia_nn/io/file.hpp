// SPDX-License-Identifier: Apache-2.0
//
// Files that are opened for reading, with their length known before the first byte is believed.
#pragma once

#include <ia_nn/io/npy_header.hpp>

#include <cstddef>
#include <fstream>
#include <span>
#include <vector>

#include <ia_nn/begin.hpp>
namespace detail {

/// The bytes of a file from its beginning. Errors: errc::bad_file.
class input_file {
public:
  explicit input_file(std::string const& path) : path_(path), file_(path, std::ios::binary) {
    if (!file_) npy_fail(path_, "cannot be opened");
    // A folder can be opened, and its length is any number; no byte of it can be read.
    file_.peek();
    file_.seekg(0, std::ios::end);
    std::streamoff const size = file_ ? static_cast<std::streamoff>(file_.tellg()) : -1;
    if (!file_ || size < 0) npy_fail(path_, "cannot be read");
    rewind();
    size_ = static_cast<std::uint64_t>(size);
  }

  std::uint64_t size() const noexcept { return size_; }

  void rewind() {
    file_.clear();
    file_.seekg(0);
  }
  void read(void* to, std::size_t n) {
    if (n > 0 && !file_.read(static_cast<char*>(to), static_cast<std::streamsize>(n)))
      npy_fail(path_, "cannot be read");
  }
  std::vector<std::byte> all() {
    rewind();
    std::vector<std::byte> bytes(static_cast<std::size_t>(size_));
    read(bytes.data(), bytes.size());
    return bytes;
  }

private:
  std::string path_;
  std::ifstream file_;
  std::uint64_t size_ = 0;
};

/// What unpacks files: `gunzip` is one.
template <class D>
concept decompressor =
    requires(D const& decompress, std::span<std::byte const> file, std::string const& name) {
      { decompress(file, name) } -> std::convertible_to<std::vector<std::byte>>;
    };

/// True if the bytes begin as a gzip file does (RFC 1952).
inline bool begins_as_gzip(unsigned char const* bytes, std::size_t n) noexcept {
  return n >= 2 && bytes[0] == 0x1f && bytes[1] == 0x8b;
}

} // namespace detail
IA_NN_END

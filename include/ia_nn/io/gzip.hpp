// SPDX-License-Identifier: Apache-2.0
//
// gzip files (RFC 1952) in memory, by zlib: whoever includes this header links with zlib.
//
// The length that a gzip file states is not believed: memory grows with what was unpacked, never
// beyond the limit, and each member's checksum and length are compared with its own trailer.
#pragma once

#include <ia_nn/core/error.hpp>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>
#include <zlib.h>

#include <ia_nn/begin.hpp>

namespace detail {

/// zlib's state for gzip members, given back at the end.
class gzip_stream {
public:
  gzip_stream() {
    // 15 is the largest window, 16 asks for gzip's header and trailer and for no other.
    if (inflateInit2(&z_, 15 + 16) != Z_OK)
      throw_error(errc::out_of_memory, "gunzip: zlib cannot set up its state");
  }
  gzip_stream(gzip_stream const&) = delete;
  gzip_stream& operator=(gzip_stream const&) = delete;
  ~gzip_stream() { inflateEnd(&z_); }
  z_stream& operator*() noexcept { return z_; }

private:
  z_stream z_{};
};

} // namespace detail

/// Unpacks gzip files. `load_idx(path, gunzip{})` uses one, and
/// `parse_npy(gunzip{}(bytes, name), name)` reads any other format from one.
struct gunzip {
  std::uint64_t limit = std::uint64_t{1} << 30; ///< bytes of contents that are not exceeded

  /// The contents of all members of a gzip file, one behind the other. Errors: errc::bad_file if it
  /// is truncated, damaged, followed by anything else, or holds more than `limit` bytes;
  /// errc::out_of_memory.
  std::vector<std::byte> operator()(std::span<std::byte const> file,
                                    std::string_view name = "memory") const {
    auto const fail = [&](std::string const& sentence) {
      throw_error(errc::bad_file, "'" + std::string(name) + "' " + sentence);
    };
    detail::gzip_stream stream;
    z_stream& z = *stream;
    std::vector<std::byte> contents;
    unsigned char piece[1 << 14];
    std::size_t at = 0; // up to here zlib has been given the file
    for (;;) {
      if (z.avail_in == 0 && at < file.size()) {
        // zlib counts in unsigned int, and reads through a pointer that is not to const.
        std::size_t const n = file.size() - at < 1U << 30 ? file.size() - at : 1U << 30;
        z.next_in = const_cast<Bytef*>(reinterpret_cast<Bytef const*>(file.data() + at));
        z.avail_in = static_cast<uInt>(n);
        at += n;
      }
      z.next_out = piece;
      z.avail_out = sizeof piece;
      int const status = inflate(&z, Z_NO_FLUSH);
      if (status == Z_BUF_ERROR) fail("ends within its compressed data");
      if (status == Z_MEM_ERROR)
        throw_error(errc::out_of_memory,
                    "gunzip: zlib has no memory for '" + std::string(name) + "'");
      if (status != Z_OK && status != Z_STREAM_END)
        fail(std::string("is a damaged gzip file: ") + (z.msg ? z.msg : "zlib gives no reason"));
      append(contents, piece, sizeof piece - z.avail_out, fail);
      if (status != Z_STREAM_END) continue;

      std::size_t const left = z.avail_in + (file.size() - at);
      if (left == 0) return contents;
      auto const byte = [&](std::size_t i) { return file[file.size() - left + i]; };
      if (byte(0) != std::byte{0x1f} || left < 2 || byte(1) != std::byte{0x8b})
        fail("has " + std::to_string(left) + " bytes behind its compressed data");
      inflateReset(&z); // keeps next_in and avail_in
    }
  }

private:
  template <class Fail>
  void append(std::vector<std::byte>& contents, unsigned char const* from, std::size_t n,
              Fail const& fail) const {
    if (n > limit - contents.size())
      fail("unpacks to more than " + std::to_string(limit) + " bytes, the limit");
    std::size_t const size = contents.size() + n;
    if (size > contents.capacity()) { // twice as much as before, but not beyond the limit
      std::uint64_t const twice = 2 * static_cast<std::uint64_t>(size);
      contents.reserve(static_cast<std::size_t>(twice < limit ? twice : limit));
    }
    auto const* const first = reinterpret_cast<std::byte const*>(from);
    contents.insert(contents.end(), first, first + n);
  }
};

IA_NN_END

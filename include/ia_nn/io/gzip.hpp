// SPDX-License-Identifier: Apache-2.0
//
// gzip files (RFC 1952) in memory, by zlib: whoever includes this header links with zlib.
//
// The length that a gzip file states is not believed. A file is unpacked twice: the first time
// nothing is kept, each member's checksum and length are compared with its own trailer, and the
// bytes are counted; then there is memory for just so many.
#pragma once

#include <ia_nn/io/file.hpp>

#include <algorithm>
#include <zlib.h>

#include <ia_nn/begin.hpp>

namespace detail {

/// zlib's state for gzip members, given back at the end.
class gzip_stream {
public:
  explicit gzip_stream(std::string_view name) {
    // 15 is the largest window, 16 asks for gzip's header and trailer and for no other.
    if (inflateInit2(&z_, 15 + 16) != Z_OK) no_memory(name);
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

  /// The contents of all members of a gzip file, one behind the other. Zeros behind a member are
  /// padding, as they are for gzip. Errors: errc::bad_file if it is truncated, damaged, followed by
  /// anything else, or holds more than `limit` bytes; errc::out_of_memory.
  std::vector<std::byte> operator()(std::span<std::byte const> file,
                                    std::string_view name = "memory") const {
    return detail::within_memory(name, [&] {
      std::uint64_t size = 0;
      unpack(file, name, [&](std::span<std::byte const> piece) {
        if (piece.size() > limit - size)
          detail::npy_fail(name,
                           "unpacks to more than " + std::to_string(limit) + " bytes, the limit");
        size += piece.size();
      });
      std::vector<std::byte> contents(static_cast<std::size_t>(size));
      std::span<std::byte> left(contents);
      unpack(file, name, [&](std::span<std::byte const> piece) {
        if (piece.size() > left.size()) detail::npy_fail(name, "has changed while it was read");
        std::copy(piece.begin(), piece.end(), left.begin());
        left = left.subspan(piece.size());
      });
      return contents;
    });
  }

private:
  /// take(piece) gets the contents one piece after the other.
  template <class Take>
  static void unpack(std::span<std::byte const> file, std::string_view name, Take&& take) {
    detail::gzip_stream stream(name);
    z_stream& z = *stream;
    std::byte piece[1 << 14];
    std::size_t at = 0; // up to here zlib has been given the file
    for (;;) {
      if (z.avail_in == 0 && at < file.size()) {
        // zlib counts in unsigned int, and reads through a pointer that is not to const.
        std::size_t const n = file.size() - at < 1U << 30 ? file.size() - at : 1U << 30;
        z.next_in = const_cast<Bytef*>(reinterpret_cast<Bytef const*>(file.data() + at));
        z.avail_in = static_cast<uInt>(n);
        at += n;
      }
      z.next_out = reinterpret_cast<Bytef*>(piece);
      z.avail_out = sizeof piece;
      int const status = inflate(&z, Z_NO_FLUSH);
      if (status == Z_BUF_ERROR) detail::npy_fail(name, "ends within its compressed data");
      if (status == Z_MEM_ERROR) detail::no_memory(name);
      if (status != Z_OK && status != Z_STREAM_END)
        detail::npy_fail(name, std::string("is a damaged gzip file: ") +
                                   (z.msg ? z.msg : "zlib gives no reason"));
      take(std::span<std::byte const>(piece, sizeof piece - z.avail_out));
      if (status != Z_STREAM_END) continue;

      at -= z.avail_in;
      while (at < file.size() && file[at] == std::byte{0}) ++at;
      std::span<std::byte const> const rest = file.subspan(at);
      if (rest.empty()) return;
      if (!detail::begins_as_gzip(reinterpret_cast<unsigned char const*>(rest.data()), rest.size()))
        detail::npy_fail(name, "has " + std::to_string(rest.size()) +
                                   " bytes behind its compressed data");
      inflateReset(&z);
      z.avail_in = 0; // it is given the rest anew
    }
  }
};

IA_NN_END

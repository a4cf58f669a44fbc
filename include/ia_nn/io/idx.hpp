// SPDX-License-Identifier: Apache-2.0
//
// Arrays in IDX files, the format of MNIST.
//
//   offset   0   2      3      4                    4 + 4 rank
//            0 0 type   rank   rank extents, u32    the elements, the last dimension fastest
//
//   type   0x08  0x09  0x0b  0x0c  0x0d  0x0e      all numbers are big-endian
//          u8    s8    s16   s32   f32   f64
//
// They become the same `npy_array` as NPY files, in the order of bytes of this machine, so that
// `npy_elements` converts and `save_npy` stores them. As there, the file's length is compared with
// what its header says before an element is allocated.
#pragma once

#include <ia_nn/io/file.hpp>
#include <ia_nn/io/npy.hpp>

#include <ia_nn/begin.hpp>

namespace detail {

inline constexpr int idx_rank = 8; ///< the most dimensions that are read

inline npy_type idx_type(unsigned char code, std::string_view name) {
  // clang-format off
  switch (code) {
  case 0x08: return npy_type::uint8;
  case 0x09: return npy_type::int8;
  case 0x0b: return npy_type::int16;
  case 0x0c: return npy_type::int32;
  case 0x0d: return npy_type::float32;
  case 0x0e: return npy_type::float64;
  default: npy_fail(name, "has elements of type " + std::to_string(code) +
                              ", known are 8, 9, 11, 12, 13 and 14");
  }
  // clang-format on
}

/// Turns the bytes of each element around.
template <class Bits> void reverse_bytes(std::vector<std::byte>& bytes) noexcept {
  for (std::size_t i = 0; i + sizeof(Bits) <= bytes.size(); i += sizeof(Bits)) {
    Bits x;
    std::memcpy(&x, bytes.data() + i, sizeof x);
    if constexpr (sizeof(Bits) == 2) x = __builtin_bswap16(x);
    else if constexpr (sizeof(Bits) == 4) x = __builtin_bswap32(x);
    else x = __builtin_bswap64(x);
    std::memcpy(bytes.data() + i, &x, sizeof x);
  }
}

/// Reads an array of `size` bytes in all; read(to, n) gets the next n of them.
template <class Read> npy_array read_idx(Read&& read, std::uint64_t size, std::string_view name) {
  unsigned char start[4] = {}, extents[4 * idx_rank] = {};
  std::size_t const have = static_cast<std::size_t>(size < sizeof start ? size : sizeof start);
  if (have > 0) read(start, have);
  if (begins_as_gzip(start, have))
    npy_fail(name, "is compressed; with gunzip{} of <ia_nn/io/gzip.hpp> it can be read");
  if (have < sizeof start)
    npy_fail(name, "ends within its first 4 bytes, it has " + std::to_string(have));
  if (start[0] != 0 || start[1] != 0) npy_fail(name, "is no IDX file: it does not begin with 0 0");

  npy_header header{idx_type(start[2], name), {}};
  std::size_t const rank = start[3];
  if (rank < 1 || rank > idx_rank)
    npy_fail(name, "has " + std::to_string(rank) + " dimensions, 1 to 8 can be read");
  std::uint64_t const left = size - sizeof start;
  if (left < 4 * rank)
    npy_fail(name, "ends within its extents: " + std::to_string(left) + " bytes are left, " +
                       std::to_string(4 * rank) + " are needed");
  read(extents, 4 * rank);
  for (std::size_t d = 0; d < rank; ++d) {
    std::uint32_t n;
    std::memcpy(&n, extents + 4 * d, sizeof n);
    header.shape.push_back(static_cast<index_t>(__builtin_bswap32(n)));
  }

  std::uint64_t const bytes = npy_bytes(header, name);
  if (bytes != left - 4 * rank)
    npy_fail(name, "holds " + std::to_string(left - 4 * rank) +
                       " bytes of elements, its header says " + std::to_string(bytes));
  npy_array array{header.type, std::move(header.shape), {}, std::string(name)};
  array.bytes.resize(static_cast<std::size_t>(bytes));
  if (bytes > 0) read(array.bytes.data(), array.bytes.size());
  switch (bytes_of(array.type)) {
  case 2:
    reverse_bytes<std::uint16_t>(array.bytes);
    break;
  case 4:
    reverse_bytes<std::uint32_t>(array.bytes);
    break;
  case 8:
    reverse_bytes<std::uint64_t>(array.bytes);
    break;
  default:
    break;
  }
  return array;
}

} // namespace detail

/// The array in an IDX file that was read into memory; `name` is for error messages. Errors:
/// errc::bad_file.
inline npy_array parse_idx(std::span<std::byte const> file, std::string_view name = "memory") {
  std::byte const* from = file.data();
  return detail::read_idx(
      [&](void* to, std::size_t n) {
        std::memcpy(to, from, n);
        from += n;
      },
      file.size(), name);
}

/// The array in the IDX file at `path`, which is not compressed. Errors: errc::bad_file.
inline npy_array load_idx(std::string const& path) {
  detail::input_file file(path);
  return detail::read_idx([&](void* to, std::size_t n) { file.read(to, n); }, file.size(), path);
}

/// The array in the IDX file at `path`. If that begins as a gzip file does, its contents are
/// `decompress(bytes, path)`: `gunzip{}` of <ia_nn/io/gzip.hpp>, or something like it. Errors:
/// errc::bad_file.
template <detail::decompressor Decompress>
npy_array load_idx(std::string const& path, Decompress const& decompress) {
  detail::input_file file(path);
  unsigned char start[2] = {};
  std::size_t const n = static_cast<std::size_t>(file.size() < 2 ? file.size() : 2);
  file.read(start, n);
  if (detail::begins_as_gzip(start, n)) {
    std::vector<std::byte> const packed = file.all();
    return parse_idx(decompress(std::span<std::byte const>(packed), path), path);
  }
  file.rewind();
  return detail::read_idx([&](void* to, std::size_t m) { file.read(to, m); }, file.size(), path);
}

IA_NN_END

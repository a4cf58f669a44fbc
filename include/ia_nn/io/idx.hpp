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

template <class Source> npy_array read_idx(Source&& from, std::string_view name) {
  std::uint64_t const size = from.size();
  unsigned char start[4] = {}, extents[4 * idx_rank] = {};
  std::size_t const have = static_cast<std::size_t>(size < sizeof start ? size : sizeof start);
  from.read(start, have);
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
  from.read(extents, 4 * rank);
  for (std::size_t d = 0; d < rank; ++d) {
    std::uint32_t n;
    std::memcpy(&n, extents + 4 * d, sizeof n);
    header.shape.push_back(static_cast<index_t>(__builtin_bswap32(n)));
  }

  std::uint64_t const bytes = npy_bytes(header, name);
  if (bytes != left - 4 * rank)
    npy_fail(name, "holds " + std::to_string(left - 4 * rank) +
                       " bytes of elements, its header says " + std::to_string(bytes));
  npy_array array{header.type, std::move(header.shape), from.rest(), std::string(name)};
  reverse_bytes(array);
  return array;
}

} // namespace detail

/// The array in an IDX file that was read into memory; `name` is for error messages. Errors:
/// errc::bad_file, errc::out_of_memory.
inline npy_array parse_idx(std::span<std::byte const> file, std::string_view name = "memory") {
  return detail::within_memory(name,
                               [&] { return detail::read_idx(detail::viewed_bytes(file), name); });
}
/// The same of bytes that nobody else needs: the elements stay in them.
inline npy_array parse_idx(std::vector<std::byte>&& file, std::string_view name = "memory") {
  return detail::within_memory(
      name, [&] { return detail::read_idx(detail::owned_bytes(std::move(file)), name); });
}

/// The array in the IDX file at `path`, which is not compressed. Errors: errc::bad_file,
/// errc::out_of_memory.
inline npy_array load_idx(std::string const& path) {
  return detail::within_memory(path,
                               [&] { return detail::read_idx(detail::input_file(path), path); });
}

/// The array in the IDX file at `path`. If that begins as a gzip file does, its contents are
/// `decompress(bytes, path)`: `gunzip{}` of <ia_nn/io/gzip.hpp>, or something like it. Errors:
/// errc::bad_file, errc::out_of_memory.
template <detail::decompressor Decompress>
npy_array load_idx(std::string const& path, Decompress const& decompress) {
  return detail::within_memory(path, [&] {
    detail::input_file file(path);
    unsigned char start[2] = {};
    std::size_t const n = static_cast<std::size_t>(file.size() < 2 ? file.size() : 2);
    file.read(start, n);
    file.rewind();
    if (!detail::begins_as_gzip(start, n)) return detail::read_idx(file, path);
    return parse_idx(std::vector<std::byte>(decompress(file.map().bytes(), path)), path);
  });
}

IA_NN_END

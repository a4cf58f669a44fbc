// SPDX-License-Identifier: Apache-2.0
//
// Arrays in NumPy's NPY files, versions 1.0 to 3.0. In memory they are in C order and in the order
// of bytes of this machine, whatever they were in the file.
//
//   offset   0         6      8                10 or 12
//            \x93NUMPY major, header's length  {'descr': '<f4', 'fortran_order': False,
//                      minor  u16, 2.0: u32     'shape': (2, 3), } spaces \n   then the elements
//
// The bytes are not trusted: every read is checked against what is left of the file before it is
// done, and no element is allocated before the file has been found to be as long as its header
// says.
#pragma once

#include <ia_nn/core/text.hpp>
#include <ia_nn/io/file.hpp>

#include <algorithm>
#include <cstring>
#include <fstream>

#include <ia_nn/begin.hpp>

/// An array and where it came from. Elements lie in `bytes` one behind the other, the last
/// dimension fastest.
struct npy_array {
  npy_type type = npy_type::float32;
  std::vector<index_t> shape; ///< empty for a single number
  std::vector<std::byte> bytes;
  std::string name; ///< of the file, for error messages

  index_t size() const { return static_cast<index_t>(bytes.size()) / bytes_of(type); }
};

namespace detail {

/// f(bits) with an unsigned integer as long as an element.
template <class F> void with_bits_of(npy_type type, F&& f) {
  // clang-format off
  switch (bytes_of(type)) {
  case 1: f(std::uint8_t{}); break;
  case 2: f(std::uint16_t{}); break;
  case 4: f(std::uint32_t{}); break;
  default: f(std::uint64_t{}); break;
  }
  // clang-format on
}

/// Turns the bytes of each element around.
inline void reverse_bytes(npy_array& array) noexcept {
  with_bits_of(array.type, [&]<class Bits>(Bits x) {
    if constexpr (sizeof x > 1)
      for (std::byte *at = array.bytes.data(), *end = at + array.bytes.size(); at != end;
           at += sizeof x) {
        std::memcpy(&x, at, sizeof x);
        if constexpr (sizeof x == 2) x = __builtin_bswap16(x);
        else if constexpr (sizeof x == 4) x = __builtin_bswap32(x);
        else x = __builtin_bswap64(x);
        std::memcpy(at, &x, sizeof x);
      }
  });
}

/// Reads elements of which the first dimension is the fastest, piece by piece, and puts each where
/// it belongs when the last one is.
template <class Source> void read_fortran_order(npy_array& array, Source& from) {
  std::vector<index_t> const& extent = array.shape;
  std::vector<index_t> step(extent.size(), bytes_of(array.type)), index(extent.size());
  for (std::size_t d = extent.size(); d-- > 1;) step[d - 1] = step[d] * extent[d];
  with_bits_of(array.type, [&]<class Bits>(Bits) {
    Bits piece[4096];
    index_t to = 0;
    for (index_t left = array.size(); left > 0;) {
      index_t const n = std::min(left, std::ssize(piece));
      from.read(piece, static_cast<std::size_t>(n) * sizeof(Bits));
      left -= n;
      for (Bits const& x : std::span(piece, static_cast<std::size_t>(n))) {
        std::memcpy(array.bytes.data() + to, &x, sizeof x);
        for (std::size_t d = 0; d < extent.size(); ++d) {
          to += step[d];
          if (++index[d] < extent[d]) break;
          to -= step[d] * extent[d];
          index[d] = 0;
        }
      }
    }
  });
}

template <class Source> npy_array read_npy(Source&& from, std::string_view name) {
  std::uint64_t left = from.size();
  auto const take = [&](void* to, std::uint64_t n, char const* what) {
    if (n > left)
      npy_fail(name, std::string("ends within ") + what + ": " + std::to_string(left) +
                         " bytes are left, " + std::to_string(n) + " are needed");
    from.read(to, static_cast<std::size_t>(n));
    left -= n;
  };

  unsigned char start[8] = {}, length[4] = {};
  take(start, sizeof start, "its first 8 bytes");
  if (std::memcmp(start, npy_magic, sizeof npy_magic) != 0) npy_fail(name, "is no NPY file");
  if (start[6] < 1 || start[6] > 3 || start[7] != 0)
    npy_fail(name, "has version " + std::to_string(start[6]) + "." + std::to_string(start[7]) +
                       ", 1.0, 2.0 and 3.0 can be read");
  take(length, start[6] == 1 ? 2 : 4, "the length of its header");
  std::uint64_t const n = length[0] | std::uint64_t{length[1]} << 8 |
                          std::uint64_t{length[2]} << 16 | std::uint64_t{length[3]} << 24;
  if (n > left) npy_fail(name, "ends within its header");
  if (n > npy_header_limit)
    npy_fail(name, "has a header of " + std::to_string(n) + " bytes, 65535 can be read");
  std::string text(static_cast<std::size_t>(n), ' ');
  take(text.data(), n, "its header");

  npy_header header = npy_header_reader(text, name).read();
  std::uint64_t const bytes = npy_bytes(header, name);
  if (bytes != left)
    npy_fail(name, "holds " + std::to_string(left) + " bytes of elements, its header says " +
                       std::to_string(bytes));
  npy_array array{header.type, std::move(header.shape), {}, std::string(name)};
  // Where only one extent is not 1 both orders are one.
  auto const longer = [](index_t x) { return x != 1; };
  if (header.fortran_order && bytes > 0 &&
      std::count_if(array.shape.begin(), array.shape.end(), longer) > 1) {
    array.bytes.resize(static_cast<std::size_t>(bytes));
    read_fortran_order(array, from);
  } else {
    array.bytes = from.rest();
  }
  if (header.big_endian) reverse_bytes(array);
  return array;
}

// IEEE binary16: 1 sign, 5 exponent, 10 fraction bits; exact in f32.
inline f32 half_to_f32(std::uint16_t h) noexcept {
  std::uint32_t const sign = static_cast<std::uint32_t>(h & 0x8000U) << 16;
  std::uint32_t const exponent = h >> 10 & 0x1fU, fraction = h & 0x3ffU;
  if (exponent == 0) { // zero and denormals: fraction * 2^-24
    f32 const magnitude = static_cast<f32>(fraction) * 0x1p-24F;
    return sign ? -magnitude : magnitude;
  }
  std::uint32_t const wide = exponent == 31 ? 255 : exponent + 112;
  return __builtin_bit_cast(f32, sign | wide << 23 | fraction << 13);
}

template <class To, class From> To npy_convert(From x, std::string_view name) {
  auto const fail = [&] {
    std::string text;
    if constexpr (std::is_floating_point_v<From>) text = number_text(x);
    else text = std::to_string(x);
    npy_fail(name, "holds " + text + ", which is no integer of 64 bits");
  };
  if constexpr (std::same_as<To, std::int64_t>) {
    if constexpr (std::is_floating_point_v<From>) { // false for a NaN as well
      if (!(x >= static_cast<From>(-0x1p63) && x < static_cast<From>(0x1p63))) fail();
      if (static_cast<From>(static_cast<std::int64_t>(x)) != x) fail();
    } else if constexpr (std::same_as<From, std::uint64_t>) {
      if (x > static_cast<std::uint64_t>(INT64_MAX)) fail();
    }
  }
  return static_cast<To>(x);
}

} // namespace detail

/// The array in a file that was read into memory; `name` is for error messages. Errors:
/// errc::bad_file, errc::out_of_memory.
inline npy_array parse_npy(std::span<std::byte const> file, std::string_view name = "memory") {
  return detail::within_memory(name,
                               [&] { return detail::read_npy(detail::viewed_bytes(file), name); });
}
/// The same of bytes that nobody else needs: the elements stay in them.
inline npy_array parse_npy(std::vector<std::byte>&& file, std::string_view name = "memory") {
  return detail::within_memory(
      name, [&] { return detail::read_npy(detail::owned_bytes(std::move(file)), name); });
}

/// The array in the file at `path`. Errors: errc::bad_file, errc::out_of_memory.
inline npy_array load_npy(std::string const& path) {
  return detail::within_memory(path,
                               [&] { return detail::read_npy(detail::input_file(path), path); });
}

/// The elements as f32, double or std::int64_t. Numbers that f32 or double cannot hold are rounded;
/// for std::int64_t they must be integers of its range. Errors: errc::bad_file,
/// errc::out_of_memory.
template <class T> std::vector<T> npy_elements(npy_array const& array) {
  static_assert(std::same_as<T, f32> || std::same_as<T, double> || std::same_as<T, std::int64_t>,
                "ia_nn: npy_elements: T must be f32, double or std::int64_t");
  return detail::within_memory(array.name, [&] {
    std::vector<T> to(static_cast<std::size_t>(array.size()));
    auto const convert = [&]<class From>(From, auto&& widen) {
      std::byte const* from = array.bytes.data();
      for (T& y : to) {
        From x;
        std::memcpy(&x, from, sizeof x);
        from += sizeof x;
        y = detail::npy_convert<T>(widen(x), array.name);
      }
    };
    auto const as_is = [](auto x) { return x; };
    // clang-format off
    switch (array.type) {
    case npy_type::float64: convert(double{}, as_is); break;
    case npy_type::float32: convert(float{}, as_is); break;
    case npy_type::float16: convert(std::uint16_t{}, detail::half_to_f32); break;
    case npy_type::int64: convert(std::int64_t{}, as_is); break;
    case npy_type::int32: convert(std::int32_t{}, as_is); break;
    case npy_type::int16: convert(std::int16_t{}, as_is); break;
    case npy_type::int8: convert(std::int8_t{}, as_is); break;
    case npy_type::uint64: convert(std::uint64_t{}, as_is); break;
    case npy_type::uint32: convert(std::uint32_t{}, as_is); break;
    case npy_type::uint16: convert(std::uint16_t{}, as_is); break;
    case npy_type::uint8: convert(std::uint8_t{}, as_is); break;
    case npy_type::boolean:
      convert(std::uint8_t{}, [](std::uint8_t x) { return x ? 1 : 0; });
      break;
    }
    // clang-format on
    return to;
  });
}

/// The array with these elements. Errors: errc::bad_shape if there are not as many as `shape` says;
/// errc::out_of_memory.
template <class T>
npy_array make_npy(std::span<T const> elements, std::vector<index_t> shape,
                   std::string name = "memory") {
  npy_array array{npy_type_of<std::remove_const_t<T>>(), std::move(shape), {}, std::move(name)};
  return detail::within_memory(array.name, [&] {
    detail::npy_require_count(array.shape, elements.size(), array.name);
    array.bytes.resize(elements.size_bytes());
    if (!elements.empty()) std::memcpy(array.bytes.data(), elements.data(), elements.size_bytes());
    return std::move(array);
  });
}

/// Writes a file of version 1.0. Errors: errc::bad_shape, errc::bad_file, errc::out_of_memory.
inline void save_npy(std::string const& path, npy_array const& array) {
  detail::within_memory(path, [&] {
    detail::npy_require_count(array.shape, static_cast<std::uint64_t>(array.size()), path);
    if (std::ssize(array.bytes) % bytes_of(array.type) != 0)
      throw_error(errc::bad_shape, "'" + path + "': " + std::to_string(array.bytes.size()) +
                                       " bytes are no whole number of " + name_of(array.type));
    std::string const head = detail::npy_head(array.type, array.shape);
    std::ofstream file(path, std::ios::binary);
    file.write(head.data(), static_cast<std::streamsize>(head.size()));
    file.write(reinterpret_cast<char const*>(array.bytes.data()),
               static_cast<std::streamsize>(array.bytes.size()));
    file.close();
    if (!file) detail::npy_fail(path, "cannot be written");
  });
}

/// Writes f32, double or integers. Errors: errc::bad_shape, errc::bad_file.
template <class T>
void save_npy(std::string const& path, std::span<T const> elements, std::vector<index_t> shape) {
  save_npy(path, make_npy(elements, std::move(shape), path));
}

IA_NN_END

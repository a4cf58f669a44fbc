// SPDX-License-Identifier: Apache-2.0
//
// The header of an NPY file: types of elements, and the Python dictionary that names type, order
// and shape.
#pragma once

#include <ia_nn/core/error.hpp>
#include <ia_nn/core/types.hpp>

#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <ia_nn/begin.hpp>

// clang-format off
/// Types of elements. What is no element of this library `npy_elements` converts.
enum class npy_type {
  float64, float32, float16, int64, int32, int16, int8, uint64, uint32, uint16, uint8, boolean
};
// clang-format on

namespace detail {
// NumPy's words for types, in the order of npy_type: kind and bytes, a letter or two, in full.
struct npy_word {
  char const *kind, *letters, *name;
};
inline constexpr npy_word npy_words[] = {
    {"f8", "d", "float64"}, {"f4", "f", "float32"}, {"f2", "e", "float16"}, {"i8", "ql", "int64"},
    {"i4", "i", "int32"},   {"i2", "h", "int16"},   {"i1", "b", "int8"},    {"u8", "QL", "uint64"},
    {"u4", "I", "uint32"},  {"u2", "H", "uint16"},  {"u1", "B", "uint8"},   {"b1", "?", "bool"}};
inline constexpr unsigned char npy_magic[6] = {0x93, 'N', 'U', 'M', 'P', 'Y'};
inline constexpr std::size_t npy_rank = 64; ///< NumPy's own limit
/// Bytes of a header. NumPy itself asks its user before it reads more than 10000: of types that can
/// be read here none takes a quarter of these.
inline constexpr std::uint64_t npy_header_limit = 65535;

[[noreturn]] inline void npy_fail(std::string_view file, std::string const& sentence) {
  throw_error(errc::bad_file, "'" + std::string(file) + "' " + sentence);
}
} // namespace detail

/// NumPy's short name: "f4" for float32, "b1" for boolean.
constexpr char const* name_of(npy_type t) noexcept {
  return detail::npy_words[static_cast<int>(t)].kind;
}
constexpr index_t bytes_of(npy_type t) noexcept { return name_of(t)[1] - '0'; }

/// The type that stores T: float, double, bool, or an integer.
template <class T> constexpr npy_type npy_type_of() noexcept {
  static_assert(std::same_as<T, float> || std::same_as<T, double> || std::is_integral_v<T>,
                "ia_nn: npy_type_of: T must be float, double, bool or an integer");
  constexpr bool negative = std::is_signed_v<T>;
  if constexpr (std::same_as<T, double>) return npy_type::float64;
  else if constexpr (std::same_as<T, float>) return npy_type::float32;
  else if constexpr (std::same_as<T, bool>) return npy_type::boolean;
  else if constexpr (sizeof(T) == 8) return negative ? npy_type::int64 : npy_type::uint64;
  else if constexpr (sizeof(T) == 4) return negative ? npy_type::int32 : npy_type::uint32;
  else if constexpr (sizeof(T) == 2) return negative ? npy_type::int16 : npy_type::uint16;
  else return negative ? npy_type::int8 : npy_type::uint8;
}

namespace detail {

struct npy_header {
  npy_type type = npy_type::float32;
  std::vector<index_t> shape;
  bool big_endian = false;
  bool fortran_order = false; ///< the first dimension is the fastest
};

/// Reads {'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }: the three keys once each, in
/// any order, and nothing behind the brace but spaces and newlines; also as Python 2 wrote it,
/// which has integers 3L and words u'descr'.
class npy_header_reader {
public:
  npy_header_reader(std::string_view text, std::string_view file) : text_(text), file_(file) {}

  npy_header read() {
    bool have_type = false, have_order = false, have_shape = false;
    expect('{');
    while (!accept('}')) {
      std::string_view const key = quoted();
      expect(':');
      if (key == "descr" && !std::exchange(have_type, true)) read_type();
      else if (key == "fortran_order" && !std::exchange(have_order, true)) read_order();
      else if (key == "shape" && !std::exchange(have_shape, true)) read_shape();
      else fail("a key that is unknown or there twice");
      if (!accept(',')) {
        expect('}');
        break;
      }
    }
    skip();
    if (at_ != text_.size()) fail("something behind its dictionary");
    if (!have_type || !have_order || !have_shape) fail("no descr, fortran_order or shape");
    return std::move(header_);
  }

private:
  [[noreturn]] void fail(char const* what) const {
    npy_fail(file_,
             std::string("has a header with ") + what + ", at character " + std::to_string(at_));
  }
  char peek() const noexcept { return at_ < text_.size() ? text_[at_] : '\0'; }
  void skip() noexcept {
    while (std::string_view(" \n\t\r\f").find(peek()) != std::string_view::npos) ++at_;
  }
  bool accept(char c) noexcept {
    skip();
    if (at_ == text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }
  void expect(char c) {
    if (!accept(c)) fail((std::string("no '") + c + "'").c_str());
  }
  bool accept(std::string_view word) noexcept {
    skip();
    if (text_.substr(at_, word.size()) != word) return false;
    at_ += word.size();
    return true;
  }
  std::string_view quoted() {
    skip();
    if (std::string_view("uUrR").find(peek()) != std::string_view::npos) ++at_;
    char const quote = peek();
    if (quote != '\'' && quote != '"') fail("no quoted word");
    std::size_t const end = text_.find(quote, at_ + 1);
    if (end == std::string_view::npos) fail("an open quote");
    std::string_view const word = text_.substr(at_ + 1, end - at_ - 1);
    at_ = end + 1;
    return word;
  }

  void read_type() {
    if (skip(), peek() == '[') fail("a structured descr, which cannot be read");
    std::string_view const descr = quoted();
    // < > little and big endian, = or nothing this machine's, | where there is only one byte.
    bool const order = !descr.empty() && std::string_view("<>=|").find(descr[0]) != descr.npos;
    std::string_view const word = descr.substr(order ? 1 : 0);
    for (int t = 0; t <= static_cast<int>(npy_type::boolean); ++t) {
      npy_word const& is = npy_words[t];
      bool const letter =
          word.size() == 1 && std::string_view(is.letters).find(word[0]) != word.npos;
      if (word != is.kind && !letter && (order || word != is.name)) continue;
      header_.type = static_cast<npy_type>(t);
      header_.big_endian = descr[0] == '>';
      return;
    }
    fail("a descr that is none of f8 f4 f2 i8 i4 i2 i1 u8 u4 u2 u1 b1");
  }
  void read_order() {
    header_.fortran_order = accept(std::string_view("True"));
    if (!header_.fortran_order && !accept(std::string_view("False")))
      fail("a fortran_order that is neither True nor False");
  }
  void read_shape() {
    expect('(');
    bool comma = true;
    while (!accept(')')) {
      if (!comma) fail("no ',' between extents");
      if (header_.shape.size() == npy_rank) fail("more than 64 extents");
      header_.shape.push_back(extent());
      comma = accept(',');
    }
    // In Python (3) is a number and (3,) a tuple.
    if (header_.shape.size() == 1 && !comma) fail("a shape that is a number");
  }
  index_t extent() {
    skip();
    if (peek() < '0' || peek() > '9') fail("an extent that is no number");
    index_t n = 0;
    for (; peek() >= '0' && peek() <= '9'; ++at_)
      if (__builtin_mul_overflow(n, index_t{10}, &n) ||
          __builtin_add_overflow(n, index_t{peek() - '0'}, &n))
        fail("an extent beyond 2^63");
    accept('L');
    return n;
  }

  std::string_view text_, file_;
  std::size_t at_ = 0;
  npy_header header_;
};

/// Bytes of the elements. Extents whose product overflows are refused even where another one is 0:
/// whoever multiplies some of them need not look.
inline std::uint64_t npy_bytes(npy_header const& header, std::string_view file) {
  index_t bytes = bytes_of(header.type);
  bool empty = false;
  for (index_t const n : header.shape) {
    if (n == 0) empty = true;
    else if (__builtin_mul_overflow(bytes, n, &bytes))
      npy_fail(file, "has a shape of more than 2^63 bytes");
  }
  return empty ? 0 : static_cast<std::uint64_t>(bytes);
}

inline std::string npy_shape_text(std::vector<index_t> const& shape) {
  std::string text = "(";
  for (std::size_t d = 0; d < shape.size(); ++d) text += (d ? ", " : "") + std::to_string(shape[d]);
  return text + (shape.size() == 1 ? ",)" : ")");
}

inline void npy_require_count(std::vector<index_t> const& shape, std::uint64_t count,
                              std::string_view file) {
  auto const fail = [&](std::string const& sentence) {
    throw_error(errc::bad_shape, "'" + std::string(file) + "': " + sentence);
  };
  if (shape.size() > npy_rank) fail("an array has at most 64 extents");
  std::uint64_t product = 1;
  for (index_t const n : shape)
    if (n < 0 || __builtin_mul_overflow(product, static_cast<std::uint64_t>(n), &product))
      fail("a negative or too large extent in " + npy_shape_text(shape));
  if (product != count)
    fail(std::to_string(count) + " elements for the shape " + npy_shape_text(shape));
}

/// Everything before the elements; as long as a multiple of 64, so that these are aligned.
inline std::string npy_head(npy_type type, std::vector<index_t> const& shape) {
  std::string dictionary = std::string("{'descr': '") + (bytes_of(type) == 1 ? '|' : '<') +
                           name_of(type) +
                           "', 'fortran_order': False, 'shape': " + npy_shape_text(shape) + ", }";
  dictionary.append(63 - (10 + dictionary.size()) % 64, ' ');
  dictionary += '\n';
  std::string head(reinterpret_cast<char const*>(npy_magic), sizeof npy_magic);
  head += '\1';
  head += '\0';
  head += static_cast<char>(dictionary.size() & 0xffU);
  head += static_cast<char>(dictionary.size() >> 8);
  return head + dictionary;
}

} // namespace detail

IA_NN_END

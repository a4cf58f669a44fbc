// SPDX-License-Identifier: Apache-2.0
//
// NPY files: byte by byte against files as NumPy writes them, there and back through memory and
// disk, conversions, and what damaged files are answered with.
#include "gemm/throws.hpp"
#include "io/npy_file.hpp"
#include "support/locale.hpp"

#include <cmath>
#include <limits>
#include <ranges>
#include <sys/stat.h>

using namespace ia_nn_test;
using namespace ia_nn_test::npy;

namespace {

template <class T> void check_round_trip(ia_nn_test::random& r) {
  INFO("element type " << ia_nn::name_of(ia_nn::npy_type_of<T>()));
  std::vector<index_t> const shapes[] = {{}, {1}, {5}, {0}, {2, 3}, {3, 0, 4}, {1, 2, 1, 3, 2}};
  temporary_file const file;
  for (auto const& shape : shapes) {
    std::size_t count = 1;
    for (index_t const n : shape) count *= static_cast<std::size_t>(n);
    std::vector<T> values(count);
    for (T& v : values) {
      if constexpr (std::is_floating_point_v<T>) v = static_cast<T>(r.normal());
      else v = static_cast<T>(r.next());
    }
    ia_nn::save_npy(file.path, std::span<T const>(values), shape);
    auto const back = ia_nn::load_npy(file.path);
    CHECK(back.type == ia_nn::npy_type_of<T>());
    CHECK(back.shape == shape);
    CHECK(back.name == file.path);
    CHECK(back.size() == static_cast<index_t>(count));
    REQUIRE(back.bytes.size() == count * sizeof(T));
    CHECK(std::equal(back.bytes.begin(), back.bytes.end(),
                     std::as_bytes(std::span<T const>(values)).begin()));
    auto const wide = ia_nn::npy_elements<double>(back);
    bool same = wide.size() == count;
    for (std::size_t i = 0; same && i < count; ++i)
      same = wide[i] == static_cast<double>(values[i]);
    CHECK(same);
  }
}

// As NumPy 1.x and 2.x write them: the header ends at a multiple of 64 bytes.
std::string const numpy_2x3 =
    padded("{'descr': '<i2', 'fortran_order': False, 'shape': (2, 3), }", 128);
std::string const elements_2x3("\1\0\2\0\3\0\4\0\xff\xff\0\x80", 12);

} // namespace

TEST_CASE("npy: arrays of all types go to disk and back", "[io]") {
  ia_nn_test::random r(1);
  check_round_trip<float>(r), check_round_trip<double>(r);
  check_round_trip<std::int8_t>(r), check_round_trip<std::uint8_t>(r);
  check_round_trip<std::int16_t>(r), check_round_trip<std::uint16_t>(r);
  check_round_trip<std::int32_t>(r), check_round_trip<std::uint32_t>(r);
  check_round_trip<std::int64_t>(r), check_round_trip<std::uint64_t>(r);
}

TEST_CASE("npy: a file of NumPy's is read and written byte by byte", "[io]") {
  std::string const file = numpy_2x3 + elements_2x3;
  auto const a = parse(file);
  CHECK(a.type == ia_nn::npy_type::int16);
  CHECK(a.shape == std::vector<index_t>{2, 3});
  CHECK(ia_nn::npy_elements<std::int64_t>(a) == std::vector<std::int64_t>{1, 2, 3, 4, -1, -32768});
  temporary_file const out;
  ia_nn::save_npy(out.path, a);
  CHECK(contents(out.path) == file);

  std::string const number =
      padded("{'descr': '|u1', 'fortran_order': False, 'shape': (), }", 64 * 2);
  ia_nn::save_npy(out.path, parse(number + "\x2a"));
  CHECK(contents(out.path) == number + "\x2a");
  CHECK(ia_nn::npy_elements<f32>(ia_nn::load_npy(out.path)) == std::vector<f32>{42.0F});
  ia_nn::npy_array odd = a;
  odd.bytes.push_back(std::byte{0});
  REQUIRE_ERROR(([&] { ia_nn::save_npy(out.path, odd); }), ia_nn::errc::bad_shape,
                "13 bytes are no whole number of i2");
}

TEST_CASE("npy: headers in other spellings", "[io]") {
  // Version 2.0, keys in another order, double quotes, no comma at the end, no padding.
  std::string const v2 = std::string("\x93NUMPY\2\0", 8) + std::string("\x3a\0\0\0", 4) +
                         "{\"shape\": (2,3) , \"descr\":\"<i2\",\"fortran_order\" : False }\n";
  REQUIRE(v2.size() == 12 + 0x3a);
  auto const a = parse(v2 + elements_2x3);
  CHECK(a.shape == std::vector<index_t>{2, 3});
  CHECK(ia_nn::npy_elements<f32>(a)[5] == -32768.0F);
  std::string const bools = padded("{'descr': '<b1', 'fortran_order': False, 'shape': (2,)}", 67);
  CHECK(ia_nn::npy_elements<f32>(parse(bools + "\7\0"s)) == std::vector<f32>{1, 0});

  std::string const usual = "{'descr': '<i2', 'fortran_order': False, 'shape': (2, 3), }";
  auto const with = [&](std::string const& from, std::string const& to) {
    std::string text = usual;
    for (std::size_t i = 0; (i = text.find(from, i)) != text.npos; i += to.size())
      text.replace(i, from.size(), to);
    REQUIRE(text != usual);
    return text;
  };
  std::string const dictionaries[] = {
      with("(2, 3)", "(2L, 3L)"), // as Python 2 wrote integers
      with("(2, 3)", "( 2 ,3 , )"),
      with("(2, 3)", "(2,\n3)"),
      with(" ", ""),
      with(" ", "\t"),
      with(" ", "\f"),
      with(" ", "\r\n"),
      with("'descr'", "u'descr'"),
      with("'<i2'", "U\"<i2\""),
      with(", }", "}"),
      " \t\n" + usual + "\r\n\t ",
      with("False", "True"),
  };
  for (std::string const& dictionary : dictionaries)
    for (int const version : {1, 2, 3}) {
      CAPTURE(dictionary, version);
      std::string file = padded(dictionary, 128);
      file[6] = static_cast<char>(version);
      if (version > 1) file.insert(10, 2, '\0');
      ia_nn::npy_array const b = parse(file + elements_2x3);
      CHECK(b.shape == std::vector<index_t>{2, 3});
      if (dictionary.find("True") == dictionary.npos)
        CHECK(std::equal(b.bytes.begin(), b.bytes.end(),
                         std::as_bytes(std::span<char const>(elements_2x3)).begin()));
    }
}

TEST_CASE("npy: everything that NumPy reads as a type", "[io]") {
  // Kind and size, letters, and names in full, in the order of npy_type; the numbers 1 and 2.
  struct row {
    char const* words;
    char const* one_two; // bytes of one number each, little-endian, as hexadecimal text
  };
  row const rows[] = {{"f8 d float64", "000000000000f03f 0000000000000040"},
                      {"f4 f float32", "0000803f 00000040"},
                      {"f2 e float16", "003c 0040"},
                      {"i8 q l int64", "0100000000000000 0200000000000000"},
                      {"i4 i int32", "01000000 02000000"},
                      {"i2 h int16", "0100 0200"},
                      {"i1 b int8", "01 02"},
                      {"u8 Q L uint64", "0100000000000000 0200000000000000"},
                      {"u4 I uint32", "01000000 02000000"},
                      {"u2 H uint16", "0100 0200"},
                      {"u1 B uint8", "01 02"},
                      {"b1 ? bool", "01 02"}};
  int type = 0;
  for (row const& r : rows) {
    auto const is = static_cast<ia_nn::npy_type>(type++);
    for (auto const word : std::views::split(std::string_view(r.words), ' '))
      for (std::string const order : {"", "<", "=", "|", ">"}) {
        std::string const name = order + std::string(word.begin(), word.end());
        CAPTURE(name);
        std::string bytes;
        for (auto const number : std::views::split(std::string_view(r.one_two), ' ')) {
          std::string one;
          for (auto at = number.begin(); at != number.end(); at += 2)
            one += static_cast<char>(std::stoi(std::string(at, at + 2), nullptr, 16));
          if (order == ">") std::reverse(one.begin(), one.end());
          bytes += one;
        }
        std::string const file =
            padded("{'descr': '" + name + "', 'fortran_order': False, 'shape': (2,), }", 128) +
            bytes;
        if (word.size() > 3 && !order.empty()) { // NumPy wants names in full to stand alone
          CHECK_FALSE(sentence([&] { parse(file); }).empty());
          continue;
        }
        ia_nn::npy_array const a = parse(file);
        CHECK(a.type == is);
        bool const boolean = is == ia_nn::npy_type::boolean;
        CHECK(ia_nn::npy_elements<f32>(a) == std::vector<f32>{1, boolean ? 1.0F : 2.0F});
        temporary_file const stored(file);
        CHECK(ia_nn::load_npy(stored.path).bytes == a.bytes);
      }
  }
}

TEST_CASE("npy: arrays in Fortran's order become C's", "[io]") {
  // Element (i, j, k, ...) is its number in C's order, so what is read is 0, 1, 2, ...
  for (std::vector<index_t> const& shape : {std::vector<index_t>{},
                                            {7},
                                            {1, 7, 1},
                                            {7, 1},
                                            {0, 3},
                                            {2, 3},
                                            {3, 2, 4},
                                            {2, 1, 3, 2, 5},
                                            {70, 90},
                                            {4096, 2},
                                            {4097, 3}}) {
    index_t size = 1;
    std::string text = "(";
    for (index_t const n : shape) size *= n, text += std::to_string(n) + ", ";
    std::vector<std::uint16_t> stored;
    for (index_t i = 0; i < size; ++i) { // i counts with the first index the fastest
      index_t left = i, number = 0, all = 1;
      std::vector<index_t> at;
      for (index_t const n : shape) at.push_back(left % n), left /= n;
      for (std::size_t d = shape.size(); d-- > 0; all *= shape[d]) number += at[d] * all;
      stored.push_back(static_cast<std::uint16_t>(number));
    }
    CAPTURE(text);
    for (char const order : {'<', '>'}) {
      std::string file = padded(
          "{'descr': '"s + order + "u2', 'fortran_order': True, 'shape': " + text + ")}", 128);
      for (std::uint16_t const x : stored)
        for (int const byte : {order == '<' ? 0 : 1, order == '<' ? 1 : 0})
          file += static_cast<char>(x >> 8 * byte);
      ia_nn::npy_array const a = parse(file);
      REQUIRE(a.shape == shape);
      auto const values = ia_nn::npy_elements<std::int64_t>(a);
      REQUIRE(values.size() == at(static_cast<int>(size)));
      bool same = true;
      for (std::size_t i = 0; i < values.size(); ++i)
        same = same && values[i] == static_cast<std::uint16_t>(i);
      CHECK(same);
      temporary_file const on_disk(file);
      CHECK(ia_nn::load_npy(on_disk.path).bytes == a.bytes);
      // Bytes that are handed over.
      auto const bytes = std::as_bytes(std::span<char const>(file));
      CHECK(ia_nn::parse_npy(std::vector<std::byte>(bytes.begin(), bytes.end())).bytes == a.bytes);
    }
  }
}

TEST_CASE("npy: f2 is converted exactly", "[io]") {
  std::vector<std::uint16_t> bits(65536);
  for (std::size_t i = 0; i < bits.size(); ++i) bits[i] = static_cast<std::uint16_t>(i);
  auto half = ia_nn::make_npy(std::span<std::uint16_t const>(bits), {65536});
  half.type = ia_nn::npy_type::float16;
  auto const values = ia_nn::npy_elements<f32>(half);
  auto const doubles = ia_nn::npy_elements<double>(half);
  int wrong = 0;
  for (int i = 0; i < 65536; ++i) {
    int const e = i >> 10 & 31, m = i & 1023;
    double want = e == 0    ? std::ldexp(m, -24)
                  : e != 31 ? std::ldexp(1024 + m, e - 25)
                  : m == 0  ? std::numeric_limits<double>::infinity()
                            : std::numeric_limits<double>::quiet_NaN();
    if (i & 0x8000) want = -want;
    double const got = static_cast<double>(values[at(i)]);
    bool const same = std::isnan(want) ? std::isnan(got) && std::isnan(doubles[at(i)])
                                       : got == want && doubles[at(i)] == want &&
                                             std::signbit(got) == std::signbit(want);
    wrong += !same;
  }
  CHECK(wrong == 0);
}

TEST_CASE("npy: conversion to integers refuses what is none", "[io]") {
  auto const convert = [](auto x) {
    using T = decltype(x);
    auto const back = ia_nn::npy_elements<std::int64_t>(
        ia_nn::make_npy(std::span<T const>(&x, 1), {}, "number.npy"));
    return back.at(0);
  };
  CHECK(convert(-7.0) == -7);
  CHECK(convert(-0x1p63) == INT64_MIN);
  CHECK(convert(0x1.fffffep62F) == 0x7fffff8000000000);
  CHECK(convert(true) == 1);
  CHECK(convert(INT64_MAX) == INT64_MAX);
  CHECK(convert(static_cast<std::uint64_t>(INT64_MAX)) == INT64_MAX);
  CHECK(sentence([&] { convert(0.5F); }).find("'number.npy' holds 0.5,") != std::string::npos);
  in_other_locales([&] {
    CHECK(sentence([&] { convert(1234.5); }).find("holds 1234.5,") != std::string::npos);
    CHECK(sentence([&] { convert(UINT64_MAX); }).find("holds 18446744073709551615,") !=
          std::string::npos);
  });
  CHECK_FALSE(sentence([&] { convert(0x1p63); }).empty());
  CHECK_FALSE(sentence([&] { convert(std::numeric_limits<double>::quiet_NaN()); }).empty());
  CHECK_FALSE(sentence([&] { convert(-std::numeric_limits<f32>::infinity()); }).empty());
  CHECK_FALSE(sentence([&] { convert(static_cast<std::uint64_t>(INT64_MAX) + 1); }).empty());
}

TEST_CASE("npy: damaged files are answered with a sentence", "[io]") {
  struct row {
    std::string file;
    char const* says;
  };
  auto const of = [](std::string const& shape) {
    return padded("{'descr': '<i2', 'fortran_order': False, 'shape': " + shape + ", }", 128);
  };
  auto const with = [](std::string const& dictionary) { return padded(dictionary, 128) + "\1\2"; };
  row const rows[] = {
      {"", "ends within its first 8 bytes"},
      {"\x93NUMPX\1\0\0\0\0"s, "is no NPY file"},
      {"\x93NUMPY\4\0\0\0\0\0"s, "has version 4.0, 1.0, 2.0 and 3.0 can be read"},
      {"\x93NUMPY\0\0\0\0\0\0"s, "has version 0.0"},
      {"\x93NUMPY\3\1\0\0\0\0"s, "has version 3.1"},
      {"\x93NUMPY\2\0\0\0\1\0"s + std::string(65536, ' '), "a header of 65536 bytes, 65535 can be"},
      {"\x93NUMPY\1"s, "ends within its first 8 bytes"},
      {"\x93NUMPY\1\0\x10"s, "ends within the length of its header: 1 bytes are left, 2"},
      {"\x93NUMPY\2\0\xff\xff\xff\xff{}"s, "ends within its header"},
      {numpy_2x3, "holds 0 bytes of elements, its header says 12"},
      {numpy_2x3 + elements_2x3 + "x", "holds 13 bytes of elements, its header says 12"},
      {of("(1152921504606846976,)"), "its header says 2305843009213693952"},
      {of("(4294967296, 4294967296)"), "more than 2^63 bytes"},
      {of("(0, 4294967296, 4294967296)"), "more than 2^63 bytes"},
      {of("(9223372036854775808,)"), "an extent beyond 2^63"},
      {of("(-1,)"), "an extent that is no number"},
      {of("(3)"), "a shape that is a number"},
      {of("(2 3)"), "no ',' between extents"},
      {of("(2, 3"), "an extent that is no number"},
      {of("(2l,)"), "no ',' between extents"},
      {of("(2LL,)"), "no ',' between extents"},
      {of("(2L)"), "a shape that is a number"},
      {with("{'descr': '', 'fortran_order': False, 'shape': (), }"), "a descr that is none of"},
      {with("{'descr': '<', 'fortran_order': False, 'shape': (), }"), "a descr that is none of"},
      {with("{'descr': '!i2', 'fortran_order': False, 'shape': (), }"), "a descr that is none of"},
      {with("{'descr': '<<i2', 'fortran_order': False, 'shape': (), }"), "a descr that is none of"},
      {with("{'descr': '<c8', 'fortran_order': False, 'shape': (), }"), "a descr that is none of"},
      {with("{'descr': '|O', 'fortran_order': False, 'shape': (), }"), "a descr that is none of"},
      {with("{'descr': [('x', '<i2')], 'fortran_order': False, 'shape': ()}"),
       "a structured descr"},
      {with("{'descr': '<i2', 'fortran_order': 0, 'shape': (), }"), "neither True nor False"},
      {with("{'descr': '<i2', 'fortran_order': False, }"), "no descr, fortran_order or shape"},
      {with("{'descr': '<i2', 'descr': '<i2'}"), "unknown or there twice"},
      {with("{'descr': '<i2', 'order': 'C'}"), "unknown or there twice"},
      {with("{'descr': '<i2}"), "an open quote"},
      {with("{'descr' '<i2'}"), "no ':'"},
      {with("{'descr': '<i2' 'fortran_order': False}"), "no '}'"},
      {with("{'descr': '<i2', 'fortran_order': False, 'shape': (), } x"), "behind its dictionary"},
  };
  for (row const& r : rows) {
    std::string const said = sentence([&] { parse(r.file); });
    INFO("expected: " << r.says << "\nsaid: " << said);
    CHECK(said.rfind("ia_nn: 'some.npy' ", 0) == 0);
    CHECK(said.find(r.says) != std::string::npos);
    // The same file on disk takes the same path.
    temporary_file const file(r.file);
    CHECK(sentence([&] { ia_nn::load_npy(file.path); }).find(r.says) != std::string::npos);
  }
  std::string many = "(";
  for (int i = 0; i < 65; ++i) many += "1, ";
  std::string const deep =
      padded("{'descr': '<i2', 'fortran_order': False, 'shape': " + many + ")}", 320);
  CHECK(sentence([&] { parse(deep + "\1\2"); }).find("more than 64 extents") != std::string::npos);
}

TEST_CASE("npy: paths that are no files", "[io]") {
  temporary_file const file;
  CHECK(sentence([&] { ia_nn::load_npy(file.path + ".absent"); }).find("cannot be opened") !=
        std::string::npos);
  CHECK(sentence([&] { ia_nn::load_npy("/"); }).find("cannot be read") != std::string::npos);
  std::string const pipe = file.path + ".pipe";
  REQUIRE(::mkfifo(pipe.c_str(), 0600) == 0); // nobody writes to it
  CHECK(sentence([&] { ia_nn::load_npy(pipe); }).find("no regular file") != std::string::npos);
  ::unlink(pipe.c_str());
  f32 const x = 1;
  std::span<f32 const> const one(&x, 1);
  CHECK(sentence([&] {
          ia_nn::save_npy<f32>(file.path + "/x.npy", one, {1});
        }).find("cannot be written") != std::string::npos);
  for (std::vector<index_t> const& shape :
       {std::vector<index_t>{2}, {-1, -1}, {1LL << 40, 1LL << 40}, std::vector<index_t>(65, 1)}) {
    try {
      ia_nn::save_npy(file.path, one, shape);
      FAIL("a wrong shape was written");
    } catch (ia_nn::error const& e) {
      CHECK(e.code() == ia_nn::errc::bad_shape);
    }
  }
}

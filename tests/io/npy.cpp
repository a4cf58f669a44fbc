// SPDX-License-Identifier: Apache-2.0
//
// NPY files: byte by byte against files as NumPy writes them, there and back through memory and
// disk, conversions, and what damaged files are answered with.
#include "io/npy_file.hpp"

#include <cmath>
#include <limits>

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
  CHECK(sentence([&] { convert(0.5F); }).find("'number.npy' holds 0.5") != std::string::npos);
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
      {"\x93NUMPY\3\0\0\0\0\0"s, "has version 3.0"},
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
      {with("{'descr': '>i2', 'fortran_order': False, 'shape': (), }"), "a descr that is none of"},
      {with("{'descr': '|i2', 'fortran_order': False, 'shape': (), }"), "a descr that is none of"},
      {with("{'descr': '<c8', 'fortran_order': False, 'shape': (), }"), "a descr that is none of"},
      {with("{'descr': '<i2', 'fortran_order': True, 'shape': (), }"), "only C order"},
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

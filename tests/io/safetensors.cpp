// SPDX-License-Identifier: Apache-2.0
//
// safetensors files: read as written by hand, there and back, accesses that do not fit, damage of
// every kind, and writing that fails without a trace.
#include "io/npy_file.hpp"
#include "io/temporary_folder.hpp"

#include <ia_nn/io/safetensors.hpp>
#include <ia_nn/io/safetensors_write.hpp>

#include <csignal>
#include <sys/resource.h>
#include <sys/stat.h>

using namespace ia_nn_test;
using namespace ia_nn_test::npy;
using ia_nn::dyn;
using ia_nn::safetensors_type;

namespace {

std::string file_of(std::string const& header, std::string const& data = {}) {
  std::uint64_t const n = header.size();
  return std::string(reinterpret_cast<char const*>(&n), sizeof n) + header + data;
}

/// A copy that ends exactly with its last byte; `offset` bytes behind a 64-byte boundary.
struct stored_file {
  exact_buffer<char> bytes;
  explicit stored_file(std::string const& file, index_t offset = 0)
      : bytes(static_cast<index_t>(file.size()), offset) {
    std::copy(file.begin(), file.end(), bytes.begin());
  }
  ia_nn::safetensors open() const {
    return ia_nn::safetensors(
        std::as_bytes(std::span<char const>(bytes.data(), static_cast<std::size_t>(bytes.size()))),
        "some.st");
  }
};

std::string refusal(std::string const& file) {
  stored_file const stored(file);
  return sentence([&] { stored.open(); });
}

/// What f() complains about, with this code.
template <class F> std::string sentence_of(ia_nn::errc code, F&& f) {
  try {
    f();
  } catch (ia_nn::error const& e) {
    CHECK(e.code() == code);
    return e.what();
  }
  return {};
}

bool has(std::string const& text, std::string const& part) {
  INFO("expected: " << part << "\nsaid: " << text);
  CHECK(text.find(part) != std::string::npos);
  return text.find(part) != std::string::npos;
}

// As other writers do it: names in any order, an escaped name, spaces behind.
std::string const by_hand =
    file_of(R"({"__metadata__":{"format":"pt","a":""},)"
            R"("b":{"dtype":"BF16","shape":[3],"data_offsets":[8,14]},)"
            R"("w":{"data_offsets":[0,8],"shape":[1,2],"dtype":"F32"},)"
            R"("e":{"dtype":"I64","shape":[0,7],"data_offsets":[14,14]},)"
            R"("h\u00e9\"":{"dtype":"F16","shape":[2],"data_offsets":[15,19]},)"
            R"("s":{"dtype":"I8","shape":[],"data_offsets":[14,15]}}      )",
            "\0\0\x80\x3f\0\0\x20\xc0"
            "\x80\x3f\0\xc0\x80\x7f"
            "\xfe"
            "\0\x3c\1\0"s);

} // namespace

TEST_CASE("safetensors: a file is read", "[io]") {
  stored_file const stored(by_hand);
  temporary_file const on_disk(by_hand);
  for (bool const disk : {false, true}) {
    ia_nn::safetensors const file = disk ? ia_nn::load_safetensors(on_disk.path) : stored.open();
    CHECK(file.name() == (disk ? on_disk.path : "some.st"));
    CHECK(file.metadata() == ia_nn::safetensors_metadata{{"a", ""}, {"format", "pt"}});
    REQUIRE(file.entries().size() == 5);
    CHECK(file.entries()[0].name == "w");
    CHECK(file.entries()[4].name == "h\xc3\xa9\"");
    CHECK(file.at("b").type == safetensors_type::bfloat16);
    CHECK(file.at("e").shape == std::vector<index_t>{0, 7});
    CHECK(file.at("s").shape.empty());
    CHECK(file.find("x") == nullptr);
    CHECK(file.find("") == nullptr);

    CHECK(file.copy<f32>("w", {1, 2}) == std::vector<f32>{1.0F, -2.5F});
    CHECK(file.copy<s8>("s", {}) == std::vector<s8>{-2});
    CHECK(file.copy<std::int64_t>("e", {dyn, 7}).empty());
    CHECK(file.copy<bf16>("b", {3})[1] == bf16(-2.0F));
    f32 const inf = std::numeric_limits<f32>::infinity();
    CHECK(file.to_f32("b", {3}) == std::vector<f32>{1.0F, -2.0F, inf});
    CHECK(file.to_f32("w", {dyn, dyn}) == std::vector<f32>{1.0F, -2.5F});
    CHECK(file.to_f32("h\xc3\xa9\"", {2}) == std::vector<f32>{1.0F, 0x1p-24F});
    if (!disk) continue;
    // Nothing is copied, and the elements of a file on disk begin at a multiple of 64 bytes.
    CHECK(file.view<f32>("w", {1, 2}).data() ==
          static_cast<void const*>(file.at("w").bytes.data()));
    CHECK(ia_nn::is_aligned(file.at("w").bytes.data(), 64));
    auto const w = file.tensor<f32, dyn, 2>("w");
    CHECK(w.extent(0) == 1);
    CHECK(w(0, 1) == -2.5F);
    CHECK(file.tensor<s8>("s").data()[0] == -2);
  }
  // A file that moves takes its elements along.
  ia_nn::safetensors first = ia_nn::load_safetensors(on_disk.path);
  auto const view = first.view<f32>("w", {1, 2});
  ia_nn::safetensors const second = std::move(first);
  CHECK(second.view<f32>("w", {1, 2}).data() == view.data());
  CHECK(view[0] == 1.0F);
}

TEST_CASE("safetensors: files of other writers", "[io]") {
  // Whitespace around the object, no metadata by name, fields that other readers know.
  stored_file const stored(file_of(
      "\n {\"__metadata__\":null,"
      R"("a":{"note":{"why":[1,-2.5e3,{"shape":[9],"dtype":"F64"},null,true]},"dtype":"U8",)"
      R"("shape":[2],"strides":[1],"data_offsets":[0,2],"x":[]},)"
      R"("f4":{"dtype":"F4","shape":[4],"data_offsets":[2,4]},)"
      R"("c":{"shape":[],"data_offsets":[4,12],"dtype":"C64"},)"
      R"("new":{"dtype":"","shape":[2,0],"data_offsets":[12,13]},)"
      R"("b":{"dtype":"F32","shape":[1],"data_offsets":[13,17]}})"
      "\t\r\n ",
      "\1\2abcdefghijk\0\0\x80\x3f"s));
  auto const file = stored.open();
  CHECK(file.metadata().empty());
  REQUIRE(file.entries().size() == 5);
  CHECK(file.copy<u8>("a", {2}) == std::vector<u8>{1, 2});
  CHECK(file.to_f32("b", {1}) == std::vector<f32>{1.0F});
  // What is of a type that nobody here knows has its bytes, and a sentence for who wants more.
  auto const& f4 = file.at("f4");
  CHECK(f4.type == safetensors_type::other);
  CHECK(f4.other == "F4");
  CHECK(f4.shape == std::vector<index_t>{4});
  CHECK(f4.bytes.size() == 2);
  CHECK(f4.bytes[0] == std::byte{'a'});
  CHECK(file.at("new").bytes.size() == 1);
  for (auto const& [name, type] : {std::pair{"f4", "F4"}, std::pair{"c", "C64"}})
    for (std::string const& said : {sentence([&, n = name] { file.to_f32(n, {dyn}); }),
                                    sentence([&, n = name] { file.view<u8>(n, {dyn}); }),
                                    sentence([&, n = name] { file.copy<f32>(n, {dyn}); }),
                                    sentence([&, n = name] { file.tensor<f32, dyn>(n); })})
      has(said,
          "'some.st' holds '"s + name + "' in the dtype '" + type + "', which cannot be read");

  // It can be written as it came.
  temporary_folder const folder;
  ia_nn::save_safetensors(folder.path + "/copy.st", file.entries());
  auto const copy = ia_nn::load_safetensors(folder.path + "/copy.st");
  REQUIRE(copy.entries().size() == 5);
  CHECK(copy.at("f4").other == "F4");
  CHECK(copy.at("new").other == "");
  CHECK(std::equal(f4.bytes.begin(), f4.bytes.end(), copy.at("f4").bytes.begin()));
  CHECK(copy.at("c").bytes.size() == 8);
}

TEST_CASE("safetensors: accesses that do not fit name the tensor", "[io]") {
  stored_file const stored(by_hand);
  auto const file = stored.open();
  auto const bad_file = ia_nn::errc::bad_file, bad_shape = ia_nn::errc::bad_shape;
  has(sentence_of(bad_file, [&] { file.at("nothing"); }),
      "ia_nn: 'some.st' has no tensor 'nothing' among its 5");
  has(sentence_of(bad_file, [&] { file.copy<f32>("b", {3}); }),
      "'some.st' holds 'b' in BF16, F32 is expected");
  has(sentence_of(bad_file, [&] { file.copy<u8>("s", {}); }), "holds 's' in I8, U8 is expected");
  has(sentence_of(bad_file, [&] { file.to_f32("s", {}); }), "holds 's' in I8, F32 is expected");
  has(sentence_of(bad_shape, [&] { file.copy<f32>("w", {2, 2}); }),
      "'some.st' holds 'w' in the shape (1, 2), (2, 2) is expected");
  has(sentence_of(bad_shape, [&] { file.view<s8>("s", {1}); }),
      "in the shape (), (1,) is expected");
  has(sentence_of(bad_shape, [&] { file.to_f32("b", {dyn, 1}); }),
      "in the shape (3,), (any, 1) is expected");
  has(sentence_of(bad_shape, [&] { file.tensor<f32, 1, 3>("w"); }), "(1, 3) is expected");

  // Two bytes too far for f32, as behind a tensor of odd size: views are refused, copies are not.
  std::string const odd = file_of(R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},)"
                                  R"("f":{"dtype":"F32","shape":[1],"data_offsets":[1,5]}})",
                                  "x\0\0\x80\x3f"s);
  temporary_file const on_disk(odd);
  auto const misaligned = ia_nn::load_safetensors(on_disk.path);
  has(sentence_of(ia_nn::errc::bad_pointer, [&] { misaligned.view<f32>("f", {1}); }),
      "holds 'f' at an address that is no multiple of 4; copy() reads it");
  CHECK(misaligned.copy<f32>("f", {1}) == std::vector<f32>{1.0F});
  CHECK(misaligned.view<u8>("a", {1})[0] == 'x');
}

TEST_CASE("safetensors: damaged files are answered with a sentence", "[io]") {
  auto const one = [](std::string const& fields, std::string const& data = "1234") {
    return file_of("{\"t\":{" + fields + "}}", data);
  };
  auto const two = [](std::string const& a, std::string const& b, std::string const& data) {
    return file_of(R"({"a":{"dtype":"U8",)" + a + R"(},"b":{"dtype":"U8",)" + b + "}}", data);
  };
  std::string const u8_4 = R"("dtype":"U8","shape":[4],"data_offsets":[0,4])";
  REQUIRE(refusal(one(u8_4)).empty());
  REQUIRE(refusal(file_of("{}")).empty());
  std::string rank;
  for (int i = 0; i < 65; ++i) rank += i ? ",1" : "1";
  std::string far = file_of("{}");
  far[5] = 1;
  struct row {
    std::string file;
    std::string says;
  };
  row const rows[] = {
      {"", "ends within its first 8 bytes, it has 0"},
      {file_of("").substr(0, 7), "ends within its first 8 bytes, it has 7"},
      {far, "its header has more than 100 MB: 1099511627778 bytes"},
      {std::string(8, '\xff'), "more than 100 MB: 18446744073709551615 bytes"},
      {file_of("{}").substr(0, 9), "ends within its header: 1 bytes are left, 2 are needed"},
      {file_of(""), "has a header that does not begin with '{'"},
      {file_of("  "), "has a header that does not begin with '{'"},
      {file_of("[]"), "has a header that does not begin with '{'"},
      {file_of("\xef\xbb\xbf{}"), "has a header that does not begin with '{'"},
      {file_of("{"), "has a header that is no JSON in UTF-8, at byte 2"},
      {file_of("{} x"), "no JSON in UTF-8, at byte 4"},
      {file_of("{}{}"), "no JSON in UTF-8"},
      {file_of("{}\0"s), "no JSON in UTF-8, at byte 3"},
      {file_of("{}\0 x"s), "no JSON in UTF-8, at byte 3"},
      {file_of("{'t':{}}"), "no JSON in UTF-8"},
      {file_of("{\"\xff\":{}}"), "no JSON in UTF-8"},
      {file_of("{\"a\":{},}"), "no dtype, shape or data_offsets, in 'a'"},
      {file_of("{\"a\":1}"), "has a header with a number out of place, in 'a'"},
      {file_of("{\"a\":\"x\"}"), "a string out of place, in 'a'"},
      {file_of("{\"a\":[]}"), "a list out of place, in 'a'"},
      {file_of("{\"a\":null}"), "a null out of place"},
      {file_of("{\"a\":true}"), "a truth value out of place"},
      {file_of("{\"a\":{\"b\":{}}}"), "no dtype, shape or data_offsets, in 'a'"},
      {file_of("{\"a\":{\"shape\":{}}}"), "an object out of place, in 'a'"},
      {one("\"shape\":[[4]]"), "a list out of place, in 't'"},
      {one("\"shape\":[\"4\"]"), "a string out of place"},
      {one("\"shape\":4"), "a number out of place"},
      {one("\"shape\":[-4]"), "a negative number"},
      {one("\"shape\":[4.0]"), "a number that is no integer"},
      {one("\"shape\":[18446744073709551616]"), "a number that is no integer below 2^64"},
      {one("\"shape\":[9223372036854775808]"), "an extent beyond 2^63"},
      {one("\"shape\":[" + rank + "]"), "more than 64 extents"},
      {one("\"dtype\":[]"), "a list out of place"},
      {one("\"dtype\":\"U8\",\"dtype\":\"U8\""), "the key 'dtype' twice, in 't'"},
      {one("\"dtype\":\"F33\",\"dtype\":\"F33\""), "the key 'dtype' twice, in 't'"},
      {one("\"x\":1,\"shape\":4"), "a number out of place, in 't'"},
      {one("\"x\":" + std::string(127, '[') + std::string(127, ']')), "lie too deep, in 't'"},
      {one(R"("dtype":"F33","shape":[4],"data_offsets":[0,5])"), "in bytes 0 to 5, there are 4"},
      {one(R"("dtype":"F33","shape":[4],"data_offsets":[0,3])"), "no tensor, from byte 3 of 4"},
      {one(R"("dtype":"F33","shape":[4294967296,4294967296],"data_offsets":[0,4])"),
       "of more than 2^63 bytes"},
      {file_of("{\"__metadata__\":null,\"__metadata__\":null}"), "a second __metadata__"},
      {file_of("{\"__metadata__\":true}"), "a truth value out of place"},
      {one(R"("dtype":"U8","shape":[4])"), "no dtype, shape or data_offsets, in 't'"},
      {one("\"data_offsets\":[0]"), "fewer than two data_offsets"},
      {one("\"data_offsets\":[0,4,4]"), "more than two data_offsets"},
      {file_of(R"({"__metadata__":{"a":1}})"), "a number out of place, in '__metadata__'"},
      {file_of(R"({"__metadata__":{"a":{}}})"), "an object out of place"},
      {file_of(R"({"__metadata__":{"a":[]}})"), "a list out of place"},
      {file_of(R"({"__metadata__":{"a":"","a":""}})"), "the key 'a' twice, in '__metadata__'"},
      {file_of(R"({"__metadata__":{},"__metadata__":{}})"), "a second __metadata__"},
      {file_of("{\"t\":{" + u8_4 + "},\"t\":{" + u8_4 + "}}", "1234"), "overlaps another one"},
      {two(R"("shape":[0],"data_offsets":[0,0])", R"("shape":[2],"data_offsets":[0,2])", ""),
       "has a tensor 'b' in bytes 0 to 2, there are 0"},
      {file_of("{\"t\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0]},"
               "\"t\":{\"dtype\":\"I8\",\"shape\":[0],\"data_offsets\":[0,0]}}"),
       "has two tensors 't'"},
      {one(R"("dtype":"U8","shape":[4],"data_offsets":[4,0])"), "in bytes 4 to 0, there are 4"},
      {one(R"("dtype":"U8","shape":[3],"data_offsets":[0,4])"), "its shape and dtype need 3"},
      {one(R"("dtype":"F64","shape":[1],"data_offsets":[0,4])"), "its shape and dtype need 8"},
      {one(u8_4, "123"), "has a tensor 't' in bytes 0 to 4, there are 3"},
      {one(u8_4, "12345"), "bytes that belong to no tensor, from byte 4 of 5"},
      {one(R"("dtype":"U8","shape":[3],"data_offsets":[1,4])"), "no tensor, from byte 0 of 4"},
      {file_of("{}", "x"), "bytes that belong to no tensor, from byte 0 of 1"},
      {two(R"("shape":[3],"data_offsets":[0,3])", R"("shape":[2],"data_offsets":[2,4])", "1234"),
       "has a tensor 'b' that overlaps another one at byte 2"},
      {two(R"("shape":[1],"data_offsets":[0,1])", R"("shape":[1],"data_offsets":[2,3])", "123"),
       "no tensor, from byte 1 of 3"},
      {two(R"("shape":[4],"data_offsets":[0,4])", R"("shape":[0],"data_offsets":[2,2])", "1234"),
       "'b' that overlaps another one at byte 2"},
      {one(R"("dtype":"U8","shape":[0],"data_offsets":[0,18446744073709551615])"),
       "in bytes 0 to 18446744073709551615, there are 4"},
      {one(R"("dtype":"U8","shape":[4294967296,4294967296],"data_offsets":[0,0])"),
       "of more than 2^63 bytes: (4294967296, 4294967296)"},
      {one(R"("dtype":"F32","shape":[0,4611686018427387904],"data_offsets":[0,0])"),
       "of more than 2^63 bytes"},
  };
  for (row const& r : rows) {
    std::string const said = refusal(r.file);
    if (has(said, r.says)) CHECK(said.rfind("ia_nn: 'some.st' ", 0) == 0);
    // The same file on disk takes the same path.
    temporary_file const file(r.file);
    has(sentence([&] { ia_nn::load_safetensors(file.path); }), r.says);
  }
  CHECK(sentence([] { ia_nn::load_safetensors("/"); }).find("cannot be read") != std::string::npos);
  CHECK(sentence([] { ia_nn::load_safetensors("/absent.st"); }).find("cannot be opened") !=
        std::string::npos);
  // Depth and length of lists cost nothing: they are refused where they begin.
  std::string deep = "{\"a\":{\"shape\":";
  deep.append(1 << 20, '[');
  has(refusal(file_of(deep)), "a list out of place");
  // A name is shown cut short and without what a terminal would obey.
  std::string name = "a\\u001b[2J\\n";
  for (int i = 0; i < 50; ++i) name += "\xc3\xa9";
  std::string const shown = refusal(file_of("{\"" + name + "\":{}}"));
  CHECK(shown.find("in 'a?[2J?\xc3\xa9") != std::string::npos);
  CHECK(shown.substr(shown.size() - 6) == "\xc3\xa9...'");
}

TEST_CASE("safetensors: every truncation is refused, every mutation parsed or refused", "[io]") {
  for (std::size_t n = 0; n < by_hand.size(); ++n)
    CHECK_FALSE(refusal(by_hand.substr(0, n)).empty());
  ia_nn_test::random r(31);
  int parsed = 0, refused = 0;
  constexpr std::string_view alphabet = "0123456789[]{}\",: \\FUBI";
  for (int round = 0; round < 20000; ++round) {
    std::string file = by_hand;
    for (index_t n = r.between(1, 2); n > 0; --n) {
      auto const i = at(static_cast<int>(r.between(0, static_cast<index_t>(file.size()) - 1)));
      if (r.coin()) file[i] = alphabet[at(static_cast<int>(r.between(0, 22)))];
      else if (r.coin()) file[i] = static_cast<char>(file[i] ^ (1 << r.between(0, 7)));
      else if (r.coin()) file.erase(i, 1);
      else file.insert(i, 1, file[i]);
    }
    stored_file const stored(file);
    try {
      auto const tensors = stored.open();
      ++parsed;
      std::size_t bytes = 0;
      for (auto const& e : tensors.entries()) {
        REQUIRE(&tensors.at(e.name) == &e);
        bytes += e.bytes.size();
      }
      REQUIRE(bytes <= file.size() - 8);
    } catch (ia_nn::error const& e) {
      ++refused;
      REQUIRE(e.code() == ia_nn::errc::bad_file);
    }
  }
  CHECK(parsed > 500);
  CHECK(refused > 5000);
}

namespace {

std::vector<std::vector<index_t>> const round_trip_shapes = {{},     {1},       {5},      {0},
                                                             {2, 3}, {3, 0, 4}, {1, 2, 3}};

/// Saves, loads, compares what does not depend on the type of elements.
ia_nn::safetensors there_and_back(std::vector<ia_nn::safetensors_entry> entries,
                                  temporary_folder const& folder) {
  std::string const path = folder.path + "/all.safetensors";
  u8 const odd[3] = {1, 2, 3};
  entries.insert(entries.begin(), ia_nn::make_safetensors_entry<u8>("odd", odd, {3}));
  ia_nn::save_safetensors(path, entries, {{"made by", "a test \"\n\xc3\xa9"}});
  auto file = ia_nn::load_safetensors(path);
  CHECK(file.metadata().at("made by") == "a test \"\n\xc3\xa9");
  REQUIRE(file.entries().size() == entries.size());
  for (auto const& e : entries) {
    INFO(name_of(e.type) << " " << e.name);
    auto const& back = file.at(e.name);
    CHECK(back.type == e.type);
    CHECK(back.shape == e.shape);
    CHECK(std::equal(back.bytes.begin(), back.bytes.end(), e.bytes.begin(), e.bytes.end()));
  }
  CHECK(folder.names() == std::set<std::string>{"all.safetensors"});
  return file;
}

template <class T> bool round_trip(ia_nn_test::random& r, temporary_folder const& folder) {
  std::vector<std::vector<T>> values;
  std::vector<ia_nn::safetensors_entry> entries;
  for (auto const& shape : round_trip_shapes) {
    std::size_t count = 1;
    for (index_t const n : shape) count *= static_cast<std::size_t>(n);
    values.emplace_back(count);
    for (T& x : values.back()) {
      if constexpr (std::is_integral_v<T>) x = static_cast<T>(r.next());
      else x = static_cast<T>(r.normal());
    }
    entries.push_back(ia_nn::make_safetensors_entry<T>("t" + std::to_string(entries.size()),
                                                       values.back(), shape));
  }
  auto const file = there_and_back(entries, folder);
  bool same = true;
  for (std::size_t i = 0; i < values.size(); ++i) {
    // Views are aligned, whatever lies around them.
    auto const view = file.view<T>(entries[i].name, round_trip_shapes[i]);
    same = same && std::equal(view.begin(), view.end(), values[i].begin(), values[i].end()) &&
           file.copy<T>(entries[i].name, round_trip_shapes[i]) == values[i];
  }
  return same;
}

} // namespace

TEST_CASE("safetensors: tensors of all types go to disk and back", "[io]") {
  ia_nn_test::random r(32);
  temporary_folder const folder;
  CHECK(round_trip<f32>(r, folder));
  CHECK(round_trip<double>(r, folder));
  CHECK(round_trip<bf16>(r, folder));
  CHECK(round_trip<s8>(r, folder));
  CHECK(round_trip<u8>(r, folder));
  CHECK(round_trip<std::int16_t>(r, folder));
  CHECK(round_trip<std::uint16_t>(r, folder));
  CHECK(round_trip<s32>(r, folder));
  CHECK(round_trip<std::uint32_t>(r, folder));
  CHECK(round_trip<std::int64_t>(r, folder));
  CHECK(round_trip<std::uint64_t>(r, folder));
}

TEST_CASE("safetensors: a file is written byte by byte", "[io]") {
  temporary_folder const folder;
  std::string const path = folder.path + "/w.safetensors";
  f32 const w[2] = {1.0F, -2.5F};
  u8 const s = 7;
  std::vector<ia_nn::safetensors_entry> const entries = {
      ia_nn::make_safetensors_entry<u8>("a", std::span<u8 const>(&s, 1), {}),
      ia_nn::make_safetensors_entry<f32>("w", w, {1, 2})};
  ia_nn::save_safetensors(path, entries, {{"k", "v"}});
  std::string header = R"({"__metadata__":{"k":"v"},)"
                       R"("w":{"dtype":"F32","shape":[1,2],"data_offsets":[0,8]},)"
                       R"("a":{"dtype":"U8","shape":[],"data_offsets":[8,9]}})";
  header.resize(184, ' ');
  CHECK(contents(path) == file_of(header, "\0\0\x80\x3f\0\0\x20\xc0\7"s));
  // As any new file, not only for its owner.
  mode_t const mask = ::umask(0);
  ::umask(mask);
  struct stat status{};
  REQUIRE(::stat(path.c_str(), &status) == 0);
  CHECK((status.st_mode & 0777U) == (0666U & ~mask));

  ia_nn::save_safetensors(path, {});
  CHECK(contents(path).size() == 64);
  CHECK(ia_nn::load_safetensors(path).entries().empty());
}

TEST_CASE("safetensors: what cannot be written leaves the old file alone", "[io]") {
  temporary_folder const folder;
  folder.write("w.st", "old");
  std::string const path = folder.path + "/w.st";
  std::vector<f32> const big(1 << 18, 1.0F);
  auto const entry = [&](std::string const& name, std::vector<index_t> const& shape) {
    return ia_nn::safetensors_entry{name, safetensors_type::float32, shape,
                                    std::as_bytes(std::span<f32 const>(big).first(4))};
  };
  using entries = std::vector<ia_nn::safetensors_entry>;
  auto const said = [&](ia_nn::errc code, entries const& e,
                        ia_nn::safetensors_metadata const& m = {}) {
    return sentence_of(code, [&] { ia_nn::save_safetensors(path, e, m); });
  };
  auto const bad_shape = ia_nn::errc::bad_shape, bad_parameter = ia_nn::errc::bad_parameter;
  has(said(bad_shape, {entry("w", {5})}), "'w' has 16 bytes, the shape (5,) of F32 needs others");
  has(said(bad_shape, {entry("w", {-2, -2})}), "the shape (-2, -2) of F32 needs others");
  has(said(bad_shape, {entry("w", {1LL << 40, 1LL << 40})}), "needs others");
  has(said(bad_shape, {entry("w", std::vector<index_t>(65, 1))}), "needs others");
  has(said(bad_parameter, {entry("w", {4}), entry("v", {4}), entry("w", {2, 2})}),
      "there are two tensors 'w'");
  has(said(bad_parameter, {entry("__metadata__", {4})}), "'__metadata__' is no name for a tensor");
  has(said(bad_parameter, {entry("\xff", {4})}), "is not UTF-8");
  ia_nn::safetensors_entry known = entry("w", {4});
  known.type = safetensors_type::other;
  known.other = "F32";
  has(said(bad_parameter, {known}), "'w' is of the other type F32, which is no other");
  has(said(bad_parameter, {}, {{"k", "\xff"}}), "is not UTF-8");
  has(sentence_of(bad_shape, [&] { ia_nn::make_safetensors_entry<f32>("w", big, {3}); }),
      "'w': 262144 elements for the shape (3,)");
  has(sentence([&] { ia_nn::save_safetensors(path + "/x.st", entries{}); }),
      "/w.st/x.st' cannot be written: Not a directory");
  CHECK(folder.names() == std::set<std::string>{"w.st"});

  // The disk is full in the middle of the elements: here a limit of the process plays the disk.
  rlimit old{};
  REQUIRE(::getrlimit(RLIMIT_FSIZE, &old) == 0);
  auto const old_handler = std::signal(SIGXFSZ, SIG_IGN);
  rlimit const small{100000, old.rlim_max};
  REQUIRE(::setrlimit(RLIMIT_FSIZE, &small) == 0);
  std::string const full = sentence([&] {
    ia_nn::save_safetensors(path, entries{ia_nn::make_safetensors_entry<f32>("w", big, {1 << 18})});
  });
  REQUIRE(::setrlimit(RLIMIT_FSIZE, &old) == 0);
  std::signal(SIGXFSZ, old_handler);
  has(full, "/w.st' cannot be written: File too large");
  CHECK(contents(path) == "old");
  CHECK(folder.names() == std::set<std::string>{"w.st"});

  // A folder of that name cannot be replaced.
  REQUIRE(std::filesystem::create_directory(folder.path + "/d"));
  has(sentence([&] { ia_nn::save_safetensors(folder.path + "/d", entries{}); }),
      "/d' cannot be written: ");
  CHECK(folder.names() == std::set<std::string>{"d", "w.st"});
}

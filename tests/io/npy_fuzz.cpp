// SPDX-License-Identifier: Apache-2.0
//
// Thousands of damaged NPY files: each is either parsed, and then consistent, or refused with
// errc::bad_file. Buffers end with the file's last byte, so the address sanitizer sees a read
// behind it, and an allocation of what a header claims would be an exception of another type.
#include "io/npy_file.hpp"

using namespace ia_nn_test;
using namespace ia_nn_test::npy;

namespace {

std::vector<std::string> valid_files() {
  auto const file = [](char const* descr, char const* shape, std::size_t bytes) {
    return padded("{'descr': '"s + descr + "', 'fortran_order': False, 'shape': " + shape + ", }",
                  128) +
           std::string(bytes, '\3');
  };
  std::string v2 = file("<i4", "(4, 0, 2)", 0);
  v2[6] = 2;
  v2.insert(10, 2, '\0');
  return {file("<f4", "(2, 3)", 24),    file("<f8", "()", 8),    file("|b1", "(7,)", 7),
          file("<f2", "(1, 1, 5)", 10), file("<u8", "(2,)", 16), v2};
}

// One change: a bit, a byte, a character of the header's alphabet, a piece cut or doubled, the end.
void mutate(std::string& file, ia_nn_test::random& r) {
  static constexpr std::string_view alphabet = "0123456789()[]{}'\",:<>| -fiub\0\n\xff"sv;
  auto const any = [&](std::size_t n) {
    return static_cast<std::size_t>(r.between(0, static_cast<index_t>(n) - 1));
  };
  if (file.empty()) return;
  // More than half of the changes hit the part that is interpreted.
  std::size_t const i = any(r.coin() ? std::min<std::size_t>(file.size(), 76) : file.size());
  std::size_t const n = std::min<std::size_t>(any(12) + 1, file.size() - i);
  // clang-format off
  switch (r.between(0, 7)) {
  case 0: file[i] = static_cast<char>(file[i] ^ (1 << any(8))); break;
  case 1: file[i] = static_cast<char>(r.bits()); break;
  case 2:
  case 3: file[i] = alphabet[any(alphabet.size())]; break;
  case 4: file.erase(i, n); break;
  case 5: file.insert(i, file.substr(any(file.size()), n)); break;
  case 6: file.insert(i, n, "0987"[any(4)]); break;
  default: file.resize(any(file.size() + 1)); break;
  }
  // clang-format on
}

struct outcomes {
  int parsed = 0, refused = 0;
};

template <class Load> void check(Load&& load, std::string const& file, outcomes& seen) {
  try {
    ia_nn::npy_array const a = load();
    ++seen.parsed;
    index_t count = 1;
    for (index_t const n : a.shape) count *= n;
    // What was parsed describes the file it came from.
    REQUIRE(a.size() == count);
    REQUIRE(file.size() >= a.bytes.size());
    REQUIRE(std::equal(a.bytes.rbegin(), a.bytes.rend(), std::as_bytes(std::span(file)).rbegin()));
    REQUIRE(ia_nn::npy_elements<f32>(a).size() == at(static_cast<int>(count)));
  } catch (ia_nn::error const& e) {
    ++seen.refused;
    if (e.code() != ia_nn::errc::bad_file) FAIL("another error: " << e.what());
  } catch (std::exception const& e) {
    FAIL("an exception of the standard library: " << e.what());
  }
}

} // namespace

TEST_CASE("npy: every truncation of a file is refused", "[io]") {
  outcomes seen;
  for (std::string const& file : valid_files())
    for (std::size_t n = 0; n < file.size(); ++n)
      check([&] { return parse(file.substr(0, n)); }, file.substr(0, n), seen);
  CHECK(seen.parsed == 0);
  CHECK(seen.refused > 700);
}

TEST_CASE("npy: mutated files are parsed or refused", "[io]") {
  auto const files = valid_files();
  ia_nn_test::random r(2);
  outcomes in_memory, on_disk;
  for (std::string const& file : files) check([&] { return parse(file); }, file, in_memory);
  CHECK(in_memory.parsed == static_cast<int>(files.size()));
  for (int round = 0; round < 40000; ++round) {
    std::string file = files[at(round) % files.size()];
    for (index_t n = r.coin() ? 1 : r.between(1, 4); n > 0; --n) mutate(file, r);
    check([&] { return parse(file); }, file, in_memory);
    if (round % 50 != 0) continue;
    temporary_file const stored(file);
    check([&] { return ia_nn::load_npy(stored.path); }, file, on_disk);
  }
  // Both ways out were taken, often.
  CHECK(in_memory.parsed > 300);
  CHECK(in_memory.refused > 10000);
  CHECK(on_disk.parsed > 0);
  CHECK(on_disk.refused > 200);
}

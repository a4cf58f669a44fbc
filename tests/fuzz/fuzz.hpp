// SPDX-License-Identifier: Apache-2.0
//
// What the fuzzers of file readers share. libFuzzer hands over bytes of its own choice; the reader
// must either refuse them with errc::bad_file or return what a file of these bytes can describe.
// Everything else ends the program: another exception, a report of a sanitizer, `require`.
#pragma once

#include <ia_nn/core/error.hpp>
#include <ia_nn/core/types.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <span>
#include <vector>

namespace ia_nn_fuzz {

inline void require(bool holds, char const* what) {
  if (holds) return;
  std::fprintf(stderr, "fuzz: not so: %s\n", what);
  std::abort();
}

/// f(file); false if it was refused as a file.
template <class F> bool accepted(std::uint8_t const* bytes, std::size_t n, F&& f) {
  std::span<std::byte const> const file(reinterpret_cast<std::byte const*>(bytes), n);
  try {
    f(file);
  } catch (ia_nn::error const& e) {
    require(e.code() == ia_nn::errc::bad_file, e.what());
    require(std::strstr(e.what(), "'memory' ") != nullptr, "an error names its file");
    return false;
  }
  return true;
}

/// The array has as many elements as its shape says, and they are the last bytes of the file.
template <class Array> void check_array(Array const& a, std::span<std::byte const> file) {
  ia_nn::index_t count = 1;
  for (ia_nn::index_t const n : a.shape) {
    require(n >= 0, "extents are not negative");
    count *= n; // UBSan sees an overflow
  }
  require(a.size() == count, "the shape says how many elements there are");
  require(a.bytes.size() == static_cast<std::size_t>(count * bytes_of(a.type)), "bytes fit");
  require(file.size() >= a.bytes.size(), "elements come from the file");
}

} // namespace ia_nn_fuzz

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* bytes, std::size_t n);

// SPDX-License-Identifier: Apache-2.0
//
// NPY files in memory; what is accepted is written as a header and read again.
#include "fuzz.hpp"

#include <ia_nn/io/npy.hpp>

using namespace ia_nn_fuzz;

int LLVMFuzzerTestOneInput(std::uint8_t const* bytes, std::size_t n) {
  accepted(bytes, n, [](std::span<std::byte const> file) {
    ia_nn::npy_array const a = ia_nn::parse_npy(file);
    check_array(a, file);
    // Fortran's order and big-endian numbers are turned.
    std::vector<std::byte> read = a.bytes, stored(file.end() - std::ssize(read), file.end());
    std::sort(read.begin(), read.end());
    std::sort(stored.begin(), stored.end());
    require(read == stored, "elements are the file's last bytes");
    std::vector<std::byte> handed_over(file.begin(), file.end());
    require(ia_nn::parse_npy(std::move(handed_over)).bytes == a.bytes, "whoever owns the file");
    require(ia_nn::npy_elements<double>(a).size() == static_cast<std::size_t>(a.size()),
            "all elements are converted");

    std::string copy = ia_nn::detail::npy_head(a.type, a.shape);
    copy.append(reinterpret_cast<char const*>(a.bytes.data()), a.bytes.size());
    ia_nn::npy_array const b = ia_nn::parse_npy(std::as_bytes(std::span<char const>(copy)));
    require(a.type == b.type && a.shape == b.shape && a.bytes == b.bytes, "there and back");
    ia_nn::npy_elements<std::int64_t>(a); // may be refused: not every number is an integer
  });
  return 0;
}

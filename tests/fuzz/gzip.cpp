// SPDX-License-Identifier: Apache-2.0
//
// gzip files, and IDX files in them. Bytes of which few are a gzip file, and of these few have the
// right checksum; so the same bytes are also packed here, damaged in one place, and unpacked.
#include "fuzz.hpp"

#include <ia_nn/io/gzip.hpp>
#include <ia_nn/io/idx.hpp>

using namespace ia_nn_fuzz;

namespace {

constexpr std::uint64_t limit = 1 << 16;

std::vector<std::uint8_t> pack(std::uint8_t const* bytes, std::size_t n) {
  z_stream z{};
  require(deflateInit2(&z, 1, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) == Z_OK, "deflateInit2");
  std::vector<std::uint8_t> packed(deflateBound(&z, static_cast<uLong>(n)) + 32);
  z.next_in = const_cast<Bytef*>(bytes);
  z.avail_in = static_cast<uInt>(n);
  z.next_out = packed.data();
  z.avail_out = static_cast<uInt>(packed.size());
  require(deflate(&z, Z_FINISH) == Z_STREAM_END, "deflate");
  packed.resize(packed.size() - z.avail_out);
  deflateEnd(&z);
  return packed;
}

void unpack(std::span<std::byte const> file) {
  std::vector<std::byte> const contents = ia_nn::gunzip{limit}(file);
  require(contents.size() <= limit, "the limit holds");
  ia_nn::npy_array const a = ia_nn::parse_idx(contents);
  check_array(a, contents);
}

} // namespace

int LLVMFuzzerTestOneInput(std::uint8_t const* bytes, std::size_t n) {
  accepted(bytes, n, unpack);

  if (n < 3) return 0;
  std::vector<std::uint8_t> packed = pack(bytes + 3, n - 3);
  std::vector<std::byte> contents;
  bool const whole = accepted(packed.data(), packed.size(), [&](std::span<std::byte const> file) {
    contents = ia_nn::gunzip{limit}(file);
  });
  require(whole == (n - 3 <= limit), "what was packed can be unpacked, up to the limit");
  require(!whole || (contents.size() == n - 3 &&
                     (n == 3 || std::memcmp(contents.data(), bytes + 3, n - 3) == 0)),
          "and is the same");
  accepted(packed.data(), packed.size(), unpack);

  std::size_t const at = (bytes[0] | std::size_t{bytes[1]} << 8) % packed.size();
  if (bytes[2] == 0) packed.resize(at);
  else packed[at] ^= bytes[2];
  accepted(packed.data(), packed.size(), unpack);
  return 0;
}

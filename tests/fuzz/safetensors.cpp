// SPDX-License-Identifier: Apache-2.0
//
// safetensors files in memory; what is accepted is written and read again.
#include "fuzz.hpp"

#include <ia_nn/io/safetensors.hpp>
#include <ia_nn/io/safetensors_write.hpp>

using namespace ia_nn_fuzz;

namespace {

void check(ia_nn::safetensors const& file, std::span<std::byte const> memory) {
  std::size_t bytes = 0;
  for (ia_nn::safetensors_entry const& e : file.entries()) {
    require(&file.at(e.name) == &e, "each tensor is found by its name");
    require(e.bytes.data() >= memory.data() &&
                e.bytes.data() + e.bytes.size() <= memory.data() + memory.size(),
            "elements lie in the file");
    ia_nn::index_t size = bytes_of(e.type);
    for (ia_nn::index_t const n : e.shape) size *= n; // UBSan sees an overflow
    require(e.type == ia_nn::safetensors_type::other ||
                static_cast<std::size_t>(size) == e.bytes.size(),
            "bytes fit the shape");
    bytes += e.bytes.size();
    std::size_t const count = e.bytes.size() / static_cast<std::size_t>(bytes_of(e.type));
    if (e.type == ia_nn::safetensors_type::float32 || e.type == ia_nn::safetensors_type::float16 ||
        e.type == ia_nn::safetensors_type::bfloat16)
      require(file.to_f32(e.name, e.shape).size() == count, "all elements are converted");
  }
  if (!memory.empty()) {
    std::uint64_t n;
    std::memcpy(&n, memory.data(), sizeof n);
    require(8 + n + bytes == memory.size(), "tensors are all that lies behind the header");
    std::string_view const header(reinterpret_cast<char const*>(memory.data()) + 8,
                                  static_cast<std::size_t>(n));
    // Read once more, and in another way: as a document.
    auto const document = nlohmann::json::parse(header, nullptr, false);
    require(document.is_object() && header.find('\0') == header.npos, "the header is one object");
    require(document.size() ==
                file.entries().size() + document.count(ia_nn::detail::safetensors_metadata_key),
            "a tensor for each member");
  }
}

} // namespace

int LLVMFuzzerTestOneInput(std::uint8_t const* bytes, std::size_t n) {
  accepted(bytes, n, [](std::span<std::byte const> memory) {
    ia_nn::safetensors const a(memory);
    check(a, memory);

    auto const order = ia_nn::detail::safetensors_order(a.entries());
    std::string copy = ia_nn::detail::safetensors_head(order, a.metadata());
    require(copy.size() % 64 == 0, "elements begin at a multiple of 64");
    for (ia_nn::safetensors_entry const* const e : order)
      copy.append(reinterpret_cast<char const*>(e->bytes.data()), e->bytes.size());
    std::span<std::byte const> const written = std::as_bytes(std::span<char const>(copy));
    ia_nn::safetensors const b(written);
    check(b, written);
    require(a.entries().size() == b.entries().size() && a.metadata() == b.metadata(), "as many");
    for (ia_nn::safetensors_entry const& e : a.entries()) {
      ia_nn::safetensors_entry const& f = b.at(e.name);
      require(
          e.type == f.type && e.other == f.other && e.shape == f.shape &&
              e.bytes.size() == f.bytes.size() &&
              (e.bytes.empty() || std::memcmp(e.bytes.data(), f.bytes.data(), e.bytes.size()) == 0),
          "there and back");
      require((f.bytes.data() - b.entries().front().bytes.data()) % bytes_of(f.type) == 0,
              "written tensors are aligned to their elements");
    }
  });
  return 0;
}

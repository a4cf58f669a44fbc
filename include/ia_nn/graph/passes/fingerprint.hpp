// SPDX-License-Identifier: Apache-2.0
//
// A number that tells networks apart, so that what was stored for one is not taken for another.
#pragma once

#include <ia_nn/graph/passes/network.hpp>

#include <ia_nn/begin.hpp>
namespace graph {

namespace detail {

/// FNV-1a, by words of 64 bits where there are such.
class fingerprint_maker {
public:
  constexpr void add(std::string_view s) {
    for (char const c : s) mix(static_cast<unsigned char>(c));
    mix(256); // where a text ends
  }
  constexpr void add(index_t n) { mix(static_cast<std::uint64_t>(n)); }
  constexpr std::uint64_t value() const { return hash_; }

private:
  constexpr void mix(std::uint64_t word) {
    hash_ = (hash_ ^ word) * 1099511628211U;
    hash_ ^= hash_ >> 32; // a product says nothing below its lowest set bit
  }
  std::uint64_t hash_ = 14695981039346656037U;
};

} // namespace detail

/// Of nodes as they were written: their names, what they are, their shapes behind the batch, and what
/// they read. Weights and the passes of the network are no part of it.
constexpr std::uint64_t fingerprint_of(node const* nodes, int count) {
  detail::fingerprint_maker f;
  for (int i = 0; i < count; ++i) {
    node const& n = nodes[i];
    f.add(std::string_view(shown(n)));
    f.add(n.name.view());
    f.add(index_t{n.shape.rank});
    for (int d = 1; d < n.shape.rank; ++d) f.add(n.shape[d]);
    for (int const from : n.inputs) f.add(index_t{from});
  }
  return f.value();
}
/// The same for every batch that Net may be written with.
template <class Net> constexpr std::uint64_t fingerprint_of() {
  return fingerprint_of(original<Net>.nodes, original<Net>.count());
}

} // namespace graph
IA_NN_END

// SPDX-License-Identifier: Apache-2.0
//
// What calibration says of a network: the range of each value that may be stored in 8 bits, under the
// name of the layer that makes it. Scales and zero points follow from ranges when a network is
// loaded, since values that lie in one concat, or on both sides of a pool, share theirs.
#pragma once

#include <ia_nn/int8/schemes.hpp>

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include <ia_nn/begin.hpp>
namespace graph {

struct named_range {
  std::string name; ///< of the layer whose result it is, or of the input
  value_range range;
  friend bool operator==(named_range const&, named_range const&) = default;
};

/// Ranges by name, in the order of the names.
class value_ranges {
public:
  /// Errors: errc::bad_parameter if the range is not finite or does not contain 0, or if another one
  /// has this name.
  void add(std::string_view name, value_range const& r) {
    if (!(r.low <= 0 && r.high >= 0 && r.low >= -0x1.fffffep127F && r.high <= 0x1.fffffep127F))
      throw_error(errc::bad_parameter,
                  "network: the range of '" + std::string(name) + "' is " + ia_nn::detail::number_text(r.low) +
                      " to " + ia_nn::detail::number_text(r.high) + ", it must be finite and contain 0");
    auto const at = place_of(name);
    if (at != all_.end() && at->name == name)
      throw_error(errc::bad_parameter, "network: '" + std::string(name) + "' has two ranges");
    all_.insert(at, {std::string(name), r});
  }
  /// Null if there is none.
  value_range const* find(std::string_view name) const {
    auto const at = std::lower_bound(all_.begin(), all_.end(), name, before);
    return at != all_.end() && at->name == name ? &at->range : nullptr;
  }
  std::vector<named_range> const& all() const noexcept { return all_; }
  bool empty() const noexcept { return all_.empty(); }
  friend bool operator==(value_ranges const&, value_ranges const&) = default;

private:
  static bool before(named_range const& a, std::string_view name) { return a.name < name; }
  std::vector<named_range>::iterator place_of(std::string_view name) {
    return std::lower_bound(all_.begin(), all_.end(), name, before);
  }
  std::vector<named_range> all_{};
};

} // namespace graph
IA_NN_END

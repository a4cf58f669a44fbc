// SPDX-License-Identifier: Apache-2.0
//
// Files of ranges in memory; what is accepted is written and read again.
#include "fuzz.hpp"

#include <ia_nn/graph/files/ranges_json.hpp>

using namespace ia_nn_fuzz;
namespace graph = ia_nn::graph;

int LLVMFuzzerTestOneInput(std::uint8_t const* bytes, std::size_t n) {
  accepted(bytes, n, [](std::span<std::byte const> file) {
    std::string_view const text(reinterpret_cast<char const*>(file.data()), file.size());
    graph::stored_ranges const a = graph::parse_ranges(text);
    for (graph::named_range const& r : a.ranges.all()) {
      require(r.range.low <= 0 && r.range.high >= 0, "ranges contain 0");
      require(r.range.high - r.range.low == r.range.high - r.range.low, "bounds are numbers");
      require(a.ranges.find(r.name) == &r.range, "each range is found by its name");
    }
    // Read once more, and in another way: as a document.
    auto const document = nlohmann::json::parse(text, nullptr, false);
    require(document.is_object() && text.find('\0') == text.npos, "it is one object");
    require(document.at("version") == 1 && document.at("format") == "ia_nn ranges", "the format");
    require(document.at("ranges").size() == a.ranges.all().size(), "a range for each member");

    graph::stored_ranges const b = graph::parse_ranges(graph::ranges_text(a.ranges, a.network));
    require(a.ranges == b.ranges && a.network == b.network, "there and back");
  });
  return 0;
}

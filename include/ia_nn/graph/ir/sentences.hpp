// SPDX-License-Identifier: Apache-2.0
//
// How sentences about mistakes are put together: "ia_nn: conv2d 'stage2.conv1': ...".
#pragma once

#include <ia_nn/graph/ir/node.hpp>

#include <ia_nn/begin.hpp>
namespace graph {

/// "ia_nn: conv2d 'stage2.conv1': "
constexpr sentence about(char const* what, label const& name) {
  sentence s("ia_nn: ");
  s += what;
  if (!name.empty()) {
    s += " '";
    s += name.view();
    s += "'";
  }
  s += ": ";
  return s;
}

/// A sentence without the library's name in front, to stand behind another beginning.
constexpr std::string_view without_head(std::string_view s) {
  constexpr std::string_view head = "ia_nn: ";
  return s.starts_with(head) ? s.substr(head.size()) : s;
}

/// What a node is called in sentences and tables: "conv2d", "relu".
constexpr char const* shown(node const& n) {
  char const* const other = n.kind->shown(n);
  return other[0] != '\0' ? other : n.kind->name;
}

namespace detail {

/// Puts texts, numbers and shapes behind each other.
template <class... Parts> constexpr sentence say(sentence s, Parts const&... parts) {
  auto const put = [&](auto const& p) {
    if constexpr (requires { p.write(s); }) p.write(s);
    else if constexpr (std::convertible_to<decltype(p), std::string_view>) s += std::string_view(p);
    else s += static_cast<index_t>(p);
  };
  (put(parts), ...);
  return s;
}

/// What a sentence is about, before there is one: most layers are right.
struct subject {
  char const* what;
  label const* name;
};
template <class... Parts> constexpr sentence say(subject const& who, Parts const&... parts) {
  return say(about(who.what, *who.name), parts...);
}

} // namespace detail

} // namespace graph
IA_NN_END

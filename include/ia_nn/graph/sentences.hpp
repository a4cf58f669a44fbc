// SPDX-License-Identifier: Apache-2.0
//
// How sentences about mistakes are put together: "ia_nn: conv2d 'stage2.conv1': ...".
#pragma once

#include <ia_nn/graph/node.hpp>

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

/// What a node is called in sentences and tables: "conv2d", "relu".
constexpr char const* shown(node const& n) {
  constexpr char const* convs[] = {"conv", "conv1d", "conv2d", "conv3d"};
  constexpr char const* deconvs[] = {"deconv", "deconv1d", "deconv2d", "deconv3d"};
  if (n.shape.rank >= 3 && n.shape.rank <= 5) {
    if (n.kind == op::conv) return convs[n.shape.rank - 2];
    if (n.kind == op::deconv) return deconvs[n.shape.rank - 2];
  }
  return n.kind == op::activation ? name_of(n.with.act) : name_of(n.kind);
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

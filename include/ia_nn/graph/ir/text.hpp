// SPDX-License-Identifier: Apache-2.0
//
// Names and shapes as strings, for errors and dumps.
#pragma once

#include <ia_nn/graph/ir/sentences.hpp>

#include <string>

#include <ia_nn/begin.hpp>
namespace graph {
namespace detail {

inline std::string text_of(dims const& s) {
  sentence t;
  s.write(t);
  return std::string(t.view());
}
inline std::string text_of(node const& n) { return std::string(n.name.view()); }
/// "conv2d 'stage1.conv2'"
inline std::string who(node const& n) { return std::string(shown(n)) + " '" + text_of(n) + "'"; }

} // namespace detail
} // namespace graph
IA_NN_END

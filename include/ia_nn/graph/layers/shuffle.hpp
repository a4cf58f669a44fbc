// SPDX-License-Identifier: Apache-2.0
//
// The shuffle of channels between grouped convolutions.
#pragma once

#include <ia_nn/graph/layers/move.hpp>
#include <ia_nn/graph/layers/reshape.hpp>

#include <ia_nn/begin.hpp>
namespace graph {

struct shuffle_layer {
  index_t groups = 1;
  label name{};
};

/// Channel k of group g becomes channel g of group k: PyTorch's ChannelShuffle. Next to layers with
/// weights it costs nothing (passes/orders.hpp).
constexpr value channel_shuffle(value x, shuffle_layer const& o) {
  if (x.id < 0) return x;
  dims const s = x.shape();
  index_t const channels = s.last();
  if (s.rank < 2 || o.groups < 1 || channels % o.groups != 0)
    return x.owner->fail(detail::say(about("channel_shuffle", o.name), o.groups,
                                     " groups do not divide the channels of input ", s),
                         "");
  meaning const means = x.owner->net[x.id].meaning;
  dims const parts{s[0], s.item() / channels, o.groups, channels / o.groups};
  value y = detail::relabelled(x, parts, meaning::rows, "channel_shuffle");
  y = transpose(y, {1, 3, 2}, {.name = o.name});
  return detail::relabelled(y, s, means, "channel_shuffle");
}

} // namespace graph
IA_NN_END

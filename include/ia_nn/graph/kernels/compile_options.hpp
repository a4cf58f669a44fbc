// SPDX-License-Identifier: Apache-2.0
//
// What `compiled` is told beside the network and its weights.
#pragma once

#include <ia_nn/core/types.hpp>
#include <ia_nn/graph/kernels/value_ranges.hpp>

#include <string>
#include <utility>
#include <vector>

#include <ia_nn/begin.hpp>
namespace graph {

struct compile_options {
  index_t max_batch = 1;              ///< of a network with an open batch
  int workers = 1;                    ///< concurrency of the executor
  /// A batch passes through the network in parts of at least so many items; 0: as many as it is fast
  /// with (run/parts.hpp).
  index_t items_at_once = 0;
  bool allow_unknown_weights = false; ///< passes over what no layer has

  /// What may stand in front of all names of the source, as "module." of a wrapped model does. One
  /// holds for the whole source: the one with which most names of the network are there, of several
  /// such the first, and none if they are there without.
  std::vector<std::string> prefixes{};
  /// The network's name of a layer, or of one weight, and the source's:
  /// {{"fc", "classifier.1"}, {"head.weight", "embed.weight"}}. A prefix goes in front of the
  /// latter. Two may have one name: they share their numbers.
  std::vector<std::pair<std::string, std::string>> names{};
  /// What values of 8 bits range over (run/calibrate.hpp); a network without such needs none.
  value_ranges ranges{};
};

} // namespace graph
IA_NN_END

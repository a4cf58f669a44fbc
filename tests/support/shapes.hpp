// SPDX-License-Identifier: Apache-2.0
//
// Layer shapes of well-known networks and of edge cases, from CSV files in shared/data/shapes, the
// folder next to the project's. Where it is missing there are no rows, and one printed line per
// file says so.
#pragma once

#include <ia_nn/core/types.hpp>

#include <map>
#include <string>
#include <vector>

namespace ia_nn_test {

struct shape_row {
  std::string name;
  std::map<std::string, ia_nn::index_t> value; ///< the fields that are whole numbers, by column
  std::map<std::string, std::string> text;     ///< the others, `name` excepted

  /// The field of a column, or `otherwise` where the file has no such column.
  ia_nn::index_t at(char const* column, ia_nn::index_t otherwise) const;
};

/// All rows of a file, "conv_resnet_50.csv". Throws std::runtime_error for a file without a column
/// `name`, and for a row with more or fewer fields than there are columns.
std::vector<shape_row> shape_rows(std::string const& file);

/// The names of all files "<prefix>*.csv", sorted; for shape_rows.
std::vector<std::string> shape_files(std::string const& prefix);

} // namespace ia_nn_test

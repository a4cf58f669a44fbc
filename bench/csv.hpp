// SPDX-License-Identifier: Apache-2.0
//
// Lists of shapes: comma-separated values, columns found by their names in the first line.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

namespace bench {

/// Every member throws a sentence with the file and the line if the file is not as expected.
class csv {
public:
  struct row {
    int line;
    std::vector<std::string> fields;
  };

  /// Reads everything; there must be one row at least.
  explicit csv(std::string const& file);

  std::size_t column(std::string const& name) const; ///< which must exist
  std::optional<std::size_t> find(std::string const& name) const;
  std::vector<row> const& rows() const { return rows_; }
  std::string const& field(row const& r, std::size_t column) const;
  long extent(row const& r, std::size_t column,
              long lowest = 1) const; ///< a whole number >= lowest

private:
  std::string file_;
  std::vector<std::string> header_;
  std::vector<row> rows_;
};

/// "a|b" is a and b.
std::vector<std::string> split(std::string const& text, char separator);

} // namespace bench

// SPDX-License-Identifier: Apache-2.0
//
// The rows of a table that a batch has named: those whose gradient is not 0. What reads or changes them alone
// takes time for the batch, not for the table.
#pragma once

#include <ia_nn/core/error.hpp>
#include <ia_nn/core/executor.hpp>
#include <ia_nn/core/meta.hpp>

#include <string>
#include <vector>

#include <ia_nn/begin.hpp>

/// Each row once, in the order in which they came. Nothing is allocated after construction: a table of n rows takes
/// five bytes for each. Errors: errc::bad_shape for less than one row, more than 2^31 - 1, or a width below 1.
class table_rows {
public:
  table_rows(index_t rows, index_t width) : width_(width) {
    if (rows < 1 || rows > INT32_MAX || width < 1)
      throw_error(errc::bad_shape, "table_rows: " + std::to_string(rows) + " rows of " + std::to_string(width) +
                                       ", must be 1 to 2^31 - 1 of at least 1");
    named_.resize(static_cast<std::size_t>(rows));
    list_.reserve(named_.size());
  }

  index_t width() const noexcept { return width_; }
  index_t table_size() const noexcept { return static_cast<index_t>(named_.size()); }
  std::vector<s32> const& list() const noexcept { return list_; }

  void add(index_t row) noexcept {
    auto const i = static_cast<std::size_t>(row);
    IA_NN_ASSERT(i < named_.size(), "table_rows: row ", row, " of ", table_size());
    if (named_[i]) return;
    named_[i] = true;
    list_.push_back(static_cast<s32>(row)); // within what is reserved
  }
  void clear() noexcept {
    for (s32 const row : list_) named_[static_cast<std::size_t>(row)] = false;
    list_.clear();
  }
  /// f(row) for each, divided among the workers.
  template <executor E, class F> void each(E& e, F const& f) const noexcept {
    parallel_blocks(e, static_cast<index_t>(list_.size()), ceil_div(4096, width_),
                    [&](index_t begin, index_t end, int) {
                      for (index_t i = begin; i < end; ++i) f(index_t{list_[static_cast<std::size_t>(i)]});
                    });
  }

private:
  index_t width_;
  std::vector<char> named_;
  std::vector<s32> list_;
};

IA_NN_END

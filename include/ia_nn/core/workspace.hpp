// SPDX-License-Identifier: Apache-2.0
//
// Scratch memory that the caller owns: plans say how many bytes they need, `run` takes a view.
#pragma once

#include <ia_nn/core/memory.hpp>

#include <ia_nn/begin.hpp>

/// Bytes lent to one `run`. Not owned; one call at a time may use it.
struct workspace_view {
  std::byte* data = nullptr;
  index_t size = 0;

  /// The precondition of every `run` that has a workspace.
  bool holds(index_t needed) const noexcept {
    return needed <= 0 || (size >= needed && is_aligned(data, alignment));
  }
  /// The view if it holds `needed` bytes and is 64-byte aligned, else errc::small_workspace or
  /// errc::bad_pointer. For set-up, before `run`.
  workspace_view require(index_t needed) const {
    if (size < needed)
      throw_error(errc::small_workspace, "the workspace holds " + std::to_string(size) +
                                             " bytes, the plan needs " + std::to_string(needed));
    if (needed > 0 && !is_aligned(data, alignment))
      throw_error(errc::bad_pointer, "the workspace is not aligned to 64 bytes");
    return *this;
  }
};

/// Owned scratch memory.
class workspace {
public:
  workspace() = default;
  explicit workspace(index_t bytes) : bytes_(bytes) {}
  operator workspace_view() noexcept { return {bytes_.data(), bytes_.size()}; }
  index_t size() const noexcept { return bytes_.size(); }

private:
  aligned_array<std::byte> bytes_;
};

IA_NN_END

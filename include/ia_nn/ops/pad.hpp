// SPDX-License-Identifier: Apache-2.0
//
// Padding by a constant, by reflection, by the element at the edge, or by wrapping around. Negative
// padding cuts off. Set-up writes down for each axis which element of src an element of dst is (-1:
// the constant); `run` copies what lies together.
#pragma once

#include <ia_nn/core/error.hpp>
#include <ia_nn/core/executor.hpp>
#include <ia_nn/core/hidden.hpp>
#include <ia_nn/core/memory.hpp>

#include <cstring>
#include <span>

#include <ia_nn/begin.hpp>

enum class pad_mode {
  constant,
  reflect, ///< the edge is not repeated: c b | a b c d | c b
  edge,    ///< a a | a b c d | d d
  wrap     ///< c d | a b c d | a b
};

/// Pads dense arrays of up to 6 axes, of elements of 1, 2, 4 or 8 bytes. Errors at construction:
/// errc::bad_shape (lists of different lengths, negative extents, an axis of no elements that is
/// padded by reflect, edge or wrap), errc::bad_parameter (rank, element size).
class pad {
  static constexpr std::size_t max_rank = 6;

public:
  /// Axis d of the result has begin[d] + extents[d] + end[d] elements.
  pad(index_t element_bytes, std::span<index_t const> extents, std::span<index_t const> begin,
      std::span<index_t const> end, pad_mode mode)
      : element_(element_bytes), item_(element_bytes), mode_(mode) {
    std::size_t rank = extents.size();
    if (element_bytes != 1 && element_bytes != 2 && element_bytes != 4 && element_bytes != 8)
      throw_error(errc::bad_parameter,
                  "pad: elements of " + std::to_string(element_bytes) + " bytes, not 1, 2, 4 or 8");
    if (rank > max_rank)
      throw_error(errc::bad_parameter, "pad: " + std::to_string(rank) + " axes, at most 6");
    if (begin.size() != rank || end.size() != rank)
      throw_error(errc::bad_shape,
                  "pad: begin and end need " + std::to_string(rank) + " numbers each");
    for (std::size_t d = 0; d < rank; ++d) {
      index_t n = 0;
      if (__builtin_add_overflow(extents[d], begin[d], &n) || __builtin_add_overflow(n, end[d], &n))
        throw_error(errc::bad_shape, "pad: axis " + std::to_string(d) + ": " +
                                         std::to_string(begin[d]) + " and " +
                                         std::to_string(end[d]) + " elements are out of range");
      if (extents[d] < 0 || n < 0)
        throw_error(errc::bad_shape, "pad: axis " + std::to_string(d) + ": " +
                                         std::to_string(extents[d]) + " elements become " +
                                         std::to_string(n));
      if (extents[d] == 0 && n > 0 && mode != pad_mode::constant)
        throw_error(errc::bad_shape,
                    "pad: axis " + std::to_string(d) + " has no elements to repeat");
    }
    // Inner axes that stay as they are make larger items.
    while (rank > 1 && begin[rank - 1] == 0 && end[rank - 1] == 0) item_ *= extents[--rank];
    rank_ = static_cast<int>(rank);
    index_t stride = item_;
    for (std::size_t d = rank; d-- > 0;) {
      src_stride_[d] = stride;
      stride *= extents[d];
      extent_[d] = extents[d] + begin[d] + end[d];
      from_[d] = aligned_array<index_t>(extent_[d]);
      for (index_t i = 0; i < extent_[d]; ++i) from_[d][i] = source_of(i - begin[d], extents[d]);
    }
    if (rank == 0) return;
    // What lies together along the last axis.
    together_ = {min_of(max_of(begin[rank - 1], 0), extent_[rank - 1]), 0};
    together_.end =
        max_of(together_.begin, min_of(begin[rank - 1] + extents[rank - 1], extent_[rank - 1]));
    for (std::size_t d = 0; d + 1 < rank; ++d) rows_ *= extent_[d];
  }

  /// The layer of a network, which this class hides.
  template <detail::hidden_layer V> pad(V, graph::pad_layer const&);

  /// `value`: one element, for pad_mode::constant (null: zero). Of a quantized tensor it should be the
  /// zero point.
  template <executor E = sequential>
  void run(void const* src, void* dst, void const* value = nullptr, E&& e = {}) const noexcept {
    auto const* const from = static_cast<std::byte const*>(src);
    auto* const to = static_cast<std::byte*>(dst);
    if (rank_ == 0) {
      std::memcpy(to, from, static_cast<std::size_t>(item_));
      return;
    }
    std::byte constant[8] = {};
    if (value) std::memcpy(constant, value, static_cast<std::size_t>(element_));
    index_t const row_bytes = extent_[rank_ - 1] * item_;
    if (row_bytes == 0) return;
    parallel_blocks(e, rows_, ceil_div(32768, row_bytes), [&](index_t begin, index_t end, int) {
      for (index_t r = begin; r < end; ++r) row(from, to + r * row_bytes, r, constant);
    });
  }

private:
  index_t source_of(index_t i, index_t n) const noexcept {
    if (i >= 0 && i < n) return i;
    if (mode_ == pad_mode::constant) return -1;
    if (mode_ == pad_mode::edge) return i < 0 ? 0 : n - 1;
    index_t const period = mode_ == pad_mode::wrap ? n : max_of(2 * (n - 1), 1);
    index_t const at = (i % period + period) % period;
    return at < n ? at : period - at;
  }
  void fill(std::byte* to, index_t bytes, std::byte const* constant) const noexcept {
    // Copies of what has been filled, twice as long each time.
    index_t done = min_of(element_, bytes);
    std::memcpy(to, constant, static_cast<std::size_t>(done));
    for (; done < bytes; done += min_of(done, bytes - done))
      std::memcpy(to + done, to, static_cast<std::size_t>(min_of(done, bytes - done)));
  }
  void row(std::byte const* src, std::byte* dst, index_t number,
           std::byte const* constant) const noexcept {
    bool outside = false;
    for (int d = rank_ - 2; d >= 0; --d) {
      index_t const at = from_[d][number % extent_[d]];
      number /= extent_[d];
      outside = outside || at < 0;
      src += at * src_stride_[d] * (at < 0 ? 0 : 1);
    }
    index_t const n = extent_[rank_ - 1];
    if (outside) {
      fill(dst, n * item_, constant);
      return;
    }
    auto const* const from = from_[rank_ - 1].data();
    sides(src, dst, 0, together_.begin, from, constant);
    if (!together_.empty())
      std::memcpy(dst + together_.begin * item_, src + from[together_.begin] * item_,
                  static_cast<std::size_t>(together_.size() * item_));
    sides(src, dst, together_.end, n, from, constant);
  }
  void sides(std::byte const* src, std::byte* dst, index_t begin, index_t end, index_t const* from,
             std::byte const* constant) const noexcept {
    if (begin == end) return;
    if (mode_ == pad_mode::constant) fill(dst + begin * item_, (end - begin) * item_, constant);
    else
      for (index_t i = begin; i < end; ++i)
        std::memcpy(dst + i * item_, src + from[i] * item_, static_cast<std::size_t>(item_));
  }

  index_t element_, item_;
  pad_mode mode_;
  int rank_ = 0;
  index_t extent_[max_rank]{}, src_stride_[max_rank]{}, rows_ = 1;
  aligned_array<index_t> from_[max_rank];
  block together_{};
};

IA_NN_END

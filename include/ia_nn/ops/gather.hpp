// SPDX-License-Identifier: Apache-2.0
//
// Elements chosen by indices, and put where indices say. Elements of any type: bits are copied. Indices are
// s32 or 64 bits and may count from the end, -1 being the last, as in ONNX.
//
//   row_gather        dst[o][j][...] = src[o][ index[j] ][...]             whole slices along an axis
//   element_gather    dst[o][j][i] = src[o][ index[o][j][i] ][i]           an index for each element
//   element_scatter   dst[o][ index[o][j][i] ][i] = or += src[o][j][i]     the other way round
//   one_hot_rows      dst[o][j][i] = index[o][i] == j ? on : off
//
// `check` throws errc::bad_parameter for an index outside [-n, n); `run` trusts the indices, and asserts with
// IA_NN_CHECKED, as an embedding does. one_hot_rows alone takes any index: one outside gives a row of `off`.
//
// Where two indices of a scatter are equal, the later element of src counts, or all are added in the order in
// which they lie. That happens along the axis only, so tasks are lines along it, and the result has the same
// bits for any number of threads.
#pragma once

#include <ia_nn/core/error.hpp>
#include <ia_nn/core/executor.hpp>
#include <ia_nn/core/memory.hpp>

#include <cstring>
#include <span>
#include <utility>

#include <ia_nn/begin.hpp>

namespace detail {

/// Throws for the first of `count` indices that is none of n elements.
template <std::integral Index>
void check_indices(char const* who, index_t count, Index const* indices, index_t n) {
  for (index_t i = 0; i < count; ++i)
    if (!std::in_range<index_t>(indices[i]) || std::cmp_less(indices[i], -n) ||
        std::cmp_greater_equal(indices[i], n))
      throw_error(errc::bad_parameter, std::string(who) + ": index " + std::to_string(i) + " is " +
                                           std::to_string(indices[i]) + ", the axis has " +
                                           std::to_string(n) + " elements");
}
/// The element that an index names.
template <std::integral Index>
IA_NN_INLINE index_t counted(Index index, index_t n, [[maybe_unused]] char const* who) noexcept {
  index_t const i = static_cast<index_t>(index);
  IA_NN_ASSERT(i >= -n && i < n, who, ": index ", i, ", the axis has ", n, " elements");
  return i < 0 ? i + n : i;
}
inline void check_element(char const* who, index_t bytes) {
  if (bytes != 1 && bytes != 2 && bytes != 4 && bytes != 8)
    throw_error(errc::bad_parameter, std::string(who) + ": elements of " + std::to_string(bytes) +
                                         " bytes, not 1, 2, 4 or 8");
}
/// f(a value of so many bytes): 1, 2, 4 or 8.
template <class F> IA_NN_INLINE void with_bytes(index_t bytes, F&& f) noexcept {
  if (bytes == 1) f(std::uint8_t{});
  else if (bytes == 2) f(std::uint16_t{});
  else if (bytes == 4) f(std::uint32_t{});
  else f(std::uint64_t{});
}

} // namespace detail

/// Slices along one axis: src [outer][n][inner]. Errors at construction: errc::bad_shape (extents below 1),
/// errc::bad_parameter (element size).
class row_gather {
public:
  row_gather(index_t element_bytes, index_t outer, index_t n, index_t inner)
      : outer_(outer), n_(n), bytes_(inner * element_bytes) {
    detail::check_element("gather", element_bytes);
    if (outer < 1 || n < 1 || inner < 1)
      throw_error(errc::bad_shape, "gather: " + std::to_string(outer) + " x " + std::to_string(n) + " x " +
                                       std::to_string(inner) + " elements");
  }

  template <std::integral Index> void check(index_t count, Index const* indices) const {
    detail::check_indices("gather", count, indices, n_);
  }
  /// dst [outer][count][inner].
  template <std::integral Index, executor E = sequential>
  void run(index_t count, void const* src, Index const* indices, void* dst, E&& e = {}) const noexcept {
    auto const* const from = static_cast<std::byte const*>(src);
    auto* const to = static_cast<std::byte*>(dst);
    parallel_blocks(e, outer_ * count, ceil_div(32768, bytes_), [&](index_t begin, index_t end, int) {
      for (index_t r = begin; r < end; ++r) {
        index_t const at = r / count * n_ + detail::counted(indices[r % count], n_, "gather");
        if (bytes_ == 4) std::memcpy(to + r * 4, from + at * 4, 4);
        else std::memcpy(to + r * bytes_, from + at * bytes_, static_cast<std::size_t>(bytes_));
      }
    });
  }

private:
  index_t outer_, n_, bytes_;
};

namespace detail {

/// Where elements of a tensor lie that others of the shape of the indices are to meet: along the other axes
/// at the same coordinates.
class element_places {
public:
  element_places(char const* who, index_t element_bytes, std::span<index_t const> extents,
                 std::span<index_t const> index_extents, int axis)
      : who_(who), element_(element_bytes) {
    check_element(who, element_bytes);
    std::string const here(who);
    auto const rank = static_cast<int>(extents.size());
    if (rank < 1 || extents.size() != index_extents.size() || axis < 0 || axis >= rank)
      throw_error(errc::bad_shape, here + ": axis " + std::to_string(axis) + " of " + std::to_string(rank) +
                                       " axes, indices have " + std::to_string(index_extents.size()));
    index_t before = 1, behind = 1, stride = 1;
    for (int d = 0; d < rank; ++d) {
      auto const k = static_cast<std::size_t>(d);
      if (extents[k] < 1 || index_extents[k] < 1 || (d != axis && index_extents[k] > extents[k]))
        throw_error(errc::bad_shape, here + ": axis " + std::to_string(d) + " has " +
                                         std::to_string(extents[k]) + " elements, indices " +
                                         std::to_string(index_extents[k]));
      if (d != axis) (d < axis ? before : behind) *= index_extents[k];
    }
    n = extents[static_cast<std::size_t>(axis)], count = index_extents[static_cast<std::size_t>(axis)];
    outer = aligned_array<index_t>(before), inner = aligned_array<index_t>(behind);
    // Axis by axis from the last: repeats what is there, further on.
    index_t filled = 1;
    for (int d = rank - 1; d >= 0; stride *= extents[static_cast<std::size_t>(d)], --d) {
      if (d == axis) {
        step = stride, filled = 1;
        continue;
      }
      aligned_array<index_t>& to = d < axis ? outer : inner;
      index_t const times = index_extents[static_cast<std::size_t>(d)];
      for (index_t i = 1; i < times; ++i)
        for (index_t k = 0; k < filled; ++k) to[i * filled + k] = to[k] + i * stride;
      filled *= times;
    }
    size_ = stride;
  }
  index_t n = 0, count = 0, step = 0; ///< along the axis: elements, indices, elements from one to the next
  aligned_array<index_t> outer, inner; ///< where the other coordinates lie

  index_t size() const noexcept { return size_; } ///< elements of the tensor
  index_t element() const noexcept { return element_; }
  index_t indices() const noexcept { return outer.size() * count * inner.size(); }
  template <std::integral Index> void check(Index const* list) const { check_indices(who_, indices(), list, n); }

  /// f(element of the tensor, element of the indices): along the axis in order, lines in tasks.
  template <std::integral Index, executor E, class F>
  void each(Index const* list, E& e, F const& f) const noexcept {
    index_t const block_size = min_of(inner.size(), 256), blocks = ceil_div(inner.size(), block_size);
    parallel_blocks(e, outer.size() * blocks, ceil_div(4096, block_size * count),
                    [&](index_t begin, index_t end, int) {
                      for (index_t t = begin; t < end; ++t) {
                        index_t const o = t / blocks, first = t % blocks * block_size;
                        index_t const last = min_of(first + block_size, inner.size());
                        for (index_t j = 0; j < count; ++j)
                          for (index_t i = first; i < last; ++i) {
                            index_t const at = (o * count + j) * inner.size() + i;
                            f(outer[o] + counted(list[at], n, who_) * step + inner[i], at);
                          }
                      }
                    });
  }

private:
  char const* who_;
  index_t element_, size_ = 0;
};

} // namespace detail

/// dst, of the shape of the indices: elements of src along `axis`. Along other axes indices may have fewer
/// elements than src, as in PyTorch. Errors at construction: errc::bad_shape (extents below 1, ranks or
/// extents that do not fit), errc::bad_parameter (element size).
class element_gather {
public:
  element_gather(index_t element_bytes, std::span<index_t const> extents,
                 std::span<index_t const> index_extents, int axis)
      : places_("gather_elements", element_bytes, extents, index_extents, axis) {}

  template <std::integral Index> void check(Index const* indices) const { places_.check(indices); }
  template <std::integral Index, executor E = sequential>
  void run(void const* src, Index const* indices, void* dst, E&& e = {}) const noexcept {
    detail::with_bytes(places_.element(), [&]<class T>(T) {
      auto const* const x = static_cast<std::byte const*>(src);
      auto* const y = static_cast<std::byte*>(dst);
      places_.each(indices, e, [&](index_t from, index_t to) {
        std::memcpy(y + to * static_cast<index_t>(sizeof(T)), x + from * static_cast<index_t>(sizeof(T)), sizeof(T));
      });
    });
  }

private:
  detail::element_places places_;
};

/// dst, of the shape `extents`: a copy of `data` in which elements of src, of the shape of the indices, have
/// been put or added. Errors at construction: those of element_gather.
class element_scatter {
public:
  element_scatter(index_t element_bytes, std::span<index_t const> extents,
                  std::span<index_t const> index_extents, int axis)
      : places_("scatter", element_bytes, extents, index_extents, axis) {}

  template <std::integral Index> void check(Index const* indices) const { places_.check(indices); }
  /// dst may be `data`; nothing is copied then.
  template <std::integral Index, executor E = sequential>
  void run(void const* data, void const* src, Index const* indices, void* dst, E&& e = {}) const noexcept {
    copy(data, dst, e);
    detail::with_bytes(places_.element(), [&]<class T>(T) {
      auto const* const x = static_cast<std::byte const*>(src);
      auto* const y = static_cast<std::byte*>(dst);
      places_.each(indices, e, [&](index_t to, index_t from) {
        std::memcpy(y + to * static_cast<index_t>(sizeof(T)), x + from * static_cast<index_t>(sizeof(T)), sizeof(T));
      });
    });
  }
  /// Adds. Of elements of 4 bytes.
  template <std::integral Index, executor E = sequential>
  void run_add(f32 const* data, f32 const* src, Index const* indices, f32* dst, E&& e = {}) const noexcept {
    IA_NN_ASSERT(places_.element() == 4, "scatter: elements of ", places_.element(), " bytes are no f32");
    copy(data, dst, e);
    places_.each(indices, e, [&](index_t to, index_t from) { dst[to] += src[from]; });
  }

private:
  template <class E> void copy(void const* data, void* dst, E& e) const noexcept {
    if (data == dst) return;
    parallel_blocks(e, places_.size() * places_.element(), 65536, [&](index_t begin, index_t end, int) {
      std::memcpy(static_cast<std::byte*>(dst) + begin, static_cast<std::byte const*>(data) + begin,
                  static_cast<std::size_t>(end - begin));
    });
  }
  detail::element_places places_;
};

/// dst [outer][depth][inner] from indices [outer][inner]. Errors at construction: errc::bad_shape.
template <class T> class one_hot_rows {
public:
  explicit one_hot_rows(index_t depth, index_t inner = 1, T on = T(1), T off = T(0))
      : depth_(depth), inner_(inner), on_(on), off_(off) {
    if (depth < 1 || inner < 1)
      throw_error(errc::bad_shape, "one_hot: rows of " + std::to_string(depth) + " elements, " +
                                       std::to_string(inner) + " side by side");
  }
  template <std::integral Index, executor E = sequential>
  void run(index_t outer, Index const* indices, T* dst, E&& e = {}) const noexcept {
    parallel_blocks(e, outer, ceil_div(8192, depth_ * inner_), [&](index_t begin, index_t end, int) {
      for (index_t k = begin * depth_ * inner_; k < end * depth_ * inner_; ++k) dst[k] = off_;
      for (index_t o = begin; o < end; ++o)
        for (index_t i = 0; i < inner_; ++i) {
          Index const index = indices[o * inner_ + i];
          if (std::cmp_less(index, -depth_) || std::cmp_greater_equal(index, depth_)) continue;
          index_t const j = detail::counted(index, depth_, "one_hot");
          dst[(o * depth_ + j) * inner_ + i] = on_;
        }
    });
  }

private:
  index_t depth_, inner_;
  T on_, off_;
};

IA_NN_END

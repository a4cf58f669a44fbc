// SPDX-License-Identifier: Apache-2.0
//
// Weights, packed once and frozen: owned, movable, stored to bytes and viewed from bytes.
#pragma once

#include <ia_nn/gemm/pack_panel.hpp>

#include <utility>

#include <ia_nn/begin.hpp>

namespace detail {

/// What precedes stored packed weights. All fields little-endian.
struct packed_header {
  char magic[8]; // "ia_nnpk2"
  std::uint32_t type, nr, kr, terms;
  std::int64_t k, n, group, payload_bytes;
  std::uint64_t checksum; // of the fields above and the payload
};
static_assert(sizeof(packed_header) == 64);

// FNV-1a by 64-bit words, and a shift that carries high bits to low ones: without it, two flipped
// signs would cancel each other.
inline std::uint64_t checksum(std::byte const* p, index_t bytes, std::uint64_t h) noexcept {
  for (index_t i = 0; i + 8 <= bytes; i += 8) { // payloads are padded to 64 bytes
    std::uint64_t w;
    __builtin_memcpy(&w, p + i, 8);
    h = (h ^ w) * 0x100000001b3U;
    h ^= h >> 32;
  }
  return h;
}
inline std::uint64_t checksum(packed_header const& h, std::byte const* payload) noexcept {
  std::byte fields[sizeof h - 8];
  __builtin_memcpy(fields, &h, sizeof fields);
  return checksum(payload, h.payload_bytes, checksum(fields, sizeof fields, 0xcbf29ce484222325U));
}

template <element T> constexpr std::uint32_t type_code() noexcept {
  return std::same_as<T, f32> ? 1 : std::same_as<T, bf16> ? 2 : std::same_as<T, s8> ? 3 : 0;
}

// Where the pieces of a payload lie; every piece starts on 64 bytes.
template <element T, class Panel, packing Form> struct packed_extent {
  index_t data, sums, scales, total; // bytes: sizes of the three pieces, and their padded sum
  packed_extent(index_t k, index_t n, index_t group) noexcept {
    data = round_up(Form.terms * Panel::template size<T>(k, n) * static_cast<index_t>(sizeof(T)), 64);
    sums = std::same_as<T, s8> ? round_up(Panel::panels(n) * (Panel::nr + 1) * 4, 64) : 0;
    scales = group > 0 ? round_up(Panel::panels(n) * ceil_div(k, group) * Panel::nr * 4, 64) : 0;
    total = data + sums + scales;
  }
};

/// A matrix of U that can be packed as T. A name, since compilers write conditions into symbols.
template <class U, class T, packing Form, class Shape>
concept packs = Shape::rank == 2 && !Form.scaled &&
                ((std::same_as<std::remove_const_t<U>, T> && Form.terms == 1) ||
                 (std::same_as<T, bf16> && std::same_as<std::remove_const_t<U>, f32>));

} // namespace detail

/// B (k x n) packed for kernels of the geometry Panel; T = f32, bf16 or s8.
///
/// Sources: any 2-D view of T with k rows and n columns (pass `transposed(view)` of n x k weights);
/// f32 sources are rounded to bf16 when T is bf16, or split into Form.terms of it. s8 weights with
/// Form.scaled carry one f32 scale per column and group of k. `gemm::weights` is the type that a
/// product reads.
/// Errors: errc::bad_shape (k < 1, n < 1, overflow), errc::bad_pointer, errc::bad_parameter.
template <element T, class Panel, packing Form = packing{}> class packed_matrix {
  static_assert(std::same_as<T, f32> || std::same_as<T, bf16> || std::same_as<T, s8>,
                "ia_nn: weights are packed as f32, bf16 or s8");
  static_assert(Form.terms == 1 ||
                    (std::same_as<T, bf16> && (Form.terms == 2 || Form.terms == 3)),
                "ia_nn: packed_matrix: f32 is split into 2 or 3 terms, which are bf16");
  static_assert(!Form.scaled || std::same_as<T, s8>,
                "ia_nn: packed_matrix: weights with scales are s8");
  using extent = detail::packed_extent<T, Panel, Form>;

public:
  using view_type = packed_view<T, Panel, Form>;
  static constexpr packing form = Form;

  packed_matrix() = default;

  template <class U, class Shape, class Layout>
    requires detail::packs<U, T, Form, Shape>
  explicit packed_matrix(tensor_view<U, Shape, Layout> b)
      : packed_matrix(b.extent(0), b.extent(1), 0) {
    if (!b.data()) throw_error(errc::bad_pointer, "packed_matrix: the source is null");
    pack(b);
  }

  /// s8 weights with scales of shape (ceil(k / group), n), for f32 arithmetic.
  template <class U, class Shape, class Layout, class S, class ScaleShape, class ScaleLayout>
    requires(Shape::rank == 2 && ScaleShape::rank == 2 && Form.scaled &&
             std::same_as<std::remove_const_t<U>, s8> && std::same_as<std::remove_const_t<S>, f32>)
  packed_matrix(tensor_view<U, Shape, Layout> b, tensor_view<S, ScaleShape, ScaleLayout> scale,
                index_t group)
      : packed_matrix(check_group(b.extent(0), group), b.extent(1), group) {
    if (!b.data() || !scale.data())
      throw_error(errc::bad_pointer, "packed_matrix: the source or its scales are null");
    index_t const groups = ceil_div(view_.k, group);
    if (scale.extent(0) != groups || scale.extent(1) != view_.n)
      throw_error(errc::bad_shape, "packed_matrix: scales have shape " + scale.extents().to_string() +
                                       ", expected (" + std::to_string(groups) + ", " +
                                       std::to_string(view_.n) + ")");
    pack(b);
    for (index_t p = 0; p < Panel::panels(view_.n); ++p) {
      index_t const columns = min_of(Panel::nr, view_.n - p * Panel::nr);
      for (index_t g = 0; g < groups; ++g)
        for (index_t j = 0; j < columns; ++j)
          scales()[(p * groups + g) * Panel::nr + j] = scale(g, p * Panel::nr + j);
    }
  }

  /// k x n zeros, for `assign`.
  packed_matrix(index_t k, index_t n)
    requires(Form.terms == 1 && !Form.scaled)
      : packed_matrix(k, n, 0) {}

  /// Other values in the same memory: fill(panel, column, columns) writes the panel of columns
  /// column .. column + columns - 1. What it does not write stays; beyond k and n this must be zeros.
  template <class F> void assign(F const& fill) noexcept {
    for (index_t p = 0; p < Panel::panels(view_.n); ++p) {
      index_t const column = p * Panel::nr;
      fill(data() + p * view_.stride(), column, min_of(Panel::nr, view_.n - column));
      if constexpr (std::same_as<T, s8>)
        detail::sum_panel<Panel>(sums(), data() + p * view_.stride(), p, view_.k, view_.n);
    }
  }

  packed_matrix(packed_matrix&& other) noexcept
      : storage_(static_cast<aligned_array<std::byte>&&>(other.storage_)),
        view_(std::exchange(other.view_, {})) {}
  packed_matrix& operator=(packed_matrix&& other) noexcept {
    storage_ = static_cast<aligned_array<std::byte>&&>(other.storage_);
    view_ = std::exchange(other.view_, {});
    return *this;
  }

  view_type view() const noexcept { return view_; }
  operator view_type() const noexcept { return view_; }
  index_t k() const noexcept { return view_.k; }
  index_t n() const noexcept { return view_.n; }
  /// Bytes that the kernels read.
  index_t bytes() const noexcept { return storage_.size(); }

  /// Bytes that `store` writes.
  index_t stored_bytes() const noexcept { return 64 + storage_.size(); }

  /// Writes header and panels to `to`. Errors: errc::small_workspace.
  void store(std::byte* to, index_t size) const {
    if (size < stored_bytes())
      throw_error(errc::small_workspace, "packed_matrix: storing takes " +
                                             std::to_string(stored_bytes()) + " bytes, given " +
                                             std::to_string(size));
    detail::packed_header h{{'i', 'a', '_', 'n', 'n', 'p', 'k', '2'},
                            detail::type_code<T>(),
                            Panel::nr,
                            Panel::kr,
                            Form.terms,
                            view_.k,
                            view_.n,
                            view_.group,
                            storage_.size(),
                            0};
    h.checksum = detail::checksum(h, storage_.data());
    __builtin_memcpy(to, &h, sizeof h);
    __builtin_memcpy(to + sizeof h, storage_.data(), static_cast<std::size_t>(storage_.size()));
  }

  /// Views weights that `store` wrote, without copying: `from` must be 64-byte aligned (a mapped
  /// file is) and outlive the view. Errors: errc::bad_file, errc::bad_pointer.
  static view_type view_stored(std::byte const* from, index_t size) {
    auto const bad = [](std::string const& what) {
      throw_error(errc::bad_file, "packed_matrix: stored weights " + what);
    };
    if (!from || !is_aligned(from, alignment))
      throw_error(errc::bad_pointer, "packed_matrix: stored weights must be aligned to 64 bytes");
    detail::packed_header h;
    if (size < static_cast<index_t>(sizeof h)) bad("are shorter than their header");
    __builtin_memcpy(&h, from, sizeof h);
    if (__builtin_memcmp(h.magic, "ia_nnpk2", 8) != 0) bad("do not start with their signature");
    if (h.type != detail::type_code<T>()) bad("have another element type");
    if (h.nr != Panel::nr || h.kr != Panel::kr) bad("are packed for another register tile");
    index_t cells = 0;
    if (h.k < 1 || h.n < 1 || h.k > PTRDIFF_MAX / 64 || h.n > PTRDIFF_MAX / 64 || h.group < 0 ||
        h.group > h.k ||
        __builtin_mul_overflow(h.k + 64, h.n + Panel::nr, &cells) || cells > PTRDIFF_MAX / 64)
      bad("name impossible extents");
    if (h.terms != Form.terms)
      bad("are split into " + std::to_string(h.terms) + " terms, expected " +
          std::to_string(Form.terms));
    if ((h.group > 0) != Form.scaled)
      bad(Form.scaled ? "have no scales, expected some" : "have scales, expected none");
    extent const e(h.k, h.n, h.group);
    if (h.payload_bytes != e.total || size - 64 < e.total) bad("are truncated");
    if (detail::checksum(h, from + 64) != h.checksum) bad("are damaged: the checksum differs");
    view_type v;
    v.k = h.k, v.n = h.n, v.group = h.group;
    attach(v, from + 64, e);
    return v;
  }

private:
  packed_matrix(index_t k, index_t n, index_t group) {
    if (k < 1 || n < 1)
      throw_error(errc::bad_shape, "packed_matrix: a matrix of shape " +
                                       shape<dyn, dyn>(k, n).to_string() + " has nothing to pack");
    shape<dyn, dyn, dyn> const padded(Form.terms, k + 64, n + Panel::nr); // throws when it overflows
    static_cast<void>(padded);
    view_.k = k, view_.n = n, view_.group = group;
    extent const e(k, n, group);
    storage_ = aligned_array<std::byte>(e.total);
    attach(view_, storage_.data(), e);
  }
  template <class View> void pack(View const& b) noexcept {
    detail::pack_panels<Panel, isa::native, Form>(data(), sums(), b.data(), b.stride(0), b.stride(1),
                                                  view_.k, view_.n, {0, Panel::panels(view_.n)});
  }
  static index_t check_group(index_t k, index_t group) {
    if (group < 1 || group > k)
      throw_error(errc::bad_parameter, "packed_matrix: a group of " + std::to_string(group) +
                                           " does not fit k = " + std::to_string(k));
    return k;
  }
  static void attach(view_type& v, std::byte const* base, extent const& e) {
    v.data = reinterpret_cast<T const*>(base);
    v.sums = e.sums ? reinterpret_cast<s32 const*>(base + e.data) : nullptr;
    v.scales = e.scales ? reinterpret_cast<f32 const*>(base + e.data + e.sums) : nullptr;
  }
  T* data() noexcept { return const_cast<T*>(view_.data); }
  s32* sums() noexcept { return const_cast<s32*>(view_.sums); }
  f32* scales() noexcept { return const_cast<f32*>(view_.scales); }

  aligned_array<std::byte> storage_;
  view_type view_;
};

IA_NN_END

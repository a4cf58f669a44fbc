// SPDX-License-Identifier: Apache-2.0
//
// Reads safetensors files. Whoever includes this header needs nlohmann's json.
//
//   offset   0             8                  8 + n
//            n, u64        the header, JSON   the elements of all tensors, little-endian, C order;
//            little-endian                    data_offsets count from here
//
// The bytes are not trusted. A file that is accepted has been checked in whole: names are unique,
// each tensor has as many bytes as its shape and dtype need, and together they are all bytes behind
// the header, each belonging to one tensor. No memory is taken for the elements before that.
#pragma once

#include <ia_nn/core/tensor.hpp>
#include <ia_nn/io/file.hpp>
#include <ia_nn/io/npy.hpp>
#include <ia_nn/io/safetensors_header.hpp>

#include <ia_nn/begin.hpp>

/// The tensors of a file, which this object owns or views; it can be moved, and what it has handed
/// out stays valid. Functions are const and may be called by several threads.
///
/// Expected extents are given with every access; `dyn` stands for any. Errors of accesses:
/// errc::bad_file for a missing tensor or another dtype, errc::bad_shape, errc::bad_pointer for a
/// view of elements that are not aligned (`copy` reads these too).
class safetensors {
public:
  /// A view of a file that lies in memory, which must stay there; `name` is for error messages.
  /// Nothing but the header is copied. Errors: errc::bad_file, errc::out_of_memory.
  explicit safetensors(std::span<std::byte const> file, std::string name = "memory")
      : name_(std::move(name)) {
    detail::within_memory(name_, [&] {
      std::size_t const n =
          static_cast<std::size_t>(header_size({reinterpret_cast<unsigned char const*>(file.data()),
                                                std::min<std::size_t>(file.size(), 8)},
                                               file.size()));
      auto const* const text = reinterpret_cast<char const*>(file.data()) + 8;
      std::span<std::byte const> const data = file.subspan(8 + n);
      place(check({text, n}, data.size()), data.data());
    });
  }

  /// The name of the file.
  std::string const& name() const noexcept { return name_; }
  /// All tensors, in the order of their bytes in the file.
  std::vector<safetensors_entry> const& entries() const noexcept { return entries_; }
  safetensors_metadata const& metadata() const noexcept { return metadata_; }

  /// Null if there is none of this name.
  safetensors_entry const* find(std::string_view name) const noexcept {
    auto const at =
        std::lower_bound(by_name_.begin(), by_name_.end(), name,
                         [&](std::size_t i, std::string_view n) { return entries_[i].name < n; });
    return at != by_name_.end() && entries_[*at].name == name ? &entries_[*at] : nullptr;
  }
  safetensors_entry const& at(std::string_view name) const {
    if (safetensors_entry const* const e = find(name)) return *e;
    detail::npy_fail(name_, "has no tensor " + detail::shown_name(name) + " among its " +
                                std::to_string(entries_.size()));
  }

  /// The elements where they lie.
  template <class T>
  std::span<T const> view(std::string_view name, std::vector<index_t> const& shape) const {
    safetensors_entry const& e = expect(name, safetensors_type_of<T>(), shape);
    if (!is_aligned(e.bytes.data(), alignof(T)))
      throw_error(errc::bad_pointer, "'" + name_ + "' holds " + detail::shown_name(name) +
                                         " at an address that is no multiple of " +
                                         std::to_string(alignof(T)) + "; copy() reads it");
    return {reinterpret_cast<T const*>(e.bytes.data()), e.bytes.size() / sizeof(T)};
  }

  /// The same as a tensor_view: `file.tensor<f32, dyn, 800>("fc.weight")`.
  template <element T, index_t... Extents>
  tensor_view<T const, shape<Extents...>> tensor(std::string_view name) const {
    std::span<T const> const elements = view<T>(name, {Extents...});
    std::vector<index_t> const& extents = at(name).shape;
    return [&]<std::size_t... D>(std::index_sequence<D...>) {
      return tensor_view<T const, shape<Extents...>>(elements.data(),
                                                     shape<Extents...>::unchecked(extents[D]...));
    }(std::make_index_sequence<sizeof...(Extents)>{});
  }

  /// The elements copied.
  template <class T>
  std::vector<T> copy(std::string_view name, std::vector<index_t> const& shape) const {
    safetensors_entry const& e = expect(name, safetensors_type_of<T>(), shape);
    return detail::within_memory(name_, [&] {
      std::vector<T> to(e.bytes.size() / sizeof(T));
      if (!to.empty()) std::memcpy(to.data(), e.bytes.data(), e.bytes.size());
      return to;
    });
  }

  /// The elements of an F32, F16 or BF16 tensor as f32, which is exact.
  std::vector<f32> to_f32(std::string_view name, std::vector<index_t> const& shape) const {
    safetensors_type const type = at(name).type;
    if (type != safetensors_type::float16 && type != safetensors_type::bfloat16)
      return copy<f32>(name, shape);
    safetensors_entry const& e = expect(name, type, shape);
    return detail::within_memory(name_, [&] {
      std::vector<f32> to(e.bytes.size() / 2);
      for (std::size_t i = 0; i < to.size(); ++i) {
        std::uint16_t bits;
        std::memcpy(&bits, e.bytes.data() + 2 * i, sizeof bits);
        to[i] = type == safetensors_type::float16 ? detail::half_to_f32(bits)
                                                  : static_cast<f32>(bf16::from_bits(bits));
      }
      return to;
    });
  }

private:
  friend safetensors load_safetensors(std::string const& path);
  safetensors() = default;

  /// The length of the header, from the first bytes of a file of `size`.
  std::uint64_t header_size(std::span<unsigned char const> start, std::uint64_t size) const {
    if (start.size() < 8)
      detail::npy_fail(name_,
                       "ends within its first 8 bytes, it has " + std::to_string(start.size()));
    std::uint64_t n;
    std::memcpy(&n, start.data(), sizeof n);
    if (n > detail::safetensors_header_limit)
      detail::npy_fail(name_, "is no safetensors file, or its header has more than 100 MB: " +
                                  std::to_string(n) + " bytes");
    if (n > size - 8)
      detail::npy_fail(name_, "ends within its header: " + std::to_string(size - 8) +
                                  " bytes are left, " + std::to_string(n) + " are needed");
    return n;
  }

  using records = std::vector<detail::safetensors_record>;

  /// The tensors of a header, in the order of their bytes, of which there are `size`.
  records check(std::string_view header, std::uint64_t size) {
    std::size_t const first = header.find_first_not_of(" \n\t\r");
    if (first == header.npos || header[first] != '{')
      detail::npy_fail(name_, "has a header that does not begin with '{'");
    detail::safetensors_header_reader reader(name_);
    reader.read(header);
    records& all = reader.records;
    detail::check_safetensors(all, size, name_);
    for (std::size_t i = 0; i < all.size(); ++i) by_name_.push_back(i);
    auto const name = [&](std::size_t i) -> std::string const& { return all[i].entry.name; };
    std::sort(by_name_.begin(), by_name_.end(),
              [&](std::size_t a, std::size_t b) { return name(a) < name(b); });
    for (std::size_t i = 1; i < by_name_.size(); ++i)
      if (name(by_name_[i]) == name(by_name_[i - 1]))
        detail::npy_fail(name_, "has two tensors " + detail::shown_name(name(by_name_[i])));
    metadata_ = std::move(reader.metadata);
    return std::move(all);
  }
  /// These tensors become entries; their elements begin at `data`.
  void place(records all, std::byte const* data) {
    entries_.reserve(all.size());
    for (detail::safetensors_record& r : all) {
      entries_.push_back(std::move(r.entry));
      entries_.back().bytes = {data + r.begin, static_cast<std::size_t>(r.end - r.begin)};
    }
  }

  safetensors_entry const& expect(std::string_view name, safetensors_type type,
                                  std::vector<index_t> const& shape) const {
    safetensors_entry const& e = at(name);
    if (e.type == safetensors_type::other)
      detail::npy_fail(name_, "holds " + detail::shown_name(name) + " in the dtype " +
                                  detail::shown_name(e.other) + ", which cannot be read");
    if (e.type != type)
      detail::npy_fail(name_, "holds " + detail::shown_name(name) + " in " + name_of(e.type) +
                                  ", " + name_of(type) + " is expected");
    bool fits = e.shape.size() == shape.size();
    for (std::size_t d = 0; fits && d < shape.size(); ++d)
      fits = shape[d] == dyn || shape[d] == e.shape[d];
    if (fits) return e;
    std::string expected = detail::npy_shape_text(shape);
    for (std::size_t i; (i = expected.find("-1")) != std::string::npos;)
      expected.replace(i, 2, "any");
    throw_error(errc::bad_shape, "'" + name_ + "' holds " + detail::shown_name(name) +
                                     " in the shape " + detail::npy_shape_text(e.shape) + ", " +
                                     expected + " is expected");
  }

  std::string name_;
  aligned_array<std::byte> storage_;
  std::vector<safetensors_entry> entries_;
  std::vector<std::size_t> by_name_;
  safetensors_metadata metadata_;
};

/// The tensors in the file at `path`. Its elements lie in one piece of memory that begins at a
/// multiple of 64 bytes. Errors: errc::bad_file, errc::out_of_memory.
inline safetensors load_safetensors(std::string const& path) {
  return detail::within_memory(path, [&] {
    safetensors result;
    result.name_ = path;
    detail::input_file file(path);
    unsigned char start[8] = {};
    std::size_t const have = static_cast<std::size_t>(file.size() < 8 ? file.size() : 8);
    file.read(start, have);
    std::size_t const n = static_cast<std::size_t>(result.header_size({start, have}, file.size()));
    std::string header(n, ' ');
    file.read(header.data(), n);
    std::uint64_t const size = file.size() - 8 - n;
    safetensors::records all = result.check(header, size);
    result.storage_ = aligned_array<std::byte>(static_cast<index_t>(size));
    file.read(result.storage_.data(), static_cast<std::size_t>(size));
    result.place(std::move(all), result.storage_.data());
    return result;
  });
}

IA_NN_END

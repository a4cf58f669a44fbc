// SPDX-License-Identifier: Apache-2.0
//
// The header of a safetensors file: an object of JSON with a member per tensor.
//
//   {"__metadata__": {"format": "pt"},      may be missing or null; strings only
//    "fc.weight": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}, ...}
//
// A tensor may have other fields, which say nothing here.
#pragma once

#include <ia_nn/io/json.hpp>
#include <ia_nn/io/safetensors_types.hpp>

#include <algorithm>

#include <ia_nn/begin.hpp>

namespace detail {

struct safetensors_record {
  safetensors_entry entry; ///< without its bytes
  std::uint64_t begin = 0, end = 0;
};

/// `depth_` is 1 between tensors, 2 in a tensor or in the metadata, 3 in a list. Within the value
/// of an unknown field it only counts.
class safetensors_header_reader : public json_reader {
public:
  explicit safetensors_header_reader(std::string_view file)
      : json_reader(file, "has a header that is no JSON", "has a header with ") {}

  void read(std::string_view text) { json_reader::read(*this, text); }
  std::vector<safetensors_record> records;
  safetensors_metadata metadata;

  bool start_object(std::size_t) {
    if (unknown()) return deeper();
    if (depth_ >= 2) fail("an object out of place");
    ++depth_;
    return true;
  }
  bool key(std::string& text) {
    if (depth_ == 1) {
      name_ = std::move(text);
      named_ = true;
      in_metadata_ = name_ == safetensors_metadata_key;
      if (in_metadata_ && std::exchange(had_metadata_, true)) fail("a second __metadata__");
      seen_ = 0;
      record_ = {};
      offsets_ = 0;
    } else if (in_metadata_) {
      word_ = std::move(text);
    } else if (depth_ == 2) {
      field_ = text == "dtype" ? 1U : text == "shape" ? 2U : text == "data_offsets" ? 4U : 0U;
      if ((seen_ & field_) != 0) fail("the key " + shown_name(text) + " twice");
      seen_ |= field_;
    }
    return true;
  }
  bool string(std::string& text) {
    if (unknown()) return true;
    if (depth_ != 2) fail("a string out of place");
    if (in_metadata_) {
      if (!metadata.emplace(word_, std::move(text)).second)
        fail("the key " + shown_name(word_) + " twice");
      return true;
    }
    if (field_ != 1) fail("a string out of place");
    record_.entry.type = safetensors_type_named(text);
    if (record_.entry.type == safetensors_type::other) record_.entry.other = std::move(text);
    return true;
  }
  bool start_array(std::size_t) {
    if (unknown()) return deeper();
    if (depth_ != 2 || in_metadata_ || field_ < 2) fail("a list out of place");
    ++depth_;
    return true;
  }
  bool number_unsigned(std::uint64_t n) {
    if (unknown()) return true;
    if (depth_ != 3) fail("a number out of place");
    if (field_ == 2) {
      if (n > static_cast<std::uint64_t>(PTRDIFF_MAX)) fail("an extent beyond 2^63");
      if (record_.entry.shape.size() == safetensors_rank) fail("more than 64 extents");
      record_.entry.shape.push_back(static_cast<index_t>(n));
    } else {
      if (offsets_ == 2) fail("more than two data_offsets");
      (offsets_++ == 0 ? record_.begin : record_.end) = n;
    }
    return true;
  }
  bool end_array() {
    if (unknown()) return --depth_, true;
    if (field_ == 4 && offsets_ != 2) fail("fewer than two data_offsets");
    --depth_;
    return true;
  }
  bool end_object() {
    if (unknown() && depth_ > 2) return --depth_, true;
    if (depth_ == 2 && !in_metadata_) {
      if (seen_ != 7) fail("no dtype, shape or data_offsets");
      record_.entry.name = std::move(name_);
      records.push_back(std::move(record_));
    }
    --depth_;
    named_ = false;
    field_ = 1;
    return true;
  }

  bool number_integer(std::int64_t) { return unknown_or("a negative number"); }
  bool number_float(double, std::string const&) {
    return unknown_or("a number that is no integer below 2^64");
  }
  bool boolean(bool) { return unknown_or("a truth value out of place"); }
  bool null() { return (depth_ == 1 && in_metadata_) || unknown_or("a null out of place"); }

private:
  /// In the value of a field that is not known.
  bool unknown() const noexcept { return depth_ >= 2 && !in_metadata_ && field_ == 0; }
  bool unknown_or(char const* what) const { return unknown() || (fail(what), false); }
  bool deeper() {
    if (depth_ == 128) fail("lists or objects that lie too deep");
    ++depth_;
    return true;
  }

  std::string word_;
  safetensors_record record_;
  unsigned field_ = 1, seen_ = 0; // dtype 1, shape 2, data_offsets 4, others 0
  int depth_ = 0, offsets_ = 0;
  bool in_metadata_ = false, had_metadata_ = false;
};

/// Puts the records in the order of their bytes and checks that these cover `size` bytes without a
/// gap, each byte once.
inline void check_safetensors(std::vector<safetensors_record>& records, std::uint64_t size,
                              std::string_view file) {
  for (safetensors_record const& r : records) {
    auto const fail = [&](std::string const& what) {
      npy_fail(file, "has a tensor " + shown_name(r.entry.name) + " " + what);
    };
    index_t const bytes = safetensors_size(r.entry.type, r.entry.shape);
    bool const other = r.entry.type == safetensors_type::other; // of which the shape says nothing
    if (bytes < 0) fail("of more than 2^63 bytes: " + npy_shape_text(r.entry.shape));
    std::string const range = "bytes " + std::to_string(r.begin) + " to " + std::to_string(r.end);
    if (r.begin > r.end || r.end > size)
      fail("in " + range + ", there are " + std::to_string(size));
    if (!other && r.end - r.begin != static_cast<std::uint64_t>(bytes))
      fail("in " + range + ", its shape and dtype need " + std::to_string(bytes));
  }
  std::sort(records.begin(), records.end(), [](auto const& a, auto const& b) {
    return a.begin != b.begin ? a.begin < b.begin
           : a.end != b.end   ? a.end < b.end
                              : a.entry.name < b.entry.name;
  });
  std::uint64_t at = 0;
  for (safetensors_record const& r : records) {
    if (r.begin < at)
      npy_fail(file, "has a tensor " + shown_name(r.entry.name) +
                         " that overlaps another one at byte " + std::to_string(r.begin));
    if (r.begin > at) break;
    at = r.end;
  }
  if (at != size)
    npy_fail(file, "has bytes that belong to no tensor, from byte " + std::to_string(at) + " of " +
                       std::to_string(size));
}

} // namespace detail
IA_NN_END

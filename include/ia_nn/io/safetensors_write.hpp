// SPDX-License-Identifier: Apache-2.0
//
// Writes safetensors files: under another name first, then renamed, so that at any time the path
// names either the old file or the whole new one.
#pragma once

#include <ia_nn/io/json.hpp>
#include <ia_nn/io/replacing_file.hpp>
#include <ia_nn/io/safetensors_types.hpp>

#include <algorithm>

#include <ia_nn/begin.hpp>

/// An entry for `save_safetensors`, which refers to `elements`. Errors: errc::bad_shape if there
/// are not as many as `shape` says.
template <class T>
safetensors_entry make_safetensors_entry(std::string name, std::span<T const> elements,
                                         std::vector<index_t> shape) {
  detail::npy_require_count(shape, elements.size(), name);
  return {std::move(name), safetensors_type_of<T>(), std::move(shape), std::as_bytes(elements)};
}

namespace detail {

/// The order in a file: large elements first, so that each tensor is aligned to its elements.
/// Errors: errc::bad_shape, errc::bad_parameter.
inline std::vector<safetensors_entry const*>
safetensors_order(std::span<safetensors_entry const> entries) {
  std::vector<safetensors_entry const*> order;
  for (safetensors_entry const& e : entries) {
    auto const fail = [&](errc code, std::string const& what) {
      throw_error(code, "save_safetensors: " + shown_name(e.name) + " " + what);
    };
    index_t const bytes = safetensors_size(e.type, e.shape);
    bool const other = e.type == safetensors_type::other;
    if (e.shape.size() > safetensors_rank || bytes < 0 ||
        (!other && static_cast<std::uint64_t>(bytes) != e.bytes.size()))
      fail(errc::bad_shape, "has " + std::to_string(e.bytes.size()) + " bytes, the shape " +
                                npy_shape_text(e.shape) + " of " + name_of(e.type) +
                                " needs others");
    if (other && safetensors_type_named(e.other) != safetensors_type::other)
      fail(errc::bad_parameter, "is of the other type " + e.other + ", which is no other");
    if (e.name == safetensors_metadata_key) fail(errc::bad_parameter, "is no name for a tensor");
    order.push_back(&e);
  }
  auto const size = [](safetensors_entry const* e) {
    return safetensors_bytes[static_cast<int>(e->type)];
  };
  std::sort(order.begin(), order.end(),
            [&](auto const* a, auto const* b) { return a->name < b->name; });
  for (std::size_t i = 1; i < order.size(); ++i)
    if (order[i]->name == order[i - 1]->name)
      throw_error(errc::bad_parameter,
                  "save_safetensors: there are two tensors " + shown_name(order[i]->name));
  std::sort(order.begin(), order.end(), [&](auto const* a, auto const* b) {
    return size(a) != size(b) ? size(a) > size(b) : a->name < b->name;
  });
  return order;
}

/// Everything before the elements; as long as a multiple of 64, so that these are aligned in a file
/// that is mapped. Errors: errc::bad_parameter.
inline std::string safetensors_head(std::vector<safetensors_entry const*> const& order,
                                    safetensors_metadata const& metadata) {
  auto const text = [](std::string const& s) { return json_text(s, "save_safetensors"); };
  std::string json = "{", comma;
  if (!metadata.empty()) {
    json += text(safetensors_metadata_key) + ":{";
    for (auto const& [key, value] : metadata) {
      json += std::exchange(comma, ",") + text(key) + ':' + text(value);
    }
    json += '}';
  }
  std::uint64_t at = 0;
  for (safetensors_entry const* const e : order) {
    json += std::exchange(comma, ",") + text(e->name) + ":{\"dtype\":" +
            text(e->type == safetensors_type::other ? e->other : name_of(e->type)) + ",\"shape\":[";
    for (std::size_t d = 0; d < e->shape.size(); ++d)
      json += (d ? "," : "") + std::to_string(e->shape[d]);
    json += "],\"data_offsets\":[" + std::to_string(at) + ',';
    at += e->bytes.size();
    json += std::to_string(at) + "]}";
  }
  json += '}';
  json.append((64 - (8 + json.size()) % 64) % 64, ' ');
  if (json.size() > safetensors_header_limit)
    throw_error(errc::bad_parameter, "save_safetensors: the header would have " +
                                         std::to_string(json.size()) +
                                         " bytes, 100 MB are allowed");
  std::uint64_t const n = json.size();
  return std::string(reinterpret_cast<char const*>(&n), sizeof n) + json;
}

} // namespace detail

/// Writes the tensors to `path`, whose old contents stay what they are until the new ones are
/// complete. Errors: errc::bad_shape for entries with other than the needed bytes;
/// errc::bad_parameter for names that are there twice, "__metadata__", or not UTF-8; errc::bad_file
/// if it cannot be written; errc::out_of_memory.
inline void save_safetensors(std::string const& path, std::span<safetensors_entry const> entries,
                             safetensors_metadata const& metadata = {}) {
  detail::within_memory(path, [&] {
    auto const order = detail::safetensors_order(entries);
    std::string const head = detail::safetensors_head(order, metadata);
    detail::replacing_file file(path);
    file.write(head.data(), head.size());
    for (safetensors_entry const* const e : order) file.write(e->bytes.data(), e->bytes.size());
    file.commit();
  });
}

IA_NN_END

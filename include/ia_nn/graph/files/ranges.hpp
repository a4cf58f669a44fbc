// SPDX-License-Identifier: Apache-2.0
//
// Files of ranges: a network is calibrated once, and loaded in 8 bits as often as one likes.
//
//   save_ranges<my_net>("my_net.ranges.json", calibrate<my_net>(weights, images));
//   compiled<my_net, ...> const net(weights, {.ranges = load_ranges<my_net>("my_net.ranges.json")});
//
// Whoever includes this header needs nlohmann's json. The bytes of a file are not trusted.
#pragma once

#include <ia_nn/graph/files/ranges_json.hpp>
#include <ia_nn/graph/run/range_header.hpp>
#include <ia_nn/graph/passes/fingerprint.hpp>
#include <ia_nn/io/replacing_file.hpp>

#include <ia_nn/begin.hpp>
namespace graph {

struct ranges_file_options {
  std::string network{}; ///< which one they are for, in any words
};

namespace detail {

inline constexpr std::uint64_t ranges_file_limit = 1 << 24;

/// "00c3f5a0914b22d7"
inline std::string fingerprint_text(std::uint64_t n) {
  std::string t(16, '0');
  for (std::size_t i = 16; i-- > 0; n >>= 4) t[i] = "0123456789abcdef"[n & 15];
  return t;
}
inline void replace_file(std::string const& path, std::string const& text) {
  ia_nn::detail::replacing_file file(path);
  file.write(text.data(), text.size());
  file.commit();
}

} // namespace detail

/// Writes the ranges to `path`, whose old contents stay what they are until the new ones are complete.
/// Errors: errc::bad_parameter for names that are not UTF-8; errc::bad_file if it cannot be written.
inline void save_ranges(std::string const& path, value_ranges const& ranges,
                        ranges_file_options const& o = {}) {
  detail::replace_file(path, ranges_text(ranges, o.network));
}
/// With the fingerprint of Net as the network.
template <class Net> void save_ranges(std::string const& path, value_ranges const& ranges) {
  save_ranges(path, ranges, {.network = detail::fingerprint_text(fingerprint_of<Net>())});
}

/// What the file says, for whatever network. Errors: errc::bad_file, errc::out_of_memory.
inline stored_ranges load_stored_ranges(std::string const& path) {
  return ia_nn::detail::within_memory(path, [&] {
    ia_nn::detail::input_file file(path);
    if (file.size() > detail::ranges_file_limit)
      ia_nn::detail::npy_fail(path, "has " + std::to_string(file.size()) +
                                        " bytes, ranges have 16 MB at most");
    std::string text(static_cast<std::size_t>(file.size()), ' ');
    file.read(text.data(), text.size());
    return parse_ranges(text, path);
  });
}
inline value_ranges load_ranges(std::string const& path) {
  return load_stored_ranges(path).ranges;
}
/// Of a file that `save_ranges<Net>` has written. Errors: errc::bad_file, also for one of another
/// network; errc::out_of_memory.
template <class Net> value_ranges load_ranges(std::string const& path) {
  stored_ranges stored = load_stored_ranges(path);
  std::string const expected = detail::fingerprint_text(fingerprint_of<Net>());
  if (stored.network != expected)
    ia_nn::detail::npy_fail(
        path, stored.network.empty()
                  ? "does not say which network its ranges are for, expected " + expected
                  : "has ranges of the network " + ia_nn::detail::shown_name(stored.network) +
                        ", this one is '" + expected +
                        "': its layers have other names or shapes, calibrate it");
  return std::move(stored.ranges);
}

/// Writes `ranges_header(ranges, name)` to `path`: C++ for a network whose ranges are constants. Errors:
/// errc::bad_parameter if `name` is no identifier, errc::bad_file if it cannot be written.
inline void write_ranges_header(std::string const& path, value_ranges const& ranges,
                                std::string_view name) {
  detail::replace_file(path, ranges_header(ranges, name));
}

} // namespace graph
IA_NN_END

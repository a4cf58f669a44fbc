// SPDX-License-Identifier: Apache-2.0
//
// Ranges as JSON, in memory.
//
//   {"format": "ia_nn ranges", "version": 1, "network": "6c62272e07bb0142",
//    "ranges": {"conv1": [0, 6], "image": [-2.117904, 2.64]}}
//
// Numbers are the shortest that name the f32 and no other, so they come back as they were. `network`
// says which network the ranges are for, and may be missing. Other members are refused.
#pragma once

#include <ia_nn/graph/kernels/value_ranges.hpp>
#include <ia_nn/io/json.hpp>

#include <ia_nn/begin.hpp>
namespace graph {

/// What a file of ranges says.
struct stored_ranges {
  value_ranges ranges{};
  std::string network{}; ///< empty if it is not named
};

namespace detail {

inline constexpr char const* ranges_format = "ia_nn ranges";
inline constexpr std::uint64_t ranges_version = 1;

class ranges_reader : public ia_nn::detail::json_reader {
public:
  explicit ranges_reader(std::string_view file) : json_reader(file) {}

  stored_ranges read(std::string_view text) {
    json_reader::read(*this, text);
    if (!(seen_ & of_format)) fail("no format");
    if (!(seen_ & of_version)) fail("no version");
    if (!(seen_ & of_ranges)) fail("no ranges");
    // Sorted before they are added: one by one in another order they would be moved again and again.
    std::sort(all_.begin(), all_.end(),
              [](named_range const& a, named_range const& b) { return a.name < b.name; });
    for (std::size_t i = 1; i < all_.size(); ++i)
      if (all_[i].name == all_[i - 1].name)
        fail("two ranges of " + ia_nn::detail::shown_name(all_[i].name));
    for (named_range const& r : all_) result_.ranges.add(r.name, r.range);
    return std::move(result_);
  }

  bool start_object(std::size_t) {
    if (depth_ != 0 && !(depth_ == 1 && member_ == of_ranges)) fail("an object out of place");
    ++depth_;
    return true;
  }
  bool end_object() {
    --depth_;
    return true;
  }
  bool key(std::string& text) {
    if (depth_ == 2) {
      name_ = std::move(text);
      named_ = true;
      return true;
    }
    member_ = text == "format"    ? of_format
              : text == "version" ? of_version
              : text == "network" ? of_network
              : text == "ranges"  ? of_ranges
                                  : 0U;
    if (member_ == 0) fail("an unknown member " + ia_nn::detail::shown_name(text));
    if ((seen_ & member_) != 0) fail("the member " + ia_nn::detail::shown_name(text) + " twice");
    seen_ |= member_;
    return true;
  }
  bool string(std::string& text) {
    if (depth_ != 1 || (member_ != of_format && member_ != of_network)) fail("a string out of place");
    if (member_ == of_network) result_.network = std::move(text);
    else if (text != ranges_format)
      fail("the format " + ia_nn::detail::shown_name(text) + ", expected '" + ranges_format + "'");
    return true;
  }
  bool start_array(std::size_t) {
    if (depth_ != 2) fail("a list out of place");
    ++depth_;
    numbers_ = 0;
    return true;
  }
  bool end_array() {
    if (numbers_ != 2) fail("a range of fewer than two numbers");
    if (!(pair_[0] <= 0 && pair_[1] >= 0))
      fail("the range " + ia_nn::detail::number_text(pair_[0]) + " to " +
           ia_nn::detail::number_text(pair_[1]) + ", which does not contain 0");
    all_.push_back({std::move(name_), {pair_[0], pair_[1]}});
    --depth_;
    named_ = false;
    return true;
  }
  bool number_unsigned(std::uint64_t n) {
    if (depth_ == 1 && member_ == of_version) {
      if (n != ranges_version)
        fail("the version " + std::to_string(n) + ", only " + std::to_string(ranges_version) +
             " can be read");
      return true;
    }
    return number(static_cast<f32>(n));
  }
  bool number_integer(std::int64_t n) { return number(static_cast<f32>(n)); }
  bool number_float(double, std::string text) {
    for (char& c : text) // the parser takes the point of the user's locale
      if (std::string_view("0123456789+-eE").find(c) == std::string_view::npos) c = '.';
    f32 x = 0;
    auto const [end, failed] = std::from_chars(text.data(), text.data() + text.size(), x);
    if (failed != std::errc() || end != text.data() + text.size())
      fail("a number that is no f32: " + ia_nn::detail::shown_name(text));
    return number(x);
  }

private:
  static constexpr unsigned of_format = 1, of_version = 2, of_network = 4, of_ranges = 8;

  bool number(f32 x) {
    if (depth_ != 3) fail("a number out of place");
    if (numbers_ == 2) fail("a range of more than two numbers");
    pair_[numbers_++] = x == 0 ? 0 : x;
    return true;
  }

  stored_ranges result_{};
  std::vector<named_range> all_{};
  f32 pair_[2]{};
  int depth_ = 0, numbers_ = 0;
  unsigned member_ = 0, seen_ = 0;
};

} // namespace detail

/// Errors: errc::bad_file for what is no such document, with `name` and, where it is about one, the
/// range.
inline stored_ranges parse_ranges(std::string_view text, std::string_view name = "memory") {
  return detail::ranges_reader(name).read(text);
}

/// Errors: errc::bad_parameter for names that are not UTF-8.
inline std::string ranges_text(value_ranges const& ranges, std::string const& network = {}) {
  constexpr char const* who = "save_ranges";
  std::string t = std::string("{\"format\": \"") + detail::ranges_format + "\", \"version\": " +
                  std::to_string(detail::ranges_version);
  if (!network.empty()) t += ", \"network\": " + ia_nn::detail::json_text(network, who);
  t += ",\n \"ranges\": {";
  char const* comma = "\n  ";
  for (named_range const& r : ranges.all()) {
    auto const number = [](f32 x) { return ia_nn::detail::number_text(x == 0 ? 0.0F : x); };
    t += comma + ia_nn::detail::json_text(r.name, who) + ": [" + number(r.range.low) + ", " +
         number(r.range.high) + "]";
    comma = ",\n  ";
  }
  return t + "}}\n";
}

} // namespace graph
IA_NN_END

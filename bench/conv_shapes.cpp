// SPDX-License-Identifier: Apache-2.0
#include "conv_shapes.hpp"

#include "csv.hpp"

#include <algorithm>
#include <stdexcept>
#include <tuple>

namespace bench {
namespace {

// "3x3": depth is left out where it is no more than that of an image.
std::string text(extents const& x, long depth_left_out) {
  return (x[0] == depth_left_out ? "" : std::to_string(x[0]) + "x") + std::to_string(x[1]) + "x" +
         std::to_string(x[2]);
}

// "2" for {1, 2, 2}
std::string brief(extents const& x) {
  return x[1] == x[2] && x[0] <= 1 ? std::to_string(x[2]) : text(x, -1);
}

// "3x3/2 256-512 28x28 x4": window and stride, channels to filters, source, times in the network
std::string describe(conv_shape const& s) {
  std::string t = text(s.kernel, 1);
  if (s.stride != extents{1, 1, 1}) t += "/" + brief(s.stride);
  if (s.dilation != extents{1, 1, 1}) t += " dilated " + brief(s.dilation);
  bool const depthwise = s.groups > 1 && s.groups == s.channels;
  t += " " + std::string(depthwise ? "dw " : "") + std::to_string(s.channels);
  if (!depthwise || s.filters != s.channels) t += "-" + std::to_string(s.filters);
  if (s.groups > 1 && !depthwise) t += " in " + std::to_string(s.groups) + " groups";
  t += " " + text(s.in, 1);
  if (s.behind > 0) t += " + 1x1 " + std::to_string(s.filters) + "-" + std::to_string(s.behind);
  if (s.count > 1) t += " x" + std::to_string(s.count);
  return t;
}

auto all_of(conv_shape const& s) {
  return std::tie(s.batch, s.groups, s.channels, s.filters, s.in, s.kernel, s.stride, s.dilation,
                  s.pad_begin, s.pad_end);
}

conv_shape square(long count, long channels, long filters, long in, long kernel, long stride,
                  long pad, long groups = 1) {
  conv_shape s;
  s.count = count;
  s.groups = groups;
  s.channels = channels;
  s.filters = filters;
  s.in = {1, in, in};
  s.kernel = {1, kernel, kernel};
  s.stride = {1, stride, stride};
  s.pad_begin = s.pad_end = {0, pad, pad};
  s.name = describe(s);
  return s;
}

// Which layer of the first block of a stage has the stride of 2.
enum class resnet_stride { first_1x1, middle_3x3 };

std::vector<conv_shape> resnet50(resnet_stride where) {
  std::vector<conv_shape> list{square(1, 3, 64, 224, 7, 2, 3)};
  // Stage s has `blocks` of a 1x1, a 3x3 and a 1x1 that makes 4 times as many channels; the first
  // block reads the stage before and has a 1x1 of its own beside it; from the second stage on it
  // goes in steps of two pixels.
  long channels = 64, in = 56, narrow = 64;
  for (long const blocks : {3, 4, 6, 3}) {
    long const wide = 4 * narrow, stride = narrow == 64 ? 1 : 2, size = in / stride;
    bool const same = stride == 1 && channels == narrow; // shortcut and expansion are one shape
    if (!same) list.push_back(square(1, channels, wide, in, 1, stride, 0));
    if (stride == 2 && where == resnet_stride::middle_3x3) {
      list.push_back(square(1, channels, narrow, in, 1, 1, 0));
      list.push_back(square(1, narrow, narrow, in, 3, 2, 1));
      list.push_back(square(blocks - 1, narrow, narrow, size, 3, 1, 1));
    } else {
      list.push_back(square(1, channels, narrow, in, 1, stride, 0));
      list.push_back(square(blocks, narrow, narrow, size, 3, 1, 1));
    }
    list.push_back(square(same ? blocks + 1 : blocks, narrow, wide, size, 1, 1, 0));
    list.push_back(square(blocks - 1, wide, narrow, size, 1, 1, 0));
    channels = wide;
    in = size;
    narrow *= 2;
  }
  return list;
}

std::vector<conv_shape> mobilenet(bool in_pairs) {
  std::vector<conv_shape> list{square(1, 3, 32, 224, 3, 2, 1)};
  struct pair { // a depthwise 3x3 and a 1x1
    long count, channels, filters, in, stride;
  };
  constexpr pair pairs[] = {{1, 32, 64, 112, 1},  {1, 64, 128, 112, 2},  {1, 128, 128, 56, 1},
                            {1, 128, 256, 56, 2}, {1, 256, 256, 28, 1},  {1, 256, 512, 28, 2},
                            {5, 512, 512, 14, 1}, {1, 512, 1024, 14, 2}, {1, 1024, 1024, 7, 1}};
  for (pair const& p : pairs) {
    list.push_back(square(p.count, p.channels, p.channels, p.in, 3, p.stride, 1, p.channels));
    if (in_pairs) {
      list.back().behind = p.filters;
      list.back().name = describe(list.back());
      continue;
    }
    list.push_back(square(p.count, p.channels, p.filters, p.in / p.stride, 1, 1, 0));
  }
  return list;
}

// The columns of a quantity along the three axes: those of depth need not exist.
class axes {
public:
  axes(csv const& table, std::string const& d, std::string const& h, std::string const& w)
      : table_(table), at_{table.find(d), table.find(h), table.find(w)} {}
  explicit operator bool() const { return at_[1] && at_[2]; }
  extents read(csv::row const& row, long lowest, extents x) const {
    for (std::size_t i = 0; i < 3; ++i)
      if (at_[i]) x[i] = table_.extent(row, *at_[i], lowest);
    return x;
  }

private:
  csv const& table_;
  std::array<std::optional<std::size_t>, 3> at_;
};

void check(conv_shape const& s, std::string const& where) {
  if (s.channels % s.groups != 0 || s.filters % s.groups != 0)
    throw std::runtime_error(where + std::to_string(s.groups) + " groups do not divide " +
                             std::to_string(s.channels) + " channels and " +
                             std::to_string(s.filters) + " filters");
  for (std::size_t i = 0; i < 3; ++i)
    if (s.pad_begin[i] + s.in[i] + s.pad_end[i] < s.dilation[i] * (s.kernel[i] - 1) + 1)
      throw std::runtime_error(where + "the kernel is larger than the padded image");
}

} // namespace

std::vector<conv_kind> builtin_conv_kinds() {
  auto const v1 = resnet50(resnet_stride::first_1x1), v1_5 = resnet50(resnet_stride::middle_3x3);
  std::vector<conv_kind> kinds{{"resnet50_v1 b1", v1},
                               {"resnet50_v1 b16", v1},
                               {"resnet50_v1.5 b1", v1_5},
                               {"resnet50_v1.5 b16", v1_5},
                               {"mobilenet b1", mobilenet(false)},
                               {"mobilenet b16", mobilenet(false)},
                               {"mobilenet pairs b1", mobilenet(true)},
                               {"mobilenet pairs b16", mobilenet(true)}};
  for (std::size_t i : {1U, 3U, 5U, 7U})
    for (conv_shape& s : kinds[i].shapes) s.batch = 16;
  return kinds;
}

std::vector<conv_shape> read_conv_shapes(std::string const& file) {
  constexpr long least_padding = -1000000; // negative: elements at the end that are not read
  csv const table(file);
  std::size_t const at_batch = table.column("mb"), at_channels = table.column("ic"),
                    at_filters = table.column("oc");
  for (char const* needed : {"ih", "iw", "kh", "kw"}) table.column(needed);
  auto const at_name = table.find("name"), at_count = table.find("count"),
             at_groups = table.find("g");
  axes const in(table, "id", "ih", "iw"), out(table, "od", "oh", "ow"),
      kernel(table, "kd", "kh", "kw"), stride(table, "sd", "sh", "sw"),
      dilation(table, "dd", "dh", "dw"), begin(table, "pd", "ph", "pw"),
      end(table, "pd_end", "ph_end", "pw_end");
  std::vector<conv_shape> list;
  for (csv::row const& row : table.rows()) {
    std::string const where = "'" + file + "', line " + std::to_string(row.line) + ": ";
    extents const ones{1, 1, 1};
    conv_shape s;
    if (at_count) s.count = table.extent(row, *at_count);
    if (at_groups) s.groups = table.extent(row, *at_groups);
    s.channels = table.extent(row, at_channels);
    s.filters = table.extent(row, at_filters);
    s.in = in.read(row, 1, ones);
    s.kernel = kernel.read(row, 1, ones);
    s.stride = stride.read(row, 1, ones);
    s.dilation = dilation.read(row, 1, ones);
    s.pad_begin = begin.read(row, 0, {});
    s.pad_end = s.pad_begin;
    if (end) s.pad_end = end.read(row, least_padding, s.pad_end);
    else if (out) {
      extents const o = out.read(row, 1, ones);
      for (std::size_t i = 0; i < 3; ++i)
        s.pad_end[i] = (o[i] - 1) * s.stride[i] + s.dilation[i] * (s.kernel[i] - 1) + 1 - s.in[i] -
                       s.pad_begin[i];
    }
    check(s, where);
    long const batch = table.extent(row, at_batch, 0);
    for (long b : batch == 0 ? std::vector<long>{1, 16} : std::vector{batch}) {
      s.batch = b;
      s.name = at_name ? table.field(row, *at_name) : "line " + std::to_string(row.line);
      auto const twice = std::find_if(list.begin(), list.end(), [&](conv_shape const& other) {
        return all_of(other) == all_of(s);
      });
      if (twice == list.end()) list.push_back(s);
      else twice->count += s.count;
    }
  }
  std::vector<std::string> names;
  for (conv_shape& s : list) {
    s.name += " b" + std::to_string(s.batch) + " " + describe(s);
    auto const same = std::count(names.begin(), names.end(), s.name);
    names.push_back(s.name);
    if (same > 0) s.name += " (" + std::to_string(same + 1) + ")"; // another padding
  }
  return list;
}

} // namespace bench

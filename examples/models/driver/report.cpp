// SPDX-License-Identifier: Apache-2.0
#include "report.hpp"

#include <ia_nn/core/error.hpp>

#include <algorithm>
#include <cmath>
#include <cstdarg>
#include <cstdio>
#include <fstream>
#include <numeric>
#include <unistd.h>

namespace models::driver {
namespace {

[[gnu::format(printf, 1, 2)]] std::string printed(char const* form, ...) {
  char line[512];
  std::va_list arguments;
  va_start(arguments, form);
  std::vsnprintf(line, sizeof line, form, arguments);
  va_end(arguments);
  return line;
}
std::string text_of(graph::dims const& shape) {
  std::string t;
  for (int i = 1; i < shape.rank; ++i) t += (i > 1 ? " x " : "") + std::to_string(shape.extent[i]);
  return t;
}
auto largest(std::span<f32 const> v) { return std::max_element(v.begin(), v.end()) - v.begin(); }

} // namespace

std::string short_number(double v) {
  char const* unit = "";
  for (char const* u : {" k", " M", " G", " T"}) {
    if (v < 1000) break;
    v /= 1000, unit = u;
  }
  return printed("%.*f%s", *unit == 0 ? 0 : v < 10 ? 2 : v < 100 ? 1 : 0, v, unit);
}

std::string table_of(std::vector<catalog::entry> const& all) {
  std::string t = printed("%-20s %-24s %-16s %-12s %12s %8s\n", "network", "family", "takes", "gives", "parameters", "FLOP");
  for (catalog::entry const& e : all) {
    std::string const takes =
        e.inputs.size() > 1 ? std::to_string(e.inputs.size()) + " inputs" : text_of(e.inputs[0].shape);
    t += printed("%-20s %-24s %-16s %-12s %12td %8s\n", e.name.c_str(), e.family.c_str(), takes.c_str(),
                 text_of(e.outputs[0].shape).c_str(), e.parameters, short_number(e.flops).c_str());
  }
  return t;
}

void loading_bar::add(index_t more) {
  done_ += static_cast<double>(more);
  double const part = std::min(done_ / weights_, 1.0);
  static bool const terminal = ::isatty(STDERR_FILENO) != 0;
  if (!terminal || (part < 1 && seconds() < next_)) return;
  next_ = seconds() + 0.1;
  std::fprintf(stderr, "\r[%-30.*s] %3.0f%% of %s weights, %.0f s left ", static_cast<int>(30 * part),
               "##############################", 100 * part, short_number(weights_).c_str(), seconds() * (1 - part) / part);
  if (part >= 1) std::fputs("\r\33[K", stderr);
}

std::vector<double> timed(catalog::session& s, inputs const& in, double seconds) {
  std::vector<double> all;
  s.run(in.batch(), in.sources());
  for (double const end = now() + seconds; all.size() < 3 || now() < end;) {
    double const began = now();
    s.run(in.batch(), in.sources());
    all.push_back(now() - began);
  }
  std::sort(all.begin(), all.end());
  return all;
}

std::string best_classes(std::span<f32 const> logits, inputs const& in, int most, std::vector<std::string> const& labels) {
  std::string t;
  auto const items = static_cast<std::size_t>(in.batch());
  std::size_t const classes = logits.size() / items;
  for (std::size_t i = 0; i < items; ++i) {
    auto const x = logits.subspan(i * classes, classes);
    f32 const top = x[static_cast<std::size_t>(largest(x))];
    double sum = 0;
    for (f32 const v : x) sum += std::exp(static_cast<double>(v - top));
    std::vector<std::size_t> order(classes);
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::size_t const shown = std::min(classes, static_cast<std::size_t>(most));
    std::partial_sort(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(shown), order.end(),
                      [&](std::size_t a, std::size_t b) { return x[a] != x[b] ? x[a] > x[b] : a < b; });
    t += in.names()[i] + "\n";
    for (std::size_t k = 0; k < shown; ++k)
      t += printed("  %6.2f %%  %s\n", 100 * std::exp(static_cast<double>(x[order[k]] - top)) / sum,
                   labels.empty() ? ("class " + std::to_string(order[k])).c_str() : labels[order[k]].c_str());
  }
  return t;
}

std::vector<found_box> boxes_of(std::span<f32 const> rows, int most, f32 factor_x, f32 factor_y) {
  std::vector<found_box> all;
  for (std::size_t i = 0; i + 6 <= rows.size() && std::ssize(all) < most && rows[i] >= 0; i += 6)
    all.push_back({static_cast<int>(rows[i]),
                   rows[i + 1],
                   {rows[i + 2] * factor_x, rows[i + 3] * factor_y, rows[i + 4] * factor_x, rows[i + 5] * factor_y}});
  return all;
}
std::string text_of(std::vector<found_box> const& boxes, std::vector<std::string> const& labels) {
  std::string t;
  for (found_box const& b : boxes) {
    auto const label = static_cast<std::size_t>(b.label);
    std::string const name = label < labels.size() ? labels[label] : "class " + std::to_string(b.label);
    t += printed("  %6.2f %%  %-20s from (%.0f, %.0f) to (%.0f, %.0f)\n", 100 * static_cast<double>(b.score), name.c_str(),
                 static_cast<double>(b.corner[0]), static_cast<double>(b.corner[1]), static_cast<double>(b.corner[2]),
                 static_cast<double>(b.corner[3]));
  }
  return t;
}
index_t count_found(std::vector<found_box> const& boxes, std::vector<found_box> const& others) {
  auto const common = [](f32 const* a, f32 const* b, int axis) {
    return std::max(0.0F, std::min(a[axis + 2], b[axis + 2]) - std::max(a[axis], b[axis]));
  };
  auto const area = [](f32 const* a) { return (a[2] - a[0]) * (a[3] - a[1]); };
  return std::count_if(boxes.begin(), boxes.end(), [&](found_box const& b) {
    return std::any_of(others.begin(), others.end(), [&](found_box const& o) {
      f32 const both = common(b.corner, o.corner, 0) * common(b.corner, o.corner, 1);
      return b.label == o.label && 2 * both >= area(b.corner) + area(o.corner) - both;
    });
  });
}
void draw(picture& on, std::vector<found_box> const& boxes) {
  for (found_box const& b : boxes) {
    auto const inside = [](f32 v, index_t end) {
      return std::clamp(static_cast<index_t>(std::lround(v)), index_t{0}, end - 1);
    };
    index_t const x0 = inside(b.corner[0], on.width), x1 = inside(b.corner[2], on.width);
    index_t const y0 = inside(b.corner[1], on.height), y1 = inside(b.corner[3], on.height);
    unsigned const hash = static_cast<unsigned>(b.label) * 2654435761U;
    auto const dot = [&](index_t x, index_t y) {
      if (x < on.width && y < on.height)
        for (unsigned c = 0; c < 3; ++c) on.at(x, y)[c] = static_cast<std::uint8_t>(64 + (hash >> (8 * c) & 0xbfU));
    };
    for (index_t wide = 0; wide < 2; ++wide) {
      for (index_t x = x0; x <= x1; ++x) dot(x, y0 + wide), dot(x, std::max(y0, y1 - wide));
      for (index_t y = y0; y <= y1; ++y) dot(x0 + wide, y), dot(std::max(x0, x1 - wide), y);
    }
  }
}

std::vector<std::string> load_labels(std::string const& path, index_t classes) {
  std::ifstream file(path);
  if (!file) ia_nn::throw_error(ia_nn::errc::bad_file, "labels: '" + path + "' cannot be read");
  std::vector<std::string> all;
  for (std::string line; std::getline(file, line);) all.push_back(line);
  if (classes > 0 && std::ssize(all) != classes)
    ia_nn::throw_error(ia_nn::errc::bad_parameter, "labels: '" + path + "' has " + std::to_string(all.size()) +
                                                       " lines, the network has " + std::to_string(classes) + " classes");
  return all;
}

picture picture_of(std::span<f32 const> values, index_t height, index_t width) {
  picture p{width, height, {}};
  for (f32 const v : values)
    p.rgb.push_back(static_cast<std::uint8_t>(std::lround(255 * std::clamp(0.5F * v + 0.5F, 0.0F, 1.0F))));
  return p;
}

difference difference_of(std::span<f32 const> reference, std::span<f32 const> other, index_t items) {
  difference d;
  double most = 0, scale = 0;
  for (std::size_t i = 0; i < reference.size(); ++i) {
    most = std::max(most, std::abs(static_cast<double>(reference[i]) - static_cast<double>(other[i])));
    scale = std::max(scale, std::abs(static_cast<double>(reference[i])));
  }
  d.relative = scale > 0 ? most / scale : most;
  std::size_t const each = reference.size() / static_cast<std::size_t>(items);
  for (std::size_t at = 0; at < reference.size(); at += each)
    d.same_top += largest(reference.subspan(at, each)) == largest(other.subspan(at, each));
  return d;
}

} // namespace models::driver

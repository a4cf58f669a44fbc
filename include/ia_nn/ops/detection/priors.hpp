// SPDX-License-Identifier: Apache-2.0
//
// The boxes that detectors measure theirs from: SSD's priors and the anchors of region proposals. They are
// made once, when a network is set up, or by the compiler. Boxes are corners x0 y0 x1 y1 in pixels.
//
//   priors    of each pixel of a map, as torchvision's DefaultBoxGenerator: a square of `scale`, one of
//             sqrt(scale next_scale), and for each ratio r one of scale sqrt(r) x scale / sqrt(r) and
//             one that stands. Scales are shares of the image, which need not be square.
//   anchors   of each pixel of a map, as torchvision's AnchorGenerator: for each ratio r (height / width)
//             and for each size s one of s / sqrt(r) x s sqrt(r) around the corner of the pixel; halves are
//             rounded to whole pixels, as there, unless `round` is false.
//
// Maps stand behind each other, in each the pixels row by row, of each pixel its boxes in this order: the
// order of convolutions with channels last whose filters are (box, coordinate). Computed in double, rounded
// once: torchvision's, which are f32 throughout, differ in the last bits.
#pragma once

#include <ia_nn/core/error.hpp>
#include <ia_nn/core/types.hpp>

#include <span>

#include <ia_nn/begin.hpp>

/// A map of SSD.
struct prior_map {
  index_t height = 1, width = 1;
  double scale = 0.1, next_scale = 0.2; ///< shares of the image
  std::span<double const> ratios{};     ///< beside 1, which all maps have
  double step = 0;                      ///< pixels of the image from centre to centre; 0: image / map
};
/// A map of a region proposal network.
struct anchor_map {
  index_t height = 1, width = 1;
  double step_y = 16, step_x = 16; ///< pixels of the image from one to the next
  std::span<double const> sizes{}, ratios{};
  bool round = true;
};

namespace detail {

/// Newton's iteration, for constant expressions; within one unit of the last place.
constexpr double constant_sqrt(double x) noexcept {
  if (!(x > 0)) return 0;
  double y = x > 1 ? x : 1;
  for (double next = (y + x / y) / 2; next < y; next = (y + x / y) / 2) y = next;
  return y;
}
/// To the nearest whole number, to even in the middle.
constexpr double constant_round(double x) noexcept {
  constexpr double large = 6755399441055744.0; // 1.5 * 2^52
  return x < 0x1p50 && x > -0x1p50 ? (x + large) - large : x;
}
constexpr void check_map(char const* who, index_t height, index_t width, bool good) {
  if (height < 1 || width < 1 || height > (index_t{1} << 30) || width > (index_t{1} << 30))
    throw_error(errc::bad_shape, std::string(who) + ": a map of " + std::to_string(height) + " x " +
                                     std::to_string(width) + " pixels");
  if (!good)
    throw_error(errc::bad_parameter,
                std::string(who) + ": scales, sizes, ratios and steps of a map must be above 0");
}
constexpr bool all_positive(std::span<double const> list) noexcept {
  for (double const x : list)
    if (!(x > 0)) return false;
  return true;
}

} // namespace detail

/// Boxes of all maps.
constexpr index_t prior_count(std::span<prior_map const> maps) noexcept {
  index_t n = 0;
  for (prior_map const& m : maps)
    n += m.height * m.width * (2 + 2 * static_cast<index_t>(m.ratios.size()));
  return n;
}
/// dst: prior_count(maps) boxes of 4 numbers. `clip`: heights and widths are at most those of the image.
/// Errors: errc::bad_shape (dst of another size, a map or an image without pixels), errc::bad_parameter.
constexpr void make_priors(double image_height, double image_width, std::span<prior_map const> maps,
                           std::span<f32> dst, bool clip = true) {
  if (!(image_height > 0 && image_width > 0) ||
      static_cast<index_t>(dst.size()) != prior_count(maps) * 4)
    throw_error(errc::bad_shape, "priors: " + std::to_string(dst.size()) + " numbers for " +
                                     std::to_string(prior_count(maps)) +
                                     " boxes of 4, of an image that must have pixels");
  std::size_t at = 0;
  for (prior_map const& m : maps) {
    detail::check_map("priors", m.height, m.width,
                      m.scale > 0 && m.next_scale > 0 && m.step >= 0 && detail::all_positive(m.ratios));
    double const step_y = m.step > 0 ? m.step : image_height / static_cast<double>(m.height);
    double const step_x = m.step > 0 ? m.step : image_width / static_cast<double>(m.width);
    auto const put = [&](double x, double y, double w, double h) {
      if (clip) w = w < 1 ? w : 1, h = h < 1 ? h : 1;
      w *= image_width / 2, h *= image_height / 2;
      for (double const corner : {x - w, y - h, x + w, y + h}) dst[at++] = static_cast<f32>(corner);
    };
    double const between = detail::constant_sqrt(m.scale * m.next_scale);
    for (index_t i = 0; i < m.height; ++i)
      for (index_t j = 0; j < m.width; ++j) {
        double const x = (static_cast<double>(j) + 0.5) * step_x;
        double const y = (static_cast<double>(i) + 0.5) * step_y;
        put(x, y, m.scale, m.scale), put(x, y, between, between);
        for (double const r : m.ratios) {
          double const root = detail::constant_sqrt(r);
          put(x, y, m.scale * root, m.scale / root), put(x, y, m.scale / root, m.scale * root);
        }
      }
  }
}

constexpr index_t anchor_count(std::span<anchor_map const> maps) noexcept {
  index_t n = 0;
  for (anchor_map const& m : maps)
    n += m.height * m.width * static_cast<index_t>(m.sizes.size() * m.ratios.size());
  return n;
}
/// dst: anchor_count(maps) boxes of 4 numbers. Errors: errc::bad_shape (dst of another size, a map without
/// pixels), errc::bad_parameter.
constexpr void make_anchors(std::span<anchor_map const> maps, std::span<f32> dst) {
  if (static_cast<index_t>(dst.size()) != anchor_count(maps) * 4)
    throw_error(errc::bad_shape, "anchors: " + std::to_string(dst.size()) + " numbers for " +
                                     std::to_string(anchor_count(maps)) + " boxes of 4");
  std::size_t at = 0;
  for (anchor_map const& m : maps) {
    detail::check_map("anchors", m.height, m.width,
                      m.step_y > 0 && m.step_x > 0 && detail::all_positive(m.sizes) &&
                          detail::all_positive(m.ratios));
    for (index_t i = 0; i < m.height; ++i)
      for (index_t j = 0; j < m.width; ++j)
        for (double const r : m.ratios)
          for (double const s : m.sizes) {
            double const root = detail::constant_sqrt(r);
            double w = s / root / 2, h = s * root / 2;
            if (m.round) w = detail::constant_round(w), h = detail::constant_round(h);
            double const x = static_cast<double>(j) * m.step_x, y = static_cast<double>(i) * m.step_y;
            for (double const corner : {x - w, y - h, x + w, y + h}) dst[at++] = static_cast<f32>(corner);
          }
  }
}

IA_NN_END

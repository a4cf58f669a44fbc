// SPDX-License-Identifier: Apache-2.0
//
// What the driver prints and draws.
#pragma once

#include "../catalog/entry.hpp"
#include "inputs.hpp"

#include <chrono>
#include <string>
#include <vector>

namespace models::driver {

inline double now() {
  using std::chrono::steady_clock, std::chrono::duration;
  return duration<double>(steady_clock::now().time_since_epoch()).count();
}

/// "25.6 M", "8.2 G".
std::string short_number(double v);

/// A line for each network.
std::string table_of(std::vector<catalog::entry> const& all);

/// A line that is written over on a terminal, and once elsewhere.
class loading_bar {
public:
  explicit loading_bar(double weights) : weights_(weights) {}
  void add(index_t more);
  double seconds() const { return now() - began_; }

private:
  double weights_, done_ = 0, began_ = now(), next_ = 0;
};

/// Seconds of calls of `session` with the inputs, ordered: for about `seconds`, 3 calls at least, and one before
/// that is not counted.
std::vector<double> timed(catalog::session& s, inputs const& in, double seconds);

/// The classes of the largest logits of each item, with their probabilities. `labels` may be empty.
std::string best_classes(std::span<f32 const> logits, inputs const& in, int most, std::vector<std::string> const& labels);
/// Lines of a file. Errors: errc::bad_file if it cannot be read; errc::bad_parameter if there are not `classes`, unless that is 0.
std::vector<std::string> load_labels(std::string const& path, index_t classes);

/// A box that a detector has found.
struct found_box {
  int label;
  f32 score, corner[4]; ///< x0 y0 x1 y1
};
/// The boxes of one item, at most `most`, with their corners times the factors.
std::vector<found_box> boxes_of(std::span<f32 const> rows, int most, f32 factor_x, f32 factor_y);
/// A line for each.
std::string text_of(std::vector<found_box> const& boxes, std::vector<std::string> const& labels);
/// How many of them have one of the same class among `others` that they share half their joint area with.
index_t count_found(std::vector<found_box> const& boxes, std::vector<found_box> const& others);
/// Lines of two pixels around each, in a colour for each class.
void draw(picture& on, std::vector<found_box> const& boxes);

/// An image of a network, from -1 to 1.
picture picture_of(std::span<f32 const> values, index_t height, index_t width);

/// The largest difference of two results over the largest value of the first, and how many items have their
/// largest element in the same place.
struct difference {
  double relative = 0;
  index_t same_top = 0;
};
difference difference_of(std::span<f32 const> reference, std::span<f32 const> other, index_t items);

} // namespace models::driver

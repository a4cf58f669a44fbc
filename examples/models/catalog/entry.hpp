// SPDX-License-Identifier: Apache-2.0
//
// The networks of this folder as values of one type: what they take and give, and how one is opened in a
// precision that is chosen while the program runs. Each family is compiled in a file of its own.
#pragma once

#include "weights.hpp"

#include <ia_nn/graph/kernels/step_call.hpp>
#include <ia_nn/graph/show/roofline.hpp>

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace models::catalog {

using graph::precision; // f32, bf16 or s8

/// Who computes: this library, or oneDNN where it has code (docs/onednn.md).
enum class backend { native, onednn };

/// One batch: an array for each input, in their order.
using batch_of_inputs = std::vector<graph::source>;

struct session_options {
  precision multiply = precision::f32;
  backend by = backend::native;
  index_t batch = 1; ///< the largest
  int threads = 1;
  /// Batches of `batch` items that say what values in 8 bits range over. Precision s8 needs one.
  std::vector<batch_of_inputs> samples{};
};

/// A network with its weights and its memory.
class session {
public:
  virtual ~session() = default;
  /// `batch` items; pointers are believed.
  virtual void run(index_t batch, batch_of_inputs const& in) = 0;
  /// The same, and keeps the time of each step.
  virtual void trace(index_t batch, batch_of_inputs const& in) = 0;
  /// An output of the last run, all items of the largest batch.
  virtual std::span<f32 const> result(int number = 0) const = 0;
  /// Of the last trace.
  virtual std::string step_table(index_t batch) const = 0;
  virtual std::string chrome_trace() const = 0;
  virtual std::vector<graph::timed_step> steps(index_t batch) const = 0;
  virtual index_t workspace_bytes() const = 0;
  /// How many steps oneDNN computes.
  virtual int onednn_steps() const = 0;
};

/// What the numbers that a network gives are.
enum class meaning {
  logits, ///< one for each class
  image,  ///< from -1 to 1, channels last
  boxes,  ///< rows of class, score, x0, y0, x1, y1 in pixels of the input; behind the last one class -1
  number
};
/// How pixels from 0 to 1 become what a network was trained with: (x - mean) / deviation.
struct pixel_scale {
  f32 mean[3]{0.485F, 0.456F, 0.406F}, deviation[3]{0.229F, 0.224F, 0.225F};
};
inline constexpr pixel_scale from_minus_one_to_one{{0.5F, 0.5F, 0.5F}, {0.5F, 0.5F, 0.5F}};

/// An input or output; the batch is the first extent.
struct terminal {
  std::string name;
  graph::dims shape;
  graph::value_type type;
  index_t rows = 0; ///< of the table that indices choose from

  index_t item() const { return shape.item(); }
};

struct entry {
  std::string name, family;
  meaning gives = meaning::logits;
  pixel_scale pixels{};
  std::vector<terminal> inputs{}, outputs{};
  std::vector<weight_shape> weights{};
  index_t parameters = 0; ///< without running statistics
  double flops = 0;       ///< of one item; a multiply-add counts 2
  /// Errors: those of graph::compiled; errc::bad_parameter for oneDNN in a program that was built without it.
  std::function<std::unique_ptr<session>(weight_source const&, session_options const&)> open{};
  std::function<std::string(precision)> memory_svg{}, dump{};

  bool takes_images() const {
    return inputs.size() == 1 && inputs[0].shape.rank == 4 && inputs[0].shape.extent[3] == 3;
  }
};

/// The families, each compiled in a file of its own.
std::vector<entry> resnets_of_18_and_34(), resnets_of_50(), resnets_of_101(), resnets_of_152(), vggs(), alexnets(), squeezenets(),
    densenets(), mobilenets(), googlenets(), inceptions(), dcgans(), detectors(), small_networks();

/// All of them, in the order of docs/models.md.
std::vector<entry> const& all();
/// Errors: ia_nn::error (errc::bad_parameter) with the nearest name if there is none of this name.
entry const& find(std::string const& name);

} // namespace models::catalog

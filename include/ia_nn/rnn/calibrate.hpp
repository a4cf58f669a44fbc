// SPDX-License-Identifier: Apache-2.0
//
// Static quantization of recurrent layers from sample sequences: the f32 model runs over them, the
// ranges of what every layer reads and writes are kept, and give its scales and zero points.
//
//   rnn_calibration seen(model.layers_count());
//   for (auto const& call : samples) seen.observe(model, call, scratch);
//   rnn_quantization const q = seen.quantization<u8>(layer);
#pragma once

#include <ia_nn/int8/dynamic.hpp>
#include <ia_nn/rnn/rnn.hpp>

#include <ia_nn/begin.hpp>

/// Largest and smallest values that the layers of a model met.
class rnn_calibration {
public:
  explicit rnn_calibration(index_t layers) : ranges_(static_cast<std::size_t>(layers)) {}

  /// Runs the model over one call, which must have a destination, and widens the ranges. NaN and
  /// infinities are passed over. Errors: those of `rnn::check`, errc::bad_parameter (another number of layers, a
  /// model with residuals, whose outputs are not its hidden states).
  template <class Weights>
  void observe(rnn<Weights> const& model, rnn_call<f32, f32> const& c, workspace_view scratch) {
    if (model.layers_count() != static_cast<index_t>(ranges_.size()))
      throw_error(errc::bad_parameter, "rnn_calibration: the model has " +
                                           std::to_string(model.layers_count()) +
                                           " layers, expected " + std::to_string(ranges_.size()));
    if (model.options().residual || !c.dst)
      throw_error(errc::bad_parameter, "rnn_calibration: a model without residuals and a "
                                       "destination are needed to see hidden states");
    model.check(c, scratch);
    using I = typename Weights::isa_type;
    model.run(
        c,
        [&](index_t l, f32 const* src, index_t in, f32 const* dst, index_t out) {
          auto& r = ranges_[static_cast<std::size_t>(l)];
          for (index_t n = 0; n < c.batch; ++n)
            for (index_t t = 0; t < (c.lengths ? c.lengths[n] : c.time); ++t) {
              bool const first = model.options().layout == rnn_layout::time_first;
              index_t const row = first ? t * c.batch + n : n * c.time + t;
              r.input.add(finite_range<I>(in, src + row * in));
              r.hidden.add(finite_range<I>(out, dst + row * out));
              r.seen = true;
            }
        },
        scratch);
  }

  /// Scales and zero points of a layer for operands of type A, covering what was seen.
  /// Errors: errc::bad_parameter (nothing was seen).
  template <byte_element A> rnn_quantization quantization(index_t layer) const {
    auto const& r = ranges_.at(static_cast<std::size_t>(layer));
    if (!r.seen)
      throw_error(errc::bad_parameter,
                  "rnn_calibration: layer " + std::to_string(layer) + " has seen no data");
    rnn_quantization q;
    q.input = rnn_quantization_of<A>(r.input);
    q.hidden = rnn_quantization_of<A>(r.hidden);
    return q;
  }

private:
  struct layer_ranges {
    value_range input{}, hidden{};
    bool seen = false;
  };
  std::vector<layer_ranges> ranges_;
};

/// How far a layer's outputs are from those of another model: maxima over all outputs, NaN where a
/// difference is.
struct rnn_layer_error {
  f32 largest = 0;  ///< |difference|
  f32 relative = 0; ///< that by the largest |output| of the reference: the error in the max norm
};

/// Runs both models over a call (whose destination is overwritten) and compares what their layers
/// write, layer by layer. Both run in the workspace in turn. Errors: those of `rnn::check`.
template <class Reference, class Other>
std::vector<rnn_layer_error> compare_layers(rnn<Reference> const& reference,
                                            rnn<Other> const& other, rnn_call<f32, f32> const& c,
                                            workspace_view scratch) {
  reference.check(c, scratch);
  other.check(c, scratch);
  if (reference.layers_count() != other.layers_count() || reference.output() != other.output())
    throw_error(errc::bad_shape, "compare_layers: the models differ in layers or outputs");
  if (!c.dst) throw_error(errc::bad_pointer, "compare_layers: a destination is needed");
  std::vector<std::vector<f32>> outputs;
  index_t const rows = c.time * c.batch;
  reference.run(
      c,
      [&](index_t, f32 const*, index_t, f32 const* dst, index_t out) {
        outputs.emplace_back(dst, dst + rows * out);
      },
      scratch);
  std::vector<rnn_layer_error> errors;
  other.run(
      c,
      [&](index_t l, f32 const*, index_t, f32 const* dst, index_t out) {
        rnn_layer_error e;
        f32 norm = 0;
        std::vector<f32> const& expected = outputs[static_cast<std::size_t>(l)];
        for (index_t i = 0; i < rows * out; ++i) {
          f32 const x = expected[static_cast<std::size_t>(i)], d = x - dst[i];
          norm = __builtin_fmaxf(norm, __builtin_fabsf(x));
          if (!(__builtin_fabsf(d) <= e.largest) && e.largest == e.largest)
            e.largest = __builtin_fabsf(d);
        }
        e.relative = norm > 0 ? e.largest / norm : e.largest * 0;
        errors.push_back(e);
      },
      scratch);
  return errors;
}

IA_NN_END

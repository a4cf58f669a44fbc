// SPDX-License-Identifier: Apache-2.0
//
// Ranges of a network's values, from samples: what its 8-bit form needs to know beside the weights.
//
//   compile_options o{.ranges = calibrate<my_net>(weights, images)};       // min-max
//   o.ranges = calibrate<my_net, entropy_calibrator>(weights, {images, ids});
//
// The network runs in f32, with the steps that it has in 8 bits, and each value that a step writes is
// shown to a calibrator of its own (int8/calibration.hpp, or a type of yours) right after the step.
// Ranges are named after the layers whose results they are: of `relu(conv2d(x))` the relu has one, the
// convolution, which never reaches memory, has none.
#pragma once

#include <ia_nn/graph/run/samples.hpp>
#include <ia_nn/graph/run/seen_values.hpp>

#include <ia_nn/begin.hpp>
namespace graph {

namespace detail {

template <class Net> constexpr bool says_bytes_of() {
  for (node const& n : original<Net>.nodes)
    if (n.attributes.precision == precision::s8) return true;
  return false;
}
/// With layers in f32 that say they multiply bytes: their ranges are what is looked for.
template <class Net> struct without_bytes : Net {
  static constexpr options passes = [] {
    options o = options_of<Net>();
    o.fuse_pairs = false; // layers in 8 bits are no pairs
    return o;
  }();
  static constexpr void pass(draft& d) {
    if constexpr (requires { Net::pass(d); }) Net::pass(d);
    for (node& n : d.nodes)
      if (n.attributes.precision == precision::s8) n.attributes.precision = precision::f32;
  }
};
template <class Net>
using calibrated_net = std::conditional_t<says_bytes_of<Net>(), without_bytes<Net>, Net>;

/// Batches as a whole: how they are cut depends on the machine and on the number of threads.
inline compile_options in_whole_batches(compile_options o) {
  o.items_at_once = o.max_batch;
  return o;
}

} // namespace detail

/// A network that is being calibrated. Calibrators see one batch of `max_batch` items after the other,
/// in the order of the samples and whatever the number of threads; batches run as a whole.
///
///   calibration<my_net, percentile_calibrator> seen(weights, {.max_batch = 16},
///                                                   percentile_calibrator(99.9));
///   while (auto const images = next()) seen.observe(images);
///   for (seen_value const& v : seen.not_finite()) report(v.who(), v.not_finite_text());
///   value_ranges const ranges = seen.ranges();
///
/// NaN and infinities say nothing about a range. They are counted, and calibrators are not shown them,
/// but for those that take rows (`observe(values, columns)`), which pass over them.
template <class Net, calibrator C = min_max_calibrator, isa::tag I = isa::native> class calibration {
  using samples = detail::arguments<Net, detail::network_end::input>;

public:
  /// `each`: what the calibrator of each value is a copy of. Errors: those of `compiled`.
  template <weights_source W>
  explicit calibration(W const& weights, compile_options const& o = {.max_batch = 32},
                       C const& each = C())
      : net_(weights, detail::in_whole_batches(o)), run_(net_), seen_(run_.plan, each) {}
  calibration(calibration const&) = delete;
  calibration& operator=(calibration const&) = delete;

  /// Spans, vectors, arrays, tensors or views with any number of samples, one for each input of the
  /// network, as `compiled::run` takes them. Errors: errc::bad_parameter and errc::bad_shape of what
  /// does not fit; with the name of the layer those of calibrators.
  template <executor E = sequential> void observe(samples in, E&& e = {}) {
    detail::sample_list const all("calibration", run_.plan, in.list());
    all.each_batch(run_.most_at_once(), [&](index_t batch, std::span<source const> from) {
      observe(batch, from, e);
    });
  }
  /// One batch. Pointers are believed.
  template <executor E = sequential>
  void observe(index_t batch, std::span<source const> in, E&& e = {}) {
    run_.run(batch, in, seen_, e);
    ++batches_;
  }

  /// One for each f32 input and each f32 value that a step writes. They contain 0.
  ///
  /// Errors, errc::bad_parameter: nothing was observed; a value of which no number was finite; those of
  /// calibrators. Sentences name the layer.
  value_ranges ranges() const {
    if (batches_ == 0) throw_error(errc::bad_parameter, "calibration: no samples were observed");
    return seen_.ranges();
  }
  std::vector<seen_value> const& values() const noexcept { return seen_.values(); }
  /// The values with NaN or infinities, in the order in which they were computed.
  std::vector<seen_value> not_finite() const {
    std::vector<seen_value> some;
    for (seen_value const& v : values())
      if (v.finite != v.count()) some.push_back(v);
    return some;
  }

private:
  compiled<detail::calibrated_net<Net>, native<I>> net_;
  observed_network<detail::calibrated_net<Net>, native<I>> run_;
  detail::calibrating_observer<C> seen_;
  index_t batches_ = 0;
};

/// The ranges of all samples. Errors: those of `calibration`; and errc::bad_parameter, with the first
/// layer, if anything was NaN or infinite, which `calibration` passes over.
template <class Net, calibrator C = min_max_calibrator, weights_source W, executor E = sequential>
value_ranges calibrate(W const& weights,
                       std::type_identity_t<detail::arguments<Net, detail::network_end::input>> in,
                       compile_options const& o = {.max_batch = 32}, C const& each = C(),
                       E&& e = {}) {
  calibration<Net, C> seen(weights, o, each);
  seen.observe(in, e);
  value_ranges const ranges = seen.ranges();
  for (seen_value const& v : seen.not_finite())
    detail::calibration_fails(errc::bad_parameter, v,
                              v.not_finite_text() +
                                  ". If that is right, take graph::calibration, which passes over them");
  return ranges;
}

} // namespace graph
IA_NN_END

// SPDX-License-Identifier: Apache-2.0
//
// Bias correction (Nagel et al., Data-free quantization through weight equalization and bias correction, 2019,
// arXiv 1906.04721). Weights that are rounded to 8 bits make an error whose mean over the samples is not
// zero, since what they multiply has a mean (behind relu nothing is negative):
//
//   error[c] = sum over i of (rounded(w)[c][i] - w[c][i]) mean(x)[i]
//
// It is subtracted from the bias of the layer, or added to the mean of the batch norm behind it.
//
//   changed_weights const c = correct_biases<my_net>(weights, images);
//   compiled<my_net, native<isa::native, s8>> const net(c.weights,
//                                                       {.ranges = calibrate<my_net>(weights, images)});
//
// The means of images are those of each pixel: what a window reads beside them is 0.
#pragma once

#include <ia_nn/graph/kernels/conv.hpp>
#include <ia_nn/graph/kernels/dense.hpp>
#include <ia_nn/graph/run/weight_changes.hpp>

#include <ia_nn/begin.hpp>
namespace graph {
namespace detail {

class bias_corrector {
public:
  bias_corrector(plan_view const& plan, weight_reader const& reader, mean_observer const& seen,
                 weight_edits& edits)
      : plan_(plan), reader_(reader), seen_(seen), edits_(edits),
        scalings_(static_cast<std::size_t>(plan.node_count)) {}

  std::vector<layer_change> run() {
    std::vector<layer_change> all;
    for (int s = 0; s < plan_.count; ++s) {
      node const& n = plan_.anchor(s);
      if (!n.kind->multiplies || !rounds_weights(n.attributes.precision)) continue;
      layer_change c{text_of(n), shown(n)};
      correct(s, c);
      all.push_back(std::move(c));
    }
    return all;
  }

private:
  static std::size_t at(index_t i) { return static_cast<std::size_t>(i); }
  static bool rounds_weights(precision p) { return has_byte_products(p) || p == precision::weights_s8; }

  void correct(int s, layer_change& c) {
    step const& t = plan_.steps[s];
    node const& n = plan_.nodes[t.anchor];
    if (n.kind != op::conv && n.kind != op::dense) {
      c.left = n.kind == op::deconv ? "its filters are transposed" : "its products are of several steps";
      return;
    }
    int const to = n.attributes.bias ? t.anchor : t.batch_norm;
    bool const mean = to != t.anchor;
    char const* const suffix = mean ? ".running_mean" : ".bias";
    if (to < 0) c.left = "it has no bias, and no batch norm directly behind it";
    else if (edits_.is_shared(to, suffix)) c.left = std::string("another layer has the same ") + (mean ? "mean" : "bias");
    std::vector<double> const means = means_of(t.inputs[0]);
    if (means.empty()) c.left = "what it reads is not in memory";
    if (!c.left.empty()) return;
    kernel_loader const l({plan_, reader_, scalings_, no_ranges_, arrays_, 1, 1}, s, n);
    std::vector<double> const errors = n.kind == op::conv ? errors_of_conv(l, means) : errors_of_dense(l, means);
    std::vector<index_t> order;
    append_channel_order(plan_.nodes, to, order);
    std::vector<f32>& change = edits_.of(to, suffix);
    for (std::size_t i = 0; i < errors.size(); ++i) {
      f32& x = change[at(order[i])];
      x = static_cast<f32>(static_cast<double>(x) + (mean ? errors[i] : -errors[i]));
      c.largest = std::fmax(c.largest, std::fabs(errors[i]));
    }
  }

  /// Of each element of an item. Empty if they are not known.
  std::vector<double> means_of(int id) const {
    id = ranged_value(plan_.nodes, id);
    node const& n = plan_.nodes[id];
    std::vector<double> to;
    if (mean_observer::seen const* const is = seen_.find(n.name.view())) {
      for (double const sum : is->sum) to.push_back(sum / static_cast<double>(is->items));
      return to;
    }
    if (n.kind != op::concat) return to;
    to.resize(at(n.shape.item())); // its parts are written into it
    index_t const width = n.shape.last(), rows = n.shape.item() / width;
    index_t first = 0;
    for (int const in : n.inputs) {
      std::vector<double> const part = means_of(in);
      index_t const columns = plan_.nodes[in].shape.last();
      if (part.empty() || std::ssize(part) != rows * columns) return {};
      for (index_t i = 0; i < rows * columns; ++i) to[at(i / columns * width + first + i % columns)] = part[at(i)];
      first += columns;
    }
    return to;
  }

  /// What rounding changes in each weight, as they lie: filters (channels of a group, window).
  static std::vector<double> changes(kernel_loader const& l, std::vector<f32> const& w, index_t filters) {
    quantized_weights const q = quantized_of(l, w, filters);
    std::vector<double> to;
    for (index_t i = 0; i < std::ssize(w); ++i)
      to.push_back(static_cast<double>(q.scales[i / q.each]) * q.values[i] - static_cast<double>(w[at(i)]));
    return to;
  }
  static std::vector<double> errors_of_dense(kernel_loader const& l, std::vector<double> const& means) {
    index_t const units = l.layer.attributes.units, columns = l.source.last();
    std::vector<double> const change = changes(l, columns_of(l), units);
    double const rows = static_cast<double>(means.size()) / static_cast<double>(columns);
    std::vector<double> to(at(units));
    for (std::size_t i = 0; i < means.size(); ++i)
      for (std::size_t u = 0; u < to.size(); ++u)
        to[u] += change[u * at(columns) + i % at(columns)] * means[i] / rows;
    return to;
  }
  static std::vector<double> errors_of_conv(kernel_loader const& l, std::vector<double> const& means) {
    attribute_set const& a = l.layer.attributes;
    index_t const channels = l.source.last(), each = channels / a.groups, taps = a.win.kernel.size();
    std::vector<double> const change = changes(l, filters_of(l), a.filters);
    std::vector<double> const at_tap = means_of_taps(a.win, image_of(l.source), channels, means);
    std::vector<double> to(at(a.filters));
    for (index_t f = 0; f < a.filters; ++f) {
      index_t const first = f / (a.filters / a.groups) * each; // of its group
      for (index_t c = 0; c < each; ++c)
        for (index_t t = 0; t < taps; ++t)
          to[at(f)] += change[at((f * each + c) * taps + t)] * at_tap[at(t * channels + first + c)];
    }
    return to;
  }
  /// What each tap of the window meets on average over its positions: (taps, channels).
  static std::vector<double> means_of_taps(window const& w, spatial const& in, index_t channels,
                                           std::vector<double> const& means) {
    spatial const out = w.output(in), k = w.kernel;
    std::vector<double> to(at(k.size() * channels));
    auto const each = [](spatial const& s, auto const& f) {
      for (index_t z = 0; z < s.depth; ++z)
        for (index_t y = 0; y < s.height; ++y)
          for (index_t x = 0; x < s.width; ++x) f(spatial{z, y, x}, (z * s.height + y) * s.width + x);
    };
    each(k, [&](spatial const& tap, index_t t) {
      each(out, [&](spatial const& o, index_t) {
        index_t pixel = 0;
        for (int d = 0; d < 3; ++d) {
          index_t const i = o[d] * w.stride[d] - w.pad_begin[d] + tap[d] * w.dilation[d];
          if (i < 0 || i >= in[d]) return; // padding
          pixel = pixel * in[d] + i;
        }
        for (index_t c = 0; c < channels; ++c)
          to[at(t * channels + c)] += means[at(pixel * channels + c)] / static_cast<double>(out.size());
      });
    });
    return to;
  }

  plan_view const& plan_;
  weight_reader const& reader_;
  mean_observer const& seen_;
  weight_edits& edits_;
  std::vector<quantization> scalings_;
  value_ranges no_ranges_{};
  std::vector<aligned_array<f32>> arrays_{};
};

} // namespace detail

/// The biases, or running means of batch norms, of the layers whose weights are rounded in a network that
/// multiplies P. Samples are what `calibrate` takes. Layers that have neither, recurrent and transposed ones are
/// left as they are, and say why.
///
/// Errors: those of `compiled` for weights that do not fit; errc::bad_parameter for values that are not finite,
/// with the layer.
template <class Net, precision P = precision::s8, weights_source W, executor E = sequential>
changed_weights correct_biases(W const& weights,
                               std::type_identity_t<detail::arguments<Net, detail::network_end::input>> in,
                               compile_options const& o = {.max_batch = 32}, E&& e = {}) {
  static constexpr plan_view plan =
      plan_view::of(typed<Net, P>, schedule<Net, P>, original<Net>, P);
  detail::mean_observer seen;
  detail::observe_means<Net>(seen, "correct_biases", weights, in, o, e);
  detail::reader_of<W> reader(weights, o);
  detail::weight_check(plan, reader, o).run(); // finds the prefix
  detail::weight_edits edits(plan, reader);
  detail::bias_corrector corrector(plan, reader, seen, edits);
  std::vector<layer_change> changes = corrector.run();
  return {edits.applied_to(weights), std::move(changes)};
}

} // namespace graph
IA_NN_END

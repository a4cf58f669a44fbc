// SPDX-License-Identifier: Apache-2.0
//
// What ranges do to the values of a network: each is quantized where the f32 network has it, and
// compared with what it was. Not what errors do that come from layers before: run/compare.hpp.
#pragma once

#include <ia_nn/graph/run/calibrate.hpp>
#include <ia_nn/graph/run/signal_noise.hpp>
#include <ia_nn/int8/quantize.hpp>

#include <ia_nn/begin.hpp>
namespace graph {

/// One value as u8 with a zero point, the whole range of which is used.
struct quantized_value : signal_noise {
  std::string name{}, what{};     ///< "conv1", "conv2d"
  value_range range{};            ///< that it was given
  ia_nn::quantization scaling{}; ///< of u8, scheme::asymmetric
  index_t saturated = 0;          ///< finite values beyond the range by more than half a step
  index_t not_finite = 0;

  double saturated_share() const noexcept {
    return count > 0 ? static_cast<double>(saturated) / static_cast<double>(count) : 0;
  }
};
using quantization_report = std::vector<quantized_value>;

namespace detail {

class quantizing_observer final : public value_observer {
public:
  quantizing_observer(plan_view const& plan, value_ranges const& ranges)
      : at_(static_cast<std::size_t>(plan.node_count), -1) {
    each_observed(plan, [&](node const& n, int id) { add(n, id, ranges); });
  }
  quantization_report all{};

private:
  void add(node const& n, int id, value_ranges const& ranges) {
    value_range const* const r = ranges.find(n.name.view());
    if (!r) throw_error(errc::bad_parameter, "quantization_report: there is no range for " + who(n));
    at_[static_cast<std::size_t>(id)] = static_cast<int>(all.size());
    quantized_value v;
    v.name = text_of(n), v.what = shown(n), v.range = *r;
    v.scaling = quantization_of<u8>(*r, scheme::asymmetric);
    all.push_back(v);
  }
  void see(written_value const& v) override {
    int const at = at_[static_cast<std::size_t>(v.id)];
    if (at < 0) return;
    quantized_value& to = all[static_cast<std::size_t>(at)];
    std::span<f32 const> const x = gathered(v, store_);
    bytes_.resize(x.size());
    quantize<isa::native>(v.size(), x.data(), bytes_.data(), to.scaling);
    f32 const scale = to.scaling.scale, zero = static_cast<f32>(to.scaling.zero_point);
    for (std::size_t i = 0; i < x.size(); ++i) {
      if (!std::isfinite(x[i])) {
        ++to.not_finite;
        continue;
      }
      f32 const steps = x[i] / scale + zero; // beyond what rounds to the ends
      to.saturated += steps < -0.5F || steps > 255.5F;
      to.add(x[i], scale * (static_cast<f32>(bytes_[i]) - zero));
    }
  }
  std::vector<int> at_;
  std::vector<f32> store_;
  std::vector<u8> bytes_;
};

} // namespace detail

/// Of all values that calibration gives ranges, over samples: those that it saw, or better others. Text,
/// JSON and a picture of it are made by show/quantization.hpp. Errors: those of `calibrate`, and
/// errc::bad_parameter for a value without a range, with its layer.
template <class Net, weights_source W, executor E = sequential>
quantization_report
report_quantization(W const& weights, value_ranges const& ranges,
                    std::type_identity_t<detail::arguments<Net, detail::network_end::input>> in,
                    compile_options const& o = {.max_batch = 32}, E&& e = {}) {
  using form = detail::calibrated_net<Net>; // in f32, whatever its layers say
  compiled<form> const net(weights, o);
  observed_network<form> run(net);
  detail::quantizing_observer seen(run.plan, ranges);
  detail::sample_list const samples("quantization_report", run.plan, in.list());
  samples.each_batch(run.most_at_once(), [&](index_t batch, std::span<source const> from) {
    run.run(batch, from, seen, e);
  });
  return std::move(seen.all);
}

} // namespace graph
IA_NN_END

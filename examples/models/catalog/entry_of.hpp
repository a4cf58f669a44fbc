// SPDX-License-Identifier: Apache-2.0
//
// What makes an entry of a network: the only place where the types of networks meet the one type that
// programs choose from.
#pragma once

#include "entry.hpp"

#include <ia_nn/exec/thread_pool.hpp>
#include <ia_nn/graph/compiled.hpp>
#include <ia_nn/graph/run/calibrate.hpp>
#include <ia_nn/graph/show/dump.hpp>
#include <ia_nn/graph/show/svg.hpp>
#include <ia_nn/graph/show/trace.hpp>
#if defined(IA_NN_CATALOG_ONEDNN)
#include <ia_nn/exec/openmp.hpp>
#include <ia_nn/onednn/backend.hpp>
#endif

namespace models::catalog {
namespace detail {

/// A trace that can be off: one `run` is compiled instead of two.
template <class Net, precision P> struct switched_trace : graph::step_trace<Net, P> {
  bool on = false;

  void start() noexcept {
    if (on) graph::step_trace<Net, P>::start();
  }
  void begin(int step) noexcept {
    if (on) graph::step_trace<Net, P>::begin(step);
  }
  void end(int step) noexcept {
    if (on) graph::step_trace<Net, P>::end(step);
  }
};

template <class Net, class Policy, class Executor> class session_of final : public session {
  using compiled = graph::compiled<Net, Policy>;

public:
  session_of(weight_source const& weights, session_options const& o)
      : threads_(o.threads), net_(weights, options_of(weights, o)), scratch_(net_.workspace_bytes()) {
    for (auto const& n : graph::original<Net>.nodes)
      if (n.kind == graph::op::output) {
        results_.emplace_back(static_cast<std::size_t>(n.shape.item() * o.batch));
        out_.push_back(results_.back().data());
      }
  }
  void run(index_t batch, batch_of_inputs const& in) override {
    net_.run(batch, std::span<graph::source const>(in), std::span<f32* const>(out_), scratch_, threads_, trace_);
  }
  void trace(index_t batch, batch_of_inputs const& in) override {
    trace_.on = true;
    run(batch, in);
    trace_.on = false;
  }
  std::span<f32 const> result(int number) const override { return results_[static_cast<std::size_t>(number)]; }
  std::string step_table(index_t batch) const override { return trace_.table(batch); }
  std::string chrome_trace() const override { return trace_.chrome(); }
  std::vector<graph::timed_step> steps(index_t batch) const override { return timed_steps(trace_, batch); }
  index_t workspace_bytes() const override { return net_.workspace_bytes(); }
  int onednn_steps() const override {
    int n = 0;
    if constexpr (requires { net_.backends(); })
      for (auto const& s : net_.backends()) n += s.by.starts_with("onednn");
    return n;
  }

private:
  graph::compile_options options_of(weight_source const& weights, session_options const& o) {
    graph::compile_options c{.max_batch = o.batch, .workers = o.threads};
    if constexpr (Policy::usual == precision::s8) {
      graph::calibration<Net> seen(weights, c);
      for (batch_of_inputs const& in : o.samples) seen.observe(o.batch, in, threads_);
      c.ranges = seen.ranges();
    }
    return c;
  }

  Executor threads_;
  compiled net_;
  ia_nn::workspace scratch_;
  std::vector<std::vector<f32>> results_;
  std::vector<f32*> out_;
  switched_trace<Net, Policy::usual> trace_;
};

template <class Net, template <class, class> class Policy, class Executor>
std::unique_ptr<session> open_in(weight_source const& weights, session_options const& o) {
  using isa = ia_nn::isa::native;
  switch (o.multiply) {
  case precision::f32: return std::make_unique<session_of<Net, Policy<isa, f32>, Executor>>(weights, o);
  case precision::bf16: return std::make_unique<session_of<Net, Policy<isa, ia_nn::bf16>, Executor>>(weights, o);
  case precision::s8: return std::make_unique<session_of<Net, Policy<isa, ia_nn::s8>, Executor>>(weights, o);
  default: ia_nn::throw_error(ia_nn::errc::bad_parameter, "catalog: networks are f32, bf16 or s8");
  }
}
template <class Net> std::unique_ptr<session> open(weight_source const& weights, session_options const& o) {
  if (o.by == backend::native) return open_in<Net, graph::native, ia_nn::thread_pool>(weights, o);
#if defined(IA_NN_CATALOG_ONEDNN)
  return open_in<Net, graph::onednn, ia_nn::openmp>(weights, o);
#else
  ia_nn::throw_error(ia_nn::errc::bad_parameter,
                     "catalog: this program was built without oneDNN: install libdnnl-dev and build it again");
#endif
}
/// f<P>() with a precision that is known while the program runs.
template <class F> auto with_precision(precision p, F const& f) {
  return p == precision::bf16 ? f.template operator()<precision::bf16>()
         : p == precision::s8 ? f.template operator()<precision::s8>()
                              : f.template operator()<precision::f32>();
}

} // namespace detail

template <class Net>
entry entry_of(std::string name, std::string family, meaning gives = meaning::logits, pixel_scale pixels = {}) {
  entry e{.name = std::move(name), .family = std::move(family), .gives = gives, .pixels = pixels};
  auto const& d = graph::original<Net>;
  for (int i = 0; i < d.count(); ++i) {
    graph::node const& n = d[i];
    e.flops += static_cast<double>(graph::flops_of(d, i)) /
               static_cast<double>(n.shape.dynamic() || n.shape.rank == 0 ? 1 : n.shape.extent[0]);
    if (n.kind == graph::op::output) e.outputs.push_back({std::string(n.name.view()), n.shape, n.type});
    if (n.kind != graph::op::input) continue;
    terminal t{std::string(n.name.view()), n.shape, n.type};
    for (int k = 0; k < d.count(); ++k)
      if (d[k].kind == graph::op::embedding && d[k].inputs[0] == i) t.rows = d[k].attributes.table_rows;
    e.inputs.push_back(std::move(t));
  }
  graph::for_each_weight(d, d.count(), [&](graph::node const&, std::string_view suffix, std::string const& weight,
                                           std::vector<index_t> const& shape) {
    e.weights.push_back({weight, std::string(suffix), shape});
    if (e.weights.back().is_learned()) e.parameters += e.weights.back().size();
  });
  e.open = detail::open<Net>;
  e.memory_svg = [](precision p) {
    return detail::with_precision(p, []<precision P> { return graph::memory_svg<Net, P>(); });
  };
  e.dump = [](precision p) {
    return detail::with_precision(p, []<precision P> { return graph::dump_steps<Net, P>(); });
  };
  return e;
}
template <auto Family>
entry entry_of(std::string name, std::string family, meaning gives = meaning::logits, pixel_scale pixels = {}) {
  return entry_of<network_of<Family>>(std::move(name), std::move(family), gives, pixels);
}

} // namespace models::catalog

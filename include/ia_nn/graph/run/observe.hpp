// SPDX-License-Identifier: Apache-2.0
//
// Looking at the values of a network while it runs. Values share memory, so what a step has written
// must be looked at before the next step runs: a `value_observer` is a trace (show/trace.hpp) that
// `compiled::run` also tells of each step that has written.
#pragma once

#include <ia_nn/core/error.hpp>
#include <ia_nn/graph/ir/text.hpp>
#include <ia_nn/graph/kernels/step_call.hpp>
#include <ia_nn/graph/run/loaded.hpp>
#include <ia_nn/int8/schemes.hpp>

#include <mutex>

#include <ia_nn/begin.hpp>
namespace graph {

/// A value in memory: `rows` rows of `columns` elements, `ld` elements apart.
struct written_value {
  node const& what;
  int id; ///< of the node in the plan
  void const* data;
  index_t rows, columns, ld;
  quantization scaling{}; ///< of 8-bit elements

  index_t size() const noexcept { return rows * columns; }
  /// T: the element type that `what.type` says.
  template <class T> T const* row(index_t r) const noexcept {
    return static_cast<T const*>(data) + r * ld;
  }
};

/// f(node, id) for each f32 value that an observer is shown: inputs, and what steps write that are no
/// copies to outputs.
template <class F> void each_observed(plan_view const& plan, F const& f) {
  auto const one = [&](int id) {
    if (plan.type(id) == value_type::f32) f(plan.nodes[id], id);
  };
  for (int i = 0; i < plan.node_count; ++i)
    if (plan.nodes[i].kind == op::input) one(i);
  for (int s = 0; s < plan.count; ++s)
    if (plan.steps[s].kind != op::output) one(plan.steps[s].out);
}

/// Derive from it and hand it to `run` as the trace; then `require()`. Members of a parallel group are
/// seen one after the other, in any order.
class value_observer {
public:
  value_observer() = default;
  value_observer(value_observer const&) = delete;
  value_observer& operator=(value_observer const&) = delete;
  virtual ~value_observer() = default;

  void begin(int) noexcept {}
  void end(int) noexcept {}
  /// Step s of a loaded_plan has run.
  void wrote(int s, loaded_plan const& net, frame const& f) noexcept {
    plan_view const& plan = net.plan;
    for (int i = s; i < s + plan.tables(s); ++i) {
      int const id = plan.steps[i].out;
      if (plan.steps[i].kind == op::output) continue; // a copy of what another step has written
      dims const& shape = plan.nodes[id].shape;
      show({plan.nodes[id], id, f.to(plan, id), shape.rows() * f.items, shape.last(),
            plan.places[id].ld, net.scalings[static_cast<std::size_t>(id)]});
    }
  }
  /// The input of node `id`.
  void show_input(plan_view const& plan, int id, source const& from, index_t items) {
    dims const& shape = plan.nodes[id].shape;
    show({plan.nodes[id], id, from.data, shape.rows() * items, shape.last(), shape.last()});
  }
  /// Throws the first error of `see`, with the name of the layer in front.
  void require() const {
    if (!failed_) return;
    throw_error(code_, why_);
  }

protected:
  /// Errors are thrown on by `require`; after one nothing more is seen.
  virtual void see(written_value const& v) = 0;

private:
  void show(written_value const& v) noexcept {
    std::lock_guard<std::mutex> const one(alone_);
    if (failed_) return;
    IA_NN_TRY { see(v); }
    IA_NN_CATCH(error const& e) { fail(v, e.code(), e.what()); }
    IA_NN_CATCH(std::exception const& other) { fail(v, errc::out_of_memory, other.what()); }
  }
  void fail(written_value const& v, errc code, std::string_view why) noexcept {
    failed_ = true;
    code_ = code;
    IA_NN_TRY {
      why_ = detail::who(v.what) + ": " + std::string(without_head(why));
    }
    IA_NN_CATCH(std::exception const& e) {} // no memory for the sentence
  }

  std::mutex alone_;
  bool failed_ = false;
  errc code_ = errc::bad_parameter;
  std::string why_;
};

} // namespace graph
IA_NN_END

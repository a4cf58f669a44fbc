// SPDX-License-Identifier: Apache-2.0
//
// Samples for a network: arrays of any number of items, cut into batches of those that the network
// takes; and memory for results that nobody keeps.
#pragma once

#include <ia_nn/graph/run/compiled.hpp>
#include <ia_nn/graph/run/observe.hpp>

#include <ia_nn/begin.hpp>
namespace graph {
namespace detail {

/// Nodes of one kind, in their order.
inline std::vector<int> nodes_of(plan_view const& v, op_kind kind) {
  std::vector<int> ids;
  for (int i = 0; i < v.node_count; ++i)
    if (v.nodes[i].kind == kind) ids.push_back(i);
  return ids;
}

/// The samples of all inputs. `who` begins sentences.
class sample_list {
public:
  /// Errors: errc::bad_parameter (no samples, other inputs, inputs of different numbers of items, a
  /// number that is no multiple of a static batch), errc::bad_shape, errc::bad_pointer.
  sample_list(std::string who, plan_view const& v, memory_list in)
      : who_(std::move(who)), plan_(v), ids_(nodes_of(v, op::input)) {
    if (in.given != in.items.size())
      fail(std::to_string(in.given) + " inputs, the network has " + std::to_string(in.items.size()));
    for (std::size_t i = 0; i < ids_.size(); ++i) {
      node const& n = v.nodes[ids_[i]];
      memory const& m = in.items[i];
      if (m.size == 0) fail("input '" + text_of(n) + "' has no samples");
      if (run_status const s = wrong_memory(n, m, 1); !s) s.require();
      index_t const item = n.shape.item(), items = m.size / item;
      if (m.size % item != 0)
        fail("input '" + text_of(n) + "' has " + std::to_string(m.size) +
             " elements, which is no multiple of the " + std::to_string(item) + " of a sample");
      if (i > 0 && items != items_)
        fail("input '" + text_of(n) + "' has " + std::to_string(items) + " samples, '" +
             text_of(v.nodes[ids_[0]]) + "' has " + std::to_string(items_));
      items_ = items;
      first_.push_back({});
      first_.back().data = m.data, first_.back().type = m.type;
    }
    index_t const fixed = v.batch_of_inputs();
    if (!v.open_batch() && items_ % fixed != 0)
      fail(std::to_string(items_) + " samples, the network takes " + std::to_string(fixed) +
           " at a time");
  }
  index_t items() const noexcept { return items_; }

  /// f(batch, sources) for all samples, at most `most` at a time.
  template <class F> void each_batch(index_t most, F const& f) const {
    std::vector<source> in(ids_.size());
    for (index_t first = 0; first < items_; first += most) {
      for (std::size_t i = 0; i < in.size(); ++i) {
        node const& n = plan_.nodes[ids_[i]];
        in[i] = first_[i];
        in[i].data = static_cast<std::byte const*>(first_[i].data) +
                     first * n.shape.item() * size_of(n.type);
      }
      f(min_of(most, items_ - first), std::span<source const>(in));
    }
  }

private:
  [[noreturn]] void fail(std::string const& what) const {
    throw_error(errc::bad_parameter, who_ + ": " + what);
  }
  std::string who_;
  plan_view plan_;
  std::vector<int> ids_;
  std::vector<source> first_;
  index_t items_ = 0;
};

} // namespace detail

/// A compiled network with the memory that its runs need, for those that want to see what happens
/// within and not only its results.
template <class Net, backend Policy = native<>> class observed_network {
public:
  static constexpr plan_view plan =
      plan_view::of(typed<Net, Policy::usual>, schedule<Net, Policy::usual>, original<Net>,
                    Policy::usual);

  /// The network stays where it is.
  explicit observed_network(compiled<Net, Policy> const& net)
      : net_(net), scratch_(net.workspace_bytes()) {
    for (int const id : detail::nodes_of(plan, op::output)) {
      dims const& shape = plan.nodes[id].shape;
      results_.emplace_back(shape.size() * (shape.dynamic() ? net.max_batch() : 1));
      out_.push_back(results_.back().data());
    }
  }
  /// The largest batch whose values are seen as a whole: larger ones are seen part by part.
  index_t most_at_once() const noexcept { return net_.most_at_once(); }
  /// Of the last run.
  f32 const* result(int number) const noexcept { return out_[static_cast<std::size_t>(number)]; }

  /// Shows the inputs, then runs one batch. Errors: those of `check`, and those of the observer.
  template <executor E>
  void run(index_t batch, std::span<source const> in, value_observer& seen, E&& e) {
    net_.check(batch, in, out_, scratch_);
    std::size_t next = 0;
    for (int const id : detail::nodes_of(plan, op::input))
      seen.show_input(plan, id, in[next++], plan.open_batch() ? batch : 1);
    net_.run(batch, in, out_, scratch_, e, seen);
    seen.require();
  }

private:
  compiled<Net, Policy> const& net_;
  workspace scratch_;
  std::vector<aligned_array<f32>> results_;
  std::vector<f32*> out_;
};

} // namespace graph
IA_NN_END

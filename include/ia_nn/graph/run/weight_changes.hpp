// SPDX-License-Identifier: Apache-2.0
//
// Weights of a network that are changed before it is quantized, and the means of its values, by which they are
// (run/correct_biases.hpp).
#pragma once

#include <ia_nn/graph/run/calibrate.hpp>
#include <ia_nn/graph/run/weights.hpp>

#include <ia_nn/begin.hpp>
namespace graph {

/// What was done to a layer, or why nothing was.
struct layer_change {
  std::string name, what; ///< "conv1", "conv2d"
  std::string left{};     ///< empty, or why it was left as it is: "it has no bias"
  double largest = 0;     ///< magnitude of the corrections

  std::string who() const { return what + " '" + name + "'"; }
};

/// Weights for `compiled` and `calibrate`, under the names of the source, and what was done.
struct changed_weights {
  memory_weights weights;
  std::vector<layer_change> layers{};
};

namespace detail {

/// The arrays of a source that are changed, by their names in the source.
class weight_edits {
public:
  weight_edits(plan_view const& plan, weight_reader const& reader) : plan_(plan), reader_(reader) {
    for_each_weight(plan.nodes, plan.node_count,
                    [&](node const& n, std::string_view suffix, std::string const&, auto const&) {
                      ++readers_[name_of(n, suffix)];
                    });
  }
  weight_edits(weight_edits const&) = delete;
  weight_edits& operator=(weight_edits const&) = delete;

  /// True if another layer reads this array too.
  bool is_shared(int id, std::string_view suffix) const {
    return readers_.at(name_of(plan_.nodes[id], suffix)) > 1;
  }
  /// The array of a layer as the source has it, to be changed. Errors: those of weight_reader::read.
  std::vector<f32>& of(int id, std::string_view suffix) {
    node const& n = plan_.nodes[id];
    auto const [at, is_new] = all_.try_emplace(name_of(n, suffix));
    if (is_new)
      for (weight const& w : weights_of(plan_.nodes, id))
        if (w.suffix.view() == suffix)
          at->second = reader_.read(who(n), n.name.view(), suffix,
                                    {w.shape.extent, w.shape.extent + w.shape.rank}, w.ones_count);
    return at->second;
  }
  template <weights_source W> memory_weights applied_to(W const& from) {
    memory_weights to;
    for (std::string const& name : from.names()) {
      auto const at = all_.find(name);
      to.add(name, from.shape(name), at == all_.end() ? from.values(name) : std::move(at->second));
    }
    return to;
  }

private:
  std::string name_of(node const& n, std::string_view suffix) const {
    return reader_.names.of(n.name.view(), suffix);
  }
  plan_view const& plan_;
  weight_reader const& reader_;
  std::map<std::string, int, std::less<>> readers_;
  std::map<std::string, std::vector<f32>, std::less<>> all_;
};

/// The mean of each element of an item, of all f32 values of a network.
class mean_observer final : public value_observer {
public:
  struct seen {
    std::vector<double> sum;
    index_t items = 0;
  };
  /// Null if there is no such value in memory.
  seen const* find(std::string_view name) const {
    auto const at = all_.find(name);
    return at == all_.end() ? nullptr : &at->second;
  }

private:
  void see(written_value const& v) override {
    if (v.what.type != value_type::f32) return;
    index_t const size = v.what.shape.item(), rows = size / v.columns;
    seen& to = all_[text_of(v.what)];
    to.sum.resize(static_cast<std::size_t>(size));
    to.items += v.rows / rows;
    for (index_t r = 0; r < v.rows; ++r) {
      f32 const* const row = v.row<f32>(r);
      std::size_t const begin = static_cast<std::size_t>(r % rows * v.columns);
      for (std::size_t c = 0; c < static_cast<std::size_t>(v.columns); ++c) {
        f32 const x = row[c];
        if (!std::isfinite(x))
          throw_error(errc::bad_parameter, "a value is " + ia_nn::detail::number_text(x));
        to.sum[begin + c] += static_cast<double>(x);
      }
    }
  }
  std::map<std::string, seen, std::less<>> all_;
};

/// Shows all values of the f32 network, with the steps that it has in 8 bits.
template <class Net, weights_source W, executor E>
void observe_means(mean_observer& to, char const* who, W const& weights,
                   arguments<Net, network_end::input>& in, compile_options const& o, E& e) {
  using form = calibrated_net<Net>;
  compiled<form> const net(weights, in_whole_batches(o));
  observed_network<form> run(net);
  sample_list const samples(who, run.plan, in.list());
  samples.each_batch(run.most_at_once(), [&](index_t batch, std::span<source const> from) {
    run.run(batch, from, to, e);
  });
}

} // namespace detail
} // namespace graph
IA_NN_END

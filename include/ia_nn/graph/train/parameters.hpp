// SPDX-License-Identifier: Apache-2.0
//
// The weights of a network in training, with their gradients: named arrays in PyTorch's order, in one piece
// of memory each. Running statistics are among the weights, and have no gradients.
#pragma once

#include <ia_nn/core/memory.hpp>
#include <ia_nn/graph/ir/text.hpp>
#include <ia_nn/graph/ir/weights.hpp>
#include <ia_nn/graph/layers/embedding.hpp>
#include <ia_nn/graph/layers/norm.hpp>
#include <ia_nn/graph/layers/parameter.hpp>
#include <ia_nn/graph/run/weights.hpp>
#include <ia_nn/train/parameters.hpp>
#include <ia_nn/train/table_rows.hpp>

#include <cmath>
#include <memory>
#include <random>

#include <ia_nn/begin.hpp>
namespace graph {

class trained_weights {
public:
  struct entry {
    std::string name; ///< of the layer, and a suffix
    std::size_t layer_length; ///< of the first part
    std::vector<index_t> shape;
    int node;
    bool learned, of_training;
    std::span<f32> values, gradient; ///< the latter is empty where nothing is learned
    table_rows* rows = nullptr; ///< of a table of an embedding: which rows of its gradient are not 0
  };

  template <class Nodes> explicit trained_weights(Nodes const& nodes) {
    for (int id = 0; id < nodes.count(); ++id) {
      first_.push_back(all_.size());
      for (weight const& w : weights_of(nodes, id))
        all_.push_back({text_of(nodes[id]) + std::string(w.suffix.view()), text_of(nodes[id]).size(),
                        {w.shape.extent, w.shape.extent + w.shape.rank}, id, w.learned, w.of_training, {}, {}, nullptr});
    }
    first_.push_back(all_.size());
    // What is learned first, one behind the other, as its gradients are.
    index_t const learned = place(true, 0), all = place(false, learned);
    values_ = aligned_array<f32>(all), gradients_ = aligned_array<f32>(learned);
    for (entry& e : all_) {
      index_t const at = offsets_[static_cast<std::size_t>(&e - all_.data())];
      auto const n = static_cast<std::size_t>(size_of(e.shape));
      e.values = {values_.data() + at, n};
      if (e.learned) {
        e.gradient = {gradients_.data() + at, n};
        learned_.add(e.name, e.values, e.gradient);
        node const& of = nodes[e.node];
        tables_.emplace_back();
        if (of.kind == op::embedding)
          e.rows = (tables_.back() = std::make_unique<table_rows>(of.attributes.table_rows, of.attributes.width)).get();
      }
    }
  }
  trained_weights(trained_weights const&) = delete; // entries refer to the arrays
  trained_weights& operator=(trained_weights const&) = delete;

  std::vector<entry> const& all() const noexcept { return all_; }
  /// Those of a node, in the order of its operator's row.
  std::span<entry const> of(int node) const noexcept {
    auto const id = static_cast<std::size_t>(node);
    return {all_.data() + first_[id], first_[id + 1] - first_[id]};
  }
  parameter_list const& learned() const noexcept { return learned_; }
  /// Of each of `learned()`, the rows that have a gradient, or null.
  std::vector<std::unique_ptr<table_rows>> const& tables() const noexcept { return tables_; }
  /// Gradients of everything that is learned, in the order of `learned()`.
  std::span<f32> gradients() noexcept {
    return {gradients_.data(), static_cast<std::size_t>(gradients_.size())};
  }
  /// What is learned, then the running statistics.
  std::span<f32> values() noexcept { return {values_.data(), static_cast<std::size_t>(values_.size())}; }
  std::span<f32> statistics() noexcept { return values().subspan(gradients().size()); }
  index_t value_bytes() const noexcept { return values_.size() * 4; }
  index_t gradient_bytes() const noexcept { return gradients_.size() * 4; }

  /// For `compiled`, or a file. Refers to the values, and changes with them.
  memory_weights view() const {
    memory_weights w;
    for (entry const& e : all_)
      if (!e.of_training) w.add(e.name, e.shape, std::span<f32 const>(e.values));
    return w;
  }

  /// Random numbers that keep values in their size: within +- sqrt(6 / inputs of a unit) (He et al., arXiv
  /// 1502.01852) for convolutions and dense layers, +- 1 / sqrt(hidden) for recurrent layers, normally
  /// distributed rows of tables (deviation 1) and parameters (0.02); norms change nothing, biases are 0.
  template <class Nodes> void initialise(Nodes const& nodes, std::uint64_t seed) {
    std::mt19937_64 random(seed);
    auto const uniform = [&] { return static_cast<double>(random() >> 11) * 0x1p-52 - 1; };
    for (entry const& e : all_) {
      node const& n = nodes[e.node];
      bool const norm = n.kind == op::batch_norm || n.kind == op::layer_norm || n.kind == op::group_norm;
      bool const normal = n.kind == op::embedding || n.kind == op::parameter;
      bool const factors = e.name.ends_with(".weight") || e.name.ends_with(".running_var");
      index_t const inputs = e.shape.empty() || e.shape[0] == 0 ? 1 : size_of(e.shape) / e.shape[0];
      double const bound = n.attributes.hidden > 0 ? 1 / std::sqrt(static_cast<double>(n.attributes.hidden))
                                                  : std::sqrt(6 / static_cast<double>(inputs));
      for (f32& x : e.values) {
        double v = 0;
        if (norm) v = factors ? 1 : 0;
        else if (normal) { // Box and Muller
          double const radius = std::sqrt(-2 * std::log(0.5 - 0.5 * uniform()));
          v = radius * std::cos(3.14159265358979 * uniform()) * (n.kind == op::embedding ? 1 : 0.02);
        } else if (factors || n.attributes.hidden > 0) v = bound * uniform();
        x = static_cast<f32>(v);
      }
    }
  }
  /// What belongs to training alone need not be there. Errors: errc::bad_parameter for a weight that is missing, errc::bad_shape for one of another shape,
  /// and those of the source. Then the weights are what they were.
  template <weights_source W> void load(W const& from, weight_names const& names = weight_names({})) {
    std::vector<std::vector<f32>> read;
    for (entry const& e : all_) {
      std::string_view const own = e.name;
      std::string const name = names.of(own.substr(0, e.layer_length), own.substr(e.layer_length));
      if (e.of_training && !from.has(name)) {
        read.emplace_back(e.values.begin(), e.values.end());
        continue;
      }
      if (!from.has(name))
        throw_error(errc::bad_parameter, "training: there is no weight " + detail::in_quotes(name));
      if (std::vector<index_t> const s = from.shape(name); !detail::shapes_agree(s, e.shape, false))
        throw_error(errc::bad_shape, "training: weight " + detail::in_quotes(name) + " has shape " +
                                         detail::shape_text(s) + ", expected " + detail::shape_text(e.shape));
      read.push_back(from.values(name));
    }
    for (std::size_t i = 0; i < read.size(); ++i)
      std::copy(read[i].begin(), read[i].end(), all_[i].values.begin());
  }

private:
  static std::string text_of(node const& n) { return detail::text_of(n); }
  static index_t size_of(std::vector<index_t> const& shape) {
    index_t n = 1;
    for (index_t const e : shape) n *= e;
    return n;
  }
  index_t place(bool learned, index_t at) {
    offsets_.resize(all_.size());
    for (std::size_t i = 0; i < all_.size(); ++i)
      if (all_[i].learned == learned) offsets_[i] = at, at += size_of(all_[i].shape);
    return at;
  }

  std::vector<entry> all_;
  std::vector<std::size_t> first_; ///< of the entries of each node, and behind the last
  std::vector<index_t> offsets_;
  aligned_array<f32> values_, gradients_;
  parameter_list learned_;
  std::vector<std::unique_ptr<table_rows>> tables_;
};

} // namespace graph
IA_NN_END

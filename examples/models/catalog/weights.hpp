// SPDX-License-Identifier: Apache-2.0
//
// Weights of any network: those of a file, or random ones that are made when they are read, so that the
// half gigabyte of a VGG is never in memory twice.
#pragma once

#include "../network_of.hpp"

#include <ia_nn/graph/run/weights.hpp>

#include <cmath>
#include <functional>
#include <random>
#include <string>
#include <vector>

namespace models::catalog {

/// An array that a network reads: `suffix` is ".weight", ".bias" and so on.
struct weight_shape {
  std::string name, suffix;
  std::vector<index_t> shape;

  index_t size() const {
    index_t n = 1;
    for (index_t const e : shape) n *= e;
    return n;
  }
  bool is_learned() const { return suffix != ".running_mean" && suffix != ".running_var"; }
};

/// What `compiled` reads from, of one type for all sources. `read`, if it is there, is told the number of
/// elements of each array that has been handed out.
class weight_source {
public:
  template <class Source>
  explicit weight_source(Source const& from, std::function<void(index_t)> read = {})
      : names_([&from] { return from.names(); }), has_([&from](auto const& n) { return from.has(n); }),
        shape_([&from](auto const& n) { return from.shape(n); }),
        values_([&from](auto const& n) { return from.values(n); }), read_(std::move(read)) {}

  std::vector<std::string> names() const { return names_(); }
  bool has(std::string const& name) const { return has_(name); }
  std::vector<index_t> shape(std::string const& name) const { return shape_(name); }
  std::vector<f32> values(std::string const& name) const {
    auto v = values_(name);
    if (read_) read_(static_cast<index_t>(v.size()));
    return v;
  }

private:
  std::function<std::vector<std::string>()> names_;
  std::function<bool(std::string const&)> has_;
  std::function<std::vector<index_t>(std::string const&)> shape_;
  std::function<std::vector<f32>(std::string const&)> values_;
  std::function<void(index_t)> read_;
};

/// Random numbers of a size that keeps values near 1. The same name has the same numbers each time.
class random_weights {
public:
  explicit random_weights(std::vector<weight_shape> const& all) : all_(all) {}

  std::vector<std::string> names() const {
    std::vector<std::string> n;
    for (weight_shape const& w : all_) n.push_back(w.name);
    return n;
  }
  bool has(std::string const& name) const { return find(name) != nullptr; }
  std::vector<index_t> shape(std::string const& name) const { return find(name)->shape; }
  std::vector<f32> values(std::string const& name) const {
    weight_shape const& w = *find(name);
    std::minstd_rand random(static_cast<unsigned>(&w - all_.data()) + 1);
    std::vector<f32> v(static_cast<std::size_t>(w.size()));
    bool const is_weight = w.suffix == ".weight", vector = w.shape.size() == 1;
    bool const scale = w.suffix == ".running_var" || (is_weight && vector);
    f32 const spread = is_weight && !vector ? 1.7F / std::sqrt(static_cast<f32>(w.size() / w.shape[0]))
                       : scale              ? 0.2F
                                            : 0.1F;
    for (f32& x : v) {
      auto const bits = static_cast<int>(random() >> 8 & 0xffffU) - 0x8000;
      x = (scale ? 1.0F : 0.0F) + spread * static_cast<f32>(bits) / 0x8000;
    }
    return v;
  }

private:
  weight_shape const* find(std::string const& name) const {
    for (weight_shape const& w : all_)
      if (w.name == name) return &w;
    return nullptr;
  }
  std::vector<weight_shape> const& all_;
};

} // namespace models::catalog

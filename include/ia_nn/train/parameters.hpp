// SPDX-License-Identifier: Apache-2.0
//
// The parameters of a model with their gradients, by name: what optimizers walk over, and what is
// written to a file.
#pragma once

#include <ia_nn/train/gradient.hpp>

#include <span>
#include <string>
#include <vector>

#include <ia_nn/begin.hpp>

struct parameter {
  std::string name;
  std::span<f32> value, gradient;
};

/// Views of memory that the caller owns, in the order in which they were added.
class parameter_list {
public:
  /// Errors: errc::bad_parameter for an empty name or one that is taken, errc::bad_shape if the
  /// gradient has another number of elements, errc::overlap if value and gradient share memory.
  void add(std::string name, std::span<f32> value, std::span<f32> gradient) {
    if (name.empty()) throw_error(errc::bad_parameter, "parameter_list: a parameter has no name");
    if (find(name))
      throw_error(errc::bad_parameter, "parameter_list: there are two parameters '" + name + "'");
    if (value.size() != gradient.size())
      throw_error(errc::bad_shape, "parameter_list: '" + name + "' has " +
                                       std::to_string(value.size()) + " elements, its gradient " +
                                       std::to_string(gradient.size()));
    auto const bytes = static_cast<index_t>(value.size_bytes());
    if (overlaps(value.data(), bytes, gradient.data(), bytes))
      throw_error(errc::overlap, "parameter_list: '" + name + "' overlaps its gradient");
    elements_ += static_cast<index_t>(value.size());
    entries_.push_back({static_cast<std::string&&>(name), value, gradient});
  }

  auto begin() const noexcept { return entries_.begin(); }
  auto end() const noexcept { return entries_.end(); }
  index_t size() const noexcept { return static_cast<index_t>(entries_.size()); }
  /// Of all parameters.
  index_t elements() const noexcept { return elements_; }
  /// Null if there is none of that name.
  parameter const* find(std::string const& name) const noexcept {
    for (parameter const& p : entries_)
      if (p.name == name) return &p;
    return nullptr;
  }
  /// Before a batch whose gradients are added up.
  void clear_gradients() const noexcept {
    for (parameter const& p : entries_)
      if (!p.gradient.empty())
        __builtin_memset(static_cast<void*>(p.gradient.data()), 0, p.gradient.size_bytes());
  }

private:
  std::vector<parameter> entries_;
  index_t elements_ = 0;
};

IA_NN_END

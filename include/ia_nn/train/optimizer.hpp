// SPDX-License-Identifier: Apache-2.0
//
// What optimizers share: state of a fixed size, a loop over parameters, checks of options.
//
//   adam<I> optimizer(list.elements(), {.learning_rate = 1e-3});
//   optimizer.step(list, pool);                    all parameters, in the order of the list
//   optimizer.step(value, gradient, pool);         or one flat array
//
// State is owned and copied with the optimizer; its arrays are open to be stored and restored, all of
// them by name as `state()`. A step computes each element from its own state: the bits do not depend on
// the number of workers.
#pragma once

#include <ia_nn/core/text.hpp>
#include <ia_nn/train/parameters.hpp>
#include <ia_nn/train/table_rows.hpp>

#include <ia_nn/begin.hpp>

/// An array of an optimizer's state: an element for each parameter, in the order of the list.
template <class T> struct optimizer_state {
  char const* name = "";
  std::span<T> values;
};

/// The arrays that an optimizer has, empty ones left out.
template <class T> class optimizer_states {
public:
  void add(char const* name, std::span<T> values) noexcept {
    if (!values.empty()) states_[size_++] = {name, values};
  }
  optimizer_state<T> const* begin() const noexcept { return states_; }
  optimizer_state<T> const* end() const noexcept { return states_ + size_; }
  index_t size() const noexcept { return size_; }
  optimizer_state<T> const& operator[](index_t i) const noexcept { return states_[i]; }

private:
  optimizer_state<T> states_[3];
  index_t size_ = 0;
};

namespace detail {

inline void check_rate(char const* who, char const* what, double value) {
  if (!(value >= 0 && value < 1e30))
    throw_error(errc::bad_parameter, std::string(who) + ": " + what + " is " + number_text(value) +
                                         ", must be a number that is not negative");
}
inline void check_share(char const* who, char const* what, double value, bool one_is_right) {
  if (!(value >= 0 && (value < 1 || (one_is_right && value == 1))))
    throw_error(errc::bad_parameter, std::string(who) + ": " + what + " is " + number_text(value) +
                                         ", must be within [0, 1" + (one_is_right ? "]" : ")"));
}

/// Derived::update<E>(index_t n, index_t offset, f32 const* gradient, f32* value, E&) updates n
/// parameters whose state begins at `offset`; Derived::begin_step() comes before all of them. Its
/// options are Derived::o_. Derived::list_state(self, list) adds its arrays.
template <class Derived> class optimizer {
public:
  /// Elements that it has state for.
  index_t elements() const noexcept { return elements_; }
  /// Steps done. Set when state is restored.
  index_t steps() const noexcept { return steps_; }
  void set_steps(index_t n) noexcept { steps_ = n; }
  /// All arrays that have to be stored, beside the number of steps, to go on from here.
  optimizer_states<f32> state() noexcept {
    optimizer_states<f32> list;
    Derived::list_state(self(), list);
    return list;
  }
  optimizer_states<f32 const> state() const noexcept {
    optimizer_states<f32 const> list;
    Derived::list_state(static_cast<Derived const&>(*this), list);
    return list;
  }
  double learning_rate() const noexcept {
    return static_cast<Derived const&>(*this).o_.learning_rate;
  }
  void set_learning_rate(double rate) {
    check_rate(Derived::name, "learning_rate", rate);
    self().o_.learning_rate = rate;
  }

  /// For set-up. Errors: errc::bad_shape if the list has another number of elements.
  void check(parameter_list const& list) const {
    if (list.elements() != elements_)
      throw_error(errc::bad_shape, std::string(Derived::name) + ": the parameters have " +
                                       std::to_string(list.elements()) + " elements, the state " +
                                       std::to_string(elements_));
  }

  template <executor E = sequential> void step(parameter_list const& list, E&& e = {}) noexcept {
    IA_NN_ASSERT(list.elements() == elements_, Derived::name, ": the parameters have ",
                 list.elements(), " elements, the state ", elements_);
    self().begin_step();
    index_t offset = 0;
    for (parameter const& p : list) {
      auto const n = static_cast<index_t>(p.value.size());
      self().update(n, offset, p.gradient.data(), p.value.data(), e);
      offset += n;
    }
    ++steps_;
  }
  /// The same, but of parameter k, a table, only those rows that tables[k] lists; null: all of it. Other rows and
  /// their state stay as they are: the step of before if `zero_changes_nothing`, else a lazy one.
  template <executor E = sequential>
  void step(parameter_list const& list, std::span<table_rows const* const> tables, E&& e = {}) noexcept {
    IA_NN_ASSERT(list.elements() == elements_ && list.size() == std::ssize(tables), Derived::name,
                 ": the parameters have ", list.elements(), " elements, the state ", elements_);
    self().begin_step();
    index_t offset = 0;
    table_rows const* const* rows = tables.data();
    for (parameter const& p : list) {
      auto const n = static_cast<index_t>(p.value.size());
      if (table_rows const* const of = *rows++) {
        index_t const width = of->width();
        IA_NN_ASSERT(of->table_size() * width == n, Derived::name, ": a table of ", of->table_size(), " rows of ", width,
                     ", the parameter has ", n, " elements");
        of->each(e, [&](index_t row) {
          sequential own;
          index_t const at = row * width;
          self().update(width, offset + at, p.gradient.data() + at, p.value.data() + at, own);
        });
      } else self().update(n, offset, p.gradient.data(), p.value.data(), e);
      offset += n;
    }
    ++steps_;
  }
  /// Whether an element whose gradient is 0 stays as it is, and its state as well.
  bool zero_changes_nothing() const noexcept { return false; }
  template <executor E = sequential>
  void step(std::span<f32> value, std::span<f32 const> gradient, E&& e = {}) noexcept {
    IA_NN_ASSERT(static_cast<index_t>(value.size()) == elements_ && gradient.size() == value.size(),
                 Derived::name, ": ", static_cast<index_t>(value.size()), " parameters and ",
                 static_cast<index_t>(gradient.size()), " gradients, the state has ", elements_);
    self().begin_step();
    self().update(elements_, 0, gradient.data(), value.data(), e);
    ++steps_;
  }

protected:
  explicit optimizer(index_t elements) : elements_(elements) {
    if (elements < 0)
      throw_error(errc::bad_shape,
                  std::string(Derived::name) + ": " + std::to_string(elements) + " elements");
  }
  std::vector<f32> new_state() const {
    return std::vector<f32>(static_cast<std::size_t>(elements_));
  }

private:
  Derived& self() noexcept { return static_cast<Derived&>(*this); }
  index_t elements_;
  index_t steps_ = 0;
};

} // namespace detail

IA_NN_END

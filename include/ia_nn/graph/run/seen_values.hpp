// SPDX-License-Identifier: Apache-2.0
//
// What a calibrator of each value has seen, and what it makes of it.
#pragma once

#include <ia_nn/graph/kernels/value_ranges.hpp>
#include <ia_nn/graph/run/observe.hpp>
#include <ia_nn/int8/calibration.hpp>

#include <ia_nn/begin.hpp>
namespace graph {

/// What was seen of one value: the result of a step, or an input.
struct seen_value {
  std::string name, what; ///< "conv1", "conv2d"
  index_t finite = 0, infinite = 0, not_a_number = 0;
  value_range range{}; ///< of the finite ones, and 0

  index_t count() const noexcept { return finite + infinite + not_a_number; }
  std::string who() const { return what + " '" + name + "'"; }
  /// "3 of 640 values are NaN and 1 infinite"
  std::string not_finite_text() const {
    return std::to_string(not_a_number) + " of " + std::to_string(count()) + " values are NaN and " +
           std::to_string(infinite) + " infinite";
  }
};

namespace detail {

/// "calibration: conv2d 'conv1': "
[[noreturn]] inline void calibration_fails(errc code, seen_value const& v, std::string_view why) {
  throw_error(code, "calibration: " + v.who() + ": " + std::string(without_head(why)));
}

/// The elements of a value one behind the other: where they lie, or in `store`.
inline std::span<f32 const> gathered(written_value const& v, std::vector<f32>& store) {
  auto const size = static_cast<std::size_t>(v.size());
  if (v.ld == v.columns) return {v.row<f32>(0), size};
  store.resize(size);
  for (index_t r = 0; r < v.rows; ++r)
    __builtin_memcpy(store.data() + r * v.columns, v.row<f32>(r),
                     static_cast<std::size_t>(v.columns) * sizeof(f32));
  return store;
}

inline void count_into(seen_value& to, std::span<f32 const> x) {
  index_t infinite = 0, nan = 0;
  for (f32 const v : x) {
    nan += v != v ? 1 : 0;
    infinite += v < -0x1.fffffep127F || v > 0x1.fffffep127F ? 1 : 0;
  }
  to.infinite += infinite, to.not_a_number += nan;
  to.finite += static_cast<index_t>(x.size()) - infinite - nan;
  to.range.add(finite_range<isa::native>(static_cast<index_t>(x.size()), x.data()));
}

/// The range that a calibrator found: that of a threshold is no wider than what was seen.
template <calibrator C> value_range range_of(seen_value const& seen, C const& by) {
  value_range r = by.range();
  if (!(r.low <= r.high))
    calibration_fails(errc::bad_parameter, seen,
                      "its calibrator gave the range " + ia_nn::detail::number_text(r.low) + " to " +
                          ia_nn::detail::number_text(r.high));
  if constexpr (requires { requires C::is_threshold; }) {
    if (r.low < seen.range.low) r.low = seen.range.low;
    if (r.high > seen.range.high) r.high = seen.range.high;
  }
  return {r.low < 0 ? r.low : 0, r.high > 0 ? r.high : 0};
}

/// Hands each f32 value to a calibrator of its own.
template <calibrator C> class calibrating_observer final : public value_observer {
public:
  calibrating_observer(plan_view const& plan, C const& each)
      : plan_(plan), at_(static_cast<std::size_t>(plan.node_count), -1) {
    each_observed(plan, [&](node const& n, int id) {
      at_[static_cast<std::size_t>(id)] = static_cast<int>(seen_.size());
      seen_.push_back({.name = text_of(n), .what = shown(n)});
      calibrators_.push_back(each);
    });
  }
  std::vector<seen_value> const& values() const noexcept { return seen_; }

  value_ranges ranges() const {
    value_ranges all;
    for (std::size_t i = 0; i < seen_.size(); ++i) {
      seen_value const& s = seen_[i];
      if (s.finite == 0)
        calibration_fails(errc::bad_parameter, s, "there is no finite number: " + s.not_finite_text());
      IA_NN_TRY { all.add(s.name, range_of(s, calibrators_[i])); }
      IA_NN_CATCH(error const& e) {
        std::string_view const why = e.what();
        if (why.starts_with("ia_nn: calibration: "))
          throw_error(e.code(), std::string(without_head(why)));
        calibration_fails(e.code(), s, why);
      }
    }
    add_concats(all);
    return all;
  }

private:
  /// A concat that its parts write into has no step of its own. Its range holds theirs.
  void add_concats(value_ranges& all) const {
    for (int i = 0; i < plan_.node_count; ++i) {
      node const& n = plan_.nodes[i];
      if (n.kind != op::concat || n.type != value_type::f32 || at_[static_cast<std::size_t>(i)] >= 0)
        continue;
      value_range r;
      for (int const in : n.inputs)
        if (value_range const* const part = all.find(plan_.nodes[root(plan_.nodes, in)].name.view()))
          r.add(*part);
      all.add(n.name.view(), r);
    }
  }
  void see(written_value const& v) override {
    int const at = at_[static_cast<std::size_t>(v.id)];
    if (at < 0) return;
    std::span<f32 const> const x = gathered(v, store_);
    seen_value& s = seen_[static_cast<std::size_t>(at)];
    index_t const finite = s.finite;
    count_into(s, x);
    C& c = calibrators_[static_cast<std::size_t>(at)];
    if constexpr (requires { c.observe(x, v.columns); }) c.observe(x, v.columns);
    else if (s.finite - finite == v.size()) c.observe(x);
    else c.observe(only_finite(x));
  }
  std::span<f32 const> only_finite(std::span<f32 const> x) {
    finite_.clear();
    for (f32 const v : x)
      if (v >= -0x1.fffffep127F && v <= 0x1.fffffep127F) finite_.push_back(v);
    return finite_;
  }

  plan_view plan_;
  std::vector<int> at_; ///< of each node: its place in the lists, or -1
  std::vector<seen_value> seen_;
  std::vector<C> calibrators_;
  std::vector<f32> store_, finite_;
};

} // namespace detail
} // namespace graph
IA_NN_END

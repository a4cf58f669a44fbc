// SPDX-License-Identifier: Apache-2.0
//
// Two forms of one network side by side: f32 and 8 bits, f32 and bf16, fused and step by step.
//
//   network_comparison const c = compare(in_f32, in_bytes, images);
//   if (c.outputs[0].same_top < 0.99) std::cout << comparison_table(c);      // show/comparison.hpp
//
// Values are compared step by step, under the name of the layer whose result they are, so that the
// layer that loses most can be seen.
#pragma once

#include <ia_nn/graph/passes/fingerprint.hpp>
#include <ia_nn/graph/run/samples.hpp>
#include <ia_nn/graph/run/signal_noise.hpp>

#include <ia_nn/begin.hpp>
namespace graph {

/// Of all samples: what the second network has, against what the first one has.
struct value_difference : signal_noise {
  std::string name{}, what{};                                     ///< "conv1", "conv2d"
  value_type first = value_type::f32, second = value_type::f32; ///< how they are stored
};
struct output_difference : value_difference {
  double same_top = 0; ///< the share of rows that have their largest element at the same place
};
struct network_comparison {
  std::vector<value_difference> values{}; ///< that both write, in the order of the first network
  std::vector<output_difference> outputs{};
  index_t samples = 0;
};

namespace detail {

template <class T> void widen_rows(written_value const& v, f32* to) noexcept {
  auto const number = [&](T x) {
    if constexpr (std::same_as<T, f32>) return x;
    else if constexpr (std::same_as<T, bf16>) return static_cast<f32>(x);
    else return v.scaling.scale * static_cast<f32>(static_cast<s32>(x) - v.scaling.zero_point);
  };
  for (index_t r = 0; r < v.rows; ++r)
    for (index_t c = 0; c < v.columns; ++c) *to++ = number(v.row<T>(r)[c]);
}
/// The numbers that a value stands for. False for indices, which stand for none.
inline bool numbers_of(written_value const& v, std::vector<f32>& to) {
  to.resize(static_cast<std::size_t>(v.size()));
  switch (v.what.type) {
  case value_type::f32: widen_rows<f32>(v, to.data()); return true;
  case value_type::bf16: widen_rows<bf16>(v, to.data()); return true;
  case value_type::u8: widen_rows<u8>(v, to.data()); return true;
  case value_type::s8: widen_rows<s8>(v, to.data()); return true;
  case value_type::s32: break;
  }
  return false;
}

/// Keeps all values of one batch that steps write.
class keeping_observer final : public value_observer {
public:
  struct kept {
    std::string name, what;
    value_type type;
    std::vector<f32> numbers{};
    bool fresh = false;
  };
  std::vector<kept> const& all() const noexcept { return all_; }
  kept const* find(std::string const& name) const {
    auto const at = places_.find(name);
    return at != places_.end() && all_[at->second].fresh ? &all_[at->second] : nullptr;
  }
  void forget() noexcept {
    for (kept& k : all_) k.fresh = false;
  }

private:
  void see(written_value const& v) override {
    if (v.what.kind == op::input) return;
    auto const [at, is_new] = places_.emplace(text_of(v.what), all_.size());
    if (is_new) all_.push_back({text_of(v.what), shown(v.what), v.what.type});
    kept& k = all_[at->second];
    k.fresh = numbers_of(v, k.numbers);
  }
  std::vector<kept> all_;
  std::map<std::string, std::size_t> places_;
};

/// Compares what it sees with what was kept.
class comparing_observer final : public value_observer {
public:
  explicit comparing_observer(keeping_observer const& first) : first_(first) {}
  /// In the order of the first network.
  std::vector<value_difference> differences() const {
    std::vector<value_difference> all;
    for (keeping_observer::kept const& k : first_.all())
      if (auto const at = places_.find(k.name); at != places_.end()) all.push_back(at->second);
    return all;
  }

private:
  void see(written_value const& v) override {
    if (v.what.kind == op::input) return;
    std::string const name = text_of(v.what);
    keeping_observer::kept const* const right = first_.find(name);
    if (!right || static_cast<index_t>(right->numbers.size()) != v.size()) return;
    if (!numbers_of(v, numbers_)) return;
    value_difference& d = places_[name];
    if (d.name.empty()) {
      d.name = name, d.what = right->what;
      d.first = right->type, d.second = v.what.type;
    }
    for (std::size_t i = 0; i < numbers_.size(); ++i) d.add(right->numbers[i], numbers_[i]);
  }
  keeping_observer const& first_;
  std::map<std::string, value_difference> places_;
  std::vector<f32> numbers_;
};

inline void compare_rows(output_difference& d, f32 const* a, f32 const* b, index_t rows,
                         index_t columns, index_t& same) {
  for (index_t i = 0; i < rows * columns; ++i) d.add(a[i], b[i]);
  for (index_t r = 0; r < rows; ++r, a += columns, b += columns)
    same += std::max_element(a, a + columns) - a == std::max_element(b, b + columns) - b;
}

} // namespace detail

/// Runs both on all samples, in batches of as many as both take at once. The executor runs one after the other.
/// Errors: errc::bad_parameter and errc::bad_shape for samples that do not fit.
template <class Net, class Other, backend A, backend B, executor E = sequential>
network_comparison
compare(compiled<Net, A> const& first, compiled<Other, B> const& second,
        std::type_identity_t<detail::arguments<Net, detail::network_end::input>> in, E&& e = {}) {
  static_assert(fingerprint_of<Net>() == fingerprint_of<Other>(),
                "ia_nn: compare: the two networks have other layers, names or shapes");
  observed_network<Net, A> a(first);
  observed_network<Other, B> b(second);
  detail::keeping_observer kept;
  detail::comparing_observer seen(kept);
  network_comparison all;
  std::vector<index_t> same, rows;
  std::vector<int> const ends = detail::nodes_of(a.plan, op::output);
  for (int const id : ends) {
    output_difference d;
    d.name = detail::text_of(a.plan.nodes[id]), d.what = "output";
    all.outputs.push_back(d);
    same.push_back(0), rows.push_back(0);
  }
  detail::sample_list const samples("compare", a.plan, in.list());
  all.samples = samples.items();
  // Whole batches: parts of the two might have other items.
  samples.each_batch(min_of(a.most_at_once(), b.most_at_once()),
                     [&](index_t batch, std::span<source const> from) {
                       kept.forget();
                       a.run(batch, from, kept, e);
                       b.run(batch, from, seen, e);
                       for (std::size_t o = 0; o < ends.size(); ++o) {
                         dims const& s = a.plan.nodes[ends[o]].shape;
                         index_t const n = s.rows() * (s.dynamic() ? batch : 1);
                         detail::compare_rows(all.outputs[o], a.result(static_cast<int>(o)),
                                              b.result(static_cast<int>(o)), n, s.last(), same[o]);
                         rows[o] += n;
                       }
                     });
  for (std::size_t o = 0; o < ends.size(); ++o)
    all.outputs[o].same_top = static_cast<double>(same[o]) / static_cast<double>(rows[o]);
  all.values = seen.differences();
  return all;
}

} // namespace graph
IA_NN_END

// SPDX-License-Identifier: Apache-2.0
//
// Contexts: where the leaves of an expression find their values in a loop over elements that lie
// side by side. Leaf k has a pointer to the first element of the run.
//
//   unit_lanes   every leaf advances with the loop
//   step_lanes   some leaves stand still: they point to one register's worth of copies of one
//                element, so reading them is a load that always hits and the loop has no branch;
//                also the last lanes of any run
//
// What does not advance by exactly one element is copied: a stretched element once per run, a
// strided leaf (a transposed operand, every second column) in pieces of `gather_chunk` elements.
#pragma once

#include <ia_nn/arch/lanes.hpp>
#include <ia_nn/ops/expr_node.hpp>
#include <ia_nn/ops/expr_plan.hpp>

#include <ia_nn/begin.hpp>

namespace detail {

inline constexpr index_t gather_chunk = 256;

// Arrays cannot have zero elements, and an expression of scalars has no leaf.
constexpr int at_least_one(int n) noexcept { return n > 0 ? n : 1; }

/// The first elements of a run, and which leaves advance: mask -1 or 0.
template <int Leaves> struct run_pointers {
  void const* data[at_least_one(Leaves)];
  index_t mask[at_least_one(Leaves)];
};

template <int Leaves> struct unit_lanes {
  run_pointers<Leaves> const& p;
  index_t i;
  template <class V, int K, class Leaf> IA_NN_INLINE V leaf(Leaf const&) const noexcept {
    return V::load(static_cast<typename Leaf::value_type const*>(p.data[K]) + i);
  }
};
template <int Leaves, bool Whole = true> struct step_lanes {
  run_pointers<Leaves> const& p;
  index_t i;
  lanes<Whole> at{};
  template <class V, int K, class Leaf> IA_NN_INLINE V leaf(Leaf const&) const noexcept {
    return at.template load<V>(static_cast<typename Leaf::value_type const*>(p.data[K]) +
                               (i & p.mask[K]));
  }
};

/// The runs of one nest: sets up the pointers of a run, with copies where they are needed.
template <class V, class E> class leaf_runs {
public:
  static constexpr int leaves = E::leaves;

  /// `stride` are the byte strides of the leaves along the run.
  IA_NN_INLINE explicit leaf_runs(index_t const* stride, index_t const* element) noexcept {
    for (int k = 0; k < leaves; ++k) {
      stride_[k] = stride[k];
      bool const unit = stride[k] == element[k];
      pointers.mask[k] = stride[k] == 0 ? 0 : -1;
      all_unit_ = all_unit_ && unit;
      any_gather_ = any_gather_ || !(unit || stride[k] == 0);
    }
  }
  bool all_unit() const noexcept { return all_unit_; }
  bool any_gather() const noexcept { return any_gather_; }

  /// Points at elements [first, first + n) of the run that begins at `base`; n <= gather_chunk if
  /// any leaf is gathered. The copies of stretched elements are made for the first piece only.
  void point(E const& e, unsigned char const* const* base, index_t first, index_t n,
             bool fresh) noexcept {
    e.template each_leaf<0>([&](auto index, auto const& leaf) {
      using T = typename std::remove_cvref_t<decltype(leaf)>::value_type;
      constexpr int k = decltype(index)::value;
      T* const copy = reinterpret_cast<T*>(copies_[k]);
      if (stride_[k] == static_cast<index_t>(sizeof(T))) {
        pointers.data[k] = base[k] + first * stride_[k];
        return;
      }
      if (stride_[k] == 0) {
        if (fresh)
          for (int i = 0; i < V::size; ++i) copy[i] = *reinterpret_cast<T const*>(base[k]);
      } else {
        unsigned char const* from = base[k] + first * stride_[k];
        for (index_t i = 0; i < n; ++i, from += stride_[k])
          copy[i] = *reinterpret_cast<T const*>(from);
      }
      pointers.data[k] = copy;
    });
  }

  run_pointers<leaves> pointers;

private:
  static_assert(V::size <= gather_chunk);
  bool all_unit_ = true, any_gather_ = false;
  index_t stride_[at_least_one(leaves)];
  alignas(64) unsigned char copies_[at_least_one(leaves)][gather_chunk * sizeof(f32)];
};

} // namespace detail

IA_NN_END

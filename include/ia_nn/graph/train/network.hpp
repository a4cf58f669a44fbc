// SPDX-License-Identifier: Apache-2.0
//
// The form of a network that is trained, and the making of its kernels.
//
// Batch norms stay as they are, since their statistics are those of the batch; dropouts stay; PyTorch's
// order of the elements of images is kept by transpositions, so that weights are those of the file.
#pragma once

#include <ia_nn/graph/passes/differentiate.hpp>
#include <ia_nn/graph/passes/network.hpp>
#include <ia_nn/graph/train/kernel.hpp>

#include <array>

#include <ia_nn/begin.hpp>
namespace graph {

/// What is done to a network before it is differentiated.
constexpr void simplify_for_training(draft& d) {
  fold_constants(d);
  merge_concats(d);
  remove_dead(d);
  settle_orders(d, false);
}

namespace detail {

template <class Net> constexpr draft draft_for_training() {
  draft d = original<Net>.edit();
  if constexpr (requires { Net::pass(d); }) Net::pass(d);
  simplify_for_training(d);
  d.mistake = mistake_in_training(d);
  return d;
}
template <class Net> inline constexpr sentence mistake_in_training_of = draft_for_training<Net>().mistake;
template <class Net> constexpr int trained_count_of() {
  if constexpr (mistake_in_training_of<Net>.length > 0)
    static_assert(refuse<mistake_in_training_of<Net>>());
  return draft_for_training<Net>().count();
}
template <class Net> inline constexpr int trained_count = trained_count_of<Net>();

} // namespace detail

/// The nodes that are trained.
template <class Net>
inline constexpr auto trained = detail::frozen<detail::trained_count<Net>>(detail::draft_for_training<Net>());

namespace detail {

template <class Net, precision P, int Id> constexpr sentence missing_gradient_of() {
  node const& n = trained<Net>[Id];
  return say(about(n.kind->name, n.name),
             "there is no kernel that trains it in this precision: specialise ia_nn::graph::training_kernel");
}
template <class Net, precision P, int Id>
inline constexpr sentence missing_gradient = missing_gradient_of<Net, P, Id>();

/// How the kernel of each node is made; null for nodes without a task.
template <class Net, class Policy> class kernel_makers {
  static constexpr auto const& nodes = trained<Net>;
  static constexpr int count = trained_count<Net>;
  using table = std::array<make_function, static_cast<std::size_t>(count)>;

  template <int Begin, int End> static constexpr void list(table& to) {
    if constexpr (End - Begin > 1) {
      constexpr int middle = Begin + (End - Begin) / 2;
      list<Begin, middle>(to);
      list<middle, End>(to);
    } else if constexpr (End > Begin) {
      if constexpr (has_task(nodes, Begin)) {
        constexpr training_id id = training_id_of(nodes[Begin], Policy::usual);
        using kernel = training_kernel<id, typename Policy::kernels>;
        if constexpr (missing_training_kernel<kernel>)
          static_assert(refuse<missing_gradient<Net, Policy::usual, Begin>>());
        else to[Begin] = &make_training_kernel<kernel>;
      }
    }
  }

public:
  static constexpr table all = [] {
    table t{};
    list<0, count>(t);
    return t;
  }();
};

} // namespace detail
} // namespace graph
IA_NN_END

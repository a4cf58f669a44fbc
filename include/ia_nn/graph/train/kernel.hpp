// SPDX-License-Identifier: Apache-2.0
//
// What a kernel of a network in training is: a specialisation of
//
//   template <training_id K, isa::tag I>
//     requires(K.op == op::softmax.id)
//   struct training_kernel<K, native_kernels<I>> {
//     explicit training_kernel(training_layer const&);               at set-up: may throw
//     index_t reserve_bytes() const noexcept;                        forward to backward
//     index_t workspace_bytes() const noexcept;                      within one call
//     void forward(training_call const&) noexcept;
//     void backward(training_call const&) noexcept;
//   };
//
// derived from `plain_training`, which has no bytes of either kind. Products multiply f32 or bf16, as K says;
// everything else is f32. What the gradient reads stands in the operator's row: sources and the result are
// there in `backward` if it says so.
#pragma once

#include <ia_nn/core/any_executor.hpp>
#include <ia_nn/graph/ir/text.hpp>
#include <ia_nn/graph/kernels/backend.hpp>
#include <ia_nn/graph/layers/elementwise.hpp>
#include <ia_nn/train/gradient.hpp>
#include <ia_nn/train/table_rows.hpp>

#include <memory>

#include <ia_nn/begin.hpp>
namespace graph {

/// Which kernel a node needs: `variant` is the function of an activation, else that of the operator's row.
struct training_id {
  std::uint32_t op;
  int variant;
  precision multiplies;
  friend constexpr bool operator==(training_id const&, training_id const&) = default;
};
/// `usual`: what layers multiply that do not say.
constexpr training_id training_id_of(node const& n, precision usual) {
  precision const said = n.attributes.precision;
  return {n.kind->id, n.kind == op::activation ? static_cast<int>(n.attributes.act) : n.kind->variant(n),
          !n.kind->multiplies            ? precision::f32
          : said == precision::of_net ? usual
                                      : said};
}

/// Each layer has random numbers of its own.
constexpr std::uint64_t seed_of_layer(std::uint64_t seed, int id) noexcept {
  return seed + 0x9e3779b97f4a7c15U * static_cast<std::uint64_t>(id);
}

/// What a kernel is made from: a node of the network, for batches of at most `batch` items.
struct training_layer {
  node const* nodes;
  node const& layer;
  index_t batch;
  int workers;
  std::uint64_t seed;

  attribute_set const& attributes() const noexcept { return layer.attributes; }
  dims const& source(int k = 0) const noexcept { return nodes[layer.inputs[k]].shape; }
  /// By which the size of a shape is multiplied: its batch may be open.
  index_t items(dims const& s) const noexcept { return s.dynamic() ? batch : 1; }
  index_t rows(dims const& s) const noexcept { return s.rows() * items(s); }
  /// The extent of axis 0.
  index_t images(dims const& s) const noexcept { return s.dynamic() ? batch : s[0]; }
  std::string who() const { return detail::who(layer); }
};

/// One forward or backward. Pointers are null where there is nothing.
struct training_call {
  training_layer const& of; ///< its batch is that of the call
  any_executor* executor;
  workspace_view scratch;
  std::byte* reserve;
  std::uint64_t round; ///< number of the step, and of the part of its batch: for random numbers
  bool again;          ///< a value that was dropped is made once more
  f32* result;
  f32* diff_result; ///< may be what diff_sources[0] writes
  void const* sources[max_inputs];
  gradient diff_sources[max_inputs];
  node const* in_front; ///< a relu or clip whose slope the first gradient is multiplied by, or null
  f32* const* weights; ///< in the order of the operator's row
  gradient const* diff_weights;
  table_rows* named; ///< rows of a table, whose gradient is 0 elsewhere and then stays it; null: all rows are written

  template <class T = f32> T const* source(int k = 0) const noexcept {
    return static_cast<T const*>(sources[k]);
  }
  dims const& shape() const noexcept { return of.layer.shape; }
  index_t rows() const noexcept { return of.rows(shape()); }
  index_t size() const noexcept { return rows() * shape().last(); }
  index_t images() const noexcept { return of.images(shape()); }
};

struct plain_training {
  static constexpr index_t reserve_bytes() noexcept { return 0; }
  static constexpr index_t workspace_bytes() noexcept { return 0; }
};

/// `missing` marks what has no specialisation.
template <training_id K, class Kernels> struct training_kernel {
  static constexpr bool missing = true;
};

namespace detail {
template <class K>
concept missing_training_kernel = requires { K::missing; };

/// Any of them.
class any_training_kernel {
public:
  virtual ~any_training_kernel() = default;
  virtual index_t reserve_bytes() const noexcept = 0;
  virtual index_t workspace_bytes() const noexcept = 0;
  virtual void forward(training_call const&) noexcept = 0;
  virtual void backward(training_call const&) noexcept = 0;
};
template <class K> class training_kernel_of final : public any_training_kernel {
public:
  explicit training_kernel_of(training_layer const& l) : kernel_(l) {}
  index_t reserve_bytes() const noexcept override { return kernel_.reserve_bytes(); }
  index_t workspace_bytes() const noexcept override { return kernel_.workspace_bytes(); }
  void forward(training_call const& c) noexcept override { kernel_.forward(c); }
  void backward(training_call const& c) noexcept override { kernel_.backward(c); }

private:
  K kernel_;
};

using make_function = std::unique_ptr<any_training_kernel> (*)(training_layer const&);
template <class K> std::unique_ptr<any_training_kernel> make_training_kernel(training_layer const& l) {
  return std::make_unique<training_kernel_of<K>>(l);
}
} // namespace detail

} // namespace graph
IA_NN_END

// SPDX-License-Identifier: Apache-2.0
//
// The policy of networks whose layers oneDNN computes where it has fast code for them, and the kernels
// of this library elsewhere:
//
//   graph::compiled<my_net, graph::onednn<>> const net(weights);
//
//   struct some : graph::onednn<> {                       // a choice of layers
//     static constexpr graph::layer_choice layers{.except = {"fc", "max_pool"}};
//   };
//
// The kernels are in onednn/backend.hpp.
#pragma once

#include <ia_nn/graph/kernels/backend.hpp>

#include <ia_nn/begin.hpp>
namespace graph {

/// The steps that oneDNN computes. What it lacks, also a shape or types that it has reference loops
/// for only, is found at set-up and computed by this library.
template <isa::tag I> struct onednn_kernels {
  using isa_type = I;
  using fallback = native_kernels<I>;
  static constexpr char const* name = "onednn";
};

namespace detail {
#if __has_include(<oneapi/dnnl/dnnl.hpp>) && !defined(IA_NN_NO_ONEDNN)
template <class> inline constexpr bool has_onednn = true;
#else
template <class> inline constexpr bool has_onednn = false;
#endif
} // namespace detail

/// I and Precision: those of `native`. oneDNN itself chooses instructions by the CPU that it finds.
template <isa::tag I = isa::native, class Precision = f32> struct onednn : native<I, Precision> {
  static_assert(detail::has_onednn<I>,
                "ia_nn: onednn: the compiler does not find <oneapi/dnnl/dnnl.hpp>: install oneDNN with its "
                "headers (libdnnl-dev of Debian) and link ia_nn::onednn, or use graph::native");
  using kernels = onednn_kernels<I>;
};

} // namespace graph
IA_NN_END

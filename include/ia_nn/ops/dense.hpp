// SPDX-License-Identifier: Apache-2.0
//
// A fully connected layer: dst = stages(src * weights + bias), weights packed once.
#pragma once

#include <ia_nn/gemm/matmul.hpp>
#include <ia_nn/gemm/stages.hpp>

#include <ia_nn/begin.hpp>

/// Limits of the calls that a layer will see.
struct dense_options {
  index_t max_rows = 1; ///< rows of the largest batch
  int workers = 1;      ///< concurrency of the executor
};

/// src (m, k) f32 or bf16; weights (k, n) f32, bf16 or s8 (with scales); dst (m, n). m may vary from
/// call to call, up to max_rows.
///
/// Errors at construction: those of `gemm` and `packed_matrix`, and errc::bad_shape if the bias does
/// not have n elements. `run` is const and noexcept and allocates nothing; concurrent calls need a
/// workspace each.
template <isa::tag I, element A, element B, element C, class Policy = standard, index_t N = dyn,
          index_t K = dyn>
class dense {
public:
  using plan_type = gemm<I, A, B, C, Policy, dyn, N, K>;
  using weights = typename plan_type::weights;

  /// Takes over packed weights; `bias` has n elements, or is null for none.
  dense(weights w, f32 const* bias, dense_options const& o)
      : plan_(o.max_rows, w.n(), w.k(), o.workers), weights_(static_cast<weights&&>(w)),
        bias_(weights_.n()) {
    plan_.check_weights(weights_);
    if (bias)
      for (index_t i = 0; i < weights_.n(); ++i) bias_[i] = bias[i];
  }

  /// Packs weights (k, n) of any strides.
  template <class W, class Bias>
    requires(!detail::is_packed<W>)
  dense(W const& w, Bias const& bias, dense_options const& o)
      : dense(pack(detail::view_of(w)), check_bias(w, bias), o) {}

  index_t k() const noexcept { return plan_.k(); }
  index_t n() const noexcept { return plan_.n(); }
  index_t workspace_bytes() const noexcept { return plan_.workspace_bytes(); }
  weights const& packed() const noexcept { return weights_; }

  /// dst (m, n) = epilogue(src (m, k) * weights + bias): one stage, or a chain of them.
  template <class Src, class Dst, class Epilogue, executor E = sequential>
  void run(Src const& src_in, Dst&& dst_in, Epilogue const& epilogue, workspace_view scratch,
           E&& e = {}) const noexcept {
    auto const src = detail::view_of(src_in);
    auto const dst = detail::view_of(dst_in);
    using Sv = std::remove_cvref_t<decltype(src)>;
    using Dv = std::remove_cvref_t<decltype(dst)>;
    static_assert(may_equal(Sv::shape_type::static_extent(1), K),
                  "ia_nn: dense: columns of src and rows of the weights differ");
    static_assert(may_equal(Dv::shape_type::static_extent(1), N),
                  "ia_nn: dense: dst and the weights have different numbers of columns");
    IA_NN_REQUIRE(src.extent(1) == k() && dst.extent(1) == n() && src.extent(0) == dst.extent(0),
                  "dense: src is (", src.extent(0), ", ", src.extent(1), "), dst (", dst.extent(0),
                  ", ", dst.extent(1), "), the weights are (", k(), ", ", n(), ")");
    IA_NN_ASSERT(dst.stride(1) == 1 || n() == 1, "dense: columns of dst must be contiguous");
    plan_.with_rows(src.extent(0))
        .run({src.data(), src.stride(0), src.stride(1)}, weights_, dst.data(), dst.stride(0),
             chain{add_bias{bias_.data()}, epilogue}, scratch, e);
  }
  /// Without stages behind the bias.
  template <class Src, class Dst, executor E = sequential>
  void run(Src const& src, Dst&& dst, workspace_view scratch, E&& e = {}) const noexcept {
    run(src, dst, chain<>{}, scratch, e);
  }

private:
  template <class V> static weights pack(V const& w) {
    static_assert(V::rank == 2, "ia_nn: dense: the weights must be a matrix (k, n)");
    static_assert(!weights::form.scaled,
                  "ia_nn: dense: with the policy grouped, give weights that are packed with scales");
    return weights(w);
  }
  template <class W, class Bias> static f32 const* check_bias(W const& w, Bias const& bias) {
    if (static_cast<index_t>(bias.size()) != detail::view_of(w).extent(1))
      throw_error(errc::bad_shape, "dense: the bias has " + std::to_string(bias.size()) +
                                       " elements, the weights " +
                                       std::to_string(detail::view_of(w).extent(1)) + " columns");
    return bias.data();
  }

  plan_type plan_;
  weights weights_;
  aligned_array<f32> bias_;
};

namespace detail {
template <class W> using weight_element = typename W::value_type;
}
template <class W, class Bias>
dense(W const&, Bias const&, dense_options)
    -> dense<isa::native, std::conditional_t<std::same_as<detail::weight_element<W>, s8>, f32,
                                             detail::weight_element<W>>,
             detail::weight_element<W>, f32, standard, W::shape_type::static_extent(1),
             W::shape_type::static_extent(0)>;

IA_NN_END

// SPDX-License-Identifier: Apache-2.0
//
// Who computes: the Policy of `compiled`. A backend says for which kernels it has specialisations
// (Kernels of kernels/kernel.hpp), on which instruction set what is around them runs, and what layers
// multiply that do not say.
#pragma once

#include <ia_nn/arch/vec.hpp>
#include <ia_nn/graph/ir/quantize_rules.hpp>
#include <ia_nn/graph/passes/quantize.hpp>

#include <concepts>

#include <ia_nn/begin.hpp>
namespace graph {

/// A set of kernels: `name` for tables, and optionally `fallback`, the set that has what it lacks.
template <class K>
concept kernel_set = requires {
  typename K::isa_type;
  { K::name } -> std::convertible_to<char const*>;
} && isa::tag<typename K::isa_type>;

template <class B>
concept backend = requires {
  typename B::kernels;
  { B::usual } -> std::convertible_to<precision>;
} && kernel_set<typename B::kernels>;

/// Which layers a backend computes that leaves others to the kernels that it falls back to: names of
/// layers, and of operators for all of a kind ("dense", "max_pool"). The name of a step is that of its
/// layer, not of a function behind it.
struct layer_choice {
  name_list only{};   ///< if there are any: no others
  name_list except{};
};

/// A Policy that says `static constexpr layer_choice layers{...}`.
template <class B>
concept chooses_layers = backend<B> && requires {
  { B::layers } -> std::convertible_to<layer_choice const&>;
  typename B::kernels::fallback;
};

/// The kernels of this library for the instruction set I.
template <isa::tag I> struct native_kernels {
  using isa_type = I;
  static constexpr char const* name = "native";
};

namespace detail {

/// f32 takes registers, bf16 instructions of its own where there are such, terms of bf16 tiles: what an
/// instruction set has beside is nothing to a kernel, which has the code of the set below.
template <isa::tag I> using isa_of_f32 = typename ::ia_nn::detail::vec_tag<I>::type;
template <isa::tag I>
using isa_of_bf16 = std::conditional_t<isa::has<I, isa::avx512_bf16>, I, isa_of_f32<I>>;
/// Of bytes: tiles, or the instructions that multiply them, where there are such.
template <isa::tag I>
using isa_of_bytes = std::conditional_t<
    isa::has<I, isa::amx>, isa::amx,
    std::conditional_t<isa::has<I, isa::avx512_vnni>, isa::avx512_vnni,
                       std::conditional_t<isa::has<I, isa::avx2_vnni>, isa::avx2_vnni, isa_of_f32<I>>>>;
template <isa::tag I, precision P>
using isa_of_product = std::conditional_t<
    has_byte_products(P), isa_of_bytes<I>,
    std::conditional_t<P == precision::bf16 || ((P == precision::bf16_terms2 ||
                                                 P == precision::bf16_terms3) &&
                                                isa::has<I, isa::amx>),
                       isa_of_bf16<I>, isa_of_f32<I>>>;

} // namespace detail

/// The precision of a network whose layers find their scales while they run: precision::dynamic_s8.
struct dynamic_s8 {};

/// Kernels of this library for instruction set I. Precision bf16: convolutions, dense and recurrent
/// layers round their source and weights to bf16 and add in f32, unless the layer says otherwise,
/// and values between steps are bf16 where that is possible (passes/precision.hpp). Precision s8: layers
/// with weights multiply bytes, see passes/quantize.hpp; the ranges of values are in compile_options.
/// Precision dynamic_s8: layers with weights multiply bytes, values between steps are f32.
template <isa::tag I = isa::native, class Precision = f32> struct native {
  static_assert(std::same_as<Precision, f32> || std::same_as<Precision, bf16> ||
                    std::same_as<Precision, s8> || std::same_as<Precision, dynamic_s8>,
                "ia_nn: native: the precision of a network is f32, bf16, s8 or dynamic_s8");
  using kernels = native_kernels<I>;
  static constexpr precision usual = std::same_as<Precision, bf16>         ? precision::bf16
                                     : std::same_as<Precision, s8>         ? precision::s8
                                     : std::same_as<Precision, dynamic_s8> ? precision::dynamic_s8
                                                                           : precision::f32;
};

namespace detail {

/// What is wrong with the choice of a backend, or nothing. `d`: nodes of the network as written.
template <class Nodes> constexpr sentence mistake_in(layer_choice const& c, Nodes const& d) {
  for (name_list const* const names : {&c.only, &c.except}) {
    sentence const begin(names == &c.only ? "ia_nn: network: .only of the backend "
                                          : "ia_nn: network: .except of the backend ");
    if (names->cut) return say(begin, "has more than ", max_in_float, " names");
    for (label const& l : *names) {
      bool found = false;
      for (int i = 0; i < d.count() && !found; ++i) found = is_named(l, d[i]);
      if (!found)
        return say(begin, "names '", l.view(), "', which is no layer and no kind of layer of it");
    }
  }
  return {};
}

template <class Policy> constexpr bool takes(node const& n) {
  if constexpr (chooses_layers<Policy>) {
    constexpr layer_choice const& c = Policy::layers;
    return (c.only.count == 0 || is_named(c.only, n)) && !is_named(c.except, n);
  } else return true;
}
template <class Policy, bool Taken> struct kernels_for {
  using type = typename Policy::kernels;
};
template <class Policy> struct kernels_for<Policy, false> {
  using type = typename Policy::kernels::fallback;
};

} // namespace detail

} // namespace graph
IA_NN_END

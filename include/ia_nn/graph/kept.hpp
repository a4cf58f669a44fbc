// SPDX-License-Identifier: Apache-2.0
//
// What a network keeps for its steps: a list for each kernel that it uses.
#pragma once

#include <ia_nn/graph/layers_run.hpp>
#include <ia_nn/ops/embedding.hpp>
#include <ia_nn/ops/group_norm.hpp>
#include <ia_nn/ops/layer_norm.hpp>
#include <ia_nn/ops/lrn.hpp>
#include <ia_nn/ops/move.hpp>
#include <ia_nn/ops/pad.hpp>
#include <ia_nn/ops/pool.hpp>
#include <ia_nn/ops/softmax.hpp>

#include <utility>

#include <ia_nn/begin.hpp>
namespace graph {
namespace detail {

struct nothing {};
/// For kernels of the instruction set I: see kept_type.
template <kernel K, isa::tag I> struct kept_on {
  using type = nothing;
};
template <isa::tag I> struct kept_on<kernel::conv, I> {
  using type = held_conv<::ia_nn::conv<I, f32, f32, f32>, f32>;
};
template <isa::tag I> struct kept_on<kernel::conv_bf16, I> {
  using type = held_conv<::ia_nn::conv<I, bf16, bf16, f32>, bf16>;
};
template <isa::tag I> struct kept_on<kernel::deconv, I> {
  using type = held_conv<::ia_nn::deconv<I, f32, f32, f32>, f32>;
};
template <isa::tag I> struct kept_on<kernel::deconv_bf16, I> {
  using type = held_conv<::ia_nn::deconv<I, bf16, bf16, f32>, bf16>;
};
template <isa::tag I> struct kept_on<kernel::pair, I> {
  using type = held_pair<I, f32>;
};
template <isa::tag I> struct kept_on<kernel::pair_bf16, I> {
  using type = held_pair<I, bf16>;
};
template <isa::tag I> struct kept_on<kernel::dense, I> {
  using type = held_dense<I, f32, standard>;
};
template <isa::tag I> struct kept_on<kernel::dense_bf16, I> {
  using type = held_dense<I, bf16, standard>;
};
template <isa::tag I> struct kept_on<kernel::dense_parts2, I> {
  using type = held_dense<I, f32, bf16_parts<2>>;
};
template <isa::tag I> struct kept_on<kernel::dense_parts3, I> {
  using type = held_dense<I, f32, bf16_parts<3>>;
};
template <isa::tag I> struct kept_on<kernel::pool, I> {
  using type = ::ia_nn::pool<I, f32>;
};
template <isa::tag I> struct kept_on<kernel::softmax, I> {
  using type = ::ia_nn::softmax<I>;
};
template <isa::tag I> struct kept_on<kernel::layer_norm, I> {
  using type = ::ia_nn::layer_norm<I>;
};
template <isa::tag I> struct kept_on<kernel::group_norm, I> {
  using type = ::ia_nn::group_norm<I>;
};
template <isa::tag I> struct kept_on<kernel::lrn, I> {
  using type = ::ia_nn::lrn<I>;
};
template <isa::tag I> struct kept_on<kernel::embedding, I> {
  using type = ::ia_nn::embedding<f32>;
};
template <isa::tag I> struct kept_on<kernel::pad, I> {
  using type = held_move<::ia_nn::pad>;
};
template <isa::tag I> struct kept_on<kernel::move, I> {
  using type = held_move<strided_move<I>>;
};
template <isa::tag I> struct kept_on<kernel::lstm, I> {
  using type = held_rnn<::ia_nn::lstm, I>;
};
template <isa::tag I> struct kept_on<kernel::gru, I> {
  using type = held_rnn<::ia_nn::gru, I>;
};
template <isa::tag I> struct kept_on<kernel::gru_reset_before, I> {
  using type = held_rnn<::ia_nn::gru_reset_before, I>;
};
template <isa::tag I> struct kept_on<kernel::rnn_tanh, I> {
  using type = held_rnn<vanilla<>, I>;
};
template <isa::tag I> struct kept_on<kernel::rnn_relu, I> {
  using type = held_rnn<vanilla<activation::relu>, I>;
};

/// f32 takes registers, bf16 instructions of its own where there are such, terms of bf16 tiles. What
/// an instruction set has beside is nothing to a network: it shares the kernels of the one below.
template <isa::tag I> using isa_of_f32 = typename ::ia_nn::detail::vec_tag<I>::type;
template <isa::tag I>
using isa_of_network = std::conditional_t<isa::has<I, isa::avx512_bf16>, I, isa_of_f32<I>>;
template <kernel K, isa::tag I>
using isa_of_kernel = std::conditional_t<
    K == kernel::conv_bf16 || K == kernel::deconv_bf16 || K == kernel::pair_bf16 ||
        K == kernel::dense_bf16 ||
        ((K == kernel::dense_parts2 || K == kernel::dense_parts3) && isa::has<I, isa::amx>),
    I, isa_of_f32<I>>;
template <kernel K, isa::tag I> using kept_type = kept_on<K, isa_of_kernel<K, I>>;

template <kernel K, isa::tag I, bool Used> struct kept_list {
  using type = typename kept_type<K, I>::type;
  std::vector<type> list;
};
template <kernel K, isa::tag I> struct kept_list<K, I, false> {
  std::vector<nothing> list;
};

template <isa::tag I, std::uint64_t Kernels, class All> struct kept_lists;
template <isa::tag I, std::uint64_t Kernels, int... K>
struct kept_lists<I, Kernels, std::integer_sequence<int, K...>>
    : kept_list<static_cast<kernel>(K), I, (Kernels >> K & 1U) != 0>... {};

} // namespace detail
} // namespace graph
IA_NN_END

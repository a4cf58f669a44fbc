// SPDX-License-Identifier: Apache-2.0
//
// `using namespace ia_nn` in front of a network hides layers: in it dense(x, {...}) means the
// run-time class of this name, and functions are no longer found by their arguments. These guides
// for the arguments of a layer say so; `pad`, which is no template, has a constructor that does.
#pragma once

#include <ia_nn/arch/isa.hpp>
#include <ia_nn/core/hidden.hpp>
#include <ia_nn/graph/layers/attention.hpp>
#include <ia_nn/graph/layers/concat.hpp>
#include <ia_nn/graph/layers/conv.hpp>
#include <ia_nn/graph/layers/dense.hpp>
#include <ia_nn/graph/layers/embedding.hpp>
#include <ia_nn/graph/layers/move.hpp>
#include <ia_nn/graph/layers/norm.hpp>
#include <ia_nn/graph/layers/recurrent.hpp>
#include <ia_nn/graph/layers/rows.hpp>
#include <ia_nn/graph/layers/select.hpp>

#include <ia_nn/begin.hpp>

template <isa::tag I, element A, element B, element C, class Policy, index_t N, index_t K>
class dense;
template <isa::tag I> class batch_norm;
template <isa::tag I> class layer_norm;
template <isa::tag I> class group_norm;
template <isa::tag I> class instance_norm;
template <isa::tag I> class rms_norm;
template <isa::tag I, element E, element C> class attention;
template <isa::tag I> class cumulative_sum;
template <isa::tag I> class softmax;
template <isa::tag I> class lrn;
template <isa::tag I> class dropout;
template <isa::tag I> class concat;
template <element T> class embedding;
template <class Weights> class rnn;

template <detail::hidden_layer V>
dense(V, graph::dense_layer const&) -> dense<isa::scalar, f32, f32, f32, V, 1, 1>;
template <detail::hidden_layer V>
batch_norm(V, graph::norm_layer const& = {}) -> batch_norm<isa::scalar>;
template <detail::hidden_layer V>
layer_norm(V, graph::norm_layer const& = {}) -> layer_norm<isa::scalar>;
template <detail::hidden_layer V>
group_norm(V, graph::group_norm_layer const&) -> group_norm<isa::scalar>;
template <detail::hidden_layer V>
instance_norm(V, graph::norm_layer const& = {}) -> instance_norm<isa::scalar>;
template <detail::hidden_layer V>
rms_norm(V, graph::rms_norm_layer const& = {}) -> rms_norm<isa::scalar>;
template <detail::hidden_layer V>
attention(V, V, V, graph::attention_layer const& = {}) -> attention<isa::scalar, f32, f32>;
template <detail::hidden_layer V>
cumulative_sum(V, graph::cumulative_sum_layer const& = {}) -> cumulative_sum<isa::scalar>;
template <detail::hidden_layer V>
softmax(V, graph::named const& = {}) -> softmax<isa::scalar>;
template <detail::hidden_layer V> lrn(V, graph::lrn_layer const& = {}) -> lrn<isa::scalar>;
template <detail::hidden_layer V>
dropout(V, graph::dropout_layer const& = {}) -> dropout<isa::scalar>;
template <detail::hidden_layer V>
concat(std::initializer_list<V>, graph::concat_layer const& = {}) -> concat<isa::scalar>;
template <detail::hidden_layer V> embedding(V, graph::embedding_layer const&) -> embedding<f32>;
template <detail::hidden_layer V> rnn(V, graph::rnn_layer const&) -> rnn<V>;

IA_NN_END

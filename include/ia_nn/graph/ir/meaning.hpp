// SPDX-License-Identifier: Apache-2.0
//
// What a value stands for, and in which order a reshape counts its elements.
//
// Channels are last in memory. PyTorch's tensors of images have them second, and its flatten and
// reshape count elements in that order; those of PyTorch's sequences, (batch, time, features), lie
// as they do here. So a network from PyTorch needs to know which of the two a value is:
//
//   image    what convolutions and pools give, and inputs of 4 and 5 extents or with channels first
//   rows     what recurrent layers, embeddings and dense layers give; (batch, columns); what a
//            transpose gives that puts another axis last
//   either   an input of 3 extents; a dense layer of an image (PyTorch's Linear needs a permute,
//            and perhaps another one behind it); an image whose reshape to 3 extents keeps the
//            channels
//   shaped   what a reshape makes of 3 extents: it is laid out as rows
//
// Everything else gives what it reads. A reshape
//
//   that keeps the channels           (batch, h, w, c) to (batch, h w, c): moves nothing
//   of an image                       counts (channels, ...)
//   of rows                           counts as they lie
//   to 4 and 5 extents                makes an image: (batch, k) to (batch, h, w, c) is PyTorch's
//                                     view(batch, c, h, w)
//   .order = order::channels_first    takes source and result for images
//   .order = order::channels_last     counts elements as they lie, as Keras does
//
// and where that leaves two answers, it must say .order.
#pragma once

#include <ia_nn/graph/ir/sentences.hpp>

#include <ia_nn/begin.hpp>
namespace graph {
namespace detail {

/// One channel, or one row for each item: both orders are one.
constexpr bool one_order(dims const& s) {
  return s.rank < 3 || s.last() == 1 || s.item() == s.last();
}
constexpr meaning meaning_of_input(node const& n) {
  if (n.type == value_type::s32 || n.shape.rank < 3) return meaning::rows; // indices have no channels
  return n.shape.rank == 3 ? meaning::either : meaning::image;
}

constexpr sentence must_say_order(subject const& who, dims const& x) {
  return say(who, "input ", x, " comes from a reshape, which must say .order: ",
             "order::channels_first to make an image, order::channels_last to make rows");
}

} // namespace detail

namespace rules { // for operator_row::meaning
using detail::subject, detail::one_order, detail::must_say_order;

/// What several values side by side, or element by element, stand for.
constexpr sentence means_what_all_do(node& n, node_inputs in, subject const& who) {
  bool found = false, any = false;
  for (int i = 0; i < n.inputs.count; ++i) any = any || !one_order(in[i]->shape);
  for (int i = 0; i < n.inputs.count; ++i) {
    node const& x = *in[i];
    if (any && one_order(x.shape)) continue; // it has no say where others have
    meaning const m = x.meaning;
    if (!found || m == n.meaning) n.meaning = m;
    else if (m != meaning::shaped && n.meaning != meaning::shaped) n.meaning = meaning::either;
    else if (m == meaning::rows || n.meaning == meaning::rows) n.meaning = meaning::rows;
    else if (!any) n.meaning = meaning::either;
    else return must_say_order(who, x.shape);
    found = true;
  }
  return {};
}

/// Of windows on images: what is read must be one.
constexpr sentence means_image(node& n, node_inputs in, subject const& who) {
  n.meaning = meaning::image;
  bool const unclear = in[0]->meaning == meaning::shaped && !one_order(in[0]->shape);
  return unclear ? must_say_order(who, in[0]->shape) : sentence{};
}
/// Of norms over the channels of an image, or of rows.
constexpr sentence means_clear_source(node& n, node_inputs in, subject const& who) {
  n.meaning = in[0]->meaning;
  bool const unclear = n.meaning == meaning::shaped && !one_order(in[0]->shape);
  return unclear ? must_say_order(who, in[0]->shape) : sentence{};
}
constexpr sentence means_rows(node& n, node_inputs, subject const&) {
  n.meaning = meaning::rows;
  return {};
}

} // namespace rules
} // namespace graph
IA_NN_END

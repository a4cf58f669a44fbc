// SPDX-License-Identifier: Apache-2.0
//
// What a value stands for, and in which order a reshape counts its elements.
//
// Channels are last in memory. PyTorch's tensors of images have them second, and its flatten and
// reshape count elements in that order; those of PyTorch's sequences, (batch, time, features), lie
// as they do here. So a network from PyTorch needs to know which of the two a value is:
//
//   image    what convolutions and pools give, and inputs of 4 and 5 extents
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

#include <ia_nn/graph/sentences.hpp>

#include <ia_nn/begin.hpp>
namespace graph {
namespace detail {

/// One channel, or one row for each item: both orders are one.
constexpr bool one_order(dims const& s) {
  return s.rank < 3 || s.last() == 1 || s.item() == s.last();
}
constexpr meaning meaning_of_input(node const& n) {
  if (n.type == dtype::s32 || n.shape.rank < 3) return meaning::rows; // indices have no channels
  return n.shape.rank == 3 ? meaning::either : meaning::image;
}

constexpr sentence must_say_order(subject const& who, dims const& x) {
  return say(who, "input ", x, " comes from a reshape, which must say .order: ",
             "order::channels_first to make an image, order::channels_last to make rows");
}

/// What several values side by side, or element by element, stand for.
constexpr sentence infer_common_meaning(node& n, node const* const* in, subject const& who) {
  bool found = false, any = false;
  for (int i = 0; i < n.inputs.count; ++i) any = any || !one_order(in[i]->shape);
  for (int i = 0; i < n.inputs.count; ++i) {
    node const& x = *in[i];
    if (any && one_order(x.shape)) continue; // it has no say where others have
    meaning const m = x.means;
    if (!found || m == n.means) n.means = m;
    else if (m != meaning::shaped && n.means != meaning::shaped) n.means = meaning::either;
    else if (m == meaning::rows || n.means == meaning::rows) n.means = meaning::rows;
    else if (!any) n.means = meaning::either;
    else return must_say_order(who, x.shape);
    found = true;
  }
  return {};
}

constexpr sentence infer_reshape_order(node& n, node const& x, subject const& who) {
  order& reads = n.with.reads;
  order& writes = n.with.writes;
  order const said = reads;
  int const rank = n.shape.rank;
  bool const source = !one_order(x.shape), result = !one_order(n.shape);
  bool const kept = x.shape.rank > 2 && rank > 2 && x.shape.last() == n.shape.last();
  if (x.type == dtype::s32) { // indices have no channels
    reads = writes = order::channels_last;
    n.means = meaning::rows;
    return {};
  }
  if (said != order::of_value) {
    reads = source && !kept ? said : order::channels_last;
    writes = result && !kept ? said : order::channels_last;
    n.means = rank < 3                        ? meaning::rows
              : said == order::channels_first ? meaning::image
              : rank == 3                     ? meaning::rows
                                              : meaning::either;
    return {};
  }
  reads = writes = order::channels_last;
  if (kept) {
    if (source && x.means == meaning::shaped && rank > 3) return must_say_order(who, x.shape);
    bool const same = (x.shape.rank > 3) == (rank > 3);
    n.means = same ? x.means : x.means == meaning::image && rank > 3 ? meaning::image
                           : x.means == meaning::rows && rank == 3   ? meaning::rows
                                                                     : meaning::either;
    return {};
  }
  if (source) {
    if (x.means == meaning::either)
      return say(who, "input ", x.shape, " may be an image or rows: say .order = ",
                 "order::channels_first to count the channels of an image first, as PyTorch does, ",
                 "or order::channels_last to count elements as they lie");
    if (x.means == meaning::image && result && rank == 3)
      return say(who, "image ", x.shape, " to ", n.shape, ": say .order = order::channels_first ",
                 "for an image of ", n.shape.last(), " channels, order::channels_last to count ",
                 "elements as they lie; for rows in PyTorch's order flatten first");
    if (x.means == meaning::image) reads = order::channels_first;
  }
  if (result && rank > 3) writes = order::channels_first;
  n.means = rank < 3 ? meaning::rows : rank > 3 ? meaning::image : meaning::shaped;
  return {};
}

constexpr sentence infer_meaning(node& n, node const* const* in, subject const& who) {
  meaning const x = n.inputs.count > 0 ? in[0]->means : meaning::rows;
  bool const unclear = x == meaning::shaped && !one_order(in[0]->shape);
  switch (n.kind) {
  case op::input:
  case op::constant:
    return {}; // their functions say it
  case op::conv:
  case op::deconv:
  case op::max_pool:
  case op::average_pool:
    n.means = meaning::image;
    return unclear ? must_say_order(who, in[0]->shape) : sentence{};
  case op::batch_norm:
  case op::group_norm:
  case op::lrn:
    n.means = x;
    return unclear ? must_say_order(who, in[0]->shape) : sentence{};
  case op::dense:
    n.means = x == meaning::image && n.shape.rank > 2 ? meaning::either : meaning::rows;
    return {};
  case op::embedding:
  case op::lstm:
  case op::gru:
  case op::rnn:
    n.means = meaning::rows;
    return {};
  case op::transpose: {
    int const last = n.shape.rank - 1;
    n.means = n.with.before[last] == last ? x : meaning::rows;
    return {};
  }
  case op::reshape:
    return infer_reshape_order(n, *in[0], who);
  case op::concat:
    return infer_common_meaning(n, in, who);
  case op::custom: {
    int const rank = n.shape.rank;
    n.means = n.inputs.count > 0 && in[0]->shape.rank == rank ? x
              : rank > 3                                      ? meaning::image
              : rank == 3                                     ? meaning::either
                                                              : meaning::rows;
    return {};
  }
  default:
    if (!is_binary(n.kind)) {
      n.means = x;
      return {};
    }
    // A repeated operand has no say.
    for (int i = 0; i < 2; ++i)
      if (!(in[i]->shape == n.shape)) {
        n.means = in[1 - i]->means;
        return {};
      }
    return infer_common_meaning(n, in, who);
  }
}

} // namespace detail
} // namespace graph
IA_NN_END

// SPDX-License-Identifier: Apache-2.0
//
// Set-up of a network: weights are read by name, batch norms folded into them, everything packed
// once, and scratch memory counted.
#pragma once

#include <ia_nn/graph/kept.hpp>
#include <ia_nn/graph/text.hpp>
#include <ia_nn/graph/weights.hpp>
#include <ia_nn/ops/batch_norm.hpp>

#include <array>

#include <ia_nn/begin.hpp>
namespace graph {

struct compile_options {
  index_t max_batch = 1; ///< of a network with an open batch
  int workers = 1;       ///< concurrency of the executor
  bool allow_unknown_weights = false;
};

namespace detail {

/// What is known of a step while it is loaded.
struct loading {
  int number;
  step const& s;
  node const& n;  ///< of the kernel
  dims x;         ///< shape of its first input
  int batch_norm; ///< the node folded into the weights, or none
  std::string name, layer;
  index_t batch; ///< the largest

  index_t units() const { return n.with.units; }
  index_t items() const { return x.dynamic() ? batch : 1; }
};

/// What a network keeps. Kernels: plan_view::kernels.
template <isa::tag I, std::uint64_t Kernels>
class loaded
    : kept_lists<I, Kernels, std::make_integer_sequence<int, static_cast<int>(kernel::none)>> {
public:
  using isa_type = I;

  plan_view plan;
  index_t max_batch = 1;
  int workers = 1;
  index_t scratch_bytes = 0;
  std::vector<std::array<stage_data, max_stages>> stages; ///< of each step
  std::vector<int> slot;                                  ///< of each step, in the list of its kernel

  template <kernel K> auto const& kept() const noexcept {
    return kept_list<K, I, has(K)>::list;
  }
  /// Scratch memory of a member of a group that begins with step `first`.
  workspace_view share(workspace_view all, int first, int member) const noexcept {
    std::size_t const i = static_cast<std::size_t>(first + member);
    return {all.data + offset_[i], scratch_[i]};
  }

  template <weights_source W>
  loaded(plan_view const& p, W const& weights, compile_options const& o) : plan(p) {
    std::size_t const n = static_cast<std::size_t>(p.count);
    stages.resize(n), slot.resize(n), scratch_.resize(n), offset_.resize(n);
    if (o.max_batch < 1 || o.workers < 1)
      throw_error(errc::bad_parameter, "network: max_batch is " + std::to_string(o.max_batch) +
                                           " and workers " + std::to_string(o.workers) +
                                           ", both must be at least 1");
    max_batch = p.open_batch() ? o.max_batch : p.batch_of_inputs();
    workers = o.workers;
    weight_reader<W> reader(weights);
    for (int i = 0; i < p.count; ++i) {
      load_stages(reader, i);
      load_kernel(reader, i, std::make_integer_sequence<int, static_cast<int>(kernel::none)>{});
    }
    if (!o.allow_unknown_weights)
      reader.finish([&](std::string const& name) { return was_removed(name); });
    for (int i = 0, first = 0; i < p.count; ++i) {
      std::size_t const at = static_cast<std::size_t>(i);
      if (plan.times[i] == i) first = i;
      offset_[at] = i == first ? 0 : offset_[at - 1] + scratch_[at - 1];
      scratch_bytes = max_of(scratch_bytes, offset_[at] + scratch_[at]);
    }
  }

private:
  static constexpr bool has(kernel k) { return (Kernels & bit(k)) != 0; }
  template <kernel K> auto& list() { return kept_list<K, I, has(K)>::list; }

  /// True for weights of layers that no output needs: they were written, and are gone.
  bool was_removed(std::string_view weight) const {
    std::size_t const dot = weight.rfind('.');
    std::string_view const layer = weight.substr(0, dot);
    bool was_there = false;
    for (int i = 0; i < plan.written_count; ++i)
      was_there = was_there ||
                  (has_weights(plan.written[i].kind) && plan.written[i].name.view() == layer);
    for (int k = 0; k < plan.node_count; ++k)
      if (plan.nodes[k].name.view() == layer) return false;
    return was_there && dot != weight.npos;
  }

  template <class R, int... K>
  void load_kernel(R& reader, int i, std::integer_sequence<int, K...>) {
    int const k = static_cast<int>(plan.kernel_at(i));
    step const& s = plan.steps[i];
    node const& n = plan.anchor(i);
    loading const l = what_is_known(i, n, s.batch_norm);
    ((k == K ? load_one<static_cast<kernel>(K)>(reader, l) : void()), ...);
  }
  loading what_is_known(int i, node const& n, int batch_norm) const {
    step const& s = plan.steps[i];
    dims const x = s.inputs.count > 0 ? plan.nodes[s.inputs[0]].shape : dims{};
    return {i, s, n, x, batch_norm, text_of(n), who(n), max_batch};
  }
  template <kernel K, class R> void load_one(R& reader, loading const& l) {
    if constexpr (has(K) && !std::same_as<typename kept_type<K, I>::type, nothing>) {
      std::size_t const i = static_cast<std::size_t>(l.number);
      if (!plan.stores(l.number)) return; // belongs to the lookup before it
      slot[i] = static_cast<int>(list<K>().size());
      if constexpr (K <= kernel::conv_bf16) load_conv<K>(reader, l);
      else if constexpr (K <= kernel::deconv_bf16) load_deconv<K>(reader, l);
      else if constexpr (K <= kernel::pair_bf16) load_pair<K>(reader, l);
      else if constexpr (K <= kernel::dense_parts3) load_dense<K>(reader, l);
      else if constexpr (K >= kernel::lstm && K <= kernel::rnn_relu) load_recurrent<K>(reader, l);
      else load_plain<K>(reader, l);
    }
  }

  // ---- layers with stages -----------------------------------------------------------------------

  template <class R> batch_norm_parameters norm_of(R& reader, int id, std::vector<f32>* store) {
    node const& n = plan.nodes[id];
    std::string const name = text_of(n), layer = who(n);
    std::vector<index_t> const shape{n.shape.last()};
    store[0] = reader.read(layer, name + ".running_mean", shape);
    store[1] = reader.read(layer, name + ".running_var", shape);
    if (n.with.affine) {
      store[2] = reader.read(layer, name + ".weight", shape);
      store[3] = reader.read(layer, name + ".bias", shape);
    }
    batch_norm_parameters const p{store[0], store[1], store[2], store[3], n.with.epsilon};
    p.check(layer.c_str(), n.shape.last());
    return p;
  }
  template <class R> void load_stages(R& reader, int i) {
    step const& s = plan.steps[i];
    for (int k = 0; k < s.stages.count; ++k) {
      stage const& g = s.stages[k];
      stage_data& to = stages[static_cast<std::size_t>(i)][static_cast<std::size_t>(k)];
      to = {g.kind, g.act, g.how, g.a, g.b};
      if (g.kind != stage_kind::batch_norm) continue;
      std::vector<f32> store[4];
      batch_norm_parameters const p = norm_of(reader, g.source, store);
      index_t const channels = plan.nodes[g.source].shape.last();
      std::vector<index_t> const order = column_order(g.source);
      aligned_array<f32> factors(channels), offsets(channels);
      for (index_t at = 0; at < channels; ++at) {
        index_t const c = order[static_cast<std::size_t>(at)];
        factors[at] = static_cast<f32>(p.factor(c));
        offsets[at] = static_cast<f32>(p.offset(c, 0.0));
      }
      to.p = keep(factors);
      to.q = keep(offsets);
    }
  }
  std::vector<index_t> column_order(int id) const {
    std::vector<index_t> order;
    append_column_order(plan.nodes, id, order);
    return order;
  }
  f32 const* keep(aligned_array<f32>& a) {
    arrays_.push_back(static_cast<aligned_array<f32>&&>(a));
    return arrays_.back().data(); // stays where it is when `arrays_` grows
  }

  /// The bias of a layer; its batch norm goes into bias and weights. Filter `f` of weight number i
  /// is filter(i).
  template <class R, class F>
  aligned_array<f32> fold(R& reader, loading const& l, std::vector<f32>& weights, F const& filter) {
    aligned_array<f32> bias(l.units());
    if (l.n.with.bias) {
      std::vector<f32> const b = reader.read(l.layer, l.name + ".bias", {l.units()});
      std::memcpy(bias.data(), b.data(), b.size() * sizeof(f32));
    }
    if (l.batch_norm < 0) return bias;
    std::vector<f32> store[4];
    fold_batch_norm(weights, {bias.data(), static_cast<std::size_t>(l.units())},
                    norm_of(reader, l.batch_norm, store), filter);
    return bias;
  }
  template <class A> static constexpr bool narrows = std::same_as<A, bf16>;
  /// A bf16 copy of the source lies in front of the kernel's own scratch memory.
  template <class Held> void need(loading const& l, index_t kernel_bytes, index_t source) {
    index_t const copy = narrows<typename Held::operand> ? round_up(source * 2, 64) : 0;
    scratch_[static_cast<std::size_t>(l.number)] = round_up(kernel_bytes + copy, 64);
  }
  static void add_kernel(std::vector<index_t>& shape, loading const& l) {
    for (int d = 5 - l.x.rank; d < 3; ++d) shape.push_back(l.n.with.win.kernel[d]);
  }

  template <class R>
  std::vector<f32> conv_weights(R& reader, loading const& l, aligned_array<f32>& bias) {
    std::vector<index_t> shape{l.units(), l.x.last() / l.n.with.groups};
    add_kernel(shape, l);
    std::vector<f32> weights = reader.read(l.layer, l.name + ".weight", shape);
    index_t const each = static_cast<index_t>(weights.size()) / l.units();
    bias = fold(reader, l, weights, [&](index_t i) { return i / each; });
    return weights;
  }
  static conv_shape shape_of(loading const& l) {
    return {l.x.last(), l.units(), l.n.with.groups, image_of(l.x), l.n.with.win};
  }
  template <kernel K, class R> void load_conv(R& reader, loading const& l) {
    using held = typename kept_type<K, I>::type;
    aligned_array<f32> bias;
    std::vector<f32> const weights = conv_weights(reader, l, bias);
    list<K>().push_back({{shape_of(l), weights, {.max_batch = l.batch, .workers = workers}},
                         static_cast<aligned_array<f32>&&>(bias),
                         l.x.item()});
    need<held>(l, list<K>().back().layer.workspace_bytes(), l.batch * l.x.item());
  }
  // l is the 1x1. Its source has as many channels as that of the depthwise layer, which is l.x.
  template <kernel K, class R> void load_pair(R& reader, loading const& l) {
    using held = typename kept_type<K, I>::type;
    front const& pair = l.s.pair;
    loading const first = what_is_known(l.number, plan.nodes[pair.first], pair.batch_norm);
    aligned_array<f32> between, bias;
    std::vector<f32> const depthwise = conv_weights(reader, first, between),
                           pointwise = conv_weights(reader, l, bias);
    list<K>().push_back({{shape_of(first), l.units(), depthwise, pointwise,
                          {.max_batch = l.batch, .workers = workers}},
                         static_cast<aligned_array<f32>&&>(bias),
                         static_cast<aligned_array<f32>&&>(between),
                         l.x.item()});
    need<held>(l, list<K>().back().layer.workspace_bytes(), l.batch * l.x.item());
  }
  template <kernel K, class R> void load_deconv(R& reader, loading const& l) {
    using held = typename kept_type<K, I>::type;
    index_t const groups = l.n.with.groups, in = l.x.last() / groups, out = l.units() / groups;
    std::vector<index_t> shape{l.x.last(), out};
    add_kernel(shape, l);
    std::vector<f32> weights = reader.read(l.layer, l.name + ".weight", shape);
    index_t const each = l.n.with.win.kernel.size();
    aligned_array<f32> bias = fold(reader, l, weights, [&](index_t i) {
      return i / (each * out * in) * out + i / each % out;
    });
    list<K>().push_back({{deconv_shape{l.x.last(), l.units(), groups, image_of(l.x), l.n.with.win,
                                       l.n.with.output_padding},
                          std::span<f32 const>(weights),
                          {.max_batch = l.batch, .workers = workers}},
                         static_cast<aligned_array<f32>&&>(bias),
                         l.x.item()});
    need<held>(l, list<K>().back().layer.workspace_bytes(), l.batch * l.x.item());
  }
  template <kernel K, class R> void load_dense(R& reader, loading const& l) {
    using held = typename kept_type<K, I>::type;
    using A = typename held::operand;
    index_t const k = l.x.last(), rows = l.x.rows() * l.items();
    std::vector<f32> weights = reader.read(l.layer, l.name + ".weight", {l.units(), k});
    aligned_array<f32> bias = fold(reader, l, weights, [&](index_t i) { return i / k; });
    std::vector<index_t> const columns = column_order(l.s.inputs[0]),
                               units = column_order(l.s.anchor);
    std::vector<A> as;
    as.reserve(weights.size());
    for (index_t const u : units)
      for (index_t const c : columns) as.push_back(A(weights[static_cast<std::size_t>(u * k + c)]));
    std::vector<f32> const counted(bias.begin(), bias.end());
    for (std::size_t i = 0; i < units.size(); ++i)
      bias[static_cast<index_t>(i)] = counted[static_cast<std::size_t>(units[i])];
    using packed = typename held::product_type::weights;
    list<K>().push_back({typename held::product_type(rows, l.units(), k, workers),
                         packed(transposed(matrix(as.data(), l.units(), k))),
                         static_cast<aligned_array<f32>&&>(bias)});
    need<held>(l, list<K>().back().product.workspace_bytes(), rows * k);
  }

  // ---- the others -------------------------------------------------------------------------------

  template <class R> void load_affine(R& reader, loading const& l, std::vector<f32>* to) {
    if (!l.n.with.affine) return;
    std::vector<index_t> const order = column_order(l.s.anchor);
    char const* const names[] = {".weight", ".bias"};
    for (int i = 0; i < 2; ++i) {
      std::vector<f32> const counted = reader.read(l.layer, l.name + names[i], {l.x.last()});
      for (index_t const c : order) to[i].push_back(counted[static_cast<std::size_t>(c)]);
    }
  }
  template <kernel K, class R> void load_plain(R& reader, loading const& l) {
    auto& to = list<K>();
    attributes const& with = l.n.with;
    index_t const channels = l.x.last();
    std::vector<f32> affine[2];
    if constexpr (K == kernel::pool) {
      pool_kind const kind = l.n.kind == op::max_pool ? pool_kind::max
                             : with.count_padding     ? pool_kind::average_padded
                                                      : pool_kind::average;
      if (with.adaptive)
        to.emplace_back(kind, adaptive_pool_shape{channels, image_of(l.x), image_of(l.n.shape)});
      else to.emplace_back(kind, pool_shape{channels, image_of(l.x), with.win, with.ceil_mode});
    } else if constexpr (K == kernel::softmax) {
      to.emplace_back(channels, 1,
                      l.n.kind == op::softmax ? softmax_kind::linear : softmax_kind::logarithm);
    } else if constexpr (K == kernel::layer_norm) {
      load_affine(reader, l, affine);
      to.emplace_back(channels, affine[0], affine[1], with.epsilon);
    } else if constexpr (K == kernel::group_norm) {
      load_affine(reader, l, affine);
      to.emplace_back(channels, with.groups, affine[0], affine[1], with.epsilon);
    } else if constexpr (K == kernel::lrn) {
      to.emplace_back(channels, lrn_options{with.rows, with.a, with.b, with.c, with.sums});
    } else if constexpr (K == kernel::embedding) {
      std::vector<embedding_table<f32>> tables;
      for (int k = l.number; k < l.number + plan.tables(l.number); ++k) {
        node const& n = plan.anchor(k);
        std::vector<f32> const rows =
            reader.read(who(n), text_of(n) + ".weight", {n.with.rows, n.with.units});
        aligned_array<f32> copy(n.with.rows * n.with.units);
        std::memcpy(copy.data(), rows.data(), rows.size() * sizeof(f32));
        tables.push_back({keep(copy), n.with.rows, n.with.units, n.with.units});
      }
      to.emplace_back(std::span<embedding_table<f32> const>(tables));
    } else {
      load_move<K>(l);
    }
  }

  // Cuts of one item: the axes behind the batch.
  template <kernel K> void load_move(loading const& l) {
    attributes const& with = l.n.with;
    index_t in[4], start[4], count[4], step[4];
    int order[4];
    std::size_t const rank = static_cast<std::size_t>(l.x.rank - 1);
    for (std::size_t d = 0; d < rank; ++d) {
      int const axis = static_cast<int>(d) + 1;
      bool const cut = l.n.kind != op::slice || axis == with.axis;
      in[d] = l.x[axis];
      start[d] = cut ? with.before[axis] : 0;
      step[d] = cut ? with.after[axis] : 1;
      count[d] = l.n.shape[axis];
      order[d] = with.before[axis] - 1;
    }
    auto const put = [&](auto&& layer) {
      list<K>().push_back({static_cast<decltype(layer)&&>(layer), l.x.item(), l.n.shape.item(),
                           with.a});
    };
    std::span<index_t const> const extents(in, rank);
    using strided = strided_move<isa_of_f32<I>>;
    if constexpr (K == kernel::pad)
      put(::ia_nn::pad(4, extents, {start, rank}, {step, rank}, with.fill));
    else if (l.n.kind == op::slice)
      put(strided::slice(4, extents, {start, rank}, {count, rank}, {step, rank}));
    else put(strided::transpose(4, extents, {order, rank}));
  }

  /// NAME.weight_ih_l0, NAME.weight_hh_l0_reverse, ...
  template <kernel K, class R> void load_recurrent(R& reader, loading const& l) {
    using held = typename kept_type<K, I>::type;
    using cell = typename held::weights::cell_type;
    attributes const& with = l.n.with;
    index_t const H = l.units(), G = cell::gates * H, ways = with.way == direction::both ? 2 : 1,
                  width = with.rows > 0 ? with.rows : H;
    std::vector<typename held::weights> layers;
    for (int layer = 0; layer < with.layers; ++layer)
      for (index_t way = 0; way < ways; ++way) {
        std::string const end = "_l" + std::to_string(layer) + (way == 1 ? "_reverse" : "");
        index_t const in = layer == 0 ? l.x.last() : ways * width;
        auto const read = [&](char const* what, std::vector<index_t> const& shape) {
          return reader.read(l.layer, l.name + what + end, shape);
        };
        std::vector<f32> const w = read(".weight_ih", {G, in}), u = read(".weight_hh", {G, width});
        std::vector<f32> b, c, p;
        if (with.bias) b = read(".bias_ih", {G}), c = read(".bias_hh", {G});
        if (with.rows > 0) p = read(".weight_hr", {width, H});
        layers.emplace_back(gate_order::pytorch{},
                            rnn_source{.input = in,
                                       .hidden = H,
                                       .w_input = w,
                                       .w_recurrent = u,
                                       .b_input = b,
                                       .b_recurrent = c,
                                       .projection = p,
                                       .projected = with.rows},
                            cell{}, rnn_quantization{}, l.layer);
      }
    rnn_direction const way = with.way == direction::both      ? rnn_direction::concat
                              : with.way == direction::reverse ? rnn_direction::reverse
                                                               : rnn_direction::forward;
    list<K>().push_back({{std::move(layers),
                          {.max_time = l.x[1],
                           .max_batch = l.batch,
                           .workers = workers,
                           .direction = way,
                           .layout = rnn_layout::batch_first}},
                         l.x[1],
                         width,
                         with.last_only});
    index_t const states = with.last_only ? with.layers * ways * l.batch * width : 0;
    scratch_[static_cast<std::size_t>(l.number)] =
        round_up(list<K>().back().layer.workspace_bytes(), 64) + round_up(states * 4, 64);
  }

  std::vector<aligned_array<f32>> arrays_; ///< tables, factors and offsets
  std::vector<index_t> scratch_, offset_;  ///< bytes of each step, and where they lie in a group
};

} // namespace detail
} // namespace graph
IA_NN_END

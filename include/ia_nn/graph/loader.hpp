// SPDX-License-Identifier: Apache-2.0
//
// Set-up of a network: weights are read by name, batch norms folded into them, everything packed
// once, and scratch memory counted.
#pragma once

#include <ia_nn/graph/layers_run.hpp>
#include <ia_nn/graph/steps.hpp>
#include <ia_nn/graph/text.hpp>
#include <ia_nn/graph/weights.hpp>

#include <array>

IA_NN_BEGIN
namespace graph {

/// Kernels of this library for instruction set I. Precision bf16: convolutions and dense layers
/// round their source and weights to bf16 and add in f32; what lies between steps is f32.
template <isa::tag I = isa::native, element Precision = f32> struct native {
  static_assert(std::same_as<Precision, f32> || std::same_as<Precision, bf16>,
                "ia_nn: native: the precision of a network is f32 or bf16");
  using isa_type = I;
  using operand = Precision;
};

struct compile_options {
  index_t max_batch = 1; ///< of a network with an open batch
  int workers = 1;       ///< concurrency of the executor
  bool allow_unknown_weights = false;
};

namespace detail {

/// The arrays of a plan, whatever their lengths: set-up is compiled once for all networks that
/// have the same kinds of kernels.
struct plan_view {
  node const* nodes;
  step const* steps;
  int const* times;
  int node_count, count;
  node const* written; ///< the nodes before simplification
  int written_count;

  constexpr bool open_batch() const {
    for (int i = 0; i < node_count; ++i)
      if (nodes[i].kind == op::input) return nodes[i].shape.dynamic();
    return false;
  }
  constexpr index_t static_batch() const {
    for (int i = 0; i < node_count; ++i)
      if (nodes[i].kind == op::input) return nodes[i].shape[0];
    return 1;
  }
  /// Kinds of one family are one type of kernel.
  static constexpr op family(op k) {
    return k == op::average_pool ? op::max_pool : k == op::log_softmax ? op::softmax : k;
  }
  static constexpr std::uint64_t bit(op k) {
    return std::uint64_t{1} << static_cast<int>(family(k));
  }
  constexpr std::uint64_t kinds() const {
    std::uint64_t mask = 0;
    for (int i = 0; i < count; ++i) mask |= bit(steps[i].kind);
    return mask;
  }
  constexpr int group_size(int s) const {
    int n = 1;
    while (s + n < count && steps[s].group >= 0 && steps[s + n].group == steps[s].group) ++n;
    return n;
  }
  /// True if step s begins a group of embeddings that fill neighbouring columns of one concat with
  /// as many rows each: they are one lookup in several tables.
  constexpr bool one_lookup(int s) const {
    if (steps[s].group < 0 || times[s] != s || steps[s].kind != op::embedding) return false;
    index_t column = steps[s].column;
    for (int i = s; i < s + group_size(s); ++i) {
      step const& t = steps[i];
      if (t.slice_of < 0 || t.slice_of != steps[s].slice_of || t.column != column ||
          nodes[t.inputs[0]].shape.size() != nodes[steps[s].inputs[0]].shape.size())
        return false;
      column += nodes[t.anchor].with.units;
    }
    return true;
  }
  /// False for members of a lookup that its first step does.
  constexpr bool stores(int s) const {
    return times[s] == s || steps[s].kind != op::embedding || !one_lookup(times[s]);
  }
  /// The number of a step among those of its family that keep a kernel.
  constexpr int slot(int s) const {
    int n = 0;
    for (int k = 0; k < s; ++k) n += family(steps[k].kind) == family(steps[s].kind) && stores(k);
    return n;
  }
  static constexpr bool per_channel(step const& s) {
    for (stage const& g : s.stages)
      if (g.kind == stage_kind::batch_norm) return true;
    return false;
  }
  static constexpr index_t behind(dims const& s, int axis) {
    index_t n = 1;
    for (int d = axis; d < s.rank; ++d) n *= s[d];
    return n;
  }
  /// Elements in front of input k of a concat step, which may have fewer inputs than its node.
  constexpr index_t concat_offset(int s, int k) const {
    node const& n = nodes[steps[s].anchor];
    index_t offset = 0;
    int copied = 0;
    for (int const in : n.inputs) {
      bool const is_copied = copied < steps[s].inputs.count && steps[s].inputs[copied] == in;
      if (is_copied && copied++ == k) break;
      offset += behind(nodes[in].shape, n.with.axis);
    }
    return offset;
  }
};

/// What a network keeps. Kinds: plan_view::kinds.
template <class Policy, std::uint64_t Kinds> struct loaded {
  using I = typename Policy::isa_type;
  using A = typename Policy::operand;

  // ---- what is kept
  // -------------------------------------------------------------------------------

  index_t max_batch = 1;
  int workers = 1;
  index_t scratch_bytes = 0;
  std::vector<held<::ia_nn::conv<I, A, A, f32>>> convs;
  std::vector<held<product<I, A>>> denses;
  std::vector<::ia_nn::pool<I, f32>> pools;
  std::vector<::ia_nn::softmax<I>> softmaxes;
  std::vector<::ia_nn::layer_norm<I>> layer_norms;
  std::vector<::ia_nn::lrn<I>> lrns;
  std::vector<::ia_nn::embedding<f32>> embeddings;
  std::vector<aligned_array<f32>> arrays;                 ///< tables, factors and offsets
  std::vector<std::array<stage_data, max_stages>> stages; ///< of each step
  std::vector<index_t> scratch;                           ///< bytes of each step
  std::vector<index_t> offset;                            ///< where they lie in a group

  workspace_view share(workspace_view all, int first, int member) const noexcept {
    std::size_t const i = static_cast<std::size_t>(first + member);
    return {all.data + offset[i], scratch[i]};
  }

  template <weights_source W>
  loaded(plan_view const& p, W const& weights, compile_options const& o) : plan(p) {
    std::size_t const n = static_cast<std::size_t>(p.count);
    stages.resize(n), scratch.resize(n), offset.resize(n);
    max_batch = p.open_batch() ? o.max_batch : p.static_batch();
    workers = o.workers;
    if (o.max_batch < 1 || o.workers < 1)
      throw error(errc::bad_parameter, "network: max_batch is " + std::to_string(o.max_batch) +
                                           " and workers " + std::to_string(o.workers) +
                                           ", both must be at least 1");
    weight_reader<W> reader(weights);
    for (int i = 0; i < p.count; ++i) load(reader, i);
    if (!o.allow_unknown_weights)
      reader.finish([&](std::string const& name) { return was_removed(name); });
    for (int i = 0, first = 0; i < p.count; ++i) {
      std::size_t const at = static_cast<std::size_t>(i);
      if (plan.times[i] == i) first = i;
      offset[at] = i == first ? 0 : offset[at - 1] + scratch[at - 1];
      scratch_bytes = max_of(scratch_bytes, offset[at] + scratch[at]);
    }
  }

private:
  plan_view plan;

  static constexpr bool has(op kind) { return (Kinds & plan_view::bit(kind)) != 0; }
  /// True for weights of layers that no output needs: they were written, and are gone.
  bool was_removed(std::string_view weight) const {
    for (int i = 0; i < plan.written_count; ++i) {
      std::string_view const name = plan.written[i].name.view();
      if (!has_weights(plan.written[i].kind) || !weight.starts_with(name)) continue;
      std::string_view const rest = weight.substr(name.size());
      if (rest != ".weight" && rest != ".bias" && rest != ".running_mean" && rest != ".running_var")
        continue;
      bool there = false;
      for (int k = 0; k < plan.node_count; ++k) there = there || plan.nodes[k].name.view() == name;
      if (!there) return true;
    }
    return false;
  }
  index_t items() const { return plan.open_batch() ? max_batch : 1; }

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
    return {store[0], store[1], store[2], store[3], n.with.epsilon};
  }

  template <class R> void load(R& reader, int i) {
    step const& s = plan.steps[i];
    node const& n = plan.nodes[s.anchor];
    std::string const name = text_of(n), layer = who(n);
    load_stages(reader, i);
    dims const x = s.inputs.count > 0 ? plan.nodes[s.inputs[0]].shape : dims{};
    switch (s.kind) {
    case op::conv:
      if constexpr (has(op::conv)) load_conv(reader, i, s, n, x, name, layer);
      break;
    case op::dense:
      if constexpr (has(op::dense)) load_dense(reader, i, s, n, x, name, layer);
      break;
    case op::max_pool:
    case op::average_pool:
      if constexpr (has(op::max_pool))
        pools.emplace_back(s.kind == op::max_pool ? pool_kind::max
                           : n.with.count_padding ? pool_kind::average_padded
                                                  : pool_kind::average,
                           pool_shape{x.last(), image_of(x), n.with.win, n.with.ceil_mode});
      break;
    case op::softmax:
    case op::log_softmax:
      if constexpr (has(op::softmax))
        softmaxes.emplace_back(
            x.last(), 1, s.kind == op::softmax ? softmax_kind::linear : softmax_kind::logarithm);
      break;
    case op::layer_norm:
      if constexpr (has(op::layer_norm)) {
        std::vector<f32> scale, shift;
        if (n.with.affine) {
          scale = reader.read(layer, name + ".weight", {x.last()});
          shift = reader.read(layer, name + ".bias", {x.last()});
        }
        layer_norms.emplace_back(x.last(), scale, shift, n.with.epsilon);
      }
      break;
    case op::lrn:
      if constexpr (has(op::lrn))
        lrns.emplace_back(x.last(), lrn_options{n.with.rows, n.with.a, n.with.b, n.with.c});
      break;
    case op::embedding:
      if constexpr (has(op::embedding)) load_tables(reader, i);
      break;
    default:
      break;
    }
  }

  template <class R> void load_stages(R& reader, int i) {
    step const& s = plan.steps[i];
    for (int k = 0; k < s.stages.count; ++k) {
      stage const& g = s.stages[k];
      stage_data& to = stages[static_cast<std::size_t>(i)][static_cast<std::size_t>(k)];
      to = {g.kind, g.act, g.a, g.b};
      if (g.kind != stage_kind::batch_norm) continue;
      std::vector<f32> store[4];
      batch_norm_parameters const p = norm_of(reader, g.source, store);
      index_t const channels = plan.nodes[g.source].shape.last();
      p.check(who(plan.nodes[g.source]).c_str(), channels);
      aligned_array<f32> factors(channels), offsets(channels);
      for (index_t c = 0; c < channels; ++c) {
        factors[c] = static_cast<f32>(p.factor(c));
        offsets[c] = static_cast<f32>(p.offset(c, 0.0));
      }
      to.p = keep(factors);
      to.q = keep(offsets);
    }
  }
  f32 const* keep(aligned_array<f32>& a) {
    arrays.push_back(static_cast<aligned_array<f32>&&>(a));
    return arrays.back().data(); // stays where it is when `arrays` grows
  }

  /// Bias of a layer, and its batch norm folded into both.
  template <class R>
  aligned_array<f32> fold(R& reader, step const& s, node const& n, std::vector<f32>& weights,
                          std::string const& name, std::string const& layer) {
    std::vector<f32> bias(static_cast<std::size_t>(n.with.units), 0.0F);
    if (n.with.bias) bias = reader.read(layer, name + ".bias", {n.with.units});
    if (s.batch_norm >= 0) {
      std::vector<f32> store[4];
      batch_norm_parameters const p = norm_of(reader, s.batch_norm, store);
      p.check(who(plan.nodes[s.batch_norm]).c_str(), n.with.units);
      fold_batch_norm(weights, bias, p);
    }
    aligned_array<f32> to(n.with.units);
    for (index_t c = 0; c < n.with.units; ++c) to[c] = bias[static_cast<std::size_t>(c)];
    return to;
  }

  /// A bf16 copy of the source lies in front of the kernel's own scratch memory.
  index_t copy_bytes(index_t elements) const {
    return std::same_as<A, bf16> ? round_up(elements * 2, 64) : 0;
  }

  template <class R>
  void load_conv(R& reader, int i, step const& s, node const& n, dims const& x,
                 std::string const& name, std::string const& layer) {
    std::vector<index_t> shape{n.with.units, x.last() / n.with.groups};
    for (int d = 3 - (x.rank - 2); d < 3; ++d) shape.push_back(n.with.win.kernel[d]);
    std::vector<f32> weights = reader.read(layer, name + ".weight", shape);
    aligned_array<f32> bias = fold(reader, s, n, weights, name, layer);
    index_t const batch = plan.open_batch() ? max_batch : x[0];
    convs.push_back({::ia_nn::conv<I, A, A, f32>(
                         conv_shape{x.last(), n.with.units, n.with.groups, image_of(x), n.with.win},
                         std::span<f32 const>(weights), {.max_batch = batch, .workers = workers}),
                     static_cast<aligned_array<f32>&&>(bias), x.item()});
    scratch[static_cast<std::size_t>(i)] =
        round_up(convs.back().kernel.workspace_bytes() + copy_bytes(batch * x.item()), 64);
  }

  template <class R>
  void load_dense(R& reader, int i, step const& s, node const& n, dims const& x,
                  std::string const& name, std::string const& layer) {
    index_t const k = x.last(), units = n.with.units, rows = x.rows() * items();
    std::vector<f32> weights = reader.read(layer, name + ".weight", {units, k});
    aligned_array<f32> bias = fold(reader, s, n, weights, name, layer);
    std::vector<A> narrow_weights;
    A const* data;
    if constexpr (std::same_as<A, f32>) data = weights.data();
    else {
      narrow_weights.reserve(weights.size());
      for (f32 const w : weights) narrow_weights.push_back(A(w));
      data = narrow_weights.data();
    }
    using kernel = product<I, A>;
    kernel layer_kernel(typename kernel::plan_type::weights(transposed(matrix(data, units, k))),
                        rows, workers);
    denses.push_back(
        {static_cast<kernel&&>(layer_kernel), static_cast<aligned_array<f32>&&>(bias), k});
    scratch[static_cast<std::size_t>(i)] =
        round_up(denses.back().kernel.workspace_bytes() + copy_bytes(rows * k), 64);
  }

  template <class R> void load_tables(R& reader, int i) {
    if (!plan.stores(i)) return; // belongs to the lookup before it
    std::vector<embedding_table<f32>> tables;
    for (int k = i; k < i + (plan.one_lookup(i) ? plan.group_size(i) : 1); ++k) {
      node const& n = plan.nodes[plan.steps[k].anchor];
      std::vector<f32> const rows =
          reader.read(who(n), text_of(n) + ".weight", {n.with.rows, n.with.units});
      aligned_array<f32> copy(n.with.rows * n.with.units);
      std::memcpy(copy.data(), rows.data(), rows.size() * sizeof(f32));
      tables.push_back({keep(copy), n.with.rows, n.with.units, n.with.units});
    }
    embeddings.emplace_back(std::span<embedding_table<f32> const>(tables));
  }
};

} // namespace detail
} // namespace graph
IA_NN_END

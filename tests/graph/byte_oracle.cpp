// SPDX-License-Identifier: Apache-2.0
//
// The oracle of single steps in 8 bits. What is under test here is not called: plans are read, weights
// quantized, sums taken and scaled by loops of its own; only functions (gelu, sigmoid) are those of
// the library, in registers of one lane, since their bits are nobody's but theirs.
#include "../oracle/conv.hpp"
#include "../oracle/int8.hpp"
#include "../oracle/pool.hpp"
#include "bytes.hpp"

namespace graph_test {
namespace {

namespace op = graph::op;
using graph::function, graph::spread, graph::stage, graph::stage_kind, graph::value_type;
using ia_nn::quantization;
using values = std::vector<double>;

constexpr std::size_t at(index_t i) { return static_cast<std::size_t>(i); }

bool is_bound(stage const& s) {
  return s.kind == stage_kind::function &&
         (s.act == function::relu || s.act == function::clip || s.act == function::identity);
}

class step_oracle {
public:
  step_oracle(seen_values const& run, problem const& p, graph::value_ranges const& ranges)
      : run_(run), v_(run.view), p_(p) {
    find_scalings(ranges);
  }

  /// What step s should have written; nothing of steps that are not known here.
  values expected(int s) {
    step_ = &v_.steps[s];
    graph::node const& n = v_.anchor(s);
    value_type const out = type(step_->out);
    if (step_->kind == op::activation) return chain();
    if (step_->kind == op::embedding) return looked_up(n);
    if (step_->kind == op::conv || step_->kind == op::deconv || step_->kind == op::dense)
      return n.attributes.precision == graph::precision::s8 ? product(n) : values();
    if (step_->kind == op::max_pool) return pool(n, true);
    if (step_->kind == op::average_pool && is_quantized(out)) return pool(n, false);
    if (step_->kind->moves && step_->kind != op::concat) return moved(n);
    if (step_->kind == op::concat) return joined(n);
    return {};
  }
  values actual(int id) const { return run_.value(id); }

private:
  value_type type(int id) const { return v_.nodes[id].type; }
  index_t rows(int id) const {
    return v_.nodes[id].shape.rows() * (v_.open_batch() ? run_.batch : 1);
  }
  quantization const& scaling(int id) const { return scalings_[at(id)]; }

  // int8/schemes.hpp, of the union of the ranges of all that share one.
  void find_scalings(graph::value_ranges const& ranges) {
    auto const count = at(v_.node_count);
    std::vector<ia_nn::value_range> all(count);
    scalings_.assign(count, {});
    for (int i = 0; i < v_.node_count; ++i) {
      graph::node const& n = v_.nodes[i];
      if (n.scaled_as < 0) continue;
      add_range(i, ranges, all[at(n.scaled_as)]);
    }
    for (int i = 0; i < v_.node_count; ++i) {
      graph::node const& n = v_.nodes[i];
      if (n.scaled_as < 0) continue;
      f32 const low = all[at(n.scaled_as)].low, high = all[at(n.scaled_as)].high;
      quantization& q = scalings_[at(i)];
      if (low == 0 && high == 0) continue; // scale 1
      if (n.type == value_type::s8) q.scale = std::max(-low, high) / 127.0F;
      else {
        q.scale = (high - low) / 255.0F;
        q.zero_point = static_cast<s32>(std::nearbyint(0.0F - low / q.scale));
      }
    }
  }

  void add_range(int id, graph::value_ranges const& ranges, ia_nn::value_range& to) const {
    graph::node const& n = v_.nodes[id];
    if (n.kind == op::convert || n.kind == op::reshape) return add_range(n.inputs[0], ranges, to);
    if (ia_nn::value_range const* const r = ranges.find(n.name.view())) to.add(*r);
    else if (n.kind == op::concat)
      for (int const in : n.inputs) add_range(in, ranges, to);
  }

  /// How the channels of a value lie, as they are counted.
  std::vector<index_t> order(int id) const {
    std::vector<index_t> o;
    graph::append_channel_order(v_.nodes, id, o);
    return o;
  }
  int id_of(graph::node const& n) const { return static_cast<int>(&n - v_.nodes); }

  struct channel_numbers {
    std::vector<double> factor, sum; // of a batch norm, or 1 and the bias
  };
  void apply_norm(graph::node const& n, channel_numbers& to) const {
    std::vector<index_t> const o = order(id_of(n));
    for (std::size_t i = 0; i < o.size(); ++i) {
      auto const number = [&](char const* what) { return static_cast<double>(p_.weights(n, what)[at(o[i])]); };
      double f = 1 / std::sqrt(number(".running_var") + static_cast<double>(n.attributes.epsilon));
      double shift = 0;
      if (n.attributes.affine) {
        f = number(".weight") /
            std::sqrt(number(".running_var") + static_cast<double>(n.attributes.epsilon));
        shift = number(".bias");
      }
      to.factor[i] *= f;
      to.sum[i] = (to.sum[i] - number(".running_mean")) * f + shift;
    }
  }

  struct weights_of_layer {
    std::vector<s8> q; // (filters, each) as sources and results lie
    std::vector<f32> scale;
  };
  /// (channels, filters of a group, window), and a scale for each filter.
  weights_of_layer transposed_weights(graph::node const& n) const {
    std::vector<f32> const& w = p_.weights(n, ".weight");
    std::vector<index_t> const read = order(n.inputs[0]), made = order(id_of(n));
    std::size_t const groups = at(n.attributes.groups), filters = made.size() / groups,
                      channels = read.size() / groups, taps = w.size() / (read.size() * filters);
    auto const number = [&](std::size_t c, std::size_t f, std::size_t t) {
      std::size_t const filter = groups == 1 ? at(made[f]) : f % filters;
      return w[(at(read[c]) * filters + filter) * taps + t];
    };
    f32 const most = static_cast<f32>(n.attributes.weights_up_to);
    f32 widest = 0;
    for (f32 const x : w) widest = std::max(widest, std::fabs(x));
    weights_of_layer to{std::vector<s8>(w.size()), {}};
    for (std::size_t f = 0; f < made.size(); ++f) {
      std::size_t const begin = f / filters * channels, end = begin + channels;
      f32 largest = n.attributes.one_weight_scale ? widest : 0;
      for (std::size_t c = begin; c < end; ++c)
        for (std::size_t t = 0; t < taps; ++t) largest = std::max(largest, std::fabs(number(c, f, t)));
      to.scale.push_back(largest > 0 ? largest / most : 1.0F);
      for (std::size_t c = begin; c < end; ++c)
        for (std::size_t t = 0; t < taps; ++t)
          to.q[(c * filters + f % filters) * taps + t] =
              static_cast<s8>(std::nearbyint(number(c, f, t) / to.scale.back()));
    }
    return to;
  }
  weights_of_layer weights(graph::node const& n) const {
    if (n.kind == op::deconv) return transposed_weights(n);
    std::vector<f32> const& w = p_.weights(n, ".weight");
    std::vector<index_t> const made = order(id_of(n));
    std::vector<index_t> read = order(n.inputs[0]);
    if (n.attributes.groups > 1) { // are not permuted
      read.resize(at(static_cast<index_t>(read.size()) / n.attributes.groups));
      for (std::size_t i = 0; i < read.size(); ++i) read[i] = static_cast<index_t>(i);
    }
    std::size_t const taps = w.size() / (made.size() * read.size());
    f32 const most = static_cast<f32>(n.attributes.weights_up_to);
    f32 widest = 0;
    for (f32 const x : w) widest = std::max(widest, std::fabs(x));
    weights_of_layer to;
    for (index_t const f : made) {
      std::size_t const each = read.size() * taps;
      f32 largest = widest;
      if (!n.attributes.one_weight_scale) {
        largest = 0;
        for (std::size_t i = 0; i < each; ++i)
          largest = std::max(largest, std::fabs(w[at(f) * each + i]));
      }
      to.scale.push_back(largest > 0 ? largest / most : 1.0F);
      for (index_t const c : read)
        for (std::size_t t = 0; t < taps; ++t)
          to.q.push_back(static_cast<s8>(
              std::nearbyint(w[(at(f) * read.size() + at(c)) * taps + t] / to.scale.back())));
    }
    return to;
  }

  static ia_nn::conv_shape conv_of(graph::node const& n, graph::dims const& in) {
    graph::attribute_set const& a = n.attributes;
    return {in.last(), a.filters, a.groups, graph::detail::image_of(in), a.win};
  }
  std::vector<std::int64_t> sums(graph::node const& n, std::vector<s8> const& w) const {
    int const from = step_->inputs[0];
    graph::dims const& in = v_.nodes[from].shape;
    values const x = actual(from);
    std::int64_t const zero = scaling(from).zero_point;
    if (step_->kind == op::dense) {
      std::vector<std::int64_t> to;
      std::size_t const k = at(in.last()), units = at(n.attributes.units);
      for (std::size_t r = 0; r < x.size() / k; ++r)
        for (std::size_t j = 0; j < units; ++j) {
          std::int64_t sum = 0;
          for (std::size_t i = 0; i < k; ++i)
            sum += (static_cast<std::int64_t>(x[r * k + i]) - zero) * w[j * k + i];
          to.push_back(sum);
        }
      return to;
    }
    if (step_->kind == op::deconv) return transposed_sums(n, w, x, zero);
    ia_nn::conv_shape const shape = conv_of(n, in);
    std::vector<int> image(x.size()); // channels last
    std::size_t const pixels = at(shape.in.size()), channels = at(in.last());
    bool const planes = n.attributes.reads == graph::order::channels_first;
    for (std::size_t i = 0; i < x.size(); ++i) {
      std::size_t const item = i / (pixels * channels), k = i % (pixels * channels);
      std::size_t const to = planes ? k % pixels * channels + k / pixels : k;
      image[item * pixels * channels + to] = static_cast<int>(x[i]);
    }
    index_t const images = static_cast<index_t>(x.size() / (pixels * channels));
    return oracle::conv<std::int64_t>(shape, images, image.data(), w.data(), zero);
  }

  /// Each element of the source meets every tap.
  std::vector<std::int64_t> transposed_sums(graph::node const& n, std::vector<s8> const& w,
                                            values const& x, std::int64_t zero) const {
    graph::attribute_set const& a = n.attributes;
    graph::dims const& shape = v_.nodes[step_->inputs[0]].shape;
    ia_nn::spatial const in = graph::detail::image_of(shape), out = graph::detail::image_of(n.shape);
    index_t const channels = shape.last(), each = channels / a.groups, made = a.filters / a.groups,
                  taps = a.win.kernel.size();
    std::vector<std::int64_t> to(x.size() / at(in.size() * channels) * at(out.size() * a.filters));
    for (std::size_t i = 0; i < x.size(); ++i)
      for (index_t t = 0; t < taps; ++t) {
        index_t const c = static_cast<index_t>(i) % channels, pixel = static_cast<index_t>(i) / channels;
        index_t const from[3] = {pixel / (in.height * in.width) % in.depth,
                                 pixel / in.width % in.height, pixel % in.width};
        index_t const tap[3] = {t / (a.win.kernel.height * a.win.kernel.width),
                                t / a.win.kernel.width % a.win.kernel.height, t % a.win.kernel.width};
        index_t o = pixel / in.size();
        bool inside = true;
        for (int d = 0; d < 3; ++d) {
          index_t const k =
              from[d] * a.win.stride[d] - a.win.pad_begin[d] + tap[d] * a.win.dilation[d];
          inside = inside && k >= 0 && k < out[d];
          o = o * out[d] + k;
        }
        for (index_t f = 0; inside && f < made; ++f)
          to[at(o * a.filters + c / each * made + f)] +=
              (static_cast<std::int64_t>(x[i]) - zero) * w[at((c * made + f) * taps + t)];
      }
    return to;
  }

  values looked_up(graph::node const& n) const {
    std::vector<f32> const& table = p_.weights(n, ".weight");
    index_t const width = n.attributes.width;
    values y;
    for (double const row : actual(step_->inputs[0]))
      for (index_t k = 0; k < width; ++k) {
        f32 const x = table[at(static_cast<index_t>(row) * width + k)];
        if (is_quantized(type(step_->out))) {
          quantization const& q = scaling(step_->out);
          f32 const steps = x / q.scale;
          y.push_back(to_byte(steps, q.zero_point));
        } else y.push_back(static_cast<double>(x));
      }
    return y;
  }

  values product(graph::node const& n) {
    weights_of_layer const w = weights(n);
    std::vector<std::int64_t> const all = sums(n, w.q);
    std::size_t const channels = w.scale.size();
    channel_numbers c{std::vector<double>(channels, 1.0), std::vector<double>(channels, 0.0)};
    if (n.attributes.bias) {
      std::vector<index_t> const o = order(id_of(n));
      for (std::size_t i = 0; i < channels; ++i)
        c.sum[i] = static_cast<double>(p_.weights(n, ".bias")[at(o[i])]);
    }
    if (step_->batch_norm >= 0) apply_norm(v_.nodes[step_->batch_norm], c);

    bool const bytes = is_quantized(type(step_->out));
    bool const keeps = bytes && all_keep_units();
    quantization const q = scaling(step_->out);
    unit_ = keeps ? q.scale : 1.0F;
    double const from = static_cast<double>(scaling(step_->inputs[0]).scale),
                 unit = static_cast<double>(unit_);
    load_stages();
    values y(all.size());
    for (std::size_t i = 0; i < all.size(); ++i) {
      REQUIRE(std::abs(all[i]) <= INT32_MAX);
      std::size_t const k = i % channels;
      f32 const scale = static_cast<f32>(from * static_cast<double>(w.scale[k]) * c.factor[k] / unit),
                offset = static_cast<f32>(c.sum[k] / unit);
      f32 x = std::fma(static_cast<f32>(static_cast<s32>(all[i])), scale, offset);
      x = through_stages(x, i);
      if (bytes && !keeps) {
        f32 const factor = 1.0F / q.scale;
        x = x * factor;
      }
      y[i] = bytes ? to_byte(x, q.zero_point) : stored(x);
    }
    return y;
  }

  values chain() {
    int const from = step_->inputs[0];
    values const x = actual(from);
    unit_ = 1;
    load_stages();
    values y(x.size());
    for (std::size_t i = 0; i < x.size(); ++i) {
      f32 v = static_cast<f32>(x[i]);
      if (is_quantized(type(from)))
        v = oracle::dequantize(static_cast<s32>(x[i]), scaling(from));
      v = through_stages(v, i);
      if (is_quantized(type(step_->out))) {
        f32 const q = v / scaling(step_->out).scale;
        y[i] = to_byte(q, scaling(step_->out).zero_point);
      } else y[i] = stored(v);
    }
    return y;
  }

  // ---- what follows sums

  double to_byte(f32 x, s32 zero) const {
    if (std::isnan(x)) return zero;
    return type(step_->out) == value_type::u8 ? static_cast<double>(oracle::to_byte<u8>(x, zero))
                                              : static_cast<double>(oracle::to_byte<s8>(x, zero));
  }
  double stored(f32 x) const {
    return static_cast<double>(type(step_->out) == value_type::bf16 ? static_cast<f32>(bf16(x)) : x);
  }
  /// True if the stage of x / unit is the stage of x, divided by unit.
  bool all_keep_units() const {
    for (stage const& g : step_->stages) {
      bool const byte = g.operand >= 0 && is_quantized(type(g.operand));
      switch (g.kind) {
      case stage_kind::function:
        if (!is_bound(g) && g.act != function::leaky_relu && g.act != function::abs &&
            g.act != function::linear)
          return false;
        break;
      case stage_kind::add:
      case stage_kind::subtract:
      case stage_kind::subtract_from:
      case stage_kind::minimum:
      case stage_kind::maximum:
        if (!byte) return false;
        break;
      case stage_kind::multiply:
      case stage_kind::divide:
      case stage_kind::batch_norm:
        break;
      case stage_kind::divide_from:
        return false;
      }
    }
    return true;
  }
  // Operands as they are in memory or were loaded, and the numbers of batch norms.
  struct loaded {
    values operand;
    channel_numbers norm;
  };
  void load_stages() {
    stages_.clear();
    for (stage const& g : step_->stages) {
      loaded l;
      if (g.operand >= 0 && !graph::is_loaded(g.how)) l.operand = actual(g.operand);
      else if (g.operand >= 0) l.operand = parameter(g.operand);
      if (g.kind == stage_kind::batch_norm) {
        std::size_t const channels = at(v_.nodes[step_->out].shape.last());
        l.norm = {values(channels, 1.0), values(channels, 0.0)};
        apply_norm(v_.nodes[g.source], l.norm);
      }
      stages_.push_back(std::move(l));
    }
  }
  values parameter(int id) const {
    graph::node const& n = v_.nodes[id];
    std::vector<f32> const& w = p_.weights(n, "");
    std::vector<index_t> const o = order(id);
    std::size_t const channels = o.size(), rows = w.size() / channels;
    bool const first = n.attributes.reads == graph::order::channels_first;
    values to;
    for (std::size_t r = 0; r < rows; ++r)
      for (index_t const c : o)
        to.push_back(static_cast<double>(w[first ? at(c) * rows + r : r * channels + at(c)]));
    return to;
  }
  double operand(stage const& g, values const& from, std::size_t i) const {
    graph::dims const& shape = v_.nodes[step_->out].shape;
    std::size_t const columns = at(shape.last()), row = i / columns, column = i % columns;
    std::size_t const each = at(rows(step_->out)) / at(p_.batch); // rows of an item
    switch (g.how) {
    case spread::channels:
      return from[row / each * columns + column];
    case spread::rows:
      return from[row];
    case spread::items:
      return from[row / each];
    case spread::every_row:
    case spread::every_item: {
      std::size_t const width = at(v_.nodes[g.operand].shape.last());
      std::size_t const r = g.how == spread::every_row ? 0 : row % each;
      return from[r * width + (width == 1 ? 0 : column)];
    }
    default:
      return from[i];
    }
  }
  f32 through_stages(f32 v, std::size_t i) const {
    for (int k = 0; k < step_->stages.count; ++k) {
      stage const& g = step_->stages[k];
      loaded const& l = stages_[at(k)];
      if (g.kind == stage_kind::function) v = of_function(g, v);
      else if (g.kind == stage_kind::batch_norm) {
        std::size_t const c = i % l.norm.factor.size();
        v = std::fma(v, static_cast<f32>(l.norm.factor[c]),
                     static_cast<f32>(l.norm.sum[c] / static_cast<double>(unit_)));
      } else v = of_two(g, v, operand(g, l.operand, i));
    }
    return v;
  }
  f32 of_function(stage const& g, f32 v) const {
    if (g.act == function::identity) return v;
    if (is_bound(g)) {
      f32 const low = g.act == function::relu ? 0 : g.a / unit_;
      f32 const high = g.act == function::relu ? INFINITY : g.b / unit_;
      v = v < low ? low : v;
      return v > high ? high : v;
    }
    using one = ia_nn::vec<f32, ia_nn::isa::scalar>;
    f32 const b = g.act == function::linear ? g.b / unit_ : g.b;
    f32 to;
    graph::detail::apply_function(g.act, one::broadcast(v), g.a, b).store(&to);
    return to;
  }
  f32 of_two(stage const& g, f32 v, double from) const {
    f32 x = static_cast<f32>(from);
    if (is_quantized(type(g.operand)) && !graph::is_loaded(g.how)) {
      quantization const& q = scaling(g.operand);
      bool const scales = g.kind == stage_kind::multiply || g.kind == stage_kind::divide ||
                          g.kind == stage_kind::divide_from;
      f32 const scale = scales ? q.scale : q.scale / unit_;
      f32 const less = x - static_cast<f32>(q.zero_point);
      if (g.kind == stage_kind::add) return std::fma(less, scale, v);
      x = less * scale;
    }
    bool const nan = std::isnan(v) || std::isnan(x);
    switch (g.kind) {
    case stage_kind::add:
      return v + x;
    case stage_kind::subtract:
      return v - x;
    case stage_kind::subtract_from:
      return x - v;
    case stage_kind::multiply:
      return v * x;
    case stage_kind::divide:
      return v / x;
    case stage_kind::divide_from:
      return x / v;
    case stage_kind::minimum:
      return nan ? NAN : v < x ? v : x;
    default:
      return nan ? NAN : v > x ? v : x;
    }
  }

  // ---- without arithmetic of their own

  values pool(graph::node const& n, bool max) const {
    int const from = step_->inputs[0];
    graph::dims const& in = v_.nodes[from].shape;
    ia_nn::spatial const si = graph::detail::image_of(in),
                         so = graph::detail::image_of(v_.nodes[step_->out].shape);
    values const x = actual(from);
    REQUIRE(scaling(from) == scaling(step_->out));
    index_t const images = static_cast<index_t>(x.size()) / (si.size() * in.last());
    auto const taps = [&](int d, index_t o) {
      return n.attributes.adaptive ? adaptive_taps(si[d], so[d], o)
                                   : window_taps(n.attributes.win, si, d, o);
    };
    values y;
    bool const is_unsigned = type(step_->out) == value_type::u8;
    s32 const zero = scaling(step_->out).zero_point;
    double const lowest = !is_quantized(type(step_->out)) ? -INFINITY : is_unsigned ? 0 : -128;
    for (pooled const& w : pool_reference(images, in.last(), si, so, x.data(), taps)) {
      index_t const count = n.attributes.count_padding ? w.counted : w.taps;
      if (max) y.push_back(w.taps > 0 ? w.highest : lowest);
      else if (is_unsigned) y.push_back(rounded_average<u8>(w, count, zero));
      else y.push_back(rounded_average<s8>(w, count, zero));
    }
    return y;
  }
  values moved(graph::node const& n) const {
    int const from = step_->inputs[0];
    REQUIRE(type(from) == type(step_->out));
    REQUIRE((step_->kind == op::output || scaling(from) == scaling(step_->out)));
    values const x = actual(from);
    if (step_->kind == op::gather || step_->kind == op::gather_elements) {
      values chosen(at(rows(step_->out) * n.shape.last()));
      auto const source = [&](int k) { return actual(step_->inputs[k]); };
      interpret_selected(n, v_.nodes, p_.weights, source, chosen);
      return chosen;
    }
    if (step_->kind == op::resize_nearest || step_->kind == op::pixel_shuffle || step_->kind == op::pixel_unshuffle) {
      values resized(at(rows(step_->out) * n.shape.last()));
      graph::dims const& in = v_.nodes[from].shape;
      if (step_->kind == op::resize_nearest) interpret_resize(n, in, x, resized);
      else interpret_shuffle(n, in, x, resized);
      return resized;
    }
    if (step_->kind != op::pad && step_->kind != op::transpose && step_->kind != op::slice)
      return x;
    values y(at(rows(step_->out) * n.shape.last()));
    graph::node move = n;
    if (is_quantized(type(step_->out))) {
      f32 const number = n.attributes.number / scaling(step_->out).scale;
      move.attributes.number = static_cast<f32>(to_byte(number, scaling(step_->out).zero_point));
    } else if (type(step_->out) == value_type::bf16) {
      move.attributes.number = static_cast<f32>(bf16(n.attributes.number));
    }
    interpret_move(move, v_.nodes[from].shape, x, y);
    return y;
  }
  /// All parts: those that were copied, and those that steps wrote into it.
  values joined(graph::node const& n) const {
    std::vector<values> parts;
    std::size_t whole = 0, outer = at(n.shape.dynamic() ? p_.batch : n.shape[0]);
    for (int d = 1; d < n.attributes.axis; ++d) outer *= at(n.shape[d]);
    for (int const in : n.inputs) {
      REQUIRE(type(in) == n.type);
      REQUIRE(scaling(in) == scaling(id_of(n)));
      parts.push_back(actual(in));
      whole += parts.back().size();
    }
    values y;
    y.reserve(whole);
    for (std::size_t o = 0; o < outer; ++o)
      for (values const& x : parts) {
        auto const each = static_cast<std::ptrdiff_t>(x.size() / outer);
        auto const first = x.begin() + static_cast<std::ptrdiff_t>(o) * each;
        y.insert(y.end(), first, first + each);
      }
    return y;
  }

  seen_values const& run_;
  graph::plan_view const& v_;
  problem const& p_;
  graph::step const* step_ = nullptr;
  std::vector<quantization> scalings_;
  std::vector<loaded> stages_;
  f32 unit_ = 1;
};

bool same(double a, double b) {
  return (std::isnan(a) && std::isnan(b)) || (a == b && std::signbit(a) == std::signbit(b));
}

} // namespace

int check_steps(seen_values const& run, problem const& p, graph::value_ranges const& ranges) {
  step_oracle oracle(run, p, ranges);
  graph::plan_view const& v = run.view;
  int known = 0;
  for (int s = 0; s < v.count; ++s) {
    values const wanted = oracle.expected(s);
    if (wanted.empty()) continue;
    values const is = oracle.actual(v.steps[s].out);
    if (is.empty() && v.steps[s].kind == op::output) continue;
    ++known;
    REQUIRE(is.size() == wanted.size());
    std::size_t wrong = 0, first = 0;
    for (std::size_t i = is.size(); i-- > 0;)
      if (!same(is[i], wanted[i])) ++wrong, first = i;
    INFO("step " << s << " '" << v.anchor(s).name.view() << "' " << v.steps[s].kind->name << " to "
                 << name_of(v.type(v.steps[s].out)) << ": element " << first << " is " << is[first]
                 << ", should be " << wanted[first]);
    CHECK(wrong == 0);
  }
  return known;
}

} // namespace graph_test

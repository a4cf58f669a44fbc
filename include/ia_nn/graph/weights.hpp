// SPDX-License-Identifier: Apache-2.0
//
// Where a network's numbers come from: named arrays of f32.
//
//   conv          NAME.weight (filters, channels / groups, kernel...)      NAME.bias (filters)
//   dense         NAME.weight (units, columns)                            NAME.bias (units)
//   batch_norm    NAME.weight, NAME.bias, NAME.running_mean, NAME.running_var (channels)
//   deconv        NAME.weight (channels, filters / groups, kernel...)      NAME.bias (filters)
//   layer_norm, group_norm    NAME.weight, NAME.bias (channels)
//   embedding     NAME.weight (rows, width)
//   lstm, gru, rnn   of layer K, behind each name _reverse for the other direction:
//                 NAME.weight_ih_lK (gates hidden, features)   NAME.bias_ih_lK (gates hidden)
//                 NAME.weight_hh_lK (gates hidden, width)      NAME.bias_hh_lK (gates hidden)
//                 NAME.weight_hr_lK (width, hidden) with a projection; gates i f g o, r z n
//
// Names and orders are those of PyTorch's state_dict.
#pragma once

#include <ia_nn/core/error.hpp>
#include <ia_nn/core/memory.hpp>
#include <ia_nn/graph/node.hpp>

#include <memory>
#include <span>
#include <string>
#include <vector>

#include <ia_nn/begin.hpp>
namespace graph {

/// Something that has arrays by name. `values` gives the elements as f32, or throws ia_nn::error.
template <class W>
concept weights_source = requires(W const& w, std::string const& name) {
  { w.names() } -> std::convertible_to<std::vector<std::string>>;
  { w.has(name) } -> std::convertible_to<bool>;
  { w.shape(name) } -> std::convertible_to<std::vector<index_t>>;
  { w.values(name) } -> std::convertible_to<std::vector<f32>>;
};

/// Arrays in memory. Those that are handed over as a temporary std::vector are kept, all others must
/// stay where they are until the network is built.
class memory_weights {
public:
  /// Errors: errc::bad_parameter for a name twice, errc::bad_shape if the number of elements is
  /// not that of the shape, or an extent is negative.
  void add(std::string name, std::vector<index_t> shape, std::span<f32 const> elements) {
    add(std::move(name), std::move(shape), elements, {});
  }
  void add(std::string name, std::vector<index_t> shape, std::vector<f32>&& elements) {
    auto const own = std::make_shared<std::vector<f32> const>(std::move(elements));
    add(std::move(name), std::move(shape), *own, own);
  }
  std::vector<std::string> names() const {
    std::vector<std::string> n;
    for (entry const& e : all_) n.push_back(e.name);
    return n;
  }
  bool has(std::string const& name) const { return find(name) != nullptr; }
  /// Of these two: errc::bad_parameter for a name that was not added.
  std::vector<index_t> shape(std::string const& name) const { return get(name).shape; }
  std::vector<f32> values(std::string const& name) const {
    entry const& e = get(name);
    return {e.elements.begin(), e.elements.end()};
  }

private:
  using owner = std::shared_ptr<std::vector<f32> const>;
  struct entry {
    std::string name;
    std::vector<index_t> shape;
    std::span<f32 const> elements;
    owner own;
  };
  void add(std::string name, std::vector<index_t> shape, std::span<f32 const> elements, owner own) {
    index_t size = 1;
    for (index_t const n : shape)
      if (n < 0 || __builtin_mul_overflow(size, n, &size))
        throw_error(errc::bad_shape, "weights: '" + name + "' has an extent of " +
                                         std::to_string(n) + ", negative or too large");
    if (find(name)) throw_error(errc::bad_parameter, "weights: '" + name + "' is there twice");
    if (size != static_cast<index_t>(elements.size()))
      throw_error(errc::bad_shape, "weights: '" + name + "' has " +
                                       std::to_string(elements.size()) + " elements, its shape " +
                                       std::to_string(size));
    all_.push_back({std::move(name), std::move(shape), elements, std::move(own)});
  }
  entry const* find(std::string const& name) const {
    for (entry const& e : all_)
      if (e.name == name) return &e;
    return nullptr;
  }
  entry const& get(std::string const& name) const {
    entry const* const e = find(name);
    if (!e) throw_error(errc::bad_parameter, "weights: there is no '" + name + "'");
    return *e;
  }
  std::vector<entry> all_;
};

/// The tensors of an ia_nn::safetensors (io/safetensors.hpp), F32, F16 or BF16. A temporary is kept;
/// of one that has a name, File is a reference to it. Integers and truth values are not weights and
/// are left out of `names` ("num_batches_tracked", "position_ids").
template <class File> class file_weights {
public:
  explicit file_weights(File&& file) : file_(static_cast<File&&>(file)) {}
  std::vector<std::string> names() const {
    std::vector<std::string> n;
    for (auto const& e : file_.entries())
      if (!counts(e.type)) n.emplace_back(e.name);
    return n;
  }
  bool has(std::string const& name) const { return file_.find(name) != nullptr; }
  std::vector<index_t> shape(std::string const& name) const { return file_.at(name).shape; }
  std::vector<f32> values(std::string const& name) const { return file_.to_f32(name, shape(name)); }

private:
  template <class T> static constexpr bool counts(T type) {
    for (T const t : {T::int64, T::int32, T::int16, T::int8, T::uint64, T::uint32, T::uint16,
                      T::uint8, T::boolean})
      if (type == t) return true;
    return false;
  }
  File file_;
};
template <class File> file_weights(File&&) -> file_weights<File>;

/// f(node, what, name, shape) for each array that the `count` nodes of a network read; `name` is the
/// node's with `what` (".weight", ".bias", ...) behind it.
template <class F> void for_each_weight(node const* nodes, int count, F&& f) {
  for (int i = 0; i < count; ++i) {
    node const& n = nodes[i];
    if (!has_weights(n.kind)) continue;
    dims const& x = nodes[n.inputs[0]].shape;
    index_t const in = x.last(), out = n.with.units;
    auto const give = [&](std::string const& what, std::vector<index_t> const& shape) {
      f(n, std::string_view(what), std::string(n.name.view()) + what, shape);
    };
    auto const with_kernel = [&](index_t first, index_t second) {
      std::vector<index_t> shape{first, second};
      for (int d = 5 - x.rank; d < 3; ++d) shape.push_back(n.with.win.kernel[d]);
      return shape;
    };
    switch (n.kind) {
    case op::conv:
    case op::deconv:
    case op::dense:
      give(".weight", n.kind == op::conv     ? with_kernel(out, in / n.with.groups)
                      : n.kind == op::deconv ? with_kernel(in, out / n.with.groups)
                                             : std::vector<index_t>{out, in});
      if (n.with.bias) give(".bias", {out});
      break;
    case op::embedding:
      give(".weight", {n.with.rows, out});
      break;
    case op::lstm:
    case op::gru:
    case op::rnn: {
      index_t const gates = (n.kind == op::lstm ? 4 : n.kind == op::gru ? 3 : 1) * out;
      index_t const ways = n.with.way == direction::both ? 2 : 1;
      index_t const wide = n.with.rows > 0 ? n.with.rows : out;
      for (int l = 0; l < n.with.layers; ++l)
        for (index_t w = 0; w < ways; ++w) {
          std::string const end = "_l" + std::to_string(l) + (w == 1 ? "_reverse" : "");
          give(".weight_ih" + end, {gates, l == 0 ? in : ways * wide});
          give(".weight_hh" + end, {gates, wide});
          if (n.with.bias) give(".bias_ih" + end, {gates}), give(".bias_hh" + end, {gates});
          if (n.with.rows > 0) give(".weight_hr" + end, {wide, out});
        }
      break;
    }
    case op::batch_norm:
      give(".running_mean", {in});
      give(".running_var", {in});
      [[fallthrough]];
    default:
      if (n.with.affine) {
        give(".weight", {in});
        give(".bias", {in});
      }
    }
  }
}

namespace detail {

inline std::string shape_text(std::vector<index_t> const& s) {
  std::string t = "(";
  for (std::size_t i = 0; i < s.size(); ++i) t += (i ? ", " : "") + std::to_string(s[i]);
  return t + ")";
}

/// Hands out weights, checks their shapes, and knows in the end which were not asked for. Sentences
/// begin with the layer.
template <weights_source W> class weight_reader {
public:
  explicit weight_reader(W const& from)
      : from_(from), names_(from.names()), asked_(names_.size()) {}

  /// `who`: "conv2d 'stage1.conv2'".
  std::vector<f32> read(std::string const& who, std::string const& name,
                        std::vector<index_t> const& shape) {
    if (!from_.has(name))
      throw_error(errc::bad_parameter, who + ": there is no weight '" + name + "'");
    std::vector<index_t> const has = from_.shape(name);
    if (has != shape)
      throw_error(errc::bad_shape, who + ": weight '" + name + "' has the shape " +
                                       shape_text(has) + ", expected " + shape_text(shape));
    for (std::size_t i = 0; i < names_.size(); ++i)
      if (names_[i] == name) asked_[i] = 1;
    IA_NN_TRY {
      return from_.values(name);
    }
    IA_NN_CATCH(error const& e) {
      std::string const why = e.what();
      throw_error(e.code(), who + ": weight '" + name +
                                "': " + (why.starts_with("ia_nn: ") ? why.substr(7) : why));
    }
  }
  /// Errors: errc::bad_parameter for weights that no layer has asked for, if `belongs(name)` does
  /// not know them either.
  template <class F> void finish(F const& belongs) const {
    for (std::size_t i = 0; i < names_.size(); ++i)
      if (!asked_[i] && !belongs(names_[i]))
        throw_error(errc::bad_parameter, "network: no layer has a weight '" + names_[i] + "'");
  }

private:
  W const& from_;
  std::vector<std::string> names_;
  std::vector<char> asked_;
};

} // namespace detail

} // namespace graph
IA_NN_END

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
//   parameter     NAME, of the shape that it has behind the batch, with extents of 1 or without
//   lstm, gru, rnn   of layer K, behind each name _reverse for the other direction:
//                 NAME.weight_ih_lK (gates hidden, features)   NAME.bias_ih_lK (gates hidden)
//                 NAME.weight_hh_lK (gates hidden, width)      NAME.bias_hh_lK (gates hidden)
//                 NAME.weight_hr_lK (width, hidden) with a projection; gates i f g o, r z n
//
// Names and orders are those of PyTorch's state_dict.
#pragma once

#include <ia_nn/graph/kernels/weight_reader.hpp>

#include <memory>
#include <span>
#include <string>
#include <vector>

#include <ia_nn/begin.hpp>
namespace graph {

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
  bool has(std::string const& name) const { return places_.find(name) != places_.end(); }
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
        throw_error(errc::bad_shape, "weights: " + detail::in_quotes(name) + " has an extent of " +
                                         std::to_string(n) + ", negative or too large");
    if (has(name))
      throw_error(errc::bad_parameter, "weights: " + detail::in_quotes(name) + " is there twice");
    if (size != static_cast<index_t>(elements.size()))
      throw_error(errc::bad_shape, "weights: " + detail::in_quotes(name) + " has " +
                                       std::to_string(elements.size()) + " elements, its shape " +
                                       std::to_string(size));
    places_.emplace(name, all_.size());
    all_.push_back({std::move(name), std::move(shape), elements, std::move(own)});
  }
  entry const& get(std::string const& name) const {
    auto const at = places_.find(name);
    if (at == places_.end())
      throw_error(errc::bad_parameter, "weights: there is no " + detail::in_quotes(name));
    return all_[at->second];
  }
  std::vector<entry> all_;
  std::map<std::string, std::size_t> places_; ///< in `all_`
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

} // namespace graph
IA_NN_END

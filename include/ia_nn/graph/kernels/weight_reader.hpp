// SPDX-License-Identifier: Apache-2.0
//
// How kernels get their weights: by name and shape, from any source of named arrays.
#pragma once

#include <ia_nn/core/error.hpp>
#include <ia_nn/core/memory.hpp>
#include <ia_nn/graph/ir/sentences.hpp>
#include <ia_nn/graph/kernels/compile_options.hpp>
#include <ia_nn/graph/kernels/near_names.hpp>

#include <algorithm>
#include <map>

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

namespace detail {
inline std::string shape_text(std::vector<index_t> const& s) {
  std::string t = "(";
  for (std::size_t i = 0; i < s.size(); ++i) t += (i ? ", " : "") + std::to_string(s[i]);
  return t + ")";
}
/// Equal, or equal without extents of 1.
inline bool shapes_agree(std::vector<index_t> a, std::vector<index_t> b, bool ones_count) {
  if (!ones_count) std::erase(a, 1), std::erase(b, 1);
  return a == b;
}
} // namespace detail

/// From a network's names of weights to those of a source: compile_options::names, and a prefix.
class weight_names {
public:
  std::string prefix{}; ///< in front of all names

  /// Errors: errc::bad_parameter for two names of one layer.
  explicit weight_names(compile_options const& o) {
    for (auto const& [from, to] : o.names)
      if (!map_.emplace(from, to).second)
        throw_error(errc::bad_parameter,
                    "network: .names has two names for " + detail::in_quotes(from));
  }
  /// Layer "fc" with suffix ".weight": "fc.weight", or another name.
  std::string of(std::string_view layer, std::string_view suffix) const {
    return prefix + without_prefix(layer, suffix);
  }
  std::string without_prefix(std::string_view layer, std::string_view suffix) const {
    std::string full = std::string(layer) + std::string(suffix);
    if (map_.empty()) return full;
    if (auto const one = map_.find(full); one != map_.end()) return one->second;
    if (auto const all = map_.find(layer); all != map_.end())
      return all->second + std::string(suffix);
    return full;
  }

private:
  std::map<std::string, std::string, std::less<>> map_;
};

/// Hands out weights and checks their shapes. Sentences begin with the layer. What reads from it
/// compiles once for all sources.
class weight_reader {
public:
  weight_names names;

  virtual ~weight_reader() = default;

  /// The names of the source, in its order.
  std::vector<std::string> const& all() const { return all_; }
  bool lists(std::string_view name) const {
    return std::binary_search(sorted_.begin(), sorted_.end(), name);
  }
  /// True also for what the source does not count among its weights.
  bool has(std::string const& name) const { return lists(name) || has_of(name); }

  /// `who`: "conv2d 'stage1.conv2'", of name `layer`. `ones_count`: whether shapes that differ by
  /// extents of 1 differ. Errors: errc::bad_parameter if there is none of this name,
  /// errc::bad_shape, and those of the source.
  std::vector<f32> read(std::string const& who, std::string_view layer, std::string_view suffix,
                        std::vector<index_t> const& shape, bool ones_count = true) const {
    std::string const name = names.of(layer, suffix);
    if (!has(name))
      throw_error(errc::bad_parameter, who + ": there is no weight " + detail::in_quotes(name));
    std::vector<index_t> const is = shape_of(name);
    if (!detail::shapes_agree(is, shape, ones_count))
      throw_error(errc::bad_shape, who + ": weight " + detail::in_quotes(name) + " has the shape " +
                                       detail::shape_text(is) + ", expected " +
                                       detail::shape_text(shape));
    IA_NN_TRY {
      return values_of(name);
    }
    IA_NN_CATCH(error const& e) {
      throw_error(e.code(), who + ": weight " + detail::in_quotes(name) + ": " +
                                std::string(without_head(e.what())));
    }
  }

protected:
  weight_reader(std::vector<std::string> all, compile_options const& o)
      : names(o), all_(std::move(all)), sorted_(all_.begin(), all_.end()) {
    std::sort(sorted_.begin(), sorted_.end());
  }
  weight_reader(weight_reader const&) = delete; // it looks into its own strings
  weight_reader& operator=(weight_reader const&) = delete;

private:
  virtual bool has_of(std::string const& name) const = 0;
  virtual std::vector<index_t> shape_of(std::string const& name) const = 0;
  virtual std::vector<f32> values_of(std::string const& name) const = 0;

  std::vector<std::string> all_;
  std::vector<std::string_view> sorted_;
};

namespace detail {
template <weights_source W> class reader_of final : public weight_reader {
public:
  reader_of(W const& from, compile_options const& o)
      : weight_reader(from.names(), o), from_(from) {}

private:
  bool has_of(std::string const& name) const override { return from_.has(name); }
  std::vector<index_t> shape_of(std::string const& name) const override {
    return from_.shape(name);
  }
  std::vector<f32> values_of(std::string const& name) const override { return from_.values(name); }
  W const& from_;
};
} // namespace detail

} // namespace graph
IA_NN_END

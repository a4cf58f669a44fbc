// SPDX-License-Identifier: Apache-2.0
//
// How kernels get their weights: by name and shape, from any source of named arrays.
#pragma once

#include <ia_nn/core/error.hpp>
#include <ia_nn/core/memory.hpp>

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

namespace detail {
inline std::string shape_text(std::vector<index_t> const& s) {
  std::string t = "(";
  for (std::size_t i = 0; i < s.size(); ++i) t += (i ? ", " : "") + std::to_string(s[i]);
  return t + ")";
}
} // namespace detail

/// Hands out weights, checks their shapes, and knows in the end which were not asked for. Sentences
/// begin with the layer. What reads from it compiles once for all sources.
class weight_reader {
public:
  virtual ~weight_reader() = default;

  /// `who`: "conv2d 'stage1.conv2'". Errors: errc::bad_parameter if there is none of this name,
  /// errc::bad_shape, and those of the source.
  std::vector<f32> read(std::string const& who, std::string const& name,
                        std::vector<index_t> const& shape) {
    if (!has(name)) throw_error(errc::bad_parameter, who + ": there is no weight '" + name + "'");
    std::vector<index_t> const is = shape_of(name);
    if (is != shape)
      throw_error(errc::bad_shape, who + ": weight '" + name + "' has the shape " +
                                       detail::shape_text(is) + ", expected " +
                                       detail::shape_text(shape));
    for (std::size_t i = 0; i < names_.size(); ++i)
      if (names_[i] == name) asked_[i] = 1;
    IA_NN_TRY {
      return values_of(name);
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

protected:
  explicit weight_reader(std::vector<std::string> names)
      : names_(std::move(names)), asked_(names_.size()) {}

private:
  virtual bool has(std::string const& name) const = 0;
  virtual std::vector<index_t> shape_of(std::string const& name) const = 0;
  virtual std::vector<f32> values_of(std::string const& name) const = 0;

  std::vector<std::string> names_;
  std::vector<char> asked_;
};

namespace detail {
template <weights_source W> class reader_of final : public weight_reader {
public:
  explicit reader_of(W const& from) : weight_reader(from.names()), from_(from) {}

private:
  bool has(std::string const& name) const override { return from_.has(name); }
  std::vector<index_t> shape_of(std::string const& name) const override {
    return from_.shape(name);
  }
  std::vector<f32> values_of(std::string const& name) const override { return from_.values(name); }
  W const& from_;
};
} // namespace detail

} // namespace graph
IA_NN_END

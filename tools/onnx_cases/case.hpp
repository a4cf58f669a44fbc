// SPDX-License-Identifier: Apache-2.0
//
// A test case of ONNX: one folder with case.json, which describes a graph, and NPY files with its
// inputs, constants and expected outputs.
#pragma once

#include <ia_nn/io/npy.hpp>

#include <nlohmann/json.hpp>

#include <filesystem>
#include <initializer_list>
#include <map>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

namespace onnx_cases {

using ia_nn::f32;
using ia_nn::index_t;
using ia_nn::npy_array;
using ia_nn::npy_type;
using ia_nn::s32;

/// Thrown for a case that is right, but that nothing here computes. what() says what is lacking.
struct unsupported : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// Attributes of a node. One that is there has the type asked for, or the JSON library throws.
class attributes {
public:
  explicit attributes(nlohmann::json values) : values_(std::move(values)) {}

  bool has(std::string const& name) const { return values_.contains(name); }
  template <class T> T get(std::string const& name, T otherwise) const {
    return values_.value(name, std::move(otherwise));
  }
  /// Throws `unsupported` if there is another one than these.
  void only(std::initializer_list<char const*> known) const;

private:
  nlohmann::json values_;
};

using optional_array = std::optional<npy_array>; ///< empty: an optional tensor that is left out

/// A node and its operands.
struct op_case {
  std::string op;
  index_t opset = 0; ///< version of the default domain
  attributes attribute;
  std::vector<optional_array> inputs;
  std::vector<std::string> output_names;
  std::vector<optional_array> expected; ///< one for each name; empty: not an output of the graph

  /// Input i, or null where it is left out.
  npy_array const* input(std::size_t i) const {
    return i < inputs.size() && inputs[i] ? &*inputs[i] : nullptr;
  }
  npy_array const& required(std::size_t i) const;
};

/// What case.json says, before any tensor is read.
struct case_file {
  std::filesystem::path folder;
  nlohmann::json graph;
  std::string name;  ///< of the case
  std::string label; ///< of the operator; of a graph of several: "Exp+Mul+Sub"
};

/// The tensors of a case, and its nodes in the order in which they are computed. Constants are
/// tensors.
struct case_graph {
  std::map<std::string, npy_array> tensors, expected;
  std::vector<nlohmann::json> nodes;

  /// Node i with what has been computed so far.
  op_case node(std::size_t i, case_file const& file) const;
};

case_file read_case(std::filesystem::path const& folder);
case_graph load_case(case_file const& file);

/// The elements of an input of type float32. Throws `unsupported` for another type.
std::vector<f32> f32_elements(npy_array const& array);
/// Throws std::runtime_error, with `what` in it, unless the array has this shape.
void require_shape(npy_array const& array, std::vector<index_t> const& shape, char const* what);

} // namespace onnx_cases

// SPDX-License-Identifier: Apache-2.0
#include "case.hpp"

#include <algorithm>
#include <fstream>

namespace onnx_cases {

using nlohmann::json;

void attributes::only(std::initializer_list<char const*> known) const {
  for (auto const& [name, value] : values_.items())
    if (std::find(known.begin(), known.end(), name) == known.end())
      throw unsupported("attribute " + name);
}

npy_array const& op_case::required(std::size_t i) const {
  if (npy_array const* const array = input(i)) return *array;
  throw std::runtime_error("input " + std::to_string(i) + " is missing");
}

case_file read_case(std::filesystem::path const& folder) {
  std::filesystem::path const path = folder / "case.json";
  std::ifstream stream(path);
  if (!stream) throw std::runtime_error(path.string() + " cannot be opened");
  case_file file{folder, json::parse(stream), folder.filename().string(), {}};
  for (json const& node : file.graph.at("nodes")) {
    auto const& op = node.at("op_type").get_ref<std::string const&>();
    if (op == "Constant") continue;
    file.label += (file.label.empty() ? "" : "+") + op;
  }
  if (file.label.empty()) throw std::runtime_error(path.string() + " has no operator");
  return file;
}

case_graph load_case(case_file const& file) {
  auto const load = [&](json const& tensor) {
    return ia_nn::load_npy((file.folder / tensor.at("file").get<std::string>()).string());
  };
  json const& data = file.graph.at("data_sets").at(0);
  case_graph g;
  for (json const* list : {&file.graph.at("initializers"), &data.at("inputs")})
    for (json const& tensor : *list) g.tensors.insert_or_assign(tensor.at("name"), load(tensor));
  for (json const& tensor : data.at("outputs")) g.expected.emplace(tensor.at("name"), load(tensor));
  std::size_t found = 0;
  for (json const& node : file.graph.at("nodes")) {
    if (node.at("op_type") == "Constant") {
      json const& values = node.at("attributes");
      if (!values.contains("value")) throw unsupported("a Constant that is no tensor");
      g.tensors.insert_or_assign(node.at("outputs").at(0), load(values.at("value")));
      continue;
    }
    auto const domain = node.value("domain", std::string());
    if (!domain.empty() && domain != "ai.onnx" && domain != "ai.onnx.preview.training")
      throw unsupported("the domain " + domain);
    for (json const& name : node.at("outputs"))
      found += g.expected.contains(name.get<std::string>());
    g.nodes.push_back(node);
  }
  if (found == 0 || found != g.expected.size())
    throw std::runtime_error("outputs of the graph are none of its nodes'");
  return g;
}

op_case case_graph::node(std::size_t i, case_file const& file) const {
  json const& from = nodes[i];
  op_case c{from.at("op_type"),
            file.graph.at("opset").value("ai.onnx", index_t{0}),
            attributes(from.at("attributes")),
            {},
            {},
            {}};
  for (json const& name : from.at("inputs")) {
    auto const found = tensors.find(name.get<std::string>());
    if (found != tensors.end()) c.inputs.emplace_back(found->second);
    else if (name == "") c.inputs.emplace_back();
    else throw std::runtime_error("there is no tensor " + name.dump());
  }
  for (json const& name : from.at("outputs")) {
    c.output_names.push_back(name);
    auto const found = expected.find(name.get<std::string>());
    c.expected.push_back(found != expected.end() ? optional_array(found->second) : std::nullopt);
  }
  return c;
}

std::vector<f32> f32_elements(npy_array const& array) {
  if (array.type != npy_type::float32)
    throw unsupported(std::string("elements of type ") + ia_nn::name_of(array.type));
  return ia_nn::npy_elements<f32>(array);
}

void require_shape(npy_array const& array, std::vector<index_t> const& shape, char const* what) {
  if (array.shape == shape) return;
  throw std::runtime_error(std::string(what) + " has shape " +
                           ia_nn::detail::npy_shape_text(array.shape) + ", expected " +
                           ia_nn::detail::npy_shape_text(shape));
}

} // namespace onnx_cases

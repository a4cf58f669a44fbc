// SPDX-License-Identifier: Apache-2.0
//
// Writes what the compiler made of ResNet-50 v1.5: its steps as text, the graph before and after fusion
// for Graphviz, and as pictures the memory plan, the costs of the steps, and what became of the
// first two blocks. The pictures of docs/graph.md are these.
//
//   graph_dump [folder]      without a folder only the text is printed
#include "models/resnet.hpp"

#include <ia_nn/graph/show/svg.hpp>

#include <fstream>
#include <iostream>

namespace {
bool write(std::string const& path, std::string const& text) {
  std::ofstream file(path);
  file << text;
  file.close();
  if (!file) std::cerr << "cannot write " << path << "\n";
  return static_cast<bool>(file);
}
} // namespace

int main(int argc, char** argv) {
  namespace graph = ia_nn::graph;
  using net = models::resnet50_v1_5<>;
  static_assert(graph::planned<net>); // no two live buffers overlap
  std::cout << graph::dump_steps<net>();
  if (argc < 2) return 0;
  std::string const folder = argv[1];
  bool const good = write(folder + "/resnet50_nodes.txt", graph::dump_nodes<net>()) &&
                    write(folder + "/resnet50_steps.txt", graph::dump_steps<net>()) &&
                    write(folder + "/resnet50_nodes.dot", graph::dot_nodes<net>()) &&
                    write(folder + "/resnet50_steps.dot", graph::dot_steps<net>()) &&
                    write(folder + "/resnet50_memory.svg", graph::memory_svg<net>()) &&
                    write(folder + "/resnet50_costs.svg", graph::cost_svg<net>()) &&
                    write(folder + "/resnet50_fusion.svg", graph::fusion_svg<net>(5, 22));
  return good ? 0 : 1;
}

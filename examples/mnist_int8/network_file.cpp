// SPDX-License-Identifier: Apache-2.0
//
// Parameters of a network in files.
#include "network.hpp"

#include <ia_nn/io/safetensors.hpp>
#include <ia_nn/io/safetensors_write.hpp>

namespace demo {
namespace {

// f(name in the file, elements, shape) for each array of parameters.
template <class Parameters, class F> void each_array(network const& n, Parameters& p, F const& f) {
  for (std::size_t i = 0; i < n.layers.size(); ++i) {
    layer const& l = n.layers[i];
    if (!l.has_weights()) continue;
    conv_shape const& s = l.shape;
    std::vector<index_t> const one{s.filters};
    if (l.what == kind::conv)
      f(l.name + ".weight", p[i].weight,
        std::vector{s.filters, s.channels, s.win.kernel.height, s.win.kernel.width});
    else f(l.name + ".weight", p[i].weight, std::vector{s.filters, l.inputs()});
    if (l.norm.empty()) f(l.name + ".bias", p[i].bias, one);
    else {
      f(l.norm + ".weight", p[i].norm_weight, one);
      f(l.norm + ".bias", p[i].norm_bias, one);
      f(l.norm + ".running_mean", p[i].mean, one);
      f(l.norm + ".running_var", p[i].variance, one);
    }
  }
}

} // namespace

void save_parameters(network const& n, parameters const& p, std::string const& path) {
  std::vector<safetensors_entry> entries;
  each_array(n, p, [&](std::string name, std::vector<f32> const& x, std::vector<index_t> shape) {
    entries.push_back(make_safetensors_entry<f32>(std::move(name), x, std::move(shape)));
  });
  save_safetensors(path, entries, {{"network", n.title}});
}

parameters load_parameters(network const& n, std::string const& path) {
  safetensors const file = load_safetensors(path);
  parameters p(n.layers.size());
  each_array(n, p,
             [&](std::string const& name, std::vector<f32>& x, std::vector<index_t> const& shape) {
               x = file.to_f32(name, shape);
             });
  return p;
}

} // namespace demo

// SPDX-License-Identifier: Apache-2.0
#include "entry.hpp"

#include <ia_nn/core/error.hpp>
#include <ia_nn/graph/kernels/near_names.hpp>

std::vector<models::catalog::entry> const& models::catalog::all() {
  static std::vector<entry> const list = [] {
    std::vector<entry> l;
    for (auto const family : {resnets_of_18_and_34, resnets_of_50, resnets_of_101, resnets_of_152, vggs, alexnets,
                              squeezenets, densenets, mobilenets, googlenets, inceptions, dcgans, detectors, small_networks})
      for (entry& e : family()) l.push_back(std::move(e));
    return l;
  }();
  return list;
}

models::catalog::entry const& models::catalog::find(std::string const& name) {
  std::vector<std::string_view> names;
  for (entry const& e : all()) {
    if (e.name == name) return e;
    names.push_back(e.name);
  }
  namespace text = ia_nn::graph::detail;
  std::string_view const near = text::nearest(name, names);
  ia_nn::throw_error(ia_nn::errc::bad_parameter,
                     "catalog: there is no network " + text::in_quotes(name) +
                         (near.empty() ? std::string() : "; the nearest is " + text::in_quotes(near)));
}

// SPDX-License-Identifier: Apache-2.0
//
// Checkpoints: weights, state of the optimizer, and where training stands, in one safetensors file. The
// weights have their names, so that the file is one of weights as well; training that goes on from it has
// the bits of training that was never interrupted.
#pragma once

#include <ia_nn/graph/train/parameters.hpp>
#include <ia_nn/io/safetensors.hpp>

#include <cstdint>

#include <ia_nn/begin.hpp>
namespace graph {

namespace detail {

/// What a checkpoint says beside its arrays.
struct checkpoint_head {
  std::uint64_t network; ///< passes/fingerprint.hpp
  std::string optimizer;
  index_t steps = 0;       ///< of the optimizer
  std::uint64_t round = 0; ///< of the trainer
};
inline constexpr char const* optimizer_prefix = "optimizer.";

inline std::uint64_t number_of(std::string const& text, std::string const& path) {
  std::uint64_t n = 0;
  bool right = !text.empty() && text.size() <= 20;
  for (char const c : text) {
    right = right && c >= '0' && c <= '9';
    n = n * 10 + static_cast<std::uint64_t>(c - '0');
  }
  if (!right) throw_error(errc::bad_file, "checkpoint: '" + path + "': a number in it is damaged");
  return n;
}

template <class Optimizer>
void save_checkpoint(std::string const& path, checkpoint_head const& head, trained_weights const& weights,
                     Optimizer const& optimizer) {
  std::vector<safetensors_entry> all = weights.entries(true);
  for (auto const& s : optimizer.state())
    all.push_back(make_safetensors_entry<f32>(optimizer_prefix + std::string(s.name), s.values,
                                              {static_cast<index_t>(s.values.size())}));
  save_safetensors(path, all,
                   {{"network", std::to_string(head.network)},
                    {"optimizer", head.optimizer},
                    {"steps", std::to_string(static_cast<std::uint64_t>(head.steps))},
                    {"round", std::to_string(head.round)}});
}

/// `expected` says which network and optimizer it must be of. Everything is read before anything is changed.
template <class Optimizer>
checkpoint_head load_checkpoint(std::string const& path, checkpoint_head const& expected,
                                trained_weights& weights, Optimizer& optimizer) {
  safetensors const file = load_safetensors(path);
  auto const fail = [&](std::string const& what) {
    throw_error(errc::bad_parameter, "checkpoint: '" + path + "' " + what);
  };
  auto const said = [&](char const* key) -> std::string {
    for (auto const& [name, value] : file.metadata())
      if (name == key) return value;
    fail("is no checkpoint of a trainer: it does not say its " + std::string(key));
    return {};
  };
  checkpoint_head head;
  head.network = number_of(said("network"), path);
  head.optimizer = said("optimizer");
  head.steps = static_cast<index_t>(number_of(said("steps"), path));
  head.round = number_of(said("round"), path);
  if (head.network != expected.network) fail("is of another network");
  if (head.optimizer != expected.optimizer)
    fail("is of the optimizer " + in_quotes(head.optimizer) + ", not " + expected.optimizer);
  std::vector<std::vector<f32>> states;
  for (auto const& s : optimizer.state())
    states.push_back(file.to_f32(optimizer_prefix + std::string(s.name), {static_cast<index_t>(s.values.size())}));
  weights.load(file_weights<safetensors const&>(file));
  std::size_t i = 0;
  for (auto const& s : optimizer.state()) {
    std::copy(states[i].begin(), states[i].end(), s.values.begin());
    ++i;
  }
  optimizer.set_steps(head.steps);
  return head;
}

} // namespace detail
} // namespace graph
IA_NN_END

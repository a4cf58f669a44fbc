// SPDX-License-Identifier: Apache-2.0
//
// Checkpoints: weights, state of the optimizer, and where training stands, in one safetensors file. The
// weights have their names, so that the file is one of weights as well; training that goes on from it has
// the bits of training that was never interrupted.
//
//   graph::save_checkpoint("net.checkpoint", trainer);
//   if (std::filesystem::exists("net.checkpoint")) graph::resume_checkpoint("net.checkpoint", trainer);
//   graph::save_weights("net.safetensors", trainer);                 // for `compiled`, without all the rest
#pragma once

#include <ia_nn/graph/train/trainer.hpp>
#include <ia_nn/io/safetensors.hpp>
#include <ia_nn/io/safetensors_write.hpp>

#include <bit>
#include <cstdint>

#include <ia_nn/begin.hpp>
namespace graph {

namespace detail {

inline constexpr char const* optimizer_prefix = "optimizer.";

inline std::uint64_t number_of(std::string const& text, std::string const& path) {
  std::uint64_t n = 0;
  bool right = !text.empty();
  for (char const c : text) {
    auto const digit = static_cast<std::uint64_t>(c - '0'); // of another character a large number
    right = right && digit <= 9 && n <= (UINT64_MAX - digit) / 10;
    n = n * 10 + digit;
  }
  if (!right) throw_error(errc::bad_file, "checkpoint: '" + path + "': a number in it is damaged");
  return n;
}
/// `with_training`: also what nobody needs where the network runs.
inline std::vector<safetensors_entry> entries_of(trained_weights const& weights, bool with_training) {
  std::vector<safetensors_entry> to;
  for (trained_weights::entry const& e : weights.all())
    if (with_training || !e.of_training)
      to.push_back(make_safetensors_entry<f32>(e.name, std::span<f32 const>(e.values), e.shape));
  return to;
}

} // namespace detail

/// The weights of a trainer as they are. Errors: errc::bad_file; then the old file is what it was.
template <class Trainer> void save_weights(std::string const& path, Trainer& trainer) {
  save_safetensors(path, detail::entries_of(trainer.state().weights, false));
}

/// The path names the old file or the whole new one at any time. Errors: errc::bad_parameter between calls of
/// `accumulate` and `update`, errc::bad_file.
template <class Trainer> void save_checkpoint(std::string const& path, Trainer& trainer) {
  auto const s = trainer.state();
  if (s.pending > 0)
    throw_error(errc::bad_parameter, "checkpoint: gradients of " + std::to_string(s.pending) +
                                         " steps wait for others: save behind `update`");
  std::vector<safetensors_entry> all = detail::entries_of(s.weights, true);
  for (auto const& a : s.optimizer.state())
    all.push_back(make_safetensors_entry<f32>(detail::optimizer_prefix + std::string(a.name),
                                              std::span<f32 const>(a.values),
                                              {static_cast<index_t>(a.values.size())}));
  save_safetensors(path, all,
                   {{"network", std::to_string(s.network)},
                    {"optimizer", s.optimizer.name},
                    {"steps", std::to_string(s.optimizer.steps())},
                    {"round", std::to_string(s.round)},
                    {"learning_rate_bits", std::to_string(std::bit_cast<std::uint64_t>(s.optimizer.learning_rate()))}});
}

/// The learning rate is that of the file, as in PyTorch, whatever the options of `trainer` say; `set_learning_rate`
/// behind it gives another.
/// Errors: errc::bad_parameter for a checkpoint of another network or optimizer, or a file that is none,
/// errc::bad_shape, errc::bad_file. Then nothing has changed.
template <class Trainer> void resume_checkpoint(std::string const& path, Trainer& trainer) {
  auto const s = trainer.state();
  safetensors const file = load_safetensors(path);
  auto const fail = [&](std::string const& what) {
    throw_error(errc::bad_parameter, "checkpoint: '" + path + "' " + what);
  };
  auto const find = [&](char const* key) -> std::string const* {
    auto const at = file.metadata().find(key);
    return at == file.metadata().end() ? nullptr : &at->second;
  };
  auto const said = [&](char const* key) -> std::string {
    if (std::string const* const value = find(key)) return *value;
    fail("is no checkpoint of a trainer: it does not say its " + std::string(key));
    return {};
  };
  std::uint64_t const network = detail::number_of(said("network"), path),
                      steps = detail::number_of(said("steps"), path),
                      round = detail::number_of(said("round"), path);
  if (steps > INT64_MAX) fail("has done " + std::to_string(steps) + " steps, more than can be counted");
  if (network != s.network) fail("is of another network");
  if (std::string const optimizer = said("optimizer"); optimizer != s.optimizer.name)
    fail("is of the optimizer " + detail::in_quotes(optimizer) + ", not " + s.optimizer.name);
  double rate = s.optimizer.learning_rate(); // of files that say none: that of the options
  if (std::string const* const bits = find("learning_rate_bits"))
    rate = std::bit_cast<double>(detail::number_of(*bits, path));
  if (!(rate >= 0 && rate < 1e30))
    throw_error(errc::bad_file, "checkpoint: '" + path + "': its learning rate is not a number from 0 on");
  std::vector<std::vector<f32>> states;
  for (auto const& a : s.optimizer.state())
    states.push_back(file.to_f32(detail::optimizer_prefix + std::string(a.name),
                                 {static_cast<index_t>(a.values.size())}));
  s.weights.load(file_weights<safetensors const&>(file)); // the last that can fail
  std::size_t i = 0;
  for (auto const& a : s.optimizer.state()) {
    std::copy(states[i].begin(), states[i].end(), a.values.begin());
    ++i;
  }
  s.optimizer.set_steps(static_cast<index_t>(steps));
  s.optimizer.set_learning_rate(rate);
  s.round = round;
  s.pending = 0;
}

} // namespace graph
IA_NN_END

// SPDX-License-Identifier: Apache-2.0
//
// Optimizers and losses.
//
//   Adam, Adagrad, Momentum   R, T, then X..., G..., and each kind of state in turn; outputs X...
//   and
//                             the states
//   SoftmaxCrossEntropyLoss   scores (N, C, D1, ...), labels (N, D1, ...), weights (C)
//   NegativeLogLikelihoodLoss the same of log-probabilities
#include "operators.hpp"

#include <ia_nn/train/adam.hpp>
#include <ia_nn/train/loss.hpp>
#include <ia_nn/train/sgd.hpp>

#include <algorithm>

namespace onnx_cases {
namespace {

using I = ia_nn::isa::native;

std::size_t at(index_t i) { return static_cast<std::size_t>(i); }

// The tensors of one step: `kinds` per parameter, X and G and the states.
struct training_step {
  op_case const& c;
  index_t kinds, count; ///< count: parameters
  double rate;
  index_t done;

  training_step(op_case const& of, index_t k) : c(of), kinds(k) {
    auto const tensors = static_cast<index_t>(c.inputs.size()) - 2;
    if (tensors < kinds || tensors % kinds != 0)
      throw std::runtime_error(std::to_string(tensors) + " tensors");
    count = tensors / kinds;
    rate = static_cast<double>(f32_elements(c.required(0)).at(0));
    done = ia_nn::npy_elements<std::int64_t>(c.required(1)).at(0);
  }
  npy_array const& tensor(index_t kind, index_t i) const {
    return c.required(at(2 + kind * count + i));
  }
  double attribute(char const* name, double otherwise) const {
    return c.attribute.get(name, otherwise);
  }
  // make(n) is an optimizer; state(optimizer, k) its array of kind 2 + k.
  template <class Make, class State>
  std::vector<optional_array> run(Make const& make, State const& state) const {
    std::vector<optional_array> out(at((kinds - 1) * count));
    for (index_t i = 0; i < count; ++i) {
      std::vector<f32> x = f32_elements(tensor(0, i));
      std::vector<f32> const g = f32_elements(tensor(1, i));
      auto optimizer = make(static_cast<index_t>(x.size()));
      for (index_t k = 0; k < kinds - 2; ++k) {
        std::vector<f32> const old = f32_elements(tensor(2 + k, i));
        std::copy(old.begin(), old.end(), state(optimizer, k).begin());
      }
      optimizer.set_steps(done);
      optimizer.step(std::span<f32>(x), std::span<f32 const>(g));
      std::vector<index_t> const shape = tensor(0, i).shape;
      out[at(i)] = ia_nn::make_npy(std::span<f32 const>(x), shape);
      for (index_t k = 0; k < kinds - 2; ++k)
        out[at((1 + k) * count + i)] =
            ia_nn::make_npy(std::span<f32 const>(state(optimizer, k)), shape);
    }
    return out;
  }
};

std::vector<optional_array> run_adam(op_case const& c) {
  c.attribute.only({"alpha", "beta", "epsilon", "norm_coefficient", "norm_coefficient_post"});
  training_step const s(c, 4);
  return s.run(
      [&](index_t n) {
        return ia_nn::adam<I>(n, {.learning_rate = s.rate,
                                  .beta1 = s.attribute("alpha", 0.9),
                                  .beta2 = s.attribute("beta", 0.999),
                                  .epsilon = s.attribute("epsilon", 1e-6),
                                  .weight_decay = s.attribute("norm_coefficient", 0),
                                  .final_decay = s.attribute("norm_coefficient_post", 0),
                                  .form = ia_nn::adam_form::onnx});
      },
      [](ia_nn::adam<I>& o, index_t k) { return k == 0 ? o.first_moment() : o.second_moment(); });
}

std::vector<optional_array> run_adagrad(op_case const& c) {
  c.attribute.only({"decay_factor", "epsilon", "norm_coefficient"});
  training_step const s(c, 3);
  return s.run(
      [&](index_t n) {
        return ia_nn::adagrad<I>(n, {.learning_rate = s.rate,
                                     .learning_rate_decay = s.attribute("decay_factor", 0),
                                     .weight_decay = s.attribute("norm_coefficient", 0),
                                     .epsilon = s.attribute("epsilon", 1e-6)});
      },
      [](ia_nn::adagrad<I>& o, index_t) { return o.squares(); });
}

std::vector<optional_array> run_momentum(op_case const& c) {
  c.attribute.only({"alpha", "beta", "mode", "norm_coefficient"});
  training_step const s(c, 3);
  auto const mode = c.attribute.get("mode", std::string());
  if (mode != "standard" && mode != "nesterov") throw unsupported("mode " + mode);
  return s.run(
      [&](index_t n) {
        return ia_nn::sgd<I>(n, {.learning_rate = s.rate,
                                 .momentum = s.attribute("alpha", 0),
                                 .dampening = 1 - s.attribute("beta", 1),
                                 .weight_decay = s.attribute("norm_coefficient", 0),
                                 .nesterov = mode == "nesterov"});
      },
      [](ia_nn::sgd<I>& o, index_t) { return o.velocity(); });
}

// (N, C, rest) -> (N, rest, C), or back.
std::vector<f32> moved(std::vector<f32> const& from, index_t n, index_t c, index_t rest,
                       bool back) {
  std::vector<f32> to(from.size());
  for (index_t i = 0; i < n; ++i)
    for (index_t j = 0; j < c; ++j)
      for (index_t k = 0; k < rest; ++k) {
        std::size_t const first = at((i * c + j) * rest + k), last = at((i * rest + k) * c + j);
        to[back ? first : last] = from[back ? last : first];
      }
  return to;
}

std::vector<optional_array> run_loss(op_case const& c, bool log_probabilities) {
  c.attribute.only({"ignore_index", "reduction"});
  npy_array const& scores = c.required(0);
  if (scores.shape.size() < 2) throw unsupported("scores without classes");
  index_t const batch = scores.shape[0], classes = scores.shape[1];
  index_t const rest = scores.size() / (batch * classes), rows = batch * rest;
  auto const labels = ia_nn::npy_elements<std::int64_t>(c.required(1));
  auto const way = c.attribute.get("reduction", std::string("mean"));
  ia_nn::cross_entropy<I> const plan({.classes = classes,
                                      .max_rows = rows,
                                      .reduce = way == "none"  ? ia_nn::reduction::none
                                                : way == "sum" ? ia_nn::reduction::sum
                                                               : ia_nn::reduction::mean,
                                      .log_probabilities = log_probabilities,
                                      .ignored = c.attribute.get("ignore_index", INT64_MIN)});
  plan.check_labels(static_cast<index_t>(labels.size()), labels.data());
  std::vector<f32> const src = moved(f32_elements(scores), batch, classes, rest, false);
  std::vector<f32> const weights = c.input(2) ? f32_elements(*c.input(2)) : std::vector<f32>();
  std::vector<f32> loss(way == "none" ? at(rows) : 1), log_p(src.size());
  ia_nn::workspace scratch(plan.workspace_bytes());
  plan.run(ia_nn::cross_entropy_call<std::int64_t>{rows, src.data(), labels.data(),
                                                   weights.empty() ? nullptr : weights.data(),
                                                   loss.data(), ia_nn::not_wanted,
                                                   log_probabilities ? nullptr : log_p.data()},
           scratch);
  std::vector<optional_array> out;
  out.emplace_back(ia_nn::make_npy(std::span<f32 const>(loss),
                                   way == "none" ? c.required(1).shape : std::vector<index_t>{}));
  if (!log_probabilities) {
    std::vector<f32> const p = moved(log_p, batch, classes, rest, true);
    out.emplace_back(ia_nn::make_npy(std::span<f32 const>(p), scores.shape));
  }
  return out;
}

std::vector<optional_array> run_softmax_loss(op_case const& c) { return run_loss(c, false); }
std::vector<optional_array> run_likelihood_loss(op_case const& c) { return run_loss(c, true); }

registration const adam{"Adam", run_adam}, adagrad{"Adagrad", run_adagrad},
    momentum{"Momentum", run_momentum}, softmax{"SoftmaxCrossEntropyLoss", run_softmax_loss},
    likelihood{"NegativeLogLikelihoodLoss", run_likelihood_loss};

} // namespace
} // namespace onnx_cases

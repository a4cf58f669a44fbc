// SPDX-License-Identifier: Apache-2.0
#include "rnn_activation.hpp"

#include <limits>

namespace onnx_cases {

namespace {

constexpr f32 none = std::numeric_limits<f32>::infinity();      // takes no such parameter
constexpr f32 required = std::numeric_limits<f32>::quiet_NaN(); // has no default

struct row {
  char const* name;
  activation_kind kind;
  f32 alpha, beta; ///< defaults
};

// clang-format off
constexpr row rows[] = {
    {"Sigmoid",         activation_kind::sigmoid,          none,     none},
    {"Tanh",            activation_kind::tanh,             none,     none},
    {"Relu",            activation_kind::relu,             none,     none},
    {"Affine",          activation_kind::affine,           required, required},
    {"LeakyRelu",       activation_kind::leaky_relu,       0.01F,    none},
    {"ThresholdedRelu", activation_kind::thresholded_relu, 1.0F,     none},
    {"ScaledTanh",      activation_kind::scaled_tanh,      required, required},
    {"HardSigmoid",     activation_kind::hard_sigmoid,     0.2F,     0.5F},
    {"Elu",             activation_kind::elu,              1.0F,     none},
    {"Softsign",        activation_kind::softsign,         none,     none},
    {"Softplus",        activation_kind::softplus,         none,     none},
};
// clang-format on

} // namespace

std::vector<chosen_activation> chosen_activations(attributes const& a,
                                                  std::vector<std::string> const& defaults,
                                                  std::size_t directions) {
  std::vector<std::string> names;
  for (std::size_t d = 0; d < directions; ++d)
    names.insert(names.end(), defaults.begin(), defaults.end());
  std::size_t const count = names.size();
  names = a.get("activations", names);
  if (names.size() != count)
    throw std::runtime_error(std::to_string(names.size()) + " activations, expected " +
                             std::to_string(count));
  auto const alphas = a.get("activation_alpha", std::vector<f32>());
  auto const betas = a.get("activation_beta", std::vector<f32>());
  std::size_t alpha_at = 0, beta_at = 0;
  auto const next = [](f32 otherwise, std::vector<f32> const& given, std::size_t& at,
                       std::string const& what) {
    if (otherwise == none) return 0.0F;
    if (at < given.size()) return given[at++];
    if (otherwise != otherwise) throw unsupported(what);
    return otherwise;
  };
  std::vector<chosen_activation> chosen;
  for (std::string const& name : names) {
    row const* found = nullptr;
    for (row const& r : rows)
      if (name == r.name) found = &r;
    if (!found) throw unsupported("activation " + name);
    f32 const alpha = next(found->alpha, alphas, alpha_at, name + " without alpha");
    f32 const beta = next(found->beta, betas, beta_at, name + " without beta");
    chosen.push_back({found->kind, alpha, beta});
  }
  return chosen;
}

} // namespace onnx_cases

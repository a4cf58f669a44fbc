// SPDX-License-Identifier: Apache-2.0
//
// What a trainer is told beside the network.
#pragma once

#include <ia_nn/core/types.hpp>

#include <concepts>
#include <cstdint>
#include <functional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <ia_nn/begin.hpp>
namespace graph {

/// The learning rate of each change of the weights, from 0 on: a schedule of train/schedules.hpp, or a function
/// of yours. It is called within a step, which throws nothing, and so throws nothing either.
class rate_schedule {
public:
  /// None: the rate is that of the optimizer.
  rate_schedule() = default;
  template <class F>
    requires(!std::same_as<std::remove_cvref_t<F>, rate_schedule> && std::is_invocable_r_v<double, F&, index_t>)
  rate_schedule(F of) : of_(std::move(of)) {
    static_assert(std::is_nothrow_invocable_v<F&, index_t>,
                  "ia_nn: train_options: .schedule is called within a step, which throws nothing: declare its "
                  "function noexcept");
  }

  explicit operator bool() const noexcept { return static_cast<bool>(of_); }
  double operator()(index_t change) const noexcept { return of_(change); }

private:
  std::function<double(index_t)> of_;
};

struct train_options {
  index_t batch = 1; ///< the largest
  int workers = 1;   ///< concurrency of the executors that steps are given
  std::uint64_t seed = 1; ///< of first weights and of dropout
  index_t accumulate = 1; ///< steps whose gradients are averaged before the weights change
  index_t byte_limit = 0; ///< of values and workspace; values are made twice to meet it. 0: none
  index_t plans = 8; ///< of `use_shapes` that are kept
  double clip_norm = 0;  ///< gradients together are no longer than this; 0: as long as they are
  double clip_value = 0; ///< no element of a gradient is larger than this; 0: as large as it is
  /// Rows of embedding tables that no index has named since the last change stay as they are, and their state as
  /// well, whatever the optimizer: lazy Adam. Where that is what the optimizer does anyway, it is done in any case.
  bool lazy_tables = false;
  rate_schedule schedule{}; ///< where it gives no number from 0 on, the rate stays what it is
};

/// How a source of weights names them (kernels/compile_options.hpp).
struct load_options {
  std::vector<std::string> prefixes{};
  std::vector<std::pair<std::string, std::string>> names{};
};

} // namespace graph
IA_NN_END

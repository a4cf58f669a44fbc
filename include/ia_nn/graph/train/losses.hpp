// SPDX-License-Identifier: Apache-2.0
//
// What a trainer makes small: a function of the network's output and of what it should be.
//
// A loss is a type with options and
//
//   using target = ...;                                             an element of what it is compared with
//   index_t targets(dims const& output) const;                      of these for each item
//   sentence mistake(std::span<target const>) const noexcept;       why they cannot be, or nothing
//   template <isa::tag I> class kernel {
//     kernel(Loss const&, dims const& output, index_t batch, int workers);   may throw
//     index_t workspace_bytes() const noexcept;
//     f32 run(index_t rows, f32 const* output, target const*, f32* diff, workspace_view, any_executor&)
//       const noexcept;                                             the loss of the batch, its gradient to diff
//   };
#pragma once

#include <ia_nn/core/any_executor.hpp>
#include <ia_nn/graph/ir/sentences.hpp>
#include <ia_nn/train/element_loss.hpp>
#include <ia_nn/train/loss.hpp>

#include <span>

#include <ia_nn/begin.hpp>
namespace graph {

/// Softmax cross-entropy of logits (batch, ..., classes) and a class for each row: the mean over the rows.
template <std::integral Label = s32> struct cross_entropy_loss {
  std::int64_t ignored = INT64_MIN; ///< rows with this label count nowhere
  index_t classes = 0;              ///< set by the trainer: those of the output

  static constexpr bool of_logits = true; ///< a softmax belongs to it
  using target = Label;
  static index_t targets(dims const& output) { return output.item() / output.last(); }
  sentence mistake(std::span<Label const> labels) const noexcept {
    for (std::size_t r = 0; r < labels.size(); ++r) {
      auto const l = static_cast<std::int64_t>(labels[r]);
      if (l != ignored && (l < 0 || l >= classes))
        return detail::say(sentence("ia_nn: training: label "), l, " of row ", static_cast<index_t>(r),
                           " is not one of ", classes, " classes");
    }
    return {};
  }
  template <isa::tag I> class kernel {
  public:
    kernel(cross_entropy_loss const& o, dims const& output, index_t rows, int workers)
        : loss_({.classes = output.last(), .max_rows = rows, .ignored = o.ignored, .workers = workers}) {}
    index_t workspace_bytes() const noexcept { return loss_.workspace_bytes(); }
    f32 run(index_t rows, f32 const* output, Label const* labels, f32* diff, workspace_view scratch,
            any_executor& e) const noexcept {
      cross_entropy_call<Label> call{.rows = rows, .src = output, .labels = labels};
      f32 loss = 0;
      call.loss = &loss;
      if (diff) call.diff_src = write_to(diff);
      loss_.run(call, scratch, e);
      return loss;
    }

  private:
    cross_entropy<I> loss_;
  };
};

/// The mean over all elements of a function of output and target, which have the same shape. Form:
/// loss_form::squared, absolute, huber, smooth_l1, logistic (train/element_loss.hpp).
template <class Form> struct mean_loss {
  Form form{};

  using target = f32;
  static index_t targets(dims const& output) { return output.item(); }
  static sentence mistake(std::span<f32 const>) noexcept { return {}; }
  template <isa::tag I> class kernel {
  public:
    kernel(mean_loss const& o, dims const& output, index_t rows, int)
        : columns_(output.last()), loss_({.max_elements = rows * columns_}, o.form) {}
    index_t workspace_bytes() const noexcept { return loss_.workspace_bytes(); }
    f32 run(index_t rows, f32 const* output, f32 const* targets, f32* diff, workspace_view scratch,
            any_executor& e) const noexcept {
      f32 loss = 0;
      element_loss_call call{.n = rows * columns_, .src = output, .target = targets, .loss = &loss};
      if (diff) call.diff_src = write_to(diff);
      loss_.run(call, scratch, e);
      return loss;
    }

  private:
    index_t columns_;
    element_loss<I, Form> loss_;
  };
};
using squared_loss = mean_loss<loss_form::squared>;
using absolute_loss = mean_loss<loss_form::absolute>;
using huber_loss = mean_loss<loss_form::huber>;
using smooth_l1_loss = mean_loss<loss_form::smooth_l1>;
using binary_cross_entropy_loss = mean_loss<loss_form::logistic>;

template <class L>
concept loss_function = requires(L const& l, dims const& d, std::span<typename L::target const> t) {
  { l.targets(d) } -> std::same_as<index_t>;
  { l.mistake(t) } noexcept -> std::same_as<sentence>;
};

} // namespace graph
IA_NN_END

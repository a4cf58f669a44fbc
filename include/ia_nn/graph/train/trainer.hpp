// SPDX-License-Identifier: Apache-2.0
//
// Training of a network: the same definition that `compiled` runs.
//
//   graph::trainer<my_net> t({.batch = 64});
//   for (...) t.step(64, images, labels).require();
//   graph::compiled<my_net> const net(t.weights());
//
// A step runs the network forward, the loss, and the network backward, and then the optimizer. Everything is
// planned and allocated when the trainer is made; a step allocates nothing, throws nothing, and has the same
// bits for any number of threads.
#pragma once

#include <ia_nn/core/lru_cache.hpp>
#include <ia_nn/graph/passes/fingerprint.hpp>
#include <ia_nn/graph/run/arguments.hpp>
#include <ia_nn/graph/run/weight_check.hpp>
#include <ia_nn/graph/train/kernels.hpp>
#include <ia_nn/graph/train/losses.hpp>
#include <ia_nn/graph/train/network.hpp>
#include <ia_nn/graph/train/options.hpp>
#include <ia_nn/graph/train/pass.hpp>
#include <ia_nn/graph/train/quantize_aware.hpp>
#include <ia_nn/graph/train/shapes.hpp>
#include <ia_nn/train/adam.hpp>
#include <ia_nn/train/clip.hpp>

#include <ia_nn/begin.hpp>
namespace graph {

/// What a step says. Where it is false, nothing has changed, and `what` says why.
class [[nodiscard]] step_status {
public:
  explicit step_status(f32 loss) : loss_(loss) {}
  step_status(errc code, sentence const& what, f32 loss = 0) : status_(code, what), loss_(loss) {}

  explicit operator bool() const noexcept { return static_cast<bool>(status_); }
  /// Before the step.
  f32 loss() const noexcept { return loss_; }
  std::string_view what() const noexcept { return status_.what(); }
  errc code() const noexcept { return status_.code(); }
  /// Throws what is wrong as ia_nn::error; gives the loss.
  f32 require() const {
    status_.require();
    return loss_;
  }

private:
  run_status status_{};
  f32 loss_;
};

/// Net: ir/builder.hpp, with one output. Loss: train/losses.hpp. Optimizer: of train/, or a type with
/// `step(parameter_list, executor)` and `set_learning_rate`. Policy: `native`, f32 or bf16.
///
/// Errors at construction: errc::bad_parameter (options outside their domain, a byte limit that cannot be
/// met), and those of kernels and optimizer.
template <class Net, class Loss = cross_entropy_loss<>, class Optimizer = adam<isa::native>,
          backend Policy = native<>>
class trainer {
  static_assert(loss_function<Loss>, "ia_nn: trainer: Loss is no loss function, see graph/train/losses.hpp");
  static constexpr auto const& nodes = trained<Net>;
  static constexpr bool ends_in_softmax = [] {
    for (int id = 0; id < nodes.count(); ++id)
      if (nodes[id].kind == op::output) {
        op_kind const last = nodes[detail::value_of(nodes, id)].kind;
        return last == op::softmax || last == op::log_softmax;
      }
    return false;
  }();
  static constexpr bool has_two_softmaxes = [] {
    if constexpr (requires { Loss::of_logits; }) return Loss::of_logits && ends_in_softmax;
    else return false;
  }();
  static_assert(!has_two_softmaxes,
                "ia_nn: trainer: the network ends in softmax, which the loss has as well: end in logits");
  using isa_type = typename Policy::kernels::isa_type;
  using in_arguments = detail::arguments<Net, detail::network_end::input>;
  using target = typename Loss::target;
  using loss_kernel = typename Loss::template kernel<detail::isa_of_f32<isa_type>>;

  static constexpr bool has_tables = [] {
    for (int id = 0; id < nodes.count(); ++id)
      if (nodes[id].kind == op::embedding) return true;
    return false;
  }();
  static constexpr bool knows_tables =
      requires(Optimizer& o, parameter_list const& l, std::span<table_rows const* const> t) {
        o.step(l, t, sequential{});
        { o.zero_changes_nothing() } -> std::same_as<bool>;
      };

  /// What is made for the shapes of the inputs.
  struct plan_of_shapes {
    std::vector<node> nodes;
    training_pass pass;
    loss_kernel loss;

    plan_of_shapes(std::vector<node> n, train_options const& o, Loss const& l, trained_weights& weights)
        : nodes(std::move(n)), pass(nodes, detail::kernel_makers<Net, Policy>::all,
                                    {.batch = o.batch, .workers = o.workers, .seed = o.seed, .byte_limit = o.byte_limit}),
          loss(l, pass.output().shape, rows_of(pass.output().shape, o.batch), o.workers) {
      pass.need_workspace(loss.workspace_bytes());
      pass.allocate(weights);
    }
  };

public:
  explicit trainer(train_options const& o = {}, Loss const& loss = {}) : trainer(o, loss, 0) {}
  /// Another optimizer's options: trainer<net> t({.batch = 8}, adam_options{.learning_rate = 1e-4}).
  template <class Options>
    requires std::constructible_from<Optimizer, index_t, Options const&>
  trainer(train_options const& o, Options const& optimizer, Loss const& loss = {})
      : trainer(o, loss, 0, optimizer) {}

  /// Forward, backward, and a change of the weights (with `accumulate`, each time that so many steps have been
  /// run). Inputs as `compiled::run` takes them; targets in the order of the batch.
  template <executor E = sequential>
  step_status step(index_t batch, in_arguments in, std::span<target const> targets, E&& e = {}) noexcept {
    step_status const s = accumulate(batch, in, targets, e);
    if (s && pending_ >= o_.accumulate) update(e); // more by calls of `accumulate`
    return s;
  }
  /// Forward and backward: the gradients are written, or added to those of calls since the last `update`.
  template <executor E = sequential>
  step_status accumulate(index_t batch, in_arguments in, std::span<target const> targets,
                         E&& e = {}) noexcept {
    if (step_status const s = check(batch, in, targets); !s) return s;
    void const* from[static_cast<std::size_t>(max_of(1, in_arguments::expected))];
    int i = 0;
    for (detail::memory const& m : in.list().items) from[i++] = m.data;
    std::span<void const* const> const inputs(from, static_cast<std::size_t>(i));
    if (sentence const wrong = plan_->pass.wrong_index(batch, inputs); !wrong.empty())
      return {errc::bad_parameter, wrong};
    any_executor any(e);
    std::copy(weights_.statistics().begin(), weights_.statistics().end(), statistics_.begin());
    training_pass::call const call{batch, inputs, weights_, round_, pending_ > 0, !named_rows_};
    training_pass& pass = plan_->pass;
    f32 const loss = pass.run(call, any, [&](f32 const* output, f32* diff, workspace_view scratch) {
      return plan_->loss.run(rows_of(pass.output().shape, batch), output, targets.data(), diff, scratch, any);
    });
    if (!std::isfinite(loss)) {
      int const id = pass.first_not_finite(call, any);
      std::copy(statistics_.begin(), statistics_.end(), weights_.statistics().begin());
      sentence const head = detail::say(sentence("ia_nn: training: the loss is not finite: "),
                                        id < 0 ? "the values of all layers are" : "the first value that is not is that of ");
      return {errc::bad_parameter,
              id < 0 ? head : detail::say(head, shown(nodes[id]), " '", nodes[id].name.view(), "'"), loss};
    }
    ++round_, ++pending_;
    return step_status(loss);
  }
  /// The optimizer, with the mean of the gradients of all calls of `accumulate` since the last time.
  template <executor E = sequential> void update(E&& e = {}) noexcept {
    if (pending_ == 0) return;
    using registers = detail::isa_of_f32<isa_type>;
    parameter_list const& learned = weights_.learned();
    std::span<table_rows const* const> const tables = named_rows_ ? tables_ : std::span<table_rows const* const>{};
    if (pending_ > 1)
      ::ia_nn::detail::each_gradient<registers>(learned, tables, e,
                                                ::ia_nn::activation::linear{1.0F / static_cast<f32>(pending_), 0});
    if (o_.clip_norm > 0) clip_gradient_norm<registers>(learned, tables, o_.clip_norm, e);
    if (o_.clip_value > 0) clip_gradient_values<registers>(learned, tables, static_cast<f32>(o_.clip_value), e);
    if (o_.schedule)
      if (double const rate = o_.schedule(optimizer_.steps()); rate >= 0 && rate < 1e30)
        optimizer_.set_learning_rate(rate);
    if constexpr (has_tables && knows_tables) {
      if (named_rows_) optimizer_.step(learned, tables, e);
      else optimizer_.step(learned, e);
    } else optimizer_.step(learned, e);
    pending_ = 0;
  }

  /// The weights as they are, for `compiled` and for files: a view.
  memory_weights weights() const { return weights_.view(); }
  /// Of all that is learned, by name, with gradients. The program may change them: from the first call on all rows of
  /// tables are written and read in each step, except for `.lazy_tables`.
  parameter_list const& parameters() const noexcept {
    whole_tables();
    return weights_.learned();
  }
  /// One array, in the order of `parameters`, and with the same consequence.
  std::span<f32> gradients() noexcept {
    whole_tables();
    return weights_.gradients();
  }
  Optimizer& optimizer() noexcept { return optimizer_; }
  Optimizer const& optimizer() const noexcept { return optimizer_; }
  /// Weights to begin with; what else the source has is passed over. Errors: errc::bad_parameter for one that is
  /// missing, or names of `o` that the network has not, errc::bad_shape.
  template <weights_source W> void load(W const& from, load_options const& o = {}) {
    compile_options const c{.allow_unknown_weights = true, .prefixes = o.prefixes, .names = o.names};
    detail::reader_of<W> reader(from, c);
    plan_view const view{nodes.nodes, nullptr, nullptr, nullptr, nullptr, nodes.count(), 0, nodes.nodes, nodes.count(),
                         precision::f32};
    detail::weight_check(view, reader, c).run();
    weights_.load(from, reader.names);
  }

  /// Everything that a checkpoint has to hold (graph/files/checkpoint.hpp).
  struct training_state {
    std::uint64_t network; ///< passes/fingerprint.hpp
    trained_weights& weights;
    Optimizer& optimizer;
    std::uint64_t& round;
    index_t& pending; ///< steps whose gradients wait for `update`
  };
  training_state state() noexcept { return {fingerprint_of<Net>(), weights_, optimizer_, round_, pending_}; }
  /// Other extents of the inputs, in the order of the network, from the next step on: sequences of another
  /// length, images of another size. Plans are kept, `plans` of them, and the weights are the same. Errors:
  /// errc::bad_shape where the network or its weights do not fit, and those of construction; then the shapes are
  /// what they were.
  void use_shapes(std::initializer_list<dims> inputs) {
    std::vector<dims> const key(inputs.begin(), inputs.end());
    plan_ = plans_.get(key, [&] { return make_plan(detail::with_input_shapes(nodes, key)); }).get();
    tell_classes();
  }
  /// How often `use_shapes` found a plan, made one, and gave one up.
  lru_cache<std::vector<dims>, std::unique_ptr<plan_of_shapes>> const& plans() const noexcept { return plans_; }

  training_plan const& plan() const noexcept { return plan_->pass.plan(); }
  training_bytes bytes() const noexcept {
    training_pass const& pass = plan_->pass;
    return {pass.plan().bytes, pass.workspace_bytes(), weights_.value_bytes(), weights_.gradient_bytes(),
            pass.keep()};
  }

private:
  template <class... Options>
  trainer(train_options const& o, Loss const& loss, int, Options const&... optimizer)
      : o_(o), target_loss_(loss), weights_(nodes), plans_(o.plans),
        optimizer_(weights_.learned().elements(), optimizer...), statistics_(weights_.statistics().size()) {
    if constexpr (has_tables && knows_tables) {
      for (auto const& rows : weights_.tables()) tables_.push_back(rows.get());
      named_rows_ = o.lazy_tables || optimizer_.zero_changes_nothing();
    } else if (has_tables && o.lazy_tables) {
      throw_error(errc::bad_parameter, "training: .lazy_tables: the optimizer has no step for rows of tables");
    }
    if (o.accumulate < 1)
      throw_error(errc::bad_parameter,
                  "training: .accumulate is " + std::to_string(o.accumulate) + ", must be at least 1");
    ::ia_nn::detail::check_rate("training", "clip_norm", o.clip_norm);
    ::ia_nn::detail::check_rate("training", "clip_value", o.clip_value);
    std::vector<dims> key;
    for (node const& n : nodes.nodes)
      if (n.kind == op::input) key.push_back(n.shape);
    plan_ = plans_.get(key, [&] { return make_plan({nodes.nodes, nodes.nodes + nodes.count()}); }).get();
    tell_classes();
    weights_.initialise(nodes, o.seed);
  }
  void whole_tables() const noexcept { named_rows_ = named_rows_ && o_.lazy_tables; }
  std::unique_ptr<plan_of_shapes> make_plan(std::vector<node> n) {
    return std::make_unique<plan_of_shapes>(std::move(n), o_, target_loss_, weights_);
  }
  /// Labels are compared with the output of the plan in use.
  void tell_classes() noexcept {
    if constexpr (requires { target_loss_.classes; }) target_loss_.classes = output().shape.last();
  }
  static index_t rows_of(dims const& s, index_t batch) noexcept { return s.rows() * (s.dynamic() ? batch : 1); }
  node const& output() const noexcept { return plan_->pass.output(); }
  step_status check(index_t batch, in_arguments& in, std::span<target const> targets) const noexcept {
    sentence const who("ia_nn: training: ");
    bool const open = output().shape.dynamic();
    index_t const most = open ? o_.batch : output().shape[0];
    if (batch < 1 || batch > most || (!open && batch != most))
      return {errc::bad_parameter, detail::say(who, "a batch of ", batch, ", expected ", open ? "1 to " : "", most)};
    detail::memory_list const given = in.list();
    if (given.given != given.items.size())
      return {errc::bad_parameter, detail::say(who, given.given, " inputs, expected ", given.items.size())};
    detail::memory* next = given.items.data();
    for (node const& n : plan_->nodes) {
      if (n.kind != op::input) continue;
      detail::memory& m = *next++;
      m.needed = n.shape.size() * (n.shape.dynamic() ? batch : 1);
      if (run_status const s = detail::wrong_memory(n, m, batch); !s) return {s.code(), sentence(s.what())};
    }
    index_t const expected = batch * target_loss_.targets(output().shape);
    if (std::ssize(targets) != expected)
      return {errc::bad_shape, detail::say(who, std::ssize(targets), " targets, expected ", expected)};
    if (sentence const s = target_loss_.mistake(targets); !s.empty()) return {errc::bad_parameter, s};
    return step_status(0);
  }

  train_options o_;
  Loss target_loss_;
  trained_weights weights_;
  lru_cache<std::vector<dims>, std::unique_ptr<plan_of_shapes>> plans_;
  plan_of_shapes* plan_; ///< the one in use
  Optimizer optimizer_;
  std::vector<table_rows const*> tables_; ///< of each parameter: rows that have a gradient, null: all
  mutable bool named_rows_ = false;       ///< only these are written and changed
  std::vector<f32> statistics_; ///< running ones before the step
  std::uint64_t round_ = 0;
  index_t pending_ = 0; ///< calls of `accumulate` since the weights changed
};

} // namespace graph
IA_NN_END

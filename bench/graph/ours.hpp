// SPDX-License-Identifier: Apache-2.0
//
// Our side of the suite `graph`: networks as the compiler has put them together, and the same ones
// with passes switched off as what they are compared with.
#pragma once

#include "graph/nets.hpp"
#include "graph/problem.hpp"
#include "product.hpp"

#include <ia_nn/exec/thread_pool.hpp>
#include <ia_nn/graph/compiled.hpp>
#include <ia_nn/graph/show/cost.hpp>

#include <stdexcept>

namespace bench {

/// Net without fusion: every operation is a kernel of its own and writes to memory. Independent
/// ones still run side by side.
template <class Net> struct without_fusion : Net {
  static constexpr ia_nn::graph::options passes = [] {
    ia_nn::graph::options o = ia_nn::graph::unfused;
    o.parallel_separate = o.parallel_all_to_one = o.parallel_one_to_all = true;
    return o;
  }();
};
/// Net without any pass.
template <class Net> struct one_by_one : Net {
  static constexpr ia_nn::graph::options passes = ia_nn::graph::unfused;
};

template <class Net, class Precision> class net_runner {
  using policy = ia_nn::graph::native<own_isa, Precision>;
  using net = ia_nn::graph::compiled<Net, policy>;
  static_assert(net::outputs == 1);

public:
  net_runner(std::shared_ptr<net_problem> p, ia_nn::index_t batch, int threads, int sets)
      : problem_(std::move(p)), batch_(batch), sets_(sets), pool_(threads),
        net_(problem_->weights, {.max_batch = batch, .workers = threads}),
        scratch_(net_.workspace_bytes()), in_(net::inputs) {
    auto const& nodes = ia_nn::graph::simplified<Net>;
    for (int i = 0, k = 0; i < nodes.count(); ++i) {
      if (nodes[i].kind == ia_nn::graph::op::input)
        in_[static_cast<std::size_t>(k++)].type = nodes[i].type;
      if (nodes[i].kind == ia_nn::graph::op::output)
        out_.emplace_back(static_cast<std::size_t>(nodes[i].shape.size() *
                                                   (nodes[i].shape.dynamic() ? batch : 1)));
    }
  }
  void run() {
    for (std::size_t i = 0; i < in_.size(); ++i)
      in_[i].data = problem_->inputs[i * static_cast<std::size_t>(sets_) + set_];
    set_ = (set_ + 1) % static_cast<std::size_t>(sets_);
    ia_nn::f32* out[1] = {out_[0].data()};
    net_.run(batch_, in_, out, scratch_, pool_);
  }
  buffer<ia_nn::f32> const& result() const { return out_[0]; }

private:
  std::shared_ptr<net_problem> problem_;
  ia_nn::index_t batch_;
  int sets_;
  std::size_t set_ = 0;
  ia_nn::thread_pool pool_;
  net net_;
  ia_nn::workspace scratch_;
  std::vector<ia_nn::graph::source> in_;
  std::vector<buffer<ia_nn::f32>> out_;
};

template <class Net> double flops_of() {
  double sum = 0;
  auto const& p = ia_nn::graph::schedule<Net>;
  for (int i = 0; i < p.count; ++i)
    sum += static_cast<double>(
        ia_nn::graph::cost_of(ia_nn::graph::simplified<Net>, p.steps[i]).flops);
  return sum;
}

/// "ours": Net; the other contender: Other, by the name `word`. Throws if they disagree by more
/// than `bound`.
template <class Net, class Other, class Precision>
std::vector<contender> net_contenders(char const* word, ia_nn::index_t batch, int threads, int sets,
                                      double bound) {
  auto const& nodes = ia_nn::graph::original<Net>;
  auto const p = std::make_shared<net_problem>(nodes.nodes, nodes.count(), batch, sets);
  auto const ours = std::make_shared<net_runner<Net, Precision>>(p, batch, threads, sets);
  auto const other = std::make_shared<net_runner<Other, Precision>>(p, batch, threads, sets);
  ours->run();
  other->run();
  if (double const d = distance(ours->result(), other->result()); !(d <= bound))
    throw std::runtime_error(std::string("graph: ") + word + " differs by " + std::to_string(d));
  return {{"ours", [=] { ours->run(); }}, {word, [=] { other->run(); }}};
}

/// A network of the list, fused and not.
template <class Net> net_entry entry_of(char const* name) {
  using ia_nn::bf16, ia_nn::f32;
  return {name, flops_of<Net>(), [](bool narrow, ia_nn::index_t batch, int threads) {
            if constexpr (has_bf16)
              if (narrow)
                return net_contenders<Net, without_fusion<Net>, bf16>("unfused", batch, threads, 1,
                                                                      0.05);
            return net_contenders<Net, without_fusion<Net>, f32>("unfused", batch, threads, 1,
                                                                 1e-6);
          }};
}

} // namespace bench

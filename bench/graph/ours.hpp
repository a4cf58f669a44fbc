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
#include <ia_nn/graph/run/calibrate.hpp>
#include <ia_nn/graph/show/cost.hpp>

#include <stdexcept>

namespace bench {

/// A precision that networks are measured in: what rows call it, whose peak it is held against,
/// whether this instruction set makes a difference to it, how far passes may move a result (of the
/// largest value). `Element` is what `native` is told. A precision more is such a line and its
/// element in `precisions`; if layers have to be told something of values first, `options_of` does.
struct precision_facts {
  char const* word;
  product type;
  bool measured;
  double bound;
};
template <class Element> inline constexpr precision_facts facts_of{};
template <> inline constexpr precision_facts facts_of<ia_nn::f32>{"f32", product::f32,
                                                                  is_base, 1e-6};
template <> inline constexpr precision_facts facts_of<ia_nn::bf16>{"bf16", product::bf16,
                                                                   has_bf16, 0.05};

// Fused and not, different values are rounded to bytes.
template <> inline constexpr precision_facts facts_of<ia_nn::s8>{
    "int8", product::u8s8,
    std::same_as<own_isa, ia_nn::graph::detail::isa_of_bytes<own_isa>>, 0.3};

template <class... Elements> struct element_list {};
using precisions = element_list<ia_nn::f32, ia_nn::bf16, ia_nn::s8>;

/// The inputs of set number `set`, in the order of the network's.
template <class Net> std::vector<ia_nn::graph::source> sources_of(net_problem const& p, int sets, int set) {
  std::vector<ia_nn::graph::source> in;
  auto const& nodes = ia_nn::graph::simplified<Net>;
  for (int i = 0; i < nodes.count(); ++i) {
    if (nodes[i].kind != ia_nn::graph::op::input) continue;
    ia_nn::graph::source s;
    s.data = p.inputs[in.size() * static_cast<std::size_t>(sets) + static_cast<std::size_t>(set)];
    s.type = nodes[i].type;
    in.push_back(s);
  }
  return in;
}

/// What `compiled` is told of the network Net in a precision: in 8 bits the ranges of its values with
/// the first set of inputs.
template <class Net, class Element>
ia_nn::graph::compile_options options_of(net_problem const& p, ia_nn::index_t batch, int threads,
                                         int sets) {
  ia_nn::graph::compile_options o{.max_batch = batch, .workers = threads};
  if constexpr (std::same_as<Element, ia_nn::s8>) {
    ia_nn::graph::calibration<Net, ia_nn::min_max_calibrator, own_isa> seen(p.weights,
                                                                            {.max_batch = batch});
    seen.observe(batch, sources_of<Net>(p, sets, 0));
    o.ranges = seen.ranges();
  }
  return o;
}

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

template <class Net, class Element> class net_runner {
  using policy = ia_nn::graph::native<own_isa, Element>;
  using net = ia_nn::graph::compiled<Net, policy>;
  static_assert(net::outputs == 1);

public:
  net_runner(std::shared_ptr<net_problem> p, ia_nn::index_t batch, int threads, int sets)
      : problem_(std::move(p)), batch_(batch), pool_(threads),
        net_(problem_->weights, options_of<Net, Element>(*problem_, batch, threads, sets)),
        scratch_(net_.workspace_bytes()) {
    for (int set = 0; set < sets; ++set) in_.push_back(sources_of<Net>(*problem_, sets, set));
    auto const& nodes = ia_nn::graph::simplified<Net>;
    for (int i = 0; i < nodes.count(); ++i) {
      if (nodes[i].kind == ia_nn::graph::op::output)
        out_.emplace_back(static_cast<std::size_t>(nodes[i].shape.size() *
                                                   (nodes[i].shape.dynamic() ? batch : 1)));
    }
  }
  void run() {
    ia_nn::f32* out[1] = {out_[0].data()};
    net_.run(batch_, in_[set_], out, scratch_, pool_);
    set_ = (set_ + 1) % in_.size();
  }
  buffer<ia_nn::f32> const& result() const { return out_[0]; }

private:
  std::shared_ptr<net_problem> problem_;
  ia_nn::index_t batch_;
  std::size_t set_ = 0;
  ia_nn::thread_pool pool_;
  net net_;
  ia_nn::workspace scratch_;
  std::vector<std::vector<ia_nn::graph::source>> in_; ///< [set]
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
template <class Net, class Other, class Element>
std::vector<contender> net_contenders(char const* word, ia_nn::index_t batch, int threads, int sets,
                                      double bound) {
  auto const& nodes = ia_nn::graph::original<Net>;
  auto const p = std::make_shared<net_problem>(nodes.nodes, nodes.count(), batch, sets);
  auto const ours = std::make_shared<net_runner<Net, Element>>(p, batch, threads, sets);
  auto const other = std::make_shared<net_runner<Other, Element>>(p, batch, threads, sets);
  ours->run();
  other->run();
  if (double const d = distance(ours->result(), other->result()); !(d <= bound))
    throw std::runtime_error(std::string("graph: ") + word + " differs by " + std::to_string(d));
  return {{"ours", [=] { ours->run(); }}, {word, [=] { other->run(); }}};
}

template <class Net, class Element> void add_variant(std::vector<net_variant>& list) {
  constexpr precision_facts facts = facts_of<Element>;
  if constexpr (facts.measured)
    list.push_back({facts.word, limit_of(facts.type), [](ia_nn::index_t batch, int threads) {
                      return net_contenders<Net, without_fusion<Net>, Element>(
                          "unfused", batch, threads, 1, facts.bound);
                    }});
}
/// A network of the list in every precision, fused and not.
template <class Net> net_entry entry_of(char const* name) {
  net_entry entry{name, flops_of<Net>(), {}};
  [&]<class... Elements>(element_list<Elements...>) {
    (add_variant<Net, Elements>(entry.variants), ...);
  }(precisions{});
  return entry;
}

} // namespace bench

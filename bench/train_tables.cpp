// SPDX-License-Identifier: Apache-2.0
//
// The suite `train_tables`: a step of training of networks with large tables. Ours changes the rows that a batch has
// named; the other contender has been asked for its gradients and changes all rows, to the same bits (lazy Adam: to
// others).
#include "../examples/models/wide_deep.hpp"
#include "harness.hpp"
#include "operands.hpp"
#include "product.hpp"

#include <ia_nn/exec/thread_pool.hpp>
#include <ia_nn/graph/train/trainer.hpp>
#include <ia_nn/train/sgd.hpp>

#include <random>

namespace {

namespace graph = ia_nn::graph;
using bench::own_isa, ia_nn::index_t;

/// 8 words from a table of 1,000,000 rows of 32, two dense layers.
struct one_table {
  static constexpr auto build(graph::builder& b) {
    auto const words = input(b, "words", {graph::any_batch, 8}, graph::value_type::s32);
    auto const x = flatten(embedding(words, {.rows = 1'000'000, .width = 32, .name = "table"}));
    return dense(relu(dense(x, {.units = 64, .name = "fc1"})), {.units = 1, .name = "fc2"});
  }
};

/// `sets` batches of random indices and numbers, in turns.
template <class Net, class Optimizer> class training {
  static constexpr int sets = 16;

public:
  training(index_t batch, int threads, bool lazy)
      : batch_(batch), pool_(threads), of_({.batch = batch, .workers = threads, .lazy_tables = lazy}),
        targets_(static_cast<std::size_t>(batch), 0.5F) {
    std::minstd_rand random(1);
    auto const& nodes = graph::trained<Net>;
    for (int id = 0; id < nodes.count(); ++id) {
      if (nodes[id].kind != graph::op::input) continue;
      ++inputs_;
      index_t rows = 1;
      for (int k = 0; k < nodes.count(); ++k)
        if (nodes[k].kind == graph::op::embedding && nodes[k].inputs[0] == id) rows = nodes[k].attributes.table_rows;
      for (int set = 0; set < sets; ++set) {
        memory_.emplace_back(static_cast<std::size_t>(batch * nodes[id].shape.item()));
        for (std::size_t i = 0; i < memory_.back().size(); ++i)
          if (nodes[id].type == graph::value_type::s32)
            memory_.back()[i] = static_cast<ia_nn::s32>(static_cast<index_t>(random() >> 4) % rows);
          else memory_.back()[i] = 0x3f000000; // 0.5
        sources_.push_back({});
        sources_.back().data = memory_.back().data();
        sources_.back().type = nodes[id].type;
      }
    }
  }
  void all_rows() { static_cast<void>(of_.gradients()); }
  void step() {
    std::vector<graph::source> in;
    for (int i = 0; i < inputs_; ++i) in.push_back(sources_[static_cast<std::size_t>(i * sets + set_)]);
    set_ = (set_ + 1) % sets;
    using arguments = graph::detail::arguments<Net, graph::detail::network_end::input>;
    of_.step(batch_, arguments(std::span<graph::source const>(in)), targets_, pool_).require();
  }

private:
  index_t batch_;
  ia_nn::thread_pool pool_;
  graph::trainer<Net, graph::squared_loss, Optimizer, graph::native<own_isa>> of_;
  std::vector<std::vector<ia_nn::s32>> memory_;
  std::vector<graph::source> sources_;
  std::vector<ia_nn::f32> targets_;
  int inputs_ = 0, set_ = 0;
};

template <class Net, class Optimizer>
void add(bench::context& c, bench::group& g, std::string const& name, index_t batch, bool lazy = false) {
  bench::bench_case b;
  b.name = name + " batch " + std::to_string(batch);
  b.prepare = [=, threads = c.threads]() -> std::vector<bench::contender> {
    using trainer = training<Net, Optimizer>;
    auto const rows = std::make_shared<trainer>(batch, threads, lazy), all = std::make_shared<trainer>(batch, threads, false);
    all->all_rows();
    return {{"ours", [=] { rows->step(); }}, {"all rows", [=] { all->step(); }}};
  };
  c.add(g, std::move(b), 0);
}

std::vector<bench::group> groups(bench::context& c) {
  bench::group g{"f32", "", bench::peak::none, {}};
  if constexpr (bench::is_base)
    for (index_t const batch : {64, 1024}) {
      add<one_table, ia_nn::sgd<own_isa>>(c, g, "sgd", batch);
      add<one_table, ia_nn::adagrad<own_isa>>(c, g, "adagrad", batch);
      add<one_table, ia_nn::adam<own_isa>>(c, g, "lazy adam", batch, true);
      add<models::wide_deep<>, ia_nn::sgd<own_isa>>(c, g, "wide_deep sgd", batch);
    }
  return {std::move(g)};
}

} // namespace

int main(int argc, char** argv) { return bench::run(argc, argv, "train_tables", bench::own_isa_name, groups); }

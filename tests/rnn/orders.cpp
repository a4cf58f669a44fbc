// SPDX-License-Identifier: Apache-2.0
//
// The same weights in the order of every library give the same bits.
#include "support.hpp"

namespace ia_nn_test {
namespace {

using native = ia_nn::isa::native;

// Where the blocks of `from` (gates i f g o or r z n, H rows of k) stand in `order`.
std::vector<f32> permuted(std::vector<f32> const& from, std::string const& order, index_t hidden,
                          index_t k, bool transposed) {
  std::string const ours = order.size() == 4 ? "ifgo" : "rzn";
  index_t const rows = static_cast<index_t>(order.size()) * hidden;
  std::vector<f32> to(from.size());
  for (std::size_t block = 0; block < order.size(); ++block)
    for (index_t j = 0; j < hidden; ++j)
      for (index_t i = 0; i < k; ++i) {
        index_t const row = static_cast<index_t>(block) * hidden + j;
        index_t const source = static_cast<index_t>(ours.find(order[block])) * hidden + j;
        to[at(transposed ? i * rows + row : row * k + i)] = from[at(source * k + i)];
      }
  return to;
}

template <class Order, class Cell>
rnn_output run_as(rnn_problem<Cell> const& p, std::string const& order, bool transposed,
                  bool one_bias) {
  using W = rnn_weights<native, Cell>;
  layer_weights const& w = p.layers[0];
  index_t const H = p.c.hidden;
  auto const wx = permuted(w.w_input, order, H, p.c.input, transposed);
  auto const wh = permuted(w.w_recurrent, order, H, p.c.size(), transposed);
  auto bx = permuted(w.b_input, order, H, 1, false),
       bh = permuted(w.b_recurrent, order, H, 1, false);
  if (one_bias) { // summed by who stores it, but for the candidate's recurrent one in lbr_gru
    bool const apart = ia_nn::detail::cell_traits<Cell>::recurrent_bias(2);
    std::size_t const sums = apart ? at(2 * H) : bx.size();
    for (std::size_t i = 0; i < sums; ++i) bx[i] += bh[i];
    if (apart) bx.insert(bx.end(), bh.begin() + 2 * H, bh.end());
    bh.clear();
  }
  rnn_source const s{p.c.input, H, wx, wh, bx, bh, w.parameters, w.projection, p.c.projected};
  return p.run_on(rnn<W>(W(Order{}, s, p.cell), p.c.options()));
}

template <class Cell> void check_orders(std::uint64_t stream, bool is_lstm, index_t projected = 0) {
  random r(stream);
  rnn_case c;
  c.hidden = 21, c.input = 10, c.time = 3, c.batch = 3, c.projected = projected;
  rnn_problem<Cell> const p(c, r);
  rnn_output const first = p.template run<rnn_weights<native, Cell>>();
  REQUIRE(verdict(p.want(), first, p.tolerance()) == "");
  namespace order = ia_nn::gate_order;
  std::string const rzn = is_lstm ? "ifgo" : "rzn", zrn = is_lstm ? "ifgo" : "zrn";
  REQUIRE(run_as<order::pytorch>(p, rzn, false, false) == first);
  REQUIRE(run_as<order::mxnet>(p, rzn, false, false) == first);
  REQUIRE(run_as<order::onnx>(p, is_lstm ? "iofg" : "zrn", false, false) == first);
  REQUIRE(run_as<order::onednn>(p, zrn, true, true) == first);
  REQUIRE(run_as<order::keras>(p, zrn, true, false) == first);
}

/// An order of the user's.
struct backwards {
  static constexpr int lstm[4] = {3, 2, 1, 0}, gru[3] = {2, 1, 0};
  static constexpr bool transposed = false;
};

} // namespace

TEST_CASE("lstm weights in every order", "[rnn][orders]") {
  check_orders<lstm>(220, true);
  check_orders<lstm>(221, true, 9);
  check_orders<ia_nn::lstm_peephole>(222, true);
}

TEST_CASE("gru weights in every order", "[rnn][orders]") {
  check_orders<gru>(223, false);
  check_orders<gru_reset_before>(224, false);
}

TEST_CASE("weights in an order of the user's", "[rnn][orders]") {
  random r(225);
  rnn_case c;
  rnn_problem<lstm> const p(c, r);
  REQUIRE(run_as<backwards>(p, "ogfi", false, false) == p.run<rnn_weights<native, lstm>>());
  rnn_problem<gru> const q(c, r);
  REQUIRE(run_as<backwards>(q, "nzr", false, false) == q.run<rnn_weights<native, gru>>());
}

TEST_CASE("cells of one gate have no order", "[rnn][orders]") {
  random r(226);
  rnn_case c;
  using W = rnn_weights<native, ia_nn::vanilla<>>;
  rnn_problem<ia_nn::vanilla<>> const p(c, r);
  rnn_source const s = p.source(0);
  rnn_output const got = p.run_on(rnn<W>(W(ia_nn::gate_order::onnx{}, s), c.options()));
  REQUIRE(got == p.run<W>());
}

} // namespace ia_nn_test

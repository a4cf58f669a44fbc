// SPDX-License-Identifier: Apache-2.0
//
// Stacks of layers: directions, layouts, residuals, lengths, states, and what joins calls together.
#include "support.hpp"

namespace ia_nn_test {
namespace {

constexpr rnn_direction directions[] = {rnn_direction::forward, rnn_direction::reverse,
                                        rnn_direction::concat, rnn_direction::sum};

template <class Cell> void require_padding_zero(rnn_problem<Cell> const& p, rnn_output const& got) {
  for (index_t n = 0; n < p.c.batch && !p.lengths.empty(); ++n)
    for (index_t t = p.lengths[at(n)]; t < p.c.time; ++t)
      for (index_t i = 0; i < p.c.width(); ++i)
        if (got.y[at((t * p.c.batch + n) * p.c.width() + i)] != 0) FAIL("padding is not zero");
}

// The steps from `first` on, of all sequences, from the states that `before` ended with.
template <class Cell>
rnn_problem<Cell> part_of(rnn_problem<Cell> p, index_t first, index_t count,
                          rnn_output const* before) {
  index_t const row = p.c.batch * p.c.input;
  p.x = {p.x.begin() + first * row, p.x.begin() + (first + count) * row};
  p.c.time = count;
  if (before) p.h0 = before->hn, p.c0 = before->cn;
  return p;
}
// Sequence n alone, cut to its length.
template <class Cell> rnn_problem<Cell> alone(rnn_problem<Cell> const& p, index_t n) {
  rnn_problem<Cell> q = p;
  index_t const I = p.c.input, N = p.c.batch;
  q.c.batch = 1, q.c.time = p.lengths[at(n)], q.c.lengths = false;
  q.lengths.clear(), q.x.clear(), q.h0.clear(), q.c0.clear();
  for (index_t t = 0; t < q.c.time; ++t)
    q.x.insert(q.x.end(), p.x.begin() + (t * N + n) * I, p.x.begin() + (t * N + n + 1) * I);
  auto const pick = [&](std::vector<f32> const& from, std::vector<f32>& to, index_t size) {
    for (index_t l = 0; l < p.c.layers * p.c.directions() && !from.empty(); ++l)
      to.insert(to.end(), from.begin() + (l * N + n) * size, from.begin() + (l * N + n + 1) * size);
  };
  pick(p.h0, q.h0, p.c.size()), pick(p.c0, q.c0, p.c.hidden);
  return q;
}

template <class Cell> void check_stacks(std::uint64_t stream) {
  for_each_isa<layer_isas>([&](auto tag) {
    using W = rnn_weights<decltype(tag), Cell>;
    random r(stream);
    for (index_t layers : {1, 2, 3})
      for (rnn_direction d : directions)
        for (int bits = 0; bits < 16; ++bits) {
          rnn_case c;
          c.layers = layers, c.direction = d, c.hidden = W::nr / 2 + bits % 3 * (W::nr / 2) + 1;
          c.layout = bits & 1 ? rnn_layout::batch_first : rnn_layout::time_first;
          c.residual = bits & 2, c.lengths = bits & 4, c.states = bits & 8;
          c.batch = bits % 5 == 0 ? 1 : 2 + (bits + layers) % 4,
          c.time = 1 + (bits * 3 + layers) % 5;
          INFO(c.text());
          rnn_problem<Cell> const p(c, r);
          rnn_output const got = p.template run<W>();
          REQUIRE(p.verdict_of(got) == "");
          require_padding_zero(p, got);
        }
  });
}

} // namespace

TEST_CASE("stacks of lstm layers", "[rnn][stack]") { check_stacks<lstm>(130); }

TEST_CASE("stacks of gru layers, reset before", "[rnn][stack]") {
  check_stacks<gru_reset_before>(131);
}

// The input part is computed for some 512 rows at a time. Recurrent weights are so small that errors
// die away: over so many steps some state is always where they would grow.
TEST_CASE("long sequences, chunk by chunk", "[rnn][stack]") {
  using W = rnn_weights<ia_nn::isa::native, lstm>;
  random r(132);
  for (index_t batch : {1, 4})
    for (rnn_direction d : {rnn_direction::forward, rnn_direction::reverse, rnn_direction::sum})
      for (bool lengths : {false, true})
        for (rnn_layout layout : {rnn_layout::time_first, rnn_layout::batch_first}) {
          rnn_case c;
          c.batch = batch, c.time = 1200 / batch, c.direction = d, c.lengths = lengths,
          c.layout = layout;
          c.layers = 2;
          INFO(c.text());
          rnn_problem<lstm> p(c, r);
          for (layer_weights& w : p.layers)
            for (f32& u : w.w_recurrent) u *= 0.25F;
          if (lengths && batch == 1) p.lengths[0] = 777;
          rnn_output const got = p.run<W>();
          REQUIRE(verdict(p.want(), got, p.tolerance()) == "");
          require_padding_zero(p, got);
        }
}

TEST_CASE("two calls joined by the states are one", "[rnn][stack]") {
  for_each_isa<layer_isas>([&](auto tag) {
    using W = rnn_weights<decltype(tag), lstm>;
    random r(133);
    for (index_t batch : {1, 3, 14}) {
      rnn_case c;
      c.layers = 2, c.time = 7, c.batch = batch, c.hidden = W::nr + 3;
      rnn_problem<lstm> const p(c, r);
      rnn_output const one = p.run<W>(), first = part_of(p, 0, 3, nullptr).template run<W>();
      rnn_output const second = part_of(p, 3, 4, &first).template run<W>();
      rnn_output joined = second;
      joined.y.insert(joined.y.begin(), first.y.begin(), first.y.end());
      REQUIRE(verdict(exactly(one), joined, p.tolerance()) == "");
    }
  });
}

TEST_CASE("sequences of a batch are as if each were alone", "[rnn][stack]") {
  for_each_isa<layer_isas>([&](auto tag) {
    using W = rnn_weights<decltype(tag), lstm>;
    random r(134);
    for (rnn_direction d : directions) {
      rnn_case c;
      c.layers = 2, c.time = 6, c.batch = 15, c.hidden = W::nr + 1, c.lengths = true,
      c.direction = d;
      INFO(c.text());
      rnn_problem<lstm> const p(c, r);
      rnn_output const all = p.run<W>();
      index_t const width = c.width();
      for (index_t n = 0; n < c.batch; ++n) {
        rnn_problem<lstm> const q = alone(p, n);
        rnn_output const one = q.run<W>();
        rnn_output mine;
        for (index_t t = 0; t < q.c.time; ++t)
          mine.y.insert(mine.y.end(), all.y.begin() + (t * c.batch + n) * width,
                        all.y.begin() + (t * c.batch + n + 1) * width);
        for (index_t l = 0; l < c.layers * c.directions(); ++l) {
          index_t const from = (l * c.batch + n) * c.hidden;
          mine.hn.insert(mine.hn.end(), all.hn.begin() + from, all.hn.begin() + from + c.hidden);
          mine.cn.insert(mine.cn.end(), all.cn.begin() + from, all.cn.begin() + from + c.hidden);
        }
        REQUIRE(verdict(exactly(one), mine, p.tolerance()) == "");
      }
    }
  });
}

TEST_CASE("sequences of no steps keep their states", "[rnn][stack]") {
  using W = rnn_weights<ia_nn::isa::native, lstm>;
  random r(135);
  for (index_t time : {0, 4})
    for (rnn_direction d : directions) {
      rnn_case c;
      c.layers = 2, c.time = time, c.batch = 5, c.lengths = time > 0, c.direction = d;
      rnn_problem<lstm> p(c, r);
      for (s32& n : p.lengths) n = 0;
      rnn_output const got = p.run<W>();
      REQUIRE(got.hn == p.h0);
      REQUIRE(got.cn == p.c0);
      REQUIRE(std::count(got.y.begin(), got.y.end(), 0.0F) == static_cast<index_t>(got.y.size()));
    }
}

TEST_CASE("a model runs calls smaller than it was made for", "[rnn][stack]") {
  using W = rnn_weights<ia_nn::isa::native, lstm>;
  random r(136);
  for (rnn_direction d : directions) {
    rnn_case c;
    c.layers = 2, c.direction = d, c.time = 9, c.batch = 20, c.lengths = true;
    rnn_problem<lstm> p(c, r);
    auto const model = p.model<W>();
    for (index_t batch : {1, 2, 7, 20})
      for (index_t time : {1, 4, 9}) {
        c.batch = batch, c.time = time;
        INFO(c.text());
        rnn_problem<lstm> q(c, r);
        q.layers = p.layers;
        REQUIRE(verdict(q.want(), q.run_on(model), q.tolerance()) == "");
      }
  }
}

TEST_CASE("outputs, final states and an observer are each optional", "[rnn][stack]") {
  using W = rnn_weights<ia_nn::isa::native, lstm>;
  random r(137);
  rnn_case c;
  c.layers = 3, c.time = 4, c.batch = 3, c.hidden = 9, c.direction = rnn_direction::concat;
  rnn_problem<lstm> const p(c, r);
  auto const model = p.model<W>();
  rnn_output const all = p.run_on(model);
  ia_nn::workspace scratch(model.workspace_bytes());
  rnn_call<f32, f32> call;
  call.src = p.x.data(), call.time = c.time, call.batch = c.batch;
  call.initial_hidden = p.h0.data(), call.initial_cell = p.c0.data();
  {
    exact_buffer<f32> hn(static_cast<index_t>(all.hn.size()));
    call.final_hidden = hn.data();
    model.check(call, scratch);
    model.run(call, scratch);
    REQUIRE(std::equal(hn.begin(), hn.end(), all.hn.begin()));
    call.final_hidden = nullptr;
  }
  {
    exact_buffer<f32> cn(static_cast<index_t>(all.cn.size()));
    call.final_cell = cn.data();
    model.check(call, scratch);
    model.run(call, scratch);
    REQUIRE(std::equal(cn.begin(), cn.end(), all.cn.begin()));
    call.final_cell = nullptr;
  }
  exact_buffer<f32> y(static_cast<index_t>(all.y.size()));
  call.dst = y.data();
  std::vector<std::vector<f32>> sources, destinations;
  auto const observe = [&](index_t layer, f32 const* src, index_t in, f32 const* dst, index_t out) {
    REQUIRE(layer == static_cast<index_t>(sources.size()));
    REQUIRE(in == (layer == 0 ? c.input : 18));
    REQUIRE(out == 18);
    sources.emplace_back(src, src + c.time * c.batch * in);
    destinations.emplace_back(dst, dst + c.time * c.batch * out);
  };
  model.run(call, observe, scratch);
  REQUIRE(std::equal(y.begin(), y.end(), all.y.begin()));
  REQUIRE(sources.size() == 3);
  REQUIRE(sources[0] == p.x);
  REQUIRE(sources[1] == destinations[0]);
  REQUIRE(sources[2] == destinations[1]);
  REQUIRE(destinations[2] == all.y);
  rnn_stack_reference first = p.reference();
  first.layers.resize(1);
  REQUIRE(near("layer 0", first.run(p.oracle_input()).y, destinations[0], p.tolerance()) == "");

  call.batch = 0, call.src = nullptr; // nothing to do, and nothing is touched
  std::vector<f32> const before(y.begin(), y.end());
  model.check(call, scratch);
  model.run(call, scratch);
  REQUIRE(std::equal(y.begin(), y.end(), before.begin()));
}

} // namespace ia_nn_test

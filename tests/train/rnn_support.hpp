// SPDX-License-Identifier: Apache-2.0
//
// A recurrent stack with random numbers, what the oracle makes of it, and what rnn_training does in
// buffers of the exact size.
#pragma once

#include "rnn_oracle.hpp"
#include "support.hpp"

#include <ia_nn/train/rnn/rnn_training.hpp>

#include <memory>

namespace ia_nn_test {

template <rnn_kind K> struct cell_of;
template <> struct cell_of<rnn_kind::lstm> {
  using type = ia_nn::lstm;
};
template <> struct cell_of<rnn_kind::lstm_peephole> {
  using type = ia_nn::lstm_peephole;
};
template <> struct cell_of<rnn_kind::lstm_coupled> {
  using type = ia_nn::lstm_coupled;
};
template <> struct cell_of<rnn_kind::gru> {
  using type = ia_nn::gru;
};
template <> struct cell_of<rnn_kind::gru_reset_before> {
  using type = ia_nn::gru_reset_before;
};
template <> struct cell_of<rnn_kind::tanh> {
  using type = ia_nn::vanilla<>;
};
template <> struct cell_of<rnn_kind::relu> {
  using type = ia_nn::vanilla<ia_nn::activation::relu>;
};

using f32_buffer = std::unique_ptr<exact_buffer<f32>>;

struct rnn_numbers {
  std::vector<std::vector<f32_buffer>>
      weights; ///< of each direction: w, u, b, c, parameters, projection
  f32_buffer x, h0, c0, dy, dhn, dcn;
};

/// All that one forward and backward gives.
struct rnn_got {
  std::vector<f32_buffer> all; ///< y, hn, cn, dx, dh0, dc0, then the gradients of the weights
};

struct rnn_way {
  int workers = 1;
  index_t max_time = 0, max_batch = 0; ///< 0: as in the call
  index_t checkpoint = 0;
  bool add = false; ///< to ones
  f32 dropout = 0;
  std::uint64_t round = 0;
};

class rnn_training_problem {
public:
  rnn_training_problem(rnn_stack const& s, std::uint64_t stream, bool states = true) : s_(s) {
    random r(stream);
    auto const fresh = [&](index_t n, f32 size) {
      auto b = std::make_unique<exact_buffer<f32>>(n);
      for (f32& v : *b) v = size * r.uniform(-1, 1);
      return b;
    };
    index_t const D = s.D(), G = s.G(), H = s.hidden, R = s.R(), T = s.time, N = s.batch;
    f32 const u = 1.5F / std::sqrt(static_cast<f32>(H));
    for (index_t a = 0; a < s.layers * D; ++a) {
      std::vector<f32_buffer> w;
      index_t const I = s.features(a / D);
      w.push_back(fresh(G * H * I, 1.5F / std::sqrt(static_cast<f32>(I))));
      w.push_back(fresh(G * H * R, u));
      w.push_back(fresh(G * H, 0.5F)), w.push_back(fresh(G * H, 0.5F));
      w.push_back(fresh(s.P() * H, 0.5F)), w.push_back(fresh(s.projected * H, u));
      in_.weights.push_back(std::move(w));
    }
    index_t const C = s.has_cell() ? H : 0;
    in_.x = fresh(T * N * s.input, 1);
    in_.h0 = fresh(states ? s.layers * D * N * R : 0, 1),
    in_.c0 = fresh(states ? s.layers * D * N * C : 0, 1);
    in_.dy = fresh(T * N * D * R, 1);
    in_.dhn = fresh(states ? s.layers * D * N * R : 0, 1);
    in_.dcn = fresh(states ? s.layers * D * N * C : 0, 1);
    for (index_t n = 0; n < N; ++n) // nobody reads what lies behind the end of a sequence
      for (index_t t = s.length(n); t < T; ++t) {
        std::fill_n(in_.x->data() + (t * N + n) * s.input, s.input, std::nanf(""));
        std::fill_n(in_.dy->data() + (t * N + n) * D * R, D * R, std::nanf(""));
      }
  }

  rnn_stack const& stack() const { return s_; }
  rnn_numbers const& numbers() const { return in_; }
  rnn_leaves leaves() const {
    rnn_leaves l;
    for (auto const& w : in_.weights)
      l.weights.push_back({to_doubles(*w[0]), to_doubles(*w[1]), to_doubles(*w[2]),
                           to_doubles(*w[3]), to_doubles(*w[4]), to_doubles(*w[5])});
    l.x = to_doubles(*in_.x), l.h0 = to_doubles(*in_.h0), l.c0 = to_doubles(*in_.c0);
    return l;
  }
  rnn_results diffs() const {
    return {to_doubles(*in_.dy), to_doubles(*in_.dhn), to_doubles(*in_.dcn)};
  }

  /// What the oracle expects, in the order of rnn_got.
  std::vector<doubles> expected() const {
    rnn_oracle const oracle(s_, leaves());
    rnn_leaves const g = oracle.backward(diffs());
    rnn_results const& r = oracle.result();
    std::vector<doubles> all{r.y, r.hn, r.cn, g.x, g.h0, g.c0};
    for (rnn_doubles const& w : g.weights)
      for (doubles const* v : {&w.w, &w.u, &w.b, &w.c, &w.parameters, &w.projection})
        all.push_back(*v);
    return all;
  }

  template <class I, rnn_kind K, class A = f32> rnn_got run(rnn_way const& way = {}) const {
    index_t const D = s_.D(), R = s_.R(), T = s_.time, N = s_.batch, H = s_.hidden;
    using direction = ia_nn::rnn_direction;
    ia_nn::rnn_training<I, typename cell_of<K>::type, A> const net(
        {.input = s_.input,
         .hidden = H,
         .projected = s_.projected,
         .layers = s_.layers,
         .direction = s_.both      ? direction::concat
                      : s_.reverse ? direction::reverse
                                   : direction::forward},
        {.max_time = way.max_time ? way.max_time : T,
         .max_batch = way.max_batch ? way.max_batch : N,
         .workers = way.workers,
         .dropout = way.dropout,
         .seed = 5,
         .checkpoint = way.checkpoint});
    std::vector<ia_nn::rnn_source> sources;
    std::vector<ia_nn::rnn_gradients> gradients;
    rnn_got got;
    auto const fresh = [&](index_t n, bool adds) {
      got.all.push_back(std::make_unique<exact_buffer<f32>>(n));
      if (adds && way.add) std::fill(got.all.back()->begin(), got.all.back()->end(), 1.0F);
      else fill_nan(*got.all.back());
      return got.all.back()->data();
    };
    auto const request = [&](index_t n) {
      f32* const p = fresh(n, true);
      return n == 0 ? not_wanted : way.add ? add_to(p) : write_to(p);
    };
    index_t const states = s_.layers * D * N, C = s_.has_cell() ? H : 0;
    bool const given = in_.h0->size() > 0;
    f32* const y = fresh(T * N * D * R, false);
    f32* const hn = fresh(states * R, false);
    f32* const cn = fresh(states * C, false);
    auto const dx = request(in_.x->size()), dh0 = request(in_.h0->size()),
               dc0 = request(in_.c0->size());
    for (auto const& w : in_.weights) {
      auto const span = [&](int i) {
        return std::span<f32 const>(w[at(i)]->data(), at(w[at(i)]->size()));
      };
      sources.push_back({s_.features(static_cast<index_t>(sources.size()) / D), H, span(0), span(1),
                         span(2), span(3), span(4), span(5), s_.projected});
      ia_nn::rnn_gradients g;
      ia_nn::gradient* const parts[] = {&g.w_input,     &g.w_recurrent, &g.b_input,
                                        &g.b_recurrent, &g.parameters,  &g.projection};
      for (int i = 0; i < 6; ++i) *parts[i] = request(w[at(i)]->size());
      gradients.push_back(g);
    }
    std::vector<s32> lengths(s_.lengths.begin(), s_.lengths.end());
    scratch reserve(net.reserve_bytes());
    ia_nn::rnn_training_call call{};
    call.weights = sources, call.src = in_.x->data(), call.dst = y, call.time = T, call.batch = N;
    call.initial_hidden = given ? in_.h0->data() : nullptr;
    call.initial_cell = given && C ? in_.c0->data() : nullptr;
    call.final_hidden = hn, call.final_cell = C ? cn : nullptr;
    call.lengths = lengths.empty() ? nullptr : lengths.data(), call.round = way.round;
    {
      scratch work(net.workspace_bytes());
      net.check(call, reserve, work);
      net.forward(call, reserve, work, pool_of(way.workers));
    }
    ia_nn::rnn_backward_call back{};
    back.weights = sources, back.src = call.src, back.dst = y, back.diff_dst = in_.dy->data();
    back.time = T, back.batch = N, back.initial_hidden = call.initial_hidden;
    back.initial_cell = call.initial_cell, back.lengths = call.lengths, back.round = way.round;
    back.diff_final_hidden = given ? in_.dhn->data() : nullptr;
    back.diff_final_cell = given && C ? in_.dcn->data() : nullptr;
    back.diff_src = dx, back.diff_initial_hidden = dh0, back.diff_initial_cell = dc0;
    back.gradients = gradients;
    scratch work(net.workspace_bytes());
    net.check(back, reserve, work);
    net.backward(back, reserve, work, pool_of(way.workers));
    return got;
  }

private:
  rnn_stack s_;
  rnn_numbers in_;
};

inline char const* name_of_part(std::size_t i) {
  static char const* const first[] = {"y",        "final h",        "final c",
                                      "diff src", "diff initial h", "diff initial c"};
  static char const* const weights[] = {"w",           "u",          "b_input",
                                        "b_recurrent", "parameters", "projection"};
  return i < 6 ? first[i] : weights[(i - 6) % 6];
}
/// "" if all of it is within the tolerance, relative to the largest number of each part.
inline std::string verdict(rnn_got const& got, std::vector<doubles> const& want, double tolerance) {
  for (std::size_t i = 0; i < want.size(); ++i) {
    std::string const d = difference(*got.all[i], want[i], tolerance);
    if (!d.empty()) return std::string(name_of_part(i)) + " (part " + std::to_string(i) + "): " + d;
  }
  return {};
}
inline std::string bit_verdict(rnn_got const& a, rnn_got const& b) {
  for (std::size_t i = 0; i < a.all.size(); ++i)
    if (!same_bits(*a.all[i], *b.all[i])) return std::string(name_of_part(i)) + " has other bits";
  return {};
}

} // namespace ia_nn_test

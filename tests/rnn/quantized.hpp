// SPDX-License-Identifier: Apache-2.0
//
// 8-bit layers by loops: x and h quantized as rnn/quantization.hpp says, sums in 64-bit integers,
// the rest in the f32 operations that cells are made of, one unit at a time. Layers must give these
// bits.
#pragma once

#include "support.hpp"

namespace ia_nn_test {

/// What a cell asks for (rnn/cell.hpp), of one unit. Elementary functions are those of layers of W:
/// math/ has their tests.
template <class W> struct one_unit {
  using V = ia_nn::vec<f32, ia_nn::isa::scalar>;
  using functions = ia_nn::detail::cell_lanes_base<W>;
  V xs[4], hs[4], before, states[2];
  V x(int g) const { return xs[g]; }
  V h(int g) const { return hs[g]; }
  V hidden() const { return before; }
  V state(int k) const { return states[k]; }
  void set_state(int k, V v) { states[k] = v; }
  template <class T> void record(int, T const&) const {}
  static auto sigmoid(V v) { return functions::sigmoid(v); }
  static auto tanh(V v) { return functions::tanh(v); }
};

/// Rows of weights, each with its scale max |w| / 127.
struct byte_rows {
  index_t k = 0;
  std::vector<int> q;
  std::vector<f32> scale;
  byte_rows(std::vector<f32> const& w, index_t columns) : k(columns), q(w.size()) {
    for (std::size_t row = 0; row * at(k) < w.size(); ++row) {
      f32 most = 0;
      for (index_t i = 0; i < k; ++i) most = std::max(most, std::fabs(w[row * at(k) + at(i)]));
      scale.push_back(most > 0 ? most / 127.0F : 1.0F);
      for (index_t i = 0; i < k; ++i)
        q[row * at(k) + at(i)] = static_cast<int>(std::rint(w[row * at(k) + at(i)] / scale.back()));
    }
  }
  /// The sum of row * (v - zero point), as f32.
  f32 sum(index_t row, std::vector<int> const& v, quantization a) const {
    std::int64_t s = 0;
    for (index_t i = 0; i < k; ++i)
      s += static_cast<std::int64_t>(q[at(row * k + i)]) * (v[at(i)] - a.zero_point);
    return static_cast<f32>(s);
  }
};

template <element A, class Cell> class integer_reference {
  using unit = one_unit<rnn_weights<ia_nn::isa::scalar, Cell, A, s8>>;
  using V = typename unit::V;
  using traits = ia_nn::detail::cell_traits<Cell>;
  static constexpr s32 middle = std::same_as<A, u8> ? 128 : 0;
  static constexpr f32 lowest = std::same_as<A, u8> ? 0.0F : -128.0F, highest = lowest + 255.0F;

public:
  integer_reference(rnn_problem<Cell> const& p, rnn_quantization const& q) : p_(p), q_(q) {}

  /// One layer, one direction.
  rnn_output run() const {
    rnn_case const& c = p_.c;
    layer_weights const& w = p_.layers[0];
    index_t const N = c.batch, H = c.hidden, R = c.size();
    byte_rows const wx(w.w_input, w.input), wh(w.w_recurrent, R), wp(w.projection, H);
    bool const reverse = c.direction == rnn_direction::reverse;
    rnn_output out{std::vector<f32>(at(c.time * N * R)), p_.h0, p_.c0};
    out.hn.resize(at(N * R)), out.cn.resize(at(Cell::states * N * H));
    auto const length = [&](index_t n) { return p_.lengths.empty() ? c.time : p_.lengths[at(n)]; };
    std::vector<bool> lost(at(N)); // a NaN came in: all is NaN from there on, as it is in f32
    for (index_t n = 0; n < N; ++n)
      lost[at(n)] = has_nan(out.hn.data() + n * R, R) ||
                    (Cell::states && has_nan(out.cn.data() + n * H, H));
    quantization const whole{1.0F / 127.0F, middle};
    quantization const qp = q_.dynamic || q_.unprojected.scale == 0 ? whole : q_.unprojected;
    for (index_t step = 0; step < c.time; ++step) {
      for (index_t n = 0; n < N; ++n) {
        if (step >= length(n)) continue;
        index_t const t = (reverse ? length(n) - 1 - step : step) * N + n;
        f32 const* const h_before = out.hn.data() + n * R;
        lost[at(n)] = lost[at(n)] || has_nan(p_.x.data() + t * c.input, c.input);
        if (lost[at(n)]) {
          f32 const nan = std::numeric_limits<f32>::quiet_NaN();
          for (index_t j = 0; j < R; ++j) out.hn[at(n * R + j)] = out.y[at(t * R + j)] = nan;
          for (index_t j = 0; j < H && Cell::states; ++j) out.cn[at(n * H + j)] = nan;
          continue;
        }
        quantization const qh = hidden_scale(h_before);
        quantization const qx = q_.dynamic ? row_scale(p_.x.data() + t * c.input, c.input) : q_.input;
        std::vector<int> const x = quantized(p_.x.data() + t * c.input, c.input, qx);
        std::vector<int> const h = quantized(h_before, R, qh);
        std::vector<unit> units(at(H));
        std::vector<f32> next(at(H)), reset(at(H));
        for (index_t j = 0; j < H; ++j) {
          unit& u = units[at(j)];
          for (int g = 0; g < Cell::gates; ++g) {
            index_t const row = g * H + j;
            bool const apart = traits::recurrent_bias(g);
            f32 const bx = w.b_input.empty() ? 0.0F : w.b_input[at(row)];
            f32 const bh = w.b_recurrent.empty() ? 0.0F : w.b_recurrent[at(row)];
            u.xs[g] =
                fma(V::broadcast(wx.sum(row, x, qx)), V::broadcast(wx.scale[at(row)] * qx.scale),
                    V::broadcast(apart ? bx : bx + bh));
            if (g < traits::early) u.hs[g] = recurrent(wh, row, h, qh, apart ? bh : 0.0F, apart);
          }
          u.before = V::broadcast(c.projected ? 0.0F : h_before[j]);
          if (Cell::states) u.states[0] = V::broadcast(out.cn[at(n * H + j)]);
          if constexpr (traits::late > 0) reset[at(j)] = value(p_.cell.prepare(u));
        }
        if constexpr (traits::late > 0) {
          std::vector<int> const rh = quantized(reset.data(), H, qh);
          for (index_t j = 0; j < H; ++j)
            for (int g = traits::early; g < Cell::gates; ++g)
              units[at(j)].hs[g] = recurrent(wh, g * H + j, rh, qh, 0.0F, false);
        }
        for (index_t j = 0; j < H; ++j) {
          next[at(j)] = value(p_.cell.step(units[at(j)]));
          if (Cell::states) out.cn[at(n * H + j)] = value(units[at(j)].states[0]);
        }
        if (c.projected) {
          std::vector<int> const all = quantized(next.data(), H, qp);
          next.resize(at(R));
          for (index_t j = 0; j < R; ++j)
            next[at(j)] = value(recurrent(wp, j, all, qp, 0.0F, false));
        }
        for (index_t j = 0; j < R; ++j) out.hn[at(n * R + j)] = out.y[at(t * R + j)] = next[at(j)];
      }
    }
    return out;
  }

private:
  static f32 value(V v) {
    f32 x[V::size];
    v.store(x);
    return x[0];
  }
  static V recurrent(byte_rows const& w, index_t row, std::vector<int> const& v, quantization a, f32 bias,
                     bool add) {
    // A product of its own, which nothing is contracted with.
    V const s =
        fma(V::broadcast(w.sum(row, v, a)), V::broadcast(w.scale[at(row)] * a.scale), V::zero());
    return add ? s + V::broadcast(bias) : s;
  }
  static std::vector<int> quantized(f32 const* from, index_t n, quantization a) {
    std::vector<int> q(at(n));
    f32 const inverse = 1.0F / a.scale;
    for (index_t i = 0; i < n; ++i) {
      f32 const v = std::rint(from[i] * inverse) + static_cast<f32>(a.zero_point);
      q[at(i)] = static_cast<int>(!(v > lowest) ? lowest
                                  : v > highest ? highest
                                                : v); // NaN: lowest
    }
    return q;
  }
  static bool has_nan(f32 const* v, index_t n) {
    return std::any_of(v, v + n, [](f32 e) { return std::isnan(e); });
  }
  // Of a row of its own; an infinity counts as the largest f32.
  static quantization row_scale(f32 const* v, index_t n) {
    f32 most = 0;
    for (index_t i = 0; i < n; ++i)
      most = std::max(most, std::min(std::fabs(v[i]), std::numeric_limits<f32>::max()));
    return {most > 0 ? std::max(most / 127.0F, 0x1p-126F) : 1.0F, middle};
  }
  quantization hidden_scale(f32 const* h) const {
    if (!q_.dynamic) return q_.hidden;
    if (Cell::bounded && !p_.c.projected) return {1.0F / 127.0F, middle};
    return row_scale(h, p_.c.size());
  }

  rnn_problem<Cell> const& p_;
  rnn_quantization q_;
};

/// Static quantization with zero points, ranges that some values lie beyond.
template <element A> rnn_quantization some_static() {
  rnn_quantization q;
  if (std::same_as<A, u8>) q.input = {0.021F, 117}, q.hidden = {0.0071F, 140};
  else q.input = {0.019F, -9}, q.hidden = {0.0083F, 5};
  return q;
}
inline rnn_quantization dynamic_quantization() {
  rnn_quantization q;
  q.dynamic = true;
  return q;
}

/// True if I multiplies bytes with instructions that are emulated here.
template <ia_nn::isa::tag I> bool emulates_bytes() {
  return !ia_nn::isa::available<I>() &&
         (std::same_as<I, ia_nn::isa::amx> || std::same_as<I, ia_nn::isa::avx2_vnni>);
}

/// The library's bits for one problem on every instruction set, those with emulated instructions
/// only for small problems.
template <element A, class Cell, class Isas>
void require_exact(rnn_problem<Cell> const& p, rnn_quantization const& q, bool small = true) {
  INFO(ia_nn::name_of<A>() << " " << Cell::name << ": " << p.c.text()
                           << (q.dynamic ? " dynamic" : ""));
  rnn_output const want = integer_reference<A, Cell>(p, q).run();
  for_each_isa<Isas>([&](auto tag) {
    using I = decltype(tag);
    if (emulates_bytes<I>() && !small) return;
    rnn_output const got = p.template run<rnn_weights<I, Cell, A, s8>>(ia_nn::sequential{}, q);
    if (!(got == want)) FAIL("other bits: " << verdict(exactly(want), got, {0, 0}));
    SUCCEED();
  });
}

template <element A, class Cell, class Isas = swept_isas>
void check_integers(std::uint64_t stream, bool projected = false, Cell const& cell = {}) {
  random r(stream);
  index_t index = 0;
  for (index_t batch : {1, 2, 3, 4, 5, 14, 20, 31})
    for (index_t hidden : {1, 3, 4, 5, 15, 17, 32, 35, 67}) {
      constexpr index_t inputs[] = {1, 3, 4, 5, 64, 63, 9, 130, 32, 65, 2};
      rnn_case c;
      c.batch = batch, c.hidden = hidden, c.input = inputs[index % 11], c.time = 1 + index % 4;
      if (projected) c.projected = index % 2 ? hidden + 3 : (hidden + 1) / 2;
      c.lengths = index % 5 == 2, c.states = index % 3 != 0, c.biases = index % 7 != 0;
      if (index % 4 == 1) c.direction = rnn_direction::reverse;
      if (index % 4 >= 2) c.layout = rnn_layout::batch_first;
      rnn_problem<Cell> const p(c, r, cell);
      bool const small = batch * hidden * c.time * c.input < 3000;
      if (Cell::bounded || !projected) {
        if (index % 2) require_exact<A, Cell, Isas>(p, some_static<A>(), small);
        else require_exact<A, Cell, Isas>(p, dynamic_quantization(), small);
      }
      ++index;
    }
}

/// Infinities and NaN in one sequence: the others, and its own past, keep their bits; a NaN is NaN from
/// there on; beside an infinity a bounded cell stays finite.
template <element A, class Cell> void check_contained(std::uint64_t stream) {
  random r(stream);
  f32 const inf = std::numeric_limits<f32>::infinity(), nan = std::numeric_limits<f32>::quiet_NaN();
  for_each_isa<swept_isas>([&](auto tag) {
    using W = rnn_weights<decltype(tag), Cell, A, s8>;
    for (index_t const batch : {1, 2, 7})
      for (bool const dynamic : {true, false})
        for (rnn_direction const direction : {rnn_direction::forward, rnn_direction::reverse})
          for (f32 const special : {inf, -inf, nan}) {
            rnn_case c;
            c.batch = batch, c.hidden = 9, c.input = 17, c.time = 4, c.direction = direction;
            INFO(c.text() << " dynamic " << dynamic << ", " << special);
            rnn_problem<Cell> const p(c, r);
            auto const model =
                p.template model<W>(dynamic ? dynamic_quantization() : some_static<A>());
            rnn_output const clean = p.run_on(model);
            rnn_problem<Cell> spoilt = p;
            index_t const ill = batch - 1, when = 2;
            spoilt.x[at((when * batch + ill) * c.input + r.between(0, 16))] = special;
            rnn_output const got = spoilt.run_on(model);
            auto const same = [](f32 u, f32 v) { return std::memcmp(&u, &v, sizeof u) == 0; };
            bool kept = true, lost = true, finite = true;
            for (index_t t = 0; t < c.time; ++t)
              for (index_t n = 0; n < batch; ++n)
                for (index_t j = 0; j < c.hidden; ++j) {
                  std::size_t const k = at((t * batch + n) * c.hidden + j);
                  bool const past = direction == rnn_direction::forward ? t < when : t > when;
                  if (n != ill || past) kept = kept && same(got.y[k], clean.y[k]);
                  else lost = lost && std::isnan(got.y[k]), finite = finite && std::isfinite(got.y[k]);
                }
            for (index_t n = 0; n < ill; ++n)
              for (index_t j = 0; j < c.hidden; ++j) {
                std::size_t const k = at(n * c.hidden + j);
                kept = kept && same(got.hn[k], clean.hn[k]);
                if (Cell::states) kept = kept && same(got.cn[k], clean.cn[k]);
              }
            CHECK(kept);
            CHECK(lost == std::isnan(special));
            if (Cell::bounded && !std::isnan(special)) CHECK(finite);
          }
  });
}

} // namespace ia_nn_test

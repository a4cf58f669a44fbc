// SPDX-License-Identifier: Apache-2.0
#include "op_support.hpp"

#include <ia_nn/exec/thread_pool.hpp>
#include <ia_nn/ops/attention.hpp>

namespace ia_nn_test {

namespace {

using ia_nn::attention;
using ia_nn::attention_call;
using ia_nn::attention_options;
using ia_nn::attention_shape;
using ia_nn::s32;

struct attention_case {
  attention_shape shape;
  attention_options options{};
  index_t batch = 2, padding = 0; ///< elements between rows
  int mask = 0;                   ///< none, one row for all, each item, head and query
  std::vector<s32> lengths{};
};

template <class E> struct attention_problem {
  attention_case how;
  index_t width, wide, q_ld, v_ld;
  exact_buffer<E> q, k, v, mask;

  attention_problem(attention_case const& c, random& r)
      : how(c), width(c.shape.width), wide(c.shape.value_width ? c.shape.value_width : width),
        q_ld(c.shape.heads * width + c.padding), v_ld(c.shape.heads * wide + c.padding),
        q((c.batch * c.shape.queries - 1) * q_ld + c.shape.heads * width, 1),
        k((c.batch * c.shape.keys - 1) * q_ld + c.shape.heads * width, 3),
        v((c.batch * c.shape.keys - 1) * v_ld + c.shape.heads * wide, 1),
        mask(c.mask == 0 ? 0 : c.mask == 1 ? c.shape.keys : c.batch * c.shape.heads * c.shape.queries * c.shape.keys) {
    r.fill(q.data(), q.size()), r.fill(k.data(), k.size()), r.fill(v.data(), v.size());
    for (E& x : mask) x = r.between(0, 3) == 0 ? E(-HUGE_VALF) : r.value<E>();
  }
  index_t mask_at(index_t b, index_t h, index_t i) const {
    return how.mask == 1 ? 0 : ((b * how.shape.heads + h) * how.shape.queries + i) * how.shape.keys;
  }
  template <class C> attention_call<E, C> call(C* dst, index_t dst_ld) const {
    bool const whole = how.mask == 2;
    index_t const keys = how.shape.keys, each = how.shape.queries * keys;
    return {.batch = how.batch, .q = q.data(), .k = k.data(), .v = v.data(), .dst = dst,
            .q_ld = q_ld, .k_ld = q_ld, .v_ld = v_ld, .dst_ld = dst_ld,
            .mask = how.mask ? mask.data() : nullptr, .mask_item = whole ? how.shape.heads * each : 0,
            .mask_head = whole ? each : 0, .mask_query = whole ? keys : 0,
            .lengths = how.lengths.empty() ? nullptr : how.lengths.data()};
  }
  /// f(place of the result, result, mean of |v| by the shares) in double.
  template <class F> void expect(F const& f) const {
    auto const [heads, queries, keys, w0, w1] = how.shape;
    double const scale = how.options.scale == 0 ? 1 / std::sqrt(static_cast<double>(width)) : static_cast<double>(how.options.scale);
    auto const number = [](E x) { return static_cast<double>(static_cast<f32>(x)); };
    for (index_t b = 0; b < how.batch; ++b)
      for (index_t h = 0; h < heads; ++h)
        for (index_t i = 0; i < queries; ++i) {
          std::vector<double> p(at(keys));
          double most = -HUGE_VAL, total = 0;
          for (index_t j = 0; j < keys; ++j) {
            double s = 0;
            for (index_t c = 0; c < width; ++c)
              s += number(q[(b * queries + i) * q_ld + h * width + c]) * number(k[(b * keys + j) * q_ld + h * width + c]);
            s *= scale;
            if (how.mask) s += number(mask[mask_at(b, h, i) + j]);
            if (how.options.causal && j > i + how.options.first_query) s = -HUGE_VAL;
            if (!how.lengths.empty() && j >= how.lengths[at(b)]) s = -HUGE_VAL;
            p[at(j)] = s, most = std::max(most, s);
          }
          for (double& x : p) x = most == -HUGE_VAL ? 0 : std::exp(x - most), total += x;
          for (index_t c = 0; c < wide; ++c) {
            double y = 0, norm = 0;
            for (index_t j = 0; j < keys; ++j) {
              if (p[at(j)] == 0) continue;
              double const term = p[at(j)] / total * number(v[(b * keys + j) * v_ld + h * wide + c]);
              y += term, norm += std::abs(term);
            }
            f((b * queries + i) * heads * wide + h * wide + c, y, norm);
          }
        }
  }
};

template <class E, class C, class I> void check_attention(attention_case const& c, random& r, I) {
  INFO("heads " << c.shape.heads << " queries " << c.shape.queries << " keys " << c.shape.keys << " width " << c.shape.width
                << " causal " << c.options.causal << " mask " << c.mask << " lengths " << c.lengths.size());
  attention_problem<E> const p(c, r);
  index_t const row = c.shape.heads * p.wide, size = c.batch * c.shape.queries * row, ld = row + c.padding;
  exact_buffer<C> first((c.batch * c.shape.queries - 1) * ld + row);
  for (int const workers : {1, 2, 3}) {
    attention_options o = c.options;
    o.max_batch = c.batch + workers - 1, o.workers = workers;
    attention<I, E, C> const layer(c.shape, o);
    ia_nn::workspace scratch(layer.workspace_bytes());
    std::memset(ia_nn::workspace_view(scratch).data, 0xff, static_cast<std::size_t>(layer.workspace_bytes())); // NaN
    exact_buffer<C> dst(first.size());
    layer.run(p.call(dst.data(), ld), scratch, last_task_first{workers});
    if (workers == 1) std::copy(dst.begin(), dst.end(), first.begin());
    CHECK(std::memcmp(first.data(), dst.data(), at(first.size()) * sizeof(C)) == 0);
  }
  std::vector<double> expected(at(size)), norms(at(size));
  p.expect([&](index_t i, double y, double norm) { expected[at(i)] = y, norms[at(i)] = norm; });
  std::vector<f32> found;
  for (index_t i = 0; i < size; ++i) found.push_back(static_cast<f32>(first[i / row * ld + i % row]));
  // f32: scores of up to 30 off by width roundings each, which shares see as a relative error, and sums of keys.
  // bf16: shares are rounded to 8 bits, and results may be.
  double const eps = std::same_as<E, f32> ? f32_eps * (30.0 * static_cast<double>(p.width) + static_cast<double>(c.shape.keys) + 20)
                                          : 0x1p-7;
  CHECK(deviation(size, found.data(), [&](index_t i) { return expected[at(i)]; },
                  [&](index_t i) { return eps * norms[at(i)] + 1e-30; }) == "");
}

attention_case const cases[] = {
    {{1, 1, 1, 1}},
    {{3, 5, 7, 8}, {}, 2, 3},
    {{2, 64, 128, 16}},
    {{1, 65, 129, 33, 17}, {}, 1},
    {{2, 131, 259, 16, 5}, {.causal = true}, 1},
    {{2, 67, 67, 16}, {.causal = true, .scale = 0.5F}, 2, 1, 2},
    {{1, 3, 40, 24}, {.causal = true, .first_query = 37}, 2},
    {{1, 70, 150, 8}, {.causal = true, .first_query = -68}, 1},
    {{2, 9, 140, 12, 3}, {}, 4, 0, 1, {140, 1, 0, 129}},
    {{3, 66, 200, 16}, {.causal = true}, 4, 0, 2, {-3, 500, 64, 128}},
};

} // namespace

TEST_CASE("attention: heads, blocks, masks, lengths, rows apart") {
  random r(311);
  for_each_isa<vector_isas>([&](auto tag) {
    for (auto const& c : cases) check_attention<f32, f32>(c, r, tag);
  });
  for_each_isa<tiles_and_native>([&](auto tag) { // the rest: tests/graph
    for (auto const& c : cases) check_attention<bf16, bf16>(c, r, tag);
  });
}

TEST_CASE("attention: queries that attend to nothing give zeros, a NaN its row and no other") {
  random r(312);
  for_each_isa<vector_isas>([&](auto tag) {
    using I = decltype(tag);
    attention_problem<f32> p({{1, 70, 130, 16}, {}, 1, 0, 2}, r);
    for (index_t j = 0; j < 130; ++j) {
      p.mask[3 * 130 + j] = -HUGE_VALF;              // all are hidden
      if (j < 129) p.mask[69 * 130 + j] = -HUGE_VALF; // all but the last one
    }
    p.mask[69 * 130 + 129] = 0;
    p.q[16 * 5] = NAN;
    attention<I> const layer(p.how.shape);
    ia_nn::workspace scratch(layer.workspace_bytes());
    exact_buffer<f32> dst(70 * 16);
    layer.run(p.call(dst.data(), 0), scratch);
    for (index_t i = 0; i < 70; ++i)
      for (index_t c = 0; c < 16; ++c) {
        f32 const y = dst[i * 16 + c];
        REQUIRE(std::isnan(y) == (i == 5));
        if (i == 3) REQUIRE(y == 0);
        if (i == 69) REQUIRE(y == p.v[129 * 16 + c]);
      }
    // Keys behind the length are not read.
    for (index_t j = 100; j < 130; ++j) p.k[16 * j + 3] = p.v[16 * j] = NAN;
    s32 const some = 100;
    attention_call<f32> call = p.call(dst.data(), 0);
    call.mask = nullptr, call.lengths = &some;
    layer.run(call, scratch);
    for (index_t i = 0; i < dst.size(); ++i) REQUIRE(std::isnan(dst[i]) == (i / 16 == 5));
  });
}

TEST_CASE("attention: errors") {
  using layer = attention<ia_nn::isa::native>;
  REQUIRE_ERROR([] { layer({.heads = 0}); }, ia_nn::errc::bad_shape, "heads, queries, keys and widths must be at least 1");
  auto const bad_scale = [] { layer({}, {.scale = -1}); };
  REQUIRE_ERROR(bad_scale, ia_nn::errc::bad_parameter, "attention: scale is -1");
  auto const no_workers = [] { layer({}, {.workers = 0}); };
  REQUIRE_ERROR(no_workers, ia_nn::errc::bad_parameter, "workers is 0");
}

} // namespace ia_nn_test

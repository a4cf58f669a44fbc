// SPDX-License-Identifier: Apache-2.0
#include "op_support.hpp"

#include <ia_nn/exec/thread_pool.hpp>
#include <ia_nn/ops/embedding.hpp>
#include <ia_nn/ops/move.hpp>
#include <ia_nn/ops/pad.hpp>

#include <cstring>
#include <numeric>

namespace ia_nn_test {

namespace {

using ia_nn::errc;
using ia_nn::pad;
using ia_nn::pad_mode;
using ia_nn::strided_move;
using native = ia_nn::isa::native;
using list = std::vector<index_t>;

index_t product(list const& v) {
  return std::accumulate(v.begin(), v.end(), index_t{1}, std::multiplies<>());
}
// The next index in row-major order; false behind the last.
bool next(list& i, list const& extents) {
  for (std::size_t d = extents.size(); d-- > 0;) {
    if (++i[d] < extents[d]) return true;
    i[d] = 0;
  }
  return false;
}
index_t offset(list const& i, list const& extents) {
  index_t o = 0;
  for (std::size_t d = 0; d < extents.size(); ++d) o = o * extents[d] + i[d];
  return o;
}

// n elements of `bytes`, and what is to become of them: element i of the result is element
// source(index) of src, or the constant for -1.
class moved {
public:
  moved(index_t bytes, index_t n, random& r) : bytes_(bytes), src_(n * bytes, 0) {
    for (std::byte& b : src_) b = static_cast<std::byte>(r.bits());
    for (std::byte& b : constant_) b = static_cast<std::byte>(r.bits());
  }
  void const* src() const { return src_.data(); }
  void const* constant() const { return constant_; }

  template <class Source>
  std::string verdict(list const& shape, std::byte const* got, Source&& source) {
    if (product(shape) == 0) return {};
    list i(shape.size());
    std::byte const* p = got;
    do {
      index_t const from = source(i);
      void const* const expected = from < 0 ? constant_ : src_.data() + from * bytes_;
      if (std::memcmp(p, expected, at(bytes_)) != 0)
        return "element " + std::to_string((p - got) / bytes_) + " is wrong";
      p += bytes_;
    } while (next(i, shape));
    return {};
  }

private:
  index_t bytes_;
  exact_buffer<std::byte> src_;
  std::byte constant_[8];
};

void check_transpose(list const& extents, std::vector<int> const& permutation, random& r) {
  list shape;
  for (int const p : permutation) shape.push_back(extents[static_cast<std::size_t>(p)]);
  for (index_t const bytes : {1, 2, 4, 8}) {
    INFO("elements of " << bytes << " bytes, extents " << Catch::StringMaker<list>::convert(extents)
                        << " permutation "
                        << Catch::StringMaker<std::vector<int>>::convert(permutation));
    moved m(bytes, product(extents), r);
    for_each_isa<vector_isas>([&](auto tag) {
      auto const plan = strided_move<decltype(tag)>::transpose(bytes, extents, permutation);
      exact_buffer<std::byte> dst(product(extents) * bytes);
      plan.run(m.src(), dst.data(), last_task_first{3});
      CHECK(m.verdict(shape, dst.data(), [&](list const& i) {
        list from(i.size());
        for (std::size_t d = 0; d < i.size(); ++d)
          from[static_cast<std::size_t>(permutation[d])] = i[d];
        return offset(from, extents);
      }) == "");
    });
  }
}

void check_slice(list const& extents, list const& start, list const& count, list const& step,
                 random& r) {
  for (index_t const bytes : {1, 4}) {
    moved m(bytes, product(extents), r);
    auto const plan = strided_move<native>::slice(bytes, extents, start, count, step);
    exact_buffer<std::byte> dst(product(count) * bytes);
    plan.run(m.src(), dst.data(), last_task_first{2});
    CHECK(m.verdict(count, dst.data(), [&](list const& i) {
      list from(i.size());
      for (std::size_t d = 0; d < i.size(); ++d) from[d] = start[d] + i[d] * step[d];
      return offset(from, extents);
    }) == "");
  }
}

// By walking: one step outside the edge goes where the mode says.
index_t padded_source(index_t i, index_t n, pad_mode mode) {
  if (i >= 0 && i < n) return i;
  switch (mode) {
  case pad_mode::constant:
    return -1;
  case pad_mode::edge:
    return i < 0 ? 0 : n - 1;
  case pad_mode::wrap:
    return padded_source(i < 0 ? i + n : i - n, n, mode);
  case pad_mode::reflect:
    return n == 1 ? 0 : padded_source(i < 0 ? -i : 2 * (n - 1) - i, n, mode);
  }
  return -1;
}

void check_pad(list const& extents, list const& begin, list const& end, random& r) {
  list shape;
  for (std::size_t d = 0; d < extents.size(); ++d) shape.push_back(begin[d] + extents[d] + end[d]);
  for (pad_mode const mode :
       {pad_mode::constant, pad_mode::reflect, pad_mode::edge, pad_mode::wrap})
    for (index_t const bytes : {1, 2, 4, 8}) {
      INFO("mode " << static_cast<int>(mode) << " bytes " << bytes << " extents "
                   << Catch::StringMaker<list>::convert(extents) << " begin "
                   << Catch::StringMaker<list>::convert(begin) << " end "
                   << Catch::StringMaker<list>::convert(end));
      moved m(bytes, product(extents), r);
      pad const plan(bytes, extents, begin, end, mode);
      exact_buffer<std::byte> dst(product(shape) * bytes);
      plan.run(m.src(), dst.data(), m.constant(), last_task_first{2});
      CHECK(m.verdict(shape, dst.data(), [&](list const& i) {
        list from(i.size());
        for (std::size_t d = 0; d < i.size(); ++d) {
          from[d] = padded_source(i[d] - begin[d], extents[d], mode);
          if (from[d] < 0) return index_t{-1};
        }
        return offset(from, extents);
      }) == "");
    }
}

} // namespace

TEST_CASE("transpose: matrices around blocks") {
  random r(101);
  for (index_t const m : {1, 3, 4, 5, 7, 8, 9, 15, 16, 17, 33, 67})
    for (index_t const n : {1, 2, 4, 7, 8, 9, 17, 65}) check_transpose({m, n}, {1, 0}, r);
  check_transpose({5, 1100}, {1, 0}, r); // more columns than a step has
  check_transpose({1100, 5}, {1, 0}, r);
}

TEST_CASE("transpose: every permutation of up to four axes, some of six") {
  random r(102);
  for (int rank = 0; rank <= 4; ++rank) {
    std::vector<int> p(static_cast<std::size_t>(rank));
    std::iota(p.begin(), p.end(), 0);
    do {
      list extents;
      for (int d = 0; d < rank; ++d) extents.push_back(r.between(1, 11));
      check_transpose(extents, p, r);
    } while (std::next_permutation(p.begin(), p.end()));
  }
  for (int i = 0; i < 40; ++i) {
    std::vector<int> p{0, 1, 2, 3, 4, 5};
    for (std::size_t d = 5; d > 0; --d)
      std::swap(p[d], p[at(r.between(0, static_cast<index_t>(d)))]);
    check_transpose({r.between(1, 4), r.between(1, 5), r.between(1, 4), r.between(1, 3),
                     r.between(1, 9), r.between(1, 4)},
                    p, r);
  }
  check_transpose({3, 0, 2}, {2, 0, 1}, r);
}

TEST_CASE("to_channels_last and back") {
  random r(103);
  for (index_t const channels : {1, 3, 16, 37}) {
    index_t const pixels = 35, n = 2 * channels * pixels;
    exact_buffer<f32> nchw(n), nhwc(n), again(n);
    r.fill(nchw.data(), n);
    ia_nn::to_channels_last<native>(2, channels, pixels, nchw.data(), nhwc.data());
    bool good = true;
    for (index_t b = 0; b < 2; ++b)
      for (index_t c = 0; c < channels; ++c)
        for (index_t p = 0; p < pixels; ++p)
          good = good &&
                 nhwc[(b * pixels + p) * channels + c] == nchw[(b * channels + c) * pixels + p];
    CHECK(good);
    ia_nn::thread_pool pool(2);
    ia_nn::to_channels_first<native>(2, channels, pixels, nhwc.data(), again.data(), pool);
    CHECK(std::equal(nchw.begin(), nchw.end(), again.begin()));
  }
}

TEST_CASE("slice: starts, steps forwards and backwards") {
  random r(104);
  check_slice({7}, {6}, {7}, {-1}, r);
  check_slice({4, 6}, {0, 0}, {4, 6}, {1, 1}, r);
  check_slice({4, 6}, {1, 0}, {0, 6}, {1, 1}, r);
  for (int i = 0; i < 100; ++i) {
    list extents, start, count, step;
    for (index_t d = r.between(1, 5); d > 0; --d) {
      index_t const n = r.between(1, 8), s = r.coin() ? r.between(1, 3) : -r.between(1, 3);
      index_t const from = r.between(0, n - 1);
      extents.push_back(n), start.push_back(from), step.push_back(s);
      count.push_back(r.between(1, (s > 0 ? n - 1 - from : from) / std::abs(s) + 1));
    }
    check_slice(extents, start, count, step, r);
  }
}

TEST_CASE("concat along any axis") {
  random r(105);
  for (index_t const bytes : {1, 2, 4})
    for (int i = 0; i < 20; ++i) {
      index_t const outer = r.between(1, 5), inner = r.between(1, 9);
      list const extents{r.between(0, 4), r.between(1, 4), r.between(1, 20)};
      index_t const all = extents[0] + extents[1] + extents[2];
      moved a(bytes, outer * extents[0] * inner, r), b(bytes, outer * extents[1] * inner, r),
          c(bytes, outer * extents[2] * inner, r);
      void const* const src[] = {a.src(), b.src(), c.src()};
      exact_buffer<std::byte> dst(outer * all * inner * bytes);
      ia_nn::concat<native>(bytes, outer, extents, inner).run(src, dst.data(), last_task_first{2});
      moved* const parts[] = {&a, &b, &c};
      index_t before = 0;
      for (std::size_t s = 0; s < 3; ++s) {
        // Cut out again, it is what it was.
        list const whole{outer, all, inner}, count{outer, extents[s], inner};
        exact_buffer<std::byte> out(product(count) * bytes);
        if (extents[s] > 0)
          strided_move<native>::slice(bytes, whole, list{0, before, 0}, count, list{1, 1, 1})
              .run(dst.data(), out.data());
        CHECK(parts[s]->verdict(count, out.data(),
                                [&](list const& at) { return offset(at, count); }) == "");
        before += extents[s];
      }
    }
}

TEST_CASE("pad: modes, ranks, negative padding") {
  random r(106);
  check_pad({5}, {3}, {9}, r);
  check_pad({1, 1}, {2, 3}, {1, 4}, r);
  check_pad({2, 6, 5, 8}, {0, 2, 1, 0}, {0, 2, 3, 0}, r); // of images with channels last
  check_pad({2, 3, 4}, {0, 0, 0}, {0, 0, 0}, r);
  for (int i = 0; i < 60; ++i) {
    list extents, begin, end;
    for (index_t d = r.between(1, 5); d > 0; --d) {
      extents.push_back(r.between(1, 6));
      begin.push_back(r.between(-1, 4));
      end.push_back(std::max(r.between(-3, 4), -extents.back() - begin.back()));
    }
    check_pad(extents, begin, end, r);
  }
  pad const scalar(4, {}, {}, {}, pad_mode::constant);
  f32 const x = 3;
  f32 y = 0;
  scalar.run(&x, &y);
  CHECK(y == 3);
}

TEST_CASE("moves: the same bytes for any number of threads") {
  random r(107);
  moved m(4, 300 * 500, r);
  list const extents{300, 500};
  auto const plan = strided_move<native>::transpose(4, extents, std::vector<int>{1, 0});
  exact_buffer<std::byte> first(300 * 500 * 4), dst(first.size());
  plan.run(m.src(), first.data());
  for (int const threads : {2, 3}) {
    ia_nn::thread_pool pool(threads);
    plan.run(m.src(), dst.data(), pool);
    CHECK(std::equal(first.begin(), first.end(), dst.begin()));
  }
}

TEST_CASE("moves: errors") {
  using move = strided_move<native>;
  list const two{2, 3};
  REQUIRE_ERROR(([&] { move::transpose(3, two, std::vector<int>{1, 0}); }), errc::bad_parameter,
                "elements of 3 bytes");
  REQUIRE_ERROR(([&] { move::transpose(4, two, std::vector<int>{1, 1}); }), errc::bad_parameter,
                "axis 1 does not exist or occurs twice");
  REQUIRE_ERROR(([&] { move::transpose(4, two, std::vector<int>{0, 2}); }), errc::bad_parameter,
                "axis 2 does not exist");
  REQUIRE_ERROR(([&] { move::transpose(4, two, std::vector<int>{0}); }), errc::bad_shape,
                "a permutation of 1 axes for 2");
  REQUIRE_ERROR(([&] { move::transpose(4, list(9, 1), std::vector<int>(9, 0)); }),
                errc::bad_parameter, "9 axes, at most 8");
  REQUIRE_ERROR(([&] { move::slice(4, two, list{0, 1}, list{2, 3}, list{1, 1}); }), errc::bad_shape,
                "axis 1: elements 1 to 3 of 3");
  // Products and sums that would wrap around to an element that exists.
  index_t const least = std::numeric_limits<index_t>::min(), most = -(least + 1);
  REQUIRE_ERROR(([&] { move::slice(1, two, list{0, 0}, list{2, 3}, list{1, least}); }),
                errc::bad_shape, "axis 1: elements 0 to beyond 2^63 of 3");
  REQUIRE_ERROR(([&] { move::slice(1, list{5}, list{0}, list{5}, list{most / 2 + 1}); }),
                errc::bad_shape, "elements 0 to beyond 2^63 of 5");
  REQUIRE_ERROR(([&] { move::slice(1, two, list{0, 2}, list{2, 2}, list{1, most}); }),
                errc::bad_shape, "elements 2 to beyond 2^63 of 3");
  random r(93);
  check_slice({4, 6}, {1, 2}, {1, 1}, {most, least}, r);
  REQUIRE_ERROR(([&] { ia_nn::pad(4, list{3}, list{most}, list{1}, ia_nn::pad_mode::constant); }),
                errc::bad_shape, "9223372036854775807 and 1 elements are out of range");
  REQUIRE_ERROR(([&] { move::slice(4, two, list{0, 1}, list{2, 1}, list{1, 0}); }),
                errc::bad_parameter, "the step of axis 1 is 0");
  REQUIRE_ERROR(([&] { move::slice(4, two, list{0}, list{2, 1}, list{1, 1}); }), errc::bad_shape,
                "need 2 numbers each");
  REQUIRE_ERROR(([&] { ia_nn::concat<native>(4, 1, list{2, -1}, 1); }), errc::bad_shape,
                "an extent is negative");
  REQUIRE_ERROR(([&] { pad(4, two, list{0, 0}, list{-3, 0}, pad_mode::edge); }), errc::bad_shape,
                "axis 0: 2 elements become -1");
  REQUIRE_ERROR(([&] { pad(4, list{0}, list{1}, list{0}, pad_mode::edge); }), errc::bad_shape,
                "no elements to repeat");
  REQUIRE_ERROR(([&] { pad(4, two, list{0}, list{0, 0}, pad_mode::edge); }), errc::bad_shape,
                "need 2 numbers each");
  REQUIRE_ERROR(([&] { pad(5, two, list{0, 0}, list{0, 0}, pad_mode::edge); }), errc::bad_parameter,
                "elements of 5 bytes");
  REQUIRE_ERROR(([&] { pad(4, list(7, 1), list(7, 0), list(7, 0), pad_mode::edge); }),
                errc::bad_parameter, "7 axes, at most 6");
}

namespace {

// Tables of several widths, with a stride of their own, into one matrix with a gap.
template <class T, class Index> void check_embedding(index_t count, int workers, random& r) {
  index_t const rows[] = {5, 1, 300}, width[] = {7, 16, 33}, stride[] = {0, 20, 33};
  std::vector<std::vector<T>> data(3);
  std::vector<std::vector<Index>> indices(3);
  std::vector<ia_nn::embedding_table<T>> tables;
  std::vector<Index const*> lists;
  for (std::size_t t = 0; t < 3; ++t) {
    index_t const s = stride[t] ? stride[t] : width[t];
    data[t].resize(at(rows[t] * s));
    r.fill(data[t].data(), rows[t] * s);
    for (index_t i = 0; i < count; ++i)
      indices[t].push_back(static_cast<Index>(r.between(0, rows[t] - 1)));
    tables.push_back({data[t].data(), rows[t], width[t], stride[t]});
    lists.push_back(indices[t].data());
  }
  ia_nn::embedding<T> const layer{std::span<ia_nn::embedding_table<T> const>(tables)};
  REQUIRE((layer.width() == 56 && layer.tables() == 3 && layer.column(2) == 23));
  layer.check(count, lists.data());
  index_t const ld = 60;
  exact_buffer<T> dst(count > 0 ? (count - 1) * ld + 56 : 0);
  layer.run(count, lists.data(), dst.data(), ld, last_task_first{workers});
  bool good = true;
  for (index_t i = 0; i < count; ++i) {
    for (std::size_t t = 0; t < 3; ++t)
      for (index_t c = 0; c < width[t]; ++c) {
        index_t const s = stride[t] ? stride[t] : width[t];
        good = good && std::memcmp(&dst[i * ld + layer.column(static_cast<index_t>(t)) + c],
                                   &data[t][at(static_cast<index_t>(indices[t][at(i)]) * s + c)],
                                   sizeof(T)) == 0;
      }
    for (index_t c = 56; c < ld && i + 1 < count; ++c) good = good && dst[i * ld + c] == T();
  }
  CHECK(good);
}

} // namespace

TEST_CASE("embedding: several tables into one matrix") {
  random r(108);
  for (index_t const count : {0, 1, 2, 9, 1000})
    for (int const workers : {1, 2, 3}) {
      check_embedding<f32, s32>(count, workers, r);
      check_embedding<s8, std::int64_t>(count, workers, r);
      check_embedding<ia_nn::bf16, s32>(count, workers, r);
    }
}

TEST_CASE("embedding: errors") {
  f32 const rows[6] = {};
  ia_nn::embedding_table<f32> const table{rows, 3, 2};
  ia_nn::embedding<f32> const layer(table);
  s32 const fine[] = {0, 2, 1}, high[] = {0, 3}, negative[] = {-1};
  layer.check(3, fine);
  REQUIRE_ERROR([&] { layer.check(2, high); }, errc::bad_parameter,
                "index 1 of table 0 is 3, the table has 3 rows");
  REQUIRE_ERROR([&] { layer.check(1, negative); }, errc::bad_parameter, "is -1");
  using made = ia_nn::embedding<f32>;
  REQUIRE_ERROR([&] { made(std::span<ia_nn::embedding_table<f32> const>()); }, errc::bad_shape,
                "there is no table");
  REQUIRE_ERROR(([&] { made(ia_nn::embedding_table<f32>{rows, 3, 2, 1}); }), errc::bad_shape,
                "3 rows of 2 elements, 1 from row to row");
  REQUIRE_ERROR(([&] { made(ia_nn::embedding_table<f32>{nullptr, 3, 2}); }), errc::bad_pointer,
                "table 0 is null");
}

} // namespace ia_nn_test

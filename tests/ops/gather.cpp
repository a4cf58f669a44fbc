// SPDX-License-Identifier: Apache-2.0
//
// Gather, scatter, one-hot rows and bags of embeddings against naive loops.
#include "op_support.hpp"

#include <ia_nn/exec/thread_pool.hpp>
#include <ia_nn/ops/embedding_bag.hpp>
#include <ia_nn/ops/gather.hpp>

namespace ia_nn_test {
namespace {

using ia_nn::bag_embedding;
using ia_nn::bag_kind;
using ia_nn::element_gather;
using ia_nn::element_scatter;
using ia_nn::errc;
using ia_nn::one_hot_rows;
using ia_nn::row_gather;
using extents = std::vector<index_t>;

index_t product(extents const& e) {
  index_t n = 1;
  for (index_t const x : e) n *= x;
  return n;
}
// The element of a tensor that meets element i of indices of other extents, with `index` along the axis.
index_t meets(extents const& of, extents const& index_extents, int axis, index_t i, index_t index) {
  index_t to = 0, stride = 1;
  for (int d = static_cast<int>(of.size()); d-- > 0;) {
    index_t const here = i % index_extents[at(d)];
    i /= index_extents[at(d)];
    index_t const n = of[at(d)], k = d != axis ? here : index < 0 ? index + n : index;
    to += k * stride, stride *= n;
  }
  return to;
}
template <class F> void in_threads(F const& f) {
  f(last_task_first{2});
  for (int const threads : {1, 2, 3}) {
    ia_nn::thread_pool pool(threads);
    f(pool);
  }
}

template <class Index> void check_random(random& r) {
  index_t const bytes[] = {1, 2, 4, 8};
  index_t const element = bytes[r.between(0, 3)];
  extents data(at(r.between(1, 4))), index;
  for (index_t& e : data) e = r.between(1, r.coin() ? 5 : 300 / static_cast<index_t>(data.size() * data.size() * data.size()) + 1);
  int const axis = static_cast<int>(r.between(0, std::ssize(data) - 1));
  for (index_t const e : data) index.push_back(r.between(1, e));
  index[at(axis)] = r.between(1, 6);
  index_t const n = data[at(axis)], count = product(index), size = product(data);
  exact_buffer<Index> indices(count);
  for (Index& i : indices) i = static_cast<Index>(r.between(-n, n - 1));
  exact_buffer<u8> src(size * element), dst(count * element, 1), want(count * element);
  r.fill(src.data(), src.size());
  for (index_t i = 0; i < count; ++i)
    std::memcpy(&want[i * element], &src[meets(data, index, axis, i, indices[i]) * element], at(element));
  INFO("element " << element << " axis " << axis << " of " << data.size() << " axes");
  element_gather const gather(element, data, index, axis);
  gather.check(indices.data());
  in_threads([&](auto&& e) {
    std::fill(dst.begin(), dst.end(), u8{0});
    gather.run(src.data(), indices.data(), dst.data(), e);
    CHECK(std::equal(want.begin(), want.end(), dst.begin()));
  });
  // The other way round.
  exact_buffer<u8> updates(count * element), put(size * element, 1), scattered(size * element);
  r.fill(updates.data(), updates.size());
  std::copy(src.begin(), src.end(), scattered.begin());
  for (index_t i = 0; i < count; ++i)
    std::memcpy(&scattered[meets(data, index, axis, i, indices[i]) * element], &updates[i * element], at(element));
  element_scatter const scatter(element, data, index, axis);
  in_threads([&](auto&& e) {
    scatter.run(src.data(), updates.data(), indices.data(), put.data(), e);
    CHECK(std::equal(scattered.begin(), scattered.end(), put.begin()));
  });
  exact_buffer<f32> base(size), more(count), sum(size), total(size);
  r.fill(base.data(), size), r.fill(more.data(), count);
  std::copy(base.begin(), base.end(), total.begin());
  for (index_t i = 0; i < count; ++i) total[meets(data, index, axis, i, indices[i])] += more[i];
  element_scatter const adds(4, data, index, axis);
  in_threads([&](auto&& e) {
    adds.run_add(base.data(), more.data(), indices.data(), sum.data(), e);
    CHECK(std::memcmp(sum.data(), total.data(), at(size) * 4) == 0);
  });
  // Whole slices.
  index_t const outer = r.between(1, 4), inner = r.between(1, 40), k = r.between(1, std::min<index_t>(count, 9));
  exact_buffer<u8> from(outer * n * inner * element), to(outer * k * inner * element, 1);
  r.fill(from.data(), from.size());
  row_gather const rows(element, outer, n, inner);
  rows.check(k, indices.data());
  in_threads([&](auto&& e) {
    rows.run(k, from.data(), indices.data(), to.data(), e);
    bool same = true;
    index_t const bytes_each = inner * element;
    for (index_t o = 0; o < outer; ++o)
      for (index_t j = 0; j < k; ++j) {
        index_t const i = static_cast<index_t>(indices[j]), row = i < 0 ? i + n : i;
        same = same && std::memcmp(&to[(o * k + j) * bytes_each], &from[(o * n + row) * bytes_each], at(bytes_each)) == 0;
      }
    CHECK(same);
  });
}

} // namespace

TEST_CASE("gather and scatter: random shapes, elements and indices") {
  random r(431);
  for (int i = 0; i < 60; ++i) {
    check_random<s32>(r);
    check_random<std::int64_t>(r);
  }
}

TEST_CASE("gather: errors name the index") {
  index_t const four[] = {4, 3}, two[] = {2, 3}, wide[] = {2, 4};
  s32 const bad[] = {0, -4, 4}, low[] = {-5};
  row_gather const rows(4, 1, 4, 2);
  REQUIRE_ERROR([&] { rows.check(3, bad); }, errc::bad_parameter, "index 2 is 4, the axis has 4 elements");
  REQUIRE_ERROR([&] { rows.check(1, low); }, errc::bad_parameter, "index 0 is -5");
  std::uint64_t const huge[] = {UINT64_MAX};
  REQUIRE_ERROR([&] { rows.check(1, huge); }, errc::bad_parameter, "index 0 is 18446744073709551615");
  REQUIRE_ERROR([&] { row_gather(3, 1, 4, 2); }, errc::bad_parameter, "elements of 3 bytes");
  REQUIRE_ERROR([&] { row_gather(4, 1, 0, 2); }, errc::bad_shape, "1 x 0 x 2");
  REQUIRE_ERROR([&] { element_gather(4, four, wide, 0); }, errc::bad_shape, "axis 1 has 3 elements, indices 4");
  REQUIRE_ERROR([&] { element_scatter(4, four, two, 2); }, errc::bad_shape, "axis 2 of 2 axes");
}

TEST_CASE("one_hot: indices outside give rows of the other value") {
  random r(432);
  for (index_t const depth : {1, 5, 16, 33})
    for (index_t const inner : {1, 3}) {
      index_t const outer = 7;
      exact_buffer<std::int64_t> indices(outer * inner);
      for (auto& i : indices) i = r.between(-depth - 2, depth + 1);
      indices[0] = INT64_MIN;
      one_hot_rows<s8> const layer(depth, inner, s8{3}, s8{-1});
      exact_buffer<s8> dst(outer * depth * inner, 1);
      in_threads([&](auto&& e) {
        layer.run(outer, indices.data(), dst.data(), e);
        bool right = true;
        for (index_t k = 0; k < dst.size(); ++k) {
          index_t const j = k / inner % depth, index = indices[k / (depth * inner) * inner + k % inner];
          right = right && dst[k] == (index == j || index == j - depth ? 3 : -1);
        }
        CHECK(right);
      });
    }
  REQUIRE_ERROR([] { one_hot_rows<f32>(0); }, errc::bad_shape, "rows of 0");
}

TEST_CASE("embedding_bag: sums, means and maxima against double") {
  random r(433);
  for (int round = 0; round < 60; ++round) {
    index_t const widths[] = {1, 7, 8, 9, 15, 16, 17, 33, 64, 70};
    index_t const width = widths[round % 10], rows = r.between(1, 12), bags = r.between(1, 9), ld = width + r.between(0, 2);
    exact_buffer<f32> table(rows * width, 1);
    r.fill(table.data(), table.size());
    bool const even = r.coin();
    exact_buffer<s32> offsets(bags);
    index_t count = 0, const_length = r.between(0, 9);
    for (s32& o : offsets) o = static_cast<s32>(count), count += even ? const_length : r.coin() ? 0 : r.between(0, 20);
    exact_buffer<s32> indices(count);
    for (s32& i : indices) i = static_cast<s32>(r.between(0, rows - 1));
    exact_buffer<f32> weights(count);
    r.fill(weights.data(), count);
    for (bag_kind const kind : {bag_kind::sum, bag_kind::mean, bag_kind::max}) {
      bool const weighted = kind == bag_kind::sum && r.coin() && !even;
      std::vector<double> want(at(bags * width)), magnitude(at(bags * width));
      for (index_t b = 0; b < bags; ++b)
        for (index_t c = 0; c < width; ++c) {
          index_t const end = b + 1 < bags ? offsets[b + 1] : count, length = end - offsets[b];
          double s = 0, m = -HUGE_VAL, all = 0;
          for (index_t i = offsets[b]; i < end; ++i) {
            double const x = static_cast<double>(table[indices[i] * width + c]) * (weighted ? static_cast<double>(weights[i]) : 1);
            s += x, all += std::abs(x), m = std::max(m, x);
          }
          double const by = kind == bag_kind::mean && length > 0 ? static_cast<double>(length) : 1;
          want[at(b * width + c)] = length == 0 ? 0 : kind == bag_kind::max ? m : s / by;
          magnitude[at(b * width + c)] = kind == bag_kind::max ? 0 : static_cast<double>(length + 1) * all / by;
        }
      for_each_isa<vector_isas>([&](auto tag) {
        bag_embedding<decltype(tag)> const layer(kind, {table.data(), rows, width});
        layer.check(bags, offsets.data(), count, indices.data());
        exact_buffer<f32> dst((bags - 1) * ld + width), first(dst.size());
        bool have = false;
        in_threads([&](auto&& e) {
          if (even) layer.run(bags, const_length, indices.data(), dst.data(), ld, e);
          else layer.run(bags, offsets.data(), count, indices.data(), weighted ? weights.data() : nullptr, dst.data(), ld, e);
          if (!have) std::copy(dst.begin(), dst.end(), first.begin());
          have = true;
          CHECK(std::memcmp(dst.data(), first.data(), at(dst.size()) * 4) == 0);
        });
        std::vector<f32> dense;
        for (index_t i = 0; i < bags * width; ++i) dense.push_back(dst[i / width * ld + i % width]);
        CHECK(deviation(
                  bags * width, dense.data(), [&](index_t i) { return want[at(i)]; },
                  [&](index_t i) { return f32_eps * magnitude[at(i)]; }) == "");
      });
    }
  }
  f32 const table[] = {1, 2};
  bag_embedding<ia_nn::isa::native> const layer(bag_kind::sum, {table, 2, 1});
  s32 const ids[] = {0, 1}, late[] = {1, 2}, falls[] = {0, 2, 1}, none[] = {0, 2};
  REQUIRE_ERROR([&] { layer.check(2, late, 2, ids); }, errc::bad_parameter, "offset 0 is 1");
  REQUIRE_ERROR([&] { layer.check(3, falls, 2, ids); }, errc::bad_parameter, "offset 2 is 1");
  REQUIRE_ERROR([&] { layer.check(1, ids, 2, none); }, errc::bad_parameter, "index 1 of table 0 is 2");
}

} // namespace ia_nn_test

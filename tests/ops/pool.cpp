// SPDX-License-Identifier: Apache-2.0
#include "oracle/pool.hpp"

#include "op_support.hpp"
#include "support/shapes.hpp"

#include <ia_nn/exec/thread_pool.hpp>

#include <cstring>

namespace ia_nn_test {

namespace {

using ia_nn::adaptive_pool_shape;
using ia_nn::pool;
using ia_nn::pool_kind;
using ia_nn::pool_shape;
using ia_nn::spatial;
using ia_nn::window;

constexpr pool_kind kinds[] = {pool_kind::max, pool_kind::average, pool_kind::average_padded};

// A pooling of either sort, and its reference on random data.
template <class T> struct problem {
  index_t batch, channels;
  spatial in, out;
  exact_buffer<T> src;
  std::vector<pooled> expected;
  s32 zero_point = 0;

  problem(index_t n, pool_shape const& s, random& r)
      : batch(n), channels(s.channels), in(s.in), out(s.out()),
        src(n * s.in.size() * s.channels, 1) {
    fill(r);
    expected = pool_reference(batch, channels, in, out, src.data(),
                              [&](int d, index_t o) { return window_taps(s.win, in, d, o); });
  }
  problem(index_t n, adaptive_pool_shape const& s, random& r)
      : batch(n), channels(s.channels), in(s.in), out(s.out), src(n * s.in.size() * s.channels, 1) {
    fill(r);
    expected = pool_reference(batch, channels, in, out, src.data(),
                              [&](int d, index_t o) { return adaptive_taps(in[d], out[d], o); });
  }
  index_t size() const { return batch * out.size() * channels; }
  void fill(random& r) {
    r.fill(src.data(), src.size());
    if constexpr (ia_nn::byte_element<T>) zero_point = r.coin() ? 0 : r.extreme<T>() / 2 + r.coin();
  }

  double value(pool_kind kind, index_t i) const {
    pooled const& p = expected[at(i)];
    index_t const count = kind == pool_kind::average ? p.taps : p.counted;
    if constexpr (std::same_as<T, f32>) {
      if (kind == pool_kind::max) return p.highest;
      return count > 0 ? p.sum / static_cast<double>(count) : 0;
    } else {
      double const lowest = std::numeric_limits<T>::min();
      if (kind == pool_kind::max) return std::max(lowest, p.highest);
      return rounded_average<T>(p, count, zero_point);
    }
  }
  std::string verdict(pool_kind kind, T const* got) const {
    return deviation(
        size(), got, [&](index_t i) { return value(kind, i); },
        [&](index_t i) {
          pooled const& p = expected[at(i)];
          bool const exact = kind == pool_kind::max || !std::same_as<T, f32>;
          index_t const count = kind == pool_kind::average ? p.taps : p.counted;
          return exact ? 0.0 : 10 * f32_eps * p.magnitude / static_cast<double>(count);
        });
  }
};

template <class I, class T, class Shape>
void check_pool(problem<T> const& p, Shape const& s, pool_kind kind, int workers = 1) {
  pool<I, T> const plan(kind, s, p.zero_point);
  REQUIRE(plan.out() == p.out);
  exact_buffer<T> dst(p.size(), 3);
  last_task_first const e{workers};
  plan.run(p.batch, p.src.data(), dst.data(), e);
  INFO("in " << p.in.to_string() << " out " << p.out.to_string() << " channels " << p.channels
             << " kind " << static_cast<int>(kind) << " of " << ia_nn::name_of<T>()
             << " zero point " << p.zero_point);
  CHECK(p.verdict(kind, dst.data()) == "");
  if (kind != pool_kind::max) return;
  exact_buffer<T> again(p.size());
  exact_buffer<s32> places(p.size(), 1);
  plan.run_with_indices(p.batch, p.src.data(), again.data(), places.data(), e);
  CHECK(std::equal(dst.begin(), dst.end(), again.begin()));
  CHECK(deviation(
            p.size(), places.data(),
            [&](index_t i) { return static_cast<double>(p.expected[at(i)].place); },
            [](index_t) { return 0.0; }) == "");
}

// Sanitizers, under which compilation takes long, see bytes on the best instruction set only.
template <class T>
using isas_of = std::conditional_t<under_asan && !std::same_as<T, f32>,
                                   ia_nn::type_list<ia_nn::isa::native>, vector_isas>;

template <class T, class Shape> void check_everywhere(index_t batch, Shape const& s, random& r) {
  problem<T> const p(batch, s, r);
  for_each_isa<isas_of<T>>([&](auto tag) {
    for (pool_kind const kind : kinds) check_pool<decltype(tag)>(p, s, kind, 2);
  });
}

window square(index_t kernel, index_t stride, index_t pad) {
  return {.kernel = {1, kernel, kernel},
          .stride = {1, stride, stride},
          .pad_begin = {0, pad, pad},
          .pad_end = {0, pad, pad}};
}

} // namespace

TEST_CASE("pool: channels around registers and blocks of registers") {
  random r(71);
  // 1, 8, 16 and 32, 64 lanes at a time.
  for (index_t const c : {1, 3, 7, 8, 9, 15, 16, 17, 31, 32, 33, 35, 63, 64, 65, 131}) {
    pool_shape const s{c, {1, 5, 7}, square(3, 2, 1)};
    check_everywhere<f32>(2, s, r);
    check_everywhere<u8>(2, s, r);
    check_everywhere<s8>(2, s, r);
  }
}

TEST_CASE("pool: one to three axes, dilation, padding on either side, ceil mode") {
  random r(72);
  for (int i = 0; i < 120; ++i) {
    pool_shape s{r.between(1, 20), {}, {}, r.coin()};
    int const axes = static_cast<int>(r.between(1, 3));
    for (int d = 3 - axes; d < 3; ++d) {
      s.win.kernel[d] = r.between(1, 4), s.win.stride[d] = r.between(1, 4);
      s.win.dilation[d] = r.between(1, 3);
      s.in[d] = r.between(1, 9);
      s.win.pad_begin[d] = r.between(0, 5), s.win.pad_end[d] = r.between(-1, 5);
      index_t const lacking = s.win.reach(d) - (s.win.pad_begin[d] + s.in[d] + s.win.pad_end[d]);
      if (lacking > 0) s.in[d] += lacking;
    }
    check_everywhere<f32>(r.between(1, 2), s, r);
    if (i % 4 == 0) check_everywhere<u8>(1, s, r);
    if (i % 4 == 2) check_everywhere<s8>(1, s, r);
  }
}

TEST_CASE("pool: with ceil mode a window may be larger than the padded image") {
  random r(76);
  // One axis: kernel, stride, padding at either end, extent -> positions, 0 where it is refused.
  // max(0, ceil((pads + extent - kernel) / stride + 1)), less a window that begins behind the
  // image: ONNX MaxPool and PyTorch's pooling_output_shape.
  struct one_axis {
    index_t kernel, stride, begin, end, extent, positions;
  };
  for (one_axis const& a : {one_axis{5, 3, 0, 0, 3, 1},
                            {5, 2, 0, 0, 3, 0},
                            {5, 2, 0, 0, 4, 1},
                            {4, 4, 0, 0, 1, 1},
                            {4, 3, 0, 0, 1, 0},
                            {7, 4, 1, 1, 2, 1},
                            {6, 3, 2, 0, 2, 1},
                            {5, 3, 0, 0, 6, 2},
                            {3, 4, 0, 0, 5, 2},
                            {2, 2, 1, 1, 3, 2},
                            {2, 2, 0, 1, 2, 1}}) {
    double const room = static_cast<double>(a.begin + a.extent + a.end - a.kernel);
    auto positions = static_cast<index_t>(std::ceil(room / static_cast<double>(a.stride))) + 1;
    if (positions > 0 && (positions - 1) * a.stride >= a.extent + a.begin) --positions;
    INFO("kernel " << a.kernel << " stride " << a.stride << " extent " << a.extent);
    CHECK(std::max<index_t>(positions, 0) == a.positions);
    pool_shape s{3, {1, 2, a.extent}, {}, true};
    s.win.kernel.width = a.kernel, s.win.stride.width = a.stride;
    s.win.pad_begin.width = a.begin, s.win.pad_end.width = a.end;
    if (a.positions == 0) {
      REQUIRE_ERROR(([&] { pool<ia_nn::isa::native, f32>(pool_kind::max, s); }),
                    ia_nn::errc::bad_shape, "width: the kernel reaches over");
      continue;
    }
    CHECK(s.out() == spatial{1, 2, a.positions});
    check_everywhere<f32>(2, s, r);
    check_everywhere<u8>(2, s, r);
  }
}

TEST_CASE("pool: whole images and adaptive sizes") {
  random r(73);
  for (spatial const& in : {spatial{1, 7, 7}, {1, 1, 13}, {3, 4, 5}, {1, 31, 23}}) {
    for (index_t const c : {5, 48, 70}) {
      check_everywhere<f32>(2, pool_shape::global(c, in), r);
      check_everywhere<u8>(2, pool_shape::global(c, in), r);
      for (spatial const& out : {spatial{1, 1, 1}, {2, 3, 4}, {1, 7, 2}, {3, 9, 30}}) {
        check_everywhere<f32>(1, adaptive_pool_shape{c, in, out}, r);
        if (c == 5) check_everywhere<s8>(1, adaptive_pool_shape{c, in, out}, r);
      }
    }
  }
}

TEST_CASE("pool: sums of large windows of bytes are exact") {
  // 300 x 300 bytes: the sum is beyond what f32 holds exactly.
  pool_shape const s = pool_shape::global(3, {1, 300, 300});
  exact_buffer<u8> src(300 * 300 * 3), dst(3);
  std::fill(src.begin(), src.end(), u8{255});
  for_each_isa<vector_isas>([&](auto tag) {
    pool<decltype(tag), u8> const plan(pool_kind::average, s);
    plan.run(1, src.data(), dst.data());
    CHECK((dst[0] == 255 && dst[1] == 255 && dst[2] == 255));
  });
}

TEST_CASE("pool: padding of bytes is their zero point, and averages are rounded from it") {
  // Three pixels, windows of 3 with a pixel of padding on either side; 17 channels.
  pool_shape const s{17, {1, 1, 3}, {.kernel = {1, 1, 3}, .stride = {1, 1, 1}}};
  pool_shape padded = s;
  padded.win.pad_begin.width = padded.win.pad_end.width = 1;
  auto const check = [&]<class T>(T, index_t zero, std::vector<int> const& pixels,
                                  pool_shape const& shape, pool_kind kind,
                                  std::vector<int> const& wanted) {
    exact_buffer<T> src(3 * 17), dst(static_cast<index_t>(wanted.size()) * 17);
    for (index_t i = 0; i < src.size(); ++i) src[i] = static_cast<T>(pixels[at(i / 17)]);
    for_each_isa<vector_isas>([&](auto tag) {
      pool<decltype(tag), T>(kind, shape, static_cast<s32>(zero)).run(1, src.data(), dst.data());
      for (index_t i = 0; i < dst.size(); ++i) CHECK(+dst[i] == wanted[at(i / 17)]);
    });
  };
  using enum pool_kind;
  check(u8{}, 128, {138, 138, 138}, padded, average_padded, {135, 138, 135});
  check(u8{}, 128, {138, 138, 138}, padded, average, {138, 138, 138});
  check(s8{}, -7, {-128, 127, 0}, padded, average_padded, {-3, 0, 40}); // 13, 20 and 141 above it
  check(s8{}, 0, {-10, -10, -10}, padded, max, {-10, -10, -10}); // padding is no candidate
  // Ties are rounded to even from the zero point: sums of 15 / 2 and 17 / 2 above it.
  pool_shape const two{17, {1, 1, 3}, {.kernel = {1, 1, 2}, .stride = {1, 1, 1}}};
  check(u8{}, 1, {8, 9, 10}, two, average, {9, 9}); // 7.5 and 8.5 steps: 8 and 8
  check(u8{}, 0, {8, 9, 10}, two, average, {8, 10});
  // A window of padding alone.
  pool_shape beyond = two;
  beyond.win.stride.width = 4, beyond.win.pad_begin.width = 2;
  check(u8{}, 77, {1, 2, 4}, beyond, average_padded, {77});
  check(s8{}, -77, {1, 2, 4}, beyond, average, {-77});
  // The largest sums: 255 above or below the zero point.
  check(s8{}, -128, {127, 127, 127}, s, average, {127});
  check(u8{}, 255, {0, 0, 0}, padded, average_padded, {85, 0, 85});
}

TEST_CASE("pool: averages of many numbers keep the bound of few") {
  f32 const inf = std::numeric_limits<f32>::infinity();
  random r(76);
  // Of equal numbers a running sum loses most: each rounding has the same sign.
  for (spatial const& in : {spatial{1, 1, 1000}, {1, 1000, 1}, {1, 25, 40}, {10, 10, 10}, {1, 7, 7}})
    for (f32 const x : {0.1F, 1.0F / 3, 12345.678F}) {
      problem<f32> p(1, pool_shape::global(35, in), r);
      std::fill(p.src.begin(), p.src.end(), x);
      double const mean = static_cast<double>(x);
      for (pooled& e : p.expected)
        e.sum = e.magnitude = static_cast<double>(in.size()) * mean, e.highest = mean, e.place = 0;
      for_each_isa<vector_isas>([&](auto tag) {
        check_pool<decltype(tag)>(p, pool_shape::global(35, in), pool_kind::average);
      });
    }
  // Ones, of which a running sum takes 2^24 and no more.
  constexpr index_t many = 20'000'000;
  exact_buffer<f32> ones(many), mean(1);
  std::fill(ones.begin(), ones.end(), 1.0F);
  for_each_isa<vector_isas>([&](auto tag) {
    pool<decltype(tag), f32> const plan(pool_kind::average, pool_shape::global(1, {1, 1, many}));
    plan.run(1, ones.data(), mean.data());
    CHECK(mean[0] == 1.0F);
    // What is not finite goes through: the rests of a sum do not make a NaN of it.
    pool<decltype(tag), f32> const some(pool_kind::average, pool_shape::global(2, {1, 5, 10}));
    exact_buffer<f32> src(100), dst(2);
    src[40] = inf, src[41] = inf, src[81] = -inf;
    some.run(1, src.data(), dst.data());
    CHECK((dst[0] == inf && std::isnan(dst[1])));
  });
}

TEST_CASE("pool: NaN and infinities") {
  f32 const nan = std::numeric_limits<f32>::quiet_NaN(), inf = std::numeric_limits<f32>::infinity();
  // Windows {nan, 1} {1, -inf} {-inf, -inf} {-inf, nan} {nan, inf}: a NaN wins on either side.
  f32 const pixel[] = {nan, 1, -inf, -inf, nan, inf};
  pool_shape const s{17, {1, 1, 6}, {.kernel = {1, 1, 2}, .stride = {1, 1, 1}}};
  for_each_isa<vector_isas>([&](auto tag) {
    exact_buffer<f32> src(6 * 17), dst(5 * 17);
    exact_buffer<s32> place(5 * 17);
    for (index_t i = 0; i < src.size(); ++i) src[i] = pixel[i / 17];
    auto const right = [&] {
      bool good = true;
      for (index_t c = 0; c < 17; ++c)
        good = good && std::isnan(dst[c]) && dst[17 + c] == 1 && dst[34 + c] == -inf &&
               std::isnan(dst[51 + c]) && std::isnan(dst[68 + c]);
      return good;
    };
    pool<decltype(tag), f32> const plan(pool_kind::max, s);
    plan.run(1, src.data(), dst.data());
    CHECK(right());
    plan.run_with_indices(1, src.data(), dst.data(), place.data());
    CHECK(right());
    index_t const places[] = {0, 1, 2, 4, 4};
    for (index_t o = 0; o < 5; ++o)
      for (index_t const c : {0, 16}) CHECK(place[o * 17 + c] == places[o]);
    pool<decltype(tag), f32>(pool_kind::average, s).run(1, src.data(), dst.data());
    for (index_t const c : {0, 16})
      CHECK((std::isnan(dst[c]) && dst[17 + c] == -inf && std::isnan(dst[51 + c])));
  });
}

TEST_CASE("pool: slices of channels, and the same bits for any number of threads") {
  random r(74);
  pool_shape const s{70, {1, 9, 11}, square(3, 1, 1)};
  for_each_isa<vector_isas>([&](auto tag) {
    using I = decltype(tag);
    for (pool_kind const kind : kinds)
      for (bool const whole : {false, true}) {
        pool_shape const one = whole ? pool_shape::global(70, s.in) : s;
        problem<f32> const p(2, one, r);
        pool<I, f32> const plan(kind, one);
        exact_buffer<f32> first(p.size()), dst(p.size());
        plan.run(2, p.src.data(), first.data());
        for (int const threads : {1, 2, 3}) {
          ia_nn::thread_pool pool_of(threads);
          std::fill(dst.begin(), dst.end(), 0.0F);
          plan.run(2, p.src.data(), dst.data(), pool_of);
          CHECK(std::memcmp(first.data(), dst.data(), at(p.size()) * sizeof(f32)) == 0);
        }
        // Into the middle of wider pixels.
        index_t const pixels = 2 * one.out().size(), ld = 75;
        exact_buffer<f32> wide((pixels - 1) * ld + 70);
        plan.run(2, p.src.data(), 70, wide.data(), ld);
        bool same = true, kept = true;
        for (index_t i = 0; i < pixels; ++i) {
          same = same &&
                 std::equal(wide.data() + i * ld, wide.data() + i * ld + 70, first.data() + i * 70);
          for (index_t c = 70; c < ld && i + 1 < pixels; ++c) kept = kept && wide[i * ld + c] == 0;
        }
        CHECK(same);
        CHECK(kept);
      }
  });
}

TEST_CASE("pool: layers of networks, images cut to 32 and channels to 70") {
  random r(75);
  std::size_t rows = 0;
  auto const files = shape_files("pool_");
  for (std::string const& file : files)
    for (shape_row const& row : shape_rows(file)) {
      INFO(file << ": " << row.name);
      auto const get = [&](char const* prefix, int d, char const* suffix, index_t otherwise) {
        static constexpr char const axis[] = {'d', 'h', 'w'};
        return row.at((std::string(prefix) + axis[d] + suffix).c_str(), otherwise);
      };
      pool_shape s{row.at("ic", 1), {}, {}, false};
      if (s.channels > 70) s.channels = 48 + s.channels % 16;
      for (int d = 0; d < 3; ++d) {
        index_t const whole = get("i", d, "", 1);
        s.win.kernel[d] = get("k", d, "", 1), s.win.stride[d] = get("s", d, "", 1);
        s.win.dilation[d] = get("d", d, "", 1);
        s.win.pad_begin[d] = get("p", d, "", 0), s.win.pad_end[d] = get("p", d, "_end", 0);
        s.in[d] = whole;
        REQUIRE(s.out()[d] == get("o", d, "", 1));
        index_t const needed = s.win.reach(d) - s.win.pad_begin[d] - s.win.pad_end[d];
        s.in[d] = std::min(whole, std::max<index_t>(needed, d == 0 ? 12 : 32));
      }
      check_everywhere<f32>(1, s, r);
      if (rows++ % 8 == 0) check_everywhere<s8>(1, s, r);
    }
  CHECK((files.empty() || rows > 200));
}

TEST_CASE("pool: errors") {
  using ia_nn::errc;
  using I = ia_nn::isa::native;
  auto const make = [](pool_shape const& s) { return [=] { pool<I, f32>(pool_kind::max, s); }; };
  REQUIRE_ERROR(make({0, {1, 4, 4}, {}}), errc::bad_shape, "images have 0 channels");
  REQUIRE_ERROR(make({1, {1, 0, 4}, {}}), errc::bad_shape, "height: the image has 0 elements");
  REQUIRE_ERROR(make({1, {1, 4, 4}, square(5, 1, 0)}), errc::bad_shape,
                "the kernel reaches over 5 elements, the padded image has 4");
  REQUIRE_ERROR(make({1, {1, 4, 4}, square(3, 0, 0)}), errc::bad_parameter, "stride 0");
  REQUIRE_ERROR(make({1, {2, 65536, 65536}, {}}), errc::bad_shape, "more than 2^31 - 1 pixels");
  REQUIRE_ERROR(
      ([] { pool<I, f32>(pool_kind::max, adaptive_pool_shape{1, {1, 4, 4}, {1, 0, 2}}); }),
      errc::bad_shape, "the result has 0 x 2 elements");
  REQUIRE_ERROR(([] { pool<I, u8>(pool_kind::average, pool_shape::global(1, {1, 4096, 2048})); }),
                errc::bad_shape, "a window of 8388608 bytes");
  pool_shape const one{1, {1, 4, 4}, {}};
  REQUIRE_ERROR(([&] { pool<I, u8>(pool_kind::average, one, 256); }), errc::bad_parameter,
                "an image of u8 cannot have the zero point 256");
  REQUIRE_ERROR(([&] { pool<I, s8>(pool_kind::average, one, -129); }), errc::bad_parameter,
                "an image of s8 cannot have the zero point -129");
  REQUIRE_ERROR(([&] { pool<I, f32>(pool_kind::average, one, 1); }), errc::bad_parameter,
                "an image of f32 cannot have the zero point 1");
  CHECK(how_it_fails([] { pool<I, u8>(pool_kind::max, pool_shape::global(1, {1, 4096, 2048})); },
                     errc::bad_shape, "") == "no error");
}

} // namespace ia_nn_test

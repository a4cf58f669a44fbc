// SPDX-License-Identifier: Apache-2.0
//
// A depthwise layer and a 1 x 1 layer as one kernel: against both by definition, and bit by bit
// against the two kernels one after the other.
#include "conv_support.hpp"

#include <ia_nn/ops/conv_separable.hpp>

namespace ia_nn_test {
namespace {

using ia_nn::add_bias;
using ia_nn::bf16;
using ia_nn::chain;
using ia_nn::requantize;
using ia_nn::s32;
using ia_nn::s8;
using ia_nn::separable_conv;
using ia_nn::separable_options;
using ia_nn::u8;

struct separable_case {
  conv_shape shape;
  index_t filters, batch = 1;
  int workers = 1;
  index_t gap = 0, src_gap = 0; ///< elements between pixels
};

std::vector<separable_case> separable_cases() {
  std::vector<separable_case> list;
  auto const add = [&](index_t channels, index_t filters, spatial in, window w, index_t batch = 1,
                       int workers = 1, index_t gap = 0, index_t src_gap = 0) {
    list.push_back({{channels, channels, channels, in, w}, filters, batch, workers, gap, src_gap});
  };
  window const same{{1, 3, 3}, {}, {}, {0, 1, 1}, {0, 1, 1}};
  window const half{{1, 3, 3}, {1, 2, 2}, {}, {0, 1, 1}, {0, 0, 0}};
  for (index_t channels : {2, 3, 4, 15, 16, 17, 33, 64, 70}) add(channels, 35, {1, 6, 9}, same);
  for (index_t filters : {1, 31, 32, 33, 65}) add(20, filters, {1, 5, 14}, half, 2, 2, 3, 4);
  for (index_t width : {1, 6, 7, 8, 13, 14, 15, 29}) // tiles
    add(16, 33, {1, 7, width}, same, 2, 3, 1);
  add(32, 40, {1, 40, 16}, same, 1, 2);
  add(24, 16, {2, 9, 8}, {{2, 3, 2}, {1, 2, 1}, {1, 1, 2}, {1, 1, 0}, {0, 1, 1}}, 2, 3); // 3 axes
  add(12, 9, {1, 1, 33}, {{1, 1, 5}, {}, {1, 1, 3}, {0, 0, 6}, {0, 0, 6}}, 3, 2, 0, 5);
  add(256, 300, {1, 3, 4}, same, 1, 3); // shares of filters; pixels apart for L1
  add(1024, 33, {1, 5, 4}, half, 1, 2);
  add(512, 8, {1, 70, 12}, same, 1, 2, 2); // several bands
  return list;
}

std::string text(separable_case const& c) {
  std::ostringstream o;
  o << ia_nn_test::text(c.shape) << " then " << c.filters << " batch " << c.batch << " workers "
    << c.workers << " gap " << c.gap << " of src " << c.src_gap;
  return o.str();
}

template <class A, class B, class C> struct separable_data {
  separable_case c;
  spatial out = c.shape.out();
  index_t pixels = c.batch * out.size(), src_ld = c.shape.channels + c.src_gap,
          ld = c.filters + c.gap;
  std::vector<A> image;
  exact_buffer<A> src;
  std::vector<B> depthwise, pointwise;
  exact_buffer<C> dst;

  separable_data(separable_case const& x, random& rng)
      : c(x), image(at(c.batch * c.shape.in.size() * c.shape.channels)),
        src((c.batch * c.shape.in.size() - 1) * src_ld + c.shape.channels),
        depthwise(at(c.shape.weights())), pointwise(at(c.filters * c.shape.channels)),
        dst((pixels - 1) * ld + c.filters) {
    rng.fill(image.data(), static_cast<index_t>(image.size()));
    rng.fill(depthwise.data(), static_cast<index_t>(depthwise.size()));
    rng.fill(pointwise.data(), static_cast<index_t>(pointwise.size()));
    for (index_t i = 0; i < src.size(); ++i) src.data()[i] = A(77);
    for (std::size_t i = 0; i < image.size(); ++i) {
      auto const n = static_cast<index_t>(i);
      src.data()[n / c.shape.channels * src_ld + n % c.shape.channels] = image[i];
    }
    for (index_t i = 0; i < dst.size(); ++i) dst.data()[i] = C(3);
  }
  static std::size_t at(index_t i) { return static_cast<std::size_t>(i); }
  conv_shape second() const {
    return {.channels = c.shape.channels, .filters = c.filters, .in = {c.batch, 1, out.size()}};
  }
  separable_options options() const {
    return {.max_batch = c.batch, .workers = c.workers, .src_ld = c.src_gap ? src_ld : 0};
  }
  /// Elements that are not want(pixel, filter), and what was written between the pixels.
  template <class Want> index_t wrong(Want&& want) const {
    index_t sum = 0;
    for (index_t i = 0; i < dst.size(); ++i) {
      C const x = dst.data()[i];
      sum += i % ld < c.filters ? !want(x, i / ld * c.filters + i % ld) : x != C(3);
    }
    return sum;
  }
  template <class Layer, class Between, class Behind>
  void run(Layer const& layer, Between const& between, Behind const& behind) {
    exact_buffer<std::byte> scratch(layer.workspace_bytes());
    ia_nn::thread_pool pool(c.workers);
    layer.run(c.batch, src.data(), dst.data(), ld, between, behind,
              ia_nn::workspace_view{scratch.data(), scratch.size()}, pool);
  }
};

struct clip6 {
  template <ia_nn::vector_register V> V operator()(V v) const noexcept {
    return min(max(v, V::zero()), V::broadcast(6));
  }
};

template <class T> std::vector<double> sizes_of(std::vector<T> const& values) {
  std::vector<double> sizes;
  for (T const x : values) sizes.push_back(std::abs(static_cast<double>(static_cast<f32>(x))));
  return sizes;
}

// Floats: M is rounded between the layers, so the second sums are those of the rounded image.
template <class I, class A> void check_floats(separable_case const& c, random& rng) {
  separable_data<A, A, f32> d(c, rng);
  std::vector<f32> between(static_cast<std::size_t>(c.shape.channels)),
      behind(static_cast<std::size_t>(c.filters));
  rng.fill(between.data(), c.shape.channels);
  rng.fill(behind.data(), c.filters);
  separable_conv<I, A, A, f32> const layer(c.shape, c.filters, d.depthwise, d.pointwise,
                                           d.options());
  d.run(layer, chain{add_bias{between.data()}, clip6{}},
        chain{add_bias{behind.data()}, ia_nn::activation::relu{}});
  auto const channel = [&](std::size_t i) {
    return i % static_cast<std::size_t>(c.shape.channels);
  };
  auto const filter = [&](std::size_t i) { return i % static_cast<std::size_t>(c.filters); };
  // Results, and what rounding may do to them: of sums, and of the image between to its type.
  double const eps = 0x1p-24, k = static_cast<double>(c.shape.channels),
               taps = static_cast<double>(c.shape.win.kernel.size());
  auto const sums = oracle::conv<double>(c.shape, c.batch, d.image.data(), d.depthwise.data());
  auto const sizes = oracle::conv<double>(c.shape, c.batch, sizes_of(d.image).data(),
                                          sizes_of(d.depthwise).data());
  std::vector<double> middle(sums.size()), off(sums.size());
  for (std::size_t i = 0; i < sums.size(); ++i) {
    double const bias = static_cast<double>(between[channel(i)]);
    middle[i] = std::clamp(sums[i] + bias, 0.0, 6.0);
    off[i] = 2 * (taps + 2) * eps * (sizes[i] + std::abs(bias));
    if (std::same_as<A, bf16>) off[i] += 0x1p-8 * (middle[i] + off[i]);
  }
  auto const weights = sizes_of(d.pointwise);
  auto const want = oracle::conv<double>(d.second(), 1, middle.data(), d.pointwise.data());
  auto const most = oracle::conv<double>(d.second(), 1, middle.data(), weights.data());
  auto const handed_on = oracle::conv<double>(d.second(), 1, off.data(), weights.data());
  INFO(label<I>() << ": " << text(c));
  CHECK(d.wrong([&](f32 x, index_t at) {
    auto const i = static_cast<std::size_t>(at);
    double const bias = static_cast<double>(behind[filter(i)]);
    double const bound =
        handed_on[i] + 2 * (k + 2) * eps * (most[i] + handed_on[i] + std::abs(bias));
    return std::abs(static_cast<double>(x) - std::max(0.0, want[i] + bias)) <= bound;
  }) == 0);
}

template <class I, class A, class M>
void check_bytes(separable_case const& c, random& rng, s32 zero, s32 middle_zero) {
  separable_data<A, s8, s32> d(c, rng);
  std::vector<f32> factor(static_cast<std::size_t>(c.shape.channels));
  for (f32& f : factor) f = static_cast<f32>(rng.between(1, 20)) / 4096;
  separable_options o = d.options();
  o.zero_point = zero, o.middle_zero_point = middle_zero;
  separable_conv<I, A, s8, s32, M> const layer(c.shape, c.filters, d.depthwise, d.pointwise, o);
  d.run(layer, chain{requantize{factor.data(), middle_zero}}, chain<>{});
  auto const sums = oracle::conv<std::int64_t>(c.shape, c.batch, d.image.data(), d.depthwise.data(),
                                               std::int64_t{zero});
  std::vector<M> middle(sums.size());
  for (std::size_t i = 0; i < sums.size(); ++i) {
    f32 const y =
        static_cast<f32>(sums[i]) * factor[i % static_cast<std::size_t>(c.shape.channels)];
    middle[i] = static_cast<M>(std::clamp<f32>(std::nearbyint(y) + static_cast<f32>(middle_zero),
                                               static_cast<f32>(std::numeric_limits<M>::min()),
                                               static_cast<f32>(std::numeric_limits<M>::max())));
  }
  auto const want = oracle::conv<std::int64_t>(d.second(), 1, middle.data(), d.pointwise.data(),
                                               std::int64_t{middle_zero});
  INFO(label<I>() << ": " << text(c) << " zero points " << zero << ", " << middle_zero);
  CHECK(d.wrong([&](s32 x, index_t i) { return x == want[static_cast<std::size_t>(i)]; }) == 0);
}

} // namespace

TEST_CASE("separable convolution: f32") {
  for_each_isa<conv_vector_isas>([](auto tag) {
    random rng(20);
    for (separable_case const& c : separable_cases()) check_floats<decltype(tag), f32>(c, rng);
  });
}

TEST_CASE("separable convolution: bf16") {
  using kernels = std::conditional_t<contains<ia_nn::isa::amx, conv_isas>,
                                     ia_nn::type_list<ia_nn::isa::native, ia_nn::isa::amx>,
                                     ia_nn::type_list<ia_nn::isa::native>>;
  for_each_isa<kernels>([](auto tag) {
    random rng(21);
    for (separable_case const& c : separable_cases()) check_floats<decltype(tag), bf16>(c, rng);
  });
}

TEST_CASE("separable convolution: u8, and s8 to u8") {
  for_each_isa<conv_isas>([](auto tag) {
    using I = decltype(tag);
    random rng(22);
    for (separable_case const& c : separable_cases())
      check_bytes<I, u8, u8>(c, rng, static_cast<s32>(rng.between(0, 1) * rng.between(0, 255)),
                             static_cast<s32>(rng.between(0, 1) * rng.between(0, 255)));
  });
  for_each_isa<ia_nn::type_list<ia_nn::isa::native>>([](auto tag) {
    using I = decltype(tag);
    random rng(23);
    for (separable_case const& c : separable_cases()) {
      check_bytes<I, s8, u8>(c, rng, static_cast<s32>(rng.between(-128, 127)), 3);
      check_bytes<I, u8, s8>(c, rng, 0, static_cast<s32>(rng.between(-128, 127)));
    }
  });
}

TEST_CASE("separable convolution: the bits of two layers, for any number of workers") {
  using I = ia_nn::isa::native;
  random rng(24);
  for (separable_case const& c : separable_cases()) {
    separable_data<f32, f32, f32> d(c, rng);
    conv_shape second = d.second();
    std::vector<f32> middle(static_cast<std::size_t>(d.pixels * c.shape.channels)),
        want(static_cast<std::size_t>(d.pixels * c.filters));
    conv<I, f32, f32, f32> const one(c.shape, d.depthwise, {.max_batch = c.batch}),
        two(second, d.pointwise);
    ia_nn::workspace scratch(std::max(one.workspace_bytes(), two.workspace_bytes()));
    one.run(c.batch, d.image.data(), middle.data(), chain{clip6{}}, scratch);
    two.run(1, middle.data(), want.data(), chain<>{}, scratch);
    for (int workers : {1, 2, 3}) {
      d.c.workers = workers;
      separable_conv<I, f32, f32, f32> layer(c.shape, c.filters, d.depthwise,
                                             std::vector<f32>(d.pointwise.size()), d.options());
      layer.set_weights(std::span<f32 const>(d.depthwise), std::span<f32 const>(d.pointwise));
      d.run(layer, chain{clip6{}}, chain<>{});
      INFO(text(d.c));
      CHECK(d.wrong([&](f32 x, index_t i) {
        return std::memcmp(&x, &want[static_cast<std::size_t>(i)], sizeof x) == 0;
      }) == 0);
    }
  }
}

TEST_CASE("separable convolution: what set-up refuses") {
  using layer = separable_conv<ia_nn::isa::native, f32, f32, f32>;
  conv_shape const good{4, 4, 4, {1, 5, 5}, {{1, 3, 3}}};
  std::vector<f32> const depthwise(36), pointwise(24);
  auto const says = [&](conv_shape const& s, index_t filters, separable_options const& o,
                        char const* sentence) {
    try {
      layer const made(s, filters, depthwise, pointwise, o);
      FAIL("accepted: " << sentence);
    } catch (ia_nn::error const& e) {
      CHECK(std::string(e.what()) == sentence);
    }
  };
  conv_shape s = good;
  s.groups = 2;
  says(
      s, 6, {},
      "ia_nn: separable_conv: the first layer has 4 channels, 4 filters and 2 groups, expected two "
      "or more and as many of each");
  s = good;
  s.win.kernel.width = 6;
  says(s, 6, {},
       "ia_nn: separable_conv: width: the kernel reaches over 6 elements, the padded "
       "image has 5");
  says(good, 7, {}, "ia_nn: conv: the weights have 24 elements, expected 7 x 4 x 1 x 1");
  says(good, 0, {}, "ia_nn: conv: 4 channels to 0 filters: there must be at least 1 of each");
  says(good, 6, {1, 0}, "ia_nn: conv: max_batch is 1 and workers 0, both must be at least 1");
  says(good, 6, {1, 1, 0, 9}, "ia_nn: conv: a source of f32 cannot have the zero point 9");
}

} // namespace ia_nn_test

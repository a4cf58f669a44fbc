// SPDX-License-Identifier: Apache-2.0
//
// Convolution of 1 to 3 axes: dst = stages(sum over window and channels of src * weights).
//
//   dst[n][o][f] = sum over taps t < kernel and channels c of
//                      src[n][o * stride - pad + t * dilation][c] * w[f][c][t]
//
// It is the product of output pixels by filters on the register tile of gemm/ (conv_plan.hpp draws
// it), with the same chain of stages behind it. Images have channels last.
//
//   conv<isa::native, f32, f32, f32> layer({.channels = 3, .filters = 64, .in = {1, 224, 224},
//                                           .win = {...}}, weights);
//   layer.run(batch, image, out, chain{add_bias{b}, activation::relu{}}, scratch);
//
// Bits: integers are exact; f32 sums run over k in order (lines of the window, its columns,
// channels), so results do not depend on the number of workers or the batch.
#pragma once

#include <ia_nn/core/workspace.hpp>
#include <ia_nn/gemm/policy.hpp>
#include <ia_nn/gemm/stages.hpp>
#include <ia_nn/ops/conv_band.hpp>
#include <ia_nn/ops/conv_depthwise.hpp>
#include <ia_nn/ops/conv_zero_points.hpp>

#include <span>

#include <ia_nn/begin.hpp>

/// Limits of the calls that a convolution will see, and the zero point of its source.
struct conv_options {
  index_t max_batch = 1;
  int workers = 1;    ///< concurrency of the executor
  s32 zero_point = 0; ///< of u8 or s8 sources; padding has this value
  /// Channels of the image of which the source is a slice, the elements from pixel to pixel; 0: as
  /// many as it has itself.
  index_t src_ld = 0;
  image_order src_order = image_order::channels_last;
  /// Results of a call of at least so many bytes are stored past the caches, which they would only
  /// sweep: f32 and bf16, pixels and their distance aligned to 64 bytes. 0: a quarter of L3.
  index_t stream_bytes = 0;
  /// Of s8 weights, one for each filter; none if all are 0. Needed at construction only.
  std::span<s32 const> weight_zero_points{};
};

/// A x B -> C as in `gemm`: f32 x f32, bf16 x bf16 to f32 or bf16; u8 or s8 x s8 to s32, f32, bf16,
/// s8 or u8, exact sums of (src - zero_point) * (weights - weight_zero_points[filter]).
///
/// Weights are [filters][channels / groups][depth][height][width], the order of ONNX and PyTorch;
/// f32 weights are rounded if B is bf16. They are packed at construction, and by set_weights.
///
/// Errors at construction: those of conv_shape::check; errc::bad_shape if the weights have another
/// number of elements, or there is another number of zero points for them than filters;
/// errc::bad_parameter for a batch or workers below 1, zero points that the source cannot hold or
/// weights that are not s8 have, pixels of the source nearer than its channels, and channels first
/// in a depthwise layer or before weights with zero points; errc::unsupported_isa.
template <isa::tag I, element A, element B, element C> class conv {
  template <isa::tag, element, element, element, element> friend class separable_conv;
  static_assert(
      isa::is_compiled<I>,
      "ia_nn: conv: this translation unit is not compiled for that instruction set; add its "
      "-m flags or -march=native, or choose one of isa::compiled");
  static_assert(
      detail::product_exists<A, B, standard> && (!std::same_as<A, f32> || std::same_as<B, f32>),
      "ia_nn: conv: no kernel multiplies these types; A and B must be f32 and f32, bf16 and "
      "bf16, or u8 or s8 and s8");
  using select = detail::kernel_for<I, A, B, standard>; // depthwise layers use no tiles
  using kernel = typename select::main;
  using packed_a = typename kernel::packed_a;
  using packed = packed_matrix<B, typename kernel::panel_type>;
  using task = detail::conv_task<A, B, C, typename kernel::panel_type>;

public:
  using accumulator = typename kernel::acc;

  template <class W>
  conv(conv_shape const& s, std::span<W const> weights, conv_options const& o = {})
      : plan_(checked(s, static_cast<index_t>(weights.size()), o), facts(), o.src_ld,
              o.src_order == image_order::channels_first),
        options_(o) {
    options_.weight_zero_points = {};
    if (depthwise()) depthwise_.allocate(s, o.weight_zero_points);
    else {
      if (!o.weight_zero_points.empty())
        zeros_ = detail::conv_weight_zeros(plan_, o.weight_zero_points);
      weights_.reserve(static_cast<std::size_t>(s.groups));
      for (index_t g = 0; g < s.groups; ++g) weights_.emplace_back(plan_.k(), s.group_filters());
    }
    set_weights(weights);
  }
  template <class W>
  conv(conv_shape const& s, std::vector<W> const& weights, conv_options const& o = {})
      : conv(s, std::span<W const>(weights), o) {}

  /// Packs other weights of the same order in the place of those there are, and allocates nothing:
  /// for layers that learn. No call of `run` may be under way. Errors: errc::bad_shape if the
  /// weights have another number of elements; then those there are stay.
  template <class W> void set_weights(std::span<W const> weights) {
    static_assert(std::same_as<W, B> || (std::same_as<W, f32> && std::same_as<B, bf16>),
                  "ia_nn: conv: weights must have the element type B, or be f32 where B is bf16");
    check_weights(plan_.shape, static_cast<index_t>(weights.size()));
    if (depthwise()) return depthwise_.pack(plan_.shape, weights.data());
    index_t first = 0;
    for (packed& group : weights_) {
      group.assign([&](B* panel, index_t column, index_t columns) {
        detail::conv_panel<typename kernel::panel_type>(panel, weights.data(), plan_,
                                                        first + column, columns);
      });
      first += plan_.shape.group_filters();
    }
  }
  template <class W> void set_weights(std::vector<W> const& weights) {
    set_weights(std::span<W const>(weights));
  }

  conv_shape const& shape() const noexcept { return plan_.shape; }
  spatial out() const noexcept { return plan_.out; }
  index_t max_batch() const noexcept { return options_.max_batch; }
  /// Bytes of workspace for `run`.
  index_t workspace_bytes() const noexcept {
    return depthwise() ? 0
                       : options_.workers * plan_.worker_bytes() +
                             zeros_.workspace_bytes(plan_.shape, options_.max_batch, options_.workers);
  }
  /// Bytes of packed weights.
  index_t bytes() const noexcept {
    index_t sum = depthwise_.data.size() * static_cast<index_t>(sizeof(accumulator));
    for (auto const& w : weights_) sum += w.bytes();
    return sum;
  }

  /// dst [batch][out][ld] = stages(conv(src [batch][in][src_ld])), or src [batch][src_ld][in], ld
  /// elements from pixel to pixel of dst: at least `filters`, or 0 for exactly as many. Either may
  /// be a slice of the channels of a larger image; the last pixel ends with its last channel. A
  /// stage sees the number of the pixel in the batch as its row and the filter as its column.
  /// Preconditions: batch is at most max_batch; dst and src do not overlap; the workspace holds
  /// workspace_bytes() and is aligned to 64 bytes.
  template <class Epilogue = chain<>, executor E = sequential>
  void run(index_t batch, A const* src, C* dst, index_t ld, Epilogue const& epilogue,
           workspace_view scratch, E&& e = {}) const noexcept {
    IA_NN_REQUIRE(batch >= 0 && batch <= options_.max_batch, "conv: a batch of ", batch, ", planned for at most ",
                  options_.max_batch);
    IA_NN_ASSERT(batch == 0 || (src && dst), "conv: src or dst is null");
    IA_NN_REQUIRE(scratch.holds(workspace_bytes()), "conv: a workspace of ", scratch.size,
                  " bytes, run needs ", workspace_bytes(), " aligned to 64 bytes");
    IA_NN_ASSERT(ld == 0 || ld >= plan_.shape.filters, "conv: pixels of dst ", ld,
                 " elements apart have ", plan_.shape.filters, " filters");
    if (batch == 0) return;
    if (ld == 0) ld = plan_.shape.filters;
    if (depthwise()) return run_depthwise(batch, src, dst, ld, epilogue, e);
    conv_shape const& s = plan_.shape;
    // Where every pixel is as far from the next as within a line, at the ends of lines and images
    // too, the whole batch is one plane whose lines are those of all images.
    index_t const planes = plan_.uniform ? 1 : batch * plan_.out.depth;
    index_t const lines =
        plan_.uniform ? batch * plan_.out.depth * plan_.out.height : plan_.out.height;
    auto const cut = divide(planes, lines);
    index_t const image = s.in.size() * plan_.src_ld, out = plan_.out.size();
    bool const streams = streamed(batch * out, dst, ld);
    s32 const* sums = nullptr;
    if constexpr (byte_element<A>)
      if (zeros_) {
        std::byte* const memory = scratch.data + options_.workers * plan_.worker_bytes();
        bool const alone = e.concurrency() > options_.workers; // memory is for so many
        sums = alone ? zeros_.find(plan_, batch, options_.max_batch, src, options_.zero_point, memory,
                                   sequential{})
                     : zeros_.find(plan_, batch, options_.max_batch, src, options_.zero_point, memory, e);
      }
    auto const work = [&](index_t i, int worker) {
      index_t const share = i % cut.shares, band = i / cut.shares % cut.bands;
      index_t const group = i / cut.shares / cut.bands % s.groups;
      index_t const plane = i / cut.shares / cut.bands / s.groups;
      index_t const n = plan_.uniform ? 0 : plane / plan_.out.depth;
      index_t const z = plan_.uniform ? 0 : plane % plan_.out.depth;
      task t{};
      t.image =
          src + n * image + group * s.group_channels() * (plan_.channels_first ? s.in.size() : 1);
      t.b = weights_[static_cast<std::size_t>(group)];
      t.plane = z;
      t.lines = block_of(lines, static_cast<int>(cut.bands), static_cast<int>(band));
      t.panels = block_of(plan_.panels, static_cast<int>(cut.shares), static_cast<int>(share));
      t.first_row = n * out + z * plan_.out.height * plan_.out.width;
      t.first_column = group * s.group_filters();
      t.dst = dst + t.first_row * ld + t.first_column;
      t.ld = ld;
      t.zero_point = options_.zero_point;
      t.streams = streams;
      if (sums) {
        t.window_sums = sums + t.first_row * s.groups + group;
        t.weight_zeros = zeros_.of_group(group);
      }
      t.scratch = scratch.data + worker * plan_.worker_bytes();
      detail::run_conv_band<I, kernel>(plan_, t, epilogue);
    };
    run_tasks(e, options_.workers, planes * s.groups * cut.bands * cut.shares, work);
  }
  template <class Epilogue = chain<>, executor E = sequential>
  void run(index_t batch, A const* src, C* dst, Epilogue const& epilogue, workspace_view scratch,
           E&& e = {}) const noexcept {
    run(batch, src, dst, 0, epilogue, scratch, e);
  }

private:
  /// One filter per channel has a kernel of its own.
  bool depthwise() const noexcept {
    return plan_.shape.depthwise() && plan_.shape.filters == plan_.shape.channels;
  }
  template <class Epilogue, executor E>
  void run_depthwise(index_t batch, A const* src, C* dst, index_t ld, Epilogue const& epilogue,
                     E&& e) const noexcept {
    conv_shape const& s = plan_.shape;
    index_t const planes = batch * plan_.out.depth, lines = plan_.out.height;
    index_t bands = ceil_div(lines, detail::depthwise_lines(s, sizeof(A)));
    if (planes * bands % options_.workers) bands = min_of(lines, round_up(bands, options_.workers));
    auto const work = [&](index_t i, int) {
      index_t const plane = i / bands, n = plane / plan_.out.depth, z = plane % plan_.out.depth;
      block const part = block_of(lines, static_cast<int>(bands), static_cast<int>(i % bands));
      index_t const row = (plane * lines + part.begin) * plan_.out.width;
      depthwise_lines(src + n * s.in.size() * plan_.src_ld, z, part, row, dst + row * ld, ld,
                      epilogue);
    };
    e.parallel_for(planes * bands, work);
  }
  // Lines of plane z. Their first pixel, which is number `row` of the batch, goes to dst.
  template <class Epilogue>
  void depthwise_lines(A const* image, index_t z, block lines, index_t row, C* dst, index_t ld,
                       Epilogue const& epilogue) const noexcept {
    using part = detail::depthwise_task<A, accumulator, C>;
    part const t{&plan_.shape, image, plan_.src_ld, depthwise_.data.data(), dst, ld,
                 z,            lines, row,          options_.zero_point,    depthwise_.wide};
    detail::depthwise_band<I, part, Epilogue>(t, epilogue).run();
  }
  // A layer of 1 x 1 without groups on `lines` lines of pixels, of which the first is number `row`.
  template <class Epilogue>
  void product_lines(A const* src, index_t lines, block panels, index_t row, C* dst, index_t ld,
                     bool streams, Epilogue const& epilogue, std::byte* scratch) const noexcept {
    task const t{src, weights_[0],         dst,     ld,     0, {0, lines}, panels, row,
                 0,   options_.zero_point, streams, nullptr, nullptr, scratch};
    detail::run_conv_band<I, kernel>(plan_, t, epilogue);
  }

  bool streamed(index_t pixels, C const* dst, index_t ld) const noexcept {
    constexpr auto size = static_cast<index_t>(sizeof(C));
    // A cache line that a tile does not fill would go to memory in pieces, each by itself.
    if (!detail::streamable<C> || kernel::nr * size % 64 != 0) return false;
    index_t const least =
        options_.stream_bytes > 0 ? options_.stream_bytes : cpu::cache_sizes().l3 / 4;
    return pixels * ld * size >= least && reinterpret_cast<std::uintptr_t>(dst) % 64 == 0 &&
           ld * size % 64 == 0 && plan_.shape.group_filters() * size % 64 == 0;
  }

  struct division {
    index_t bands, shares;
  };
  // Bands that fit the cache; if they do not occupy the workers, more of them, or shares of the
  // panels where the weights are what is large.
  division divide(index_t planes, index_t lines) const noexcept {
    index_t const bands = ceil_div(lines, plan_.band_lines);
    index_t const workers = options_.workers, tasks = planes * plan_.shape.groups * bands;
    if (workers == 1 || tasks % workers == 0 || tasks >= 16 * workers) return {bands, 1};
    bool const large_weights = plan_.k() * plan_.shape.group_filters() >
                               plan_.shape.in.size() * plan_.shape.group_channels();
    if (tasks < 4 * workers && (large_weights || lines < 2 * workers) && plan_.panels >= workers)
      return {bands, workers};
    return {min_of(lines, round_up(bands, workers)), 1};
  }
  static constexpr detail::conv_kernel_facts facts() noexcept {
    return {sizeof(packed_a),
            sizeof(B),
            kernel::kr_a,
            kernel::nr,
            kernel::max_rows,
            kernel::first_rows(kernel::max_rows),
            !std::same_as<packed_a, A>,
            kernel::is_amx};
  }
  static void check_weights(conv_shape const& s, index_t weights) {
    if (weights != s.weights())
      throw_error(errc::bad_shape, "conv: the weights have " + std::to_string(weights) +
                                       " elements, expected " + std::to_string(s.filters) + " x " +
                                       std::to_string(s.group_channels()) + " x " +
                                       s.win.kernel.to_string());
  }
  static conv_shape const& checked(conv_shape const& s, index_t weights, conv_options const& o) {
    s.check("conv");
    if (s.depthwise()) isa::require<typename select::few::isa_type>();
    else isa::require<typename kernel::isa_type>();
    check_weights(s, weights);
    auto const text = [](index_t x) { return std::to_string(x); };
    if (o.max_batch < 1 || o.workers < 1)
      throw_error(errc::bad_parameter, "conv: max_batch is " + text(o.max_batch) + " and workers " +
                                           text(o.workers) + ", both must be at least 1");
    if (o.src_ld != 0 && o.src_ld < s.channels)
      throw_error(errc::bad_parameter, "conv: pixels of the source are " + text(o.src_ld) +
                                           " elements apart and have " + text(s.channels) +
                                           " channels");
    if (o.src_order == image_order::channels_first && s.depthwise() && s.filters == s.channels)
      throw_error(errc::bad_parameter, "conv: a depthwise layer reads channels last only");
    if (o.src_order == image_order::channels_first && !o.weight_zero_points.empty())
      throw_error(errc::bad_parameter, "conv: weights with zero points read channels last only");
    constexpr bool bytes = byte_element<A>;
    constexpr s32 low = std::same_as<A, s8> ? -128 : 0, high = std::same_as<A, s8> ? 127 : 255;
    if (o.zero_point != 0 && (!bytes || o.zero_point < low || o.zero_point > high))
      throw_error(errc::bad_parameter, "conv: a source of " + std::string(name_of<A>()) +
                                           " cannot have the zero point " + text(o.zero_point));
    index_t const zeros = static_cast<index_t>(o.weight_zero_points.size());
    if (zeros != 0 && !bytes)
      throw_error(errc::bad_parameter, "conv: weights of " + std::string(name_of<B>()) +
                                           " have no zero points");
    if (zeros != 0 && zeros != s.filters)
      throw_error(errc::bad_shape, "conv: " + text(zeros) + " zero points for " + text(s.filters) +
                                       " filters");
    return s;
  }

  detail::conv_plan plan_;
  conv_options options_;
  std::vector<packed> weights_;
  detail::conv_weight_zeros zeros_;
  detail::depthwise_weights<accumulator, B> depthwise_;
};

IA_NN_END

// SPDX-License-Identifier: Apache-2.0
//
// oneDNN 2 and 3 as one. What differs between them is here and nowhere else:
//
//                     version 2                         version 3
//   operations        a description, then its code      both at once
//   8-bit scales      of the sums with their bias,      of the weights, an argument; the bias is
//                     numbers of the attributes         added to what has been scaled
//   zero points       numbers of the attributes         an argument
//   norms, softmax,   one description of data; forms    descriptions of source and result
//   element-wise      with "v2" in their names
//   hard_swish        has no parameters                 alpha and beta
//
// Descriptions that oneDNN refuses are empty optionals.
#pragma once

#include <ia_nn/core/error.hpp>
#include <ia_nn/core/types.hpp>

#if !__has_include(<oneapi/dnnl/dnnl.hpp>) || defined(IA_NN_NO_ONEDNN)
#error "ia_nn: onednn: the compiler does not find <oneapi/dnnl/dnnl.hpp>: install oneDNN (libdnnl-dev)"
#endif
#include <oneapi/dnnl/dnnl.hpp>
#include <oneapi/dnnl/dnnl_config.h>
#if DNNL_CPU_THREADING_RUNTIME == DNNL_RUNTIME_OMP
#include <omp.h>
#endif

#include <optional>
#include <string_view>
#include <vector>

static_assert(DNNL_VERSION_MAJOR == 2 || DNNL_VERSION_MAJOR == 3,
              "ia_nn: onednn: versions 2 and 3 of oneDNN are known");

#include <ia_nn/begin.hpp>
namespace via_onednn {

using dnnl::memory;
using data_type = memory::data_type;
using tag = memory::format_tag;

inline constexpr bool is_v3 = DNNL_VERSION_MAJOR >= 3;
inline constexpr auto inference = dnnl::prop_kind::forward_inference;

inline dnnl::engine const& engine() {
  static dnnl::engine const e(dnnl::engine::kind::cpu, 0);
  return e;
}

/// f(), or nothing if oneDNN refuses. Errors: out of memory.
template <class F> auto attempt(F const& f) -> std::optional<decltype(f())> {
  IA_NN_TRY {
    auto d = f();
    if (d.get(true) != nullptr) return d;
  }
  IA_NN_CATCH(dnnl::error const& e) {
    if (e.status == dnnl_out_of_memory) throw_error(errc::out_of_memory, "onednn: it is out of memory");
  }
  return {};
}

/// The description of Primitive made from what both versions take in one order.
template <class Primitive, class... A>
std::optional<typename Primitive::primitive_desc> describe(dnnl::primitive_attr const& attributes,
                                                           A const&... a) {
  using description = typename Primitive::primitive_desc;
  return attempt([&] {
#if DNNL_VERSION_MAJOR >= 3
    return description(engine(), a..., attributes, true);
#else
    return description(typename Primitive::desc(a...), attributes, engine(), true);
#endif
  });
}

inline data_type type_of(memory::desc const& d) {
#if DNNL_VERSION_MAJOR >= 3
  return d.get_data_type();
#else
  return d.data_type();
#endif
}

// ---- operations whose arguments differ

#if DNNL_VERSION_MAJOR >= 3
using dilated_pool = dnnl::pooling_forward;
using any_softmax = dnnl::softmax_forward;
#else
using dilated_pool = dnnl::pooling_v2_forward;
using any_softmax = dnnl::softmax_v2_forward;
#endif
using plain_pool = dnnl::pooling_forward;

/// A pool without dilation: version 2 has faster code for it.
inline auto describe_pool(dnnl::primitive_attr const& attributes, dnnl::algorithm how,
                          memory::desc const& src, memory::desc const& dst, memory::dims const& stride,
                          memory::dims const& kernel, memory::dims const& begin, memory::dims const& end) {
#if DNNL_VERSION_MAJOR >= 3
  memory::dims const none(kernel.size(), 0);
  return describe<plain_pool>(attributes, inference, how, src, dst, stride, kernel, none, begin, end);
#else
  return describe<plain_pool>(attributes, inference, how, src, dst, stride, kernel, begin, end);
#endif
}

/// An operation of one description in version 2, of two in version 3, with `rest` behind it.
template <class Primitive, class... Rest>
auto describe_same(dnnl::primitive_attr const& attributes, memory::desc const& data, Rest const&... rest) {
#if DNNL_VERSION_MAJOR >= 3
  return describe<Primitive>(attributes, inference, data, data, rest...);
#else
  return describe<Primitive>(attributes, inference, data, rest...);
#endif
}
/// The same of one that has several algorithms.
template <class Primitive, class... Rest>
auto describe_same_by(dnnl::primitive_attr const& attributes, dnnl::algorithm how, memory::desc const& data,
                      Rest const&... rest) {
#if DNNL_VERSION_MAJOR >= 3
  return describe<Primitive>(attributes, inference, how, data, data, rest...);
#else
  return describe<Primitive>(attributes, inference, how, data, rest...);
#endif
}

// ---- attributes

inline void append_function(dnnl::post_ops& to, dnnl::algorithm how, float alpha = 0, float beta = 0) {
#if DNNL_VERSION_MAJOR >= 3
  to.append_eltwise(how, alpha, beta);
#else
  to.append_eltwise(1.0F, how, alpha, beta);
#endif
}
/// x clamp(x/6 + 1/2, 0, 1)
inline void append_hard_swish(dnnl::post_ops& to) {
  append_function(to, dnnl::algorithm::eltwise_hardswish, is_v3 ? 1.0F / 6 : 0.0F, is_v3 ? 0.5F : 0.0F);
}

#if DNNL_VERSION_MAJOR >= 3
inline constexpr int scales_of_weights = DNNL_ARG_ATTR_SCALES | DNNL_ARG_WEIGHTS;
#else
inline constexpr int scales_of_weights = 0; // no argument
#endif

/// Of a product of bytes: sums scaled by channel, and a zero point of the source where padding needs it.
struct byte_attributes {
  std::vector<float> scales{}, offsets{}; ///< of each channel of the result
  bool groups = false;
  std::int32_t zero_point = 0;

  /// False if a scale does not let version 2 add its offset in front of it.
  bool usable() const {
    if constexpr (!is_v3)
      for (std::size_t c = 0; c < scales.size(); ++c)
        if (scales[c] == 0 && offsets[c] != 0) return false;
    return true;
  }
  std::vector<float> bias() const {
    std::vector<float> b = offsets;
    if constexpr (!is_v3)
      for (std::size_t c = 0; c < b.size(); ++c) b[c] = scales[c] == 0 ? 0 : b[c] / scales[c];
    return b;
  }
  void set([[maybe_unused]] dnnl::primitive_attr& a) const {
#if DNNL_VERSION_MAJOR >= 3
    a.set_scales_mask(DNNL_ARG_WEIGHTS, groups ? 3 : 1);
    if (zero_point != 0) a.set_zero_points_mask(DNNL_ARG_SRC, 0);
#else
    a.set_output_scales(2, scales);
    if (zero_point != 0) a.set_zero_points(DNNL_ARG_SRC, 0, {zero_point});
#endif
  }
};

// ---- running

/// A memory object reads and writes at p from now on.
inline void point(dnnl_memory_t m, void* p) noexcept {
  // Neither version fails for memory of the CPU; there is no padding to be zeroed in plain layouts.
  static_cast<void>(dnnl_memory_set_data_handle(m, p));
}

/// The number of threads of OpenMP that the calling thread's regions have, until the end of the scope.
class team_size {
public:
  explicit team_size([[maybe_unused]] int threads) noexcept {
#if DNNL_CPU_THREADING_RUNTIME == DNNL_RUNTIME_OMP
    before_ = omp_get_max_threads();
    if (before_ != threads) omp_set_num_threads(threads);
#endif
  }
  ~team_size() {
#if DNNL_CPU_THREADING_RUNTIME == DNNL_RUNTIME_OMP
    omp_set_num_threads(before_);
#endif
  }
  team_size(team_size const&) = delete;
  team_size& operator=(team_size const&) = delete;

private:
  [[maybe_unused]] int before_ = 1;
};

/// True of an implementation that is a reference, right and slow.
inline bool is_reference(std::string_view name) { return name.substr(0, 3) == "ref"; }

} // namespace via_onednn
IA_NN_END

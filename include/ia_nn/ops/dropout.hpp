// SPDX-License-Identifier: Apache-2.0
//
// Dropout: in training each element is 0 with probability p and x / (1 - p) otherwise; at inference
// nothing changes, and there is no layer.
//
// The generator has no state: what happens to element i in round r depends on (seed, r, i) alone,
// so it has the same bits for any number of threads, on every instruction set, and again for the
// gradient: `run` of the same round on the gradient of y gives the gradient of x. No mask is kept.
//
//   key(seed, round)                    64 bits mixed once per call
//   h = mix(low bits of i ^ key0), h = mix(h + key1 + high bits of i)
//   keep if h >> 8 >= p 2^24
//
// mix is the finalizer of MurmurHash3 (A. Appleby, public domain).
#pragma once

#include <ia_nn/arch/cpu.hpp>
#include <ia_nn/arch/lanes.hpp>
#include <ia_nn/core/executor.hpp>
#include <ia_nn/core/text.hpp>
#include <ia_nn/math/reduce.hpp>

#include <ia_nn/begin.hpp>

/// f32 arrays. Errors at construction: errc::bad_parameter for p outside [0, 1) or within 2^-25 of
/// 1, errc::unsupported_isa.
template <isa::tag I> class dropout {
  using V = vec<f32, I>;
  using W = vec<s32, I>;

public:
  explicit dropout(f32 p, std::uint64_t seed) : seed_(seed) {
    isa::require<typename detail::vec_tag<I>::type>();
    double const steps = static_cast<double>(p) * 0x1p24;
    if (!(p >= 0) || !(steps + 0.5 < 0x1p24))
      throw_error(errc::bad_parameter,
                  "dropout: p is " + detail::number_text(p) + ", it must lie in [0, 1)");
    threshold_ = static_cast<s32>(steps + 0.5);
    scale_ = static_cast<f32>(1.0 / (1.0 - static_cast<double>(p)));
  }

  /// What is kept is multiplied by this: 1 / (1 - p).
  f32 scale() const noexcept { return scale_; }

  /// dst[i] = src[i] * scale() or 0 for n elements; dst may be src. `round`: another mask for each,
  /// say the number of the training step.
  template <executor E = sequential>
  void run(index_t n, f32 const* src, f32* dst, std::uint64_t round, E&& e = {}) const noexcept {
    V const scale = V::broadcast(scale_);
    for_each_register(n, round, e, [&](V kept, index_t i, auto at) IA_NN_LAMBDA {
      // Not multiplied by 0, which would make NaN of infinities.
      at.store(select(kept == V::zero(), V::zero(), at.template load<V>(src + i) * scale), dst + i);
    });
  }
  /// dst[i] += what `run` writes: for gradients of what several layers read.
  template <executor E = sequential>
  void accumulate(index_t n, f32 const* src, f32* dst, std::uint64_t round,
                  E&& e = {}) const noexcept {
    V const scale = V::broadcast(scale_);
    for_each_register(n, round, e, [&](V kept, index_t i, auto at) IA_NN_LAMBDA {
      V const old = at.template load<V>(dst + i);
      V const all = fma(at.template load<V>(src + i), scale, old);
      at.store(select(kept == V::zero(), old, all), dst + i);
    });
  }
  /// mask[i] = 1 where element i is kept, else 0.
  template <executor E = sequential>
  void mask(index_t n, u8* mask, std::uint64_t round, E&& e = {}) const noexcept {
    for_each_register(n, round, e, [&](V kept, index_t i, auto at) IA_NN_LAMBDA {
      at.store(kept, mask + i);
    });
  }

private:
  static std::uint64_t spread(std::uint64_t z) noexcept {
    z = (z ^ (z >> 33)) * 0xff51afd7ed558ccdU;
    z = (z ^ (z >> 33)) * 0xc4ceb9fe1a85ec53U;
    return z ^ (z >> 33);
  }
  static IA_NN_INLINE W number(std::uint64_t x) noexcept {
    return W::broadcast(static_cast<s32>(static_cast<std::uint32_t>(x)));
  }
  // Shifts of vec<s32> copy the sign, which a mask removes.
  template <int N> static IA_NN_INLINE W shifted(W x) noexcept {
    return (x >> N) & W::broadcast(static_cast<s32>(0xffffffffU >> N));
  }
  static IA_NN_INLINE W mix(W h) noexcept {
    h = (h ^ shifted<16>(h)) * number(0x85ebca6bU);
    h = (h ^ shifted<13>(h)) * number(0xc2b2ae35U);
    return h ^ shifted<16>(h);
  }

  // f(1 or 0 for each lane, first element, lanes)
  template <class E, class F>
  void for_each_register(index_t n, std::uint64_t round, E& e, F&& f) const noexcept {
    std::uint64_t const key = spread(spread(seed_ + 0x9e3779b97f4a7c15U) + round);
    s32 count[V::size];
    for (index_t l = 0; l < V::size; ++l) count[l] = static_cast<s32>(l);
    W const lane = W::load(count), key0 = number(key), threshold = W::broadcast(threshold_);
    parallel_blocks(e, n, 16384, [&](index_t begin, index_t end, int) {
      detail::each_register<V>(begin, end, [&](index_t i, auto at_lanes) IA_NN_LAMBDA {
        // i is a multiple of the lanes, so adding them carries nothing out of the low half.
        std::uint64_t const at = static_cast<std::uint64_t>(i);
        W const low = mix((number(at) + lane) ^ key0);
        W const h = mix(low + number((key >> 32) + (at >> 32) * 0x9e3779b9U));
        V const dropped = select_one(shifted<8>(h) < threshold);
        f(V::broadcast(1.0F) - dropped, i, at_lanes);
      });
    });
  }
  // A mask of s32 as f32 numbers.
  template <class M> static IA_NN_INLINE V select_one(M m) noexcept {
    return to_f32(select(m, W::broadcast(1), W::zero()));
  }

  std::uint64_t seed_;
  s32 threshold_ = 0;
  f32 scale_ = 1;
};

IA_NN_END

// SPDX-License-Identifier: Apache-2.0
//
// Random test data that can be had again, and buffers that end exactly where they should.
//
// The seed of a process comes from the environment (IA_NN_SEED) or from the system, and is printed
// on first use. Each `random` is a stream of its own, so that the data of one test does not depend
// on which others ran before it.
#pragma once

#include <ia_nn/core/memory.hpp>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <new>
#include <random>

namespace ia_nn_test {

using ia_nn::bf16;
using ia_nn::f32;
using ia_nn::index_t;
using ia_nn::s32;
using ia_nn::s8;
using ia_nn::u8;

inline std::uint64_t process_seed() {
  static std::uint64_t const seed = [] {
    char const* const text = std::getenv("IA_NN_SEED");
    std::uint64_t const s = text ? std::strtoull(text, nullptr, 10) : std::random_device{}();
    std::printf("repeat with IA_NN_SEED=%llu\n", static_cast<unsigned long long>(s));
    std::fflush(stdout);
    return s;
  }();
  return seed;
}

/// A stream of random numbers: a 64-bit counter put through a mixing function.
class random {
public:
  explicit random(std::uint64_t stream = 0)
      : state_(process_seed() + stream * 0x632be59bd9b4e019U) {}

  std::uint64_t next() noexcept {
    std::uint64_t z = state_ += 0x9e3779b97f4a7c15U;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9U;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebU;
    return z ^ (z >> 31);
  }
  std::uint32_t bits() noexcept { return static_cast<std::uint32_t>(next() >> 32); }
  /// Uniform in [lo, hi], both included.
  index_t between(index_t lo, index_t hi) noexcept {
    return lo + static_cast<index_t>(next() % (static_cast<std::uint64_t>(hi - lo) + 1U));
  }
  /// Uniform in [lo, hi).
  f32 uniform(f32 lo, f32 hi) noexcept {
    return lo + (hi - lo) * (static_cast<f32>(next() >> 40) * 0x1p-24F);
  }
  /// Mean 0, variance 1, within ±3.5: the sum of four uniform numbers.
  f32 normal() noexcept {
    f32 const sum = uniform(-1, 1) + uniform(-1, 1) + uniform(-1, 1) + uniform(-1, 1);
    return sum * 0.8660254F;
  }
  bool coin() noexcept { return (next() >> 63) != 0; }

  /// One typical element: normal for f32 and bf16, any value for the integers.
  template <ia_nn::element T> T value() noexcept {
    if constexpr (std::same_as<T, f32>) return normal();
    else if constexpr (std::same_as<T, bf16>) return bf16(normal());
    else return static_cast<T>(bits());
  }

  /// One of the values at which kernels break: limits, zeros, denormals, infinities, NaN. Without
  /// `special` only finite numbers of moderate size whose sums cannot overflow.
  template <ia_nn::element T> T extreme(bool special = true) noexcept {
    if constexpr (std::same_as<T, f32> || std::same_as<T, bf16>) {
      constexpr f32 inf = std::numeric_limits<f32>::infinity();
      constexpr f32 values[] = {0.0F,         -0.0F,
                                1.0F,         -1.0F,
                                0x1p-126F,    0x1p-133F,
                                0x1p-64F,     -0x1p40F,
                                65504.0F,     0x1.fep127F,
                                -0x1.fep127F, inf,
                                -inf,         std::numeric_limits<f32>::quiet_NaN()};
      return static_cast<T>(values[between(0, special ? 13 : 7)]);
    } else {
      constexpr T lo = std::numeric_limits<T>::min(), hi = std::numeric_limits<T>::max();
      constexpr T values[] = {lo, static_cast<T>(lo + 1), 0, 1, static_cast<T>(hi - 1), hi};
      return values[between(0, 5)];
    }
  }

  template <ia_nn::element T> void fill(T* p, index_t n) noexcept {
    for (index_t i = 0; i < n; ++i) p[i] = value<T>();
  }
  template <ia_nn::element T> void fill_extremes(T* p, index_t n, bool special = true) noexcept {
    for (index_t i = 0; i < n; ++i) p[i] = extreme<T>(special);
  }
  /// Finite numbers in [lo, hi]; for bf16 the rounded ones.
  template <ia_nn::element T> void fill_between(T* p, index_t n, f32 lo, f32 hi) noexcept {
    for (index_t i = 0; i < n; ++i) {
      if constexpr (std::same_as<T, f32> || std::same_as<T, bf16>)
        p[i] = static_cast<T>(uniform(lo, hi));
      else p[i] = static_cast<T>(between(static_cast<index_t>(lo), static_cast<index_t>(hi)));
    }
  }

private:
  std::uint64_t state_;
};

#if defined(__SANITIZE_ADDRESS__)
inline constexpr bool under_asan = true;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
inline constexpr bool under_asan = true;
#else
inline constexpr bool under_asan = false;
#endif
#else
inline constexpr bool under_asan = false;
#endif

/// n elements on the heap, `offset` elements behind a 64-byte boundary (so any offset but 0 makes
/// the data deliberately misaligned for vectors), with nothing behind the last one: the address
/// sanitizer sees every access past the end. Without it a known pattern stands before and behind
/// the elements, and the destructor ends the program if somebody wrote there.
template <class T> class exact_buffer {
public:
  explicit exact_buffer(index_t n, index_t offset = 0)
      : size_(n), before_(bytes(offset) + (under_asan ? 0 : guard)) {
    base_ =
        static_cast<unsigned char*>(::operator new(total(), std::align_val_t{ia_nn::alignment}));
    std::memset(base_, pattern, total());
    data_ = reinterpret_cast<T*>(base_ + before_);
    for (index_t i = 0; i < n; ++i) ::new (static_cast<void*>(data_ + i)) T();
  }
  exact_buffer(exact_buffer const&) = delete;
  exact_buffer& operator=(exact_buffer const&) = delete;
  ~exact_buffer() {
    check();
    ::operator delete(static_cast<void*>(base_), std::align_val_t{ia_nn::alignment});
  }

  T* data() noexcept { return data_; }
  T const* data() const noexcept { return data_; }
  index_t size() const noexcept { return size_; }
  T& operator[](index_t i) noexcept { return data_[i]; }
  T const& operator[](index_t i) const noexcept { return data_[i]; }
  T* begin() noexcept { return data_; }
  T* end() noexcept { return data_ + size_; }
  T const* begin() const noexcept { return data_; }
  T const* end() const noexcept { return data_ + size_; }

private:
  static constexpr unsigned char pattern = 0xa5;
  static constexpr std::size_t guard = 64;

  static std::size_t bytes(index_t n) { return static_cast<std::size_t>(n) * sizeof(T); }
  std::size_t total() const { return before_ + bytes(size_) + (under_asan ? 0 : guard); }
  void check() const {
    for (std::size_t i = 0; i < total(); ++i) {
      bool const outside = i < before_ || i >= before_ + bytes(size_);
      if (!outside || base_[i] == pattern) continue;
      std::printf("exact_buffer: byte %td relative to the %td bytes of data was overwritten\n",
                  static_cast<std::ptrdiff_t>(i) - static_cast<std::ptrdiff_t>(before_),
                  static_cast<std::ptrdiff_t>(bytes(size_)));
      std::fflush(stdout);
      std::abort();
    }
  }

  index_t size_;
  std::size_t before_;
  unsigned char* base_ = nullptr;
  T* data_ = nullptr;
};

} // namespace ia_nn_test

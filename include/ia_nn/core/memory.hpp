// SPDX-License-Identifier: Apache-2.0
//
// Owned memory, aligned to a cache line (which is also the widest vector and an AMX tile row).
#pragma once

#include <ia_nn/core/error.hpp>
#include <ia_nn/core/meta.hpp>

#include <new>
#include <type_traits>

#include <ia_nn/begin.hpp>

inline constexpr std::size_t alignment = 64;

/// A fixed number of trivial elements, zero-initialised, 64-byte aligned; movable, not copyable.
/// Errors: errc::bad_shape for a negative or overflowing count, errc::out_of_memory.
template <class T> class aligned_array {
  static_assert(std::is_trivially_copyable_v<T>, "ia_nn: aligned_array holds trivial elements only");

public:
  aligned_array() = default;
  explicit aligned_array(index_t count) : size_(count) {
    if (count < 0 || count > PTRDIFF_MAX / static_cast<index_t>(sizeof(T)))
      throw_error(errc::bad_shape, "cannot allocate " + std::to_string(count) + " elements");
    if (count == 0) return;
    std::size_t const bytes = static_cast<std::size_t>(count) * sizeof(T);
    data_ = static_cast<T*>(::operator new(bytes, std::align_val_t{alignment}, std::nothrow));
    if (!data_)
      throw_error(errc::out_of_memory, "no memory for " + std::to_string(bytes) + " bytes");
    __builtin_memset(static_cast<void*>(data_), 0, bytes);
  }
  aligned_array(aligned_array&& other) noexcept : data_(other.data_), size_(other.size_) {
    other.data_ = nullptr;
    other.size_ = 0;
  }
  aligned_array& operator=(aligned_array&& other) noexcept {
    T* const d = data_;
    index_t const n = size_;
    data_ = other.data_;
    size_ = other.size_;
    other.data_ = d;
    other.size_ = n;
    return *this;
  }
  ~aligned_array() {
    if (data_) ::operator delete(static_cast<void*>(data_), std::align_val_t{alignment});
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
  T* data_ = nullptr;
  index_t size_ = 0;
};

/// True if [a, a + a_bytes) and [b, b + b_bytes) share a byte.
inline bool overlaps(void const* a, index_t a_bytes, void const* b, index_t b_bytes) noexcept {
  auto const pa = reinterpret_cast<std::uintptr_t>(a);
  auto const pb = reinterpret_cast<std::uintptr_t>(b);
  return a_bytes > 0 && b_bytes > 0 && pa < pb + static_cast<std::uintptr_t>(b_bytes) &&
         pb < pa + static_cast<std::uintptr_t>(a_bytes);
}

inline bool is_aligned(void const* p, std::size_t to) noexcept {
  return reinterpret_cast<std::uintptr_t>(p) % to == 0;
}

IA_NN_END

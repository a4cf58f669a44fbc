// SPDX-License-Identifier: Apache-2.0
//
// Counts what operator new is asked for, and lets it fail. It replaces operator new and delete of
// the whole executable, so exactly one source file of an executable includes it. Sanitizers bring
// an operator new of their own: then IA_NN_TEST_COUNTS_ALLOCATIONS is 0, and nothing is counted.
#pragma once

#include <ia_nn/config.hpp>

#include <atomic>
#include <cstddef>
#include <cstdlib>
#include <malloc.h>
#include <new>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define IA_NN_TEST_COUNTS_ALLOCATIONS 0
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define IA_NN_TEST_COUNTS_ALLOCATIONS 0
#endif
#endif
#if !defined(IA_NN_TEST_COUNTS_ALLOCATIONS)
#define IA_NN_TEST_COUNTS_ALLOCATIONS 1
#endif

namespace {

[[maybe_unused]] std::atomic<long> allocations{0};
/// The number of the allocation that fails, as `allocations` counts; none if it is negative.
[[maybe_unused]] std::atomic<long> failing_allocation{-1};
/// Bytes that are allocated now, and the most that were.
[[maybe_unused]] std::atomic<long> allocated_bytes{0}, most_allocated_bytes{0};

#if IA_NN_TEST_COUNTS_ALLOCATIONS
void* counted(std::size_t size, std::size_t alignment) {
  long const number = allocations.fetch_add(1, std::memory_order_relaxed);
  if (number == failing_allocation.load(std::memory_order_relaxed)) return nullptr;
  size = (size + alignment - 1) / alignment * alignment;
  void* const p = std::aligned_alloc(alignment, size == 0 ? alignment : size);
  if (!p) return nullptr;
  long const more = static_cast<long>(::malloc_usable_size(p));
  long const all = allocated_bytes.fetch_add(more, std::memory_order_relaxed) + more;
  if (most_allocated_bytes.load(std::memory_order_relaxed) < all) most_allocated_bytes = all;
  return p;
}
void uncounted(void* p) {
  allocated_bytes.fetch_sub(static_cast<long>(::malloc_usable_size(p)), std::memory_order_relaxed);
  std::free(p);
}
void* counted_or_throw(std::size_t size, std::size_t alignment) {
  if (void* p = counted(size, alignment)) return p;
  throw std::bad_alloc();
}
#endif

} // namespace

#if IA_NN_TEST_COUNTS_ALLOCATIONS
// Not inlined: GCC would see free() meet new and take it for a mistake.
IA_NN_NOINLINE void* operator new(std::size_t n) {
  return counted_or_throw(n, alignof(std::max_align_t));
}
IA_NN_NOINLINE void* operator new[](std::size_t n) {
  return counted_or_throw(n, alignof(std::max_align_t));
}
IA_NN_NOINLINE void* operator new(std::size_t n, std::align_val_t a) {
  return counted_or_throw(n, static_cast<std::size_t>(a));
}
IA_NN_NOINLINE void* operator new[](std::size_t n, std::align_val_t a) {
  return counted_or_throw(n, static_cast<std::size_t>(a));
}
IA_NN_NOINLINE void* operator new(std::size_t n, std::align_val_t a,
                                  std::nothrow_t const&) noexcept {
  return counted(n, static_cast<std::size_t>(a));
}
IA_NN_NOINLINE void operator delete(void* p) noexcept { uncounted(p); }
IA_NN_NOINLINE void operator delete[](void* p) noexcept { uncounted(p); }
IA_NN_NOINLINE void operator delete(void* p, std::size_t) noexcept { uncounted(p); }
IA_NN_NOINLINE void operator delete[](void* p, std::size_t) noexcept { uncounted(p); }
IA_NN_NOINLINE void operator delete(void* p, std::align_val_t) noexcept { uncounted(p); }
IA_NN_NOINLINE void operator delete[](void* p, std::align_val_t) noexcept { uncounted(p); }
IA_NN_NOINLINE void operator delete(void* p, std::size_t, std::align_val_t) noexcept {
  uncounted(p);
}
IA_NN_NOINLINE void operator delete[](void* p, std::size_t, std::align_val_t) noexcept {
  uncounted(p);
}
#endif

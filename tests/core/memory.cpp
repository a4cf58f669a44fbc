// SPDX-License-Identifier: Apache-2.0
//
// Aligned memory, overlap, workspace, errors.
#include "catch.hpp"
#include "random.hpp"

#include <ia_nn/core/workspace.hpp>

#include <string>

using namespace ia_nn_test;
using ia_nn::errc;

namespace {

template <class F> errc code_of(F f) {
  try {
    f();
  } catch (ia_nn::error const& e) {
    return e.code();
  }
  FAIL("no error was thrown");
  return {};
}

} // namespace

TEST_CASE("aligned_array: aligned, zero, exact", "[core]") {
  for (index_t n : {1, 3, 15, 16, 17, 64, 1000}) {
    ia_nn::aligned_array<f32> a(n);
    CHECK(a.size() == n);
    CHECK(ia_nn::is_aligned(a.data(), 64));
    for (f32 x : a) CHECK(x == 0.0F);
    a[n - 1] = 2.0F;
    CHECK(a.end()[-1] == 2.0F);
    CHECK(a.end() - a.begin() == n);
  }
  ia_nn::aligned_array<s8> const none(0);
  CHECK(none.data() == nullptr);
  CHECK(none.begin() == none.end());
}

TEST_CASE("aligned_array: moves, and swaps on assignment", "[core]") {
  ia_nn::aligned_array<s32> a(4), b(2);
  s32 const* const data = a.data();
  a[3] = 7;
  ia_nn::aligned_array<s32> c(std::move(a));
  CHECK(c.data() == data);
  CHECK(a.data() == nullptr);
  CHECK(a.size() == 0);
  b = std::move(c);
  CHECK(b.data() == data);
  CHECK(b[3] == 7);
  auto& itself = b;
  b = std::move(itself);
  CHECK(b.size() == 4);
  CHECK(b[3] == 7);
  STATIC_REQUIRE_FALSE(std::copy_constructible<ia_nn::aligned_array<s32>>);
}

TEST_CASE("aligned_array: counts that cannot be", "[core]") {
  CHECK(code_of([] { ia_nn::aligned_array<f32>(-1); }) == errc::bad_shape);
  CHECK(code_of([] { ia_nn::aligned_array<f32>(PTRDIFF_MAX / 4 + 1); }) == errc::bad_shape);
  // Fits the type, not the machine. (A sanitizer treats such an allocation as an error of its own.)
  if (!under_asan)
    CHECK(code_of([] { ia_nn::aligned_array<f32>(PTRDIFF_MAX / 4 - 64); }) == errc::out_of_memory);
}

TEST_CASE("overlaps: half-open ranges of bytes", "[core]") {
  char c[64];
  CHECK(ia_nn::overlaps(c, 8, c, 8));
  CHECK(ia_nn::overlaps(c, 8, c + 7, 1));
  CHECK(ia_nn::overlaps(c + 7, 1, c, 8));
  CHECK(ia_nn::overlaps(c, 64, c + 10, 3));
  CHECK_FALSE(ia_nn::overlaps(c, 8, c + 8, 8)); // neighbours
  CHECK_FALSE(ia_nn::overlaps(c + 8, 8, c, 8));
  CHECK_FALSE(ia_nn::overlaps(c, 0, c, 8)); // nothing overlaps nothing
  CHECK_FALSE(ia_nn::overlaps(c + 4, 0, c, 8));
  CHECK_FALSE(ia_nn::overlaps(c, 8, c, 0));
}

TEST_CASE("is_aligned", "[core]") {
  alignas(64) char c[128];
  CHECK(ia_nn::is_aligned(c, 64));
  CHECK(ia_nn::is_aligned(c + 64, 64));
  CHECK_FALSE(ia_nn::is_aligned(c + 32, 64));
  CHECK(ia_nn::is_aligned(c + 32, 32));
  CHECK_FALSE(ia_nn::is_aligned(c + 1, 2));
}

TEST_CASE("workspace: enough, too small, misaligned", "[core]") {
  ia_nn::workspace owned(1000);
  ia_nn::workspace_view const view = owned;
  CHECK(owned.size() == 1000);
  CHECK(view.size == 1000);
  CHECK(view.require(1000).data == view.data);
  CHECK(view.require(0).data == view.data);
  CHECK(code_of([&] { view.require(1001); }) == errc::small_workspace);
  ia_nn::workspace_view const shifted{view.data + 8, 512};
  CHECK(code_of([&] { shifted.require(512); }) == errc::bad_pointer);
  CHECK(shifted.require(0).size == 512); // who needs nothing does not look at the pointer
  CHECK(ia_nn::workspace_view{}.require(0).size == 0);
  CHECK(code_of([] { ia_nn::workspace_view{}.require(1); }) == errc::small_workspace);
  CHECK(code_of([] { ia_nn::workspace(-5); }) == errc::bad_shape);
}

TEST_CASE("error: sentence and code", "[core]") {
  ia_nn::error const e(errc::bad_parameter, "a scale is not positive");
  CHECK(std::string(e.what()) == "ia_nn: a scale is not positive");
  CHECK(e.code() == errc::bad_parameter);
  STATIC_REQUIRE(std::derived_from<ia_nn::error, std::runtime_error>);
}

// SPDX-License-Identifier: Apache-2.0
//
// Shapes with static and dynamic extents, layouts, tensors and views.
#include "catch.hpp"
#include "random.hpp"

#include <ia_nn/core/tensor.hpp>

#include <set>
#include <string>

using namespace ia_nn_test;
using ia_nn::dyn;
using ia_nn::errc;
using ia_nn::shape;

namespace {

// The sentence of the error that f throws, which must have this code.
template <class F> std::string refusal(errc code, F f) {
  try {
    f();
  } catch (ia_nn::error const& e) {
    CHECK(e.code() == code);
    CHECK(std::string(e.what()).rfind("ia_nn: ", 0) == 0);
    return e.what();
  }
  FAIL("no error was thrown");
  return {};
}

bool mentions(std::string const& text, char const* part) {
  return text.find(part) != std::string::npos;
}

} // namespace

TEST_CASE("shape: static extents are constants, dynamic ones are values", "[core]") {
  constexpr shape<2, 3> fixed;
  STATIC_REQUIRE(fixed.size() == 6);
  STATIC_REQUIRE(fixed.get<1>() == 3);
  STATIC_REQUIRE(shape<2, 3>::dynamic_rank == 0);

  shape<dyn, 800, dyn> const all(20, 800, 3), only(20, 3);
  STATIC_REQUIRE(decltype(all)::rank == 3);
  STATIC_REQUIRE(decltype(all)::dynamic_rank == 2);
  STATIC_REQUIRE(decltype(all)::static_extent(1) == 800);
  STATIC_REQUIRE(decltype(all)::static_extent(0) == dyn);
  CHECK(all == only);
  CHECK(all.size() == 20 * 800 * 3);
  CHECK(all.extent(0) == 20);
  CHECK(all.get<2>() == 3);
  CHECK(all.to_string() == "(20, 800, 3)");
  CHECK(shape<dyn, 4>().size() == 0); // a dynamic extent begins as 0

  STATIC_REQUIRE(std::same_as<decltype(shape(4, 5)), shape<dyn, dyn>>);
  CHECK(shape(4, 5) == shape<4, 5>());
  CHECK_FALSE(shape(4, 5) == shape<4, 6>());
  CHECK_FALSE(shape(4, 5) == shape(4, 5, 1));
  STATIC_REQUIRE_FALSE(std::constructible_from<shape<dyn, dyn>, int>);
  STATIC_REQUIRE_FALSE(std::constructible_from<shape<dyn, 3>, int, int, int>);
  STATIC_REQUIRE_FALSE(std::convertible_to<int, shape<dyn>>);

  shape<> const scalar;
  CHECK(scalar.size() == 1);
  CHECK(scalar.to_string() == "()");
  STATIC_REQUIRE(ia_nn::is_shape<shape<1, dyn>>);
  STATIC_REQUIRE_FALSE(ia_nn::is_shape<int>);
  STATIC_REQUIRE(ia_nn::may_equal(dyn, 3));
  STATIC_REQUIRE(ia_nn::may_equal(3, 3));
  STATIC_REQUIRE_FALSE(ia_nn::may_equal(3, 4));
}

TEST_CASE("shape: zero extents are shapes without elements", "[core]") {
  CHECK(shape(0, 5).size() == 0);
  CHECK(shape<dyn, 0>(7).size() == 0);
  CHECK(shape(PTRDIFF_MAX / 64, 0).size() == 0);
  // Strides are products of extents even where there are no elements.
  refusal(errc::bad_shape, [] { shape(PTRDIFF_MAX, PTRDIFF_MAX, 0); });
  refusal(errc::bad_shape, [] { shape(0, PTRDIFF_MAX, 2); });
}

TEST_CASE("shape: contradictions, negative and overflowing extents", "[core]") {
  auto text = refusal(errc::bad_shape, [] { shape<dyn, 3>(2, 4); });
  CHECK(mentions(text, "extent 1 is 4"));
  CHECK(mentions(text, "says 3"));
  text = refusal(errc::bad_shape, [] { shape(2, -4); });
  CHECK(mentions(text, "(2, -4)"));
  CHECK(mentions(text, "negative"));
  refusal(errc::bad_shape, [] { static_cast<void>(shape<dyn>(index_t{-1})); });
  text = refusal(errc::bad_shape, [] { shape(index_t{1} << 32, index_t{1} << 32); });
  CHECK(mentions(text, "overflows"));
  refusal(errc::bad_shape, [] { shape(PTRDIFF_MAX, 2); });
  refusal(errc::bad_shape, [] { shape<dyn, 1024>(PTRDIFF_MAX / 1000); });
  // The bytes of any element and some padding have to fit as well.
  refusal(errc::bad_shape, [] { shape(PTRDIFF_MAX / 8); });
  CHECK(shape(PTRDIFF_MAX / 64).size() == PTRDIFF_MAX / 64);
}

TEST_CASE("layouts: offsets of the dense ones", "[core]") {
  shape<2, dyn, 4, dyn> const s(3, 5); // n c h w
  using rows = ia_nn::row_major::mapping<shape<2, dyn, 4, dyn>>;
  using columns = ia_nn::column_major::mapping<shape<2, dyn, 4, dyn>>;
  using channels = ia_nn::nhwc::mapping<shape<2, dyn, 4, dyn>>;
  index_t const expected[3][4] = {{60, 20, 5, 1}, {1, 2, 6, 24}, {60, 1, 15, 3}};
  for (int d = 0; d < 4; ++d) {
    CHECK(rows(s).stride(d) == expected[0][d]);
    CHECK(columns(s).stride(d) == expected[1][d]);
    CHECK(channels(s).stride(d) == expected[2][d]);
  }
  CHECK(rows(s).required_size() == 120);
  CHECK(rows(s).is_contiguous());
  STATIC_REQUIRE(ia_nn::layout_for<ia_nn::nhwc, shape<2, 3>>);
  using matrix = ia_nn::nhwc::mapping<shape<3, 7>>; // two dimensions: the same as row_major
  CHECK(matrix{}.stride(0) == 7);
  CHECK(matrix{}.stride(1) == 1);
}

TEST_CASE("layouts: every index of a dense layout has an offset of its own", "[core]") {
  auto const visit = []<class Layout>(Layout) {
    using map = typename Layout::template mapping<shape<dyn, 3, dyn, 2>>;
    map const m(shape<dyn, 3, dyn, 2>(4, 5));
    std::set<index_t> seen;
    for (index_t a = 0; a < 4; ++a)
      for (index_t b = 0; b < 3; ++b)
        for (index_t c = 0; c < 5; ++c)
          for (index_t d = 0; d < 2; ++d)
            seen.insert(a * m.stride(0) + b * m.stride(1) + c * m.stride(2) + d * m.stride(3));
    CHECK(seen.size() == 120);
    CHECK(*seen.begin() == 0);
    CHECK(*seen.rbegin() == 119);
  };
  visit(ia_nn::row_major{});
  visit(ia_nn::column_major{});
  visit(ia_nn::nhwc{});
}

TEST_CASE("layouts: strided", "[core]") {
  using map = ia_nn::strided::mapping<shape<dyn, dyn>>;
  map const padded(shape(3, 5), 8, 1);
  CHECK(padded.required_size() == 2 * 8 + 5); // the last row has no padding
  CHECK_FALSE(padded.is_contiguous());
  CHECK(map(shape(3, 5), 5, 1).is_contiguous());
  CHECK(map(shape(1, 5), 999, 1).is_contiguous()); // one row: its stride is never used
  CHECK(map(shape(0, 5), 8, 1).required_size() == 0);
  map const repeated(shape(4, 5), 0, 1); // one row, four times
  CHECK(repeated.required_size() == 5);
  CHECK_FALSE(repeated.is_contiguous());
}

TEST_CASE("tensor: owns aligned zeros, hands out views", "[core]") {
  ia_nn::tensor<f32, shape<dyn, 3>> t(shape<dyn, 3>(4));
  CHECK(t.size() == 12);
  CHECK(ia_nn::is_aligned(t.data(), ia_nn::alignment));
  for (index_t i = 0; i < 4; ++i)
    for (index_t j = 0; j < 3; ++j) CHECK(t(i, j) == 0.0F);
  t(2, 1) = 5.0F;
  CHECK(t.data()[7] == 5.0F);
  auto v = t.view();
  v(3, 2) = 7.0F;
  CHECK(t(3, 2) == 7.0F);
  ia_nn::tensor_view<f32 const, shape<dyn, 3>> const readonly = v;
  CHECK(readonly.data() == t.data());
  CHECK(readonly(2, 1) == 5.0F);
  CHECK(readonly.required_bytes() == 48);
  STATIC_REQUIRE(std::is_trivially_copyable_v<decltype(v)>);
  STATIC_REQUIRE_FALSE(std::constructible_from<ia_nn::tensor_view<f32, shape<dyn, 3>>,
                                               ia_nn::tensor_view<f32 const, shape<dyn, 3>>>);

  auto moved = std::move(t);
  CHECK(moved(2, 1) == 5.0F);
  CHECK(moved.data() == v.data()); // the elements stay where views see them
  STATIC_REQUIRE_FALSE(std::copy_constructible<decltype(moved)>);
}

TEST_CASE("tensor: without elements, and of a padded layout", "[core]") {
  ia_nn::tensor<s8, shape<dyn, dyn>> const empty(shape(0, 9));
  CHECK(empty.size() == 0);
  CHECK(ia_nn::tensor<s8, shape<dyn>>().size() == 0);
  using padded = ia_nn::tensor<u8, shape<dyn, dyn>, ia_nn::strided>;
  padded p(ia_nn::strided::mapping<shape<dyn, dyn>>(shape(2, 3), 64, 1));
  p(1, 2) = 9;
  CHECK(p.data()[66] == 9);
  CHECK(p.view().required_bytes() == 67);
}

TEST_CASE("tensor: matrices and their transposes see the same elements", "[core]") {
  exact_buffer<f32> data(3 * 7 + 5); // three rows of five, seven apart
  for (index_t i = 0; i < data.size(); ++i) data[i] = static_cast<f32>(i);
  auto const m = ia_nn::matrix(data.data(), 3, 5, 7);
  auto const mt = ia_nn::transposed(m);
  CHECK(mt.extent(0) == 5);
  CHECK(mt.extent(1) == 3);
  auto const dense = ia_nn::matrix(data.data(), 4, 6);
  auto const dense_t = ia_nn::transposed(dense);
  for (index_t i = 0; i < 3; ++i)
    for (index_t j = 0; j < 5; ++j) {
      CHECK(m(i, j) == static_cast<f32>(7 * i + j));
      CHECK(&mt(j, i) == &m(i, j));
      CHECK(&dense_t(j, i) == &dense(i, j));
    }
}

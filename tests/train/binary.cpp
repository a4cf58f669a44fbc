// SPDX-License-Identifier: Apache-2.0
//
// Gradients of operations on two operands, each of them repeated in every way, against central
// differences of the operation in double.
#include "support.hpp"

#include <ia_nn/train/binary.hpp>

namespace ia_nn_test {
namespace {

using ia_nn::binary_function;
using ia_nn::gradient;
using ia_nn::operand_shape;

constexpr operand_shape shapes[] = {operand_shape::whole,
                                    operand_shape::row_of_image,
                                    operand_shape::element_of_row,
                                    operand_shape::element_of_image,
                                    operand_shape::row,
                                    operand_shape::image};
constexpr binary_function functions[] = {binary_function::add,      binary_function::subtract,
                                         binary_function::multiply, binary_function::divide,
                                         binary_function::minimum,  binary_function::maximum};

struct problem {
  index_t batch, rows, channels;

  index_t size() const { return batch * rows * channels; }
  index_t size_of(operand_shape s) const {
    index_t const images = s == operand_shape::row || s == operand_shape::image ? 1 : batch;
    bool const one_row = s == operand_shape::row_of_image || s == operand_shape::element_of_image ||
                         s == operand_shape::row;
    bool const one_element =
        s == operand_shape::element_of_row || s == operand_shape::element_of_image;
    return images * (one_row ? 1 : rows) * (one_element ? 1 : channels);
  }
  // Where element (n, r, c) of the result finds its operand.
  index_t place(operand_shape s, index_t n, index_t r, index_t c) const {
    if (s == operand_shape::row || s == operand_shape::image) n = 0;
    if (s == operand_shape::row_of_image || s == operand_shape::row) return n * channels + c;
    if (s == operand_shape::element_of_row) return n * rows + r;
    if (s == operand_shape::element_of_image) return n;
    return (n * rows + r) * channels + c;
  }
  template <class F> void each(F&& f) const {
    index_t i = 0;
    for (index_t n = 0; n < batch; ++n)
      for (index_t r = 0; r < rows; ++r)
        for (index_t c = 0; c < channels; ++c) f(i++, n, r, c);
  }
};

// d (a op b) / da and / db
std::pair<double, double> slopes(binary_function f, double a, double b) {
  double const half = a == b ? 0.5 : 1;
  switch (f) {
  case binary_function::add:
    return {1, 1};
  case binary_function::subtract:
    return {1, -1};
  case binary_function::multiply:
    return {b, a};
  case binary_function::divide:
    return {1 / b, -a / (b * b)};
  case binary_function::minimum:
    return {a <= b ? half : 0, b <= a ? half : 0};
  case binary_function::maximum:
    return {a >= b ? half : 0, b >= a ? half : 0};
  }
  return {};
}
double applied(binary_function f, double a, double b) {
  switch (f) {
  case binary_function::add:
    return a + b;
  case binary_function::subtract:
    return a - b;
  case binary_function::multiply:
    return a * b;
  case binary_function::divide:
    return a / b;
  case binary_function::minimum:
    return std::min(a, b);
  case binary_function::maximum:
    return std::max(a, b);
  }
  return 0;
}

template <class Tag>
void check(problem const& p, binary_function f, operand_shape sa, operand_shape sb, random& r) {
  INFO(p.batch << " x " << p.rows << " x " << p.channels << ", function " << static_cast<int>(f)
               << ", shapes " << static_cast<int>(sa) << ", " << static_cast<int>(sb));
  exact_buffer<f32> a(p.size_of(sa)), b(p.size_of(sb)), diff(p.size()), da(a.size()), db(b.size());
  for (f32& v : a) v = 0.25F * static_cast<f32>(r.between(-8, 8)); // equal ones occur
  for (f32& v : b)
    v = 0.25F * static_cast<f32>(r.between(-8, 8)) + (f == binary_function::divide ? 3 : 0);
  r.fill(diff.data(), diff.size());
  sums wa(a.size()), wb(b.size());
  p.each([&](index_t i, index_t n, index_t row, index_t c) {
    index_t const ia = p.place(sa, n, row, c), ib = p.place(sb, n, row, c);
    auto const g = static_cast<double>(diff[i]);
    auto const [to_a, to_b] = slopes(f, static_cast<double>(a[ia]), static_cast<double>(b[ib]));
    wa.add(ia, g * to_a), wb.add(ib, g * to_b);
  });
  bool const reads = f != binary_function::add && f != binary_function::subtract;
  f32 const* const pa = reads ? a.data() : nullptr;
  f32 const* const pb = reads ? b.data() : nullptr;
  ia_nn::binary_backward<Tag> const plan(f, p.rows, p.channels, sa, sb);
  auto const run = [&](gradient ga, gradient gb, int workers) {
    plan.run({p.batch, pa, pb, diff.data(), ga, gb}, scratch(plan.workspace_bytes()),
             pool_of(workers));
  };
  check_requests(a.size(), da, [&](gradient g, int workers) { run(g, not_wanted, workers); });
  check_requests(b.size(), db, [&](gradient g, int workers) { run(not_wanted, g, workers); });
  // Sums of 40 roundings at most (row_sums.hpp), and those of a term.
  REQUIRE(rounding_difference(da, wa, 48) == "");
  REQUIRE(rounding_difference(db, wb, 48) == "");
  // Both, and the gradient of a whole operand in the place of diff_dst.
  exact_buffer<f32> place(p.size()), other(sa == operand_shape::whole ? b.size() : a.size());
  std::copy(diff.begin(), diff.end(), place.begin());
  gradient const whole = write_to(place.data()), part = write_to(other.data());
  bool const left = sa == operand_shape::whole;
  plan.run({p.batch, pa, pb, place.data(), left ? whole : part, left ? part : whole},
           scratch(plan.workspace_bytes()), pool_of(2));
  REQUIRE((same_bits(place, left ? da : db) && same_bits(other, left ? db : da)));
}

} // namespace

TEST_CASE("the slopes of the oracle are those of the operations", "[train][binary]") {
  random r(950);
  for (binary_function f : functions)
    for (int i = 0; i < 50; ++i) {
      auto const a = static_cast<double>(r.normal()), b = static_cast<double>(r.normal()) + 5;
      for (double const x : {a, a + 10}) {
        auto const [to_a, to_b] = slopes(f, x, b);
        CHECK(std::fabs((applied(f, x + 1e-5, b) - applied(f, x - 1e-5, b)) / 2e-5 - to_a) < 1e-6);
        CHECK(std::fabs((applied(f, x, b + 1e-5) - applied(f, x, b - 1e-5)) / 2e-5 - to_b) < 1e-6);
      }
    }
}

TEST_CASE("gradients of operations on two operands", "[train][binary]") {
  random r(951);
  constexpr problem problems[] = {{1, 1, 1},  {2, 3, 7},   {3, 5, 8},    {2, 1, 16},
                                  {1, 9, 17}, {70, 2, 35}, {2, 3000, 3}, {1, 2, 2100}};
  for_each_isa<vector_isas>([&](auto tag) {
    using I = decltype(tag);
    for (problem const& p : problems)
      for (binary_function f : functions)
        for (operand_shape s : shapes) {
          check<I>(p, f, operand_shape::whole, s, r);
          check<I>(p, f, s, operand_shape::whole, r);
        }
  });
}

TEST_CASE("gradients of extremes beside a NaN are PyTorch's", "[train][binary]") {
  for_each_isa<vector_isas>([&](auto tag) {
    ia_nn::binary_backward<decltype(tag)> const plan(binary_function::maximum, 1, 3);
    exact_buffer<f32> a(3), b(3), diff(3), da(3), db(3);
    a[0] = a[1] = a[2] = 1, b[0] = 1, b[1] = 2, b[2] = std::nanf("");
    diff[0] = diff[1] = diff[2] = 2;
    plan.run({1, a.data(), b.data(), diff.data(), write_to(da.data()), write_to(db.data())});
    CHECK((da[0] == 1 && da[1] == 0 && da[2] == 2));
    CHECK((db[0] == 1 && db[1] == 2 && db[2] == 2));
  });
}

TEST_CASE("errors of the gradients of two operands", "[train][binary][errors]") {
  using plan = ia_nn::binary_backward<ia_nn::isa::scalar>;
  REQUIRE_ERROR([&] { plan const p(binary_function::add, 0, 1); }, errc::bad_shape,
                "binary_backward: rows is 0");
  REQUIRE_ERROR(
      [&] { plan const p(binary_function::add, 1, 1, operand_shape::row, operand_shape::image); },
      errc::bad_shape, "binary_backward: neither operand has the shape of the result");
}

} // namespace ia_nn_test

// SPDX-License-Identifier: Apache-2.0
//
// An expression as an epilogue: a leaf whose values come in registers, here from a table.
#include "expr_support.hpp"

#include <ia_nn/ops/expr_tile.hpp>

namespace ia_nn_test {

namespace {

struct table_leaf : computed_leaf<shape<dyn, dyn>> {
  explicit table_leaf(exact_buffer<f32> const& t, index_t c) : table(&t), columns(c) {}
  exact_buffer<f32> const* table;
  index_t columns;
};

// What the header of such a leaf brings: walks the destination in registers.
template <isa::tag I, class T, class Shape, class Layout, class E, class Executor>
void evaluate_computed(tensor_view<T, Shape, Layout> const& y, E const& e, Executor&) {
  using V = vec<f32, I>;
  table_leaf const source = computed_leaf_of(e);
  tile_expression<E> const rest(e, y.extent(0), y.extent(1));
  for (index_t i = 0; i < y.extent(0); ++i)
    ia_nn::detail::each_register<V>(0, y.extent(1), [&](index_t j, auto at) {
      V const given = at.template load<V>(source.table->data() + i * source.columns + j);
      at.store(rest.value(i, j, at, given), &y(i, j));
    });
}

} // namespace

TEST_CASE("the rest of an expression runs on registers of a computed leaf", "[expr]") {
  random r(21);
  for_each_isa<vector_isas>([&](auto tag) {
    using I = decltype(tag);
    for (index_t columns : {1, 7, 8, 16, 17, 40}) {
      constexpr index_t rows = 3;
      exact_buffer<f32> table(rows * columns), out(rows * columns);
      operand<bf16, 1> bias({columns}, r, true);
      operand<f32, 2> scale({rows, 1}, r, true), residual({rows, columns}, r),
          stretched({1, columns}, r);
      for (index_t i = 0; i < table.size(); ++i) table[i] = static_cast<f32>(r.between(-8, 8));
      table_leaf const product(table, columns);
      auto const y = matrix(out.data(), rows, columns);
      eval<I>(y, map(ramp{}, product * scale.view() + bias.view()) -
                     stretched.view() * residual.view());
      bool good = true;
      for_each_index(std::array<index_t, 2>{rows, columns}, [&](auto const& i) {
        double const v =
            static_cast<double>(table[i[0] * columns + i[1]]) * scale.at(i) + bias.at(i);
        double const expected = std::max(0.0, v) - stretched.at(i) * residual.at(i);
        good = good && static_cast<double>(y(i[0], i[1])) == expected;
      });
      CHECK(good);
    }
  });
  exact_buffer<f32> table(6), out(6);
  table_leaf const product(table, 3);
  tensor<f32, shape<dyn>> wrong(shape<dyn>{2});
  CHECK_THROWS_AS(tile_expression(product + wrong, 2, 3), error);
  tensor_view<f32, shape<3>> null;
  CHECK_THROWS_AS(tile_expression(product + null, 2, 3), error);
  matrix(out.data(), 2, 3) = product * 2; // the assignment finds the leaf's header, too
  CHECK(out[5] == table[5] * 2);
}

} // namespace ia_nn_test

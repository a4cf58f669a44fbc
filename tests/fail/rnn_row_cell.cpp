// expect: ia_nn: a cell with step_row has one product a step
#include <ia_nn/rnn/rnn.hpp>

struct my_cell {
  static constexpr char const* name = "my_cell";
  static constexpr int gates = 2, states = 0, parameters = 0;
  static constexpr bool bounded = true, by_row = true;
#if defined(IA_NN_SHOULD_FAIL)
  static constexpr int early = 1;
#endif
  template <class Row> void step_row(Row&) const noexcept {}
};
using weights = ia_nn::rnn_weights<ia_nn::isa::scalar, my_cell>;

weights packed(ia_nn::rnn_source const& source) { return {ia_nn::gate_order::pytorch{}, source}; }

int main() {}

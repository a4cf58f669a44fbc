// expect: ia_nn: rnn: src must be f32 or the operand type of the weights
#include <ia_nn/rnn/rnn.hpp>

using weights = ia_nn::rnn_weights<ia_nn::isa::scalar, ia_nn::lstm, ia_nn::u8, ia_nn::s8>;

void run(ia_nn::rnn<weights> const& model, ia_nn::workspace_view scratch) {
#if defined(IA_NN_SHOULD_FAIL)
  model.run(ia_nn::rnn_call<ia_nn::s8, float>{}, scratch);
#else
  model.run(ia_nn::rnn_call<ia_nn::u8, float>{}, scratch);
#endif
}

int main() {}

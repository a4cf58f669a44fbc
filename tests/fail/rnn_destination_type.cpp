// expect: ia_nn: rnn: dst must be f32 or bf16
#include <ia_nn/rnn/rnn.hpp>

using weights = ia_nn::rnn_weights<ia_nn::isa::scalar, ia_nn::lstm>;

void run(ia_nn::rnn<weights> const& model, ia_nn::workspace_view scratch) {
#if defined(IA_NN_SHOULD_FAIL)
  model.run(ia_nn::rnn_call<float, ia_nn::u8>{}, scratch);
#else
  model.run(ia_nn::rnn_call<float, ia_nn::bf16>{}, scratch);
#endif
}

int main() {}

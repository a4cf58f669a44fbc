// expect: ia_nn: rnn_weights: operand and weights must be f32 and f32
#include <ia_nn/rnn/rnn.hpp>

int main() {
#if defined(IA_NN_SHOULD_FAIL)
  using weights = ia_nn::rnn_weights<ia_nn::isa::scalar, ia_nn::lstm, ia_nn::bf16, ia_nn::f32>;
#else
  using weights = ia_nn::rnn_weights<ia_nn::isa::scalar, ia_nn::lstm, ia_nn::f32, ia_nn::bf16>;
#endif
  return static_cast<int>(sizeof(weights) % 2);
}

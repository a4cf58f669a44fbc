// expect: ia_nn: rnn_stream: cells that attend run by sequence
#include <ia_nn/rnn/stream.hpp>

#if defined(IA_NN_SHOULD_FAIL)
using my_cell = ia_nn::augru;
#else
using my_cell = ia_nn::gru;
#endif
using weights = ia_nn::rnn_weights<ia_nn::isa::scalar, my_cell>;

void run(ia_nn::rnn<weights> const& model, float const* x, float* y) {
  ia_nn::rnn_stream<weights>(model).step(x, y);
}

int main() {}

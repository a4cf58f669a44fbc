// expect: ia_nn: rnn_weights: I and H must be at least 1
#include <ia_nn/rnn/rnn.hpp>

#if defined(IA_NN_SHOULD_FAIL)
constexpr ia_nn::index_t hidden = 0;
#else
constexpr ia_nn::index_t hidden = 8;
#endif
using weights =
    ia_nn::rnn_weights<ia_nn::isa::scalar, ia_nn::lstm, float, float, ia_nn::standard, 3, hidden>;

int main() { return static_cast<int>(sizeof(weights) % 2); }

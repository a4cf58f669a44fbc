#include "nets.hpp"
#include "images/train.hpp"
#include <ia_nn/io/safetensors.hpp>
using namespace images;
int main(int argc, char** argv) {
  thread_pool t(2);
  std::string data = argv[1], out = argv[2];
  image_set const learn = load(data, "train");
  train<separable<false>>(learn, {.epochs = 2}, t, out + "/separable.safetensors");
  train<residual>(learn, {.epochs = 1}, t, out + "/residual.safetensors");
  train<plain>(learn, {.epochs = 1}, t, out + "/plain.safetensors");
}

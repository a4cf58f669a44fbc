// SPDX-License-Identifier: Apache-2.0
//
// Trains a network on pictures and counts how many others it knows. The pictures are those of Debian's package
// dataset-fashion-mnist, or of any folder of the same form (--data); --quick draws its own.
#include "images/test.hpp"
#include "images/train.hpp"

#include <ia_nn/io/safetensors.hpp>

#include <CLI/CLI.hpp>

#include <filesystem>

namespace {

using namespace images;

struct options {
  std::string data = "/usr/share/datasets/fashion-mnist", out = "train_images.safetensors";
  int threads = static_cast<int>(std::max(1U, std::thread::hardware_concurrency()));
  train_options train;
  bool quick = false;
};

int run(options const& o) {
  thread_pool threads(o.threads);
  image_set const learn = o.quick ? squares(400, 1) : load(o.data, "train"),
                  test = o.quick ? squares(200, 2) : load(o.data, "t10k");
  double const began = examples::now();
  train<residual>(learn, o.train, threads, o.out);
  double const seconds = examples::now() - began;
  double const percent = percent_known<residual>(graph::file_weights(ia_nn::load_safetensors(o.out)), test, threads);
  std::printf("trained in %.0f s; %.2f %% of %td other pictures are known; weights: %s\n", seconds, percent,
              test.count, o.out.c_str());
  return percent > 50 ? 0 : 1;
}

} // namespace

int main(int argc, char** argv) {
  options o;
  CLI::App app{"Trains a network on small pictures."};
  CLI::Range const some(1, 1000);
  app.add_option("--data", o.data, "folder with train-images-idx3-ubyte[.gz] and so on");
  app.add_option("--out", o.out, "file for the weights; the loss is drawn beside it");
  app.add_option("--epochs", o.train.epochs, "how often training sees each image")->check(some);
  app.add_option("--batch", o.train.batch, "images of a step")->check(some);
  app.add_option("--threads", o.threads, "all cores if not given")->check(some);
  app.add_flag("--quick", o.quick, "a small check with pictures drawn by the program");
  CLI11_PARSE(app, argc, argv);
  if (o.quick) o.train = {.epochs = 1, .batch = 8, .learning_rate = 3e-3, .seed = 1};
  if (o.quick) o.out = (std::filesystem::temp_directory_path() / ("train_images." + std::to_string(::getpid()))).string();
  try {
    int const status = run(o);
    if (o.quick) std::filesystem::remove(o.out), std::filesystem::remove(o.out + ".loss.svg");
    return status;
  } catch (std::exception const& e) {
    std::fprintf(stderr, "%s\n", e.what());
    return 2;
  }
}

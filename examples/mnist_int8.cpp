// SPDX-License-Identifier: Apache-2.0
//
// Trains two small networks on pictures, then runs them in 8 bits and compares accuracy and speed
// with f32. The pictures are those of Debian's package dataset-fashion-mnist, or of any folder of
// the same form (--data); --quick draws its own and checks that everything works.
#include "images/train.hpp"
#include "mnist_int8/report.hpp"

#include <ia_nn/graph/files/ranges.hpp>
#include <ia_nn/graph/run/calibrate.hpp>
#include <ia_nn/io/safetensors.hpp>

#include <CLI/CLI.hpp>

#include <filesystem>
#include <fstream>

using namespace demo;
using namespace images;

namespace {

struct options {
  std::string data = "/usr/share/datasets/fashion-mnist", out;
  int threads = static_cast<int>(std::max(1U, std::thread::hardware_concurrency()));
  train_options train;
  bool quick = false, reuse = false;
};

template <class Net>
bool show(image_set const& learn, image_set const& test, options const& o, thread_pool& threads) {
  std::printf("\n== %s\n", Net::title);
  std::string const path = o.out + "/" + Net::name, file = path + ".safetensors";
  double began = now();
  if (!o.reuse || !std::filesystem::exists(file)) {
    train<Net>(learn, o.train, threads, file);
    std::printf("trained in %.0f s\n", now() - began);
  }
  graph::file_weights const w(load_safetensors(file));

  began = now();
  std::vector<f32> const samples = pixels_of(learn, 1000);
  auto const min_max = graph::calibrate<Net, min_max_calibrator>(w, samples);
  auto const entropy = graph::calibrate<Net, entropy_calibrator>(w, samples);
  graph::save_ranges<Net>(path + ".min-max.json", min_max);
  graph::save_ranges<Net>(path + ".kl.json", entropy);
  std::printf("calibrated both ways in %.1f s\n", now() - began);

  using in_f32 = graph::native<>;
  using in_s8 = graph::native<isa::native, s8>;
  using in_dynamic_s8 = graph::native<isa::native, graph::dynamic_s8>;
  constexpr index_t batch = 64;
  int const workers = threads.concurrency();
  auto const with = [&](graph::value_ranges const& ranges) {
    return graph::compile_options{.max_batch = batch, .workers = workers, .ranges = ranges};
  };
  mode all[] = {make_mode<Net, in_f32>("f32", w, with({})),
                make_mode<Net, in_dynamic_s8>("int8, ranges found in each call", w, with({})),
                make_mode<Net, in_s8>("int8, calibrated: min-max", w, with(min_max)),
                make_mode<Net, in_s8>("int8, calibrated: KL", w, with(entropy))};
  measure(all, pixels_of(test, test.count), test.labels, batch, o.quick ? 0.02 : 0.8, threads);
  print_table(all, batch, workers);
  std::ofstream(path + ".svg") << bars(all);
  for (mode const& m : all)
    if (m.name.ends_with("KL")) std::ofstream(path + ".confusion.svg") << confusion(m);
  std::printf("weights, ranges and pictures: %s.*\n", path.c_str());

  bool good = all[0].accuracy > 50;
  for (mode const& m : all) good = good && m.accuracy > all[0].accuracy - 3;
  if (!good) std::printf("the accuracies are not what they should be\n");
  return good;
}

int run(options const& o) {
  std::filesystem::create_directories(o.out);
  thread_pool threads(o.threads);
  std::uint64_t const seed = o.train.seed;
  image_set const learn = o.quick ? squares(400, seed) : load(o.data, "train"),
                  test = o.quick ? squares(200, seed + 1) : load(o.data, "t10k");
  std::printf("%s: %td images to learn from, %td to test; instruction set %s\n",
              o.quick ? "squares" : o.data.c_str(), learn.count, test.count,
              isa::name<isa::native>());
  bool const good = show<images::plain>(learn, test, o, threads);
  return show<images::residual>(learn, test, o, threads) && good ? 0 : 1;
}

} // namespace

int main(int argc, char** argv) {
  options o;
  o.out = (std::filesystem::absolute(argv[0]).parent_path() / "mnist_int8").string();
  CLI::App app{"Trains two networks on small pictures and runs them in f32 and in 8 bits."};
  CLI::Range const some(1, 1000);
  app.add_option("--data", o.data, "folder with train-images-idx3-ubyte[.gz] and so on");
  app.add_option("--out", o.out, "folder for weights, ranges, pictures; beside the program");
  app.add_flag("--reuse", o.reuse, "take the weights of that folder, if there are any");
  app.add_option("--epochs", o.train.epochs, "how often training sees each image")->check(some);
  app.add_option("--threads", o.threads, "all cores if not given")->check(some);
  app.add_option("--batch", o.train.batch, "images of a step of training")->check(some);
  app.add_option("--seed", o.train.seed, "of weights and order");
  app.add_flag("--quick", o.quick, "a small check with pictures drawn by the program");
  CLI11_PARSE(app, argc, argv);
  if (o.quick) o.train = {.epochs = 1, .batch = 8, .learning_rate = 3e-3, .seed = o.train.seed};
  std::setvbuf(stdout, nullptr, _IOLBF, BUFSIZ); // in order with the progress on stderr
  try {
    return run(o);
  } catch (std::exception const& e) {
    std::fprintf(stderr, "%s\n", e.what());
    return 2;
  }
}

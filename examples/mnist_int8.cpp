// SPDX-License-Identifier: Apache-2.0
//
// Trains two small networks on pictures, then runs them in 8 bits and compares accuracy and speed
// with f32. The pictures are those of Debian's package dataset-fashion-mnist, or of any folder of
// the same form (--data); --quick draws its own and checks that everything works.
#include "mnist_int8/dynamic_net.hpp"
#include "mnist_int8/f32_net.hpp"
#include "mnist_int8/nets.hpp"
#include "mnist_int8/report.hpp"
#include "mnist_int8/static_net.hpp"
#include "mnist_int8/train.hpp"

#include <ia_nn/arch/isa.hpp>
#include <ia_nn/io/safetensors.hpp>
#include <ia_nn/io/safetensors_write.hpp>

#include <CLI/CLI.hpp>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <thread>
#include <unistd.h>

using namespace demo;

namespace {

struct options {
  std::string data, save;
  int threads = static_cast<int>(std::max(1U, std::thread::hardware_concurrency()));
  index_t calibrate = 1000;
  train_options train;
  bool quick = false;
};

// FILE for the first network, FILE with -residual before its extension for the second; a temporary
// one if none is to be kept.
std::filesystem::path file_of(options const& o, char const* suffix) {
  std::filesystem::path p = o.save;
  if (o.save.empty())
    p = std::filesystem::temp_directory_path() /
        ("mnist_int8." + std::to_string(::getpid()) + ".safetensors");
  std::string const name = p.stem().string() + suffix + p.extension().string();
  return p.replace_filename(name);
}

graph::file_weights<safetensors> trained(network const& n, image_sets const& data,
                                         options const& o, char const* suffix,
                                         thread_pool& threads) {
  stopwatch const time;
  training_reporter report;
  named_arrays const all =
      train(n, data.train, o.train, threads, [&](progress const& now) { report(now); });
  std::vector<safetensors_entry> entries;
  n.each_weight([&](auto const&, auto, std::string const& name, std::vector<index_t> const& shape) {
    entries.push_back(make_safetensors_entry<f32>(name, all.at(name), shape));
  });
  std::string const path = file_of(o, suffix).string();
  save_safetensors(path, entries, {{"network", n.title}});
  safetensors again = load_safetensors(path);
  std::printf("trained in %.0f s; weights (%.0f KiB) written to %s and read from there\n",
              time.seconds(), static_cast<double>(std::filesystem::file_size(path)) / 1024,
              o.save.empty() ? "a temporary file" : path.c_str());
  if (o.save.empty()) std::filesystem::remove(path);
  return graph::file_weights(std::move(again));
}

template <class Net>
bool show(char const* suffix, image_sets const& data, options const& o, thread_pool& threads) {
  network const n = network_of<Net>();
  std::printf("\n== %s\n%s\n", n.title.c_str(), describe(n).c_str());
  auto const w = trained(n, data, o, suffix, threads);
  stopwatch const time;
  index_t const count = min_of(o.calibrate, data.train.count);
  auto const by_range = calibrate<Net, min_max_calibrator>(n, w, data.train, count, threads);
  auto const by_entropy = calibrate<Net, entropy_calibrator>(n, w, data.train, count, threads);
  std::printf("ranges of the activations from %td images, both ways, in %.1f s\n", count,
              time.seconds());

  using I = isa::native;
  run_options const limits{.max_batch = 64, .workers = threads.concurrency()};
  f32_net<Net> f32_form(n, w, limits);
  dynamic_net<I> ranging(n, w, limits);
  static_net<I> min_max(n, w, by_range, limits), entropy(n, w, by_entropy, limits);
  contestant all[] = {{"f32", f32_form},
                      {"int8, ranges found in each call", ranging},
                      {"int8, calibrated: min-max", min_max},
                      {"int8, calibrated: KL", entropy}};
  measure(all, data.test, limits.max_batch, o.quick ? 0.02 : 0.8, threads);
  print_table(all, n, limits.max_batch, threads.concurrency());
  if (!o.quick) return true;
  bool good = all[0].accuracy > 50;
  for (contestant const& c : all) good = good && c.accuracy > all[0].accuracy - 3;
  if (!good) std::printf("the accuracies are not what they should be\n");
  return good;
}

int run(options const& o) {
  stopwatch const time;
  thread_pool threads(o.threads);
  image_sets const data = o.quick ? draw_squares(400, 200, o.train.seed) : load_images(o.data);
  spatial const image{1, data.train.height, data.train.width};
  std::printf("%s: %td images to learn from, %td to test, %s\n"
              "%d threads, instruction set %s, %td epoch%s, batches of %td\n",
              data.name.c_str(), data.train.count, data.test.count, image.to_string().c_str(),
              o.threads, isa::name<isa::native>(), o.train.epochs, o.train.epochs == 1 ? "" : "s",
              o.train.batch);
  bool good = show<demo_nets::plain>("", data, o, threads);
  good = show<demo_nets::residual>("-residual", data, o, threads) && good;
  std::printf("\nall of it took %.0f s\n", time.seconds());
  return good ? 0 : 1;
}

} // namespace

int main(int argc, char** argv) {
  options o;
  CLI::App app{"Trains two networks on small pictures and runs them in f32 and in 8 bits."};
  app.add_option("--data", o.data, "folder with train-images-idx3-ubyte[.gz] and so on");
  app.add_option("--epochs", o.train.epochs, "times that all images are seen")
      ->check(CLI::Range(1, 1000));
  app.add_option("--threads", o.threads, "all cores if not given")->check(CLI::Range(1, 1024));
  app.add_option("--batch", o.train.batch, "images of a step of training")
      ->check(CLI::Range(1, 4096));
  app.add_option("--save", o.save, "keep the weights there, and in ...-residual");
  app.add_option("--seed", o.train.seed, "of weights and order");
  app.add_flag("--quick", o.quick, "a small check with pictures drawn by the program");
  CLI11_PARSE(app, argc, argv);
  if (o.quick) {
    o.train = {.epochs = 1, .batch = 8, .learning_rate = 3e-3, .seed = o.train.seed};
  }
  if (o.data.empty()) o.data = installed_images();
  if (o.data.empty() && !o.quick) {
    std::fprintf(stderr, "There are no pictures: apt install dataset-fashion-mnist, or give a "
                         "folder with --data.\n");
    return 2;
  }
  std::setvbuf(stdout, nullptr, _IOLBF, BUFSIZ); // in order with the progress on stderr
  try {
    return run(o);
  } catch (std::exception const& e) {
    std::fprintf(stderr, "%s\n", e.what());
    return 2;
  }
}

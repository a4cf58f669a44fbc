// SPDX-License-Identifier: Apache-2.0
//
// Trains a network in several processes, each on its share of every batch.
//
//   mpirun -n 4 example_train_mpi [--data FOLDER]
//
// All ranks begin with the same weights. In a step each one computes the gradients of its own images; a ring
// (common/ring.hpp) makes the mean of them in the trainer's own array; and each rank makes the same change of
// its weights. The statistics of batch norms are those of a rank's own images: with many ranks and few images
// each they are noisier than those of one process. Running statistics are averaged in the end.
//
// Status 1 if ranks differ in a bit, if a ring makes a wrong mean, or if the loss does not fall.
#include "common/ring.hpp"
#include "images/test.hpp"
#include "images/train.hpp"

#include <CLI/CLI.hpp>

#include <cinttypes>
#include <cstring>

namespace {

using namespace images;

struct options {
  std::string data, out;
  train_options train{.epochs = 2, .batch = 4, .learning_rate = 3e-3, .seed = 1};
};

/// A ring against numbers whose sums are exact in any order, on arrays with chunks of none, one, and many
/// messages. Ranks that would wait for each other wait forever: the test has a time limit.
bool means_are_right(int rank, int ranks) {
  examples::ring ring(MPI_COMM_WORLD, 8);
  int const sizes[] = {0, 1, ranks - 1, ranks, ranks + 1, 8 * ranks - 1, 8 * ranks + 1, 1000};
  int wrong = 0;
  for (int const n : sizes) {
    auto const number = [&](int of, int i) { return static_cast<f32>((of + 1) * ranks * (i % 13 - 6)); };
    std::vector<f32> x(static_cast<std::size_t>(n) + 2, -1.0F); // one more at each end, which must stay
    for (int i = 0; i < n; ++i) x[static_cast<std::size_t>(i) + 1] = number(rank, i);
    ring.mean(std::span(x).subspan(1, static_cast<std::size_t>(n)));
    for (int i = 0; i < n; ++i) {
      f32 sum = 0;
      for (int of = 0; of < ranks; ++of) sum += number(of, i);
      f32 const off = x[static_cast<std::size_t>(i) + 1] - sum / static_cast<f32>(ranks);
      wrong += !(std::fabs(off) <= 1e-6F * std::fabs(sum));
    }
    wrong += x.front() != -1 || x.back() != -1;
  }
  if (wrong > 0) std::fprintf(stderr, "rank %d: %d elements of rings are wrong\n", rank, wrong);
  MPI_Allreduce(MPI_IN_PLACE, &wrong, 1, MPI_INT, MPI_SUM, MPI_COMM_WORLD); // all ranks end, or none
  return wrong == 0;
}

/// The same on all ranks?
bool all_have(std::uint64_t mine) {
  std::uint64_t both[2] = {mine, ~mine}; // the least and, turned around, the largest
  MPI_Allreduce(MPI_IN_PLACE, both, 2, MPI_UINT64_T, MPI_MIN, MPI_COMM_WORLD);
  return both[0] == ~both[1];
}
/// Of the bits of all weights (FNV-1a).
std::uint64_t hash_of(graph::memory_weights const& weights) {
  std::uint64_t hash = 14695981039346656037U;
  for (std::string const& name : weights.names())
    for (f32 const x : weights.values(name)) {
      std::uint32_t bits;
      std::memcpy(&bits, &x, sizeof bits);
      hash = (hash ^ bits) * 1099511628211U;
    }
  return hash;
}

/// Running statistics are weights, but are not learned.
template <class Trainer> void average_statistics(Trainer& trainer, examples::ring& ring) {
  graph::memory_weights const now = trainer.weights();
  graph::memory_weights mean;
  for (std::string const& name : now.names()) {
    std::vector<f32> values = now.values(name);
    if (!trainer.parameters().find(name)) ring.mean(values);
    mean.add(name, now.shape(name), std::move(values));
  }
  trainer.load(mean);
}

int run(options const& o) {
  examples::ring ring;
  int const rank = ring.rank(), ranks = ring.ranks();
  if (!means_are_right(rank, ranks)) return 1;

  image_set const learn = o.data.empty() ? squares(400, 1) : load(o.data, "train"),
                  test = o.data.empty() ? squares(200, 2) : load(o.data, "t10k");
  index_t const batch = o.train.batch, steps_of_epoch = learn.count / (batch * ranks),
                steps = o.train.epochs * steps_of_epoch;
  if (steps_of_epoch < 1) throw ia_nn::error(ia_nn::errc::bad_parameter, "a batch of all ranks is larger than the set");
  graph::trainer<residual, graph::cross_entropy_loss<u8>> trainer(
      {.batch = batch, .seed = o.train.seed, .schedule = ia_nn::schedule::cosine{.rate = o.train.learning_rate, .steps = steps}});

  std::mt19937_64 random(o.train.seed); // all ranks shuffle alike
  std::vector<index_t> order(learn.labels.size());
  std::iota(order.begin(), order.end(), 0);
  std::vector<f32> pixels(static_cast<std::size_t>(batch * side * side));
  std::vector<u8> labels(static_cast<std::size_t>(batch));
  double const began = examples::now();
  f32 first = 0, last = 0; // mean losses of all ranks, in the first and the last tenth of the steps
  index_t const tenth = (steps + 9) / 10;
  for (index_t step = 0; step < steps; ++step) {
    if (step % steps_of_epoch == 0) std::shuffle(order.begin(), order.end(), random);
    for (index_t i = 0; i < batch; ++i) {
      index_t const n = order[static_cast<std::size_t>((step % steps_of_epoch * ranks + rank) * batch + i)];
      ia_nn::dequantize<ia_nn::isa::native>(side * side, learn.image(n).data(), pixels.data() + i * side * side, {1.0F / 255, 0});
      labels[static_cast<std::size_t>(i)] = learn.labels[static_cast<std::size_t>(n)];
    }
    f32 loss = trainer.accumulate(batch, pixels, labels).require();
    ring.mean(trainer.gradients());
    trainer.update();
    ring.mean({&loss, 1});
    (step < tenth ? first : last) += step < tenth || step >= steps - tenth ? loss / static_cast<f32>(tenth) : 0;
  }
  average_statistics(trainer, ring);
  std::uint64_t const hash = hash_of(trainer.weights());
  bool const same = all_have(hash), fell = last < 0.5F * first;
  if (rank == 0) {
    ia_nn::sequential here;
    std::printf("%d ranks, %td steps of %td images in %.1f s: loss from %.3f to %.3f, %.1f %% of %td other pictures are known\n"
                "weights of all ranks are %s, hash %016" PRIx64 "\n",
                ranks, steps, batch * ranks, examples::now() - began, static_cast<double>(first), static_cast<double>(last),
                percent_known<residual>(trainer.weights(), test, here), test.count, same ? "the same" : "NOT the same", hash);
    if (!fell) std::printf("the loss did not fall by half\n");
    if (!o.out.empty()) graph::save_weights(o.out, trainer);
  }
  return same && fell ? 0 : 1;
}

} // namespace

int main(int argc, char** argv) {
  options o;
  CLI::App app{"Trains a network on small pictures in several processes: mpirun -n 4 ..."};
  CLI::Range const some(1, 1000);
  app.add_option("--data", o.data, "folder with train-images-idx3-ubyte[.gz] and so on; the program draws pictures if not given");
  app.add_option("--out", o.out, "file for the weights");
  app.add_option("--epochs", o.train.epochs, "how often training sees each image")->check(some);
  app.add_option("--batch", o.train.batch, "images of a step and rank")->check(some);
  CLI11_PARSE(app, argc, argv);
  MPI_Init(&argc, &argv);
  int status = 2;
  try {
    status = run(o);
  } catch (std::exception const& e) { // the other ranks wait for this one
    std::fprintf(stderr, "%s\n", e.what());
    MPI_Abort(MPI_COMM_WORLD, status);
  }
  MPI_Finalize();
  return status;
}

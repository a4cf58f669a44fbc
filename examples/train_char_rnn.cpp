// SPDX-License-Identifier: Apache-2.0
//
// Trains a stack of LSTMs to guess the next character of a text, and writes text of its own. Training goes on
// from its checkpoint if there is one.
#include "common/progress.hpp"

#include <ia_nn/exec/thread_pool.hpp>
#include <ia_nn/graph/compiled.hpp>
#include <ia_nn/graph/layers.hpp>
#include <ia_nn/graph/files/checkpoint.hpp>
#include <ia_nn/graph/train/trainer.hpp>
#include <ia_nn/train/schedules.hpp>

#include <CLI/CLI.hpp>

#include <cmath>
#include <filesystem>
#include <iterator>
#include <random>

namespace {

namespace graph = ia_nn::graph;
using ia_nn::index_t, ia_nn::f32, ia_nn::s32;

constexpr index_t window = 96, characters = 128;

/// Characters of windows to scores of the next one: behind each, or behind the last one.
template <bool LastOnly> struct guesser {
  static constexpr auto build(graph::builder& b) {
    auto x = input(b, "text", {graph::any_batch, window}, graph::value_type::s32);
    x = embedding(x, {.rows = characters, .width = 64, .name = "embedding"});
    x = lstm(x, {.hidden = 256, .layers = 2, .last_only = LastOnly, .name = "lstm"});
    return dense(x, {.units = characters, .name = "next"});
  }
};

struct options {
  std::string text, checkpoint = "char_rnn.safetensors";
  index_t steps = 2000, batch = 32, sample = 400;
  int threads = static_cast<int>(std::max(1U, std::thread::hardware_concurrency()));
  bool quick = false;
};

std::vector<s32> read_text(options const& o) {
  std::string text;
  if (o.text.empty()) { // something regular
    for (int i = 0; i < 2000; ++i) text += "the quick brown fox jumps over " + std::to_string(i % 7) + " lazy dogs. ";
  } else {
    std::ifstream file(o.text, std::ios::binary);
    text.assign(std::istreambuf_iterator<char>(file), {});
    if (!file) throw ia_nn::error(ia_nn::errc::bad_file, "'" + o.text + "' cannot be read");
  }
  std::vector<s32> to;
  for (char const c : text) to.push_back(static_cast<unsigned char>(c) < characters ? c : '?');
  if (std::ssize(to) < 20 * window)
    throw ia_nn::error(ia_nn::errc::bad_file, "'" + o.text + "' has less than " + std::to_string(20 * window) + " characters");
  return to;
}

/// Mean loss in nats of characters of a text that was not learned.
double held_out_loss(graph::memory_weights const& weights, std::span<s32 const> text) {
  index_t const count = std::min<index_t>(64, std::ssize(text) / (window + 1));
  graph::compiled<guesser<false>> const net(weights, {.max_batch = count});
  std::vector<s32> in;
  for (index_t n = 0; n < count; ++n)
    in.insert(in.end(), text.begin() + n * (window + 1), text.begin() + n * (window + 1) + window);
  std::vector<f32> scores(static_cast<std::size_t>(count * window * characters));
  ia_nn::workspace scratch(net.workspace_bytes());
  net.run(count, in, scores, scratch).require();
  double loss = 0;
  for (index_t i = 0; i < count * window; ++i) {
    f32 const* const row = scores.data() + i * characters;
    double sum = 0;
    for (index_t c = 0; c < characters; ++c) sum += std::exp(static_cast<double>(row[c]));
    loss += std::log(sum) - static_cast<double>(row[text[static_cast<std::size_t>(i / window * (window + 1) + i % window + 1)]]);
  }
  return loss / static_cast<double>(count * window);
}

/// Text that begins as `begin` does.
std::string write_text(graph::memory_weights const& weights, std::span<s32 const> begin, index_t count) {
  graph::compiled<guesser<true>> const net(weights);
  ia_nn::workspace scratch(net.workspace_bytes());
  std::vector<s32> last(begin.begin(), begin.begin() + window);
  std::vector<f32> scores(characters);
  std::mt19937 random(1);
  std::string text;
  for (index_t i = 0; i < count; ++i) {
    net.run(1, last, scores, scratch).require();
    for (f32& s : scores) s = std::exp(s / 0.8F); // a little more certain than it is
    std::discrete_distribution<s32> next(scores.begin(), scores.end());
    last.erase(last.begin());
    last.push_back(next(random));
    text += static_cast<char>(last.back());
  }
  return text;
}

int run(options const& o) {
  std::vector<s32> const text = read_text(o);
  index_t const learned = std::ssize(text) * 19 / 20;
  auto const held_out = std::span(text).subspan(static_cast<std::size_t>(learned));
  ia_nn::thread_pool threads(o.threads);
  graph::trainer<guesser<false>> trainer(
      {.batch = o.batch,
       .workers = o.threads,
       .clip_norm = 1,
       .schedule = ia_nn::schedule::one_cycle{.rate = 4e-3, .steps = o.steps, .rising = 0.1}});
  if (std::filesystem::exists(o.checkpoint)) graph::resume_checkpoint(o.checkpoint, trainer);
  index_t const first = trainer.optimizer().steps();
  std::printf("%td characters to learn, %td to test; %.1f million weights, %.0f MB of values; from step %td\n",
              learned, std::ssize(held_out), static_cast<double>(trainer.bytes().weights) / 4e6,
              static_cast<double>(trainer.bytes().values) / 1e6, first);
  std::vector<s32> in(static_cast<std::size_t>(o.batch * window)), next(in.size());
  examples::progress_bar bar(o.steps, o.batch * window, "characters", first);
  for (index_t step = first; step < o.steps; ++step) {
    std::mt19937_64 random(static_cast<std::uint64_t>(step)); // also where training was interrupted
    for (index_t n = 0; n < o.batch; ++n) {
      auto const from = text.begin() + static_cast<index_t>(random() % static_cast<std::uint64_t>(learned - window));
      std::copy(from, from + window, in.begin() + n * window);
      std::copy(from + 1, from + window + 1, next.begin() + n * window);
    }
    bar.show(step + 1, trainer.step(o.batch, in, next, threads).require());
    if ((step + 1) % 250 == 0 || step + 1 == o.steps) graph::save_checkpoint(o.checkpoint, trainer);
  }
  double const loss = held_out_loss(trainer.weights(), held_out);
  std::printf("%.0f s; loss of text that was not learned: %.3f nats a character\n\n%s\n", bar.seconds(), loss,
              write_text(trainer.weights(), held_out, o.sample).c_str());
  bar.save_curve(o.checkpoint + ".svg");
  return loss < (o.quick ? 2.5 : 5.0) ? 0 : 1;
}

} // namespace

int main(int argc, char** argv) {
  options o;
  CLI::App app{"Trains a recurrent network on a text, and lets it write."};
  CLI::Range const some(1, 1000000);
  app.add_option("text", o.text, "a file; a text that the program makes, if not given");
  app.add_option("--checkpoint", o.checkpoint, "where training goes on, and is stored; with a picture of the loss beside");
  app.add_option("--steps", o.steps, "all of them, with those of the checkpoint")->check(some);
  app.add_option("--batch", o.batch, "windows of a step")->check(some);
  app.add_option("--sample", o.sample, "characters to write")->check(some);
  app.add_option("--threads", o.threads, "all cores if not given")->check(some);
  app.add_flag("--quick", o.quick, "a short check on a text that the program makes");
  CLI11_PARSE(app, argc, argv);
  if (o.quick) {
    o.steps = 60, o.batch = 8, o.sample = 80;
    o.checkpoint = (std::filesystem::temp_directory_path() / ("char_rnn." + std::to_string(::getpid()))).string();
  }
  std::setvbuf(stdout, nullptr, _IOLBF, BUFSIZ); // in order with the progress on stderr
  try {
    int const status = run(o);
    if (o.quick) std::filesystem::remove(o.checkpoint), std::filesystem::remove(o.checkpoint + ".svg");
    return status;
  } catch (std::exception const& e) {
    std::fprintf(stderr, "%s\n", e.what());
    return 2;
  }
}

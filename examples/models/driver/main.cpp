// SPDX-License-Identifier: Apache-2.0
//
// Runs the networks of examples/models: on pictures, arrays or random numbers, in f32, bf16 or 8 bits.
#include "../../../bench/peak.hpp"
#include "report.hpp"

#include <ia_nn/core/error.hpp>
#include <ia_nn/graph/show/roofline.hpp>
#include <ia_nn/io/npy.hpp>
#include <ia_nn/io/safetensors.hpp>

#include <CLI/CLI.hpp>

#include <cstdio>
#include <fstream>
#include <optional>
#include <thread>

namespace {

using namespace models;
using namespace models::driver;
using catalog::precision;

struct options {
  std::string network{}, weights{}, labels{}, out{}, trace{}, memory{}, roofline{};
  std::vector<std::string> files{}, calibrate{};
  precision multiply = precision::f32;
  catalog::backend by = catalog::backend::native;
  index_t batch = 0;
  int threads = static_cast<int>(std::max(1U, std::thread::hardware_concurrency())), top = 5;
  double seconds = 2;
  bool list = false, steps = false, plan = false, compare = false;
};
char const* word_of(precision p) {
  return p == precision::f32 ? "f32" : p == precision::bf16 ? "bf16" : "int8";
}

void save(std::string const& path, std::string const& text) {
  std::ofstream file(path);
  file << text;
  file.close();
  if (!file) ia_nn::throw_error(ia_nn::errc::bad_file, "'" + path + "' cannot be written");
  std::printf("written: %s\n", path.c_str());
}

/// Opens a network with the weights of the file, or random ones.
std::unique_ptr<catalog::session> opened(catalog::entry const& net, options const& o, precision p, catalog::backend by,
                                         inputs const& in) {
  double all = 0;
  for (catalog::weight_shape const& w : net.weights) all += static_cast<double>(w.size());
  // What calibrates reads them once more.
  loading_bar bar(p == precision::s8 ? 2 * all : all);
  auto const read = [&](index_t n) { bar.add(n); };
  catalog::session_options s{.multiply = p, .by = by, .batch = in.batch(), .threads = o.threads};
  std::vector<inputs> samples;
  if (p == precision::s8) {
    if (!o.calibrate.empty())
      for (std::size_t first = 0; first < o.calibrate.size(); first += static_cast<std::size_t>(in.batch())) {
        auto const from = o.calibrate.begin() + static_cast<std::ptrdiff_t>(first);
        auto const last = std::min(o.calibrate.end(), from + in.batch());
        samples.push_back(inputs::of_files(net, {from, last}, in.batch()));
      }
    for (inputs const& i : samples) s.samples.push_back(i.sources());
    if (samples.empty()) s.samples.push_back(in.sources());
  }
  if (o.weights.empty())
    return net.open(catalog::weight_source(catalog::random_weights(net.weights), read), s);
  graph::file_weights const file(ia_nn::load_safetensors(o.weights));
  return net.open(catalog::weight_source(file, read), s);
}

void draw_roofline(catalog::session const& s, inputs const& in, options const& o) {
  using bench::peak;
  peak best = peak::none;
  auto const first_of = [&](std::initializer_list<peak> list) {
    for (peak const p : list)
      if (best == peak::none && bench::available(p)) best = p;
  };
  if (o.multiply == precision::s8) first_of({peak::amx_int8, peak::vnni_zmm, peak::vnni_ymm, peak::madd_ymm});
  if (o.multiply == precision::bf16) first_of({peak::amx_bf16, peak::bf16_zmm});
  first_of({peak::fma_zmm, peak::fma_ymm});
  graph::roofs const r{bench::measure(best, o.threads), bench::measure(peak::stream_dram, o.threads)};
  save(o.roofline, graph::roofline_svg(s.steps(in.batch()), r));
}

void show_result(catalog::entry const& net, catalog::session const& s, inputs const& in, options const& o,
                 std::vector<std::string> const& labels) {
  auto const values = s.result();
  auto const& shape = net.outputs[0].shape;
  if (net.gives == catalog::meaning::logits) {
    std::fputs(best_classes(values, in, o.top, labels).c_str(), stdout);
  } else if (net.gives == catalog::meaning::number) {
    for (index_t i = 0; i < in.batch(); ++i)
      std::printf("%s: %g\n", in.names()[static_cast<std::size_t>(i)].c_str(),
                  static_cast<double>(values[static_cast<std::size_t>(i)]));
  }
  std::optional<picture> drawn;
  if (net.gives == catalog::meaning::boxes) {
    std::size_t const each = static_cast<std::size_t>(shape.item());
    for (std::size_t i = 0; i < static_cast<std::size_t>(in.batch()); ++i) {
      std::string const& name = in.names()[i];
      bool const is_picture = i < o.files.size() && !name.ends_with(".npy");
      if (is_picture) drawn = load_picture(name);
      auto const side = static_cast<f32>(net.inputs[0].shape.extent[1]);
      f32 const x = is_picture ? static_cast<f32>(drawn->width) / side : 1, y = is_picture ? static_cast<f32>(drawn->height) / side : 1;
      auto const boxes = boxes_of(values.subspan(i * each, each), o.top, x, y);
      std::printf("%s\n%s", name.c_str(), text_of(boxes, labels).c_str());
      if (is_picture) draw(*drawn, boxes);
    }
  }
  if (o.out.empty()) return;
  if (drawn && o.out.ends_with(".png")) {
    save_png(*drawn, o.out);
  } else if (o.out.ends_with(".png")) {
    // The items of the batch below each other.
    save_png(picture_of(values, in.batch() * shape.extent[1], shape.extent[2]), o.out);
  } else {
    std::vector<index_t> extents(shape.extent, shape.extent + shape.rank);
    extents[0] = in.batch();
    ia_nn::save_npy(o.out, values, extents);
  }
  std::printf("written: %s\n", o.out.c_str());
}

int run(options const& o) {
  catalog::entry const& net = catalog::find(o.network);
  bool const draws = net.gives == catalog::meaning::image ||
                     (net.gives == catalog::meaning::boxes && o.files.size() == 1 && !o.files[0].ends_with(".npy"));
  if (o.out.ends_with(".png") && !draws)
    ia_nn::throw_error(ia_nn::errc::bad_parameter, "'" + net.name + "' gives no picture, detectors one for one picture: --out FILE.npy keeps the numbers");
  std::vector<std::string> labels;
  if (!o.labels.empty()) labels = load_labels(o.labels, net.gives == catalog::meaning::logits ? net.outputs[0].item() : 0);
  inputs const in = o.files.empty() ? inputs::random(net, std::max(o.batch, index_t{1}), 1)
                                    : inputs::of_files(net, o.files, o.batch);
  std::printf("%s: %td parameters, %sFLOP an item; %s, batch %td, %d thread%s, %s\n", net.name.c_str(), net.parameters,
              short_number(net.flops).c_str(), word_of(o.multiply), in.batch(), o.threads, o.threads == 1 ? "" : "s",
              o.weights.empty() ? "random weights" : o.weights.c_str());
  if (o.plan) std::fputs(net.dump(o.multiply).c_str(), stdout);
  if (!o.memory.empty()) save(o.memory, net.memory_svg(o.multiply));
  double const began = now();
  auto const session = opened(net, o, o.multiply, o.by, in);
  std::printf("set up in %.2f s; %s bytes of workspace\n", now() - began,
              short_number(static_cast<double>(session->workspace_bytes())).c_str());
  if (o.by == catalog::backend::onednn) std::printf("%d steps by oneDNN\n", session->onednn_steps());
  auto const times = timed(*session, in, o.seconds);
  double const median = times[times.size() / 2], items = static_cast<double>(in.batch());
  std::printf("%.3f ms (median of %zu, least %.3f): %.1f items/s, %.0f GFLOP/s\n", 1e3 * median, times.size(),
              1e3 * times[0], items / median, 1e-9 * net.flops * items / median);
  if (o.steps || !o.trace.empty() || !o.roofline.empty()) {
    session->trace(in.batch(), in.sources());
    if (o.steps) std::fputs(session->step_table(in.batch()).c_str(), stdout);
    if (!o.trace.empty()) save(o.trace, session->chrome_trace());
    if (!o.roofline.empty()) draw_roofline(*session, in, o);
  }
  show_result(net, *session, in, o, labels);
  if (o.compare) {
    auto const reference = opened(net, o, precision::f32, catalog::backend::native, in);
    reference->run(in.batch(), in.sources());
    if (net.gives == catalog::meaning::boxes) {
      std::size_t const each = static_cast<std::size_t>(net.outputs[0].item());
      index_t all = 0, found = 0;
      for (std::size_t at = 0; at < session->result().size(); at += each) {
        auto const wanted = boxes_of(reference->result().subspan(at, each), o.top, 1, 1);
        all += std::ssize(wanted);
        found += count_found(wanted, boxes_of(session->result().subspan(at, each), 1 << 30, 1, 1));
      }
      std::printf("against f32: %td of its %td best boxes are there\n", found, all);
      return 0;
    }
    auto const d = difference_of(reference->result(), session->result(), in.batch());
    std::printf("against f32: largest difference %.2g of the largest value; the same top for %td of %td\n", d.relative,
                d.same_top, in.batch());
  }
  return 0;
}

} // namespace

int main(int argc, char** argv) {
  options o;
  CLI::App app{"Runs published networks, compiled into this program by ia_nn. Without weights they have random ones, "
               "which take as long.\n\n"
               "  run --list\n"
               "  run resnet50 --weights resnet50.safetensors --labels names.txt cat.jpg dog.png\n"
               "  run mobilenet_v2_100 --precision int8 --batch 16 --threads 1 --steps\n"};
  app.add_option("network", o.network, "one of --list");
  app.add_option("files", o.files, "pictures (PNG, JPEG) or arrays (NPY) as the network takes them; random numbers if there are none");
  app.add_flag("--list", o.list, "the networks, with their parameters and floating-point operations");
  std::string multiply = "f32", by = "native";
  app.add_option("--precision", multiply, "what layers multiply")->check(CLI::IsMember({"f32", "bf16", "int8"}));
  app.add_option("--backend", by, "whose kernels")->check(CLI::IsMember({"native", "onednn"}));
  app.add_option("--batch", o.batch, "items of a call; as many as the files have if not given")->check(CLI::Range(1, 4096));
  app.add_option("--threads", o.threads, "all cores if not given")->check(CLI::Range(1, 1024));
  app.add_option("--weights", o.weights, "a safetensors file with the names of the published PyTorch model");
  app.add_option("--calibrate", o.calibrate, "files that say what values range over in int8; the files themselves if not given");
  app.add_option("--labels", o.labels, "a file with the name of a class in each line");
  app.add_option("--top", o.top, "classes, or boxes, that are shown")->check(CLI::Range(1, 1000));
  app.add_option("--seconds", o.seconds, "how long the network is timed")->check(CLI::Range(0.0, 3600.0));
  app.add_option("--out", o.out, "keeps the result: a PNG of a network that draws, or of one picture with its boxes; an NPY of any");
  app.add_flag("--compare", o.compare, "compares the result with that of the native kernels in f32");
  app.add_flag("--steps", o.steps, "the time of each step");
  app.add_flag("--plan", o.plan, "the steps with their operations, bytes and places in memory");
  app.add_option("--trace", o.trace, "the steps as JSON for Perfetto");
  app.add_option("--memory", o.memory, "the memory plan as SVG");
  app.add_option("--roofline", o.roofline, "the steps under the roofs of this machine as SVG");
  CLI11_PARSE(app, argc, argv);
  o.multiply = multiply == "bf16" ? precision::bf16 : multiply == "int8" ? precision::s8 : precision::f32;
  if (by == "onednn") o.by = catalog::backend::onednn;
  try {
    if (o.list || o.network.empty()) {
      std::fputs(table_of(catalog::all()).c_str(), stdout);
      return 0;
    }
    return run(o);
  } catch (std::exception const& e) {
    std::fprintf(stderr, "%s\n", e.what());
    return 2;
  }
}

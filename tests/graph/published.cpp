// SPDX-License-Identifier: Apache-2.0
//
// The families of examples/models: their parameters, the names and shapes of all their weights, and
// what they give in double, in f32, bf16 and 8 bits, against the networks of PyTorch that have these names.
// tools/make_golden_models.py has the other side.
#include "../../examples/models/alexnet.hpp"
#include "../../examples/models/dcgan.hpp"
#include "../../examples/models/densenet.hpp"
#include "../../examples/models/googlenet.hpp"
#include "../../examples/models/inception_bn.hpp"
#include "../../examples/models/inception_resnet_v2.hpp"
#include "../../examples/models/inception_v3.hpp"
#include "../../examples/models/inception_v4.hpp"
#include "../../examples/models/mobilenet.hpp"
#include "../../examples/models/mobilenet_v2.hpp"
#include "../../examples/models/resnet.hpp"
#include "../../examples/models/squeezenet.hpp"
#include "../../examples/models/ssd.hpp"
#include "../../examples/models/vgg.hpp"
#include "../catch.hpp"
#include "bytes.hpp"
#include "planned.hpp"

#include <ia_nn/io/safetensors.hpp>

#include <algorithm>

namespace {

using namespace graph_test;
using namespace models;
using graph::any_batch;
using graph::dims;
constexpr auto v1 = resnet_form::v1, v2 = resnet_form::v2;

template <class Net> graph::draft of() { return graph::detail::built<Net>(); }
template <auto Family> graph::draft of() { return of<network_of<Family>>(); }

struct published {
  char const* name; ///< as in make_golden_models.py
  graph::draft (*written)();
  index_t parameters;  ///< without running statistics
  std::uint64_t names; ///< hash of all names and shapes of weights
  dims result{any_batch, 1000};
};

// make_golden_models.py list, with torchvision 0.28, timm 1.0.31 and pretrainedmodels 0.7.4. What the
// authors publish: 25557032 for ResNet-50 and so on (torchvision's pages), for MobileNet v1 4253864,
// 2601976, 1342536 and 475544 with the 21888, 16416, 10944 and 5472 running statistics (Keras).
published const networks[] = {
    {"resnet18", of<resnet{18}>, 11689512, 0xeff72a609153c9ca},
    {"resnet34", of<resnet{34}>, 21797672, 0x5dca93d487aa8c72},
    {"resnet50", of<resnet{}>, 25557032, 0x7ed64358f1dc6581},
    {"resnet101", of<resnet{101}>, 44549160, 0x0f2a1401f5684022},
    {"resnet152", of<resnet{152}>, 60192808, 0x1b66a3a1c12d2296},
    {"resnet50_v1", of<resnet50_v1<>>, 25557032, 0x7ed64358f1dc6581},
    {"resnet101_v1", of<resnet{101, v1}>, 44549160, 0x0f2a1401f5684022},
    {"resnet152_v1", of<resnet{152, v1}>, 60192808, 0x1b66a3a1c12d2296},
    {"resnet18_v2", of<resnet{18, v2}>, 11687720, 0x990a8fe5e54dde20},
    {"resnet34_v2", of<resnet{34, v2}>, 21795880, 0x2cea79005c6bf4fe},
    {"resnet50_v2", of<resnet{50, v2}>, 25549352, 0xf69856564209cbeb},
    {"resnet101_v2", of<resnet{101, v2}>, 44541480, 0x2f3690dfaabeb041},
    {"resnet152_v2", of<resnet{152, v2}>, 60185128, 0x83ac1c5a687242e2},
    {"vgg11", of<vgg{11}>, 132863336, 0x0914691f6cb559f3},
    {"vgg11_bn", of<vgg{11, true}>, 132868840, 0xdec23a16288d69c3},
    {"vgg13", of<vgg{13}>, 133047848, 0x2c4a99f811fb6d64},
    {"vgg13_bn", of<vgg{13, true}>, 133053736, 0x9b1c22cc1183af5c},
    {"vgg16", of<vgg{16}>, 138357544, 0x23bd6d2c2b3cc50a},
    {"vgg16_bn", of<vgg{16, true}>, 138365992, 0x959e429e751aae13},
    {"vgg19", of<vgg{19}>, 143667240, 0xbb42992c17d33f8e},
    {"vgg19_bn", of<vgg{19, true}>, 143678248, 0x793551612879cb9c},
    {"alexnet", of<alexnet{}>, 61100840, 0x04b1001a5281ebb6},
    {"squeezenet1_0", of<squeezenet{0}>, 1248424, 0x15945e8aaa2a333d},
    {"squeezenet1_1", of<squeezenet{1}>, 1235496, 0x0045c2ceefe5131e},
    {"densenet121", of<densenet{121}>, 7978856, 0x66a467c127b6acef},
    {"densenet161", of<densenet{161}>, 28681000, 0x4717c49796c7528a},
    {"densenet169", of<densenet{169}>, 14149480, 0x285b1e976acac331},
    {"densenet201", of<densenet{201}>, 20013928, 0x031e04861a7d41bf},
    {"mobilenet_v1_100", of<mobilenet<>>, 4253864 - 21888, 0xb2ac6ae38bec0b7b},
    {"mobilenet_v1_75", of<mobilenet_v1{75}>, 2601976 - 16416, 0x36627ea0abcb7658},
    {"mobilenet_v1_50", of<mobilenet_v1{50}>, 1342536 - 10944, 0x3028fc9e71b937f9},
    {"mobilenet_v1_25", of<mobilenet_v1{25}>, 475544 - 5472, 0x5375b697e71cc97f},
    {"mobilenet_v2_100", of<mobilenet_v2{}>, 3504872, 0x020bb0434031c877},
    {"mobilenet_v2_75", of<mobilenet_v2{75}>, 2636424, 0x92b9ba1d48401036},
    {"mobilenet_v2_50", of<mobilenet_v2{50}>, 1968680, 0x201677f56ff5e1c8},
    {"mobilenet_v2_25", of<mobilenet_v2{25}>, 1519112, 0x25af87576bbe971f},
    {"googlenet", of<googlenet{}>, 6624904, 0xbca8d5675ff37b49},
    {"inception_bn", of<inception_bn{}>, 11295240, 0x8dcb1912763c9377},
    {"inception_v3", of<inception_v3<>>, 23834568, 0x40340cdc17a51edd},
    {"inception_v4", of<inception_v4{}>, 42679816, 0x6fe90bd2070279ce},
    {"inception_resnet_v2", of<inception_resnet_v2{}>, 55843464, 0xbf10490fc0b51dec},
    {"dcgan_generator", of<dcgan_generator<>>, 3576704, 0x22dfcb22eb653531, {any_batch, 64, 64, 3}},
    {"dcgan_discriminator", of<dcgan_discriminator<>>, 2765568, 0x42d8b725606e00dc, {any_batch, 1}},
    // With 8732 priors, which files do not have, and the scales of the first map as (512, 1, 1).
    {"ssd300_vgg16", of<ssd_vgg16{}>, 35641826 + 8732 * 4, 0x288a3375d2801ce9, {any_batch, 200, 6}},
};

/// FNV-1a.
template <std::unsigned_integral U> U hash_of(std::string const& text, U start, U prime) {
  for (char const c : text) start = (start ^ static_cast<unsigned char>(c)) * prime;
  return start;
}

/// "name extent extent ...\n" for each weight, sorted.
std::string names_of(graph::draft const& d) {
  std::vector<std::string> lines;
  graph::for_each_weight(d, d.count(), [&](graph::node const&, std::string_view,
                                           std::string const& name,
                                           std::vector<index_t> const& shape) {
    std::string& line = lines.emplace_back(name);
    for (index_t const e : shape) line += " " + std::to_string(e);
  });
  std::sort(lines.begin(), lines.end());
  std::string all;
  for (std::string const& line : lines) all += line + "\n";
  return all;
}
index_t parameters_of(graph::draft const& d) {
  index_t n = 0;
  for (int i = 0; i < d.count(); ++i)
    for (graph::weight const& w : graph::weights_of(d, i)) n += w.learned ? w.shape.size() : 0;
  return n;
}

TEST_CASE("published networks have the parameters of their originals", "[graph]") {
  REQUIRE(std::size(networks) >= 36);
  for (published const& p : networks) {
    INFO(p.name);
    graph::draft const d = p.written();
    REQUIRE(std::string(d.mistake.view()) == "");
    CHECK(parameters_of(d) == p.parameters);
    CHECK(d[d.count() - 1].kind == graph::op::output);
    CHECK(d[d.count() - 1].shape == p.result);
    std::string const names = names_of(d);
    bool const same =
        hash_of<std::uint64_t>(names, 14695981039346656037U, 1099511628211U) == p.names;
    if (!same) UNSCOPED_INFO(names);
    CHECK(same);
  }
}

TEST_CASE("options that no published network has", "[graph]") {
  auto const mistake = [](graph::draft const& d) { return std::string(d.mistake.view()); };
  CHECK(mistake(of<resnet{51}>()) == "ia_nn: resnet: .layers is 18, 34, 50, 101 or 152");
  CHECK(mistake(of<vgg{12}>()) == "ia_nn: vgg: .layers is 11, 13, 16 or 19");
  CHECK(mistake(of<densenet{120}>()) == "ia_nn: densenet: .layers is 121, 161, 169 or 201");
  CHECK(mistake(of<squeezenet{2}>()) ==
        "ia_nn: squeezenet: .revision is 0 for 1.0 or 1 for 1.1");
  CHECK(mistake(of<mobilenet_v1{3}>()) == "ia_nn: mobilenet_v1: .width_percent is at least 4");
  CHECK(mistake(of<mobilenet_v2{0}>()) == "ia_nn: mobilenet_v2: .width_percent is at least 1");
}

// ---- what they give --------------------------------------------------------------------------

/// Numbers from -1 to 1 that depend on the name and the place alone, as in make_golden_models.py.
std::vector<f32> drawn(std::string const& name, index_t count) {
  std::vector<f32> x(static_cast<std::size_t>(count));
  std::uint32_t const seed = hash_of<std::uint32_t>(name, 2166136261U, 16777619U);
  for (std::size_t i = 0; i < x.size(); ++i) {
    std::uint32_t h = static_cast<std::uint32_t>(i) * 2654435761U + seed;
    h = (h ^ (h >> 16)) * 0x45D9F3BU;
    h = (h ^ (h >> 16)) * 0x45D9F3BU;
    h ^= h >> 16;
    x[i] = static_cast<f32>(h >> 8) * 0x1p-23F - 1;
  }
  return x;
}

/// One image and the weights, drawn.
void draw(problem& p, graph::draft const& d) {
  p.batch = 1;
  graph::for_each_weight(d, d.count(), [&](graph::node const& n, std::string_view what,
                                           std::string const& name,
                                           std::vector<index_t> const& shape) {
    index_t size = 1;
    for (index_t const e : shape) size *= e;
    std::vector<f32>& x = p.weights.store.emplace_back(drawn(name, size));
    index_t const outputs = n.kind == graph::op::deconv ? n.attributes.filters : shape[0];
    // Extents of 1 behind a parameter of an image do not count: its source has one extent.
    bool const matrix = shape.size() > 1 && size > shape[0], near_one = what == ".weight" || what == ".running_var";
    f32 const scale =
        matrix ? static_cast<f32>(std::sqrt(6.0 / static_cast<double>(size / outputs))) : 0.25F;
    for (f32& e : x) e = e * scale + (!matrix && near_one ? 1.0F : 0.0F);
    p.weights.from.add(name, shape, x);
    p.weights.by_name[name] = &x;
  });
  dims const in = d[0].shape; // one item, channels last; drawn with channels first
  std::vector<f32> const x = drawn("image", in.size());
  auto& image = p.floats.emplace_back(in.size());
  p.numbers.emplace_back(x.size());
  index_t const channels = in.last(), pixels = in.size() / channels;
  for (index_t i = 0; i < pixels; ++i)
    for (index_t c = 0; c < channels; ++c) {
      image[i * channels + c] = x[static_cast<std::size_t>(c * pixels + i)];
      p.numbers[0][static_cast<std::size_t>(i * channels + c)] = static_cast<double>(image[i * channels + c]);
    }
  p.in.emplace_back(image.data());
}

/// Every eighth line and column, of which the files have the image of the generator.
struct few_pixels {
  static constexpr auto build(graph::builder& b) {
    auto const x = dcgan_generator<dcgan{.width = 4}>::build(b);
    return slice(slice(x, {.axis = 1, .step = 8}), {.axis = 2, .step = 8});
  }
};

struct evaluated {
  char const* name;
  graph::draft (*written)();
};
template <auto Family, index_t Pixels> graph::draft small() {
  return of<network_of<Family, any_batch, Pixels>>();
}
evaluated const outputs[] = {
    {"resnet18", small<resnet{18, resnet_form::v1_5, 10}, 32>},
    {"resnet50", small<resnet{.classes = 10}, 64>},
    {"resnet50_v1", small<resnet{50, v1, 10}, 64>},
    {"resnet18_v2", small<resnet{18, v2, 10}, 32>},
    {"resnet50_v2", small<resnet{50, v2, 10}, 64>},
    {"vgg11_bn", small<vgg{11, true, 10, 32}, 224>},
    {"alexnet", small<alexnet{10, 32}, 224>},
    {"squeezenet1_0", small<squeezenet{0, 10}, 64>},
    {"squeezenet1_1", small<squeezenet{1, 10}, 64>},
    {"densenet121", small<densenet{121, 10}, 64>},
    {"mobilenet_v1_50", small<mobilenet_v1{50, 10}, 64>},
    {"mobilenet_v2_25", small<mobilenet_v2{25, 10}, 64>},
    {"googlenet", small<googlenet{10}, 64>},
    {"inception_bn", small<inception_bn{10}, 224>},
    {"inception_v3", of<inception_v3<any_batch, 75, 10>>},
    {"inception_v4", small<inception_v4{10}, 75>},
    {"inception_resnet_v2", small<inception_resnet_v2{10}, 75>},
    {"dcgan_generator", of<few_pixels>},
    {"dcgan_discriminator", of<dcgan_discriminator<dcgan{.width = 4}>>},
};

/// With the kernels of the best instruction set, in f32, bf16 and 8 bits.
void check_kernels(problem& p, graph::draft const& d) {
  run_time_plan const n(d, {});
  bool done = false;
  for_each_isa<planned_isas>([&](auto tag) {
    using I = decltype(tag);
    if (done || !ia_nn::isa::available<I>()) return;
    done = true;
    graph::compile_options o{.max_batch = 1};
    CHECK(distance(run_planned<I>(n, p, o).out[0], p.expected[0]) <= 5e-6);
    CHECK(distance(run_planned<I>(n, p, o, graph::precision::bf16).out[0], p.expected[0]) <= 0.05);
    o.ranges = ranges_of(n.view(), p);
    CHECK(distance(run_planned<I>(n, p, o, graph::precision::s8).out[0], p.expected[0]) <= 0.15);
  });
}

TEST_CASE("published networks give what their originals give", "[graph]") {
  graph::file_weights const file(ia_nn::load_safetensors(IA_NN_GOLDEN "/published.safetensors"));
  REQUIRE(file.names().size() == std::size(outputs));
  for (evaluated const& e : outputs) {
    INFO(e.name);
    graph::draft const d = e.written();
    REQUIRE(std::string(d.mistake.view()) == "");
    problem p;
    draw(p, d);
    // By the rules that kernels are compared with, in double as the file, which is rounded to f32.
    p.expected = interpret(d.nodes.data(), d.count(), p.weights, 1, p.numbers);
    std::vector<f32> const golden = file.values(e.name);
    REQUIRE(golden.size() == p.expected[0].size());
    CHECK(distance(golden.data(), p.expected[0]) <= 1.2e-7);
    CHECK(largest(p.expected[0]) > 0.01);
    if (!under_asan) check_kernels(p, d); // layers and small networks are sanitized in other files
  }
}

/// Every 97th box and its scores: the files have no more.
struct some_boxes {
  static constexpr auto build(graph::builder& b) {
    auto const all = ssd_vgg16{}.all(input(b, "image", {any_batch, 300, 300, 3}));
    return slice(graph::concat({all.boxes, all.scores}), {.axis = 1, .step = 97});
  }
};

TEST_CASE("SSD gives the boxes and scores of its original", "[graph]") {
  if (under_asan) return; // too slow there
  graph::file_weights const file(ia_nn::load_safetensors(IA_NN_GOLDEN "/ssd.safetensors"));
  std::vector<f32> const boxes = file.values("boxes"), scores = file.values("scores");
  graph::draft const d = of<some_boxes>();
  REQUIRE(std::string(d.mistake.view()) == "");
  problem p;
  draw(p, d);
  std::vector<f32> const priors = priors_of<ssd_vgg16>();
  REQUIRE(p.weights.store.size() > 0);
  auto const at = std::find_if(p.weights.store.begin(), p.weights.store.end(),
                               [&](auto const& v) { return v.size() == priors.size(); });
  REQUIRE(at != p.weights.store.end());
  std::copy(priors.begin(), priors.end(), at->begin());
  p.expected.emplace_back(91 * 95);
  run_time_plan const n(d, {});
  bool done = false;
  for_each_isa<planned_isas>([&](auto tag) {
    using I = decltype(tag);
    if (done || !ia_nn::isa::available<I>()) return;
    done = true;
    call const c = run_planned<I>(n, p, {.max_batch = 1});
    double off_boxes = 0, off_scores = 0;
    for (std::size_t i = 0; i < 91; ++i)
      for (std::size_t k = 0; k < 95; ++k) {
        double const y = static_cast<double>(c.out[0][static_cast<index_t>(95 * i + k)]);
        if (k < 4) off_boxes = std::fmax(off_boxes, std::fabs(y - static_cast<double>(boxes[4 * i + k])));
        else off_scores = std::fmax(off_scores, std::fabs(y - static_cast<double>(scores[91 * i + k - 4])));
      }
    CHECK(off_boxes <= 1e-3); // pixels
    CHECK(off_scores <= 1e-5);
  });
}

} // namespace

// SPDX-License-Identifier: Apache-2.0
//
// What the driver of the published networks reads: pictures, arrays, labels; and what it says of results.
#include "../../examples/models/driver/picture.hpp"
#include "../../examples/models/driver/report.hpp"
#include "../catch.hpp"

#include <ia_nn/core/error.hpp>
#include <ia_nn/io/npy.hpp>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <unistd.h>

namespace {

using namespace models::driver;
using ia_nn::f32;
using ia_nn::index_t;
using models::catalog::entry;
namespace graph = ia_nn::graph;

class folder {
public:
  folder() { std::filesystem::create_directories(path_); }
  ~folder() { std::filesystem::remove_all(path_); }
  folder(folder const&) = delete;
  folder& operator=(folder const&) = delete;
  std::string operator/(char const* name) const { return (path_ / name).string(); }

private:
  std::filesystem::path path_ = std::filesystem::temp_directory_path() / ("ia_nn_models." + std::to_string(::getpid()));
};

std::string bytes_of(std::string const& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}
picture parsed(std::string const& bytes, index_t most = most_pixels) {
  return parse_picture(std::as_bytes(std::span(bytes)), "x", most);
}
std::string sentence_of(auto const& f) {
  try {
    f();
  } catch (ia_nn::error const& e) {
    return e.what();
  }
  return "no error";
}

picture pattern() {
  picture p{7, 5, std::vector<std::uint8_t>(105)};
  for (index_t x = 0; x < 7; ++x)
    for (index_t y = 0; y < 5; ++y) {
      p.at(x, y)[0] = static_cast<std::uint8_t>(37 * x + 11 * y);
      p.at(x, y)[1] = static_cast<std::uint8_t>(91 * x * y + 5);
      p.at(x, y)[2] = static_cast<std::uint8_t>(255 - 30 * x);
    }
  return p;
}
void check_near(picture const& p, std::vector<int> const& expected) {
  REQUIRE(p.rgb.size() == expected.size());
  for (std::size_t i = 0; i < expected.size(); ++i) {
    INFO("byte " << i);
    CHECK(std::abs(p.rgb[i] - expected[i]) <= 1);
  }
}

entry image_net(index_t pixels) {
  entry e{.name = "net", .family = "none"};
  e.inputs.push_back({"image", {graph::any_batch, pixels, pixels, 3}, graph::value_type::f32});
  e.outputs.push_back({"logits", {graph::any_batch, 4}, graph::value_type::f32});
  return e;
}

} // namespace

TEST_CASE("pictures are scaled as Pillow does", "[models]") {
  check_near(scaled(pattern(), 3, 2), {43, 61, 229, 122, 70, 165, 201, 88, 101, 65, 67, 229, 144, 96, 165, 194, 107, 101});
  check_near(scaled(pattern(), 4, 9),
             {19,  5,   239, 77,  5,   193, 145, 5,   137, 203, 5,   91,  23,  21,  239, 81,  44,  193, 149, 39,  137, 207,
              41,  91,  29,  48,  239, 87,  110, 193, 155, 95,  137, 213, 101, 91,  35,  69,  239, 93,  116, 193, 161, 128,
              137, 219, 113, 91,  41,  88,  239, 99,  107, 193, 167, 155, 137, 225, 112, 91,  47,  47,  239, 105, 70,  193,
              173, 109, 137, 231, 104, 91,  53,  19,  239, 111, 53,  193, 179, 77,  137, 222, 98,  91,  59,  46,  239, 117,
              119, 193, 185, 105, 137, 154, 97,  91,  63,  62,  239, 121, 158, 193, 189, 121, 137, 113, 97,  91});
  CHECK(scaled(pattern(), 7, 5).rgb == pattern().rgb);
  picture const middle = middle_square(pattern(), 5, 1);
  for (index_t x = 0; x < 5; ++x) CHECK(std::equal(middle.at(x, 2), middle.at(x, 2) + 3, pattern().at(x + 1, 2)));
}

TEST_CASE("PNG there and back; JPEG as Pillow reads it", "[models]") {
  folder const here;
  save_png(pattern(), here / "p.png");
  CHECK(load_picture(here / "p.png").rgb == pattern().rgb);
  picture const p = parsed(bytes_of(IA_NN_SMALL_JPEG));
  REQUIRE(p.width == 4);
  REQUIRE(p.height == 3);
  int const expected[] = {12,  9,  148, 26, 23, 162, 86,  30, 137, 97,  41,  148, 62, 59,  198, 76,  73,  212,
                          135, 79, 186, 147, 91, 198, 70, 123, 203, 84, 137, 217, 142, 144, 193, 153, 155, 204};
  for (std::size_t i = 0; i < 36; ++i) CHECK(std::abs(p.rgb[i] - expected[i]) <= 2);
}

TEST_CASE("damaged pictures are refused with a sentence", "[models]") {
  folder const here;
  save_png(pattern(), here / "p.png");
  std::string const png = bytes_of(here / "p.png"), jpeg = bytes_of(IA_NN_SMALL_JPEG);
  for (std::string const& file : {png, jpeg})
    for (std::size_t n = 0; n + 16 < file.size(); n += 7) {
      INFO("the first " << n << " bytes of " << file.size());
      CHECK(sentence_of([&] { parsed(file.substr(0, n)); }).starts_with("ia_nn: 'x' "));
    }
  CHECK(sentence_of([] { parsed(""); }) == "ia_nn: 'x' is empty");
  CHECK(sentence_of([] { parsed("GIF89a"); }) == "ia_nn: 'x' is neither a PNG nor a JPEG");
  for (std::string const& file : {png, jpeg})
    CHECK(sentence_of([&] { parsed(file, 11); }).ends_with(" pixels, more than 11"));
  CHECK(sentence_of([&] { load_picture(here / "none.png"); }).ends_with("none.png' cannot be read"));
  CHECK(sentence_of([&] { save_png(pattern(), here / "no/p.png"); }).find("no/p.png' cannot be written") != std::string::npos);
}

TEST_CASE("batches of files", "[models]") {
  folder const here;
  save_png(pattern(), here / "p.png");
  entry const net = image_net(5);
  std::vector<f32> numbers(2 * 75);
  for (std::size_t i = 0; i < numbers.size(); ++i) numbers[i] = static_cast<f32>(i);
  auto const all = std::span<f32 const>(numbers);
  ia_nn::save_npy(here / "two.npy", all, {2, 5, 5, 3});
  ia_nn::save_npy(here / "planes.npy", all.first(75), {3, 5, 5});
  ia_nn::save_npy(here / "other.npy", all.first(48), {4, 4, 3});
  ia_nn::save_npy(here / "none.npy", all.first(0), {0, 5, 5, 3});

  auto const in = inputs::of_files(net, {here / "p.png", here / "two.npy"}, 4);
  CHECK(in.batch() == 4);
  auto const* const x = static_cast<f32 const*>(in.sources()[0].data);
  picture const square = middle_square(pattern(), 5);
  CHECK(x[1] == (static_cast<f32>(square.rgb[1]) / 255 - 0.456F) / 0.224F);
  CHECK(x[75] == 0);
  CHECK(x[2 * 75] == 75);
  CHECK(x[3 * 75 + 1] == x[1]); // the first once more
  CHECK(in.names()[3] == here / "p.png");
  CHECK(inputs::of_files(net, {here / "two.npy"}, 0).batch() == 2);

  auto const planes = inputs::of_files(net, {here / "planes.npy"}, 0);
  CHECK(static_cast<f32 const*>(planes.sources()[0].data)[4] == 26); // pixel 1, channel 1

  auto const refused = [&](char const* file) {
    return sentence_of([&] { inputs::of_files(net, {here / file}, 0); });
  };
  CHECK(refused("other.npy").ends_with("is of shape (4, 4, 3), input 'image' takes items of (5, 5, 3) or, channels "
                                       "first, (3, 5, 5), any number of them"));
  CHECK(refused("none.npy").ends_with("none.npy' has no items"));

  entry rows = image_net(5);
  rows.inputs = {{"ids", {graph::any_batch, 1}, graph::value_type::s32, 3}, {"x", {graph::any_batch, 2}, graph::value_type::f32}};
  ia_nn::save_npy(here / "ids.npy", std::span<ia_nn::s32 const>(std::vector<ia_nn::s32>{0, 3}), {2, 1});
  ia_nn::save_npy(here / "x.npy", all.first(4), {2, 2});
  CHECK(sentence_of([&] { inputs::of_files(rows, {here / "ids.npy", here / "x.npy"}, 0); })
            .ends_with("ids.npy' has index 3, the table of 'ids' has 3 rows"));
  CHECK(sentence_of([&] { inputs::of_files(rows, {here / "x.npy"}, 0); }) ==
        "ia_nn: 'net' has 2 inputs: give an array (NPY) for each, not 1 files");
  CHECK(sentence_of([&] { inputs::of_files(rows, {here / "p.png", here / "x.npy"}, 0); }).ends_with("which input 'ids' takes"));
}

TEST_CASE("random batches are the same for a seed, indices within their tables", "[models]") {
  entry net = image_net(2);
  net.inputs.push_back({"ids", {graph::any_batch, 9}, graph::value_type::s32, 5});
  auto const a = inputs::random(net, 3, 1), b = inputs::random(net, 3, 1), c = inputs::random(net, 3, 2);
  auto const floats = [](inputs const& i) { return static_cast<f32 const*>(i.sources()[0].data); };
  CHECK(std::equal(floats(a), floats(a) + 36, floats(b)));
  CHECK_FALSE(std::equal(floats(a), floats(a) + 36, floats(c)));
  auto const* const ids = static_cast<ia_nn::s32 const*>(a.sources()[1].data);
  CHECK(std::all_of(ids, ids + 27, [](ia_nn::s32 i) { return i >= 0 && i < 5; }));
}

TEST_CASE("what is told of results", "[models]") {
  entry const net = image_net(2);
  auto const in = inputs::random(net, 2, 1);
  std::vector<f32> const logits{0, 1, 0, 0, 5, 0, 7, 0}, other{0, 1, 0, 0, 7, 0, 5, 0};
  std::string const best = best_classes(logits, in, 2, {"ant", "bee", "cat", "dog"});
  CHECK(best == "random numbers\n   47.54 %  bee\n   17.49 %  ant\nrandom numbers\n   87.94 %  cat\n   11.90 %  ant\n");
  auto const d = difference_of(logits, other, 2);
  CHECK(d.same_top == 1);
  CHECK(d.relative == 2.0 / 7);
  folder const here;
  std::ofstream(here / "l.txt") << "a\nb\n";
  CHECK(load_labels(here / "l.txt", 2) == std::vector<std::string>{"a", "b"});
  CHECK(sentence_of([&] { load_labels(here / "l.txt", 3); }).ends_with("has 2 lines, the network has 3 classes"));
  CHECK(sentence_of([&] { load_labels(here / "m.txt", 3); }).ends_with("cannot be read"));
  CHECK(short_number(1234) == "1.23 k");
  CHECK(short_number(25557032) == "25.6 M");
  picture const p = picture_of(std::vector<f32>{-1, 0, 1, 5, -9, 0.5F}, 1, 2);
  CHECK(p.rgb == std::vector<std::uint8_t>{0, 128, 255, 255, 0, 191});
}

TEST_CASE("boxes that detectors find", "[models]") {
  std::vector<f32> const rows{2, 0.75F, 1, 1, 3, 4, 1, 0.5F, 0, 0, 9, 9, -1, 0, 0, 0, 0, 0};
  auto const boxes = boxes_of(rows, 9, 1, 2);
  REQUIRE(boxes.size() == 2);
  CHECK(boxes[0].corner[3] == 8);
  CHECK(boxes_of(rows, 1, 1, 1).size() == 1);
  CHECK(text_of(boxes, {"a", "b", "cat"}) == "   75.00 %  cat                  from (1, 2) to (3, 8)\n"
                                             "   50.00 %  b                    from (0, 0) to (9, 18)\n");
  CHECK(text_of(boxes, {"a"}).starts_with("   75.00 %  class 2 "));
  auto other = boxes;
  CHECK(count_found(boxes, other) == 2);
  other[0].label = 1, other[1].corner[2] = 4;
  CHECK(count_found(boxes, other) == 0);
  other[1].corner[2] = 4.5F;
  CHECK(count_found(boxes, other) == 1);

  picture p{7, 5, std::vector<std::uint8_t>(105)};
  draw(p, boxes); // the second one goes beyond it
  auto const painted = [&](index_t x, index_t y) { return p.at(x, y)[0] + p.at(x, y)[1] + p.at(x, y)[2] > 0; };
  CHECK(painted(0, 0));
  CHECK(painted(6, 4));
  CHECK(painted(1, 3));
  CHECK(std::count_if(p.rgb.begin(), p.rgb.end(), [](std::uint8_t b) { return b > 0; }) > 60);
}

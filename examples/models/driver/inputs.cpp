// SPDX-License-Identifier: Apache-2.0
#include "inputs.hpp"

#include <ia_nn/core/error.hpp>
#include <ia_nn/io/npy.hpp>

namespace models::driver {
namespace {

using catalog::entry;
using catalog::terminal;

[[noreturn]] void fail(std::string const& what) { ia_nn::throw_error(ia_nn::errc::bad_parameter, what); }

std::string text_of(std::vector<index_t> const& shape) {
  std::string t = "(";
  for (std::size_t i = 0; i < shape.size(); ++i) t += (i > 0 ? ", " : "") + std::to_string(shape[i]);
  return t + (shape.size() == 1 ? ",)" : ")");
}

/// The extents of an item, channels last or first.
std::vector<index_t> item_shape(terminal const& t, bool channels_first) {
  std::vector<index_t> s(t.shape.extent + 1, t.shape.extent + t.shape.rank);
  if (channels_first && s.size() == 3) s = {s[2], s[0], s[1]};
  return s;
}

/// Items of an array, channels last.
template <class T> std::vector<T> items_of(ia_nn::npy_array const& a, terminal const& t) {
  bool const batched = a.shape.size() == static_cast<std::size_t>(t.shape.rank);
  std::vector<index_t> const item(a.shape.begin() + (batched ? 1 : 0), a.shape.end());
  std::vector<index_t> const last = item_shape(t, false), first = item_shape(t, true);
  if (item != last && item != first)
    fail("'" + a.name + "' is of shape " + text_of(a.shape) + ", input '" + t.name + "' takes items of " + text_of(last) +
         (first == last ? "" : " or, channels first, " + text_of(first)) + ", any number of them");
  auto v = ia_nn::npy_elements<T>(a);
  if (v.empty()) fail("'" + a.name + "' has no items");
  if (item == last) return v;
  std::vector<T> turned(v.size());
  auto const channels = static_cast<std::size_t>(last[2]), pixels = static_cast<std::size_t>(last[0] * last[1]);
  for (std::size_t i = 0; i < v.size(); i += channels * pixels)
    for (std::size_t c = 0; c < channels; ++c)
      for (std::size_t p = 0; p < pixels; ++p) turned[i + p * channels + c] = v[i + c * pixels + p];
  return turned;
}

std::vector<f32> numbers_of(picture const& p, catalog::pixel_scale const& s) {
  std::vector<f32> v;
  v.reserve(p.rgb.size());
  for (std::size_t i = 0; i < p.rgb.size(); ++i)
    v.push_back((static_cast<f32>(p.rgb[i]) / 255 - s.mean[i % 3]) / s.deviation[i % 3]);
  return v;
}

bool is_array(std::string const& path) { return path.ends_with(".npy"); }

/// Cuts, or repeats from the beginning, to `batch` items; returns how many there were.
template <class T> index_t fill(std::vector<T>& v, index_t item, index_t batch) {
  index_t const there = static_cast<index_t>(v.size()) / item;
  auto const wanted = static_cast<std::size_t>(batch * item), had = static_cast<std::size_t>(there * item);
  v.reserve(wanted);
  while (v.size() < wanted) v.push_back(v[v.size() - had]);
  v.resize(wanted);
  return there;
}

} // namespace

inputs inputs::random(entry const& net, index_t batch, unsigned seed) {
  inputs in;
  in.batch_ = batch;
  in.memory_ = catalog::batch::random(net, batch, seed);
  in.names_.assign(static_cast<std::size_t>(batch), "random numbers");
  return in;
}

inputs inputs::of_files(entry const& net, std::vector<std::string> const& files, index_t batch) {
  inputs in;
  if (net.inputs.size() > 1) { // an array each
    if (files.size() != net.inputs.size())
      fail("'" + net.name + "' has " + std::to_string(net.inputs.size()) + " inputs: give an array (NPY) for each, not " +
           std::to_string(files.size()) + " files");
    index_t there = 0;
    for (std::size_t k = 0; k < files.size(); ++k) {
      terminal const& t = net.inputs[k];
      if (!is_array(files[k])) fail("'" + files[k] + "' is not an array (.npy), which input '" + t.name + "' takes");
      auto const a = ia_nn::load_npy(files[k]);
      auto const add = [&](auto v) {
        index_t const items = static_cast<index_t>(v.size()) / t.item();
        if (k > 0 && items != there)
          fail("'" + files[k] + "' has " + std::to_string(items) + " items, '" + files[0] + "' " + std::to_string(there));
        there = items;
        in.batch_ = batch > 0 ? batch : items;
        fill(v, t.item(), in.batch_);
        in.memory_.add(std::move(v));
      };
      if (t.type == graph::value_type::s32) {
        auto const v = items_of<std::int64_t>(a, t);
        for (std::int64_t const x : v)
          if (x < 0 || x >= (t.rows > 0 ? t.rows : 1 << 30))
            fail("'" + files[k] + "' has index " + std::to_string(x) + ", the table of '" + t.name + "' has " +
                 std::to_string(t.rows) + " rows");
        add(std::vector<ia_nn::s32>(v.begin(), v.end()));
      } else {
        add(items_of<f32>(a, t));
      }
    }
    in.names_.assign(static_cast<std::size_t>(in.batch_), files[0]);
    return in;
  }
  terminal const& t = net.inputs[0];
  std::vector<f32> all;
  for (std::string const& path : files) {
    std::vector<f32> v;
    if (is_array(path)) v = items_of<f32>(ia_nn::load_npy(path), t);
    else if (!net.takes_images()) fail("'" + path + "' is not an array (.npy), and '" + net.name + "' takes no pictures");
    else {
      picture const p = load_picture(path);
      index_t const side = t.shape.extent[1];
      v = numbers_of(net.gives == catalog::meaning::boxes ? scaled(p, side, side) : middle_square(p, side), net.pixels);
    }
    in.names_.insert(in.names_.end(), v.size() / static_cast<std::size_t>(t.item()), path);
    all.insert(all.end(), v.begin(), v.end());
  }
  auto const there = static_cast<index_t>(in.names_.size());
  in.batch_ = batch > 0 ? batch : there;
  fill(all, t.item(), in.batch_);
  fill(in.names_, 1, in.batch_);
  in.memory_.add(std::move(all));
  return in;
}

} // namespace models::driver

// SPDX-License-Identifier: Apache-2.0
#include "arrays.hpp"

#include <ia_nn/ops/move.hpp>

#include <cstring>

namespace onnx_cases {

using ia_nn::u8;

std::size_t axis_of(index_t d, std::size_t rank) {
  index_t const n = static_cast<index_t>(rank), axis = d < 0 ? d + n : d;
  if (axis < 0 || axis >= n)
    throw std::runtime_error("axis " + std::to_string(d) + " of " + std::to_string(rank));
  return at(axis);
}

index_t extents_product(shape_list const& s, std::size_t from, std::size_t to) {
  index_t n = 1;
  for (std::size_t d = from; d < to; ++d) n *= s[d];
  return n;
}
index_t extents_product(shape_list const& s) { return extents_product(s, 0, s.size()); }

shape_list integers(op_case const& c, std::size_t i, char const* attribute) {
  if (npy_array const* const given = c.input(i)) {
    shape_list list;
    for (std::int64_t const n : ia_nn::npy_elements<std::int64_t>(*given)) list.push_back(n);
    return list;
  }
  return c.attribute.get(attribute, shape_list{});
}

npy_array reshaped(npy_array const& a, shape_list const& s) {
  if (extents_product(s) != a.size()) throw std::runtime_error("a shape of another size");
  npy_array b = a;
  b.shape = s;
  return b;
}

template <class T> image_batch<T> images(npy_array const& x) {
  if (x.type != ia_nn::npy_type_of<T>())
    throw unsupported(std::string("elements of type ") + ia_nn::name_of(x.type));
  if (x.shape.size() < 2 || x.shape.size() > 5)
    throw unsupported("images of " + std::to_string(x.shape.size()) + " axes");
  image_batch<T> b{x.shape[0], x.shape[1], {}, std::vector<T>(at(x.size()))};
  for (std::size_t d = 2; d < x.shape.size(); ++d)
    b.in[static_cast<int>(d + 3 - x.shape.size())] = x.shape[d];
  std::vector<T> first(at(x.size()));
  if (!first.empty()) std::memcpy(first.data(), x.bytes.data(), x.bytes.size());
  ia_nn::to_channels_last<ia_nn::isa::native>(b.batch, b.channels, b.in.size(), first.data(),
                                              b.pixels.data());
  return b;
}
template image_batch<f32> images<f32>(npy_array const&);
template image_batch<u8> images<u8>(npy_array const&);

template <class T>
npy_array channels_first(std::vector<T> const& pixels, index_t batch, index_t channels,
                         ia_nn::spatial const& out, npy_array const& like) {
  std::vector<T> first(pixels.size());
  ia_nn::to_channels_first<ia_nn::isa::native>(batch, channels, out.size(), pixels.data(),
                                               first.data());
  shape_list shape{batch, channels};
  for (std::size_t d = 2; d < like.shape.size(); ++d)
    shape.push_back(out[static_cast<int>(d + 3 - like.shape.size())]);
  return array_of(first, shape);
}
template npy_array channels_first<f32>(std::vector<f32> const&, index_t, index_t,
                                       ia_nn::spatial const&, npy_array const&);
template npy_array channels_first<u8>(std::vector<u8> const&, index_t, index_t,
                                      ia_nn::spatial const&, npy_array const&);
template npy_array channels_first<s32>(std::vector<s32> const&, index_t, index_t,
                                       ia_nn::spatial const&, npy_array const&);

} // namespace onnx_cases

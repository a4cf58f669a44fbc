// SPDX-License-Identifier: Apache-2.0
#include "windows.hpp"

#include <algorithm>

namespace onnx_cases {

ia_nn::window window_of(op_case const& c, ia_nn::spatial const& image, std::size_t rank,
                        npy_array const* weights, bool transposed) {
  auto const list = [&](char const* name, std::size_t n, index_t otherwise) {
    auto const given = c.attribute.get(name, shape_list(n, otherwise));
    if (given.size() != n) throw std::runtime_error(std::string(name) + " has another length");
    return given;
  };
  auto const stride = list("strides", rank, 1), dilation = list("dilations", rank, 1);
  auto const pads = list("pads", 2 * rank, 0);
  auto kernel = list("kernel_shape", rank, 1);
  if (weights && !c.attribute.has("kernel_shape"))
    kernel.assign(weights->shape.end() - static_cast<std::ptrdiff_t>(rank), weights->shape.end());
  auto const automatic = c.attribute.get("auto_pad", std::string("NOTSET"));
  bool const same = automatic == "SAME_UPPER" || automatic == "SAME_LOWER";
  if (!same && automatic != "NOTSET" && automatic != "VALID")
    throw std::runtime_error("auto_pad " + automatic);
  ia_nn::window w;
  for (std::size_t i = 0; i < rank; ++i) {
    int const d = static_cast<int>(i + 3 - rank);
    w.kernel[d] = kernel[i], w.stride[d] = stride[i], w.dilation[d] = dilation[i];
    w.pad_begin[d] = pads[i], w.pad_end[d] = pads[rank + i];
    if (same && !transposed) {
      index_t const out = (image[d] + stride[i] - 1) / stride[i];
      index_t const all = std::max<index_t>((out - 1) * stride[i] + w.reach(d) - image[d], 0);
      w.pad_begin[d] = automatic == "SAME_UPPER" ? all / 2 : all - all / 2;
      w.pad_end[d] = all - w.pad_begin[d];
    }
  }
  return w;
}

} // namespace onnx_cases

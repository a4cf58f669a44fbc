// SPDX-License-Identifier: Apache-2.0
//
// Memory of operands and results, and how far two results are apart.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <stdexcept>

namespace bench {

template <class T> class buffer { // aligned to a page, as large buffers of a program are
public:
  explicit buffer(std::size_t size) : size_(size) {
    std::size_t const bytes = (size * sizeof(T) + 4095) / 4096 * 4096;
    data_.reset(static_cast<T*>(std::aligned_alloc(4096, bytes)));
    if (data_ == nullptr) throw std::runtime_error("no memory for the operands");
    std::memset(static_cast<void*>(data_.get()), 0, bytes);
  }
  T* data() const { return data_.get(); }
  std::size_t size() const { return size_; }
  T& operator[](std::size_t i) const { return data_[i]; }

private:
  struct release {
    void operator()(T* p) const { std::free(static_cast<void*>(p)); }
  };
  std::size_t size_;
  std::unique_ptr<T[], release> data_;
};

// Largest difference over the largest value.
template <class X, class Y> double distance(X const& x, Y const& y) {
  double difference = 0, value = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    double const a = static_cast<double>(x[i]), b = static_cast<double>(y[i]);
    double const d = std::abs(a - b);
    if (!(d <= difference)) difference = d; // a NaN stays
    value = std::max(value, std::abs(b));
  }
  return value > 0 ? difference / value : difference;
}

} // namespace bench

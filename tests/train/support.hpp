// SPDX-License-Identifier: Apache-2.0
//
// What the tests of gradients share: executors, workspaces of the exact size, requests.
#pragma once

#include "gemm/throws.hpp"
#include "isa.hpp"
#include "oracle/train.hpp"
#include "random.hpp"

#include <ia_nn/exec/thread_pool.hpp>
#include <ia_nn/train/gradient.hpp>

#include <cstring>

namespace ia_nn_test {

using ia_nn::add_to;
using ia_nn::errc;
using ia_nn::not_wanted;
using ia_nn::write_to;

/// Pools of 1, 2 and 3 workers; one type, so that each kernel is compiled once.
inline ia_nn::thread_pool& pool_of(int workers) {
  static ia_nn::thread_pool one{1}, two{2}, three{3};
  return workers == 1 ? one : workers == 2 ? two : three;
}

/// Exactly the bytes a plan asks for, filled with NaN: what a kernel reads without writing shows.
class scratch {
public:
  explicit scratch(index_t bytes) : memory_(bytes) {
    std::memset(memory_.data(), 0xff, static_cast<std::size_t>(bytes));
  }
  operator ia_nn::workspace_view() { return {memory_.data(), memory_.size()}; }

private:
  exact_buffer<std::byte> memory_;
};

inline void fill_nan(exact_buffer<f32>& b) {
  std::fill(b.begin(), b.end(), std::numeric_limits<f32>::quiet_NaN());
}
inline bool same_bits(exact_buffer<f32> const& a, exact_buffer<f32> const& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), at(a.size()) * sizeof(f32)) == 0;
}
inline doubles subtracted(exact_buffer<f32> const& total, exact_buffer<f32> const& part) {
  doubles d;
  for (index_t i = 0; i < total.size(); ++i)
    d.push_back(static_cast<double>(total[i]) - static_cast<double>(part[i]));
  return d;
}

/// A gradient's buffer for each way to ask for it. `run` is called with the request.
///   write     over NaN; must have the same bits for 1, 2 and 3 workers
///   add       to random numbers; must differ from them by what `write` gave
template <class Run> void check_requests(index_t n, exact_buffer<f32>& written, Run&& run) {
  random r(900);
  for (int workers : {1, 2, 3}) {
    INFO(workers << " workers");
    exact_buffer<f32> own(n), added(n), before(n);
    fill_nan(own);
    run(write_to(own.data()), workers);
    if (workers == 1) std::memcpy(written.data(), own.data(), at(n) * sizeof(f32));
    REQUIRE(same_bits(own, written));
    r.fill(before.data(), n);
    std::memcpy(added.data(), before.data(), at(n) * sizeof(f32));
    run(add_to(added.data()), workers);
    REQUIRE(difference(written, subtracted(added, before), 1e-5) == "");
    run(not_wanted, workers);
  }
}

} // namespace ia_nn_test

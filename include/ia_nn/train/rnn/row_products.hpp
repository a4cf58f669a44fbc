// SPDX-License-Identifier: Apache-2.0
//
// Gradients of weights: transpose(A) * B where both have a row for each sequence at each time.
//
//   C (m, n) = sum over rows r of A (r, m)^T B (r, n)
//
// The inner dimension of a product is fixed in its plan, the number of rows is not: there are plans
// for the numbers of rows that are usual and for powers of two, and a call is made of the largest
// ones that fit. What is left is filled up with zeros. All of it adds in the order of rows, so that
// the cuts change no bit.
#pragma once

#include <ia_nn/gemm/gemm.hpp>
#include <ia_nn/train/gradient.hpp>

#include <algorithm>
#include <vector>

#include <ia_nn/begin.hpp>

namespace detail {

/// For at most m columns of A, n of B; `most` rows and the `usual` numbers of rows. A is of type T,
/// B is f32 (rounded where T is bf16), C f32.
template <isa::tag I, element T> class row_products {
  using product = gemm<I, T, T, f32>;
  static constexpr index_t least = 32;

public:
  row_products() = default;
  row_products(index_t m, index_t n, std::vector<index_t> const& usual, index_t most, int workers)
      : m_(m), n_(n) {
    std::vector<index_t> sizes;
    for (index_t rows = least;; rows *= 2) {
      sizes.push_back(rows);
      if (rows > most / 2) break;
    }
    for (index_t rows : usual)
      if (rows > least) sizes.push_back(rows);
    std::sort(sizes.begin(), sizes.end());
    sizes.erase(std::unique(sizes.begin(), sizes.end()), sizes.end());
    for (auto i = sizes.rbegin(); i != sizes.rend(); ++i)
      plans_.push_back({*i, product(m, n, *i, workers), product(m, n, *i, workers, {.accumulate = true})});
    for (plan const& p : plans_)
      workspace_bytes_ = max_of(workspace_bytes_, max_of(p.first.workspace_bytes_unpacked(),
                                                         p.more.workspace_bytes_unpacked()));
  }

  index_t workspace_bytes() const noexcept {
    return workspace_bytes_ + round_up(least * m_ * static_cast<index_t>(sizeof(T)), 64) +
           f32_bytes(least * n_);
  }

  /// m of its columns; `rows` rows, a_ld and b_ld elements from one to the next. n columns of C, dense.
  template <executor E>
  void run(index_t rows, index_t m, T const* a, index_t a_ld, f32 const* b, index_t b_ld,
           gradient const& to, workspace_view scratch, E& e) const noexcept {
    bool add = to.add;
    if (rows <= 0 && !add)
      __builtin_memset(static_cast<void*>(to.data), 0, static_cast<std::size_t>(m * n_) * sizeof(f32));
    workspace_view const own{scratch.data, workspace_bytes_};
    for (plan const& p : plans_)
      while (rows >= p.rows || (p.rows == least && rows > 0)) {
        index_t const count = min_of(rows, p.rows);
        T const* a_rows = a;
        f32 const* b_rows = b;
        index_t a_step = a_ld, b_step = b_ld;
        if (count < p.rows) {
          std::byte* const memory = scratch.data + workspace_bytes_;
          a_rows = filled_up(count, m, a, a_ld, memory), a_step = m;
          b_rows = filled_up(count, n_, b, b_ld,
                             memory + round_up(least * m_ * static_cast<index_t>(sizeof(T)), 64));
          b_step = n_;
        }
        (add ? p.more : p.first)
            .with_rows(m)
            .run_unpacked({a_rows, 1, a_step}, b_rows, b_step, 1, to.data, n_, chain<>{}, own, e);
        add = true;
        rows -= count, a += count * a_ld, b += count * b_ld;
      }
  }

private:
  struct plan {
    index_t rows;
    product first, more;
  };
  template <class U>
  static U const* filled_up(index_t rows, index_t columns, U const* from, index_t ld,
                            std::byte* memory) noexcept {
    U* const to = reinterpret_cast<U*>(memory);
    std::size_t const bytes = static_cast<std::size_t>(columns) * sizeof(U);
    for (index_t r = 0; r < rows; ++r)
      __builtin_memcpy(static_cast<void*>(to + r * columns), from + r * ld, bytes);
    __builtin_memset(static_cast<void*>(to + rows * columns), 0,
                     static_cast<std::size_t>(least - rows) * bytes);
    return to;
  }

  index_t m_ = 0, n_ = 0, workspace_bytes_ = 0;
  std::vector<plan> plans_;
};

} // namespace detail

IA_NN_END

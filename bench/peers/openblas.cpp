// SPDX-License-Identifier: Apache-2.0
//
// OpenBLAS, f32. It packs on every call; if the layout of the weights is free, both are tried, and
// for one row the matrix-vector routine as well. Kernels and threads are set by the environment of
// the process (`worker_environment`).
#include "gemm_peers.hpp"

#include <cblas.h>
#include <memory>

namespace bench {
namespace {

std::function<void()> make(gemm_problem const& p, void* result) {
  if (p.type != product::f32) return {};
  auto const* const a = static_cast<float const*>(p.a);
  auto const* const b = static_cast<float const*>(p.b);
  auto* const c = static_cast<float*>(result);
  auto const m = static_cast<blasint>(p.m), n = static_cast<blasint>(p.n),
             k = static_cast<blasint>(p.k);

  std::vector<std::function<void()>> ways;
  ways.emplace_back([=] {
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, m, n, k, 1, a, k, b, n, 0, c, n);
  });
  if (m == 1)
    ways.emplace_back(
        [=] { cblas_sgemv(CblasRowMajor, CblasTrans, k, n, 1, b, n, a, 1, 0, c, 1); });
  if (!p.beforehand) return fastest(std::move(ways));

  auto const transposed = std::make_shared<std::vector<float>>(static_cast<std::size_t>(p.n * p.k));
  for (long i = 0; i < p.k; ++i)
    for (long j = 0; j < p.n; ++j)
      (*transposed)[static_cast<std::size_t>(j * p.k + i)] = b[i * p.n + j];
  ways.emplace_back([=] {
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, m, n, k, 1, a, k, transposed->data(), k, 0,
                c, n);
  });
  if (m == 1)
    ways.emplace_back([=] {
      cblas_sgemv(CblasRowMajor, CblasNoTrans, n, k, 1, transposed->data(), k, a, 1, 0, c, 1);
    });
  return fastest(std::move(ways));
}

} // namespace

gemm_peer openblas_gemm() {
  return {
      "openblas", std::string(openblas_get_config()) + " as " + openblas_get_corename(), {}, make};
}

} // namespace bench

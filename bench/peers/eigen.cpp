// SPDX-License-Identifier: Apache-2.0
//
// Eigen, f32. Compiled with the flags of the instruction set, as a user would; row-major maps, the
// weights as they are or transposed, whichever is faster.
#include "gemm_peers.hpp"

#include <Eigen/Core>

#include <memory>

namespace bench {
namespace {

using row_major = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
using column_major = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::ColMajor>;

std::function<void()> make(gemm_problem const& p, void* result) {
  if (p.type != product::f32) return {};
  Eigen::Map<row_major const> const a(static_cast<float const*>(p.a), p.m, p.k);
  Eigen::Map<row_major const> const b(static_cast<float const*>(p.b), p.k, p.n);
  Eigen::Map<row_major> c(static_cast<float*>(result), p.m, p.n);
  // for one row: a vector, so that Eigen takes its matrix-vector loops; not used otherwise
  Eigen::Map<Eigen::RowVectorXf const> const row(static_cast<float const*>(p.a), p.k);
  Eigen::Map<Eigen::RowVectorXf> out(static_cast<float*>(result), p.n);

  std::vector<std::function<void()>> ways;
  ways.emplace_back([=]() mutable { c.noalias() = a * b; });
  if (p.m == 1) ways.emplace_back([=]() mutable { out.noalias() = row * b; });
  if (!p.beforehand) return fastest(std::move(ways));

  auto const transposed = std::make_shared<column_major>(b);
  ways.emplace_back([=]() mutable { c.noalias() = a * *transposed; });
  if (p.m == 1) ways.emplace_back([=]() mutable { out.noalias() = row * *transposed; });
  return fastest(std::move(ways));
}

} // namespace

gemm_peer eigen_gemm(int threads) {
  std::string const version =
      std::to_string(EIGEN_WORLD_VERSION) + "." + std::to_string(EIGEN_MAJOR_VERSION) + "." +
      std::to_string(EIGEN_MINOR_VERSION) + " with " + Eigen::SimdInstructionSetsInUse();
  Eigen::setNbThreads(threads);
  if (Eigen::nbThreads() < threads)
    return {"eigen", version, "its threads need OpenMP, which the compiler does not offer", {}};
  return {"eigen", version, {}, make};
}

} // namespace bench

// SPDX-License-Identifier: Apache-2.0
//
// Which kernel multiplies which types on which instruction set.
#pragma once

#include <ia_nn/gemm/microkernel.hpp>
#include <ia_nn/gemm/packed_matrix.hpp>

#include <ia_nn/begin.hpp>

/// Arithmetic of the operand types as they are.
struct standard {};

/// s8 weights with one f32 scale per column and group of k; arithmetic in f32.
struct grouped {};

/// On AMX, f32 operands become sums of Terms bf16 terms: x = x1 + x2 (+ x3). Products of terms i, j
/// with i + j <= Terms + 1 are added in f32, 3 of them for two terms and 6 for three. A product a * b
/// is off by at most 3 * 2^-16 |a| |b| resp. 4 * 2^-24 |a| |b|, before the rounding of sums. Other instruction sets compute in plain f32.
template <int Terms> struct bf16_terms {
  static_assert(Terms == 2 || Terms == 3, "ia_nn: bf16_terms: f32 is split into 2 or 3 bf16 terms");
};

/// Run-time options of a product.
struct gemm_options {
  bool accumulate = false; ///< C += A * B; C of the accumulators' type
  s32 a_zero_point = 0;    ///< 8-bit operands: (a - a_zero_point) * (b - b_zero_point)
  s32 b_zero_point = 0;
  /// One for each column instead: n of them, which stay where they are as long as the plan is used.
  s32 const* b_zero_points = nullptr;

  bool shifts_b() const noexcept { return b_zero_point != 0 || b_zero_points; }
};

namespace detail {

template <class A, class B, class Policy>
concept product_exists =
    (std::same_as<Policy, standard> &&
     ((std::same_as<A, f32> && (std::same_as<B, f32> || std::same_as<B, bf16> || std::same_as<B, s8>)) ||
      (std::same_as<A, bf16> && std::same_as<B, bf16>) || (byte_element<A> && std::same_as<B, s8>))) ||
    (std::same_as<Policy, grouped> && std::same_as<A, f32> && std::same_as<B, s8>) ||
    ((std::same_as<Policy, bf16_terms<2>> || std::same_as<Policy, bf16_terms<3>>) &&
     std::same_as<A, f32> && std::same_as<B, f32>);

/// The kernels of a product, for few rows and for more, and the weights that both read.
template <class Main, class Few = Main, packing Form = packing{}> struct kernel_pair {
  using main = Main;
  using few = Few;
  using weights = packed_matrix<typename Main::b_type, typename Main::panel_type, Form>;
  static constexpr int terms = Form.terms;
  static_assert(std::same_as<typename Main::b_type, typename Few::b_type> &&
                std::same_as<typename Main::panel_type, typename Few::panel_type>);
};

template <isa::tag I, class A, class B, class Policy>
struct kernel_for : kernel_pair<vector_kernel<I, A, B>> {};

template <isa::tag I, class A, class B>
struct kernel_for<I, A, B, grouped>
    : kernel_pair<vector_kernel<I, A, B, true>, vector_kernel<I, A, B, true>,
                  packing{.scaled = true}> {};

template <isa::tag I, class A, class B>
  requires(isa::has<I, isa::amx> &&
           ((std::same_as<A, bf16> && std::same_as<B, bf16>) || (byte_element<A> && std::same_as<B, s8>)))
struct kernel_for<I, A, B, standard> : kernel_pair<amx_kernel<A, B>, vector_kernel<I, A, B>> {};

template <isa::tag I, int Terms>
  requires isa::has<I, isa::amx>
struct kernel_for<I, f32, f32, bf16_terms<Terms>>
    : kernel_pair<amx_kernel<bf16, bf16>, vector_kernel<I, bf16, bf16>, packing{.terms = Terms}> {};

} // namespace detail

IA_NN_END

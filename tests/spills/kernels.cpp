// SPDX-License-Identifier: Apache-2.0
//
// Every K-loop in vector registers that this translation unit's flags allow, for check_spills.py to
// disassemble: no loop with multiplications may move vectors to or from the stack.
#include <ia_nn/gemm/microkernel.hpp>

using namespace ia_nn;

namespace {

template <isa::tag I, element A, element B, bool Grouped = false> void use() {
  using kernel = detail::vector_kernel<I, A, B, Grouped>;
  typename kernel::call* call;
  __asm__ volatile("" : "=r"(call)); // from nowhere the compiler could know
  typename kernel::context state;
  kernel::run(state, *call);
}

template <isa::tag I> void use_all() {
  use<I, f32, f32>();
  use<I, f32, bf16>();
  use<I, f32, s8>();
  use<I, f32, s8, true>();
  use<I, bf16, bf16>();
  use<I, u8, s8>();
}

} // namespace

int main() {
#if defined(__AVX512BF16__)
  use_all<isa::avx512_bf16>();
#endif
#if defined(__AVX512VNNI__)
  use_all<isa::avx512_vnni>();
#endif
#if defined(__AVX512F__)
  use_all<isa::avx512>();
#else
  use_all<isa::avx2_vnni>();
  use_all<isa::avx2>();
#endif
}

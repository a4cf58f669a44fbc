// SPDX-License-Identifier: Apache-2.0
//
// Our side of the suite `gemm`, the only file of it that knows the library's interface.
//
// What gemm.cpp expects of every contender of ours, so that kinds of case can be added:
//
//   Kind    how the work is split between set-up and call, and the last word of the group's name
//   Isa     the instruction set's tag
//   A, B    element types of the operands; C: f32 for f32 and bf16, s32 for 8-bit integers
//
//   constructor   a is m x k and b is k x n, both row-major; c receives m x n. All three outlive
//                 the object. Packing of weights, threads and workspaces are made here.
//   operator()    computes c once, in `threads` threads. Nothing but this is timed.
//
// Threads must be asleep shortly after a call (within 0.1 to 0.2 ms): the next contender needs
// their CPUs. A combination that the library does not offer has no specialization, and the suite
// shows the peers alone.
#pragma once

#include <ia_nn/exec/thread_pool.hpp>
#include <ia_nn/gemm/gemm.hpp>

namespace bench {

struct prepacked { // weights packed once, at set-up
  static constexpr char const* word = "";
  using policy = ia_nn::standard;
};
struct on_the_fly { // weights packed in every call
  static constexpr char const* word = "onthefly";
  using policy = ia_nn::standard;
};
template <int Terms> struct bf16_terms { // f32 by bf16 terms: 3 or 6 products
  static constexpr char const* word = Terms == 2 ? "bf16x3" : "bf16x6";
  using policy = ia_nn::bf16_terms<Terms>;
};

template <class Isa, class A, class B, class C, class Kind = prepacked> class ours_gemm {
  using plan = ia_nn::gemm<Isa, A, B, C, typename Kind::policy>;
  static constexpr bool packs = std::is_same_v<Kind, on_the_fly>;

public:
  ours_gemm(long m, long n, long k, A const* a, B const* b, C* c, int threads)
      : a_(a), b_(b), c_(c), pool_(threads), plan_(m, n, k, threads),
        scratch_(packs ? plan_.workspace_bytes_unpacked() : plan_.workspace_bytes()) {
    if constexpr (!packs) weights_ = typename plan::weights(ia_nn::matrix(b, k, n));
  }

  void operator()() {
    if constexpr (packs)
      plan_.run_unpacked({a_, plan_.k(), 1}, b_, plan_.n(), 1, c_, plan_.n(), ia_nn::chain{}, scratch_,
                         pool_);
    else plan_.run(a_, plan_.k(), weights_, c_, plan_.n(), ia_nn::chain{}, scratch_, pool_);
  }

private:
  A const* a_;
  B const* b_;
  C* c_;
  ia_nn::thread_pool pool_;
  plan plan_;
  ia_nn::workspace scratch_;
  typename plan::weights weights_;
};

template <class Isa, class A, class B, class C, class Kind>
concept offered = requires { sizeof(ours_gemm<Isa, A, B, C, Kind>); };

} // namespace bench

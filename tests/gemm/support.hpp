// SPDX-License-Identifier: Apache-2.0
//
// One matrix product on random data, in buffers of exactly the size they need, on any instruction
// set; and the lists of sizes at which tiles, panels, groups and blocks begin and end.
#pragma once

#include "isa.hpp"
#include "oracle/matmul.hpp"
#include "random.hpp"

#include <ia_nn/gemm/gemm.hpp>
#include <ia_nn/gemm/stages.hpp>

#include <algorithm>
#include <sstream>

namespace ia_nn_test {

using ia_nn::chain;
using ia_nn::element;
using ia_nn::gemm;
using ia_nn::gemm_options;
using ia_nn::grouped;
using ia_nn::standard;

/// One of each kind of kernel, for tests of what stands around the kernels.
using kinds_of_kernels = std::conditional_t<
    contains<ia_nn::isa::amx, ia_nn::isa::compiled>,
    ia_nn::type_list<ia_nn::isa::amx, ia_nn::isa::avx512, ia_nn::isa::avx2, ia_nn::isa::scalar>,
    vector_isas>;

/// What sweeps run on: everything. Sanitizers, under which compilation takes three times as long,
/// get one of each kind.
using swept_isas = std::conditional_t<under_asan, kinds_of_kernels, ia_nn::isa::compiled>;

/// Runs tasks in the calling thread, last first, and pretends to have several workers: tasks must
/// depend neither on the order nor on who runs them.
struct reversed_tasks {
  int workers = 1;
  int concurrency() const noexcept { return workers; }
  template <ia_nn::task_function F> void parallel_for(index_t n, F&& f) const noexcept {
    for (index_t t = n; t-- > 0;) f(t, static_cast<int>(t % workers));
  }
};

struct product_case {
  index_t m = 1, n = 1, k = 1;
  index_t group = 0;
  int workers = 1;
  gemm_options options{};
  index_t a_gap = 0, c_gap = 0; ///< elements between rows
  bool a_transposed = false, b_transposed = false, unpacked = false;

  std::string text() const {
    std::ostringstream s;
    s << "m " << m << " n " << n << " k " << k << " group " << group << " workers " << workers
      << " accumulate " << options.accumulate << " zero points " << options.a_zero_point << ' '
      << options.b_zero_point << " gaps " << a_gap << ' ' << c_gap << (a_transposed ? " A^T" : "")
      << (b_transposed ? " B^T" : "") << (unpacked ? " unpacked" : "");
    return s.str();
  }
};

template <class Policy> inline constexpr int terms_of = 1;
template <int Terms> inline constexpr int terms_of<ia_nn::bf16_terms<Terms>> = Terms;

/// Packs (k, n) weights given by strides for the plan type G.
template <class G, class Policy, class B>
typename G::weights pack_for(B const* b, index_t k, index_t n, index_t k_stride, index_t n_stride,
                             group_scales scales = {}) {
  using map = ia_nn::strided::mapping<ia_nn::shape<ia_nn::dyn, ia_nn::dyn>>;
  ia_nn::shape<ia_nn::dyn, ia_nn::dyn> const kn(k, n);
  ia_nn::tensor_view<B const, ia_nn::shape<ia_nn::dyn, ia_nn::dyn>, ia_nn::strided> const view(
      b, map(kn, k_stride, n_stride));
  if constexpr (std::same_as<Policy, grouped>)
    return typename G::weights(
        view, ia_nn::matrix(scales.data, ia_nn::ceil_div(k, scales.group), n), scales.group);
  else return typename G::weights(view);
}

/// Operands, the former contents of C and the reference of one case.
template <element A, element B, element C, class Policy = standard> class product {
public:
  static constexpr bool integer = ia_nn::byte_element<A>;

  product(product_case const& p, random& r)
      : case_(p), a_row_(p.a_transposed ? 1 : p.k + p.a_gap),
        a_k_(p.a_transposed ? p.m + p.a_gap : 1), b_k_(p.b_transposed ? 1 : p.n),
        b_n_(p.b_transposed ? p.k : 1), ldc_(p.n + p.c_gap),
        a_((p.m - 1) * a_row_ + (p.k - 1) * a_k_ + 1), b_(p.k * p.n), c_((p.m - 1) * ldc_ + p.n),
        scales_(p.group ? ia_nn::ceil_div(p.k, p.group) * p.n : 0) {
    r.fill(a_.data(), a_.size());
    r.fill(b_.data(), b_.size());
    r.fill(c_.data(), c_.size());
    r.fill_between(scales_.data(), scales_.size(), 0.01F, 0.2F);
  }

  exact_buffer<A>& a() { return a_; }
  exact_buffer<B>& b() { return b_; }
  exact_buffer<C>& c() { return c_; }
  exact_buffer<C> const& c_before() const { return c_; }
  B const* b_data() const { return b_.data(); }
  index_t ldc() const { return ldc_; }
  product_case const& the_case() const { return case_; }
  group_scales scales() const { return {scales_.data(), case_.group}; }
  ia_nn::detail::a_source<A> a_source() const { return {a_.data(), a_row_, a_k_}; }

  matmul_reference reference() const {
    matmul_reference ref(case_.m, case_.n, case_.k, strided_source<A>{a_.data(), a_row_, a_k_},
                         strided_source<B>{b_.data(), b_k_, b_n_}, case_.options.a_zero_point,
                         case_.options.b_zero_point, scales());
    if (case_.options.accumulate) ref.add(strided_source<C>{c_.data(), ldc_, 1});
    return ref;
  }

  template <class G> typename G::weights pack() const {
    return pack_for<G, Policy>(b_.data(), case_.k, case_.n, b_k_, b_n_, scales());
  }

  /// C with its gaps, computed on I. The scratch memory starts full of NaNs.
  template <ia_nn::isa::tag I, class Epilogue = chain<>>
  void run(exact_buffer<C>& out, Epilogue const& epilogue = {}) const {
    using G = gemm<I, A, B, C, Policy>;
    G const plan(case_.m, case_.n, case_.k, case_.workers, case_.options);
    reversed_tasks const e{case_.workers};
    std::copy(c_.begin(), c_.end(), out.begin());
    if constexpr (!std::same_as<Policy, grouped>)
      if (case_.unpacked) {
        exact_buffer<std::byte> scratch(plan.workspace_bytes_unpacked());
        std::memset(scratch.data(), 0xff, at(scratch.size()));
        plan.run_unpacked(a_source(), b_.data(), b_k_, b_n_, out.data(), ldc_, epilogue,
                          {scratch.data(), scratch.size()}, e);
        return;
      }
    typename G::weights const w = pack<G>();
    exact_buffer<std::byte> scratch(plan.workspace_bytes());
    std::memset(scratch.data(), 0xff, at(scratch.size()));
    ia_nn::workspace_view const view{scratch.data(), scratch.size()};
    plan.check(a_source(), w, out.data(), ldc_, view);
    plan.run(a_source(), w, out.data(), ldc_, epilogue, view, e);
  }

  /// "" if the elements of `out` are right for I and those between rows are as they were.
  template <ia_nn::isa::tag I>
  std::string verdict(matmul_reference const& ref, exact_buffer<C> const& out) const {
    for (index_t i = 0; i + 1 < case_.m; ++i)
      if (std::memcmp(out.data() + i * ldc_ + case_.n, c_.data() + i * ldc_ + case_.n,
                      at(case_.c_gap) * sizeof(C)) != 0)
        return "the gap behind row " + std::to_string(i) + " was overwritten";
    if constexpr (integer) return compare_exactly(ref, out.data(), ldc_);
    else {
      double const k = static_cast<double>(case_.k);
      error_bound bound{k + (case_.options.accumulate ? 1 : 0) + (case_.group ? 1 : 0)};
      if constexpr (terms_of<Policy> > 1 && ia_nn::isa::has<I, ia_nn::isa::amx>) {
        constexpr int products = terms_of<Policy> == 2 ? 3 : 6;
        bound.roundings = products * k + 1;
        bound.relative = terms_of<Policy> == 2 ? 3 * 0x1p-16 : 4 * 0x1p-24;
      }
      return compare(ref, out.data(), ldc_, bound);
    }
  }

private:
  product_case case_;
  index_t a_row_, a_k_, b_k_, b_n_, ldc_;
  exact_buffer<A> a_;
  exact_buffer<B> b_;
  exact_buffer<C> c_;
  exact_buffer<f32> scales_;
};

/// True if I runs here only by emulation and multiplies A by B with the emulated instructions.
template <ia_nn::isa::tag I, element A, class Policy> bool traps() {
  if (ia_nn::isa::available<I>()) return false;
  if constexpr (std::same_as<I, ia_nn::isa::amx>) return !std::same_as<A, f32> || terms_of<Policy> > 1;
  else if constexpr (std::same_as<I, ia_nn::isa::avx2_vnni>) return ia_nn::byte_element<A>;
  else return false;
}

/// Instruction sets whose f32 results must have the same bits.
template <ia_nn::isa::tag I, element A, class Policy>
inline constexpr bool same_bits =
#if defined(__FMA__)
    std::same_as<A, f32> && !(terms_of<Policy> > 1 && ia_nn::isa::has<I, ia_nn::isa::amx>);
#else
    false;
#endif

/// One case on every instruction set: right within the bounds, and the same bits where promised.
/// Where instructions are emulated, only if `index` is a multiple of 2 (AMX) or 24 (AVX-VNNI).
template <element A, element B, element C, class Policy = standard,
          class Isas = swept_isas>
void check_everywhere(product_case const& p, random& r, long index = 0) {
  INFO(ia_nn::name_of<A>() << " * " << ia_nn::name_of<B>() << " -> " << ia_nn::name_of<C>() << ": "
                           << p.text());
  product<A, B, C, Policy> const x(p, r);
  matmul_reference const ref = x.reference();
  exact_buffer<C> out(x.ldc() * (p.m - 1) + p.n), first(x.ldc() * (p.m - 1) + p.n);
  bool have_first = false;
  for_each_isa<Isas>([&](auto tag) {
    using I = decltype(tag);
    // A trap costs 10 us: vectors take one for every step of k, tiles one for 64 bytes of k.
    if (traps<I, A, Policy>() && index % (std::same_as<I, ia_nn::isa::amx> ? 2 : 24) != 0) return;
    x.template run<I>(out);
    REQUIRE(x.template verdict<I>(ref, out) == "");
    if constexpr (same_bits<I, A, Policy>) {
      if (!have_first) std::copy(out.begin(), out.end(), first.begin());
      else REQUIRE(std::memcmp(out.data(), first.data(), at(out.size()) * sizeof(C)) == 0);
      have_first = true;
    }
  });
}

/// Sizes around the bounds of tiles, of every kernel of these types.
struct edge_sizes {
  std::vector<index_t> m, n, k;
};
template <element A, element B, class Policy = standard> edge_sizes edges() {
  edge_sizes s{{1, 2, 3, 4}, {1, 2, 3, 4, 5}, {1}};
  auto const around = [](std::vector<index_t>& to, index_t t) {
    for (index_t x : {t - 1, t, t + 1, 2 * t + 3})
      if (x > 0) to.push_back(x);
  };
  auto const kernel = [&]<class K>(std::type_identity<K>) {
    around(s.m, K::max_rows);
    around(s.n, K::nr);
    s.n.push_back(5 * K::nr + 1); // panels taken two and four at a time
    around(s.k, K::kr);
    around(s.k, K::kr_a);
  };
  ia_nn::for_each_type(ia_nn::isa::compiled{}, [&]<class I>(I) {
    using kernels = ia_nn::detail::kernel_for<I, A, B, Policy>;
    kernel(std::type_identity<typename kernels::main>{});
    kernel(std::type_identity<typename kernels::few>{});
  });
  for (auto* v : {&s.m, &s.n, &s.k}) {
    std::sort(v->begin(), v->end());
    v->erase(std::unique(v->begin(), v->end()), v->end());
  }
  return s;
}

/// Draws what the sizes leave open: gaps, orders of the operands, options.
template <element A, element B, element C, class Policy>
product_case draw(index_t m, index_t n, index_t k, random& r) {
  product_case p;
  p.m = m, p.n = n, p.k = k;
  auto const one_in = [&](index_t x) { return r.between(1, x) == 1; };
  if (one_in(3)) p.a_gap = r.between(1, 9);
  if (one_in(2)) p.c_gap = r.between(1, 9);
  p.a_transposed = one_in(4);
  p.b_transposed = one_in(3);
  p.workers = static_cast<int>(one_in(2) ? r.between(2, 5) : 1);
  if constexpr (std::same_as<Policy, grouped>) {
    index_t const groups[] = {1, 16, 32, 5, k};
    p.group = ia_nn::min_of(groups[r.between(0, 4)], k);
  } else p.unpacked = one_in(4);
  if constexpr (std::same_as<C, ia_nn::accumulator_t<A>>) p.options.accumulate = one_in(4);
  if constexpr (ia_nn::byte_element<A>) {
    if (one_in(3)) p.options.a_zero_point = static_cast<s32>(r.between(-128, 255));
    if (one_in(3)) p.options.b_zero_point = static_cast<s32>(r.between(-128, 127));
  }
  return p;
}

/// Every pair of edge sizes of (m, n), (m, k) and (n, k), the third size in turn.
template <element A, element B, element C, class Policy = standard> void sweep(std::uint64_t stream) {
  edge_sizes const s = edges<A, B, Policy>();
  random r(stream);
  long index = 0;
  auto const run = [&](index_t m, index_t n, index_t k) {
    check_everywhere<A, B, C, Policy>(draw<A, B, C, Policy>(m, n, k, r), r, index++);
  };
  auto const turn = [&](std::vector<index_t> const& v) { return v[at(index * 7) % v.size()]; };
  for (index_t m : s.m)
    for (index_t n : s.n) run(m, n, turn(s.k));
  for (index_t m : s.m)
    for (index_t k : s.k) run(m, turn(s.n), k);
  for (index_t n : s.n)
    for (index_t k : s.k) run(turn(s.m), n, k);
}

/// k so long that it is cut, more panels than a block of them holds, several blocks of rows: where
/// these begin depends on the cache, so each instruction set has its own sizes.
template <element A, element B, element C, class Policy = standard> void sweep_blocks(std::uint64_t stream) {
  random r(stream);
  auto const check = [&](auto tag, product_case const& p) {
    using I = decltype(tag);
    INFO(ia_nn::name_of<A>() << " * " << ia_nn::name_of<B>() << " -> " << ia_nn::name_of<C>() << ": "
                             << p.text());
    product<A, B, C, Policy> const x(p, r);
    exact_buffer<C> out(x.ldc() * (p.m - 1) + p.n);
    x.template run<I>(out);
    REQUIRE(x.template verdict<I>(x.reference(), out) == "");
  };
  auto const each = [&](auto tag, index_t m, index_t n, index_t k) {
    check(tag, draw<A, B, C, Policy>(m, n, k, r));
  };
  for_each_isa<swept_isas>([&](auto tag) {
    using I = decltype(tag);
    using K = typename ia_nn::detail::kernel_for<I, A, B, Policy>::main;
    index_t const group_bytes = K::kr_a * K::nr * static_cast<index_t>(sizeof(typename K::b_type));
    index_t const l2 = ia_nn::cpu::cache_sizes().l2;
    index_t const uncut = ia_nn::max_of(64, l2 / 4 / group_bytes) * K::kr_a;
    // An emulated vector kernel would take minutes; AVX-VNNI differs from AVX2 in `mac` only.
    if (traps<I, A, Policy>() && !K::is_amx) return;
    each(tag, 7, K::nr * 17 + 3, uncut + 1);
    each(tag, K::max_rows + 1, 2 * K::nr + 1, 2 * uncut + 5);
    each(tag, 14, 3 * K::nr, uncut + K::kr_a);
    each(tag, 3, K::nr + 1, uncut + 3);
    each(tag, 150, 5, uncut + 3); // packed rows of this length fill L2
    each(tag, 1100, 3, 9);
    each(tag, 41, 2, uncut + 3); // few columns: lanes run along k
    if constexpr (K::is_amx) {
      index_t const step = K::kr_a;
      // Chunks of k, in place and packed, with and without a last step that is not whole.
      for (index_t n : {16, 33, 300}) each(tag, 65, n, 17 * step + r.between(0, 2)), each(tag, 97, n, 26 * step - 1);
      each(tag, 40, 290, l2 / 2 / 290 / static_cast<index_t>(sizeof(B)) + step); // B from afar
      each(tag, 12, 290, l2 / 2 / 290 / static_cast<index_t>(sizeof(B)) + step);
      if constexpr (std::same_as<Policy, standard>) { // and for rows that are no whole step
        product_case p;
        p.m = 33, p.n = l2 / 2 / 64 + 1, p.k = step - 3;
        check(tag, p);
      }
      // Rows of C that fall into one set of L1.
      for (bool const accumulates : {false, true}) {
        product_case p;
        p.m = 67, p.n = 70, p.k = step + 3, p.c_gap = 1024 - 70;
        p.options.accumulate = accumulates && std::same_as<C, ia_nn::accumulator_t<A>>;
        check(tag, p);
        p.n = 1024, p.m = 35, p.c_gap = 0;
        check(tag, p);
      }
    }
  });
}

} // namespace ia_nn_test

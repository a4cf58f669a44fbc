// SPDX-License-Identifier: Apache-2.0
//
// C = epilogue(A * B): the plan of one matrix product. Set-up decides blocks and workspace and may
// throw; `run` does the work, is noexcept, and neither allocates nor locks. A plan is constant: any
// number of threads may run it at once, each with a workspace of its own.
//
//   gemm<isa::native, f32, f32, f32> plan(m, n, k);
//   workspace scratch(plan.workspace_bytes());
//   plan.run(a.data(), k, weights, c.data(), n, chain{add_bias{b}, relu{}}, scratch);
//
// Bits: integers are exact (mod 2^32). f32 sums run over k in order in every tile, so the same plan
// gives the same bits for any number of workers, and any two ISAs with fma give the same bits. (B of
// up to 4 columns has an order of its own, the same everywhere: narrow.hpp.)
#pragma once

#include <ia_nn/core/executor.hpp>
#include <ia_nn/core/workspace.hpp>
#include <ia_nn/gemm/describe.hpp>
#include <ia_nn/gemm/narrow.hpp>
#include <ia_nn/gemm/region.hpp>

#include <ia_nn/begin.hpp>

/// A (m x k) times packed B (k x n), on the instruction set I.
///
///   A, B             C            arithmetic
///   f32, f32         f32 bf16 s8 u8   f32; with Policy = bf16_terms<2 or 3> on AMX: bf16 terms
///   f32, bf16 or s8  the same     f32, weights widened when loaded; `grouped`: with scales
///   bf16, bf16       the same     products and sums in f32
///   u8 or s8, s8     s32 f32 bf16 s8 u8   s32, exact
///
/// M, N, K are extents known at compile time, or dyn.
/// Errors at construction: errc::bad_shape (extents that are negative, contradict static ones or
/// overflow; k or n of zero), errc::bad_parameter (options), errc::unsupported_isa.
template <isa::tag I, element A, element B, element C, class Policy = standard, index_t M = dyn,
          index_t N = dyn, index_t K = dyn>
class gemm {
  static_assert(isa::is_compiled<I>,
                "ia_nn: gemm: this translation unit is not compiled for that instruction set; add its "
                "-m flags or -march=native, or choose one of isa::compiled");
  static_assert(detail::product_exists<A, B, Policy>,
                "ia_nn: gemm: no kernel multiplies these types; A and B must be f32 and f32, f32 and "
                "bf16 or s8 weights, bf16 and bf16, or u8 or s8 and s8");
  static_assert(!std::same_as<C, s32> || std::same_as<B, s8>,
                "ia_nn: gemm: an s32 result needs 8-bit integer operands");
  using select = detail::kernel_for<I, A, B, Policy>;
  using main_kernel = typename select::main;
  using few_kernel = typename select::few;

public:
  using isa_type = I;
  /// Owned packed B, and a view of it.
  using weights = typename select::weights;
  using weights_view = typename weights::view_type;
  using accumulator = typename main_kernel::acc;
  using shape_type = shape<M, N, K>;

  /// For at most `workers` concurrent workers.
  explicit gemm(shape_type const& mnk, int workers = 1, gemm_options const& options = {})
      : mnk_(mnk), workers_(workers), options_(options) {
    isa::require<typename main_kernel::isa_type>();
    if (n() < 1 || k() < 1)
      throw_error(errc::bad_shape, "gemm: (m, n, k) = " + mnk_.to_string() +
                                       ": n and k must be at least 1");
    // A and C first: they bound k and n, so that padding them cannot overflow.
    shape<dyn, dyn> const a_shape(m(), k()), c_shape(m(), n()), b_shape(k() + 64, n() + 64);
    static_cast<void>(a_shape), static_cast<void>(b_shape), static_cast<void>(c_shape);
    if (workers < 1)
      throw_error(errc::bad_parameter,
                  "gemm: workers is " + std::to_string(workers) + ", must be at least 1");
    if (options.accumulate && !std::same_as<C, accumulator>)
      throw_error(errc::bad_parameter,
                  std::string("gemm: accumulating needs C of the accumulators' type, ") +
                      name_of<accumulator>() + ", not " + name_of<C>());
    if ((options.a_zero_point || options.shifts_b()) && !std::same_as<accumulator, s32>)
      throw_error(errc::bad_parameter, "gemm: zero points need 8-bit integer operands");
    if (options.b_zero_point && options.b_zero_points)
      throw_error(errc::bad_parameter, "gemm: B has a zero point for each column, or one for all "
                                       "of them, not both");
    blocking_ = uses_few() ? plan_for<few_kernel>() : plan_for<main_kernel>();
    worker_bytes_ = needed_bytes();
  }
  gemm(index_t m, index_t n, index_t k, int workers = 1, gemm_options const& options = {})
      : gemm(shape_type(m, n, k), workers, options) {}

  constexpr index_t m() const noexcept { return mnk_.template get<0>(); }
  constexpr index_t n() const noexcept { return mnk_.template get<1>(); }
  constexpr index_t k() const noexcept { return mnk_.template get<2>(); }
  int workers() const noexcept { return workers_; }

  /// The plan for another number of rows, at most m(): for batches that vary from call to call. It
  /// needs no more workspace than this one.
  gemm with_rows(index_t rows) const noexcept
    requires(M == dyn)
  {
    IA_NN_REQUIRE(rows >= 0 && rows <= m(), "gemm: ", rows, " rows, planned for at most ", m());
    gemm other = *this;
    other.mnk_ = shape_type::unchecked(rows, n(), k());
    other.blocking_ = other.uses_few() ? other.template plan_for<few_kernel>()
                                       : other.template plan_for<main_kernel>();
    return other;
  }

  /// Which kernel the plan uses, how it cuts the product and why, a line for each decision, for rows of A
  /// lda elements apart (0: k(), as in a dense matrix). For people; the words may change.
  std::string describe(index_t lda = 0) const {
    constexpr bool converts = !std::same_as<typename main_kernel::packed_a, A>;
    detail::plan_facts const facts{m(), n(), k(), terms,
                                   (lda == 0 ? k() : lda) * static_cast<index_t>(sizeof(A)), converts};
    if (n() <= detail::narrow_columns && may_be_narrow && !uses_few())
      return "lanes along k: " + std::to_string(n()) + " columns would leave most of a tile empty.\n";
    return uses_few() ? detail::describe_plan<few_kernel>(blocking_, facts)
                      : detail::describe_plan<main_kernel>(blocking_, facts);
  }

  /// Bytes of workspace for `run`.
  index_t workspace_bytes() const noexcept { return workers_ * worker_bytes_; }
  /// Bytes of workspace for `run_unpacked`.
  index_t workspace_bytes_unpacked() const noexcept {
    return workspace_bytes() + packed_extent(k(), n(), 0).total;
  }

  /// Checks what one call is given; for set-up. Errors: errc::bad_pointer (null operands),
  /// errc::bad_shape (weights of other extents), errc::overlap (C shares bytes with A or B, or its
  /// rows with each other), errc::small_workspace.
  void check(detail::a_source<A> a, weights_view const& b, C const* c, index_t ldc,
             workspace_view scratch) const {
    check_operands(a, c, ldc);
    check_weights(b);
    if (overlaps(c, c_bytes(ldc), b.data, terms * b.term_stride() *
                                              static_cast<index_t>(sizeof(b_type))))
      throw_error(errc::overlap, "gemm: the destination overlaps the weights");
    static_cast<void>(scratch.require(workspace_bytes()));
  }

  /// C (row-major, ldc elements from row to row) = epilogue(A * B). Preconditions: what `check`
  /// checks. A is described by the strides of its rows and of k, so it may be transposed.
  template <class Epilogue = chain<>, executor E = sequential>
  void run(detail::a_source<A> a, weights_view const& b, C* c, index_t ldc,
           Epilogue const& epilogue, workspace_view scratch, E&& e = {}) const noexcept {
    run_batch(1, a, 0, b, 0, c, ldc, 0, epilogue, scratch, e);
  }
  /// The same for row-major A with lda elements from row to row.
  template <class Epilogue = chain<>, executor E = sequential>
  void run(A const* a, index_t lda, weights_view const& b, C* c, index_t ldc,
           Epilogue const& epilogue, workspace_view scratch, E&& e = {}) const noexcept {
    run_batch(1, {a, lda, 1}, 0, b, 0, c, ldc, 0, epilogue, scratch, e);
  }

  /// `batch` products; A, packed B and C of the next one lie a_stride, b_stride and c_stride elements
  /// behind. b_stride 0 shares the weights; weights that `store` wrote one behind the other have
  /// b_stride = stored_bytes() / element size, and `b` views the first. The epilogue sees rows
  /// numbered through the batch: row i * m + r for row r of product i.
  template <class Epilogue = chain<>, executor E = sequential>
  void run_batch(index_t batch, detail::a_source<A> a, index_t a_stride, weights_view const& b,
                 index_t b_stride, C* c, index_t ldc, index_t c_stride, Epilogue const& epilogue,
                 workspace_view scratch, E&& e = {}) const noexcept {
    if (m() == 0 || batch <= 0) return;
    IA_NN_REQUIRE(b.data && b.k == k() && b.n == n(), "gemm: the weights have shape (", b.k, ", ", b.n,
                  "), expected (", k(), ", ", n(), ")");
    assert_operands(a, c, ldc);
    IA_NN_REQUIRE(scratch.holds(workspace_bytes()), "gemm: a workspace of ", scratch.size,
                  " bytes, run needs ", workspace_bytes(), " aligned to 64 bytes");
    detail::task_grid const grid = blocking_.grid;
    batch_work<Epilogue> const work{*this,    a,   a_stride,    b,       b_stride,
                                    c,        ldc, c_stride,    epilogue, scratch.data};
    run_tasks(e, workers_, batch * index_t{grid.rows} * grid.columns, work);
  }

  /// B as the caller has it, packed into the workspace first, for few rows some panels at a time: for
  /// products whose B changes. Element (k, n) of B is at b[k * k_stride + n * n_stride].
  template <class U, class Epilogue = chain<>, executor E = sequential>
  void run_unpacked(detail::a_source<A> a, U const* b, index_t k_stride, index_t n_stride, C* c,
                    index_t ldc, Epilogue const& epilogue, workspace_view scratch,
                    E&& e = {}) const noexcept {
    static_assert(!weights::form.scaled, "ia_nn: gemm: weights with scales are packed ahead");
    static_assert((std::same_as<U, b_type> && terms == 1) ||
                      (std::same_as<U, f32> && std::same_as<b_type, bf16>),
                  "ia_nn: gemm: B that is packed in the call has the type B, or is f32 where B is bf16");
    IA_NN_REQUIRE(scratch.holds(workspace_bytes_unpacked()), "gemm: a workspace of ",
                  scratch.size, " bytes, run needs ", workspace_bytes_unpacked(), " aligned to 64 bytes");
    packed_extent const extent(k(), n(), 0);
    weights_view view;
    view.k = k(), view.n = n();
    b_type* const data = reinterpret_cast<b_type*>(scratch.data + workspace_bytes());
    s32* const sums = reinterpret_cast<s32*>(scratch.data + workspace_bytes() + extent.data);
    view.data = data;
    view.sums = std::same_as<b_type, s8> ? sums : nullptr;
    index_t const panels = panel_type::panels(n()), at_once = panels_by_turns();
    auto const pack = [&](b_type* to, block range) {
      detail::pack_panels<panel_type, I, weights::form>(to, sums, b, k_stride, n_stride, k(), n(),
                                                        range);
    };
    if (at_once == 0) {
      // Twice as many tasks as workers, or more; blocks differ by one panel at most.
      index_t const tasks =
          min_of(panels, max_of(2 * workers_, ceil_div(panels, detail::panels_per_pass)));
      e.parallel_for(tasks, [&](index_t task, int) {
        pack(data, block_of(panels, static_cast<int>(tasks), static_cast<int>(task)));
      });
      return run(a, view, c, ldc, epilogue, scratch, e);
    }
    if (m() == 0) return;
    assert_operands(a, c, ldc);
    int const parts_of_n = blocking_.grid.columns;
    auto const work = [&](index_t part, int worker) {
      block const mine = block_of(panels, parts_of_n, static_cast<int>(part));
      detail::gemm_task<A, C, weights_view> t{a, view, c, ldc, k(), 0, {0, m()}, mine,
                                              scratch.data + worker * worker_bytes_};
      for (index_t p = mine.begin; p < mine.end; p += at_once) {
        t.panels = {p, min_of(p + at_once, mine.end)};
        b_type* const to = data + (mine.begin - p) * view.stride(); // always the same memory
        pack(to, t.panels);
        t.b.data = to;
        run_task(t, epilogue);
      }
    };
    run_tasks(e, workers_, parts_of_n, work);
  }

  void check_weights(weights_view const& b) const {
    if (!b.data) throw_error(errc::bad_pointer, "gemm: the weights are null");
    if (b.k != k() || b.n != n())
      throw_error(errc::bad_shape, "gemm: the weights have shape " +
                                       shape<dyn, dyn>(b.k, b.n).to_string() + ", expected " +
                                       shape<dyn, dyn>(k(), n()).to_string());
    if (!is_aligned(b.data, alignment))
      throw_error(errc::bad_pointer, "gemm: packed weights must be aligned to 64 bytes");
  }
  void check_operands(detail::a_source<A> a, C const* c, index_t ldc) const {
    if (m() == 0) return;
    if (!a.data || !c) throw_error(errc::bad_pointer, "gemm: the source or the destination is null");
    if (ldc < n() && m() > 1)
      throw_error(errc::overlap, "gemm: rows of the destination, " + std::to_string(ldc) +
                                     " elements apart, hold " + std::to_string(n()) +
                                     " and overlap each other");
    index_t const a_last = (m() - 1) * a.row_stride + (k() - 1) * a.k_stride + 1;
    if (!interleaved(a, c, ldc) && overlaps(c, c_bytes(ldc), a.data,
                                              a_last * static_cast<index_t>(sizeof(A))))
      throw_error(errc::overlap, "gemm: the destination overlaps the source");
  }

private:
  using b_type = typename main_kernel::b_type;
  using panel_type = typename main_kernel::panel_type;
  using packed_extent = detail::packed_extent<b_type, panel_type, weights::form>;
  static constexpr int terms = select::terms;

  // Panels that run_unpacked packs and multiplies before the next ones, while they are in L2; 0: all
  // are packed first. A is packed again in each turn: one panel for two rows hides that, one for four
  // rows gains more than it costs. All rows must be one worker's. On Zen 5, one thread: 12 x 5280 x
  // 1760 in bf16 1.53 ms packed first, 0.93 by turns; 1 x 1024 x 1024 in 8 bits 0.036 and 0.027.
  index_t panels_by_turns() const noexcept {
    constexpr index_t least = detail::panels_per_pass;
    index_t const bytes =
        panel_type::template stride<b_type>(k()) * static_cast<index_t>(sizeof(b_type));
    index_t const fitting = cpu::cache_sizes().l2 / 2 / bytes / least * least;
    index_t const at_once = min_of(fitting, max_of(least, round_up(m() / 2, least)));
    bool const pays = at_once > 0 && at_once * 4 >= m() && terms == 1 && !options_.shifts_b();
    return pays && blocking_.grid.rows == 1 ? at_once : 0;
  }

  void assert_operands([[maybe_unused]] detail::a_source<A> a, [[maybe_unused]] C const* c,
                       [[maybe_unused]] index_t ldc) const noexcept {
    IA_NN_ASSERT(a.data && c, "gemm: an operand is null");
    IA_NN_ASSERT(ldc >= n() || m() == 1, "gemm: rows of the destination ", ldc,
                 " elements apart hold ", n(), " and overlap each other");
  }

  /// One task of `run_batch`. Not a lambda: its name would hold all that run_batch is given.
  template <class Epilogue> struct batch_work {
    gemm const& plan;
    detail::a_source<A> a;
    index_t a_stride;
    weights_view const& b;
    index_t b_stride;
    C* c;
    index_t ldc, c_stride;
    Epilogue const& epilogue;
    std::byte* scratch;

    void operator()(index_t task, int worker) const noexcept {
      detail::task_grid const grid = plan.blocking_.grid;
      index_t const tasks = index_t{grid.rows} * grid.columns;
      index_t const item = task / tasks, part = task % tasks;
      detail::gemm_task<A, C, weights_view> t{};
      t.a = a.offset(item * a_stride);
      t.b = b;
      // Sums and scales lie behind the data, in the same distance for every matrix of the batch.
      index_t const b_bytes = item * b_stride * static_cast<index_t>(sizeof(b_type));
      t.b.data += item * b_stride;
      if (b.sums) t.b.sums += b_bytes / static_cast<index_t>(sizeof(s32));
      if (b.scales) t.b.scales += b_bytes / static_cast<index_t>(sizeof(f32));
      t.c = c + item * c_stride;
      t.ldc = ldc;
      t.k = plan.k();
      t.first_row = item * plan.m();
      t.rows = plan.tile_block(static_cast<int>(part / grid.columns));
      t.panels =
          block_of(panel_type::panels(plan.n()), grid.columns, static_cast<int>(part % grid.columns));
      t.scratch = scratch + worker * plan.worker_bytes_;
      plan.run_task(t, epilogue);
    }
  };

  template <class Epilogue>
  void run_task(detail::gemm_task<A, C, weights_view> const& t,
                Epilogue const& epilogue) const noexcept {
    if constexpr (may_be_narrow) {
      if (is_narrow(t.a)) {
        if (t.panels.begin == 0) detail::run_narrow<I>(t, options_.accumulate, epilogue);
        return;
      }
    }
    if (uses_few()) detail::run_region<I, few_kernel>(t, blocking_, options_, epilogue);
    else detail::run_region<I, main_kernel>(t, blocking_, options_, epilogue);
  }

  // Few columns: lanes along k (narrow.hpp). Terms of bf16 and integers stay with the tiles.
  static constexpr bool may_be_narrow =
      std::same_as<accumulator, f32> && terms == 1 && (N == dyn || N <= detail::narrow_columns);
  bool is_narrow(detail::a_source<A> const& a) const noexcept {
    return n() <= detail::narrow_columns && !uses_few() && a.k_stride == 1;
  }
  bool uses_few() const noexcept { return m() <= few_kernel::few_rows; }
  index_t c_bytes(index_t ldc) const noexcept {
    return ((m() - 1) * ldc + n()) * static_cast<index_t>(sizeof(C));
  }
  // Columns of one matrix may be source and destination: rows then lie between rows.
  bool interleaved(detail::a_source<A> a, C const* c, index_t ldc) const noexcept {
    constexpr index_t ea = sizeof(A), ec = sizeof(C);
    index_t const period = ldc * ec;
    if (a.k_stride != 1 || a.row_stride * ea != period || period <= 0) return false;
    index_t const distance = reinterpret_cast<std::intptr_t>(c) - reinterpret_cast<std::intptr_t>(a.data);
    index_t const behind = (distance % period + period) % period; // from a row of A to the next of C
    return behind >= k() * ea && behind + n() * ec <= period;
  }
  // Rows of share `part` of the grid: whole tiles.
  block tile_block(int part) const noexcept {
    return block_of(m(), blocking_.grid.rows, part, blocking_.height);
  }

  template <class Kernel> detail::blocking plan_for() const noexcept { return plan_for<Kernel>(m()); }
  template <class Kernel> detail::blocking plan_for(index_t rows) const noexcept {
    return detail::choose_blocking(
        rows, panel_type::panels(n()), detail::group_count<Kernel>(k()),
        Kernel::kr_a * static_cast<index_t>(sizeof(typename Kernel::packed_a)) * terms,
        Kernel::kr_a * panel_type::nr * static_cast<index_t>(sizeof(b_type)) * terms,
        Kernel::max_rows, Kernel::rows_step, Kernel::few_rows, workers_,
        // Terms are added up smallest first over all of k, whatever the number of rows.
        terms > 1 || std::same_as<Policy, grouped> ? detail::cut_k::never
        : Kernel::is_amx                           ? detail::cut_k::chunks
                                                   : detail::cut_k::blocks);
  }
  index_t needed_bytes() const noexcept {
    if (uses_few()) return detail::region_bytes<few_kernel, terms>(blocking_, k(), options_);
    index_t const few = detail::region_bytes<few_kernel, terms>(
        plan_for<few_kernel>(few_kernel::few_rows), k(), options_);
    index_t const narrow = n() <= detail::narrow_columns ? detail::narrow_bytes(k(), n()) : 0;
    return max_of(max_of(few, round_up(narrow, 64)),
                  detail::region_bytes<main_kernel, terms>(blocking_, k(), options_));
  }

  shape_type mnk_;
  int workers_;
  gemm_options options_;
  detail::blocking blocking_;
  index_t worker_bytes_ = 0;
};

IA_NN_END

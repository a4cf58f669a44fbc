// SPDX-License-Identifier: Apache-2.0
//
// Training of recurrent layers and stacks: forward that keeps a reserve, and backward that reads it.
//
//   rnn_training<isa::native, lstm> net({.input = 64, .hidden = 128}, {.max_time = 50, .max_batch = 16});
//   workspace reserve(net.reserve_bytes()), scratch(net.workspace_bytes());
//   net.forward({.weights = w, .src = x, .dst = y, .time = 50, .batch = 16}, reserve, scratch, pool);
//   net.backward({.weights = w, .src = x, .dst = y, .diff_dst = dy, .time = 50, .batch = 16,
//                 .diff_src = write_to(dx), .gradients = dw}, reserve, scratch, pool);
//
// Weights stay as the caller has them, in PyTorch's layout, and are packed once in each call. Forward is
// rnn/recurrence.hpp, the same code that `rnn` runs. Backward, per layer and direction:
//
//   backward_pass.hpp   the steps, last one first: gradients of the gates' sums at all times
//   gemm                diff_src = dgates W, all times at once
//   row_products.hpp    gradients of W, U and of a projection: one product over all times each
//   column_sums.hpp     gradients of the biases and of the cell's parameters
//
// The reserve, for each layer and direction (time and batch are those of the call):
//
//   [step][row][block of nr units][value][nr]     LSTM i f g o c; GRU r z n hn; reset before r z n;
//                                                 vanilla nothing
//   (T, N, D*R)                                   outputs of all layers but the last
//
// A row is a sequence; sequences of different lengths are sorted, longest first. With checkpoints of k
// steps the first part holds h and c at every k-th step instead, and backward runs forward again, k steps
// at a time, into the workspace.
#pragma once

#include <ia_nn/core/fp_env.hpp>
#include <ia_nn/gemm/gemm.hpp>
#include <ia_nn/gemm/stages.hpp>
#include <ia_nn/ops/dropout.hpp>
#include <ia_nn/rnn/rnn.hpp>
#include <ia_nn/train/rnn/backward_pass.hpp>
#include <ia_nn/train/rnn/direction_gradients.hpp>
#include <ia_nn/train/rnn/rnn_training_calls.hpp>

#include <ia_nn/begin.hpp>

/// Cells: lstm, lstm_peephole, lstm_coupled, gru, gru_reset_before, vanilla<> and
/// vanilla<activation::relu>, and those for which cell_gradient is specialized. A is f32, or bf16: then
/// operands of products (weights, inputs, states, gradients of gates) are rounded to it, and sums, states,
/// the reserve, weights and gradients of the caller are f32.
///
/// Errors at construction: errc::bad_shape, errc::bad_parameter (options, limits of the cell),
/// errc::unsupported_isa.
template <isa::tag I, recurrent_cell Cell, element A = f32> class rnn_training {
  static_assert(
      detail::trainable_cell<Cell>,
      "ia_nn: rnn_training: this cell has no backward pass; specialize cell_gradient for it");
  static_assert(std::same_as<A, f32> || std::same_as<A, bf16>,
                "ia_nn: rnn_training: operands must be f32 or bf16");
  using W = detail::call_weights<I, Cell, A>;
  using traits = typename W::traits;
  using derivative = cell_gradient<Cell>;
  using product = gemm<I, A, A, f32>;
  using gradients = detail::direction_gradients<I, Cell, A>;
  static constexpr index_t nr = W::nr, outputs = derivative::outputs;

public:
  explicit rnn_training(rnn_training_shape const& s, rnn_training_options const& o = {},
                        Cell const& cell = {})
      : s_((check(s, o, cell), s)), o_(o), cell_(cell), dropout_(o.dropout, o.seed) {
    isa::require<typename W::matrix::main_kernel::isa_type>();
    if constexpr (derivative::slots == 0) o_.checkpoint = 0; // dst holds all of its states
    index_t const T = o.max_time, N = o.max_batch, rows = T * N, H = s.hidden, R = output();
    index_t const widest = max_of(max_of(s.input, directions() * R), outputs * H);
    shape<dyn, dyn, dyn, dyn> const big(T + 1, N, widest + 64, 64); // overflow throws
    static_cast<void>(big);
    index_t& products = products_bytes_;
    for (index_t l = 0; l < min_of(s.layers, 2); ++l) {
      for (bool add : {false, true}) {
        to_src_.emplace_back(rows, features(l), traits::gates * H, o.workers,
                             gemm_options{.accumulate = add});
        products = max_of(products, to_src_.back().workspace_bytes_unpacked());
      }
      products = max_of(products, gradients::workspace_bytes(rows, features(l), H, R, o.workers));
    }
    chunk_ = choose_chunk();
    W const first = weights_of(0), inner = weights_of(s.layers > 1 ? 1 : 0);
    forward_pass_ = pass_bytes(first, inner);
    detail::backward_layout<W> const back(first, N, o.workers);

    // The workspace of forward, and of backward.
    order_bytes_ = round_up(N * 4, 64);
    dropped_bytes_ = o.dropout > 0 && s.layers > 1 ? detail::f32_bytes(rows * directions() * R) : 0;
    gates_bytes_ = round_up(rows * outputs * H * element_size, 64);
    kept_bytes_ = derivative::keeps || s.projected ? round_up(rows * H * element_size, 64) : 0;
    kept_f32_bytes_ = kept_bytes_ > 0 && element_size != 4 ? detail::f32_bytes(rows * H) : 0;
    hidden_bytes_ = s.projected ? round_up(rows * R * element_size, 64) : 0;
    between_bytes_ = s.layers > 1 ? detail::f32_bytes(rows * directions() * R) : 0;
    segment_bytes_ = o.checkpoint > 0 ? step_reserve() * min_of(o.checkpoint, T) : 0;
    forward_weights_ = max_of(first.forward_bytes(), inner.forward_bytes());
    back_weights_ = max_of(first.back_bytes(), inner.back_bytes());
    index_t const again = o.checkpoint > 0 ? forward_weights_ + forward_pass_ : 0;
    forward_bytes_ = order_bytes_ + dropped_bytes_ + forward_weights_ + forward_pass_;
    backward_bytes_ = order_bytes_ + dropped_bytes_ + gates_bytes_ + kept_bytes_ + kept_f32_bytes_ +
                      hidden_bytes_ + 2 * between_bytes_ +
                      max_of(segment_bytes_ + again + back_weights_ + back.total, products);
  }

  rnn_training_shape const& shape_of_stack() const noexcept { return s_; }
  rnn_training_options const& options() const noexcept { return o_; }
  index_t directions() const noexcept { return s_.direction == rnn_direction::concat ? 2 : 1; }
  /// R.
  index_t output() const noexcept { return s_.projected ? s_.projected : s_.hidden; }
  /// Of `forward` and `backward`, which may share it: what it holds need not stay between them.
  index_t workspace_bytes() const noexcept { return max_of(forward_bytes_, backward_bytes_); }
  /// Of what `forward` hands to `backward`, aligned to 64 bytes.
  index_t reserve_bytes() const noexcept {
    return max_of(64, s_.layers * directions() * pass_reserve() + (s_.layers - 1) * between_bytes_);
  }

  /// Checks what a call is given; for set-up. Errors: errc::bad_shape, errc::bad_pointer,
  /// errc::small_workspace.
  void check(rnn_training_call const& c, workspace_view reserve, workspace_view scratch) const {
    check_common(c, reserve, scratch);
  }
  void check(rnn_backward_call const& c, workspace_view reserve, workspace_view scratch) const {
    check_common(c, reserve, scratch);
    if (!c.gradients.empty() &&
        static_cast<index_t>(c.gradients.size()) != s_.layers * directions())
      throw_error(errc::bad_shape, "rnn_training: " + std::to_string(c.gradients.size()) +
                                       " gradients, expected none or " +
                                       std::to_string(s_.layers * directions()));
  }

  /// Preconditions: what `check` checks.
  template <executor E = sequential>
  void forward(rnn_training_call const& c, workspace_view reserve, workspace_view scratch,
               E&& e = {}) const noexcept {
    require(c.time, c.batch, reserve, scratch);
    if (c.batch == 0) return;
    denormal_scope const mode(o_.denormal);
    s32* const order = reinterpret_cast<s32*>(scratch.data);
    if (c.lengths) detail::sort_by_length(c.batch, c.lengths, order);
    f32* const dropped = reinterpret_cast<f32*>(scratch.data + order_bytes_);
    std::byte* const weights = scratch.data + order_bytes_ + dropped_bytes_;
    index_t const width = directions() * output();
    f32 const* src = c.src;
    for (index_t l = 0; l < s_.layers; ++l) {
      f32* const dst = l + 1 < s_.layers ? between(reserve, l) : c.dst;
      for (index_t d = 0; d < directions(); ++d) {
        index_t const at = l * directions() + d;
        std::byte* const kept = reserve.data + at * pass_reserve();
        run_team(e, team_size(), [&](auto const& member) {
          any_member const m(member);
          W w = weights_of(l);
          w.place_forward(weights);
          w.pack_forward(c.weights[static_cast<std::size_t>(at)], m.rank(), m.size());
          m.barrier();
          forward_direction(m, w, c, l, d, src, dst, order, kept, weights + forward_weights_);
        });
      }
      src = dst;
      if (o_.dropout > 0 && l + 1 < s_.layers) {
        dropout_.run(c.time * c.batch * width, dst, dropped, mask_round(c.round, l), e);
        src = dropped;
      }
    }
  }

  /// Preconditions: what `check` checks, and a `forward` of the same weights, source, states, lengths
  /// and round that filled `reserve` and `dst`.
  template <executor E = sequential>
  void backward(rnn_backward_call const& c, workspace_view reserve, workspace_view scratch,
                E&& e = {}) const noexcept {
    require(c.time, c.batch, reserve, scratch);
    denormal_scope const mode(o_.denormal);
    places p(*this, scratch.data);
    if (c.lengths) detail::sort_by_length(c.batch, c.lengths, p.order);
    index_t const width = directions() * output(), D = directions();
    f32 const* diff = c.diff_dst;
    for (index_t l = s_.layers - 1; l >= 0; --l) {
      f32 const* src = l > 0 ? between(reserve, l - 1) : c.src;
      if (l > 0 && o_.dropout > 0) {
        dropout_.run(c.time * c.batch * width, src, p.dropped, mask_round(c.round, l - 1), e);
        src = p.dropped;
      }
      f32 const* const dst = l + 1 < s_.layers ? between(reserve, l) : c.dst;
      gradient const diff_src = l > 0 ? write_to(p.between[l % 2]) : c.diff_src;
      for (index_t d = 0; d < D; ++d) {
        index_t const at = l * D + d;
        backward_direction(c, l, d, src, dst, diff, reserve.data + at * pass_reserve(), p, e);
        gradients_of_direction(c, l, d, src, dst, {diff_src.data, diff_src.add || d > 0}, p,
                               reserve, e);
      }
      diff = p.between[l % 2];
      if (l > 0 && o_.dropout > 0)
        dropout_.run(c.time * c.batch * width, p.between[l % 2], p.between[l % 2],
                     mask_round(c.round, l - 1), e);
    }
  }

private:
  static constexpr index_t element_size = static_cast<index_t>(sizeof(A));

  static void check(rnn_training_shape const& s, rnn_training_options const& o, Cell const& cell) {
    auto const positive = [](char const* what, index_t n) {
      detail::check_positive("rnn_training", what, n);
    };
    positive("input", s.input), positive("hidden", s.hidden), positive("layers", s.layers);
    positive("max_time", o.max_time), positive("max_batch", o.max_batch);
    detail::check_workers("rnn_training", o.workers);
    if (s.projected < 0 || (s.projected > 0 && !derivative::projectable))
      throw_error(errc::bad_shape,
                  s.projected < 0 ? "rnn_training: projected is negative"
                                  : "rnn_training: h of this cell cannot be projected, only that "
                                    "of LSTMs can");
    if (s.direction == rnn_direction::sum)
      throw_error(errc::bad_parameter,
                  "rnn_training: directions that are added are not trained; choose concat");
    if (o.checkpoint < 0)
      throw_error(errc::bad_parameter, "rnn_training: checkpoint is " +
                                           std::to_string(o.checkpoint) + ", must not be negative");
    if (o.checkpoint > 0 && Cell::parameters > 0)
      throw_error(errc::bad_parameter,
                  "rnn_training: a cell with parameters needs its states of all "
                  "times: checkpoint must be 0");
    if (!derivative::supports(cell))
      throw_error(errc::bad_parameter, "rnn_training: limits of the cell must be 0");
  }
  template <class Call>
  void check_common(Call const& c, workspace_view reserve, workspace_view scratch) const {
    auto const fail = [](errc code, std::string const& what) {
      throw_error(code, "rnn_training: " + what);
    };
    if (c.time < 0 || c.batch < 0 || c.time > o_.max_time || c.batch > o_.max_batch)
      fail(errc::bad_shape, "T is " + std::to_string(c.time) + " and N is " +
                                std::to_string(c.batch) + ", planned for at most " +
                                std::to_string(o_.max_time) + " and " +
                                std::to_string(o_.max_batch));
    if (static_cast<index_t>(c.weights.size()) != s_.layers * directions())
      fail(errc::bad_shape, std::to_string(c.weights.size()) + " weights, expected " +
                                std::to_string(s_.layers * directions()));
    for (index_t at = 0; at < s_.layers * directions(); ++at)
      detail::check_rnn_weights(c.weights[static_cast<std::size_t>(at)], traits::gates,
                                Cell::parameters, s_, at / directions(), features(at / directions()));
    if (c.time * c.batch > 0 && (!c.src || !c.dst)) fail(errc::bad_pointer, "src or dst is null");
    if (c.lengths)
      for (index_t n = 0; n < c.batch; ++n)
        if (c.lengths[n] < 0 || c.lengths[n] > c.time)
          fail(errc::bad_shape, "the length of sequence " + std::to_string(n) + " is " +
                                    std::to_string(c.lengths[n]) + ", must be in 0 .. " +
                                    std::to_string(c.time));
    static_cast<void>(reserve.require(reserve_bytes()));
    static_cast<void>(scratch.require(workspace_bytes()));
  }
  void require([[maybe_unused]] index_t time, [[maybe_unused]] index_t batch,
               [[maybe_unused]] workspace_view reserve,
               [[maybe_unused]] workspace_view scratch) const noexcept {
    IA_NN_REQUIRE(time >= 0 && batch >= 0 && time <= o_.max_time && batch <= o_.max_batch,
                  "rnn_training: T is ", time, " and N is ", batch, ", planned for at most ",
                  o_.max_time, " and ", o_.max_batch);
    IA_NN_REQUIRE(reserve.holds(reserve_bytes()), "rnn_training: a reserve of ", reserve.size,
                  " bytes, needed are ", reserve_bytes(), " aligned to 64 bytes");
    IA_NN_REQUIRE(scratch.holds(workspace_bytes()), "rnn_training: a workspace of ", scratch.size,
                  " bytes, needed are ", workspace_bytes(), " aligned to 64 bytes");
  }

  // ---- sizes ------------------------------------------------------------------------------------
  index_t features(index_t l) const noexcept { return l == 0 ? s_.input : directions() * output(); }
  W weights_of(index_t l) const noexcept { return {cell_, features(l), s_.hidden, s_.projected}; }
  std::uint64_t mask_round(std::uint64_t round, index_t l) const noexcept {
    return round * static_cast<std::uint64_t>(s_.layers) + static_cast<std::uint64_t>(l);
  }
  // Of one step of a layer and direction.
  index_t step_reserve() const noexcept {
    return o_.max_batch * ceil_div(s_.hidden, nr) * nr * derivative::slots * 4;
  }
  // Of h and c of all sequences.
  index_t states_size() const noexcept {
    return o_.max_batch * (output() + Cell::states * s_.hidden);
  }
  index_t pass_reserve() const noexcept {
    if (o_.checkpoint == 0) return round_up(step_reserve() * o_.max_time, 64);
    return detail::f32_bytes((ceil_div(o_.max_time, o_.checkpoint) - 1) * states_size());
  }
  f32* between(workspace_view reserve, index_t l) const noexcept {
    return reinterpret_cast<f32*>(reserve.data + s_.layers * directions() * pass_reserve() +
                                  l * between_bytes_);
  }
  index_t pass_bytes(W const& first, W const& inner) const noexcept {
    auto const of = [&](W const& w) {
      return detail::sequence_pass_layout<W>(w, o_.max_batch, chunk_, o_.workers).total;
    };
    return max_of(of(first), of(inner));
  }
  index_t choose_chunk() const noexcept {
    index_t const step_bytes = weights_of(0).input_matrix().columns() * 4 * o_.max_batch;
    index_t const fit = max_of(1, detail::max_chunk_bytes / step_bytes);
    return min_of(o_.max_time, min_of(fit, ceil_div(detail::max_chunk_rows, o_.max_batch)));
  }
  int team_size() const noexcept {
    W const w = weights_of(0);
    using kernel = typename W::matrix::main_kernel;
    index_t const tiles = ceil_div(o_.max_batch, detail::recurrent_height<kernel>(o_.max_batch));
    index_t const worth = max_of(1, w.recurrent_bytes() * o_.max_batch / detail::work_of_member);
    return static_cast<int>(min_of(o_.workers, min_of(w.blocks() * tiles, worth)));
  }

  // Where backward keeps what in the workspace.
  struct places {
    s32* order;
    f32* dropped;
    A* gates;
    A* kept;
    f32* kept_f32;
    A* hidden;
    f32* between[2];
    std::byte* rest;
    places(rnn_training const& t, std::byte* at) noexcept {
      auto const take = [&](auto*& p, index_t bytes) {
        p = reinterpret_cast<std::remove_reference_t<decltype(p)>>(at);
        at += bytes;
      };
      take(order, t.order_bytes_), take(dropped, t.dropped_bytes_), take(gates, t.gates_bytes_);
      take(kept, t.kept_bytes_), take(kept_f32, t.kept_f32_bytes_), take(hidden, t.hidden_bytes_);
      take(between[0], t.between_bytes_), take(between[1], t.between_bytes_);
      rest = at;
    }
  };

  // ---- forward ----------------------------------------------------------------------------------
  // Where the states before segment s are kept, h and behind it c.
  f32* checkpoint(std::byte* kept, index_t segment) const noexcept {
    return reinterpret_cast<f32*>(kept) + (segment - 1) * states_size();
  }
  index_t segment_steps(index_t time) const noexcept {
    return o_.checkpoint > 0 ? o_.checkpoint : max_of(time, 1);
  }
  index_t segments(index_t time) const noexcept {
    return o_.checkpoint > 0 ? max_of(1, ceil_div(time, o_.checkpoint)) : 1;
  }

  template <class Call>
  detail::sequence_pass<f32, f32> pass_of(Call const& c, index_t l, index_t d, f32 const* src,
                                          s32 const* order) const noexcept {
    index_t const in = features(l), out = directions() * output();
    bool const reverse = s_.direction == rnn_direction::reverse || d == 1;
    detail::sequence_pass<f32, f32> io{};
    io.rows = {c.time, c.batch, c.lengths, c.lengths ? order : nullptr, reverse};
    io.src = src, io.src_t = c.batch * in, io.src_n = in;
    io.dst_t = c.batch * out, io.dst_n = out;
    io.state_stride = c.batch * s_.hidden;
    return io;
  }
  // The states before a segment.
  template <class Call>
  void set_initial(detail::sequence_pass<f32, f32>& io, Call const& c, index_t at, index_t segment,
                   std::byte* kept) const noexcept {
    index_t const R = output(), H = s_.hidden;
    io.initial_hidden = c.initial_hidden ? c.initial_hidden + at * c.batch * R : nullptr;
    io.initial_state = c.initial_cell ? c.initial_cell + at * c.batch * H : nullptr;
    if (segment == 0) return;
    io.initial_hidden = checkpoint(kept, segment);
    io.initial_state = io.initial_hidden + c.batch * R;
  }

  void forward_direction(any_member const& m, W const& w, rnn_training_call const& c,
                         index_t l, index_t d, f32 const* src, f32* dst, s32 const* order,
                         std::byte* kept, std::byte* memory) const noexcept {
    index_t const R = output(), H = s_.hidden, at = l * directions() + d;
    detail::sequence_pass_layout<W> const layout(w, o_.max_batch, chunk_, o_.workers);
    index_t const count = segments(c.time), steps = segment_steps(c.time);
    for (index_t segment = 0; segment < count; ++segment) {
      detail::sequence_pass<f32, f32> io = pass_of(c, l, d, src, order);
      io.dst = dst + d * R;
      set_initial(io, c, at, segment, kept);
      if (segment + 1 < count) {
        io.final_hidden = checkpoint(kept, segment + 1);
        io.final_state = io.final_hidden + c.batch * R;
      } else {
        io.final_hidden = c.final_hidden ? c.final_hidden + at * c.batch * R : nullptr;
        io.final_state = c.final_cell ? c.final_cell + at * c.batch * H : nullptr;
      }
      if (o_.checkpoint == 0 && derivative::slots > 0) io.reserve = reinterpret_cast<f32*>(kept);
      io.first_step = segment * steps;
      io.steps_end = min_of(c.time, io.first_step + steps);
      detail::recurrence<W, f32, f32>(w, io, memory, layout, chunk_).run(m);
      m.barrier();
    }
  }

  // ---- backward ---------------------------------------------------------------------------------
  template <executor E>
  void backward_direction(rnn_backward_call const& c, index_t l, index_t d, f32 const* src,
                          f32 const* dst, f32 const* diff, std::byte* kept, places const& p,
                          E& e) const noexcept {
    index_t const R = output(), H = s_.hidden, D = directions(), at = l * D + d;
    bool const again = o_.checkpoint > 0 && derivative::slots > 0;
    std::byte* const back_weights = p.rest + segment_bytes_;
    std::byte* const back_memory = back_weights + back_weights_;
    index_t const count = segments(c.time), steps = segment_steps(c.time);
    run_team(e, team_size(), [&](auto const& member) {
      any_member const m(member);
      W w = weights_of(l);
      rnn_source const& source = c.weights[static_cast<std::size_t>(at)];
      detail::backward_layout<W> const layout(w, o_.max_batch, o_.workers);
      std::byte* const forward_weights = back_memory + layout.total;
      w.place_back(back_weights);
      w.pack_back(source, m.rank(), m.size());
      W f = weights_of(l);
      if (again) {
        f.place_forward(forward_weights);
        f.pack_forward(source, m.rank(), m.size());
      }
      m.barrier();
      detail::sequence_pass_layout<W> const forward_layout(f, o_.max_batch, chunk_, o_.workers);
      for (index_t segment = count - 1; segment >= 0; --segment) {
        detail::sequence_pass<f32, f32> io = pass_of(c, l, d, src, p.order);
        set_initial(io, c, at, segment, kept);
        io.first_step = segment * steps;
        io.steps_end = min_of(c.time, io.first_step + steps);
        io.reserve = reinterpret_cast<f32*>(again ? p.rest : kept);
        if (again) {
          detail::recurrence<W, f32, f32>(f, io, forward_weights + forward_weights_, forward_layout,
                                          chunk_)
              .run(m);
          m.barrier();
        }
        detail::backward_io<A> b{};
        b.rows = io.rows;
        b.dst = dst + d * R, b.dst_t = io.dst_t, b.dst_n = io.dst_n;
        b.diff_dst = diff ? diff + d * R : nullptr, b.diff_t = io.dst_t, b.diff_n = io.dst_n;
        b.reserve = io.reserve;
        b.initial_hidden = c.initial_hidden ? c.initial_hidden + at * c.batch * R : nullptr;
        b.initial_state = io.initial_state;
        b.diff_final_hidden =
            c.diff_final_hidden ? c.diff_final_hidden + at * c.batch * R : nullptr;
        b.diff_final_state = c.diff_final_cell ? c.diff_final_cell + at * c.batch * H : nullptr;
        b.gates = p.gates;
        b.kept = kept_bytes_ > 0 ? p.kept : nullptr;
        b.diff_hidden = hidden_bytes_ > 0 ? p.hidden : nullptr;
        auto const part = [&](gradient g, index_t size) {
          return g ? gradient{g.data + at * c.batch * size, g.add} : g;
        };
        b.diff_initial_hidden = part(c.diff_initial_hidden, R);
        b.diff_initial_state = Cell::states > 0 ? part(c.diff_initial_cell, H) : not_wanted;
        b.first_step = io.first_step, b.steps_end = io.steps_end;
        b.begins = segment == count - 1, b.ends = segment == 0;
        detail::backward_pass<W>(w, b, back_memory, layout).run(m);
        m.barrier();
      }
    });
  }

  // Everything that is made of the gradients of all times.
  template <executor E>
  void gradients_of_direction(rnn_backward_call const& c, index_t l, index_t d, f32 const* src,
                              f32 const* dst, gradient diff_src, places const& p,
                              workspace_view reserve, E& e) const noexcept {
    index_t const H = s_.hidden, R = output(), D = directions(), N = c.batch, rows = c.time * N;
    index_t const at = l * D + d, in = features(l);
    if (diff_src && rows > 0)
      to_src_[static_cast<std::size_t>((l > 0 ? 2 : 0) + (diff_src.add ? 1 : 0))]
          .with_rows(rows)
          .run_unpacked({p.gates, outputs * H, 1},
                        c.weights[static_cast<std::size_t>(at)].w_input.data(), in, 1,
                        diff_src.data, in, chain<>{}, {p.rest, products_bytes_}, e);
    if (c.gradients.empty()) return;
    bool const reverse = s_.direction == rnn_direction::reverse || d == 1;
    gradients const sums{
        .input = in,
        .hidden = H,
        .output = R,
        .workers = o_.workers,
        .rows = {c.time, N, c.lengths, c.lengths ? p.order : nullptr, reverse},
        .src = src,
        .h = dst + d * R,
        .h_ld = D * R,
        .gates = p.gates,
        .kept = p.kept,
        .kept_f32 = p.kept_f32,
        .diff_hidden = hidden_bytes_ > 0 ? p.hidden : nullptr,
        .initial_hidden = c.initial_hidden ? c.initial_hidden + at * N * R : nullptr,
        .initial_cell = c.initial_cell ? c.initial_cell + at * N * H : nullptr,
        .reserve = reinterpret_cast<f32 const*>(reserve.data + at * pass_reserve()),
        .scratch = p.rest};
    sums.run(c.gradients[static_cast<std::size_t>(at)], e);
  }

  rnn_training_shape s_;
  rnn_training_options o_;
  [[no_unique_address]] Cell cell_;
  dropout<I> dropout_;
  std::vector<product> to_src_; ///< [first layer, others][write, add]
  index_t chunk_ = 1, forward_pass_ = 0, order_bytes_ = 0, dropped_bytes_ = 0, gates_bytes_ = 0,
          kept_bytes_ = 0, kept_f32_bytes_ = 0, hidden_bytes_ = 0, between_bytes_ = 0,
          segment_bytes_ = 0, forward_weights_ = 0, back_weights_ = 0, products_bytes_ = 0,
          forward_bytes_ = 0, backward_bytes_ = 0;
};

IA_NN_END

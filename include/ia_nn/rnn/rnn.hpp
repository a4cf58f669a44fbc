// SPDX-License-Identifier: Apache-2.0
//
// Recurrent layers and stacks over whole sequences.
//
//   rnn model(weights, {.max_time = 300, .max_batch = 20, .workers = 2});
//   workspace scratch(model.workspace_bytes());
//   model.run(rnn_call<f32, f32>{.src = x, .dst = y, .time = 300, .batch = 20}, scratch, pool);
//
// All layers run in one parallel region. Set-up may throw; `run` is noexcept and neither allocates
// nor locks. A model is constant: any number of threads may run it at once, each with a workspace.
#pragma once

#include <ia_nn/core/fp_env.hpp>
#include <ia_nn/core/workspace.hpp>
#include <ia_nn/math/activation.hpp>
#include <ia_nn/rnn/gru.hpp>
#include <ia_nn/rnn/lstm.hpp>
#include <ia_nn/rnn/recurrence.hpp>
#include <ia_nn/rnn/vanilla.hpp>

#include <vector>

#include <ia_nn/begin.hpp>

enum class rnn_direction {
  forward,
  reverse,
  concat, ///< both, side by side in the destination
  sum     ///< both, added
};
enum class rnn_layout {
  time_first, ///< (T, N, features)
  batch_first ///< (N, T, features)
};

struct rnn_options {
  index_t max_time = 1, max_batch = 1; ///< of the largest call
  int workers = 1;                     ///< concurrency of the executor
  rnn_direction direction = rnn_direction::forward;
  rnn_layout layout = rnn_layout::time_first;
  bool residual = false; ///< layers from the second on add their input to their output
  denormals denormal = denormals::flush; ///< decaying states make denormals by the thousand
};

/// One run. D is 2 for both directions, else 1; L layers; R outputs of a direction.
template <element X, element Y> struct rnn_call {
  X const* src = nullptr;              ///< (T, N, I) or (N, T, I): f32, or the layer's operand type
  Y* dst = nullptr;                    ///< (T, N, D*R), R for sum; null for final states alone
  index_t time = 0, batch = 0;         ///< T, N
  f32 const* initial_hidden = nullptr; ///< (L*D, N, R); null for zeros
  f32 const* initial_cell = nullptr;   ///< (L*D, N, H) for each carried state; null for zeros
  f32* final_hidden = nullptr;         ///< (L*D, N, R), or null
  f32* final_cell = nullptr;           ///< as initial_cell, or null
  s32 const* lengths = nullptr;        ///< (N): 0 <= length <= T; outputs behind the end are zero
  f32 const* attention = nullptr;      ///< (T, N) or (N, T), for cells that attend
};

/// A stack of layers, each in one or two directions. Weights is an rnn_weights.
/// Errors at construction: errc::bad_shape (layers that do not fit each other, extents), each with
/// the name of the layer; errc::bad_parameter.
template <class Weights> class rnn {
  using A = typename Weights::operand_type;

public:
  using weights_type = Weights;

  /// `layers`: [layer][direction].
  rnn(std::vector<Weights> layers, rnn_options const& o)
      : weights_(std::move(layers)), options_(o) {
    if (weights_.empty()) throw_error(errc::bad_shape, "rnn: no layers");
    if (o.max_time < 1 || o.max_batch < 1)
      throw_error(errc::bad_shape, "rnn: max_time is " + std::to_string(o.max_time) +
                                       " and max_batch is " + std::to_string(o.max_batch) +
                                       ", both must be at least 1");
    if (o.workers < 1)
      throw_error(errc::bad_parameter,
                  "rnn: workers is " + std::to_string(o.workers) + ", must be at least 1");
    if (static_cast<index_t>(weights_.size()) % directions() != 0)
      throw_error(errc::bad_shape, "rnn: " + std::to_string(weights_.size()) +
                                       " weights for layers of two directions");
    for (index_t l = 0; l < layers_count(); ++l)
      for (index_t d = 0; d < directions(); ++d) check_layer(l, d);
    index_t const widest = [&] {
      index_t w = 0;
      for (index_t l = 0; l < layers_count(); ++l) w = max_of(w, width(l));
      return w;
    }();
    shape<dyn, dyn, dyn, dyn> const big(o.max_time, o.max_batch, widest + 64,
                                        64); // overflow throws
    static_cast<void>(big);
    side_by_side_ = runs_side_by_side();
    chunk_ = choose_chunk();
    for (Weights const& w : weights_)
      direction_bytes_ =
          max_of(direction_bytes_,
                 detail::sequence_pass_layout<Weights>(w, o.max_batch, chunk_, o.workers).total);
    order_bytes_ = round_up(o.max_batch * 4, 64);
    between_bytes_ = layers_count() > 1 ? round_up(o.max_time * o.max_batch * widest * 4, 64) : 0;
    workspace_bytes_ =
        direction_bytes_ * (side_by_side_ ? 2 : 1) + order_bytes_ + 2 * between_bytes_;
  }
  explicit rnn(Weights layer, rnn_options const& o) : rnn(one(std::move(layer)), o) {}

  index_t layers_count() const noexcept {
    return static_cast<index_t>(weights_.size()) / directions();
  }
  index_t directions() const noexcept {
    return options_.direction == rnn_direction::concat || options_.direction == rnn_direction::sum
               ? 2
               : 1;
  }
  Weights const& weights(index_t layer, index_t direction = 0) const noexcept {
    return weights_[static_cast<std::size_t>(layer * directions() + direction)];
  }
  rnn_options const& options() const noexcept { return options_; }
  index_t input() const noexcept { return weights(0).input(); }
  /// Features of the destination.
  index_t output() const noexcept { return width(layers_count() - 1); }
  index_t workspace_bytes() const noexcept { return workspace_bytes_; }
  /// Bytes of all weights.
  index_t bytes() const noexcept {
    index_t n = 0;
    for (Weights const& w : weights_) n += w.bytes();
    return n;
  }

  /// Checks what one call is given; for set-up. Errors: errc::bad_shape (T, N, lengths),
  /// errc::bad_pointer, errc::bad_parameter, errc::overlap, errc::small_workspace.
  template <element X, element Y>
  void check(rnn_call<X, Y> const& c, workspace_view scratch) const {
    auto const fail = [&](errc code, std::string const& what) {
      throw_error(code, weights(0).name() + ": " + what);
    };
    if (c.time < 0 || c.batch < 0 || c.time > options_.max_time || c.batch > options_.max_batch)
      fail(errc::bad_shape, "T is " + std::to_string(c.time) + " and N is " +
                                std::to_string(c.batch) + ", planned for at most " +
                                std::to_string(options_.max_time) + " and " +
                                std::to_string(options_.max_batch));
    if (!c.src && c.time * c.batch > 0) fail(errc::bad_pointer, "src is null");
    if (!c.dst && !c.final_hidden && !c.final_cell)
      fail(errc::bad_pointer, "there is no destination");
    if constexpr (Weights::traits::attends)
      if (!c.attention && c.time * c.batch > 0)
        fail(errc::bad_pointer, "this cell needs attention");
    if (c.lengths)
      for (index_t n = 0; n < c.batch; ++n)
        if (c.lengths[n] < 0 || c.lengths[n] > c.time)
          fail(errc::bad_shape, "the length of sequence " + std::to_string(n) + " is " +
                                    std::to_string(c.lengths[n]) + ", must be in 0 .. " +
                                    std::to_string(c.time));
    index_t const x_bytes = c.time * c.batch * input() * static_cast<index_t>(sizeof(X));
    index_t const y_bytes = c.time * c.batch * output() * static_cast<index_t>(sizeof(Y));
    if (c.dst && overlaps(c.dst, y_bytes, c.src, x_bytes)) fail(errc::overlap, "dst overlaps src");
    static_cast<void>(scratch.require(workspace_bytes()));
  }

  /// Preconditions: what `check` checks.
  template <element X, element Y, executor E = sequential>
  void run(rnn_call<X, Y> const& c, workspace_view scratch, E&& e = {}) const noexcept {
    run(c, [](index_t, auto const*, index_t, auto const*, index_t) {}, scratch, e);
  }

  /// The same; observe(layer, src, src_features, dst, dst_features) is called after every layer
  /// with what it read and wrote, (T, N, features) in the layout of the call.
  template <element X, element Y, class Observer, executor E = sequential>
  void run(rnn_call<X, Y> const& c, Observer&& observe, workspace_view scratch,
           E&& e = {}) const noexcept {
    static_assert(std::same_as<X, f32> || std::same_as<X, A>,
                  "ia_nn: rnn: src must be f32 or the operand type of the weights");
    static_assert(std::same_as<Y, f32> || std::same_as<Y, bf16>,
                  "ia_nn: rnn: dst must be f32 or bf16");
    IA_NN_REQUIRE(c.time >= 0 && c.batch >= 0 && c.time <= options_.max_time &&
                      c.batch <= options_.max_batch,
                  "rnn: T is ", c.time, " and N is ", c.batch, ", planned for at most ",
                  options_.max_time, " and ", options_.max_batch);
    IA_NN_REQUIRE(scratch.holds(workspace_bytes()), "rnn: a workspace of ", scratch.size,
                  " bytes, run needs ", workspace_bytes(), " aligned to 64 bytes");
    if (c.batch == 0) return;
    denormal_scope const mode(options_.denormal);
    s32* const order = reinterpret_cast<s32*>(scratch.data);
    if (c.lengths) detail::sort_by_length(c.batch, c.lengths, order);
    f32* const between[2] = {reinterpret_cast<f32*>(scratch.data + order_bytes_),
                             reinterpret_cast<f32*>(scratch.data + order_bytes_ + between_bytes_)};
    std::byte* const memory = scratch.data + order_bytes_ + 2 * between_bytes_;
    run_team(e, team_size(), [&](auto const& member) {
      any_member const m(member);
      index_t const last = layers_count() - 1;
      for (index_t l = 0; l <= last; ++l) {
        f32 const* const in = between[(l + 1) % 2];
        if (l == 0 && last == 0) run_layer(m, c, l, c.src, c.dst, order, memory, observe);
        else if (l == 0) run_layer(m, c, l, c.src, between[0], order, memory, observe);
        else if (l == last) run_layer(m, c, l, in, c.dst, order, memory, observe);
        else run_layer(m, c, l, in, between[l % 2], order, memory, observe);
      }
    });
  }

private:
  static std::vector<Weights> one(Weights&& w) {
    std::vector<Weights> v;
    v.push_back(std::move(w));
    return v;
  }
  // Features that layer l writes.
  index_t width(index_t l) const noexcept {
    index_t const r = weights(l).output();
    return options_.direction == rnn_direction::concat ? 2 * r : r;
  }
  void check_layer(index_t l, index_t d) const {
    Weights const& w = weights(l, d);
    index_t const expected = l == 0 ? weights(0).input() : width(l - 1);
    if (w.input() != expected)
      throw_error(errc::bad_shape, w.name() + ": layer " + std::to_string(l) +
                                       " has I = " + std::to_string(w.input()) +
                                       ", the layer before it gives " + std::to_string(expected));
    if (w.output() != weights(l, 0).output() || w.hidden() != weights(l, 0).hidden())
      throw_error(errc::bad_shape,
                  w.name() + ": the directions of layer " + std::to_string(l) + " differ in size");
    if (w.hidden() != weights(0).hidden() || w.output() != weights(0).output())
      throw_error(errc::bad_shape, w.name() + ": layer " + std::to_string(l) +
                                       " has H = " + std::to_string(w.hidden()) +
                                       ", the first one " + std::to_string(weights(0).hidden()) +
                                       ": states are one array, chain two models instead");
    if (options_.residual && l > 0 && w.input() != width(l))
      throw_error(errc::bad_shape, w.name() + ": a residual needs as many outputs as inputs");
  }

  // So many steps that the input product has enough rows to be fast and its result stays in cache.
  // Steps of AMX are so short that it should be L2, if a member's weights leave room there for as many
  // rows as pay for reading W again; vectors are as fast with L3.
  index_t choose_chunk() const noexcept {
    index_t columns = 0, weights = 0;
    for (Weights const& w : weights_) {
      columns = max_of(columns, w.input_matrix().columns());
      weights = max_of(weights, w.input_matrix().bytes() + w.recurrent_bytes());
    }
    index_t const members = max_of(1, options_.workers / (side_by_side_ ? 2 : 1));
    index_t const step_bytes = columns * 4 * options_.max_batch;
    index_t const room = detail::l2_filled() - weights / members;
    index_t const in_l2 = room / ceil_div(step_bytes, members);
    index_t const fit = max_of(1, detail::max_chunk_bytes / step_bytes);
    index_t const enough = ceil_div(detail::max_chunk_rows, options_.max_batch);
    index_t const most = min_of(options_.max_time, min_of(fit, enough));
    using kernel = typename Weights::matrix::main_kernel;
    bool const stays = kernel::is_amx && in_l2 * options_.max_batch >= detail::min_chunk_rows;
    return stays ? min_of(most, in_l2) : most;
  }

  // Both directions at once, each by half of the team, unless half of the weights would stay in L2
  // and all of them would not. Sums need the first direction's result.
  bool runs_side_by_side() const noexcept {
    if (options_.direction != rnn_direction::concat || options_.workers < 2) return false;
    index_t const l2 = detail::l2_kept();
    for (index_t l = 0; l < layers_count(); ++l) {
      Weights const &a = weights(l, 0), &b = weights(l, 1);
      if (a.follows_range() != b.follows_range())
        return false; // they would wait for each other different numbers of times
      index_t const all = a.recurrent_bytes();
      if (all > l2 && all / options_.workers <= l2) return false;
    }
    return true;
  }

  // No more members than have a tile, and than have work that is worth the barriers.
  int team_size() const noexcept {
    index_t const work = weights(0).recurrent_bytes();
    using kernel = typename Weights::matrix::main_kernel;
    index_t const tiles =
        ceil_div(options_.max_batch, detail::recurrent_height<kernel>(options_.max_batch));
    index_t const blocks = weights(0).blocks() * tiles * (side_by_side_ ? 2 : 1);
    index_t const worth =
        max_of(1, work * options_.max_batch * (side_by_side_ ? 4 : 1) / detail::work_of_member);
    return static_cast<int>(min_of(options_.workers, min_of(blocks, worth)));
  }

  template <element X, element Y, element CX, element CY, class Observer>
  void run_layer(any_member const& m, rnn_call<CX, CY> const& c, index_t l, X const* src,
                 Y* dst, s32 const* order, std::byte* memory, Observer& observe) const noexcept {
    if (side_by_side_ && m.size() >= 2) {
      int const first = m.size() / 2; // members of the forward direction
      bool const second = m.rank() >= first;
      auto const part =
          second ? m.part(m.rank() - first, m.size() - first) : m.part(m.rank(), first);
      run_direction(part, c, l, second, src, dst, order, memory + (second ? direction_bytes_ : 0));
      m.barrier();
    } else {
      for (index_t d = 0; d < directions(); ++d) {
        run_direction(m, c, l, d, src, dst, order, memory);
        m.barrier();
      }
    }
    if (m.rank() == 0) observe(l, src, weights(l).input(), static_cast<Y const*>(dst), width(l));
    if (l + 1 < layers_count()) m.barrier();
  }

  template <element X, element Y, element CX, element CY>
  void run_direction(any_member const& m, rnn_call<CX, CY> const& c, index_t l, index_t d,
                     X const* src, Y* dst, s32 const* order, std::byte* memory) const noexcept {
    bool const time_first = options_.layout == rnn_layout::time_first;
    index_t const D = directions(), features = width(l);
    Weights const& w = weights(l, d);
    index_t const I = w.input(), R = w.output(), H = w.hidden(), at = l * D + d;
    detail::sequence_pass_layout<Weights> const layout(w, options_.max_batch, chunk_,
                                                       options_.workers);
    auto const from = [&](auto* p, index_t size) { return p ? p + at * c.batch * size : nullptr; };
    bool const reverse = options_.direction == rnn_direction::reverse || d == 1;
    bool const sum = options_.direction == rnn_direction::sum;
    index_t const column = sum ? 0 : d * R;
    bool const residual = options_.residual && l > 0 && !(sum && d == 1);
    detail::sequence_pass<X, Y> const io{
        {c.time, c.batch, c.lengths, c.lengths ? order : nullptr, reverse},
        src,
        time_first ? c.batch * I : I,
        time_first ? I : c.time * I,
        dst ? dst + column : nullptr,
        time_first ? c.batch * features : features,
        time_first ? features : c.time * features,
        sum && d == 1,
        residual ? src + column : nullptr,
        c.attention,
        time_first ? c.batch : 1,
        time_first ? 1 : c.time,
        from(c.initial_hidden, R),
        from(c.initial_cell, H),
        from(c.final_hidden, R),
        from(c.final_cell, H),
        layers_count() * D * c.batch * H};
    detail::recurrence<Weights, X, Y>(w, io, memory, layout, chunk_).run(m);
  }

  std::vector<Weights> weights_;
  rnn_options options_;
  bool side_by_side_ = false;
  index_t chunk_ = 1, direction_bytes_ = 0, order_bytes_ = 0, between_bytes_ = 0,
          workspace_bytes_ = 0;
};

IA_NN_END

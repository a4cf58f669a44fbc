// SPDX-License-Identifier: Apache-2.0
//
// A recurrent network that runs along with a signal: one sample or a block of samples a call, its
// state kept between calls. For audio, control and sensors: batch 1, no allocation, no threads.
//
//   rnn_stream voice(model);              // any number of streams share a model's weights
//   voice.step(x, y);                     // (I) -> (R)
//   rnn_stream other = voice;             // goes on from the same state
//
// Denormal numbers: switching the CPU's mode and back costs a third of a small step, so the mode is
// left alone. Unless the model keeps denormals, states and inputs below 2^-50 (-301 dB) become zero
// instead, which keeps everything that is computed from them far from the smallest normal number.
#pragma once

#include <ia_nn/int8/dynamic.hpp>
#include <ia_nn/rnn/rnn.hpp>

#include <ia_nn/begin.hpp>

/// State of one signal through the model, which must outlive it. Forward layers only.
/// Errors at construction: errc::bad_parameter (a backward direction, cells that attend).
template <class Weights> class rnn_stream {
  using A = typename Weights::operand_type;
  using matrix = typename Weights::matrix;
  using row = detail::operand_row<A, typename matrix::few_kernel, matrix::parts>;
  using I = typename Weights::isa_type;
  using V = vec<f32, I>;
  static constexpr index_t nr = Weights::nr;
  static constexpr int slots = Weights::traits::slots;
  static_assert(!Weights::traits::attends, "ia_nn: rnn_stream: cells that attend run by sequence");

public:
  explicit rnn_stream(rnn<Weights> const& model)
      : model_(&model), tiny_(model.options().denormal == denormals::flush ? 0x1p-50F : 0.0F) {
    if (model.options().direction != rnn_direction::forward)
      throw_error(errc::bad_parameter,
                  model.weights(0).name() + ": a stream goes forward, the model does not");
    index_t bytes = 0;
    for (index_t l = 0; l < model.layers_count(); ++l)
      bytes += carve(model.weights(l), nullptr).bytes;
    memory_ = aligned_array<std::byte>(bytes);
    place_parts();
    reset();
  }
  rnn_stream(rnn_stream const& other)
      : model_(other.model_), tiny_(other.tiny_), sweep_(other.sweep_),
        memory_(other.memory_.size()) {
    place_parts();
    __builtin_memcpy(memory_.data(), other.memory_.data(),
                     static_cast<std::size_t>(memory_.size()));
  }
  rnn_stream& operator=(rnn_stream const& other) { return *this = rnn_stream(other); }
  rnn_stream(rnn_stream&&) noexcept = default;
  rnn_stream& operator=(rnn_stream&&) noexcept = default;

  index_t input() const noexcept { return model_->input(); }
  index_t output() const noexcept { return model_->output(); }

  /// One sample: x (I) to y (R).
  void step(f32 const* x, f32* y) noexcept { advance(x, y); }
  /// `count` samples: x (count, I) to y (count, R).
  void run(index_t count, f32 const* x, f32* y) noexcept {
    index_t const in = input(), out = output();
    for (index_t i = 0; i < count; ++i) advance(x + i * in, y + i * out);
  }

  /// h and the carried states become zero.
  void reset() noexcept {
    for (index_t l = 0; l < model_->layers_count(); ++l) {
      part const& p = layer(l);
      __builtin_memset(p.states, 0, static_cast<std::size_t>(p.slot * slots * 4));
      *p.nan = 0;
      put_hidden(l, p);
    }
  }
  /// Floats of a state: for each layer h (R), then the carried states (H each).
  index_t state_size() const noexcept {
    index_t n = 0;
    for (index_t l = 0; l < model_->layers_count(); ++l) n += state_size(l);
    return n;
  }
  void get_state(f32* to) const noexcept {
    each_state([&](f32 const* state, index_t n) {
      __builtin_memcpy(to, state, static_cast<std::size_t>(n) * 4);
      to += n;
    });
  }
  void set_state(f32 const* from) noexcept {
    each_state([&](f32* state, index_t n) {
      __builtin_memcpy(state, from, static_cast<std::size_t>(n) * 4);
      from += n;
    });
    for (index_t l = 0; l < model_->layers_count(); ++l) {
      Weights const& w = model_->weights(l);
      part const& p = layer(l);
      *p.nan = 0;
      each_state(w, p, [&](f32 const* state, index_t n) {
        if (Weights::quantized) *p.nan += detail::largest_of<I>(state, n) * 0.0F;
      });
      put_hidden(l, p);
    }
  }

private:
  /// Memory of one layer.
  struct part {
    f32* states;
    index_t slot;
    std::byte *h, *next; ///< h(t-1), and h(t) while blocks of units still read the other
    std::byte *other, *x;
    f32 *gates, *y;
    f32 *factor, *nan; ///< bytes: scale of h(t-1), where it follows the range; NaN once one came in
    index_t bytes;
  };
  static part carve(Weights const& w, std::byte* memory) noexcept {
    part p;
    index_t at = 0;
    auto const take = [&](index_t bytes) {
      std::byte* const start = memory ? memory + at : nullptr;
      at += round_up(bytes, 64);
      return start;
    };
    p.slot = max_of(w.blocks(), w.output_blocks()) * nr;
    p.states = reinterpret_cast<f32*>(take(p.slot * slots * 4));
    p.h = take(row::bytes(w.output())), p.next = take(row::bytes(w.output()));
    p.other = take(row::bytes(w.hidden()));
    p.x = take(row::bytes(w.input()));
    p.gates =
        reinterpret_cast<f32*>(take(Weights::traits::by_row ? 2 * w.recurrent().columns() * 4 : 0));
    p.y = reinterpret_cast<f32*>(take(w.output() * 4));
    p.factor = reinterpret_cast<f32*>(take(8)), p.nan = p.factor + 1;
    p.bytes = at;
    return p;
  }
  void place_parts() {
    std::byte* at = memory_.data();
    for (index_t l = 0; l < model_->layers_count(); ++l) {
      parts_.push_back(carve(model_->weights(l), at));
      at += parts_.back().bytes;
    }
  }
  part const& layer(index_t l) const noexcept { return parts_[static_cast<std::size_t>(l)]; }
  index_t state_size(index_t l) const noexcept {
    Weights const& w = model_->weights(l);
    return w.output() + Weights::cell_type::states * w.hidden();
  }
  template <class F> void each_state(F&& f) const noexcept {
    for (index_t l = 0; l < model_->layers_count(); ++l)
      each_state(model_->weights(l), layer(l), f);
  }
  template <class F> static void each_state(Weights const& w, part const& p, F&& f) noexcept {
    f(p.states, w.output());
    for (int k = 0; k < Weights::cell_type::states; ++k) f(p.states + (1 + k) * p.slot, w.hidden());
  }
  quantization hidden_scale(Weights const& w, part const& p) const noexcept {
    quantization a = w.quantization().hidden;
    if (w.follows_range()) a.scale = *p.factor;
    return a;
  }
  // h of all units as the operand of the next step.
  void put_hidden(index_t l, part const& p) const noexcept {
    Weights const& w = model_->weights(l);
    if constexpr (Weights::quantized)
      if (w.follows_range())
        *p.factor = detail::row_scale(detail::largest_of<I>(p.states, w.output()));
    row const to(p.h, w.output());
    detail::quantizer const q(Weights::quantized ? hidden_scale(w, p) : quantization{1.0F, 0});
    for (index_t b = 0; b < w.output_blocks(); ++b) {
      V h[nr / V::size];
      for (int v = 0; v < static_cast<int>(nr) / V::size; ++v)
        h[v] = V::load(p.states + b * nr + v * V::size);
      to.put(0, b * nr, min_of(nr, w.output() - b * nr), h, q);
    }
  }

  IA_NN_INLINE void advance(f32 const* x, f32* y) noexcept {
    index_t const last = model_->layers_count() - 1;
    sweep_ = 1 - sweep_;
    for (index_t l = 0; l <= last; ++l) {
      part const& p = layer(l);
      f32* const to = l == last ? y : p.y;
      bool const residual = model_->options().residual && l > 0;
      layer_step(l, p, x, to);
      if (residual)
        for (index_t i = 0; i < model_->weights(l).output(); ++i) to[i] += x[i];
      x = to;
    }
  }
  IA_NN_INLINE void layer_step(index_t l, part const& p, f32 const* x, f32* y) noexcept {
    Weights const& w = model_->weights(l);
    detail::row_step_call<Weights> call{};
    call.x_factor = input_operand(w, p, x, call.x);
    call.x_start = w.input_start();
    quantization const a = hidden_scale(w, p);
    call.h = row(p.h, w.output()).data();
    call.factor = Weights::quantized ? a.scale : 1.0F;
    if constexpr (Weights::quantized)
      call.projected_factor = w.quantization().unprojected.scale + *p.nan;
    call.states = p.states;
    call.slot = p.slot;
    call.tiny = tiny_;
    // One block reads all of h(t-1) before it writes h(t).
    bool const direct = w.blocks() == 1 && !w.projects();
    row const next(direct ? p.h : p.next, w.output()), other(p.other, w.hidden());
    quantization const second = Weights::quantized && w.projects() ? w.quantization().unprojected
                          : Weights::quantized               ? a
                                                             : quantization{1.0F, 0};
    detail::quantizer const q(Weights::quantized ? a : quantization{1.0F, 0});
    detail::row_step(w, solo_member{}, call, p.gates, other, second, {0, w.blocks()},
                     {0, w.output_blocks()}, sweep_, [&](index_t unit, V value) IA_NN_LAMBDA {
                       V const h[1] = {detail::without_tiny(value, call.tiny)};
                       index_t const left = w.output() - unit;
                       if (!w.follows_range()) next.put(0, unit, left, h, q);
                       h[0].store(p.states + unit);
                       if (left >= V::size) h[0].store(y + unit);
                       else h[0].store(y + unit, left);
                     });
    if (w.follows_range()) put_hidden(l, p);
    else if (!direct)
      __builtin_memcpy(p.h, p.next, static_cast<std::size_t>(row::bytes(w.output())));
  }
  // The input as the product reads it; returns its scale.
  IA_NN_INLINE f32 input_operand(Weights const& w, part const& p, f32 const* x,
                                 typename row::packed const*& operand) const noexcept {
    quantization a = w.quantization().input;
    if constexpr (Weights::quantized)
      if (w.quantization().dynamic)
        a = {detail::row_scale(detail::largest_of<I>(x, w.input())), detail::middle_of<A>};
    V nan = V::zero();
    row const to(p.x, w.input());
    detail::quantizer const q(Weights::quantized ? a : quantization{1.0F, 0});
    for (index_t i = 0; i < w.input(); i += V::size) {
      index_t const left = w.input() - i;
      V const v[1] = {detail::without_tiny(V::load(x + i, left), tiny_)};
      nan = select(v[0] == v[0], nan, v[0]);
      to.put(0, i, left, v, q);
    }
    operand = to.data();
    if constexpr (!Weights::quantized) return 1.0F;
    if (any_nan(nan)) *p.nan = __builtin_nanf(""); // bytes have none
    return a.scale + *p.nan;
  }

  rnn<Weights> const* model_;
  f32 tiny_ = 0;
  index_t sweep_ = 0; ///< direction of the sweep over the weights
  aligned_array<std::byte> memory_;
  std::vector<part> parts_;
};

IA_NN_END

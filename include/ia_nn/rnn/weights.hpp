// SPDX-License-Identifier: Apache-2.0
//
// One direction of one recurrent layer, packed once and frozen. Layers, stacks and streams read it.
#pragma once

#include <ia_nn/arch/cpu.hpp>
#include <ia_nn/rnn/cell.hpp>
#include <ia_nn/rnn/gate_matrix.hpp>
#include <ia_nn/rnn/quantization.hpp>
#include <ia_nn/rnn/source.hpp>

#include <string_view>

#include <ia_nn/begin.hpp>

/// Weights of Cell on the instruction set Isa.
///
///   A, B                        arithmetic
///   f32, f32                    f32; with Policy = bf16_terms<2 or 3> on AMX: bf16 terms
///   f32, bf16 or s8             f32, narrow weights widened when loaded (weight-only)
///   bf16, bf16                  inputs and h rounded to bf16, sums and states in f32
///   u8 or s8, s8                inputs and h quantized, sums exact, states in f32
///
/// Input and Hidden are I and H if known at compile time. Errors: errc::bad_shape (sizes that do
/// not fit, H = 0), errc::bad_parameter (quantization), errc::unsupported_isa; the sentence begins
/// with `name`.
template <isa::tag Isa, recurrent_cell Cell, element A = f32, element B = A,
          class Policy = standard, index_t Input = dyn, index_t Hidden = dyn>
class rnn_weights {
  static_assert(
      isa::is_compiled<Isa>,
      "ia_nn: rnn_weights: this translation unit is not compiled for that instruction set; "
      "add its -m flags or -march=native, or choose one of isa::compiled");
  static_assert(
      detail::product_exists<A, B, Policy> && !std::same_as<Policy, grouped>,
      "ia_nn: rnn_weights: operand and weights must be f32 and f32, f32 and bf16 or s8, bf16 "
      "and bf16, or u8 or s8 and s8");
  // Eight units fill half a register of 512 bits: the smaller ones cost half as much.
  static constexpr bool half_registers =
      isa::has<Isa, isa::avx512> && std::same_as<A, f32> && Hidden != dyn && Hidden <= 8;
  using I = std::conditional_t<half_registers, isa::avx2, Isa>;
  static_assert(Input != 0 && Hidden != 0, "ia_nn: rnn_weights: I and H must be at least 1");

public:
  using isa_type = I;
  using requested_isa = Isa;
  using cell_type = Cell;
  using operand_type = A;
  using weight_type = B;
  using traits = detail::cell_traits<Cell>;
  using matrix = detail::gate_matrix<I, A, B, Policy>;
  static constexpr index_t static_input = Input, static_hidden = Hidden;
  static constexpr index_t nr = matrix::nr;
  static constexpr bool quantized = byte_element<A>;
  static constexpr int records = 0; ///< values of a unit that a backward pass is given

  /// `Order` is that of the gates in `s`: gate_order::pytorch, whose order the packed weights have,
  /// or another of source.hpp.
  template <gate_ordering Order>
  rnn_weights(Order, rnn_source const& s, Cell const& cell = {}, rnn_quantization const& q = {},
              std::string_view name = "rnn")
      : name_(name), cell_(cell), quantization_(q), input_(s.input), hidden_(s.hidden),
        output_(s.projected ? s.projected : s.hidden) {
    isa::require<typename matrix::main_kernel::isa_type>();
    constexpr int G = traits::gates;
    check(s, Order::transposed);
    if constexpr (quantized) quantization_.complete<A>(name_, Cell::bounded, s.projected > 0);
    index_t const H = hidden(), R = output();
    auto const at = [&](std::span<f32 const> w, index_t k, int g, index_t unit, index_t depth) {
      index_t const row = detail::source_gate<Order>(G, g) * H + unit;
      return w[static_cast<std::size_t>(Order::transposed ? k * G * H + row : row * depth + k)];
    };
    IA_NN_TRY {
      input_matrix_ = matrix(input(), H, G, [&](index_t k, int g, index_t unit) {
        return at(s.w_input, k, g, unit, input());
      });
      recurrent_ = matrix(R, H, traits::early, [&](index_t k, int g, index_t unit) {
        return at(s.w_recurrent, k, g, unit, R);
      });
      if constexpr (traits::late > 0)
        late_ = matrix(H, H, traits::late, [&](index_t k, int g, index_t unit) {
          return at(s.w_recurrent, k, traits::early + g, unit, H);
        });
      if (s.projected)
        projection_ = matrix(H, R, 1, [&](index_t k, int, index_t unit) {
          return s.projection[static_cast<std::size_t>(unit * H + k)];
        });
    }
    IA_NN_CATCH(error const& e) {
      fail(e.code(), std::string(e.what()).substr(7)); // behind "ia_nn: "
    }
    if constexpr (quantized)
      for (auto const& given : {s.b_input, s.b_recurrent, s.parameters})
        for (f32 const x : given)
          if (x != x) fail(errc::bad_parameter, "a bias or a parameter of an 8-bit layer is NaN");
    bias_ = aligned_array<f32>(input_matrix_.columns());
    recurrent_bias_ = aligned_array<f32>(traits::any_recurrent_bias ? bias_.size() : 0);
    for (int g = 0; g < G; ++g)
      for (index_t unit = 0; unit < H; ++unit) {
        auto const from = static_cast<std::size_t>(detail::source_gate<Order>(G, g) * H + unit);
        f32 const x = s.b_input.empty() ? 0.0F : s.b_input[from];
        f32 h = s.b_recurrent.empty() ? 0.0F : s.b_recurrent[from];
        if (g == G - 1 && has_extra_bias(s)) h = s.b_input[static_cast<std::size_t>(G * H + unit)];
        index_t const column = (unit / nr * G + g) * nr + unit % nr;
        bool const apart = traits::recurrent_bias(g);
        bias_[column] = apart ? x : x + h;
        if (apart) recurrent_bias_[column] = h;
      }
    index_t const padded = blocks() * nr;
    parameters_ = aligned_array<f32>(Cell::parameters * padded);
    for (int p = 0; p < Cell::parameters; ++p)
      for (index_t unit = 0; unit < H; ++unit)
        parameters_[p * padded + unit] = s.parameters[static_cast<std::size_t>(p * H + unit)];
    if constexpr (quantized) {
      s32 const zero = quantization_.hidden.zero_point;
      using main = typename matrix::main_kernel;
      using few = typename matrix::few_kernel;
      input_start_ = input_matrix_.start(
          (quantization_.dynamic ? detail::middle_of<A> : quantization_.input.zero_point) +
          few::a_shift);
      recurrent_start_[0] = recurrent_.start(zero + main::a_shift);
      recurrent_start_[1] = recurrent_.start(zero + few::a_shift);
      if constexpr (traits::late > 0) {
        late_start_[0] = late_.start(zero + main::a_shift);
        late_start_[1] = late_.start(zero + few::a_shift);
      }
      if (projects()) {
        s32 const middle = quantization_.unprojected.zero_point;
        projection_start_[0] = projection_.start(middle + main::a_shift);
        projection_start_[1] = projection_.start(middle + few::a_shift);
      }
    }
  }

  constexpr index_t input() const noexcept { return Input != dyn ? Input : input_; }
  constexpr index_t hidden() const noexcept { return Hidden != dyn ? Hidden : hidden_; }
  /// R: the length of h(t), and of the recurrent operand.
  index_t output() const noexcept { return output_; }
  bool projects() const noexcept { return projection_.k() > 0; }
  /// Blocks of nr units.
  constexpr index_t blocks() const noexcept { return ceil_div(hidden(), nr); }
  constexpr index_t output_blocks() const noexcept { return ceil_div(output(), nr); }
  Cell const& cell() const noexcept { return cell_; }
  std::string const& name() const noexcept { return name_; }
  rnn_quantization const& quantization() const noexcept { return quantization_; }
  bool follows_range() const noexcept { return quantized && quantization_.follows_range(); }
  /// Bytes that one time step reads of the recurrent matrices.
  index_t recurrent_bytes() const noexcept {
    return recurrent_.bytes() + late_.bytes() + projection_.bytes();
  }
  /// Bytes of all weights.
  index_t bytes() const noexcept {
    return input_matrix_.bytes() + recurrent_bytes() +
           4 * (bias_.size() + recurrent_bias_.size() + parameters_.size());
  }

  // What the kernels read.
  matrix const& input_matrix() const noexcept { return input_matrix_; }
  matrix const& recurrent() const noexcept { return recurrent_; }
  matrix const& late() const noexcept { return late_; }
  matrix const& projection() const noexcept { return projection_; }
  f32 const* bias() const noexcept { return bias_.data(); }
  f32 const* recurrent_bias() const noexcept { return recurrent_bias_.data(); }
  f32 const* parameters() const noexcept { return parameters_.data(); }
  /// Where integer sums start, for the kernel of few rows or the main one: zero points.
  s32 const* input_start() const noexcept { return input_start_.data(); }
  s32 const* recurrent_start(bool few) const noexcept { return recurrent_start_[few].data(); }
  s32 const* late_start(bool few) const noexcept { return late_start_[few].data(); }
  s32 const* projection_start(bool few) const noexcept { return projection_start_[few].data(); }

private:
  [[noreturn]] void fail(errc code, std::string const& sentence) const {
    throw_error(code, name_ + " (" + Cell::name + "): " + sentence);
  }
  static bool has_extra_bias(rnn_source const& s) noexcept {
    return traits::recurrent_bias(2) && traits::gates == 3 && s.b_recurrent.empty() &&
           static_cast<index_t>(s.b_input.size()) == 4 * s.hidden;
  }

  void check(rnn_source const& s, bool transposed) const {
    constexpr index_t G = traits::gates;
    if (s.input < 1 || s.hidden < 1)
      fail(errc::bad_shape, "I is " + std::to_string(s.input) + " and H is " +
                                std::to_string(s.hidden) + ", both must be at least 1");
    if (Input != dyn && s.input != Input)
      fail(errc::bad_shape, "the weights have I = " + std::to_string(s.input) + ", expected " +
                                std::to_string(Input));
    if (Hidden != dyn && s.hidden != Hidden)
      fail(errc::bad_shape, "the weights have H = " + std::to_string(s.hidden) + ", expected " +
                                std::to_string(Hidden));
    if (s.projected < 0 || (s.projected == 0) != s.projection.empty())
      fail(errc::bad_shape, "a projection needs its matrix and its size");
    if (s.projected && (!traits::projectable || Hidden != dyn))
      fail(errc::bad_shape, !traits::projectable
                                ? "this cell combines h with its units, so h cannot be projected"
                                : "a projection needs H that is not fixed at compile time");
    shape<dyn, dyn, dyn> const big(G + 1, s.hidden + 64,
                                   max_of(s.input, s.hidden) + 64); // overflow
    static_cast<void>(big);
    index_t const R = s.projected ? s.projected : s.hidden;
    auto const expect = [&](std::span<f32 const> w, index_t n, bool may_lack,
                            std::string const& what) {
      if ((may_lack && w.empty()) || static_cast<index_t>(w.size()) == n) return;
      fail(errc::bad_shape,
           what + " " + std::to_string(w.size()) + " elements, expected " + std::to_string(n));
    };
    auto const extents = [&](index_t k) {
      std::string const a = std::to_string(G * s.hidden), b = std::to_string(k);
      return transposed ? "(" + b + ", " + a + ")" : "(" + a + ", " + b + ")";
    };
    expect(s.w_input, G * s.hidden * s.input, false, "w_input " + extents(s.input) + " has");
    expect(s.w_recurrent, G * s.hidden * R, false, "w_recurrent " + extents(R) + " has");
    if (!has_extra_bias(s)) expect(s.b_input, G * s.hidden, true, "b_input has");
    expect(s.b_recurrent, G * s.hidden, true, "b_recurrent has");
    expect(s.parameters, Cell::parameters * s.hidden, false, "parameters have");
    if (s.projected) expect(s.projection, R * s.hidden, false, "projection has");
  }

  std::string name_;
  [[no_unique_address]] Cell cell_;
  rnn_quantization quantization_;
  index_t input_, hidden_, output_;
  matrix input_matrix_, recurrent_, late_, projection_;
  aligned_array<f32> bias_, recurrent_bias_, parameters_;
  aligned_array<s32> input_start_, recurrent_start_[2], late_start_[2], projection_start_[2];
};

IA_NN_END

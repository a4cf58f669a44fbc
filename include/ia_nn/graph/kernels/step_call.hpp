// SPDX-License-Identifier: Apache-2.0
//
// One call of one step: where it reads and writes. The kernel and its tail are known to the
// compiler, the rest is read from the plan.
#pragma once

#include <ia_nn/graph/kernels/plan_view.hpp>
#include <ia_nn/graph/kernels/tail.hpp>

#include <ia_nn/begin.hpp>
namespace graph {

/// One input of the network by its address: f32, or s32 indices.
struct source {
  void const* data = nullptr;
  value_type type = value_type::f32;

  constexpr source() = default;
  constexpr source(f32 const* p) : data(p) {}
  constexpr source(s32 const* p) : data(p), type(value_type::s32) {}
};

/// The memory of one run.
struct frame {
  index_t items; ///< or 1 where the shapes hold the batch
  index_t batch;
  source const* in;
  f32* const* out;
  std::byte* base;
  workspace_view scratch; ///< of the kernels

  /// Where the value of a node is written.
  std::byte* to(plan_view const& v, int id) const noexcept {
    place const& p = v.places[id];
    index_t const column = p.column * size_of(v.nodes[id].type);
    if (p.where == storage::output) return reinterpret_cast<std::byte*>(out[p.index]) + column;
    return base + v.buffers[p.index].offset * items + column;
  }
  std::byte const* from(plan_view const& v, int id) const noexcept {
    place const& p = v.places[id];
    if (p.where == storage::input) return static_cast<std::byte const*>(in[p.index].data);
    return to(v, id);
  }
};

/// What a kernel is called with. It reads inputs 0, 1, ... of the step and writes its result.
struct step_call {
  plan_view const& plan;
  int number; ///< of the step
  frame const& memory;
  workspace_view scratch;
  detail::stage_data const* stages; ///< with operands where the kernel has a tail

  step const& what() const noexcept { return plan.steps[number]; }
  node const& layer() const noexcept { return plan.anchor(number); }
  dims const& shape() const noexcept { return plan.out(number); }
  index_t batch() const noexcept { return memory.batch; }
  /// Rows of `shape().last()` elements.
  index_t rows() const noexcept { return shape().rows() * memory.items; }
  /// Elements from row to row of the result: more than a row has where it is part of a concat.
  index_t ld() const noexcept { return plan.places[what().out].ld; }
  index_t element_bytes() const noexcept { return size_of(plan.type(what().out)); }

  /// T: the type that the plan stores; std::byte for what moves any type.
  template <class T = f32> T const* source(int k = 0) const noexcept {
    require_type<T>(what().inputs[k]);
    return reinterpret_cast<T const*>(memory.from(plan, what().inputs[k]));
  }
  template <class T = f32> T* result() const noexcept {
    require_type<T>(what().out);
    return reinterpret_cast<T*>(memory.to(plan, what().out));
  }
  template <class T> void require_type([[maybe_unused]] int value) const noexcept {
    if constexpr (!std::same_as<T, std::byte>)
      IA_NN_ASSERT(plan.type(value) == type_of_element<T>, "network: a kernel takes a value of ",
                   name_of(plan.type(value)), " for ", name_of(type_of_element<T>));
  }
  /// Elements of input k, of all items.
  index_t source_size(int k = 0) const noexcept {
    return plan.nodes[what().inputs[k]].shape.size() * memory.items;
  }
};

namespace detail {

/// The stages of a step with the places of their operands, and a clip without bounds behind them.
struct placed_stages {
  stage_data list[max_stages + 1];
  int count;

  explicit placed_stages(step_call const& c) noexcept : count(c.what().stages.count) {
    for (int k = 0; k < count; ++k) {
      list[k] = c.stages[k];
      int const operand = c.what().stages[k].operand;
      if (operand < 0 || is_loaded(list[k].how)) continue;
      list[k].operand = c.memory.from(c.plan, operand);
      list[k].ld = c.plan.places[operand].ld;
      list[k].type = c.plan.type(operand);
    }
    bounds const none;
    list[count] = {stage_kind::function, function::clip, spread::none, none.lo, none.hi};
  }
};
} // namespace detail
} // namespace graph
IA_NN_END

// SPDX-License-Identifier: Apache-2.0
//
// Every kernel of this library by its id, for plans that are made at run time: a table is looked up
// once for each step, when the plan is loaded. A network of the compiler's needs none of this, and
// compiles the kernels that it has.
//
// Kernels with an epilogue are there with the two tails that most layers have, and with any_tail.
#pragma once

#include <ia_nn/graph/kernels/native.hpp>
#include <ia_nn/graph/run/loaded.hpp>

#include <array>

#include <ia_nn/begin.hpp>
namespace graph {

namespace detail {

struct id_list {
  kernel_id ids[96]{};
  int count = 0;

  constexpr void add(operator_row const& row, precision p = precision::f32,
                     value_type reads = value_type::f32, value_type writes = value_type::f32,
                     int variant = 0) {
    ids[count++] = {row.id, p, reads, writes, variant};
  }
  constexpr void add_recurrent(precision p, value_type reads) {
    add(op::lstm, p, reads);
    for (int const variant : {0, 1})
      add(op::gru, p, reads, value_type::f32, variant), add(op::rnn, p, reads, value_type::f32, variant);
  }
};
constexpr id_list list_native_kernels() {
  constexpr value_type wide = value_type::f32, narrow = value_type::bf16, bytes = value_type::u8;
  id_list l;
  auto const products = [&](operator_row const& row, int variant) {
    l.add(row, precision::f32, wide, wide, variant);
    l.add(row, precision::bf16, narrow, narrow, variant);
    l.add(row, precision::bf16, narrow, wide, variant);
  };
  products(op::conv, 0), products(op::conv, 1), products(op::deconv, 0), products(op::dense, 0);
  products(op::matmul, 0), products(op::attention, 0);
  l.add(op::dense, precision::bf16_terms2), l.add(op::dense, precision::bf16_terms3);
  l.add(op::dense, precision::weights_s8), l.add(op::dense, precision::weights_s4);
  for (value_type const from : {wide, narrow, bytes})
    for (value_type const to : {wide, narrow, bytes}) l.add(op::activation, precision::f32, from, to);
  for (value_type const t : {wide, narrow, bytes})
    l.add(op::max_pool, precision::f32, t, t), l.add(op::average_pool, precision::f32, t, t);
  for (precision const p : {precision::f32, precision::bf16}) l.add_recurrent(p, wide);
  for (value_type const to : {wide, bytes}) l.add(op::embedding, precision::f32, value_type::s32, to);
  l.add(op::softmax), l.add(op::log_softmax), l.add(op::lrn);
  l.add(op::layer_norm), l.add(op::group_norm), l.add(op::rms_norm), l.add(op::l2_norm);
  l.add(op::concat), l.add(op::pad), l.add(op::transpose), l.add(op::slice);
  l.add(op::resize_nearest), l.add(op::resize_linear), l.add(op::pixel_shuffle), l.add(op::pixel_unshuffle);
  l.add(op::where), l.add(op::cumulative_sum);
  l.add(op::output), l.add(op::identity), l.add(op::dropout), l.add(op::constant);
  l.add(op::parameter);
  for (value_type const to : {wide, value_type::s32})
    l.add(op::arg_max, precision::f32, wide, to), l.add(op::top_k_indices, precision::f32, wide, to);
  l.add(op::top_k), l.add(op::suppress), l.add(op::decode_boxes), l.add(op::roi_pool), l.add(op::roi_align);
  l.add(op::gather), l.add(op::gather_elements), l.add(op::scatter);
  for (operator_row const* const row : {&op::one_hot, &op::embedding_bag})
    l.add(*row, precision::f32, value_type::s32, wide);
  l.add(op::custom);
  return l;
}

/// Of what multiplies bytes, the kernels that read u8: s8 is for networks that the compiler plans.
constexpr id_list list_byte_kernels() {
  id_list l;
  for (operator_row const* const row : {&op::conv, &op::deconv, &op::dense})
    for (value_type const to : {value_type::u8, value_type::f32})
      l.add(*row, precision::s8, value_type::u8, to);
  for (operator_row const* const row : {&op::conv, &op::deconv, &op::dense})
    l.add(*row, precision::dynamic_s8);
  l.add_recurrent(precision::s8, value_type::u8);
  l.add_recurrent(precision::dynamic_s8, value_type::f32);
  return l;
}

} // namespace detail

inline constexpr detail::id_list native_kernel_ids = detail::list_native_kernels();
inline constexpr detail::id_list byte_kernel_ids = detail::list_byte_kernels();

/// How a kernel of a table is called.
template <class E>
using run_function = void (*)(kernel_store const&, plan_view const&, int step, frame const&,
                              workspace_view, E&) noexcept;

enum class common_tail : unsigned char { any, clip, add_clip };

template <class E> struct kernel_entry {
  kernel_id id;
  detail::load_function load;
  run_function<E> run[3]; ///< by common_tail
};

/// The tail of a step among those that tables have.
inline common_tail common_tail_of(plan_view const& v, int s) {
  using namespace detail;
  step const& t = v.steps[s];
  if (!t.kind->has_epilogue) return common_tail::any;
  tail_codes const c = tail_of(v.nodes, t);
  int const clips = is_quantized(v.type(t.out)) ? 0 : 1; // the range of bytes is a clip
  if (c.count == clips && (clips == 0 || c.codes[0] == clip_code)) return common_tail::clip;
  bool const sum = c.count == clips + 1 && (clips == 0 || c.codes[1] == clip_code) &&
                   c.codes[0] == code_of(stage_kind::add, function::identity, spread::none,
                                         v.type(t.out));
  return sum ? common_tail::add_clip : common_tail::any;
}

namespace detail {

template <kernel_id K, class Kernels, class E> constexpr kernel_entry<E> entry_of() {
  constexpr stage_code sum = code_of(stage_kind::add, function::identity, spread::none, K.writes);
  constexpr bool has_epilogue = kernel<K, Kernels>::has_tail && K.op != op::activation.id;
  if constexpr (has_epilogue && is_quantized(K.writes))
    return {K,
            &load_kernel<K, Kernels>,
            {&run_kernel<K, Kernels, any_tail, E>, &run_kernel<K, Kernels, tail<>, E>,
             &run_kernel<K, Kernels, tail<sum>, E>}};
  else if constexpr (has_epilogue)
    return {K,
            &load_kernel<K, Kernels>,
            {&run_kernel<K, Kernels, any_tail, E>, &run_kernel<K, Kernels, tail<clip_code>, E>,
             &run_kernel<K, Kernels, tail<sum, clip_code>, E>}};
  else {
    auto const run = &run_kernel<K, Kernels, any_tail, E>;
    return {K, &load_kernel<K, Kernels>, {run, run, run}};
  }
}
template <id_list const& Ids, class Kernels, class E, int... N>
constexpr auto entries_of(std::integer_sequence<int, N...>) {
  return std::array<kernel_entry<E>, sizeof...(N)>{entry_of<Ids.ids[N], Kernels, E>()...};
}

} // namespace detail

/// Kernels of `native_kernels<I>` for executor E: native_kernel_ids, or byte_kernel_ids.
template <class Kernels, class E, detail::id_list const& Ids = native_kernel_ids>
inline constexpr auto kernel_table =
    detail::entries_of<Ids, Kernels, E>(std::make_integer_sequence<int, Ids.count>{});

/// The entry of a kernel, or null.
template <class Kernels, class E, detail::id_list const& Ids = native_kernel_ids>
kernel_entry<E> const* find_kernel(kernel_id id) noexcept {
  for (kernel_entry<E> const& k : kernel_table<Kernels, E, Ids>)
    if (k.id == id) return &k;
  return nullptr;
}

} // namespace graph
IA_NN_END

// SPDX-License-Identifier: Apache-2.0
//
// A kernel of oneDNN, or the one of this library where oneDNN has none that is fast: which of them is
// found when the network is loaded, since oneDNN says it for each shape. Both read and write the
// network's values as they are, channels last.
#pragma once

#include <ia_nn/graph/kernels/elementwise.hpp>
#include <ia_nn/graph/kernels/native.hpp>
#include <ia_nn/onednn/policy.hpp>
#include <ia_nn/onednn/tail.hpp>

#include <ia_nn/begin.hpp>
namespace via_onednn {

using graph::kernel_id, graph::step_call, graph::value_type;

/// Reads what a primitive left of the tail of a step, or copies what it could not write in place.
template <isa::tag I, element D, class E>
void finish(program const& p, quantization to, step_call const& c, E& e) noexcept {
  int const count = c.what().stages.count, rest = count - p.stages_done;
  index_t const rows = c.rows(), columns = c.shape().last();
  if (rest > 0) {
    graph::detail::stage_data const* const stages = c.stages + p.stages_done;
    f32 const* const from = p.result_in_scratch ? reinterpret_cast<f32 const*>(c.scratch.data)
                                                : reinterpret_cast<f32 const*>(c.result<std::byte>());
    graph::detail::run_elementwise<graph::detail::isa_of_f32<I>, f32, D>(
        {rows, columns, rows / c.batch(), from, c.result<D>(), c.ld(), {1, 0}, to}, stages, rest,
        graph::any_tail(stages, rest), e);
  } else if (p.result_in_scratch) {
    index_t const size = static_cast<index_t>(sizeof(D));
    graph::detail::copy_rows(c.scratch.data, c.result<std::byte>(), rows, columns * size, c.ld() * size,
                             e);
  }
}

/// Native: this library's kernel K. Make(loader): a program for one step, or null.
template <kernel_id K, isa::tag I, auto Make>
struct kernel_or_native
    : std::conditional_t<graph::kernel<K, graph::native_kernels<I>>::has_tail, graph::tail_kernel,
                         graph::plain_kernel> {
  using native = graph::kernel<K, graph::native_kernels<I>>;
  using result_type = graph::element_of<K.writes>;
  struct store {
    std::unique_ptr<program const> code;
    quantization to{}; ///< of what the native part of the tail makes
    std::optional<typename native::store> other{};
  };
  static store load(kernel_loader& l) {
    if (std::unique_ptr<program> p = made(l)) {
      quantization to = l.result_scaling();
      if (graph::detail::stages_keep_units(l.plan.nodes, l.what())) to.scale = 1;
      l.by = "onednn " + p->name;
      return {std::move(p), to, {}};
    }
    l.scratch = 0;
    l.by = graph::native_kernels<I>::name;
    return {nullptr, {}, native::load(l)};
  }
  /// Errors: errc::out_of_memory, with the layer.
  static std::unique_ptr<program> made(kernel_loader& l) {
    team_size const team(threads_of(l)); // primitives divide their work when they are made
    IA_NN_TRY { return Make(l); }
    IA_NN_CATCH(dnnl::error const& e) {
      throw_error(errc::out_of_memory, l.who() + ": oneDNN: " + e.what());
    }
  }
  template <class Tail, class E>
  static void run(store const& s, step_call const& c, Tail const& tail, E& e) noexcept {
    if (!s.code) return native::run(*s.other, c, tail, e);
    s.code->run(c);
    finish<I, result_type>(*s.code, s.to, c, e);
  }
  template <class E> static void run(store const& s, step_call const& c, E& e) noexcept {
    if (!s.code) return native::run(*s.other, c, e);
    s.code->run(c);
    if (!s.code->result_in_scratch) return;
    // What is written has been asked for by its columns: rows of c.ld() elements.
    index_t const size = c.element_bytes(), columns = c.shape().last();
    graph::detail::copy_rows(c.scratch.data, c.result<std::byte>(), c.rows(), columns * size,
                             c.ld() * size, e);
  }
};

inline dnnl::primitive_attr attributes_with(dnnl::post_ops const& ops) {
  dnnl::primitive_attr a;
  a.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  a.set_post_ops(ops);
  return a;
}

/// True if the memory of the operand of a stage is that of the result, which a plan may say of a value that
/// nobody reads later: then it must be read before the result is written. A primitive may keep sums in the
/// result, so only an operand that it adds to (fused_tail::copied) may lie there.
inline bool is_written_over(kernel_loader const& l, int number) {
  graph::stage const& s = l.what().stages[number];
  if (s.operand < 0 || graph::is_loaded(s.how)) return false;
  graph::place const &a = l.plan.places[s.operand], &b = l.plan.places[l.what().out];
  return a.where == b.where && a.index == b.index;
}

/// One primitive for a step. A Maker has
///
///   shape_of_value result(value_type, index_t items)      how the result lies
///   void attributes(primitive_attr&)                      beside post-ops and scratchpad
///   optional<description> describe(items, attributes, result)
///   void bind(items, description, vector<argument>&)      all arguments but result and scratchpad
///   may_sum        a post-op may add to what the result holds
///   element_wise   an element of the result is written when its operands have been read
///
/// first: stages that the primitive itself computes. Null if oneDNN has no code that is fast.
template <class Primitive, class Maker>
std::unique_ptr<program> one_primitive(kernel_loader& l, Maker& maker, int first = 0) {
  int const count = l.what().stages.count, out = l.what().out;
  index_t const most = l.items(), ld = l.plan.places[out].ld, columns = l.plan.nodes[out].shape.last();
  value_type const written = l.plan.type(out);
  for (int done = count; done >= first; --done) {
    value_type const made = done == count ? written : value_type::f32;
    bool over = false; // the step writes over an operand before it is read
    std::optional<fused_tail> const whole =
        fuse(l, first, done - first, maker.result(made, most), made, maker.may_sum);
    for (int k = maker.element_wise ? done : first; whole && k < count; ++k)
      over = over || (is_written_over(l, k) && whole->copied != k);
    bool const dense = ld == columns && made == written && !over;
    auto const attempted = [&](index_t items) {
      shape_of_value const to = maker.result(made, items);
      std::optional<fused_tail> tail = fuse(l, first, done - first, to, made, maker.may_sum);
      decltype(maker.describe(items, dnnl::primitive_attr(), to.as(type_of(made)))) d;
      if (tail) {
        dnnl::primitive_attr a = attributes_with(tail->ops);
        maker.attributes(a);
        d = maker.describe(items, a, to.as(type_of(made)));
        if (d && is_reference(d->impl_info_str())) d.reset();
      }
      return std::pair{std::move(tail), std::move(d)};
    };
    bool all = true;
    index_t const result_bytes = dense ? 0 : round_up(maker.result(made, most).item_bytes * most, 64);
    index_t pad = 0;
    auto q = std::make_unique<program>(most, threads_of(l));
    for (int s = 0; s < q->sizes() && all; ++s) {
      index_t const items = q->items(s);
      auto [tail, d] = attempted(items);
      all = d.has_value();
      if (!all) break;
      index_t const item_bytes = maker.result(made, items).item_bytes;
      place const to{dense ? found::result : found::scratch, 0, 0, item_bytes};
      std::vector<argument> arguments = tail->operands;
      maker.bind(items, *d, arguments);
      arguments.push_back({DNNL_ARG_DST, d->dst_desc(), to});
      if (index_t const bytes = static_cast<index_t>(d->scratchpad_desc().get_size()); bytes > 0) {
        arguments.push_back({DNNL_ARG_SCRATCHPAD, d->scratchpad_desc(), {found::scratch, 0, result_bytes}});
        pad = max_of(pad, bytes);
      }
      if (tail->copied) {
        graph::detail::stage_data const operand = stage_of(l, *tail->copied);
        index_t const size = graph::size_of(made), rows = l.plan.nodes[out].shape.rows();
        q->add(s, row_copy{{found::operand, *tail->copied, 0, rows * operand.ld * size}, to, rows,
                           columns * size, operand.ld * size});
      }
      q->add(s, Primitive(*d), std::move(arguments));
      if (s == 0) q->name = d->impl_info_str();
    }
    if (!all) continue;
    q->stages_done = done;
    q->result_in_scratch = !dense;
    l.scratch = result_bytes + pad;
    return q;
  }
  return nullptr;
}

} // namespace via_onednn
IA_NN_END

// SPDX-License-Identifier: Apache-2.0
//
// What `compiled::run` is given. Pointers alone say nothing about their memory and are believed;
// spans, vectors, arrays, tensors and views know their extents, which are compared with the
// network's before anything is computed.
#pragma once

#include <ia_nn/core/layout.hpp>
#include <ia_nn/core/workspace.hpp>
#include <ia_nn/graph/ir/text.hpp>
#include <ia_nn/graph/kernels/step_call.hpp>
#include <ia_nn/graph/passes/network.hpp>

#include <iterator>
#include <span>

#include <ia_nn/begin.hpp>
namespace graph {

/// What `run` says where it compares. Nothing has been computed unless it is true.
///
///   net.run(2, image, result, scratch).require();       // throws ia_nn::error
///   if (auto const s = net.run(2, image, result, scratch); !s) report(s.what());
class [[nodiscard]] run_status {
public:
  constexpr run_status() = default;
  constexpr run_status(errc code, sentence const& what) : code_(code), what_(what) {}

  constexpr explicit operator bool() const noexcept { return what_.empty(); }
  /// Of a status that is false: errc::bad_parameter (batch, numbers and types of arguments, indices
  /// that are no rows), errc::bad_shape (extents, short buffers), errc::bad_pointer, errc::overlap,
  /// errc::small_workspace.
  constexpr errc code() const noexcept { return code_; }
  /// "ia_nn: network: input 'image' has ...", or nothing. Characters behind it end with a zero.
  constexpr std::string_view what() const noexcept { return what_.view(); }
  /// Throws what is wrong as ia_nn::error.
  void require() const {
    if (!*this) throw_error(code_, std::string(what().substr(std::string_view("ia_nn: ").size())));
  }

private:
  errc code_ = errc::bad_parameter;
  sentence what_{};
};

namespace detail {

enum class network_end { input, output };
constexpr op_kind kind_of(network_end e) {
  return e == network_end::input ? op_kind(op::input) : op_kind(op::output);
}

/// Elements at an address, and what is known of their number.
struct memory {
  void const* data = nullptr;
  value_type type = value_type::f32;
  index_t size = -1; ///< unknown
  dims shape{};      ///< of a tensor, else of rank 0
  bool dense = true; ///< row-major without gaps
  index_t needed = 0;
};

template <class T>
concept with_size = requires(T& x) {
  std::data(x);
  { std::size(x) } -> std::convertible_to<index_t>;
};
template <class T>
concept with_extents = with_size<T> && requires(T& x) {
  { x.extents().extent(0) } -> std::convertible_to<index_t>;
  { x.stride(0) } -> std::convertible_to<index_t>;
  typename T::layout_type;
};
template <class T> constexpr auto element_type() {
  if constexpr (std::is_pointer_v<T>) return std::type_identity<std::remove_pointer_t<T>>{};
  else if constexpr (with_size<T>)
    return std::type_identity<std::remove_pointer_t<decltype(std::data(std::declval<T&>()))>>{};
  else return std::type_identity<void>{};
}

/// The axis of a tensor of type T that is number d of a network's value: tensors of layout nhwc name
/// their channels second.
template <class T> constexpr int axis_in_memory(int d) {
  constexpr int rank = T::rank;
  if constexpr (std::same_as<typename T::layout_type, nhwc>)
    return d == 0 ? 0 : d == rank - 1 ? 1 : d + 1;
  else return d;
}

/// T: what an input or output is given as.
template <network_end End, class T> constexpr memory memory_of(T& x) {
  using E = typename decltype(element_type<T>())::type;
  using U = std::remove_const_t<E>;
  constexpr bool is_input = End == network_end::input;
  constexpr bool right = std::same_as<U, f32> || (is_input && std::same_as<U, s32>);
  static_assert(right, "ia_nn: network: inputs are f32, or s32 where they are indices, and outputs "
                       "are f32: spans, vectors, arrays, tensors, views or pointers of them");
  static_assert(is_input || !right || !std::is_const_v<E>, "ia_nn: network: an output is const");
  static_assert(!right || with_size<T>,
                "ia_nn: network: a pointer says nothing of its memory; give run(batch, in, out, "
                "workspace) nothing but pointers, as x, y or as {x}, {y}, or spans, vectors and "
                "tensors alone");
  memory m;
  if constexpr (right && with_size<T>) {
    m.data = std::data(x);
    m.type = std::same_as<U, f32> ? value_type::f32 : value_type::s32;
    m.size = std::ssize(x);
    if constexpr (with_extents<T>) {
      constexpr int rank = T::rank;
      static_assert(rank <= 5, "ia_nn: network: a tensor has at most 5 axes");
      m.shape.rank = rank;
      index_t stride = 1;
      for (int d = rank - 1; d >= 0; --d) { // as they lie: channels last
        int const axis = axis_in_memory<T>(d);
        m.shape.extent[d] = x.extent(axis);
        m.dense = m.dense && (x.extent(axis) == 1 || x.stride(axis) == stride);
        stride *= x.extent(axis);
      }
    }
  }
  return m;
}

/// "ia_nn: network: input 'image'"
constexpr sentence about_end(node const& n) {
  return say(sentence("ia_nn: network: "), n.kind == op::input ? "input '" : "output '",
             n.name.view(), "'");
}
/// Nothing, or that a tensor of these extents is not what the network reads or writes. Unknown ones
/// are any_batch; there may be more items than `batch`.
constexpr sentence misfit(node const& n, dims const& given, index_t batch) {
  dims const& s = n.shape;
  bool fits = given.rank == s.rank;
  for (int d = 0; d < s.rank && fits; ++d)
    fits = given[d] == any_batch || (d > 0 ? given[d] == s[d] : given[d] >= batch);
  if (fits) return {};
  dims expected = s;
  expected.extent[0] = batch;
  return say(about_end(n), " is a tensor of ", given, ", expected ", expected,
             s.rank < 3                                         ? ""
             : n.attributes.layout == layout::channels_first ? ", channels first"
                                                             : ", channels last");
}

template <class Net, network_end End> constexpr int count_of_kind() {
  int n = 0;
  for (node const& x : simplified<Net>.nodes) n += x.kind == kind_of(End);
  return n;
}
template <class Net, network_end End> constexpr node const& first_of_kind() {
  int i = 0;
  while (simplified<Net>[i].kind != kind_of(End)) ++i;
  return simplified<Net>[i];
}
template <class T, int... D> constexpr dims static_dims(std::integer_sequence<int, D...>) {
  return {T::shape_type::static_extent(axis_in_memory<T>(D))...};
}
template <class Net, network_end End, class T> constexpr sentence static_misfit_of() {
  if constexpr (with_extents<T>) {
    node const& n = first_of_kind<Net, End>();
    return misfit(n, static_dims<T>(std::make_integer_sequence<int, T::rank>{}), n.shape[0]);
  } else return {};
}
template <class Net, network_end End, class T>
inline constexpr sentence static_misfit = static_misfit_of<Net, End, T>();

/// One of a list.
template <network_end End> struct argument {
  memory m;
  template <class T>
    requires(!std::same_as<std::remove_cvref_t<T>, argument>)
  argument(T&& x) noexcept : m(memory_of<End>(x)) {}
};

template <class T, class U>
inline constexpr bool lists_of = std::convertible_to<T, std::span<U const>>;

/// As many as the network has, and how many were given.
struct memory_list {
  std::span<memory> items;
  std::size_t given;
};

/// All inputs or all outputs.
template <class Net, network_end End> class arguments {
public:
  static constexpr int expected = count_of_kind<Net, End>();

  arguments(std::initializer_list<argument<End>> list) noexcept : count_(list.size()) {
    std::size_t i = 0;
    for (argument<End> const& a : list)
      if (i < static_cast<std::size_t>(expected)) items_[i++] = a.m;
  }
  template <class T>
    requires(!std::same_as<std::remove_cvref_t<T>, arguments> && !lists_of<T, source> &&
             !lists_of<T, f32*>)
  arguments(T&& x) noexcept : count_(1) {
    static_assert(expected == 1,
                  "ia_nn: network: it has several inputs or outputs: give lists of them in braces");
    using U = std::remove_cvref_t<T>;
    if constexpr (expected == 1 && with_extents<U>)
      static_assert(static_misfit<Net, End, U>.empty() || refuse<static_misfit<Net, End, U>>());
    items_[0] = memory_of<End>(x);
  }
  /// Pointers, whose memory is not known.
  explicit arguments(std::span<source const> list) noexcept : count_(list.size()) {
    for (std::size_t i = 0; i < list.size() && i < static_cast<std::size_t>(expected); ++i)
      items_[i].data = list[i].data, items_[i].type = list[i].type;
  }
  explicit arguments(std::span<f32* const> list) noexcept : count_(list.size()) {
    for (std::size_t i = 0; i < list.size() && i < static_cast<std::size_t>(expected); ++i)
      items_[i].data = list[i];
  }

  memory_list list() noexcept { return {{items_, static_cast<std::size_t>(expected)}, count_}; }

private:
  std::size_t count_;
  memory items_[static_cast<std::size_t>(expected > 0 ? expected : 1)]{};
};

template <class Net> workspace_view missing_workspace() {
  static_assert(sizeof(Net) == 0, "ia_nn: network: run needs a workspace behind the outputs: "
                                  "ia_nn::workspace scratch(net.workspace_bytes())");
  return {};
}

/// Limits of the calls that a network was compiled for.
struct call_limits {
  index_t max_batch, workspace;
};

inline run_status wrong_index(plan_view const& v, std::span<memory const> in,
                              index_t items) noexcept {
  for (int i = 0; i < v.count; ++i) {
    step const& s = v.steps[i];
    int const which = s.kind->index_input;
    if (which < 0) continue;
    place const p = v.places[s.inputs[which]];
    if (p.where != storage::input) continue;
    auto const* const ids = static_cast<s32 const*>(in[static_cast<std::size_t>(p.index)].data);
    node const& n = v.nodes[s.anchor];
    index_t const rows = n.attributes.table_rows, lowest = n.kind->counts_from_end ? -rows : 0;
    for (index_t k = 0; k < v.nodes[s.inputs[which]].shape.size() * items; ++k)
      if (ids[k] < lowest || ids[k] >= rows)
        return {errc::bad_parameter,
                say(about(n.kind->name, n.name), "index ", k, " is ", ids[k],
                    n.kind->counts_from_end ? ", the axis has " : ", the table has ", rows,
                    n.kind->counts_from_end ? " elements" : " rows")};
  }
  return {};
}

/// What is wrong with one input or output.
inline run_status wrong_memory(node const& n, memory const& m, index_t batch) noexcept {
  if (n.kind == op::input && m.type != n.type)
    return {errc::bad_parameter,
            say(about_end(n), ": its elements are not ", n.type == value_type::f32 ? "f32" : "s32")};
  if (m.shape.rank > 0)
    if (sentence const s = misfit(n, m.shape, batch); !s.empty()) return {errc::bad_shape, s};
  if (!m.dense)
    return {errc::bad_shape, say(about_end(n), ": its elements are not one behind the other")};
  if (m.size >= 0 && m.size < m.needed)
    return {errc::bad_shape, say(about_end(n), " has ", m.size, " elements, a batch of ", batch,
                                 " has ", m.needed)};
  if (!m.data) return {errc::bad_pointer, say(about_end(n), " is null")};
  return {};
}

/// The preconditions of `run`.
inline run_status status_of(plan_view const& v, call_limits const& limits, index_t batch,
                            memory_list in, memory_list out, workspace_view scratch) noexcept {
  sentence const who("ia_nn: network: ");
  bool const open = v.open_batch();
  if (batch < 1 || batch > limits.max_batch || (!open && batch != limits.max_batch))
    return {errc::bad_parameter, say(who, "a batch of ", batch, ", expected ", open ? "1 to " : "",
                                     limits.max_batch)};
  if (in.given != in.items.size() || out.given != out.items.size())
    return {errc::bad_parameter,
            say(who, in.given, " inputs and ", out.given, " outputs, expected ", in.items.size(),
                " and ", out.items.size())};
  memory *next_in = in.items.data(), *next_out = out.items.data();
  for (int i = 0; i < v.node_count; ++i) {
    node const& n = v.nodes[i];
    if (n.kind != op::input && n.kind != op::output) continue;
    memory& m = *(n.kind == op::input ? next_in : next_out)++;
    m.needed = n.shape.size() * (n.shape.dynamic() ? batch : 1);
    if (run_status const s = wrong_memory(n, m, batch); !s) return s;
  }
  auto const share = [](memory const& a, memory const& b) {
    return overlaps(a.data, a.needed * 4, b.data, b.needed * 4);
  };
  for (std::size_t o = 0; o < out.given; ++o) {
    for (std::size_t i = 0; i < in.given; ++i)
      if (share(out.items[o], in.items[i]))
        return {errc::overlap, say(who, "output ", o, " overlaps input ", i)};
    for (std::size_t i = 0; i < o; ++i)
      if (share(out.items[o], out.items[i]))
        return {errc::overlap, say(who, "output ", o, " overlaps output ", i)};
  }
  if (!scratch.holds(limits.workspace))
    return {scratch.size < limits.workspace ? errc::small_workspace : errc::bad_pointer,
            say(who, "a workspace of ", scratch.size, " bytes, run needs ", limits.workspace,
                " aligned to 64 bytes")};
  auto const in_scratch = [&](memory const& m) {
    return overlaps(m.data, m.needed * 4, scratch.data, limits.workspace);
  };
  for (std::size_t i = 0; i < in.given; ++i)
    if (in_scratch(in.items[i]))
      return {errc::overlap, say(who, "input ", i, " is in the workspace")};
  for (std::size_t o = 0; o < out.given; ++o)
    if (in_scratch(out.items[o]))
      return {errc::overlap, say(who, "output ", o, " is in the workspace")};
  return wrong_index(v, in.items, open ? batch : 1);
}

} // namespace detail
} // namespace graph
IA_NN_END

// SPDX-License-Identifier: Apache-2.0
//
// What one step runs of oneDNN. All objects of oneDNN are made at set-up: primitives, weights in the
// layout that a primitive asks for, descriptions, and memory objects for what changes from call to
// call. A call points these at the workspace and at the network's values, and executes.
//
// A primitive has one batch. So a step has one for the largest batch and for each power of two below
// it, and a batch of 7 runs as 4, 2 and 1: nothing is made while it runs.
//
//   scratch   [result, where it cannot be written in place][between primitives][oneDNN's scratchpad]
//
// Any number of threads may run a network at once, and a memory object has one address: there are
// `calls_at_once` sets of them for each step. A call beyond that waits for one.
#pragma once

#include <ia_nn/graph/kernels/kernel.hpp>
#include <ia_nn/onednn/compat.hpp>

#include <atomic>
#include <cstring>
#include <thread>

#include <ia_nn/begin.hpp>
namespace via_onednn {

using graph::kernel_loader;

inline constexpr int calls_at_once = 4;

/// Where an argument of a primitive lies.
enum class found : unsigned char {
  source,   ///< input `number` of the step
  result,   ///< of the step
  operand,  ///< of stage `number`
  factors,  ///< of the batch norm of stage `number`
  offsets,  ///< of the same
  scratch,  ///< `offset` bytes from its beginning
  constant  ///< `memory` itself
};
struct place {
  found where = found::constant;
  int number = 0;
  index_t offset = 0;     ///< in scratch
  index_t item_bytes = 0; ///< from item to item of the batch

  std::byte* address(graph::step_call const& c, index_t item) const noexcept {
    return const_cast<std::byte*>(static_cast<std::byte const*>(begin(c))) + item * item_bytes;
  }

private:
  void const* begin(graph::step_call const& c) const noexcept {
    switch (where) {
    case found::source:
      return c.source<std::byte>(number);
    case found::result:
      return c.result<std::byte>();
    case found::operand:
      return c.stages[number].operand;
    case found::factors:
      return c.stages[number].factors;
    case found::offsets:
      return c.stages[number].offsets;
    case found::scratch:
      return c.scratch.data + offset;
    case found::constant:
      break;
    }
    return nullptr;
  }
};
struct argument {
  int name; ///< DNNL_ARG_...
  memory::desc type;
  place at{};
  memory constant{};
};

/// Rows that are copied before a primitive runs: what it adds to.
struct row_copy {
  place from{}, to{};
  index_t rows = 0, bytes = 0, from_stride = 0; ///< rows of an item; those of `to` are dense

  void run(graph::step_call const& c, index_t first, index_t items) const noexcept {
    std::byte const* const src = from.address(c, first);
    std::byte* const dst = to.address(c, first);
    if (src == dst && from_stride == bytes) return;
    index_t const count = rows * items;
    if (from_stride == bytes) {
      std::memmove(dst, src, static_cast<std::size_t>(count * bytes));
      return;
    }
    for (index_t r = 0; r < count; ++r)
      std::memcpy(dst + r * bytes, src + r * from_stride, static_cast<std::size_t>(bytes));
  }
};

/// One primitive with its arguments.
class operation {
public:
  operation(dnnl::primitive const& code, std::vector<argument> arguments)
      : code_(code), arguments_(std::move(arguments)) {
    for (set& s : sets_)
      for (argument const& a : arguments_) {
        s.objects.push_back(a.at.where == found::constant ? a.constant
                                                          : memory(a.type, engine(), DNNL_MEMORY_NONE));
        s.now.push_back(nullptr);
        s.list.push_back({a.name, s.objects.back().get()});
      }
  }
  void run(graph::step_call const& c, index_t first_item, int set_number, dnnl_stream_t stream) const
      noexcept {
    set& s = sets_[set_number];
    for (std::size_t i = 0; i < arguments_.size(); ++i) {
      if (arguments_[i].at.where == found::constant) continue;
      void* const p = arguments_[i].at.address(c, first_item);
      if (p == s.now[i]) continue; // oneDNN allocates when an address is set
      point(s.list[i].memory, p);
      s.now[i] = p;
    }
    dnnl_status_t const status =
        dnnl_primitive_execute(code_.get(), stream, static_cast<int>(s.list.size()), s.list.data());
    IA_NN_REQUIRE(status == dnnl_success, "onednn: a primitive ended with status ",
                  static_cast<int>(status));
  }

private:
  struct set {
    std::vector<memory> objects{};
    std::vector<void*> now{};
    std::vector<dnnl_exec_arg_t> list{};
  };
  dnnl::primitive code_;
  std::vector<argument> arguments_;
  mutable set sets_[calls_at_once]{}; // each is of one call at a time
};

/// The operations of one step, for several sizes of a batch.
class program {
public:
  int stages_done = 0;        ///< of the tail; the rest is left to the caller
  bool result_in_scratch = false; ///< dense, at the beginning of scratch; else in its place
  std::string name{};         ///< what oneDNN calls its code

  program(index_t most_items, int threads) : threads_(threads) {
    sizes_.push_back({most_items, {}, {}});
    index_t below = 1;
    while (2 * below < most_items) below *= 2;
    for (; below > 0 && below < most_items; below /= 2) sizes_.push_back({below, {}, {}});
    for (int i = 0; i < calls_at_once; ++i) streams_.emplace_back(engine());
  }
  program(program const&) = delete;
  program& operator=(program const&) = delete;

  int sizes() const { return static_cast<int>(sizes_.size()); }
  index_t items(int size) const { return sizes_[static_cast<std::size_t>(size)].items; }
  void add(int size, dnnl::primitive const& code, std::vector<argument> arguments) {
    sizes_[static_cast<std::size_t>(size)].operations.emplace_back(code, std::move(arguments));
  }
  void add(int size, row_copy const& c) { sizes_[static_cast<std::size_t>(size)].copies.push_back(c); }

  /// Copies first, then the operations in their order.
  void run(graph::step_call const& c) const noexcept {
    team_size const team(threads_);
    int const set = take();
    dnnl_stream_t const stream = streams_[static_cast<std::size_t>(set)].get();
    index_t const all = c.memory.items;
    for (index_t done = 0; done < all;) {
      size_entry const& s = largest(all - done);
      for (row_copy const& r : s.copies) r.run(c, done, s.items);
      for (operation const& o : s.operations) o.run(c, done, set, stream);
      done += s.items;
    }
    static_cast<void>(dnnl_stream_wait(stream));
    busy_[set].store(false, std::memory_order_release);
  }

private:
  struct size_entry {
    index_t items;
    std::vector<operation> operations;
    std::vector<row_copy> copies;
  };
  size_entry const& largest(index_t items) const noexcept {
    for (size_entry const& s : sizes_)
      if (s.items <= items) return s;
    return sizes_.back();
  }
  int take() const noexcept {
    for (;;) {
      for (int i = 0; i < calls_at_once; ++i)
        if (!busy_[i].exchange(true, std::memory_order_acquire)) return i;
      std::this_thread::yield();
    }
  }

  int threads_;
  std::vector<size_entry> sizes_{}; ///< the largest first; the last has one item
  std::vector<dnnl::stream> streams_{};
  mutable std::atomic<bool> busy_[calls_at_once]{};
};

// ---- set-up

inline dnnl::stream const& setup_stream() {
  static dnnl::stream const s(engine());
  return s;
}
/// Plain f32 or bytes in an object of their own.
template <class T> memory plain(memory::desc const& like, std::vector<T> const& values) {
  memory m(like, engine());
  std::memcpy(m.get_data_handle(), values.data(), values.size() * sizeof(T));
  return m;
}
/// In the layout of `to`; `from` itself if that is its own.
inline memory laid_out(memory const& from, memory::desc const& to) {
  if (from.get_desc() == to) return from;
  memory m(to, engine());
  memory source = from;
  dnnl::stream s = setup_stream();
  dnnl::reorder(source, m).execute(s, source, m);
  s.wait();
  return m;
}
/// Weights in the layouts that primitives have asked for until now, each once.
class weight_layouts {
public:
  explicit weight_layouts(memory plain) : plain_(std::move(plain)) {}
  memory in(memory::desc const& d) {
    for (memory const& m : made_)
      if (m.get_desc() == d) return m;
    made_.push_back(laid_out(plain_, d));
    return made_.back();
  }

private:
  memory plain_;
  std::vector<memory> made_{};
};

/// Threads that a step's primitives have: one for a member of a group, whose members run side by side.
inline int threads_of(kernel_loader const& l) { return l.what().group >= 0 ? 1 : l.workers; }

constexpr data_type type_of(graph::value_type t) {
  switch (t) {
  case graph::value_type::bf16:
    return data_type::bf16;
  case graph::value_type::u8:
    return data_type::u8;
  case graph::value_type::s8:
    return data_type::s8;
  case graph::value_type::s32:
    return data_type::s32;
  case graph::value_type::f32:
    break;
  }
  return data_type::f32;
}

/// A description of an image (n, ..., channels) with two or three axes, or of rows.
struct shape_of_value {
  memory::dims dims{};
  tag last = tag::ab; ///< with the channels last
  index_t item_bytes = 0;

  /// `items`: of an open batch.
  static shape_of_value image(graph::dims const& s, graph::value_type t, index_t items, bool deep) {
    graph::dims const& d = s;
    shape_of_value v;
    v.dims = {d.dynamic() ? items : d[0], d.last()};
    v.last = deep ? tag::ndhwc : tag::nhwc;
    spatial const in = graph::detail::image_of(s);
    for (int axis = deep ? 0 : 1; axis < 3; ++axis) v.dims.push_back(in[axis]);
    v.item_bytes = bytes_of_item(s, t);
    return v;
  }
  static shape_of_value rows(graph::dims const& s, graph::value_type t, index_t items) {
    return {{s.rows() * (s.dynamic() ? items : 1), s.last()}, tag::ab, bytes_of_item(s, t)};
  }
  static index_t bytes_of_item(graph::dims const& s, graph::value_type t) {
    return s.size() * graph::size_of(t);
  }
  memory::desc as(data_type t) const { return {dims, t, last}; }
  /// One element for each channel.
  memory::desc channels(data_type t) const {
    memory::dims one(dims.size(), 1);
    one[1] = dims[1];
    return {one, t, last};
  }
};

} // namespace via_onednn
IA_NN_END

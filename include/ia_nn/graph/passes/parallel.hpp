// SPDX-License-Identifier: Apache-2.0
//
// Parallel groups: independent steps that run at the same time, a worker each. Three structures are
// looked for, and each can be switched off:
//
//   all to one     a b c ─► one operation      embeddings in front of a concat
//   one to all     x ─► a b c                  branches of one value
//   separate       a b c                       neither
//
// Members are kinds of operations whose kernels may run next to each other and which do not divide
// themselves among the workers as well as separate runs would. A group runs where its first member
// stood: everything its members read is there.
#pragma once

#include <ia_nn/graph/layers/custom.hpp>
#include <ia_nn/graph/passes/steps.hpp>

#include <ia_nn/begin.hpp>
namespace graph {

/// Convolutions divide their own work better than a group does; operations of the user say
/// themselves whether they may join (thread_safe).
constexpr bool joins_groups(op_kind kind, attribute_set const& a) {
  return kind->joins_groups || a.thread_safe;
}

enum class structure { none, separate, all_to_one, one_to_all };

namespace detail {

template <class Nodes>
constexpr structure relation(Nodes const& d, std::vector<int> const& uses,
                             std::vector<int> const& readers, step const& a, step const& b) {
  auto const at = [](int i) { return static_cast<std::size_t>(i); };
  if (uses[at(a.out)] == 1 && uses[at(b.out)] == 1 && readers[at(a.out)] == readers[at(b.out)] &&
      d[readers[at(a.out)]].kind != op::output)
    return structure::all_to_one;
  for (int const x : a.inputs)
    for (int const y : b.inputs)
      if (root(d, x) == root(d, y)) return structure::one_to_all;
  return structure::separate;
}

constexpr std::size_t at(int i) { return static_cast<std::size_t>(i); }

/// Steps from .. to have changed places. What they write into may be complete later; that it may be
/// complete earlier is not looked at.
constexpr void note_complete(std::vector<step> const& steps, std::vector<int>& last, int from,
                             int to) {
  for (int s = from; s <= to; ++s) {
    last[at(steps[at(s)].out)] = s;
    int const whole = steps[at(s)].slice_of;
    if (whole >= 0 && last[at(whole)] < s) last[at(whole)] = s;
  }
}

/// After which step each value is complete; -1 for inputs of the network.
template <class Nodes>
constexpr std::vector<int> complete_after(Nodes const& d, std::vector<step> const& steps) {
  std::vector<int> last(static_cast<std::size_t>(d.count()), -1);
  for (std::size_t s = 0; s < steps.size(); ++s) last[at(steps[s].out)] = static_cast<int>(s);
  // Concats behind their slices, and concats of concats.
  for (int s = 0; s < static_cast<int>(steps.size()); ++s) note_complete(steps, last, s, s);
  return last;
}

} // namespace detail

/// Members of a group stand at most this far behind its first one: a bound on the work of the
/// compiler.
inline constexpr int group_reach = 64;

/// Numbers the groups, moves their members together and returns how many there are.
template <class Nodes>
constexpr int group_parallel(Nodes const& d, std::vector<step>& steps, options const& o = {}) {
  std::vector<int> const uses = detail::uses_of(d), readers = detail::readers_of(d);
  std::vector<int> ready = detail::complete_after(d, steps);
  int const count = static_cast<int>(steps.size());
  auto const at = [&](int i) -> step& { return steps[static_cast<std::size_t>(i)]; };
  // The last step that completes something which a step reads.
  std::vector<int> needs(steps.size(), -1);
  auto const note_needs = [&](int from, int to) {
    for (int s = from; s < to && s < count; ++s) {
      int most = -1;
      auto const need = [&](int value) {
        int const r = ready[detail::at(detail::root(d, value))];
        if (most < r) most = r;
      };
      for (int const in : at(s).inputs) need(in);
      for (stage const& g : at(s).stages)
        if (g.operand >= 0) need(g.operand);
      needs[detail::at(s)] = most;
    }
  };
  note_needs(0, count);
  auto const allowed = [&](structure s) {
    return s == structure::all_to_one   ? o.parallel_all_to_one
           : s == structure::one_to_all ? o.parallel_one_to_all
                                        : o.parallel_separate;
  };
  int groups = 0;
  for (int i = 0; i < count; ++i) {
    if (!joins_groups(at(i).kind, d[at(i).anchor].attributes)) continue;
    int end = i + 1, moved = i; // members are steps i .. end - 1, others changed up to `moved`
    int const reach = i + group_reach < count ? i + group_reach : count;
    structure kind = structure::none;
    for (int j = i + 1; j < reach && end - i < max_inputs; ++j) {
      if (needs[static_cast<std::size_t>(j)] >= i || at(j).kind != at(i).kind ||
          !joins_groups(at(j).kind, d[at(j).anchor].attributes))
        continue;
      structure const r = detail::relation(d, uses, readers, at(i), at(j));
      if (!allowed(r) || (kind != structure::none && r != kind)) continue;
      kind = r;
      if (j > end) {
        step const member = at(j);
        int const read = needs[detail::at(j)];
        for (int k = j; k > end; --k)
          at(k) = at(k - 1), needs[detail::at(k)] = needs[detail::at(k - 1)];
        at(end) = member;
        needs[detail::at(end)] = read;
      }
      ++end;
      moved = j;
    }
    if (end == i + 1) continue;
    for (int k = i; k < end; ++k) at(k).group = groups;
    ++groups;
    detail::note_complete(steps, ready, i, moved);
    note_needs(end, end + 4 * group_reach);
    i = end - 1;
  }
  return groups;
}

} // namespace graph
IA_NN_END

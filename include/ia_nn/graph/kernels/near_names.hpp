// SPDX-License-Identifier: Apache-2.0
//
// Names in sentences: how they are written, and which other one was meant. Nothing here runs unless
// there is a mistake to tell of.
#pragma once

#include <ia_nn/core/meta.hpp>

#include <string>
#include <string_view>
#include <vector>

#include <ia_nn/begin.hpp>
namespace graph {
namespace detail {

/// A name from a file: sentences end at a zero and should have an end that can be read.
inline std::string shown_name(std::string_view name) {
  constexpr std::size_t most = 120;
  constexpr char const* digits = "0123456789abcdef";
  std::string t;
  for (char const c : name.substr(0, most)) {
    unsigned const u = static_cast<unsigned char>(c);
    if (u >= 32 && u != 127) t += c;
    else t += {'\\', 'x', digits[u / 16], digits[u % 16]};
  }
  return name.size() > most ? t + "... (" + std::to_string(name.size()) + " characters)" : t;
}
inline std::string in_quotes(std::string_view name) { return "'" + shown_name(name) + "'"; }

/// How many characters are inserted, left out, changed, or swapped with the next one to make b of
/// a; bound + 1 if they are more than `bound`. Takes time proportional to length times bound.
inline index_t edit_distance(std::string_view a, std::string_view b, index_t bound) {
  std::size_t same = 0;
  while (same < a.size() && same < b.size() && a[same] == b[same]) ++same;
  a.remove_prefix(same), b.remove_prefix(same);
  while (!a.empty() && !b.empty() && a.back() == b.back()) a.remove_suffix(1), b.remove_suffix(1);
  index_t const n = std::ssize(a), m = std::ssize(b), far = bound + 1;
  if (n - m > bound || m - n > bound) return far;
  // Rows of the table of distances between beginnings; places near its diagonal count.
  auto const at = [](index_t i) { return static_cast<std::size_t>(i); };
  std::vector<index_t> two_back(at(m + 1), far), last(two_back), now(two_back);
  for (index_t j = 0; j <= min_of(m, bound); ++j) last[at(j)] = j;
  for (index_t i = 1; i <= n; ++i) {
    index_t const from = max_of(index_t{1}, i - bound), to = min_of(m, i + bound);
    now[at(from - 1)] = from == 1 && i <= bound ? i : far;
    index_t least = now[at(from - 1)];
    for (index_t j = from; j <= to; ++j) {
      index_t d = last[at(j - 1)] + (a[at(i - 1)] == b[at(j - 1)] ? 0 : 1);
      d = min_of(d, now[at(j - 1)] + 1);
      if (j < i + bound) d = min_of(d, last[at(j)] + 1);
      if (i > 1 && j > 1 && a[at(i - 1)] == b[at(j - 2)] && a[at(i - 2)] == b[at(j - 1)])
        d = min_of(d, two_back[at(j - 2)] + 1);
      now[at(j)] = min_of(d, far);
      least = min_of(least, d);
    }
    if (least > bound) return far;
    two_back.swap(last);
    last.swap(now);
  }
  return min_of(last[at(m)], far);
}

/// True if one is the other behind a prefix that ends with a point or a slash: "module.fc.weight"
/// and "fc.weight".
inline bool same_ending(std::string_view a, std::string_view b) {
  if (a.size() < b.size()) return same_ending(b, a);
  if (b.empty() || a.size() == b.size() || !a.ends_with(b)) return false;
  char const before = a[a.size() - b.size() - 1];
  return before == '.' || before == '/';
}

/// The name among `all` that was meant by `name`: one with the same ending, the shortest of several;
/// or one that is a few characters off. Nothing if there is none.
inline std::string_view nearest(std::string_view name, std::vector<std::string_view> const& all) {
  std::string_view best;
  for (std::string_view const other : all)
    if (same_ending(name, other) && (best.empty() || other.size() < best.size())) best = other;
  if (!best.empty()) return best;
  index_t const length = std::ssize(name);
  index_t bound = min_of(min_of(index_t{3}, max_of(index_t{1}, length / 5)), length - 1);
  for (std::string_view const other : all) {
    if (bound < 1) break;
    index_t const d = edit_distance(name, other, bound);
    if (d > bound) continue;
    best = other;
    bound = d - 1;
  }
  return best;
}

} // namespace detail
} // namespace graph
IA_NN_END

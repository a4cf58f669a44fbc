// SPDX-License-Identifier: Apache-2.0
//
// The oracle of what selects, gathers and detects: naive loops in double.
#pragma once

#include "random_weights.hpp"

#include <algorithm>
#include <numeric>

namespace ia_nn_test {

namespace selecting {
using values = std::vector<double>;
inline std::size_t at(index_t i) { return static_cast<std::size_t>(i); }

/// Where element i of a tensor of extents `of` lies in one of extents `to`, with index k along an axis.
inline index_t place(graph::dims const& of, graph::dims const& to, index_t i, int axis, index_t k) {
  index_t from = 0, stride = 1;
  for (int d = of.rank - 1; d > 0; stride *= to[d], i /= of[d], --d) from += (d == axis ? k : i % of[d]) * stride;
  return from + i * stride; // what is left of i is the item
}

inline void gather(graph::node const& n, graph::dims const& x, graph::dims const& ids, values const& from,
                   values const& indices, values& y) {
  int const axis = n.attributes.axis;
  index_t outer = 1, inner = 1, count = 1;
  for (int d = 1; d < x.rank; ++d)
    if (d != axis) (d < axis ? outer : inner) *= x[d];
  for (int d = 1; d < ids.rank; ++d) count *= ids[d];
  for (index_t i = 0; i < std::ssize(y); ++i) {
    index_t const c = i % inner, j = i / inner % count, o = i / inner / count % outer, b = i / inner / count / outer;
    index_t const k = static_cast<index_t>(indices[at(b * count + j)]);
    y[at(i)] = from[at(((b * outer + o) * x[axis] + (k < 0 ? k + x[axis] : k)) * inner + c)];
  }
}
inline void gather_elements(graph::node const& n, graph::dims const& x, values const& from, values const& indices,
                            values& y) {
  int const axis = n.attributes.axis;
  for (index_t i = 0; i < std::ssize(y); ++i) {
    index_t const k = static_cast<index_t>(indices[at(i)]);
    y[at(i)] = from[at(place(n.shape, x, i, axis, k < 0 ? k + x[axis] : k))];
  }
}

inline double area(double const* b) { return b[2] > b[0] && b[3] > b[1] ? (b[2] - b[0]) * (b[3] - b[1]) : 0; }
inline double iou(double const* a, double const* b) {
  if (area(a) == 0 || area(b) == 0) return 0;
  double const both[] = {std::max(a[0], b[0]), std::max(a[1], b[1]), std::min(a[2], b[2]), std::min(a[3], b[3])};
  return area(both) / (area(a) + area(b) - area(both));
}
inline void suppress(graph::node const& n, index_t boxes, index_t box_columns, index_t classes, values const& box,
                     values const& score, values& y) {
  struct one {
    double score;
    index_t k, i;
  };
  graph::attribute_set const& a = n.attributes;
  index_t const items = std::ssize(score) / (boxes * classes);
  for (index_t b = 0; b < items; ++b) {
    auto const corners = [&](one const& o) {
      return box.data() + (b * boxes + o.i) * box_columns + (box_columns == 4 ? 0 : o.k * 4);
    };
    auto const better = [](one const& l, one const& r) {
      return l.score != r.score ? l.score > r.score : l.k != r.k ? l.k < r.k : l.i < r.i;
    };
    std::vector<one> all;
    for (index_t k = 0; k < classes; ++k) {
      if (k == a.passed_over) continue;
      std::vector<one> list, kept;
      for (index_t i = 0; i < boxes; ++i)
        if (double const s = score[at((b * boxes + i) * classes + k)]; s > static_cast<double>(a.a)) list.push_back({s, k, i});
      std::sort(list.begin(), list.end(), better);
      if (std::ssize(list) > a.limits[0]) list.resize(at(a.limits[0]));
      for (one const& o : list)
        if (std::ssize(kept) < a.limits[1] && std::none_of(kept.begin(), kept.end(), [&](one const& p) {
              return iou(corners(o), corners(p)) > static_cast<double>(a.b);
            }))
          kept.push_back(o);
      all.insert(all.end(), kept.begin(), kept.end());
    }
    std::sort(all.begin(), all.end(), better);
    for (index_t d = 0; d < a.limits[2]; ++d) {
      double* const row = y.data() + (b * a.limits[2] + d) * 6;
      bool const is = d < std::ssize(all);
      row[0] = is ? static_cast<double>(all[at(d)].k) : -1;
      row[1] = is ? all[at(d)].score : 0;
      for (int c = 0; c < 4; ++c) row[2 + c] = is ? corners(all[at(d)])[c] : 0;
    }
  }
}

inline void decode(graph::node const& n, values const& deltas, values const& references, values& y) {
  graph::attribute_set const& a = n.attributes;
  index_t const classes = n.shape.last() / 4;
  for (index_t i = 0; i < std::ssize(y); ++i) {
    int const axis = static_cast<int>(i % 2);
    double const* const r = references.data() + i / 4 / classes * 4;
    double const* const d = deltas.data() + i / 4 * 4;
    double const w = r[axis + 2] - r[axis], x = r[axis] + w / 2 + d[axis] * static_cast<double>(a.alpha) * w;
    double const grown = w * std::exp(std::min(d[axis + 2] * static_cast<double>(a.beta), std::log(static_cast<double>(a.number))));
    double v = i % 4 < 2 ? x - grown / 2 : x + grown / 2;
    double const most = static_cast<double>(axis == 0 ? a.a : a.b);
    if (a.a > 0) v = std::clamp(v, 0.0, most);
    y[at(i)] = v;
  }
}

// Element (oy, ox, c) of one region; ../ops/roi.cpp has the kernel's own oracle.
inline double region(graph::node const& n, graph::dims const& x, double const* image, double const* box, index_t oy,
                     index_t ox, index_t c) {
  graph::attribute_set const& a = n.attributes;
  double const scale = static_cast<double>(a.number);
  index_t const extent[] = {x[2], x[1]}, out[] = {n.shape[3], n.shape[2]}, o[] = {ox, oy};
  auto const pixel = [&](index_t py, index_t px) { return image[(py * x[2] + px) * x[3] + c]; };
  if (n.kind == graph::op::roi_pool) {
    index_t from[2], to[2];
    for (int d = 0; d < 2; ++d) {
      double const first = std::round(box[d] * scale), length = std::max(std::round(box[2 + d] * scale) - first + 1, 1.0);
      f32 const each = static_cast<f32>(length) / static_cast<f32>(out[d]);
      from[d] = std::clamp<index_t>(static_cast<index_t>(first) + static_cast<index_t>(std::floor(static_cast<f32>(o[d]) * each)), 0, extent[d]);
      to[d] = std::clamp<index_t>(static_cast<index_t>(first) + static_cast<index_t>(std::ceil(static_cast<f32>(o[d] + 1) * each)), 0, extent[d]);
    }
    if (from[0] >= to[0] || from[1] >= to[1]) return 0;
    double most = -HUGE_VAL;
    for (index_t py = from[1]; py < to[1]; ++py)
      for (index_t px = from[0]; px < to[0]; ++px) most = std::max(most, pixel(py, px));
    return most;
  }
  double start[2], each[2], sum = 0;
  index_t grid[2];
  for (int d = 0; d < 2; ++d) {
    double const offset = a.aligned ? 0.5 : 0;
    start[d] = box[d] * scale - offset;
    double const length = box[2 + d] * scale - offset - start[d];
    each[d] = (a.aligned ? length : std::max(length, 1.0)) / static_cast<double>(out[d]);
    grid[d] = a.sampling > 0 ? a.sampling : std::max<index_t>(static_cast<index_t>(std::ceil(each[d])), 0);
  }
  for (index_t i = 0; i < grid[1]; ++i)
    for (index_t j = 0; j < grid[0]; ++j) {
      double p[2];
      bool inside = true;
      index_t const k[] = {j, i};
      for (int d = 0; d < 2; ++d) {
        p[d] = start[d] + (static_cast<double>(o[d]) + (static_cast<double>(k[d]) + 0.5) / static_cast<double>(grid[d])) * each[d];
        inside = inside && p[d] >= -1 && p[d] <= static_cast<double>(extent[d]);
        p[d] = std::clamp(p[d], 0.0, static_cast<double>(extent[d] - 1));
      }
      if (!inside) continue;
      auto const x0 = static_cast<index_t>(p[0]), y0 = static_cast<index_t>(p[1]);
      index_t const x1 = std::min(x0 + 1, extent[0] - 1), y1 = std::min(y0 + 1, extent[1] - 1);
      double const lx = p[0] - static_cast<double>(x0), ly = p[1] - static_cast<double>(y0);
      sum += (1 - ly) * ((1 - lx) * pixel(y0, x0) + lx * pixel(y0, x1)) + ly * ((1 - lx) * pixel(y1, x0) + lx * pixel(y1, x1));
    }
  return sum / static_cast<double>(std::max<index_t>(grid[0] * grid[1], 1));
}
} // namespace selecting

/// Fills y; false for an operator of another sort. x_of(k): the k-th source.
template <class X>
bool interpret_selected(graph::node const& n, graph::node const* nodes, random_weights const& weights, X const& x_of,
                        std::vector<double>& y) {
  namespace op = graph::op;
  using namespace selecting;
  graph::attribute_set const& a = n.attributes;
  auto const shape = [&](int k) -> graph::dims const& { return nodes[n.inputs[k]].shape; };
  auto const is = [&](auto const&... kinds) { return (... || (n.kind == kinds)); };
  if (is(op::top_k, op::top_k_indices, op::arg_max)) {
    graph::dims const& x = shape(0);
    index_t inner = 1, length = x[a.axis];
    for (int d = a.axis + 1; d < x.rank; ++d) inner *= x[d];
    index_t const k = n.kind == op::arg_max ? 1 : a.taken, rows = std::ssize(x_of(0)) / length;
    for (index_t r = 0; r < rows; ++r) {
      auto const e = [&](index_t j) { return x_of(0)[at((r / inner * length + j) * inner + r % inner)]; };
      std::vector<index_t> order(at(length));
      std::iota(order.begin(), order.end(), 0);
      std::sort(order.begin(), order.end(), [&](index_t i, index_t j) {
        if (e(i) != e(j)) return (e(i) < e(j)) == a.smallest;
        return a.last_of_equal ? i > j : i < j;
      });
      if (!a.sorted) std::sort(order.begin(), order.begin() + k);
      for (index_t j = 0; j < k; ++j)
        y[at((r / inner * k + j) * inner + r % inner)] = n.kind == op::top_k ? e(order[at(j)]) : static_cast<double>(order[at(j)]);
    }
  } else if (is(op::gather)) {
    gather(n, shape(0), shape(1), x_of(0), x_of(1), y);
  } else if (is(op::gather_elements)) {
    gather_elements(n, shape(0), x_of(0), x_of(1), y);
  } else if (is(op::scatter)) {
    y = x_of(0);
    for (index_t i = 0; i < std::ssize(x_of(2)); ++i) {
      index_t const k = static_cast<index_t>(x_of(2)[at(i)]), extent = n.shape[a.axis];
      double& to = y[at(place(shape(2), n.shape, i, a.axis, k < 0 ? k + extent : k))];
      to = (a.adds ? to : 0) + x_of(1)[at(i)];
    }
  } else if (is(op::one_hot)) {
    for (index_t i = 0; i < std::ssize(y); ++i) {
      auto const k = static_cast<index_t>(x_of(0)[at(i / a.taken)]);
      bool const on = k == i % a.taken || k + a.taken == i % a.taken;
      y[at(i)] = static_cast<double>(on ? a.a : a.b);
    }
  } else if (is(op::embedding_bag)) {
    auto const& table = weights(n, ".weight");
    index_t const length = shape(0).last();
    for (index_t i = 0; i < std::ssize(y); ++i) {
      double sum = 0, most = -HUGE_VAL;
      for (index_t j = 0; j < length; ++j) {
        auto const row = static_cast<index_t>(x_of(0)[at(i / a.width * length + j)]);
        double const e = static_cast<double>(table[at(row * a.width + i % a.width)]);
        sum += e, most = std::max(most, e);
      }
      y[at(i)] = a.bag == ia_nn::bag_kind::max ? most : a.bag == ia_nn::bag_kind::mean ? sum / static_cast<double>(length) : sum;
    }
  } else if (is(op::suppress)) {
    suppress(n, shape(0)[1], shape(0).last(), shape(1).last(), x_of(0), x_of(1), y);
  } else if (is(op::decode_boxes)) {
    decode(n, x_of(0), x_of(1), y);
  } else if (is(op::roi_pool, op::roi_align)) {
    index_t const c = n.shape[4], w = n.shape[3], h = n.shape[2], boxes = n.shape[1];
    for (index_t i = 0; i < std::ssize(y); ++i) {
      index_t const b = i / (c * w * h * boxes), box = i / (c * w * h);
      y[at(i)] = region(n, shape(0), x_of(0).data() + b * shape(0).item(), x_of(1).data() + box * 4, i / (c * w) % h, i / c % w, i % c);
    }
  } else {
    return false;
  }
  return true;
}

} // namespace ia_nn_test

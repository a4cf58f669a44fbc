// SPDX-License-Identifier: Apache-2.0
//
// Oracles of what multiplies values by values: in double.
#pragma once

#include "interpret_layers.hpp"

#include <ia_nn/graph/layers/attention.hpp>
#include <ia_nn/graph/layers/matmul.hpp>

namespace ia_nn_test {

inline void interpret_matmul(graph::node const& n, graph::dims const& a, graph::dims const& b,
                             std::vector<double> const& x, std::vector<double> const& y, std::vector<double>& to) {
  int const rank = n.shape.rank;
  graph::attribute_set const& at = n.attributes;
  index_t const inner = a[a.rank - (at.transposed_a ? 2 : 1)];
  for (std::size_t i = 0; i < to.size(); ++i) {
    index_t c[5]{}, rest = static_cast<index_t>(i);
    for (int d = rank - 1; d > 0; --d) c[d] = rest % n.shape[d], rest /= n.shape[d];
    c[0] = rest;
    // Element (row, column) of the matrix of an operand that belongs to this product.
    auto const element = [&](graph::dims const& s, index_t row, index_t column) {
      index_t place[5]{c[0]};
      for (int d = 1; d < s.rank - 2; ++d) {
        index_t const own = c[d + rank - s.rank];
        place[d] = s[d] == 1 ? 0 : own;
      }
      place[s.rank - 2] = row, place[s.rank - 1] = column;
      return element_at(s, place);
    };
    double sum = 0;
    for (index_t q = 0; q < inner; ++q) {
      index_t const r = c[rank - 2], k = c[rank - 1];
      sum += x[at.transposed_a ? element(a, q, r) : element(a, r, q)] *
             y[at.transposed_b ? element(b, k, q) : element(b, q, k)];
    }
    to[i] = sum;
  }
}

/// mask and lengths may be empty.
inline void interpret_attention(graph::node const& n, graph::dims const& q_shape, graph::dims const& v_shape,
                                graph::dims const& mask_shape, std::vector<double> const& q,
                                std::vector<double> const& k, std::vector<double> const& v,
                                std::vector<double> const& mask, std::vector<double> const& lengths,
                                std::vector<double>& y) {
  auto const at = [](index_t i) { return static_cast<std::size_t>(i); };
  index_t const heads = n.attributes.heads, rows = q_shape[1], keys = v_shape[1], width = q_shape[2] / heads,
                wide = v_shape[2] / heads, batch = static_cast<index_t>(q.size()) / (rows * q_shape[2]);
  double const scale = n.attributes.a == 0 ? 1 / std::sqrt(static_cast<double>(width)) : static_cast<double>(n.attributes.a);
  for (index_t b = 0; b < batch; ++b)
    for (index_t h = 0; h < heads; ++h)
      for (index_t i = 0; i < rows; ++i) {
        std::vector<double> p;
        double most = -INFINITY, total = 0;
        for (index_t j = 0; j < keys; ++j) {
          double s = 0;
          for (index_t c = 0; c < width; ++c)
            s += q[at((b * rows + i) * q_shape[2] + h * width + c)] * k[at((b * keys + j) * q_shape[2] + h * width + c)];
          s *= scale;
          if (!mask.empty()) {
            bool const by_head = mask_shape.rank == 4;
            index_t const r = mask_shape[mask_shape.rank - 2], own_heads = by_head ? mask_shape[1] : 1;
            s += mask[at(((b * own_heads + (own_heads > 1 ? h : 0)) * r + (r > 1 ? i : 0)) * keys + j)];
          }
          if ((n.attributes.causal && j > i) || (!lengths.empty() && static_cast<double>(j) >= lengths[at(b)])) s = -INFINITY;
          p.push_back(s);
          most = std::fmax(most, s);
        }
        for (double& e : p) e = most == -INFINITY ? 0 : std::exp(e - most), total += e;
        for (index_t c = 0; c < wide; ++c) {
          double sum = 0;
          for (index_t j = 0; j < keys; ++j)
            if (p[at(j)] > 0) sum += p[at(j)] / total * v[at((b * keys + j) * v_shape[2] + h * wide + c)];
          y[at((b * rows + i) * n.shape[2] + h * wide + c)] = sum;
        }
      }
}

} // namespace ia_nn_test

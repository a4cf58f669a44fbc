// SPDX-License-Identifier: Apache-2.0
//
// Statements of tensors. Each assignment below is one loop over vector registers; nothing is
// allocated and no intermediate tensor exists.
#include <ia_nn/exec/thread_pool.hpp>
#include <ia_nn/ops/expr.hpp>

#include <cmath>
#include <cstdio>

using namespace ia_nn;

int main() {
  constexpr index_t rows = 64, columns = 200;
  tensor<f32, shape<dyn, columns>> x(shape<dyn, columns>{rows}), y(shape<dyn, columns>{rows});
  tensor<f32, shape<columns>> gain, bias;
  for (index_t i = 0; i < rows; ++i)
    for (index_t j = 0; j < columns; ++j) x(i, j) = std::sin(static_cast<f32>(i * 3 + j));
  gain = gain + 1.5F; // tensors start with zeros
  bias = gain * 0 - 0.25F;

  // Row vectors broadcast over the rows; the product and the sum are one fma.
  y = relu(x * gain + bias);

  // Layer normalisation, statement by statement.
  tensor<f32, shape<dyn, 1>> mu(shape<dyn, 1>{rows}), var(shape<dyn, 1>{rows});
  mu = mean(x, axes<1>);
  var = mean(square(x - mu), axes<1>);
  y = (x - mu) / sqrt(var + 1e-5F) * gain + bias;

  // In place, with a condition, with the elements of another type, on threads.
  y = select(y < 0, 0.1F * y, y);
  tensor<u8, shape<dyn, columns>> q(shape<dyn, columns>{rows});
  thread_pool pool(2);
  eval(q, y * 50, pool);

  // The same on a chosen instruction set: the bits do not change.
  tensor<u8, shape<dyn, columns>> p(shape<dyn, columns>{rows});
  p = with<isa::scalar>(y * 50);

  f32 const total = sum(y), largest = max(y), distance = sum(abs(x - y));
  std::printf("sum %.4f, largest %.4f, distance %.4f, q(0, 0) = %d\n", static_cast<double>(total),
              static_cast<double>(largest), static_cast<double>(distance), q(0, 0));

  // Shapes that do not fit are refused when the statement starts.
  bool refused = false;
  try {
    y = x + tensor<f32, shape<dyn>>(shape<dyn>{columns + 1});
  } catch (error const& problem) {
    std::printf("%s\n", problem.what());
    refused = true;
  }
  bool const same = max(q != p) == 0.0F;
  tensor<f32, shape<columns>> by_column;
  by_column = sum(y, axes<0>);
  bool const close = std::fabs(total - sum(by_column)) < 1e-3F * sum(abs(y));
  return refused && same && close ? 0 : 1;
}

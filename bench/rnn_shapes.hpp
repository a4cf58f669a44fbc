// SPDX-License-Identifier: Apache-2.0
//
// The shapes of the suite `rnn`: layers of recurrent cells over whole sequences.
#pragma once

#include <string>
#include <vector>

namespace bench {

enum class cell {
  lstm,
  gru,
  gru_rb,
  tanh,
  relu
}; ///< gru: linear before reset; gru_rb: reset before
enum class direction { forward, concat, sum };

struct rnn_shape {
  std::string name;
  bench::cell cell = cell::lstm;
  long time = 1, batch = 1, input = 1, hidden = 1;
  long projected = 0; ///< size of h where it is projected, else 0
  long layers = 1;
  bench::direction direction = direction::forward;

  long gates() const {
    return cell == cell::lstm ? 4 : cell == cell::gru || cell == cell::gru_rb ? 3 : 1;
  }
  long directions() const { return direction == direction::forward ? 1 : 2; }
  long output() const { return projected > 0 ? projected : hidden; } ///< of one direction
  long width() const { return direction == direction::concat ? 2 * output() : output(); }
  long layer_input(long layer) const { return layer == 0 ? input : width(); }
  double operations() const; ///< of the matrix products of a call
  double weights() const;    ///< elements
};

char const* name_of(cell c);

/// A kind of case: the last word of its groups' names, and its shapes.
struct rnn_kind {
  std::string word;
  std::vector<rnn_shape> shapes;
};

/// `deepspeech`: one layer of 800 or 1760 units; `small`; `stack`: 5 layers of 800 units.
std::vector<rnn_kind> builtin_rnn_kinds();

struct rnn_list {
  std::vector<rnn_shape> shapes;
  std::vector<std::string> skipped; ///< "<case>: why"
};

/// Reads columns seq_len, mb, input_size, hidden_size and either `cells` (several, separated by |)
/// or `cell`; name, direction, layers, state_in_size and output_size if they are there. mb 0 stands
/// for 1 and 16. In `cells` gru is the form with the reset before the product (oneDNN's word), in
/// `cell` the one with the product first (cuDNN's); rnn is relu. Shapes that occur twice are taken
/// once. Throws a sentence with the line's number if the file is not like that.
rnn_list read_rnn_shapes(std::string const& file);

} // namespace bench

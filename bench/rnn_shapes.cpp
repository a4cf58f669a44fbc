// SPDX-License-Identifier: Apache-2.0
#include "rnn_shapes.hpp"

#include "csv.hpp"

#include <algorithm>
#include <stdexcept>
#include <tuple>

namespace bench {
namespace {

std::string extents(rnn_shape const& s) {
  std::string text = name_of(s.cell);
  if (s.layers > 1) text += " " + std::to_string(s.layers) + " layers";
  text += " " + std::to_string(s.time) + "x" + std::to_string(s.batch) + "x" +
          std::to_string(s.input) + "x" + std::to_string(s.hidden);
  if (s.projected > 0) text += "x" + std::to_string(s.projected);
  if (s.direction == direction::concat) text += " concat";
  if (s.direction == direction::sum) text += " sum";
  return text;
}

rnn_shape shape(cell c, long time, long batch, long input, long hidden, long layers = 1,
                direction d = direction::forward) {
  rnn_shape s{{}, c, time, batch, input, hidden, 0, layers, d};
  s.name = extents(s);
  return s;
}

auto extents_of(rnn_shape const& s) {
  return std::tuple(s.cell, s.time, s.batch, s.input, s.hidden, s.projected, s.layers, s.direction);
}

struct word {
  bench::cell cell;
  bool projects = false;
};

word read_cell(std::string const& text, bool onednn_words, std::string const& where) {
  if (text == "lstm") return {cell::lstm};
  if (text == "lstm_projection") return {cell::lstm, true};
  if (text == "gru") return {onednn_words ? cell::gru_rb : cell::gru};
  if (text == "gru_linear_before_reset" || text == "lbr_gru") return {cell::gru};
  if (text == "rnn_tanh") return {cell::tanh};
  if (text == "rnn" || text == "rnn_relu") return {cell::relu};
  throw std::runtime_error(where + "'" + text + "' is not a cell this suite knows");
}

direction read_direction(std::string const& text, std::string const& where) {
  if (text == "unidirectional") return direction::forward;
  if (text == "bidirectional_concat" || text == "concat") return direction::concat;
  if (text == "bidirectional_sum" || text == "sum") return direction::sum;
  throw std::runtime_error(where + "'" + text + "' is not a direction this suite knows");
}

} // namespace

char const* name_of(cell c) {
  constexpr char const* names[] = {"lstm", "gru", "gru_rb", "tanh", "relu"};
  return names[static_cast<int>(c)];
}

double rnn_shape::weights() const {
  double sum = 0;
  for (long l = 0; l < layers; ++l)
    sum += static_cast<double>(gates() * hidden * (layer_input(l) + output()) + projected * hidden);
  return sum * static_cast<double>(directions());
}

double rnn_shape::operations() const {
  return 2 * static_cast<double>(time) * static_cast<double>(batch) * weights();
}

std::vector<rnn_kind> builtin_rnn_kinds() {
  rnn_kind deepspeech{"deepspeech", {}}, small{"small", {}}, stack{"stack", {}};
  for (cell c : {cell::lstm, cell::gru, cell::gru_rb, cell::tanh, cell::relu})
    deepspeech.shapes.push_back(shape(c, 300, 20, 800, 800));
  for (cell c : {cell::gru, cell::gru_rb}) { // the time is proportional to the number of steps
    deepspeech.shapes.push_back(shape(c, 200, 12, 161, 1760));
    deepspeech.shapes.back().name += " of 1600";
  }
  constexpr long extents_of_small[][4] = {{100, 1, 64, 64},
                                          {1, 1, 40, 40},
                                          {50, 1, 256, 256},
                                          {25, 16, 512, 512},
                                          {25, 64, 1024, 1024}};
  for (auto const& [time, batch, input, hidden] : extents_of_small)
    for (cell c : {cell::lstm, cell::gru})
      small.shapes.push_back(shape(c, time, batch, input, hidden));
  for (cell c : {cell::lstm, cell::gru})
    for (direction d : {direction::forward, direction::concat, direction::sum})
      stack.shapes.push_back(shape(c, 100, 20, 800, 800, 5, d));
  return {deepspeech, small, stack};
}

rnn_list read_rnn_shapes(std::string const& file) {
  csv const table(file);
  auto const at_cells = table.find("cells");
  std::size_t const at_cell = at_cells ? *at_cells : table.column("cell"),
                    at_time = table.column("seq_len"), at_batch = table.column("mb"),
                    at_input = table.column("input_size"), at_hidden = table.column("hidden_size");
  auto const at_name = table.find("name"), at_layers = table.find("layers"),
             at_direction = table.find("direction"), at_state = table.find("state_in_size"),
             at_output = table.find("output_size");
  rnn_list list;
  for (csv::row const& row : table.rows()) {
    std::string const where = "'" + file + "', line " + std::to_string(row.line) + ": ";
    for (std::string const& text : split(table.field(row, at_cell), '|')) {
      word const w = read_cell(text, at_cells.has_value(), where);
      rnn_shape s{{},
                  w.cell,
                  table.extent(row, at_time),
                  table.extent(row, at_batch, 0),
                  table.extent(row, at_input),
                  table.extent(row, at_hidden)};
      if (at_layers) s.layers = table.extent(row, *at_layers);
      if (at_direction) s.direction = read_direction(table.field(row, *at_direction), where);
      if (w.projects) s.projected = table.extent(row, at_output ? *at_output : at_hidden);
      std::vector<long> const batches =
          s.batch == 0 ? std::vector<long>{1, 16} : std::vector{s.batch};
      for (long batch : batches) {
        s.batch = batch;
        s.name = (at_name ? table.field(row, *at_name) + " " : "") + extents(s);
        long const state = at_state ? table.extent(row, *at_state) : s.output();
        if (state != s.output()) {
          list.skipped.push_back(s.name + ": its first state has " + std::to_string(state) +
                                 " elements, which no sequence has");
          continue;
        }
        bool const twice =
            std::any_of(list.shapes.begin(), list.shapes.end(),
                        [&](auto const& other) { return extents_of(other) == extents_of(s); });
        if (!twice) list.shapes.push_back(s);
      }
    }
  }
  return list;
}

} // namespace bench

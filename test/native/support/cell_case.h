// Recurrent cells that carry a hidden state alone: their operands, their equations as plain loops in float64, and the
// kernel calls to compare with them.
#pragma once

#include "support/kernel_case.h"

namespace lstm::test {

// Zoneout as drawn, one share for each element and step, or as expected, a vector for all.
enum class Zoneout { none, drawn, expected };

enum class Cell { gru_after, gru_before, rnn_tanh, rnn_relu };
inline const std::vector<Cell> kCells = {Cell::gru_after, Cell::gru_before, Cell::rnn_tanh, Cell::rnn_relu};

struct CellCase {
  Cell cell = Cell::gru_after;
  int64_t steps = 1, batch = 1, inputs = 1, units = 1;
  bool reverse = false, ragged = false, initial = true, bias = true, mask = false;
  Zoneout zoneout = Zoneout::none;

  bool is_gru() const { return cell == Cell::gru_after || cell == Cell::gru_before; }
  int64_t gates() const { return is_gru() ? 3 : 1; }
  // The attribute that chooses among a cell's forms.
  double form() const { return cell == Cell::gru_after || cell == Cell::rnn_relu ? 1 : 0; }
  size_t position(int64_t time, int64_t row) const { return static_cast<size_t>(time * batch + row); }
  Dims sequence(int64_t width) const { return {steps, batch, width}; }
  Dims state() const { return {batch, units}; }
};

// Zeros, and `otherwise`, half of each.
inline Array coins(Dims dims, uint32_t seed, float otherwise) {
  Array array = random_floats(std::move(dims), seed);
  std::vector<float> values = array.floats();
  for (float& value : values) value = value < 0 ? 0 : otherwise;
  return floats(array.dims, values);
}

struct CellOperands {
  Array x, h0, weight_ih, weight_hh, bias_ih, bias_hh, lengths, dy, dh_n, keep_hidden, hidden_mask;

  explicit CellOperands(const CellCase& c)
      : x(random_floats(c.sequence(c.inputs), 1)),
        h0(random_floats(c.state(), 2, 0.5f)),
        weight_ih(random_floats({c.gates() * c.units, c.inputs}, 4, 1 / std::sqrt(static_cast<float>(c.inputs)))),
        // The relu grows without bound where the gain of a step is above 1.
        weight_hh(random_floats({c.gates() * c.units, c.units}, 5, 0.7f / std::sqrt(static_cast<float>(c.units)))),
        bias_ih(random_floats({c.gates() * c.units}, 6)),
        bias_hh(random_floats({c.gates() * c.units}, 7)),
        lengths(random_ints({c.batch}, 8, static_cast<int32_t>(c.steps + 1))),
        dy(random_floats(c.sequence(c.units), 9)),
        dh_n(random_floats(c.state(), 10)),
        keep_hidden(c.zoneout == Zoneout::expected ? random_floats({c.units}, 11, 0.3f)
                                                   : coins(c.sequence(c.units), 11, 1)),
        hidden_mask(coins(c.state(), 12, 2)) {}

  int64_t length(const CellCase& c, int64_t row) const {
    return c.ragged ? lengths.as<int32_t>()[static_cast<size_t>(row)] : c.steps;
  }
};

inline Arrays when(bool present, const Array& array) { return present ? Arrays{array} : Arrays{}; }
inline Arrays cell_shares(const CellCase& c, const CellOperands& o) {
  return when(c.zoneout != Zoneout::none, o.keep_hidden);
}
inline Arrays cell_mask(const CellCase& c, const CellOperands& o) { return when(c.mask, o.hidden_mask); }
inline std::vector<std::vector<double>> cell_attributes(const CellCase& c) {
  return {{c.reverse ? 1.0 : 0.0}, {c.form()}};
}

// Outputs y, h_n, gates and, of a GRU, recurrent.
inline KernelCase cell_forward_case(const CellCase& c, const CellOperands& o) {
  const PackKind kind = c.is_gru() ? PackKind::gates3 : PackKind::columns;
  KernelCase test = {c.is_gru() ? KernelId::gru : KernelId::rnn,
                     {{o.x},
                      when(c.initial, o.h0),
                      {o.weight_ih},
                      {o.weight_hh},
                      when(c.bias, o.bias_ih),
                      when(c.bias, o.bias_hh),
                      cell_shares(c, o),
                      cell_mask(c, o),
                      when(c.ragged, o.lengths)},
                     {{empty(c.sequence(c.units))}, {empty(c.state())}, {empty(c.sequence(c.gates() * c.units))}},
                     cell_attributes(c),
                     {},
                     {{2, kind}, {3, kind}}};
  if (c.is_gru()) test.outputs.push_back({empty(c.sequence(c.units))});
  return test;
}

// Outputs dgates, of a GRU drecurrent, dh0 and dh, from the forward kernel's own outputs.
inline KernelCase cell_backward_case(const CellCase& c, const CellOperands& o, const std::vector<Arrays>& forward) {
  const Arrays lengths = when(c.ragged, o.lengths), y = forward[0], keep = cell_shares(c, o), mask = cell_mask(c, o);
  if (!c.is_gru()) {
    return {KernelId::rnn_backward,
            {{o.dy}, {o.dh_n}, forward[2], {o.weight_hh}, keep, mask, lengths},
            {{empty(c.sequence(c.units))}, {empty(c.state())}, {empty(c.sequence(c.units))}},
            cell_attributes(c),
            {},
            {{3, PackKind::rows}}};
  }
  return {KernelId::gru_backward,
          {{o.dy}, {o.dh_n}, forward[2], forward[3], y, when(c.initial, o.h0), {o.weight_hh}, keep, mask, lengths},
          {{empty(c.sequence(3 * c.units))},
           {empty(c.sequence(c.units))},
           {empty(c.state())},
           {empty(c.sequence(c.units))}},
          cell_attributes(c),
          {},
          {{6, PackKind::rows}}};
}

inline KernelCase cell_weight_case(const CellCase& c, const CellOperands& o, const std::vector<Arrays>& forward,
                                   const std::vector<Arrays>& backward) {
  const Arrays lengths = when(c.ragged, o.lengths), h0 = when(c.initial, o.h0), y = forward[0];
  const Array dweight = empty({c.gates() * c.units, c.units});
  if (!c.is_gru()) {
    return {KernelId::rnn_backward_weight, {backward[0], y, h0, lengths}, {{dweight}}, {{c.reverse ? 1.0 : 0.0}}};
  }
  return {KernelId::gru_backward_weight,
          {backward[0], backward[1], forward[3], y, h0, lengths},
          {{dweight}},
          cell_attributes(c)};
}

// `keep` as the step has it.
inline KernelCase cell_step_case(const CellCase& c, const CellOperands& o, const Array& x, const Array& h,
                                 const Arrays& keep) {
  const PackKind kind = c.is_gru() ? PackKind::gates3 : PackKind::columns;
  KernelCase test = {c.is_gru() ? KernelId::gru_step : KernelId::rnn_step,
                     {{x}, {h}, {o.weight_ih}, {o.weight_hh}, {o.bias_ih}, {o.bias_hh}, keep, cell_mask(c, o)},
                     {{empty(h.dims)}, {empty({c.batch, c.gates() * c.units})}},
                     {{c.form()}},
                     {},
                     {{2, kind}, {3, kind}}};
  if (c.is_gru()) test.outputs.push_back({empty(h.dims)});
  return test;
}

}  // namespace lstm::test

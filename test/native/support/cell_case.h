// Recurrent cells besides the LSTM: their operands, and the kernel calls to compare with their equations.
#pragma once

#include "support/kernel_case.h"

namespace lstm::test {

enum class Zoneout { none, drawn, expected };  // drawn: a share for each element and step; expected: a vector for all

enum class Cell { gru_after, gru_before, rnn_tanh, rnn_relu, slstm_sigmoid, slstm_exp };

struct CellCase {
  Cell cell = Cell::gru_after;
  int64_t steps = 1, batch = 1, inputs = 1, units = 1;
  bool reverse = false, ragged = false, initial = true, bias = true, mask = false;
  Zoneout zoneout = Zoneout::none, cell_zoneout = Zoneout::none;  // of h; of an sLSTM's c, n and m
  double gate_clip = 0;                                           // of a GRU or an RNN
  int64_t head_size = 0;  // of an sLSTM; 0: a fifth, quarter, third or half of the units, or all

  bool is_gru() const { return cell == Cell::gru_after || cell == Cell::gru_before; }
  bool is_slstm() const { return cell == Cell::slstm_sigmoid || cell == Cell::slstm_exp; }
  int64_t gates() const { return is_slstm() ? 4 : is_gru() ? 3 : 1; }
  // What a gate multiplies of the hidden state.
  int64_t seen() const {
    if (!is_slstm()) return units;
    if (head_size > 0) return head_size;
    for (const int64_t heads : {5, 4, 3, 2})
      if (units % heads == 0) return units / heads;
    return units;
  }
  // Cotangents, which are the first operands of backward, and the first output of backward on demand.
  size_t cotangents() const { return is_slstm() ? 5 : 2; }
  size_t on_demand() const { return is_gru() ? 2 : 1; }
  // The attribute that chooses among a cell's forms.
  double form() const { return cell == Cell::gru_after || cell == Cell::rnn_relu || cell == Cell::slstm_exp ? 1 : 0; }
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
  Array x, h0, weight_ih, weight_hh, bias_ih, bias_hh, lengths, dy, dh_n;
  Array c0, n0, m0, dc_n, dn_n, dm_n;  // of an sLSTM
  Array keep_hidden, keep_cell, hidden_mask;

  explicit CellOperands(const CellCase& c)
      : x(random_floats(c.sequence(c.inputs), 1)),
        h0(random_floats(c.state(), 2, 0.5f)),
        weight_ih(random_floats({c.gates() * c.units, c.inputs}, 4, 1 / std::sqrt(static_cast<float>(c.inputs)))),
        // The relu grows without bound where the gain of a step is above 1.
        weight_hh(random_floats({c.gates() * c.units, c.seen()}, 5, 0.7f / std::sqrt(static_cast<float>(c.units)))),
        bias_ih(random_floats({c.gates() * c.units}, 6)),
        bias_hh(random_floats({c.gates() * c.units}, 7)),
        lengths(random_ints({c.batch}, 8, static_cast<int32_t>(c.steps + 1))),
        dy(random_floats(c.sequence(c.units), 9)),
        dh_n(random_floats(c.state(), 10)),
        c0(random_floats(c.state(), 11)),
        n0(random_floats(c.state(), 12)),
        m0(random_floats(c.state(), 13)),
        dc_n(random_floats(c.state(), 14)),
        dn_n(random_floats(c.state(), 15)),
        dm_n(random_floats(c.state(), 16)),
        keep_hidden(share(c, c.zoneout, 17)),
        keep_cell(share(c, c.cell_zoneout, 19)),
        hidden_mask(coins(c.state(), 18, 2)) {
    // A normalizer is positive once something has been seen.
    std::vector<float> positive = n0.floats();
    for (float& value : positive) value = 0.5f + std::fabs(value);
    n0 = floats(n0.dims, positive);
  }

  static Array share(const CellCase& c, Zoneout zoneout, uint32_t seed) {
    if (zoneout != Zoneout::expected) return coins(c.sequence(c.units), seed, 1);
    std::vector<float> values = random_floats({c.units}, seed, 0.3f).floats();
    for (float& value : values) value = std::min(std::fabs(value), 1.0f);
    return floats({c.units}, values);
  }

  std::vector<Array*> initial_states() { return {&h0, &c0, &n0, &m0}; }

  int64_t length(const CellCase& c, int64_t row) const {
    return c.ragged ? lengths.as<int32_t>()[static_cast<size_t>(row)] : c.steps;
  }
};

inline Arrays when(bool present, const Array& array) { return present ? Arrays{array} : Arrays{}; }
inline Arrays cell_shares(const CellCase& c, const CellOperands& o) {
  return when(c.zoneout != Zoneout::none, o.keep_hidden);
}
inline Arrays cell_keep(const CellCase& c, const CellOperands& o) {
  return when(c.cell_zoneout != Zoneout::none, o.keep_cell);
}
inline Arrays cell_mask(const CellCase& c, const CellOperands& o) { return when(c.mask, o.hidden_mask); }
inline std::vector<std::vector<double>> cell_attributes(const CellCase& c) {
  return {{c.reverse ? 1.0 : 0.0}, {c.form()}, {c.gate_clip}};
}
// What backward has of a forward pass: all but the clip, which is in the bounds.
inline std::vector<std::vector<double>> backward_attributes(const CellCase& c) {
  return {{c.reverse ? 1.0 : 0.0}, {c.form()}};
}

// Outputs y, h_n, c_n, n_n, m_n, gates, forget_slope, cells, normalizers and stabilizers.
inline KernelCase slstm_forward_case(const CellCase& c, const CellOperands& o) {
  const Arrays sequence = {empty(c.sequence(c.units))}, state = {empty(c.state())};
  return {
      KernelId::slstm,
      {{o.x},
       when(c.initial, o.h0),
       when(c.initial, o.c0),
       when(c.initial, o.n0),
       when(c.initial, o.m0),
       {o.weight_ih},
       {o.weight_hh},
       when(c.bias, o.bias_ih),
       when(c.bias, o.bias_hh),
       cell_shares(c, o),
       cell_keep(c, o),
       cell_mask(c, o),
       when(c.ragged, o.lengths)},
      {sequence, state, state, state, state, {empty(c.sequence(4 * c.units))}, sequence, sequence, sequence, sequence},
      backward_attributes(c),
      {},
      {{5, PackKind::gates4}, {6, PackKind::heads4}}};
}

// Outputs dgates, dh0, dc0, dn0, dm0, dh and dcells, from the forward kernel's own outputs.
inline KernelCase slstm_backward_case(const CellCase& c, const CellOperands& o, const std::vector<Arrays>& forward) {
  const Arrays sequence = {empty(c.sequence(c.units))}, state = {empty(c.state())};
  return {KernelId::slstm_backward,
          {{o.dy},
           {o.dh_n},
           {o.dc_n},
           {o.dn_n},
           {o.dm_n},
           forward[5],
           c.form() == 1 && c.cell_zoneout == Zoneout::none ? Arrays{} : forward[6],
           forward[7],
           forward[8],
           when(c.initial, o.c0),
           when(c.initial, o.n0),
           {o.weight_hh},
           cell_shares(c, o),
           cell_mask(c, o),
           when(c.ragged, o.lengths)},
          {{empty(c.sequence(4 * c.units))}, state, state, state, state, sequence, sequence},
          {{c.reverse ? 1.0 : 0.0}},
          {},
          {{11, PackKind::heads4_rows}}};
}

// Outputs y, h_n, gates, of a GRU recurrent, and bounds; of an sLSTM as above.
inline KernelCase cell_forward_case(const CellCase& c, const CellOperands& o) {
  if (c.is_slstm()) return slstm_forward_case(c, o);
  const PackKind kind = c.is_gru() ? PackKind::gru_gates : PackKind::columns;
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
  test.outputs.push_back({empty({c.gates(), 2})});
  return test;
}

// Outputs dgates, of a GRU drecurrent, dh0 and dh, from the forward kernel's own outputs; of an sLSTM as above.
inline KernelCase cell_backward_case(const CellCase& c, const CellOperands& o, const std::vector<Arrays>& forward) {
  if (c.is_slstm()) return slstm_backward_case(c, o, forward);
  const Arrays lengths = when(c.ragged, o.lengths), y = forward[0], keep = cell_shares(c, o), mask = cell_mask(c, o);
  const Arrays bounds = c.gate_clip > 0 ? forward.back() : Arrays{};
  if (!c.is_gru()) {
    return {KernelId::rnn_backward,
            {{o.dy}, {o.dh_n}, forward[2], {o.weight_hh}, keep, mask, bounds, lengths},
            {{empty(c.sequence(c.units))}, {empty(c.state())}, {empty(c.sequence(c.units))}},
            backward_attributes(c),
            {},
            {{3, PackKind::rows}}};
  }
  return {
      KernelId::gru_backward,
      {{o.dy}, {o.dh_n}, forward[2], forward[3], y, when(c.initial, o.h0), {o.weight_hh}, keep, mask, bounds, lengths},
      {{empty(c.sequence(3 * c.units))},
       {empty(c.sequence(c.units))},
       {empty(c.state())},
       {empty(c.sequence(c.units))}},
      backward_attributes(c),
      {},
      {{6, PackKind::rows}}};
}

inline KernelCase cell_weight_case(const CellCase& c, const CellOperands& o, const std::vector<Arrays>& forward,
                                   const std::vector<Arrays>& backward) {
  const Arrays lengths = when(c.ragged, o.lengths), h0 = when(c.initial, o.h0), y = forward[0];
  const Array dweight = empty(o.weight_hh.dims);
  const double reverse = c.reverse ? 1.0 : 0.0;
  if (c.is_slstm()) {
    return {KernelId::slstm_backward_weight,
            {backward[0], y, h0, lengths},
            {{dweight}},
            {{reverse}, {static_cast<double>(c.seen())}}};
  }
  if (!c.is_gru()) {
    return {KernelId::rnn_backward_weight, {backward[0], y, h0, lengths}, {{dweight}}, {{reverse}}};
  }
  return {KernelId::gru_backward_weight,
          {backward[0], backward[1], forward[3], y, h0, lengths},
          {{dweight}},
          backward_attributes(c)};
}

// The states before a step, and for each output of a step the output of the sequence that holds it; states come first.
inline Arrays cell_states(const CellCase& c, const CellOperands& o) {
  return c.is_slstm() ? Arrays{o.h0, o.c0, o.n0, o.m0} : Arrays{o.h0};
}
inline std::vector<size_t> sequences_of_step(const CellCase& c) {
  if (c.is_slstm()) return {0, 7, 8, 9, 5, 6};
  return c.is_gru() ? std::vector<size_t>{0, 2, 3} : std::vector<size_t>{0, 2};
}

// `keep` and `cell_keep` as the step has them.
inline KernelCase cell_step_case(const CellCase& c, const CellOperands& o, const Array& x, const Arrays& states,
                                 const Arrays& keep, const Arrays& cell_keep) {
  const Array& h = states[0];
  const Arrays state = {empty(h.dims)};
  if (c.is_slstm()) {
    return {KernelId::slstm_step,
            {{x},
             {h},
             {states[1]},
             {states[2]},
             {states[3]},
             {o.weight_ih},
             {o.weight_hh},
             {o.bias_ih},
             {o.bias_hh},
             keep,
             cell_keep,
             cell_mask(c, o)},
            {state, state, state, state, {empty({c.batch, 4 * c.units})}, state},
            {{c.form()}},
            {},
            {{5, PackKind::gates4}, {6, PackKind::heads4}}};
  }
  const PackKind kind = c.is_gru() ? PackKind::gru_gates : PackKind::columns;
  KernelCase test = {c.is_gru() ? KernelId::gru_step : KernelId::rnn_step,
                     {{x}, {h}, {o.weight_ih}, {o.weight_hh}, {o.bias_ih}, {o.bias_hh}, keep, cell_mask(c, o)},
                     {{empty(h.dims)}, {empty({c.batch, c.gates() * c.units})}},
                     {{c.form()}, {c.gate_clip}},
                     {},
                     {{2, kind}, {3, kind}}};
  if (c.is_gru()) test.outputs.push_back({empty(h.dims)});
  test.outputs.push_back({empty({c.gates(), 2})});
  return test;
}

}  // namespace lstm::test

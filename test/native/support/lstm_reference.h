// An LSTM's operands, its equations as plain loops in float64, and the kernel calls to compare with them.
#pragma once

#include "support/kernel_case.h"

namespace lstm::test {

struct LstmCase {
  int64_t steps = 1, batch = 1, inputs = 1, units = 1;
  bool reverse = false, ragged = false, initial = true, bias = true;

  size_t position(int64_t time, int64_t row) const { return static_cast<size_t>(time * batch + row); }
};

struct LstmOperands {
  Array x, h0, c0, weight_ih, weight_hh, bias_ih, bias_hh, lengths;

  explicit LstmOperands(const LstmCase& c)
      : x(random_floats({c.steps, c.batch, c.inputs}, 1)),
        h0(random_floats({c.batch, c.units}, 2, 0.5f)),
        c0(random_floats({c.batch, c.units}, 3)),
        weight_ih(random_floats({4 * c.units, c.inputs}, 4, 1 / std::sqrt(static_cast<float>(c.inputs)))),
        weight_hh(random_floats({4 * c.units, c.units}, 5, 1 / std::sqrt(static_cast<float>(c.units)))),
        bias_ih(random_floats({4 * c.units}, 6)),
        bias_hh(random_floats({4 * c.units}, 7)),
        lengths(random_ints({c.batch}, 8, static_cast<int32_t>(c.steps + 1))) {}

  int64_t length(const LstmCase& c, int64_t row) const {
    return c.ragged ? lengths.as<int32_t>()[static_cast<size_t>(row)] : c.steps;
  }
};

struct LstmCotangents {
  Array dy, dh_n, dc_n;

  explicit LstmCotangents(const LstmCase& c)
      : dy(random_floats({c.steps, c.batch, c.units}, 9)),
        dh_n(random_floats({c.batch, c.units}, 10)),
        dc_n(random_floats({c.batch, c.units}, 11)) {}
};

inline Arrays lengths_of(const LstmCase& c, const LstmOperands& operands) {
  return c.ragged ? Arrays{operands.lengths} : Arrays{};
}

// sigmoid, sigmoid, tanh, sigmoid, and tanh of the cell
inline const std::vector<double> kPlainActivations = {0, 0, 1, 0, 1};

inline KernelCase forward_case(const LstmCase& c, const LstmOperands& o) {
  const auto when = [](bool present, const Array& array) { return present ? Arrays{array} : Arrays{}; };
  const Dims state = {c.batch, c.units}, sequence = {c.steps, c.batch, c.units},
             gates = {c.steps, c.batch, 4 * c.units};
  return {KernelId::lstm,
          {{o.x},
           when(c.initial, o.h0),
           when(c.initial, o.c0),
           {o.weight_ih},
           {o.weight_hh},
           when(c.bias, o.bias_ih),
           when(c.bias, o.bias_hh),
           {},
           {},
           {},
           {},
           {},
           {},
           {},
           {},
           {},
           {},
           {},
           lengths_of(c, o)},
          {{empty(sequence)},
           {empty(state)},
           {empty(state)},
           {empty(gates)},
           {empty(sequence)},
           {empty(sequence)},
           {empty({c.steps, c.batch, 3 * c.units})},
           {empty({c.batch, 3 * c.units})},
           {empty({4, 2})},
           {empty(gates)},
           {empty(gates)},
           {empty(sequence)},
           {empty({c.steps, c.batch, 3})}},
          {{c.reverse ? 1.0 : 0.0}, kPlainActivations, {0}, {0}},
          {},
          {{3, PackKind::gates4}, {4, PackKind::gates4}, {8, PackKind::columns}, {13, PackKind::gates3}}};
}

inline Arrays unplanned(Dims dims) {
  Array array = empty(std::move(dims));
  array.planned = false;
  return {array};
}

// dh, dcells and what belongs to options are left out: they make another cell of it, or nothing.
inline KernelCase backward_case(const LstmCase& c, const LstmOperands& o, const LstmCotangents& d, const Array& gates,
                                const Array& cells) {
  const Dims state = {c.batch, c.units};
  return {KernelId::lstm_backward,
          {{d.dy},
           {d.dh_n},
           {d.dc_n},
           {gates},
           {cells},
           c.initial ? Arrays{o.c0} : Arrays{},
           {o.weight_hh},
           {},
           {},
           {},
           {},
           {},
           {},
           {},
           {},
           {},
           {},
           {},
           {},
           {},
           {},
           {},
           {},
           lengths_of(c, o)},
          {{empty(gates.dims)},
           {empty(state)},
           {empty(state)},
           {empty(d.dy.dims)},
           unplanned({c.batch, 3 * c.units}),
           unplanned(d.dy.dims),
           unplanned(cells.dims),
           unplanned(gates.dims),
           unplanned(gates.dims),
           unplanned(cells.dims)},
          {{c.reverse ? 1.0 : 0.0}, kPlainActivations, {0}, {0}},
          {},
          {{6, PackKind::rows}, {8, PackKind::rows}, {13, PackKind::rows}}};
}

inline double logistic(double x) { return 1 / (1 + std::exp(-x)); }

// y, h_n, c_n, gates, cells
struct LstmExpected {
  std::vector<std::vector<double>> outputs;
};

inline std::vector<double> initial_state(const LstmCase& c, const Array& state, int64_t row) {
  std::vector<double> values(static_cast<size_t>(c.units));
  const std::vector<float> all = state.floats();
  for (int64_t u = 0; c.initial && u < c.units; ++u)
    values[static_cast<size_t>(u)] = all[static_cast<size_t>(row * c.units + u)];
  return values;
}

inline LstmExpected forward_reference(const LstmCase& c, const LstmOperands& o) {
  const auto H = static_cast<size_t>(c.units), I = static_cast<size_t>(c.inputs);
  const size_t positions = c.position(c.steps, 0);
  std::vector<double> y(positions * H), h_n, c_n, gates(positions * 4 * H), cells(positions * H);
  const std::vector<float> x = o.x.floats(), w = o.weight_ih.floats(), u = o.weight_hh.floats();
  const std::vector<float> b_ih = o.bias_ih.floats(), b_hh = o.bias_hh.floats();
  for (int64_t row = 0; row < c.batch; ++row) {
    std::vector<double> h = initial_state(c, o.h0, row), cell = initial_state(c, o.c0, row);
    const int64_t length = o.length(c, row);
    for (int64_t step = 0; step < length; ++step) {
      const size_t at = c.position(c.reverse ? length - 1 - step : step, row);
      std::vector<double> z(4 * H);
      for (size_t k = 0; k < 4 * H; ++k) {
        z[k] = c.bias ? double{b_ih[k]} + b_hh[k] : 0;
        for (size_t i = 0; i < I; ++i) z[k] += double{w[k * I + i]} * x[at * I + i];
        for (size_t j = 0; j < H; ++j) z[k] += u[k * H + j] * h[j];
      }
      for (size_t j = 0; j < H; ++j) {
        const double i = logistic(z[j]), f = logistic(z[H + j]), g = std::tanh(z[2 * H + j]),
                     out = logistic(z[3 * H + j]);
        cell[j] = f * cell[j] + i * g;
        h[j] = out * std::tanh(cell[j]);
        y[at * H + j] = h[j], cells[at * H + j] = cell[j];
        gates[at * 4 * H + j] = i, gates[at * 4 * H + H + j] = f;
        gates[at * 4 * H + 2 * H + j] = g, gates[at * 4 * H + 3 * H + j] = out;
      }
    }
    h_n.insert(h_n.end(), h.begin(), h.end());
    c_n.insert(c_n.end(), cell.begin(), cell.end());
  }
  return {{y, h_n, c_n, gates, cells}};
}

// dgates, dh0, dc0 from the kernel's own gates and cells
inline std::vector<std::vector<double>> backward_reference(const LstmCase& c, const LstmOperands& o,
                                                           const LstmCotangents& d, const Array& gates_array,
                                                           const Array& cells_array) {
  const auto H = static_cast<size_t>(c.units);
  std::vector<double> dgates(c.position(c.steps, 0) * 4 * H), dh0, dc0;
  const std::vector<float> gates = gates_array.floats(), cells = cells_array.floats(), u = o.weight_hh.floats();
  const std::vector<float> dy = d.dy.floats(), dh_n = d.dh_n.floats(), dc_n = d.dc_n.floats();
  for (int64_t row = 0; row < c.batch; ++row) {
    const auto first = dh_n.begin() + row * c.units;
    std::vector<double> dh(first, first + c.units), dc(H);
    for (size_t j = 0; j < H; ++j) dc[j] = dc_n[static_cast<size_t>(row) * H + j];
    const int64_t length = o.length(c, row);
    for (int64_t step = length - 1; step >= 0; --step) {
      const auto position = [&](int64_t s) { return c.position(c.reverse ? length - 1 - s : s, row); };
      const size_t at = position(step);
      const std::vector<double> initial = initial_state(c, o.c0, row);
      const float* gate = &gates[at * 4 * H];
      double* dgate = &dgates[at * 4 * H];
      for (size_t j = 0; j < H; ++j) {
        const double i = gate[j], f = gate[H + j], g = gate[2 * H + j], out = gate[3 * H + j];
        const double t = std::tanh(double{cells[at * H + j]});
        const double before = step > 0 ? cells[position(step - 1) * H + j] : initial[j];
        dh[j] += dy[at * H + j];
        dc[j] += dh[j] * out * (1 - t * t);
        dgate[j] = dc[j] * g * i * (1 - i);
        dgate[H + j] = dc[j] * before * f * (1 - f);
        dgate[2 * H + j] = dc[j] * i * (1 - g * g);
        dgate[3 * H + j] = dh[j] * t * out * (1 - out);
        dc[j] *= f;
      }
      for (size_t j = 0; j < H; ++j) {
        dh[j] = 0;
        for (size_t k = 0; k < 4 * H; ++k) dh[j] += dgate[k] * u[k * H + j];
      }
    }
    dh0.insert(dh0.end(), dh.begin(), dh.end());
    dc0.insert(dc0.end(), dc.begin(), dc.end());
  }
  return {dgates, dh0, dc0};
}

// dweight_hh from the kernel's own dgates and y
inline std::vector<double> weight_reference(const LstmCase& c, const LstmOperands& o, const Array& dgates_array,
                                            const Array& y_array) {
  const auto H = static_cast<size_t>(c.units);
  std::vector<double> dweight(4 * H * H);
  const std::vector<float> dgates = dgates_array.floats(), y = y_array.floats();
  for (int64_t row = 0; row < c.batch; ++row) {
    const int64_t length = o.length(c, row);
    std::vector<double> h = initial_state(c, o.h0, row);
    for (int64_t step = 0; step < length; ++step) {
      const size_t at = c.position(c.reverse ? length - 1 - step : step, row);
      for (size_t k = 0; k < 4 * H; ++k)
        for (size_t j = 0; j < H; ++j) dweight[k * H + j] += dgates[at * 4 * H + k] * h[j];
      for (size_t j = 0; j < H; ++j) h[j] = y[at * H + j];
    }
  }
  return dweight;
}

}  // namespace lstm::test

// The equations of the GRU, the plain RNN and the sLSTM (slstm_reference.h) as plain loops in float64.
#pragma once

#include <functional>

#include "support/cell_case.h"

namespace lstm::test {

using Doubles = std::vector<double>;

inline Doubles widened(const Array& array) {
  const std::vector<float> values = array.floats();
  return {values.begin(), values.end()};
}

// Row r of weight · v + bias; no bias when it is null.
inline double affine(const Doubles& weight, const Doubles* bias, size_t r, const double* v, size_t size) {
  double sum = bias != nullptr ? (*bias)[r] : 0;
  for (size_t k = 0; k < size; ++k) sum += weight[r * size + k] * v[k];
  return sum;
}

// What zoneout keeps of a unit of a row of [T,B]; 0 without.
inline double share_at(const CellCase& c, Zoneout zoneout, const Doubles& keep, size_t at, size_t unit) {
  if (zoneout == Zoneout::none) return 0;
  return keep[zoneout == Zoneout::drawn ? at * static_cast<size_t>(c.units) + unit : unit];
}

// A row of h as the gates see it.
inline Doubles seen_by_gates(const CellCase& c, const CellOperands& o, int64_t row, Doubles h) {
  const std::vector<float> mask = o.hidden_mask.floats();
  for (size_t j = 0; c.mask && j < h.size(); ++j)
    h[j] *= static_cast<double>(mask[static_cast<size_t>(row) * h.size() + j]);
  return h;
}

// What enters an activation.
inline double clipped(const CellCase& c, double z) {
  return c.gate_clip > 0 ? std::fmin(std::fmax(z, -c.gate_clip), c.gate_clip) : z;
}

// Whether a gate of this value, of the forward kernel, was not clipped. Its own bounds decide, because values there are equal
// or not to the bit.
inline bool lets_through(const CellCase& c, const Array& bounds, size_t gate, double value) {
  const std::vector<float> limits = bounds.floats();
  return c.gate_clip == 0 ||
         (value > static_cast<double>(limits[2 * gate]) && value < static_cast<double>(limits[2 * gate + 1]));
}

struct CellExpected {
  Doubles y, h_n, gates, recurrent, bounds;
};

inline CellExpected cell_forward_reference(const CellCase& c, const CellOperands& o) {
  const auto H = static_cast<size_t>(c.units), I = static_cast<size_t>(c.inputs), positions = c.position(c.steps, 0);
  CellExpected out{
      Doubles(positions * H), {}, Doubles(positions * static_cast<size_t>(c.gates()) * H), Doubles(positions * H), {}};
  const Doubles keep = widened(o.keep_hidden);
  const Doubles x = widened(o.x), w = widened(o.weight_ih), u = widened(o.weight_hh), initial = widened(o.h0);
  const Doubles b_ih = widened(o.bias_ih), b_hh = widened(o.bias_hh);
  const auto logistic = [](double value) { return 1 / (1 + std::exp(-value)); };
  const auto rectified = [&](double value) {
    return c.cell == Cell::rnn_relu ? std::fmax(0, value) : std::tanh(value);
  };
  for (size_t gate = 0; gate < static_cast<size_t>(c.gates()); ++gate) {
    for (const double z : {-c.gate_clip, c.gate_clip}) {
      out.bounds.push_back(c.gate_clip == 0 ? 0 : c.is_gru() && gate < 2 ? logistic(z) : rectified(z));
    }
  }
  for (int64_t row = 0; row < c.batch; ++row) {
    Doubles h(H);
    for (size_t j = 0; c.initial && j < H; ++j) h[j] = initial[static_cast<size_t>(row) * H + j];
    const int64_t length = o.length(c, row);
    for (int64_t step = 0; step < length; ++step) {
      const size_t at = c.position(c.reverse ? length - 1 - step : step, row);
      const auto of_input = [&](size_t r) { return affine(w, c.bias ? &b_ih : nullptr, r, &x[at * I], I); };
      const auto of_state = [&](size_t r, const Doubles& v) {
        return affine(u, c.bias ? &b_hh : nullptr, r, v.data(), H);
      };
      const Doubles seen = seen_by_gates(c, o, row, h);
      Doubles next(H), q(H);
      double* gates = &out.gates[at * static_cast<size_t>(c.gates()) * H];
      for (size_t j = 0; c.is_gru() && j < H; ++j) {
        gates[j] = logistic(clipped(c, of_input(j) + of_state(j, seen)));
        gates[H + j] = logistic(clipped(c, of_input(H + j) + of_state(H + j, seen)));
        q[j] = c.cell == Cell::gru_after ? of_state(2 * H + j, seen) : gates[j] * seen[j];
      }
      for (size_t j = 0; j < H; ++j) {
        if (c.is_gru()) {
          const double n = std::tanh(
              clipped(c, of_input(2 * H + j) + (c.cell == Cell::gru_after ? gates[j] * q[j] : of_state(2 * H + j, q))));
          gates[2 * H + j] = n, out.recurrent[at * H + j] = q[j];
          next[j] = (1 - gates[H + j]) * n + gates[H + j] * h[j];
        } else {
          next[j] = gates[j] = rectified(clipped(c, of_input(j) + of_state(j, seen)));
        }
        const double k = share_at(c, c.zoneout, keep, at, j);
        next[j] = k * h[j] + (1 - k) * next[j];
        out.y[at * H + j] = next[j];
      }
      h = next;
    }
    out.h_n.insert(out.h_n.end(), h.begin(), h.end());
  }
  return out;
}

struct StatesBack {
  Doubles dh0, dh;
};

// Visits the steps of each row in reverse, with the state before each and the gradient of what the cell gives before
// zoneout. `step` turns it into `direct`, the gradient of the state before that passes no gate, and returns that of the
// state as the gates see it. Returns the gradients of the initial state and of each h.
inline StatesBack walk_back(
    const CellCase& c, const CellOperands& o, const Array& y_array,
    const std::function<Doubles(size_t at, const Doubles& h, const Doubles& seen, Doubles& direct)>& step_back) {
  const auto H = static_cast<size_t>(c.units);
  const Doubles y = widened(y_array), dy = widened(o.dy), dh_n = widened(o.dh_n), initial = widened(o.h0);
  const Doubles keep = widened(o.keep_hidden);
  StatesBack result{{}, Doubles(y.size())};
  for (int64_t row = 0; row < c.batch; ++row) {
    const size_t first = static_cast<size_t>(row) * H;
    Doubles dh(dh_n.begin() + static_cast<long>(first), dh_n.begin() + static_cast<long>(first + H));
    const int64_t length = o.length(c, row);
    for (int64_t step = length - 1; step >= 0; --step) {
      const auto position = [&](int64_t s) { return c.position(c.reverse ? length - 1 - s : s, row); };
      Doubles h(H);
      for (size_t j = 0; j < H; ++j) {
        dh[j] += dy[position(step) * H + j];
        h[j] = step > 0 ? y[position(step - 1) * H + j] : c.initial ? initial[first + j] : 0;
      }
      Doubles direct(H);
      for (size_t j = 0; j < H; ++j) {
        result.dh[position(step) * H + j] = dh[j];
        direct[j] = (1 - share_at(c, c.zoneout, keep, position(step), j)) * dh[j];
      }
      const Doubles dseen = step_back(position(step), h, seen_by_gates(c, o, row, h), direct);
      const Doubles masked = seen_by_gates(c, o, row, dseen);
      for (size_t j = 0; j < H; ++j)
        dh[j] = share_at(c, c.zoneout, keep, position(step), j) * dh[j] + direct[j] + masked[j];
    }
    result.dh0.insert(result.dh0.end(), dh.begin(), dh.end());
  }
  return result;
}

// sum += v · W over `rows` rows of W from `first` on.
inline void add_transposed(const Doubles& weight, size_t first, const double* v, size_t rows, Doubles& sum) {
  for (size_t k = 0; k < rows; ++k)
    for (size_t j = 0; j < sum.size(); ++j) sum[j] += v[k] * weight[(first + k) * sum.size() + j];
}

// dgates, of a GRU drecurrent, dh0 and dh, from the forward kernel's own outputs.
inline std::vector<Doubles> cell_backward_reference(const CellCase& c, const CellOperands& o,
                                                    const std::vector<Arrays>& forward) {
  const auto H = static_cast<size_t>(c.units), positions = c.position(c.steps, 0);
  const Doubles u = widened(o.weight_hh), gates = widened(forward[2][0]);
  Doubles dgates(positions * static_cast<size_t>(c.gates()) * H), drecurrent(positions * H);
  if (!c.is_gru()) {
    const StatesBack back = walk_back(c, o, forward[0][0], [&](size_t at, const Doubles&, const Doubles&, Doubles& dh) {
      for (size_t j = 0; j < H; ++j) {
        const double given = gates[at * H + j];
        const double slope = c.cell == Cell::rnn_relu ? (given > 0 ? 1 : 0) : 1 - given * given;
        dgates[at * H + j] = lets_through(c, forward[3][0], 0, given) ? dh[j] * slope : 0;
      }
      dh.assign(H, 0);
      Doubles dseen(H);
      add_transposed(u, 0, &dgates[at * H], H, dseen);
      return dseen;
    });
    return {dgates, back.dh0, back.dh};
  }
  const Doubles recurrent = widened(forward[3][0]);
  const bool after = c.cell == Cell::gru_after;
  const auto through = [&](size_t gate, double value, double slope) {
    return lets_through(c, forward[4][0], gate, value) ? slope : 0;
  };
  const auto step_back = [&](size_t at, const Doubles& h, const Doubles& seen, Doubles& dh) {
    const double *r = &gates[at * 3 * H], *z = r + H, *n = z + H;
    double *dr = &dgates[at * 3 * H], *dz = dr + H, *dn = dz + H;
    Doubles dq(H), dseen(H);
    for (size_t j = 0; j < H; ++j) dn[j] = dh[j] * (1 - z[j]) * through(2, n[j], 1 - n[j] * n[j]);
    if (!after) add_transposed(u, 2 * H, dn, H, dq);
    for (size_t j = 0; j < H; ++j) {
      if (after) dq[j] = dn[j] * r[j];
      dr[j] = (after ? dn[j] * recurrent[at * H + j] : dq[j] * seen[j]) * through(0, r[j], r[j] * (1 - r[j]));
      dz[j] = dh[j] * (h[j] - n[j]) * through(1, z[j], z[j] * (1 - z[j]));
      dh[j] *= z[j];
      dseen[j] = after ? 0 : dq[j] * r[j];
      drecurrent[at * H + j] = dq[j];
    }
    add_transposed(u, 0, dr, 2 * H, dseen);
    if (after) add_transposed(u, 2 * H, dq.data(), H, dseen);
    return dseen;
  };
  const StatesBack back = walk_back(c, o, forward[0][0], step_back);
  return {dgates, drecurrent, back.dh0, back.dh};
}

// dweight_hh from the kernels' own outputs.
inline Doubles cell_weight_reference(const CellCase& c, const CellOperands& o, const std::vector<Arrays>& forward,
                                     const std::vector<Arrays>& backward) {
  const auto H = static_cast<size_t>(c.units), gates = static_cast<size_t>(c.gates());
  Doubles dweight(gates * H * H);
  const Doubles dgates = widened(backward[0][0]);
  const Doubles drecurrent = c.is_gru() ? widened(backward[1][0]) : Doubles{};
  const Doubles recurrent = c.is_gru() ? widened(forward[3][0]) : Doubles{};
  walk_back(c, o, forward[0][0], [&](size_t at, const Doubles& h, const Doubles&, Doubles&) {
    for (size_t k = 0; k < gates * H; ++k) {
      const bool candidate = k >= 2 * H, after = c.cell == Cell::gru_after;
      const double left = candidate && after ? drecurrent[at * H + k - 2 * H] : dgates[at * gates * H + k];
      for (size_t j = 0; j < H; ++j) dweight[k * H + j] += left * (candidate && !after ? recurrent[at * H + j] : h[j]);
    }
    return Doubles(H);
  });
  return dweight;
}

}  // namespace lstm::test

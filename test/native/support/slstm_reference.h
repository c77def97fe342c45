// The equations of the sLSTM as plain loops in float64. Backward is the chain rule as it comes, through the stabilizer
// like through everything else: dm is carried from step to step.
#pragma once

#include "support/cell_reference.h"

namespace lstm::test {

// The steps of a row, and the positions of [T,B,·] that they stand at.
inline std::vector<size_t> positions_of_row(const CellCase& c, const CellOperands& o, int64_t row) {
  std::vector<size_t> positions;
  const int64_t length = o.length(c, row);
  for (int64_t step = 0; step < length; ++step) {
    positions.push_back(c.position(c.reverse ? length - 1 - step : step, row));
  }
  return positions;
}

// Row `row` of [.., width], or zeros when it is not given.
inline Doubles row_values(bool given, const Doubles& all, size_t row, size_t width) {
  if (!given) return Doubles(width);
  const auto begin = all.begin() + static_cast<long>(row * width);
  return {begin, begin + static_cast<long>(width)};
}

inline std::vector<Doubles> slstm_forward_reference(const CellCase& c, const CellOperands& o) {
  const auto H = static_cast<size_t>(c.units), I = static_cast<size_t>(c.inputs), seen = static_cast<size_t>(c.seen());
  const size_t positions = c.position(c.steps, 0);
  const Doubles x = widened(o.x), w = widened(o.weight_ih), u = widened(o.weight_hh);
  const Doubles b_ih = widened(o.bias_ih), b_hh = widened(o.bias_hh);
  const Doubles keep_hidden = widened(o.keep_hidden), keep_cell = widened(o.keep_cell);
  const auto logistic = [](double value) { return 1 / (1 + std::exp(-value)); };
  // y, h_n, c_n, n_n, m_n, gates, forget_slope, cells, normalizers, stabilizers
  std::vector<Doubles> out(10, Doubles(positions * H));
  for (size_t i = 1; i < 5; ++i) out[i].clear();
  out[5].resize(positions * 4 * H);
  for (int64_t row = 0; row < c.batch; ++row) {
    std::vector<Doubles> state;
    for (const Array* initial : {&o.h0, &o.c0, &o.n0, &o.m0}) {
      state.push_back(row_values(c.initial, widened(*initial), static_cast<size_t>(row), H));
    }
    for (const size_t at : positions_of_row(c, o, row)) {
      const Doubles h = state[0], h_seen = seen_by_gates(c, o, row, h);
      for (size_t j = 0; j < H; ++j) {
        double z[4];
        for (size_t gate = 0; gate < 4; ++gate) {
          z[gate] = affine(w, c.bias ? &b_ih : nullptr, gate * H + j, &x[at * I], I) +
                    affine(u, c.bias ? &b_hh : nullptr, gate * H + j, &h_seen[j / seen * seen], seen);
        }
        // As if the gates, before they are stabilized, were (1 - k) e^z and k + (1 - k) f.
        const double k = share_at(c, c.cell_zoneout, keep_cell, at, j);
        const double f_plain = c.form() == 1 ? std::exp(z[1]) : logistic(z[1]), forget = k + (1 - k) * f_plain;
        const double arriving = z[0] + std::log(1 - k), a_seen = std::log(forget) + state[3][j];
        const double a = state[2][j] == 0 && k < 1 ? -INFINITY : a_seen, m = std::fmax(arriving, a);
        const double i = std::exp(arriving - m), f = std::exp(a - m), g = std::tanh(z[2]), output = logistic(z[3]);
        state[1][j] = f * state[1][j] + i * g;
        state[2][j] = f * state[2][j] + i;
        state[3][j] = m;
        const double kept = share_at(c, c.zoneout, keep_hidden, at, j);
        const double made = state[2][j] == 0 ? 0 : output * state[1][j] / state[2][j];
        state[0][j] = kept * h[j] + (1 - kept) * made;
        const double gates[] = {i, f, g, output};
        for (size_t gate = 0; gate < 4; ++gate) out[5][(at * 4 + gate) * H + j] = gates[gate];
        out[6][at * H + j] = (1 - k) * f_plain / forget * (c.form() == 1 ? 1 : 1 - logistic(z[1]));
        out[0][at * H + j] = state[0][j];
        for (size_t s = 1; s < 4; ++s) out[6 + s][at * H + j] = state[s][j];
      }
    }
    for (size_t k = 0; k < 4; ++k) out[1 + k].insert(out[1 + k].end(), state[k].begin(), state[k].end());
  }
  return out;
}

// dgates, dh0, dc0, dn0, dm0, dh and dcells, from the forward kernel's own outputs.
inline std::vector<Doubles> slstm_backward_reference(const CellCase& c, const CellOperands& o,
                                                     const std::vector<Arrays>& forward) {
  const auto H = static_cast<size_t>(c.units), seen = static_cast<size_t>(c.seen());
  const size_t positions = c.position(c.steps, 0);
  const Doubles keep_hidden = widened(o.keep_hidden);
  const Doubles u = widened(o.weight_hh), dy = widened(o.dy), gates = widened(forward[5][0]);
  const Doubles slope = widened(forward[6][0]), cells = widened(forward[7][0]), normalizers = widened(forward[8][0]);
  std::vector<Doubles> out = {Doubles(positions * 4 * H), {}, {}, {}, {}, Doubles(positions * H),
                              Doubles(positions * H)};
  for (int64_t row = 0; row < c.batch; ++row) {
    const auto index = static_cast<size_t>(row);
    std::vector<Doubles> carried;
    for (const Array* final : {&o.dh_n, &o.dc_n, &o.dn_n, &o.dm_n}) {
      carried.push_back(row_values(true, widened(*final), index, H));
    }
    Doubles &dh = carried[0], &dc = carried[1], &dn = carried[2], &dm = carried[3];
    const std::vector<size_t> steps = positions_of_row(c, o, row);
    for (size_t step = steps.size(); step-- > 0;) {
      const size_t at = steps[step];
      const Doubles c_before =
          step > 0 ? row_values(true, cells, steps[step - 1], H) : row_values(c.initial, widened(o.c0), index, H);
      const Doubles n_before =
          step > 0 ? row_values(true, normalizers, steps[step - 1], H) : row_values(c.initial, widened(o.n0), index, H);
      double* dz = &out[0][at * 4 * H];
      Doubles kept(H);
      for (size_t j = 0; j < H; ++j) {
        dh[j] += dy[at * H + j];
        const double *i = &gates[at * 4 * H + j], f = i[H], g = i[2 * H], output = i[3 * H];
        const double n = normalizers[at * H + j], mean = n == 0 ? 0 : cells[at * H + j] / n;
        out[5][at * H + j] = dh[j];
        kept[j] = share_at(c, c.zoneout, keep_hidden, at, j) * dh[j];
        dh[j] -= kept[j];
        dc[j] += n == 0 ? 0 : dh[j] * output / n;
        dn[j] -= n == 0 ? 0 : dh[j] * output * mean / n;
        out[6][at * H + j] = dc[j];
        const double of_input = (dc[j] * g + dn[j]) * *i, of_forget = (dc[j] * c_before[j] + dn[j] * n_before[j]) * f;
        const double of_maximum = dm[j] - of_input - of_forget;
        const double a = of_forget + (f < 1 ? 0 : of_maximum);
        dz[j] = of_input + (f < 1 ? of_maximum : 0);
        dz[H + j] = a * slope[at * H + j];
        dz[2 * H + j] = dc[j] * *i * (1 - g * g);
        dz[3 * H + j] = dh[j] * mean * output * (1 - output);
        dc[j] *= f, dn[j] *= f, dm[j] = a;
      }
      for (size_t j = 0; j < H; ++j) {
        dh[j] = 0;
        const size_t head = j / seen * seen;
        for (size_t gate = 0; gate < 4; ++gate) {
          for (size_t k = head; k < head + seen; ++k) dh[j] += dz[gate * H + k] * u[(gate * H + k) * seen + j - head];
        }
      }
      dh = seen_by_gates(c, o, row, dh);
      for (size_t j = 0; j < H; ++j) dh[j] += kept[j];
    }
    for (size_t k = 0; k < 4; ++k) out[1 + k].insert(out[1 + k].end(), carried[k].begin(), carried[k].end());
  }
  return out;
}

// dweight_hh from the kernels' own outputs.
inline Doubles slstm_weight_reference(const CellCase& c, const CellOperands& o, const std::vector<Arrays>& forward,
                                      const std::vector<Arrays>& backward) {
  const auto H = static_cast<size_t>(c.units), seen = static_cast<size_t>(c.seen());
  const Doubles dgates = widened(backward[0][0]), y = widened(forward[0][0]);
  Doubles dweight(4 * H * seen);
  for (int64_t row = 0; row < c.batch; ++row) {
    const std::vector<size_t> steps = positions_of_row(c, o, row);
    for (size_t step = 0; step < steps.size(); ++step) {
      const Doubles h = step > 0 ? row_values(true, y, steps[step - 1], H)
                                 : row_values(c.initial, widened(o.h0), static_cast<size_t>(row), H);
      for (size_t k = 0; k < 4 * H; ++k) {
        for (size_t j = 0; j < seen; ++j)
          dweight[k * seen + j] += dgates[steps[step] * 4 * H + k] * h[k % H / seen * seen + j];
      }
    }
  }
  return dweight;
}

}  // namespace lstm::test

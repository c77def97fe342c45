// The phases that options add to a backward step: before it what the gates of the step after saw, behind it the cells
// behind a projection.
#pragma once

#include "kernels/multiply/product.h"
#include "kernels/recurrent/lstm_norm_backward.h"

namespace lstm::LSTM_ISA {

// The cell, or where layer normalization needs the whole row first, what it will read.
LSTM_INLINE void lstm_cell_or_row(const LstmBackward& op, const LstmBackwardMemory& memory, Vector dh,
                                  const LstmBackwardRow& at, int64_t row, const float* keep_cell, int64_t first,
                                  int64_t count) noexcept {
  if (op.normalizes()) {
    store_first(memory.arriving + row * op.hidden_size + first, dh, count);
  } else if (op.plain_cell) {
    lstm_cell_backward(dh, at, first, count, op.hidden_size);
  } else {
    lstm_variant_cell_backward(op, dh, at, keep_cell, first, count);
  }
}

// Lists the rows that have this step: those for which it is the last, or the others.
inline int64_t lstm_list_rows_backward(const LstmBackward& op, const LstmBackwardMemory& memory, Range rows,
                                       int64_t step, bool last) noexcept {
  int64_t active = 0;
  for (int64_t row = rows.begin; row < rows.end; ++row) {
    const int64_t final_step = op.walk.length(row) - 1;
    if (last ? step != final_step : step >= final_step) continue;
    memory.rows[active] = row;
    memory.dgates_after[active] = last ? nullptr : memory.recurrent_at(op, row, step + 1);
    ++active;
  }
  return active;
}

// Lists what the cells of a tile of the listed rows, whose places are known, read and write, or with layer normalization
// what they leave for it.
LSTM_INLINE void lstm_list_cells_backward(const LstmBackward& op, const LstmBackwardMemory& memory, Range tile,
                                          int64_t first, FetchList& list) noexcept {
  const int64_t H = op.hidden_size, count = columns_of_panel(H, first / kTileColumns);
  for (int64_t r = tile.begin; r < tile.end && !list.full(); ++r) {
    if (op.normalizes()) {
      list.add(memory.arriving + memory.rows[r] * H + first, count);
      continue;
    }
    const LstmBackwardRow& at = memory.places[r];
    for (int gate = 0; gate < kLstmGates; ++gate) list.add(at.gates + gate * H + first, count);
    list.add(at.cell + first, count), list.add(at.cell_before + first, count), list.add(at.dc + first, count);
    for (int gate = 0; gate < kLstmGates; ++gate) list.add(at.dgates + gate * H + first, count);
  }
}

// Lists what takes the gradient of h of a tile of the listed rows: their cells, or what a projection will multiply.
LSTM_INLINE void lstm_list_hidden_backward(const LstmBackward& op, const LstmBackwardMemory& memory, Range tile,
                                           int64_t step, int64_t first, FetchList& list) noexcept {
  if (!op.projected) return lstm_list_cells_backward(op, memory, tile, first, list);
  for (int64_t r = tile.begin; r < tile.end; ++r) {
    const int64_t row = memory.rows[r];
    list.add(memory.projected_at(op, row, op.walk.position(row, step)) + first,
             columns_of_panel(op.output_size, first / kTileColumns));
  }
}

// The cells behind a projection: dh · W_hr for all rows of the step, for panels of H. The gates of the step after are not
// needed any more.
inline void lstm_project_backward(const LstmBackward& op, const LstmBackwardMemory& memory, Range rows, int64_t step,
                                  Range panels) noexcept {
  const int64_t H = op.hidden_size, P = op.output_size;
  int64_t active = 0;
  for (int64_t row = rows.begin; row < rows.end; ++row) {
    if (step >= op.walk.length(row)) continue;
    memory.rows[active] = row;
    memory.places[active] = lstm_backward_row(op, memory, row, step);
    memory.dgates_after[active++] = memory.projected_at(op, row, op.walk.position(row, step));
  }
  for (int64_t panel = panels.begin; panel < panels.end; ++panel) {
    const int64_t first = panel * kTileColumns, next = panel + 1 < panels.end ? panel + 1 : panels.begin;
    multiply_listed(
        memory.dgates_after, active, op.packed_hr + panel * P * kTileColumns, P, op.packed_hr + next * P * kTileColumns,
        {kZeroColumns, 0}, {memory.dh, kTileColumns},
        [&](Range tile, FetchList& list) { lstm_list_cells_backward(op, memory, tile, first, list); },
        [&](Range tile) {
          for (int64_t r = tile.begin; r < tile.end; ++r) {
            const int64_t row = memory.rows[r];
            const LstmBackwardRow& at = memory.places[r];
            const float* keep_cell = op.keep_cell.row(op.walk.position(row, step));
            for (int64_t unit = 0; unit < kTileColumns && first + unit < H; unit += kLanes) {
              const Vector gradient = load(memory.dh + r * kTileColumns + unit);
              lstm_cell_or_row(op, memory, gradient, at, row, keep_cell, first + unit, H - first - unit);
            }
          }
        });
  }
}

// The gradient of i, f and o through the step after, for panels of 3H, into `to`: dgates of that step · W_gate, or dg_n for
// a row's last step. Step -1 gives the gradient of the initial ones.
inline void lstm_gates_through_next(const LstmBackward& op, const LstmBackwardMemory& memory, const Share& share,
                                    int64_t step, float* to) noexcept {
  const int64_t H = op.hidden_size, G = op.recurrent_gates();
  const int64_t active = lstm_list_rows_backward(op, memory, share.rows, step, false);
  const Tiles tiles({0, active});
  for (int64_t panel = share.panels.begin; panel < share.panels.end; ++panel) {
    const int64_t first = panel * kTileColumns, columns = columns_of_panel(G, panel);
    for (int64_t t = 0; t < tiles.count; ++t) {
      const Range tile = tiles[t];
      const float* output_rows[kTileRows] = {};
      for (int64_t r = 0; r < tile.size(); ++r) {
        output_rows[r] = memory.dgates_after[tile.begin + r] + kOutputGate * H;
      }
      // The rows of i and f stand together; those of o follow the candidate's.
      const float* packed = op.packed_gate + panel * G * kTileColumns;
      const Segment segments[] = {{memory.dgates_after + tile.begin, 1, packed, 2 * H},
                                  {output_rows, 1, packed + 2 * H * kTileColumns, H}};
      alignas(64) float gradient[kTileRows * kTileColumns];
      multiply_tile(tile.size(), segments, 2, {kZeroColumns, 0}, {gradient, kTileColumns});
      for (int64_t r = 0; r < tile.size(); ++r) {
        memcpy(to + memory.rows[tile.begin + r] * G + first, gradient + r * kTileColumns,
               sizeof(float) * static_cast<size_t>(columns));
      }
    }
    for (int64_t row = share.rows.begin; row < share.rows.end; ++row) {
      if (op.walk.length(row) - 1 != step) continue;
      const float* source = row_or(op.dg_n, row, G, nullptr);
      for (int64_t n = first; n < first + columns; ++n) to[row * G + n] = source ? source[n] : 0.0f;
    }
  }
}

}  // namespace lstm::LSTM_ISA

// The product of two matrices, or of two stacks of matrices.
#pragma once

#include "kernels/multiply/product.h"

namespace lstm::LSTM_ISA {

// The sizes of a matmul call: y [count, M, N] = op(a) · op(b) over a depth of K.
struct Matmul {
  bool transpose_a, transpose_b;
  int64_t count, rows, columns, depth;

  explicit Matmul(const Call& call)
      : transpose_a(call.flag(0)),
        transpose_b(call.flag(1)),
        count(call.output(0).rank == 3 ? call.output(0).dim(0) : 1),
        rows(call.output(0).dim(-2)),
        columns(call.output(0).dim(-1)),
        depth(call.operand(0).dim(transpose_a ? -2 : -1)) {}

  // One matrix of a stack has a thread to itself when there is one for every thread.
  bool by_matrix(int team_size) const { return count >= team_size; }
  // Floats that one crew (a thread, or the whole team) needs for a packed b.
  int64_t packed_size() const { return panel_count(columns) * depth * kTileColumns; }
};

inline void multiply_matrices(const Matmul& sizes, const float* a, const float* b, float* y, float* scratch,
                              Team& crew) noexcept {
  const int64_t depth = sizes.depth, columns = sizes.columns;
  const bool transpose_b = sizes.transpose_b;
  const auto pack_b = [=](int64_t k, int64_t count, int64_t panel, float* packed) {
    const int64_t first = panel * kTileColumns;
    if (transpose_b) {
      const auto column = [=](int64_t n) { return first + n < columns ? b + (first + n) * depth + k : nullptr; };
      return pack_panel_of_columns(column, count, packed);
    }
    const auto row = [=](int64_t i) { return b + (k + i) * columns + first; };
    pack_panel_of_rows(row, count, columns_of_panel(columns, panel), packed);
  };
  if (sizes.transpose_a) {
    float* own = scratch + crew.rank() * kTransposedScratch;
    return multiply_transposed(DenseRows{a, sizes.rows}, depth, crew.split(sizes.rows), columns, pack_b, y, own);
  }
  const Range panels = crew.split(panel_count(columns));
  for (int64_t panel = panels.begin; panel < panels.end; ++panel) {
    pack_b(0, depth, panel, scratch + panel * depth * kTileColumns);
  }
  if (crew.size() > 1) crew.barrier();
  multiply_packed(a, scratch, depth, nullptr, y, AllRows{sizes.rows}, columns, crew);
  if (crew.size() > 1) crew.barrier();  // before the next matrix is packed over this one
}

// matmul
// Computes  y = op(a) · op(b), op transposing where the attribute says so
// Shapes    a [M, K] or [K, M], b [K, N] or [N, K] -> y [M, N]; each may carry one leading axis of equal size
// Layout    dense; b, and a when transposed, is packed in the workspace
// Aliasing  y overlaps no operand
// Accuracy  one FMA chain over K
// Source    matrix product
size_t matmul_workspace(const Call& call, int team_size) noexcept {
  const Matmul sizes(call);
  const int64_t crews = sizes.by_matrix(team_size) ? team_size : 1;
  return sizeof(float) *
         static_cast<size_t>(sizes.transpose_a ? team_size * kTransposedScratch : crews * sizes.packed_size());
}

void matmul(const Call& call, Team& team) noexcept {
  const Matmul sizes(call);
  const bool by_matrix = sizes.by_matrix(team.size());
  const Range matrices = by_matrix ? team.split(sizes.count) : Range{0, sizes.count};
  const int64_t own = by_matrix ? team.rank() * (sizes.transpose_a ? kTransposedScratch : sizes.packed_size()) : 0;
  float* scratch = static_cast<float*>(call.workspace) + own;
  Team alone(0, 1, nullptr);
  Team& crew = by_matrix ? alone : team;
  for (int64_t i = matrices.begin; i < matrices.end; ++i) {
    multiply_matrices(sizes, call.operand(0).f32() + i * sizes.rows * sizes.depth,
                      call.operand(1).f32() + i * sizes.depth * sizes.columns,
                      call.output(0).f32() + i * sizes.rows * sizes.columns, scratch, crew);
  }
}

}  // namespace lstm::LSTM_ISA

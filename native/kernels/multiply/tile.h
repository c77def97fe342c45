// The micro-kernel under every multiply: a few rows times one panel of packed columns, kept in registers.
#pragma once

#include "kernels/call.h"
#include "runtime/parallel.h"

namespace lstm::LSTM_ISA {

// Columns of a panel: what one tile is wide.
constexpr int kTileColumns = kTileVectors * kLanes;

// The first `count` lanes, or all of them when there are more; none, without touching memory, when count is not positive.
LSTM_INLINE Vector load_first(const float* p, int64_t count) {
  return count >= kLanes ? load(p) : count > 0 ? load_partial(p, static_cast<size_t>(count)) : zero();
}
LSTM_INLINE void store_first(float* p, Vector v, int64_t count) {
  if (count >= kLanes) {
    store(p, v);
  } else if (count > 0) {
    store_partial(p, v, static_cast<size_t>(count));
  }
}

// A range of k: the tile grows by rows[r][k * stride] * columns[k][kTileColumns] for k in [0, depth).
struct Segment {
  const float* const* rows;  // one pointer for each row of the tile
  int64_t stride;
  const float* columns;  // 64-byte aligned
  int64_t depth;
};

// A row-major piece of memory, kTileColumns wide; stride 0 repeats one row.
struct TileStart {
  const float* data;
  int64_t stride;
};
struct TileEnd {
  float* data;
  int64_t stride;
};

// end[r][n] = start[r][n] + the segments' sums: for each element one chain of FMAs, segment by segment, in increasing k.
template <int kRows>
inline void multiply_rows(const Segment* segments, int count, TileStart start, TileEnd end) noexcept {
  Vector sums[kRows][kTileVectors];
  LSTM_UNROLL
  for (int r = 0; r < kRows; ++r) {
    LSTM_UNROLL
    for (int v = 0; v < kTileVectors; ++v) sums[r][v] = load(start.data + r * start.stride + v * kLanes);
  }
  for (const Segment* segment = segments; segment != segments + count; ++segment) {
    const float* rows[kRows];
    LSTM_UNROLL
    for (int r = 0; r < kRows; ++r) rows[r] = segment->rows[r];
    const float* columns = segment->columns;
    const int64_t stride = segment->stride;
    int64_t offset = 0;
    for (int64_t k = segment->depth; k > 0; --k) {
      Vector column[kTileVectors];
      LSTM_UNROLL
      for (int v = 0; v < kTileVectors; ++v) column[v] = load(columns + v * kLanes);
      LSTM_UNROLL
      for (int r = 0; r < kRows; ++r) {
        const Vector row = broadcast(rows[r][offset]);
        LSTM_UNROLL
        for (int v = 0; v < kTileVectors; ++v) sums[r][v] = fma(row, column[v], sums[r][v]);
      }
      columns += kTileColumns;
      offset += stride;
    }
  }
  LSTM_UNROLL
  for (int r = 0; r < kRows; ++r) {
    LSTM_UNROLL
    for (int v = 0; v < kTileVectors; ++v) store(end.data + r * end.stride + v * kLanes, sums[r][v]);
  }
}

// multiply_rows for a height known at run time, 1 to kTileRows.
template <int kRows = kTileRows>
inline void multiply_tile(int64_t rows, const Segment* segments, int count, TileStart start, TileEnd end) noexcept {
  if constexpr (kRows > 1) {
    if (rows < kRows) return multiply_tile<kRows - 1>(rows, segments, count, start, end);
  }
  multiply_rows<kRows>(segments, count, start, end);
}

// Cuts a range of rows into as few tiles as possible, of nearly equal height: a last tile of one row would run at a
// quarter of the speed.
struct Tiles {
  Range rows;
  int64_t count;

  explicit Tiles(Range range) : rows(range), count((range.size() + kTileRows - 1) / kTileRows) {}
  Range operator[](int64_t tile) const {
    return {rows.begin + rows.size() * tile / count, rows.begin + rows.size() * (tile + 1) / count};
  }
};

constexpr int64_t panel_count(int64_t columns) { return (columns + kTileColumns - 1) / kTileColumns; }
// How many of a panel's columns are within a matrix of `columns`.
constexpr int64_t columns_of_panel(int64_t columns, int64_t panel) {
  const int64_t rest = columns - panel * kTileColumns;
  return rest < kTileColumns ? rest : kTileColumns;
}

}  // namespace lstm::LSTM_ISA

// Whole matrix products made of tiles, for one thread's part of the output.
#pragma once

#include "kernels/multiply/packing.h"
#include "kernels/multiply/tile.h"

namespace lstm::LSTM_ISA {

// The rows of a row-major matrix.
struct DenseRows {
  const float* data;
  int64_t stride;
  const float* operator()(int64_t row) const { return data + row * stride; }
};

// A start of zeros, for every row of a tile.
alignas(64) constexpr float kZeroColumns[kTileColumns] = {};

// multiply_tile for a panel that may reach past the last column of `start` and `end`.
inline void multiply_panel(int64_t rows, const Segment& segment, TileStart start, TileEnd end,
                           int64_t columns) noexcept {
  if (columns == kTileColumns) return multiply_tile(rows, &segment, 1, start, end);
  alignas(64) float tile[kTileRows * kTileColumns];
  const size_t bytes = sizeof(float) * static_cast<size_t>(columns);
  memset(tile, 0, sizeof(tile));
  for (int64_t r = 0; r < rows; ++r) memcpy(tile + r * kTileColumns, start.data + r * start.stride, bytes);
  multiply_tile(rows, &segment, 1, {tile, kTileColumns}, {tile, kTileColumns});
  for (int64_t r = 0; r < rows; ++r) memcpy(end.data + r * end.stride, tile + r * kTileColumns, bytes);
}

// How much of k is multiplied at a time. A panel's part should stay in the L2 while all rows pass over it: 256 KB with
// 16 lanes.
constexpr int64_t kDepthBlock = 1024;

// out[R, columns] = bias + a[R, depth] · B over the given rows and panels of a packed B; bias may be null.
inline void multiply_packed(const float* a, const float* packed, int64_t depth, const float* bias, float* out,
                            int64_t columns, Range rows, Range panels) noexcept {
  const Tiles tiles(rows);
  for (int64_t panel = panels.begin; panel < panels.end; ++panel) {
    const int64_t first = panel * kTileColumns;
    for (int64_t k = 0; k == 0 || k < depth; k += kDepthBlock) {
      const int64_t block = depth - k < kDepthBlock ? depth - k : kDepthBlock;
      for (int64_t t = 0; t < tiles.count; ++t) {
        const Range tile = tiles[t];
        const float* row_pointers[kTileRows] = {};
        for (int64_t r = 0; r < tile.size(); ++r) row_pointers[r] = a + (tile.begin + r) * depth + k;
        float* end = out + tile.begin * columns + first;
        const TileStart start = k > 0 ? TileStart{end, columns} : TileStart{bias ? bias + first : kZeroColumns, 0};
        multiply_panel(tile.size(), {row_pointers, 1, packed + (panel * depth + k) * kTileColumns, block}, start,
                       {end, columns}, columns_of_panel(columns, panel));
      }
    }
  }
}

// The team's part of multiply_packed over all of the output: rows, or panels when there are few rows.
inline void multiply_packed(const float* a, const float* packed, int64_t depth, const float* bias, float* out,
                            int64_t rows, int64_t columns, const Team& team) noexcept {
  const int64_t panels = panel_count(columns);
  const bool by_rows = rows >= kTileRows * team.size() || panels < team.size();
  multiply_packed(a, packed, depth, bias, out, columns, by_rows ? team.split(rows) : Range{0, rows},
                  by_rows ? Range{0, panels} : team.split(panels));
}

// The blocks of a transposed product: how much of k, how many panels of the right operand and how many rows of the
// output are packed at a time. Fastest of 128 to 512 and 4 and 8 panels at [2048, 1600] x [1600, 512] and
// [512, 3200] x [3200, 128]: the right operand's 384 KB (with 16 lanes) stay in the L2 while the left one's strips pass.
constexpr int64_t kSumDepth = 192;
constexpr int64_t kSumPanels = 8;
constexpr int64_t kStrip = 8 * kTileRows;
static_assert(kStrip % kLanes == 0);

// Floats of scratch that multiply_transposed needs; a multiple of 16.
constexpr int64_t kRightScratch = kSumDepth * kSumPanels * kTileColumns;
constexpr int64_t kTransposedScratch = kRightScratch + kSumDepth * kStrip;

// packed[k][kStrip] = source(k)[0, width), then zeros up to a whole vector: what tiles read of it lies close together.
inline void pack_strip(DenseRows source, int64_t depth, int64_t width, float* packed) noexcept {
  for (int64_t k = 0; k < depth; ++k) {
    const float* row = source(k);
    for (int64_t c = 0; c < width; c += kLanes) store(packed + k * kStrip + c, load_first(row + c, width - c));
  }
}

// out[width, columns of the panels] += stripᵀ · right over `depth` of k, or = when `fresh`; panel p of right stands at
// right[p - panels.begin].
inline void multiply_strip(const float* strip, int64_t width, const float* right, int64_t depth, bool fresh,
                           Range panels, float* out, int64_t columns) noexcept {
  const Tiles tiles({0, width});
  for (int64_t t = 0; t < tiles.count; ++t) {
    const Range tile = tiles[t];
    const float* rows[kTileRows] = {};
    for (int64_t r = 0; r < tile.size(); ++r) rows[r] = strip + tile.begin + r;
    for (int64_t panel = panels.begin; panel < panels.end; ++panel) {
      float* end = out + tile.begin * columns + panel * kTileColumns;
      multiply_panel(tile.size(), {rows, kStrip, right + (panel - panels.begin) * depth * kTileColumns, depth},
                     fresh ? TileStart{kZeroColumns, 0} : TileStart{end, columns}, {end, columns},
                     columns_of_panel(columns, panel));
    }
  }
}

// out[rows, columns] = Σ over k < depth of left[k][row] · B(k, column), for the given rows; left is [depth, stride].
// pack_right(k, count, panel, packed) packs k .. k + count - 1 of one panel of B.
template <class PackRight>
inline void multiply_transposed(DenseRows left, int64_t depth, Range rows, int64_t columns, PackRight pack_right,
                                float* out, float* scratch) noexcept {
  const int64_t panels = panel_count(columns);
  float *const right = scratch, *const strip = scratch + kRightScratch;
  for (int64_t first = 0; first < panels; first += kSumPanels) {
    const Range group = {first, first + kSumPanels < panels ? first + kSumPanels : panels};
    for (int64_t k = 0; k == 0 || k < depth; k += kSumDepth) {
      const int64_t block = depth - k < kSumDepth ? depth - k : kSumDepth;
      for (int64_t panel = first; panel < group.end; ++panel) {
        pack_right(k, block, panel, right + (panel - first) * block * kTileColumns);
      }
      for (int64_t row = rows.begin; row < rows.end; row += kStrip) {
        const int64_t width = rows.end - row < kStrip ? rows.end - row : kStrip;
        pack_strip({left(k) + row, left.stride}, block, width, strip);
        multiply_strip(strip, width, right, block, k == 0, group, out + row * columns, columns);
      }
    }
  }
}

// dweight[O, N] = Σ over rows of dy(row)ᵀ · right(row), for this thread's part of O. `workspace` has a scratch for each
// thread; right(row) may be null for zeros.
template <class RowOf>
inline void sum_outer_products(DenseRows dy, int64_t rows, RowOf right, float* dweight, int64_t outputs,
                               int64_t columns, void* workspace, const Team& team) noexcept {
  const auto pack_right = [=](int64_t first, int64_t count, int64_t panel, float* packed) {
    const auto row_of_panel = [=](int64_t k) {
      const float* row = right(first + k);
      return row ? row + panel * kTileColumns : nullptr;
    };
    pack_panel_of_rows(row_of_panel, count, columns_of_panel(columns, panel), packed);
  };
  float* scratch = static_cast<float*>(workspace) + team.rank() * kTransposedScratch;
  multiply_transposed(dy, rows, team.split(outputs), columns, pack_right, dweight, scratch);
}

}  // namespace lstm::LSTM_ISA

// Whole matrix products made of tiles, for one thread's part of the output.
#pragma once

#include "kernels/multiply/active_rows.h"
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

// How much of k is multiplied at a time, at most, where all rows of a step pass over a panel.
constexpr int64_t kStepDepth = 512;

// Blocks of nearly equal depth: a last one of a few k would cost a pass over all rows.
constexpr int64_t block_depth_of(int64_t depth) {
  const int64_t blocks = depth > kStepDepth ? (depth + kStepDepth - 1) / kStepDepth : 1;
  return ((depth + blocks - 1) / blocks + 3) / 4 * 4;
}
static_assert(block_depth_of(516) == 260 && block_depth_of(2048) == 512 && block_depth_of(3) == 4);

// A range of k of a product of listed rows with a panel: what rows hold from `first` on, and the panel's columns for it.
struct ListedPart {
  const float* const* rows;
  int64_t first;
  const float* columns;
  int64_t depth;
};
constexpr int kMostParts = 4;

// end[r][n] = start[r][n] + the sum of some parts over any number of rows, with `depth` of k in all. Where it is the last of
// a product, before and after are called as multiply_listed says.
template <class Before, class After>
inline void multiply_block(const ListedPart* parts, int part_count, int64_t depth, int64_t count, const float* next,
                           TileStart start, TileEnd end, bool last, Before before, After after) noexcept {
  const Tiles tiles({0, count});
  for (int64_t t = 0; t < tiles.count; ++t, next += depth * kTileColumns / kTilesToFetch) {
    const Range tile = tiles[t];
    const float* rows[kMostParts][kTileRows];
    Segment segments[kMostParts];
    for (int p = 0; p < part_count; ++p) {
      for (int64_t r = 0; r < tile.size(); ++r) rows[p][r] = parts[p].rows[tile.begin + r] + parts[p].first;
      segments[p] = {rows[p], 1, parts[p].columns, parts[p].depth};
    }
    const TileStart from = {start.data + tile.begin * start.stride, start.stride};
    const TileEnd to = {end.data + tile.begin * end.stride, end.stride};
    FetchList list(depth);
    if (last && count > 1) before(tile, list);
    if (count == 1) {
      multiply_row_streaming(segments, part_count, from, to);
    } else if (t < kTilesToFetch || list.count > 0) {
      multiply_tile_fetching(tile.size(), segments, part_count, t < kTilesToFetch ? next : segments[0].columns, list,
                             from, to);
    } else {
      multiply_tile(tile.size(), segments, part_count, from, to);
    }
    if (last) after(tile);
  }
}

// end[r][n] = start[r][n] + the parts' sum, one after the other in one chain, one panel over any number of rows: block by
// block of k, which stays in the cache while all rows pass over it. What `next` points to is multiplied after this and
// fetched meanwhile, as much as this is long. before(range of rows, list) is called before the last multiply of a tile, to
// list what after(range), with the tile at hand, reads and writes.
template <class Before, class After>
inline void multiply_listed(const ListedPart* parts, int part_count, int64_t count, const float* next, TileStart start,
                            TileEnd end, Before before, After after) noexcept {
  ListedPart block[kMostParts];
  int in_block = 0;
  int64_t total = 0, depth = 0;
  for (int p = 0; p < part_count; ++p) total += parts[p].depth;
  const int64_t block_depth = block_depth_of(total);
  for (int p = 0; p < part_count; ++p) {
    const ListedPart& part = parts[p];
    const bool last_part = p + 1 == part_count;
    const float* const following = last_part ? next : parts[p + 1].columns;
    int64_t k = 0;
    do {
      const int64_t left = part.depth - k, room = block_depth - depth, taken = left < room ? left : room;
      const float* columns = part.columns + k * kTileColumns;
      block[in_block++] = {part.rows, part.first + k, columns, taken};
      k += taken, depth += taken;
      const bool ends = k == part.depth, last = ends && last_part;
      if (depth < block_depth && !last) continue;
      const float* coming = ends ? following : columns + taken * kTileColumns;
      multiply_block(block, in_block, depth, count, coming, start, end, last, before, after);
      start = {end.data, end.stride};
      in_block = 0, depth = 0;
    } while (k < part.depth);
  }
}

// The same for a product of one part.
template <class Before, class After>
inline void multiply_listed(const float* const* rows, int64_t count, const float* columns, int64_t depth,
                            const float* next, TileStart start, TileEnd end, Before before, After after) noexcept {
  const ListedPart part = {rows, 0, columns, depth};
  multiply_listed(&part, 1, count, next, start, end, before, after);
}

// end(r)[n] = start(r)[n] + the segment's sum for the first `columns` of a panel, where rows lie apart.
template <class StartOf, class EndOf>
inline void multiply_apart(int64_t rows, const Segment& segment, StartOf start, EndOf end, int64_t columns) noexcept {
  alignas(64) float tile[kTileRows * kTileColumns] = {};
  for (int64_t r = 0; r < rows; ++r) {
    const float* from = start(r);
    for (int v = 0; v < kTileVectors; ++v) {
      store(tile + r * kTileColumns + v * kLanes, load_first(from + v * kLanes, columns - v * kLanes));
    }
  }
  multiply_tile(rows, &segment, 1, {tile, kTileColumns}, {tile, kTileColumns});
  for (int64_t r = 0; r < rows; ++r) {
    float* to = end(r);
    for (int v = 0; v < kTileVectors; ++v) {
      store_first(to + v * kLanes, load(tile + r * kTileColumns + v * kLanes), columns - v * kLanes);
    }
  }
}

// multiply_tile for a panel that may reach past the last column of `start` and `end`.
inline void multiply_panel(int64_t rows, const Segment& segment, TileStart start, TileEnd end,
                           int64_t columns) noexcept {
  if (columns == kTileColumns) return multiply_tile(rows, &segment, 1, start, end);
  const auto start_of = [=](int64_t r) { return start.data + r * start.stride; };
  const auto end_of = [=](int64_t r) { return end.data + r * end.stride; };
  multiply_apart(rows, segment, start_of, end_of, columns);
}

// How much of k is multiplied at a time. A panel's part should stay in the L2 while all rows pass over it: 256 KB with
// 16 lanes.
constexpr int64_t kDepthBlock = 1024;

// out[R, columns] = bias + a[R, depth] · B over the given part of the listed rows, and panels of a packed B; bias may be
// null.
template <class Rows>
inline void multiply_packed(const float* a, const float* packed, int64_t depth, const float* bias, float* out,
                            int64_t columns, Rows list, Range rows, Range panels) noexcept {
  const Tiles tiles(rows);
  for (int64_t panel = panels.begin; panel < panels.end; ++panel) {
    const int64_t first = panel * kTileColumns;
    for (int64_t k = 0; k == 0 || k < depth; k += kDepthBlock) {
      const int64_t block = depth - k < kDepthBlock ? depth - k : kDepthBlock;
      for (int64_t t = 0; t < tiles.count; ++t) {
        const Range tile = tiles[t];
        const float* row_pointers[kTileRows] = {};
        for (int64_t r = 0; r < tile.size(); ++r) row_pointers[r] = a + list[tile.begin + r] * depth + k;
        const Segment segment = {row_pointers, 1, packed + (panel * depth + k) * kTileColumns, block};
        const float* const begin = bias ? bias + first : kZeroColumns;
        if (list.contiguous(tile)) {
          float* end = out + list[tile.begin] * columns + first;
          multiply_panel(tile.size(), segment, k > 0 ? TileStart{end, columns} : TileStart{begin, 0}, {end, columns},
                         columns_of_panel(columns, panel));
          continue;
        }
        const auto end_of = [=](int64_t r) { return out + list[tile.begin + r] * columns + first; };
        const auto start_of = [=](int64_t r) { return k > 0 ? end_of(r) : begin; };
        multiply_apart(tile.size(), segment, start_of, end_of, columns_of_panel(columns, panel));
      }
    }
  }
}

// The team's part of multiply_packed over all listed rows: rows, or panels when there are few rows.
template <class Rows>
inline void multiply_packed(const float* a, const float* packed, int64_t depth, const float* bias, float* out,
                            Rows list, int64_t columns, const Team& team) noexcept {
  const int64_t rows = list.count, panels = panel_count(columns);
  const bool by_rows = rows >= kTileRows * team.size() || panels < team.size();
  multiply_packed(a, packed, depth, bias, out, columns, list, by_rows ? team.split(rows) : Range{0, rows},
                  by_rows ? Range{0, panels} : team.split(panels));
}

// The blocks of a transposed product: how much of k, how many panels of the right operand and how many rows of the
// output are packed at a time. A panel's block and a strip stay in the L1 together, 12 and 18 KB with 8 lanes; the panels
// of the right operand in the L2.
constexpr int64_t kSumDepth = kLanes > 8 ? 64 : 96;
constexpr int64_t kSumPanels = 8;
constexpr int64_t kStrip = kLanes > 8 ? 48 : 16 * kTileRows;
static_assert(kStrip % kLanes == 0 && kStrip % kTileRows == 0);

// Floats of scratch that multiply_transposed needs; a multiple of 16.
constexpr int64_t kRightScratch = kSumDepth * kSumPanels * kTileColumns;
constexpr int64_t kTransposedScratch = kRightScratch + kSumDepth * kStrip;

// packed[k][kStrip] = source(k)[0, width), then zeros up to a whole vector: what tiles read of it lies close together.
template <class RowOf>
inline void pack_strip(RowOf source, int64_t depth, int64_t width, float* packed) noexcept {
  for (int64_t k = 0; k < depth; ++k) {
    const float* row = source(k);
    if (k + kRowsAhead < depth) fetch(source(k + kRowsAhead), width);
    for (int64_t c = 0; c < width; c += kLanes) store(packed + k * kStrip + c, load_first(row + c, width - c));
  }
}

// out[width, columns of the panels] += stripᵀ · right over `depth` of k, or = when `fresh`; panel p of right stands at
// right[p - panels.begin].
inline void multiply_strip(const float* strip, int64_t width, const float* right, int64_t depth, bool fresh,
                           Range panels, float* out, int64_t columns) noexcept {
  const Tiles tiles({0, width});
  for (int64_t panel = panels.begin; panel < panels.end; ++panel) {
    for (int64_t t = 0; t < tiles.count; ++t) {
      const Range tile = tiles[t];
      const float* rows[kTileRows] = {};
      for (int64_t r = 0; r < tile.size(); ++r) rows[r] = strip + tile.begin + r;
      float* end = out + tile.begin * columns + panel * kTileColumns;
      multiply_panel(tile.size(), {rows, kStrip, right + (panel - panels.begin) * depth * kTileColumns, depth},
                     fresh ? TileStart{kZeroColumns, 0} : TileStart{end, columns}, {end, columns},
                     columns_of_panel(columns, panel));
    }
  }
}

// out[rows, columns] = Σ over k < depth of left(k)[row] · B(k, column), for the given rows. pack_right(k, count, panel,
// packed) packs k .. k + count - 1 of one panel of B.
template <class RowOf, class PackRight>
inline void multiply_transposed(RowOf left, int64_t depth, Range rows, int64_t columns, PackRight pack_right,
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
        pack_strip([=](int64_t i) { return left(k + i) + row; }, block, width, strip);
        multiply_strip(strip, width, right, block, k == 0, group, out + row * columns, columns);
      }
    }
  }
}

// dweight[O, N] = Σ over the listed rows of dy(row)ᵀ · right(row), for this thread's part of O. `workspace` has a scratch
// for each thread; right(row) may be null for zeros.
template <class Rows, class RowOf>
inline void sum_outer_products(DenseRows dy, Rows rows, RowOf right, float* dweight, int64_t outputs, int64_t columns,
                               void* workspace, const Team& team) noexcept {
  const auto pack_right = [=](int64_t first, int64_t count, int64_t panel, float* packed) {
    const auto row_of_panel = [=](int64_t k) {
      const float* row = right(rows[first + k]);
      return row ? row + panel * kTileColumns : nullptr;
    };
    pack_panel_of_rows(row_of_panel, count, columns_of_panel(columns, panel), packed);
  };
  float* scratch = static_cast<float*>(workspace) + team.rank() * kTransposedScratch;
  const auto left = [=](int64_t k) { return dy(rows[k]); };
  multiply_transposed(left, rows.count, team.split(outputs), columns, pack_right, dweight, scratch);
}

// The workspace of a weight gradient over a sequence: the list of its rows, then what sum_outer_products needs.
inline size_t outer_products_bytes(const Tensor& dy, bool ragged, int team_size) noexcept {
  return row_list_bytes(dy, ragged) + sizeof(float) * static_cast<size_t>(team_size * kTransposedScratch);
}
// Calls body(rows, scratch).
template <class Body>
inline void with_outer_products(const Tensor& dy, const int32_t* lengths, void* workspace, Team& team,
                                const Body& body) noexcept {
  void* scratch = static_cast<char*>(workspace) + row_list_bytes(dy, lengths);
  with_active_rows(dy, lengths, workspace, team, [&](auto rows) { body(rows, scratch); });
}

}  // namespace lstm::LSTM_ISA

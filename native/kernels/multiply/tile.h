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

// A range of k: the tile grows by rows[r][k * stride] * columns[k] for k in [0, depth).
struct Segment {
  const float* const* rows;  // one pointer for each row of the tile
  int64_t stride;
  const float* columns;  // as Columns says; the first is 64-byte aligned
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

// What a segment packs for each k: one vector of columns for each target, which is the vector of the tile that it adds
// to. Known when compiled, so that no FMA is wasted on a vector that a segment has no part in.
template <int... kTargets>
struct Columns {
  static constexpr int kVectors = sizeof...(kTargets);

  static LSTM_INLINE void load_all(const float* columns, Vector (&column)[kVectors]) {
    LSTM_UNROLL
    for (int v = 0; v < kVectors; ++v) column[v] = load(columns + v * kLanes);
  }
  static LSTM_INLINE void add_products(Vector row, const Vector (&column)[kVectors], Vector (&sums)[kTileVectors]) {
    int v = 0;
    ((sums[kTargets] = fma(row, column[v], sums[kTargets]), ++v), ...);
  }

  // The products of one k. The fewer of rows and vectors stay in registers, and the others pass by one at a time: at
  // 3 rows there is no register for the rows beside four vectors.
  template <int kRows>
  static LSTM_INLINE void add_step(const float* (&rows)[kRows], int64_t stride, const float* columns,
                                   Vector (&sums)[kRows][kTileVectors]) {
    if constexpr (kRows > kVectors) {
      Vector column[kVectors];
      load_all(columns, column);
      LSTM_UNROLL
      for (int r = 0; r < kRows; ++r) add_products(broadcast(*rows[r]), column, sums[r]), rows[r] += stride;
    } else {
      Vector row[kRows];
      LSTM_UNROLL
      for (int r = 0; r < kRows; ++r) row[r] = broadcast(*rows[r]), rows[r] += stride;
      int v = 0;
      (add_column<kTargets>(row, load(columns + v++ * kLanes), sums), ...);
    }
  }

 private:
  template <int kTarget, int kRows>
  static LSTM_INLINE void add_column(const Vector (&row)[kRows], Vector column, Vector (&sums)[kRows][kTileVectors]) {
    LSTM_UNROLL
    for (int r = 0; r < kRows; ++r) sums[r][kTarget] = fma(row[r], column, sums[r][kTarget]);
  }
};
static_assert(kTileVectors == 4);
using WholePanel = Columns<0, 1, 2, 3>;

// Floats of a cache line.
constexpr int64_t kLine = 16;

// Asks for `count` floats, if they are memory at all.
LSTM_INLINE void fetch(const float* p, int64_t count) {
  for (int64_t i = 0; i < count; i += kLine) prefetch(p + i);
}

// Nothing is fetched while a segment is multiplied.
struct NothingNext {
  LSTM_INLINE void operator()() {}
};
// Lines that something else will read or write soon, asked for one by one: a burst of them would keep the multiply's own
// loads waiting.
struct FetchList {
  // As many as the largest cell touches in a tile, 15 pieces of each row's panel. What a multiply has no time for, one line
  // after every four of k, is not listed.
  static constexpr int kMost = 15 * static_cast<int>((kTileColumns + kLine - 1) / kLine) * kTileRows;

  const void* lines[kMost];
  int count = 0, most;

  // For a multiply of `depth`.
  LSTM_INLINE explicit FetchList(int64_t depth) : most(depth / 4 < kMost ? static_cast<int>(depth / 4) : kMost) {}

  LSTM_INLINE bool full() const { return count >= most; }
  LSTM_INLINE void add(const float* p, int64_t floats) {
    for (int64_t i = 0; i < floats && count < most; i += kLine) lines[count++] = p + i;
  }
};

// While segments are multiplied: the lines of a list, and a quarter of their size from `next` on, because a tile takes longer
// than memory needs for that.
constexpr int64_t kTilesToFetch = 4;
struct FetchNext {
  const float* next;
  const void *const *line, *const *end;

  LSTM_INLINE void operator()() {
    LSTM_UNROLL
    for (int i = 0; i < kTileColumns / kLine; ++i) prefetch_outer(next + i * kLine);
    next += kTileColumns;
    if (line != end) prefetch(*line++);
  }
};

// The columns themselves, some way ahead: where a panel passes once, memory sets the pace.
constexpr int64_t kStreamAhead = 16;  // of k
struct FetchStream {
  const float* columns;

  LSTM_INLINE void operator()() {
    LSTM_UNROLL
    for (int i = 0; i < 4 * kTileColumns / kLine; ++i) prefetch(columns + i * kLine);
    columns += 4 * kTileColumns;
  }
};

// sums += the segment's products: for each element one chain of FMAs in increasing k. on_four() after every four of them.
template <class SegmentColumns, int kRows, class OnFour = NothingNext>
LSTM_INLINE void accumulate(const Segment& segment, Vector (&sums)[kRows][kTileVectors], OnFour&& on_four = {}) {
  const float* rows[kRows];
  LSTM_UNROLL
  for (int r = 0; r < kRows; ++r) rows[r] = segment.rows[r];
  const float* columns = segment.columns;
  const int64_t stride = segment.stride;
  constexpr int64_t kWidth = SegmentColumns::kVectors * kLanes;
  int64_t left = segment.depth;
  for (; left >= 4; left -= 4, columns += 4 * kWidth) {
    SegmentColumns::add_step(rows, stride, columns, sums);
    SegmentColumns::add_step(rows, stride, columns + kWidth, sums);
    SegmentColumns::add_step(rows, stride, columns + 2 * kWidth, sums);
    SegmentColumns::add_step(rows, stride, columns + 3 * kWidth, sums);
    on_four();
  }
  for (; left > 0; --left, columns += kWidth) SegmentColumns::add_step(rows, stride, columns, sums);
}

template <int kRows>
LSTM_INLINE void load_tile(TileStart start, Vector (&sums)[kRows][kTileVectors]) {
  LSTM_UNROLL
  for (int r = 0; r < kRows; ++r) {
    LSTM_UNROLL
    for (int v = 0; v < kTileVectors; ++v) sums[r][v] = load(start.data + r * start.stride + v * kLanes);
  }
}
template <int kRows>
LSTM_INLINE void store_tile(const Vector (&sums)[kRows][kTileVectors], TileEnd end) {
  LSTM_UNROLL
  for (int r = 0; r < kRows; ++r) {
    LSTM_UNROLL
    for (int v = 0; v < kTileVectors; ++v) store(end.data + r * end.stride + v * kLanes, sums[r][v]);
  }
}

// end[r][n] = start[r][n] + the sums of any number of segments over whole panels: one chain, segment by segment.
template <int kRows>
LSTM_NOINLINE inline void multiply_rows(const Segment* segments, int count, TileStart start, TileEnd end) noexcept {
  Vector sums[kRows][kTileVectors];
  load_tile(start, sums);
  for (const Segment* segment = segments; segment != segments + count; ++segment) {
    accumulate<WholePanel>(*segment, sums);
  }
  store_tile(sums, end);
}

// multiply_rows for a height known at run time, 1 to kTileRows.
template <int kRows = kTileRows>
inline void multiply_tile(int64_t rows, const Segment* segments, int count, TileStart start, TileEnd end) noexcept {
  if constexpr (kRows > 1) {
    if (rows < kRows) return multiply_tile<kRows - 1>(rows, segments, count, start, end);
  }
  multiply_rows<kRows>(segments, count, start, end);
}

// multiply_rows, while what `next` points to is fetched.
template <int kRows>
LSTM_NOINLINE inline void multiply_rows_fetching(const Segment* segments, int count, const float* next,
                                                 const FetchList& list, TileStart start, TileEnd end) noexcept {
  Vector sums[kRows][kTileVectors];
  load_tile(start, sums);
  FetchNext fetch_next = {next, list.lines, list.lines + list.count};
  for (const Segment* segment = segments; segment != segments + count; ++segment) {
    accumulate<WholePanel>(*segment, sums, fetch_next);
  }
  store_tile(sums, end);
}
// multiply_rows of one, whose own columns are fetched: they pass once.
LSTM_NOINLINE inline void multiply_row_streaming(const Segment* segments, int count, TileStart start,
                                                 TileEnd end) noexcept {
  Vector sums[1][kTileVectors];
  load_tile(start, sums);
  for (const Segment* segment = segments; segment != segments + count; ++segment) {
    accumulate<WholePanel>(*segment, sums, FetchStream{segment->columns + kStreamAhead * kTileColumns});
  }
  store_tile(sums, end);
}
// multiply_rows_fetching for a height known at run time.
template <int kRows = kTileRows>
inline void multiply_tile_fetching(int64_t rows, const Segment* segments, int count, const float* next,
                                   const FetchList& list, TileStart start, TileEnd end) noexcept {
  if constexpr (kRows > 1) {
    if (rows < kRows) return multiply_tile_fetching<kRows - 1>(rows, segments, count, next, list, start, end);
  }
  multiply_rows_fetching<kRows>(segments, count, next, list, start, end);
}

// multiply_rows for one segment of each of the given columns.
template <int kRows, class... SegmentColumns>
inline void multiply_rows_by(const Segment* segment, TileStart start, TileEnd end) noexcept {
  Vector sums[kRows][kTileVectors];
  load_tile(start, sums);
  (accumulate<SegmentColumns>(*segment++, sums), ...);
  store_tile(sums, end);
}

template <class... SegmentColumns>
struct MixedTile {
  template <int kRows = kTileRows>
  static void multiply(int64_t rows, const Segment* segments, TileStart start, TileEnd end) noexcept {
    if constexpr (kRows > 1) {
      if (rows < kRows) return multiply<kRows - 1>(rows, segments, start, end);
    }
    multiply_rows_by<kRows, SegmentColumns...>(segments, start, end);
  }
};

// A segment whose columns come in streams of their own, at most one for each vector of a tile; the stride is 1.
struct StreamedSegment {
  const float* const* rows;
  const float* streams[kTileVectors];
  int64_t depth;
};

// What each stream packs.
template <class... StreamColumns>
struct Streams {
  template <int kRows>
  static LSTM_INLINE void accumulate(const StreamedSegment& segment, Vector (&sums)[kRows][kTileVectors]) {
    const float *rows[kRows], *streams[sizeof...(StreamColumns)];
    LSTM_UNROLL
    for (int r = 0; r < kRows; ++r) rows[r] = segment.rows[r];
    for (size_t s = 0; s < sizeof...(StreamColumns); ++s) streams[s] = segment.streams[s];
    for (int64_t k = 0; k < segment.depth; ++k) {
      Vector row[kRows];
      LSTM_UNROLL
      for (int r = 0; r < kRows; ++r) row[r] = broadcast(rows[r][k]);
      int s = 0;
      (add_stream<StreamColumns>(row, streams[s++], k, sums), ...);
    }
  }

 private:
  template <class Stream, int kRows>
  static LSTM_INLINE void add_stream(const Vector (&row)[kRows], const float* stream, int64_t k,
                                     Vector (&sums)[kRows][kTileVectors]) {
    Vector column[Stream::kVectors];
    Stream::load_all(stream + k * Stream::kVectors * kLanes, column);
    LSTM_UNROLL
    for (int r = 0; r < kRows; ++r) Stream::add_products(row[r], column, sums[r]);
  }
};

// A tile over one segment of each of the given streams.
template <int kRows, class... SegmentStreams>
inline void multiply_streamed_rows(const StreamedSegment* segment, TileStart start, TileEnd end) noexcept {
  Vector sums[kRows][kTileVectors];
  load_tile(start, sums);
  (SegmentStreams::accumulate(*segment++, sums), ...);
  store_tile(sums, end);
}

template <class... SegmentStreams>
struct StreamedTile {
  template <int kRows = kTileRows>
  static void multiply(int64_t rows, const StreamedSegment* segments, TileStart start, TileEnd end) noexcept {
    if constexpr (kRows > 1) {
      if (rows < kRows) return multiply<kRows - 1>(rows, segments, start, end);
    }
    multiply_streamed_rows<kRows, SegmentStreams...>(segments, start, end);
  }
};

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

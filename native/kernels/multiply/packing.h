// Packs: operands laid out in the order in which the tiles read them.
#pragma once

#include "kernels/multiply/heads.h"
#include "kernels/multiply/tile.h"
#include "kernels/pack.h"
#include "simd/transpose.h"

namespace lstm::LSTM_ISA {

// Depth of the operand B that a pack of a weight [R, C] makes, its panels, and the columns of a panel.
struct PackShape {
  int64_t depth, panels, width;
};
// A panel holds all gates of kLanes units, a vector each; the units after the last are padding.
inline PackShape gates_shape(int gates, int64_t rows, int64_t depth) noexcept {
  return {depth, (rows / gates + kLanes - 1) / kLanes, gates * kLanes};
}
inline PackShape heads_shape(const HeadPanels& heads, int gates_in_depth) noexcept {
  return {gates_in_depth * heads.depth(), heads.count(), kTileColumns};
}
inline PackShape pack_shape(PackKind kind, const Tensor& weight) noexcept {
  const int64_t rows = weight.dim(0), columns = weight.dim(1);
  switch (kind) {
    case PackKind::columns:
      return {columns, panel_count(rows), kTileColumns};
    case PackKind::rows:
      return {rows, panel_count(columns), kTileColumns};
    case PackKind::gates3:
    case PackKind::gru_gates:
      return gates_shape(3, rows, columns);
    case PackKind::gates4:
      return gates_shape(4, rows, columns);
    case PackKind::heads4:
      return heads_shape(head_panels(rows, columns, kLanes), 1);
    case PackKind::heads4_rows:
      return heads_shape(head_panels(rows, columns, kTileColumns), kHeadGates);
  }
  return {0, 0, 0};
}

// Lines ahead of those that are packed, in each of as many rows as a panel is wide. Of rows shorter than that what is
// fetched is another row.
constexpr int64_t kLinesAhead = 4;

// Columns that are packed at once.
template <int kWidth>
constexpr int kColumnsAtOnce = kWidth % kTransposeBlock == 0 ? kTransposeBlock : 1;
static_assert(kLine % kTransposeBlock == 0);

// kLine of k, from `begin` on, of kColumnsAtOnce columns of a panel of kWidth: to[k][n] = sources[n][k]; no source is null.
template <int kWidth>
inline void pack_line_of_columns(const float* const* sources, int64_t begin, float* to) noexcept {
  constexpr int kColumns = kColumnsAtOnce<kWidth>;
  for (int64_t k = begin; k < begin + kLine; k += kTransposeBlock) {
    const float* rows[kColumns];
    for (int n = 0; n < kColumns; ++n) rows[n] = sources[n] + k;
    transpose_block(rows, to + k * kWidth, kWidth);
  }
  for (int n = 0; n < kColumns; ++n) prefetch(sources[n] + begin + kLinesAhead * kLine);
}

// The panel [depth][kWidth] whose columns are rows of a matrix: panel[k][n] = row(n)[k], or 0 where row(n) is null.
template <int kWidth = kTileColumns, class RowOf>
inline void pack_panel_of_columns(RowOf row, int64_t depth, float* panel) noexcept {
  constexpr int kColumns = kColumnsAtOnce<kWidth>;
  const float* sources[kWidth];
  for (int n = 0; n < kWidth; ++n) sources[n] = row(n);
  // A cache line of each source row at a time; what they reach of the panel stays in the L1. What is no whole line, or stands
  // beside a null row, goes one by one.
  for (int64_t begin = 0; begin < depth; begin += kLine) {
    const int64_t end = begin + kLine < depth ? begin + kLine : depth;
    for (int first = 0; first < kWidth; first += kColumns) {
      bool whole = end - begin == kLine;
      for (int n = first; n < first + kColumns; ++n) whole &= sources[n] != nullptr;
      if constexpr (kColumns > 1) {
        if (whole) {
          pack_line_of_columns<kWidth>(sources + first, begin, panel + first);
          continue;
        }
      }
      for (int n = first; n < first + kColumns; ++n) {
        const float* source = sources[n];
        for (int64_t k = begin; k < end; ++k) panel[k * kWidth + n] = source ? source[k] : 0.0f;
      }
    }
  }
}

// The panel [depth][kTileColumns] whose rows are rows of a matrix: panel[k][n] = row(k)[n] for n < columns, else 0; a null
// row is a row of zeros.
template <class RowOf>
inline void pack_panel_of_rows(RowOf row, int64_t depth, int64_t columns, float* panel) noexcept {
  for (int64_t k = 0; k < depth; ++k, panel += kTileColumns) {
    const float* source = row(k);
    for (int v = 0; v < kTileVectors; ++v) {
      store(panel + v * kLanes, source ? load_first(source + v * kLanes, columns - v * kLanes) : zero());
    }
  }
}

// The panel of all gates of kLanes units.
template <int kGates>
inline void pack_gates_panel(const float* weight, int64_t units, int64_t depth, int64_t panel, float* packed) noexcept {
  const auto row = [=](int64_t n) {
    const int64_t unit = panel * kLanes + n % kLanes;
    return unit < units ? weight + (n / kLanes * units + unit) * depth : nullptr;
  };
  pack_panel_of_columns<kGates * kLanes>(row, depth, packed);
}

// The panel of all gates of kLanes units over what they see: the rows of each head, zeros in the columns of others.
inline void pack_heads_panel(const Tensor& weight, int64_t panel, float* packed) noexcept {
  const int64_t head_size = weight.dim(1);
  const HeadPanels heads = head_panels(weight.dim(0), head_size, kLanes);
  const Range seen = heads.seen(panel);
  for (int64_t head = seen.begin; head < seen.end; head += head_size) {
    const auto row = [=, data = weight.f32()](int64_t n) {
      const int64_t unit = panel * kLanes + n % kLanes;
      const bool within = unit >= head && unit < head + head_size;
      return within ? data + (n / kLanes * heads.units + unit) * head_size : nullptr;
    };
    pack_panel_of_columns(row, head_size, packed + (head - seen.begin) * kTileColumns);
  }
}

// The panel of kTileColumns hidden units over the gates that see them, gate by gate.
inline void pack_heads_panel_of_rows(const Tensor& weight, int64_t panel, float* packed) noexcept {
  const int64_t head_size = weight.dim(1), first = panel * kTileColumns;
  const HeadPanels heads = head_panels(weight.dim(0), head_size, kTileColumns);
  const Range seen = heads.seen(panel);
  for (int gate = 0; gate < kHeadGates; ++gate) {
    for (int64_t unit = seen.begin; unit < seen.end; ++unit) {
      float* target = packed + (gate * heads.depth() + unit - seen.begin) * kTileColumns;
      memset(target, 0, sizeof(float) * kTileColumns);
      const int64_t head = unit / head_size * head_size;
      const int64_t begin = head > first ? head : first;
      const int64_t end = head + head_size < first + kTileColumns ? head + head_size : first + kTileColumns;
      memcpy(target + begin - first, weight.f32() + (gate * heads.units + unit) * head_size + begin - head,
             sizeof(float) * static_cast<size_t>(end - begin));
    }
  }
}

// Rows ahead of the one that is copied: they lie so far apart that only this fetches them in time.
constexpr int64_t kRowsAhead = 8;

// One panel of a weight's pack; panels stand one after the other, each [depth][width].
inline void pack_weight_panel(PackKind kind, const Tensor& weight, int64_t panel, float* packed) noexcept {
  const float* data = weight.f32();
  const int64_t rows = weight.dim(0), width = weight.dim(1), first = panel * kTileColumns;
  switch (kind) {
    case PackKind::columns:
      return pack_panel_of_columns([=](int64_t n) { return first + n < rows ? data + (first + n) * width : nullptr; },
                                   width, packed);
    case PackKind::rows:
      return pack_panel_of_rows(
          [=](int64_t k) {
            fetch(data + (k + kRowsAhead) * width + first, kTileColumns);
            return data + k * width + first;
          },
          rows, columns_of_panel(width, panel), packed);
    case PackKind::gates3:
      return pack_gates_panel<3>(data, rows / 3, width, panel, packed);
    case PackKind::gates4:
      return pack_gates_panel<4>(data, rows / 4, width, panel, packed);
    case PackKind::gru_gates:
      pack_gates_panel<2>(data, rows / 3, width, panel, packed);
      return pack_gates_panel<1>(data + 2 * (rows / 3) * width, rows / 3, width, panel, packed + 2 * kLanes * width);
    case PackKind::heads4:
      return pack_heads_panel(weight, panel, packed);
    case PackKind::heads4_rows:
      return pack_heads_panel_of_rows(weight, panel, packed);
  }
}

// What `pack` writes, in bytes.
inline size_t pack_bytes(PackKind kind, const Tensor& weight) noexcept {
  const PackShape shape = pack_shape(kind, weight);
  return sizeof(float) * static_cast<size_t>(shape.panels * shape.depth * shape.width);
}

// Lays a weight [R, C] out as `kind` says. `packed` is 64-byte aligned; each thread of the team packs its own panels.
inline void pack(PackKind kind, const Tensor& weight, float* packed, Team& team) noexcept {
  const PackShape shape = pack_shape(kind, weight);
  const Range panels = team.split(shape.panels);
  for (int64_t panel = panels.begin; panel < panels.end; ++panel) {
    pack_weight_panel(kind, weight, panel, packed + panel * shape.depth * shape.width);
  }
}

}  // namespace lstm::LSTM_ISA

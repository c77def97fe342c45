// Packs: operands laid out in the order in which the tiles read them.
#pragma once

#include "kernels/multiply/tile.h"
#include "kernels/pack.h"

namespace lstm::LSTM_ISA {

// Depth and columns of the operand B that a pack of a weight [R, C] makes.
struct PackShape {
  int64_t depth, columns;
};
inline PackShape pack_shape(PackKind kind, const Tensor& weight) noexcept {
  const int64_t rows = weight.dim(0), columns = weight.dim(1);
  switch (kind) {
    case PackKind::columns:
      return {columns, rows};
    case PackKind::rows:
      return {rows, columns};
    case PackKind::gates4:
      // A panel holds kLanes units; the units after the last are padding.
      return {columns, (rows / kTileVectors + kLanes - 1) / kLanes * kTileColumns};
  }
  return {0, 0};
}

// The panel [depth][kTileColumns] whose columns are rows of a matrix: panel[k][n] = row(n)[k], or 0 where row(n) is null.
template <class RowOf>
inline void pack_panel_of_columns(RowOf row, int64_t depth, float* panel) noexcept {
  // 16 floats of a source row are one cache line, and the part of the panel that they reach stays in L1.
  constexpr int64_t kBlock = 16;
  for (int64_t begin = 0; begin < depth; begin += kBlock) {
    const int64_t end = begin + kBlock < depth ? begin + kBlock : depth;
    for (int64_t n = 0; n < kTileColumns; ++n) {
      const float* source = row(n);
      for (int64_t k = begin; k < end; ++k) panel[k * kTileColumns + n] = source ? source[k] : 0.0f;
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

// One panel of a weight's pack; panels stand one after the other, each [depth][kTileColumns].
inline void pack_weight_panel(PackKind kind, const Tensor& weight, int64_t panel, float* packed) noexcept {
  const float* data = weight.f32();
  const int64_t rows = weight.dim(0), width = weight.dim(1), first = panel * kTileColumns;
  switch (kind) {
    case PackKind::columns:
      return pack_panel_of_columns([=](int64_t n) { return first + n < rows ? data + (first + n) * width : nullptr; },
                                   width, packed);
    case PackKind::rows:
      return pack_panel_of_rows([=](int64_t k) { return data + k * width + first; }, rows,
                                columns_of_panel(width, panel), packed);
    case PackKind::gates4: {
      const int64_t units = rows / kTileVectors;
      return pack_panel_of_columns(
          [=](int64_t n) {
            const int64_t unit = panel * kLanes + n % kLanes;
            return unit < units ? data + (n / kLanes * units + unit) * width : nullptr;
          },
          width, packed);
    }
  }
}

// What `pack` writes, in bytes.
inline size_t pack_bytes(PackKind kind, const Tensor& weight) noexcept {
  const PackShape shape = pack_shape(kind, weight);
  return sizeof(float) * static_cast<size_t>(panel_count(shape.columns) * shape.depth * kTileColumns);
}

// Lays a weight [R, C] out as `kind` says. `packed` is 64-byte aligned; each thread of the team packs its own panels.
inline void pack(PackKind kind, const Tensor& weight, float* packed, Team& team) noexcept {
  const PackShape shape = pack_shape(kind, weight);
  const Range panels = team.split(panel_count(shape.columns));
  for (int64_t panel = panels.begin; panel < panels.end; ++panel) {
    pack_weight_panel(kind, weight, panel, packed + panel * shape.depth * kTileColumns);
  }
}

}  // namespace lstm::LSTM_ISA

// The machine's own limits, to measure the kernels against.
#pragma once

#include "kernels/multiply/tile.h"

namespace lstm::LSTM_ISA {

// Runs `rounds` FMAs on each accumulator of a full tile, touching no memory, and returns how many floating-point
// operations that was. The result goes to `sink`, so that none can be left out.
static int64_t peak(int64_t rounds, float* sink) noexcept {
  Vector sums[kTileRows][kTileVectors];
  LSTM_UNROLL
  for (int r = 0; r < kTileRows; ++r) {
    LSTM_UNROLL
    for (int v = 0; v < kTileVectors; ++v) sums[r][v] = broadcast(static_cast<float>(r * kTileVectors + v));
  }
  const Vector factor = broadcast(0.5f), term = broadcast(*sink);
  for (int64_t round = 0; round < rounds; ++round) {
    LSTM_UNROLL
    for (int r = 0; r < kTileRows; ++r) {
      LSTM_UNROLL
      for (int v = 0; v < kTileVectors; ++v) sums[r][v] = fma(sums[r][v], factor, term);
    }
  }
  Vector total = zero();
  LSTM_UNROLL
  for (int r = 0; r < kTileRows; ++r) {
    LSTM_UNROLL
    for (int v = 0; v < kTileVectors; ++v) total = add(total, sums[r][v]);
  }
  store_partial(sink, total, 1);
  return rounds * kTileRows * kTileColumns * 2;
}

// Adds up an array, of a multiple of 16 vectors, in as many chains as memory can keep busy: nothing but loads.
static void read_all(const float* data, int64_t count, float* sink) noexcept {
  constexpr int kChains = 8;
  Vector sums[kChains];
  LSTM_UNROLL
  for (int v = 0; v < kChains; ++v) sums[v] = zero();
  for (int64_t i = 0; i < count; i += kChains * kLanes) {
    LSTM_UNROLL
    for (int v = 0; v < kChains; ++v) sums[v] = add(sums[v], load(data + i + v * kLanes));
  }
  Vector total = zero();
  LSTM_UNROLL
  for (int v = 0; v < kChains; ++v) total = add(total, sums[v]);
  store_partial(sink, total, 1);
}

}  // namespace lstm::LSTM_ISA
